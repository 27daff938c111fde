/*
 * loop/backend.h: what a way of waiting (io_uring, epoll) supplies.
 *
 * A backend tells which watched descriptors are ready, and moves octets and clients of sockets (watch.h): timers, signals, children,
 * wakeups and deferred work are made from that, once, outside it. Every backend passes the conformance suite (conformance.h), and the tests
 * of lib/stream run on each.
 *
 * Readiness is level-triggered: what is not handled is reported by the next wait again. A hang-up or error is always reported; of a watch
 * with no wanted events it is reported once and not again before the events change: who wants nothing must not make the loop spin.
 */
#ifndef KITH_LOOP_BACKEND_H
#define KITH_LOOP_BACKEND_H

#include "loop/watch.h"

struct kith_loop_backend {
    const char *name;
    /* Errors: -ENOSYS (this kernel has not got it, or forbids it: the next backend is tried; *ret_reason, static, says why), -ENOMEM,
     * -EMFILE, -ENFILE. */
    int (*create)(struct kith_watches *watches, void **ret_state, const char **ret_reason);
    /* in_child: a forked child, whose parent goes on using the same kernel object and must not be disturbed. */
    void (*destroy)(void *state, bool in_child);
    /* A descriptor that is readable while a wait would find something, as of the last flush(). Errors: -EMFILE, -ENFILE, -ENOMEM. */
    int (*fd)(void *state);
    /* add: errors of kith_io_new() but -EEXIST. apply: something of the watch changed. remove: the descriptor may be closed already; with
     * close_fd it is the backend's to close. */
    int (*add)(void *state, struct kith_watch *watch);
    int (*apply)(void *state, struct kith_watch *watch);
    void (*remove)(void *state, struct kith_watch *watch, bool close_fd);
    /* See kith_watches_stop_reading(). NULL: nothing is ever under way. */
    void (*stop_reading)(void *state, struct kith_watch *watch);
    /* STREAM: sends without waiting. Returns the octets sent, a negative errno, or -EINPROGRESS: the octets must stay where they are until
     * ops->sent() tells, which it does before the next wait is over (a removed watch: when remove() returns). A send that fails or goes out
     * in part ends the wait, and so does any when ops->awaits_sent() says so. One at a time a watch. */
    int (*send)(void *state, struct kith_watch *watch, const void *data, size_t size);
    /* Waits at most timeout_ns (-1: without limit), never shorter when nothing happens unless the time cannot be expressed, and calls
     * kith_watches_report() for what is ready. Errors: -EINTR. */
    int (*wait)(void *state, int64_t timeout_ns);
    /* Hands over what the last wait brought: received(). Returns the callbacks run. NULL: it brings nothing by itself. */
    unsigned (*complete)(void *state);
    /* Tells the kernel what has been asked for since the last wait. NULL: it always knows at once. */
    void (*flush)(void *state);
    /* Slabs of the pool that are the backend's own: they lie ready, with nothing in them. NULL: none. */
    size_t (*slabs)(const void *state);
    /* The pool has slabs again, after kith_watches_starve(). */
    void (*refill)(void *state);
};

extern const struct kith_loop_backend kith_loop_uring;
extern const struct kith_loop_backend kith_loop_epoll;

/* Makes the state of the backend called name; NULL: of the first that this kernel has. *ret_reason: why not of the first one, or NULL.
 * Errors: -EINVAL (no such name), those of create(). */
int kith_loop_backend_choose(const char *name, struct kith_watches *watches, const char **ret_reason);

#endif

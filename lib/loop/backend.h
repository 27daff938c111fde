/*
 * loop/backend.h: what a kind of waiting (epoll, later io_uring) supplies.
 *
 * A backend only tells which watched descriptors are ready: timers, signals, children, wakeups and deferred work are made from that, once,
 * outside it. Every backend passes the conformance suite (conformance.h).
 *
 * Readiness is level-triggered: what is not handled is reported by the next wait again. A hang-up or error is always reported; of a watch
 * with no wanted events it is reported once and not again before modify(): who wants nothing must not make the loop spin.
 */
#ifndef KITH_LOOP_BACKEND_H
#define KITH_LOOP_BACKEND_H

#include "loop/watch.h"

struct kith_loop_backend {
    const char *name;
    /* Errors: -ENOSYS (this kernel has not got it, or forbids it: the next backend is tried), -ENOMEM, -EMFILE, -ENFILE. */
    int (*create)(void **ret_state);
    /* Must not disturb a parent process that goes on using the same kernel object. */
    void (*destroy)(void *state);
    /* A descriptor that is readable while a wait would find something. */
    int (*fd)(const void *state);
    /* add: errors of kith_io_new() but -EEXIST. modify: watch->events is new. remove: the descriptor may be closed already. */
    int (*add)(void *state, const struct kith_watch *watch);
    int (*modify)(void *state, const struct kith_watch *watch);
    void (*remove)(void *state, const struct kith_watch *watch);
    /* Waits at most timeout_ns (-1: without limit), never shorter when nothing happens unless the time cannot be expressed, and calls
     * kith_watches_report() for what is ready. Errors: -EINTR. */
    int (*wait)(void *state, int64_t timeout_ns, struct kith_watches *watches);
};

extern const struct kith_loop_backend kith_loop_epoll;

/* Makes the state of the backend called name; NULL: of the first that this kernel has. Errors: -EINVAL (no such name), those of create().
 */
int kith_loop_backend_choose(const char *name, const struct kith_loop_backend **ret_backend, void **ret_state);

#endif

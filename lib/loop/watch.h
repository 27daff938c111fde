/*
 * loop/watch.h: watched descriptors, the same for every backend.
 *
 * A watch is embedded in its owner (kith_io, a signal hub, a child, a wakeup, the loop's own descriptors). The set has one place a
 * descriptor number, so that a second watch of it is refused, and it gives each watch an id: the number and a generation. Backends report
 * ids, not pointers: what the kernel still says about a watch that is gone (it was removed while its event lay in the batch, or its
 * descriptor was closed too early and lives on in another process) is recognised and dropped.
 *
 * Life of an event: the backend's wait reports (kith_watches_report) -> the watch is linked into `urgent` or `ready` -> the loop
 * dispatches. Removing a watch unlinks it, so nothing of it is called afterwards.
 *
 * Changes of the wanted events are collected and told to the backend before it waits: on, off and on again within a step costs nothing.
 */
#ifndef KITH_LOOP_WATCH_H
#define KITH_LOOP_WATCH_H

#include <kith/loop.h>

#include "base/list.h"

struct kith_loop_backend;

struct kith_watch {
    uint64_t id; /* 0: in no set */
    int fd;
    unsigned events;  /* KITH_IO_READ | KITH_IO_WRITE, as wanted */
    unsigned applied; /* as the backend was told */
    unsigned ready;   /* KITH_IO_*, reported and not yet dispatched */
    bool urgent;
    struct kith_list ready_link, changed_link;
    /* Called with what is ready and still wanted; may free the watch. Returns how many callbacks of the user it ran. */
    unsigned (*fn)(struct kith_watch *watch, unsigned events);
};

/* False once removed, and once the loop is gone. */
static inline bool kith_watch_active(const struct kith_watch *watch) {
    return watch->id != 0;
}

struct kith_watches {
    const struct kith_loop_backend *backend;
    void *state; /* the backend's */
    struct kith_watch **by_fd;
    size_t room;
    uint32_t generation;
    struct kith_list urgent, ready, changed;
};

void kith_watches_init(struct kith_watches *watches, const struct kith_loop_backend *backend, void *state);
/* Forgets all watches, without telling the backend. */
void kith_watches_deinit(struct kith_watches *watches);

/* Errors: -EEXIST, -EBADF, -EPERM, -ENOMEM, -ENOSPC. */
int kith_watches_add(struct kith_watches *watches, struct kith_watch *watch, int fd, unsigned events,
                     unsigned (*fn)(struct kith_watch *watch, unsigned events));
/* keep_kernel_object: in a forked child, whose parent goes on using it. */
void kith_watches_remove(struct kith_watches *watches, struct kith_watch *watch, bool keep_kernel_object);
void kith_watches_set_events(struct kith_watches *watches, struct kith_watch *watch, unsigned events);
/* Tells the backend what changed. A watch whose descriptor the kernel does not know any more hangs up. */
void kith_watches_apply(struct kith_watches *watches);

/* For backends: `events` of the watch with this id happened. */
void kith_watches_report(struct kith_watches *watches, uint64_t id, unsigned events);

bool kith_watches_pending(const struct kith_watches *watches);
/* Calls everything reported, the urgent ones first. Returns how many callbacks of the user ran. */
unsigned kith_watches_dispatch(struct kith_watches *watches);

#endif

/*
 * loop/watch.c: the set of watched descriptors.
 *
 * Invariants: by_fd[watch->fd] == watch exactly while the watch is in the set; a watch is in at most one of `urgent` and `ready`, and only
 * with ready != 0; it is in `changed` whenever events != applied.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "loop/backend.h"

#define ROOM_MIN 64

void kith_watches_init(struct kith_watches *watches, const struct kith_loop_backend *backend, void *state) {
    *watches = (struct kith_watches){.backend = backend, .state = state};
    kith_list_init(&watches->urgent);
    kith_list_init(&watches->ready);
    kith_list_init(&watches->changed);
}

static void forget(struct kith_watches *watches, struct kith_watch *watch) {
    watches->by_fd[watch->fd] = NULL;
    kith_list_unlink(&watch->ready_link);
    kith_list_unlink(&watch->changed_link);
    watch->ready = 0;
    watch->id = 0;
}

void kith_watches_deinit(struct kith_watches *watches) {
    for (size_t fd = 0; fd < watches->room; fd++)
        if (watches->by_fd[fd])
            forget(watches, watches->by_fd[fd]);
    free(watches->by_fd);
    watches->by_fd = NULL;
    watches->room = 0;
}

/* Comes again after 2^32 additions: by then the kernel has long told what it knew of the former. */
static uint64_t next_id(struct kith_watches *watches, int fd) {
    if (++watches->generation == 0)
        watches->generation = 1;
    return (uint64_t)watches->generation << 32 | (uint32_t)fd;
}

static int make_room(struct kith_watches *watches, int fd) {
    size_t room = watches->room ? watches->room : ROOM_MIN;

    if ((size_t)fd < watches->room)
        return 0;
    /* A number that is no descriptor must not cost the memory of a table up to it. */
    if (fcntl(fd, F_GETFD) < 0)
        return -errno;
    while (room <= (size_t)fd)
        room *= 2;
    struct kith_watch **by_fd = reallocarray(watches->by_fd, room, sizeof(struct kith_watch *));
    if (!by_fd)
        return -ENOMEM;
    memset(by_fd + watches->room, 0, (room - watches->room) * sizeof(struct kith_watch *));
    watches->by_fd = by_fd;
    watches->room = room;
    return 0;
}

int kith_watches_add(struct kith_watches *watches, struct kith_watch *watch, int fd, unsigned events,
                     unsigned (*fn)(struct kith_watch *watch, unsigned events)) {
    if (fd < 0)
        return -EBADF;
    int r = make_room(watches, fd);
    if (r < 0)
        return r;
    if (watches->by_fd[fd])
        return -EEXIST;
    *watch = (struct kith_watch){
        .id = next_id(watches, fd),
        .fd = fd,
        .events = events,
        .applied = events,
        .fn = fn,
    };
    kith_list_init(&watch->ready_link);
    kith_list_init(&watch->changed_link);
    r = watches->backend->add(watches->state, watch);
    if (r < 0) {
        watch->id = 0;
        return r;
    }
    watches->by_fd[fd] = watch;
    return 0;
}

void kith_watches_remove(struct kith_watches *watches, struct kith_watch *watch, bool keep_kernel_object) {
    if (!keep_kernel_object)
        watches->backend->remove(watches->state, watch);
    forget(watches, watch);
}

void kith_watches_set_events(struct kith_watches *watches, struct kith_watch *watch, unsigned events) {
    watch->events = events;
    if (watch->events != watch->applied && kith_list_empty(&watch->changed_link))
        kith_list_push_back(&watches->changed, &watch->changed_link);
}

static void mark_ready(struct kith_watches *watches, struct kith_watch *watch, unsigned events) {
    watch->ready |= events;
    if (kith_list_empty(&watch->ready_link))
        kith_list_push_back(watch->urgent ? &watches->urgent : &watches->ready, &watch->ready_link);
}

void kith_watches_apply(struct kith_watches *watches) {
    struct kith_watch *watch;

    while ((watch = kith_list_first(&watches->changed, struct kith_watch, changed_link))) {
        kith_list_unlink(&watch->changed_link);
        if (watch->events == watch->applied)
            continue;
        watch->applied = watch->events;
        if (watches->backend->modify(watches->state, watch) < 0)
            mark_ready(watches, watch, KITH_IO_HANGUP);
    }
}

void kith_watches_report(struct kith_watches *watches, uint64_t id, unsigned events) {
    size_t fd = (uint32_t)id;
    struct kith_watch *watch = fd < watches->room ? watches->by_fd[fd] : NULL;

    if (watch && watch->id == id && events)
        mark_ready(watches, watch, events);
}

bool kith_watches_pending(const struct kith_watches *watches) {
    return !kith_list_empty(&watches->urgent) || !kith_list_empty(&watches->ready);
}

unsigned kith_watches_dispatch(struct kith_watches *watches) {
    struct kith_watch *watch;
    unsigned count = 0;

    while ((watch = kith_list_first(&watches->urgent, struct kith_watch, ready_link)) ||
           (watch = kith_list_first(&watches->ready, struct kith_watch, ready_link))) {
        /* What an earlier callback of this batch switched off is not wanted any more. */
        unsigned events = watch->ready & (watch->events | KITH_IO_HANGUP);

        kith_list_unlink(&watch->ready_link);
        watch->ready = 0;
        if (events)
            count += watch->fn(watch, events);
    }
    return count;
}

/*
 * loop/watch.c: the set of watched descriptors.
 *
 * Invariants: by_fd[watch->fd] == watch exactly while the watch is in the set; a watch is in at most one of `urgent` and `ready`, and only
 * with ready != 0; it is in `changed` whenever events != applied, else in `starved` while it is starved.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "loop/backend.h"

#define ROOM_MIN 64

void kith_watches_init(struct kith_watches *watches, struct kith_pool *pool) {
    *watches = (struct kith_watches){.pool = pool};
    kith_list_init(&watches->urgent);
    kith_list_init(&watches->ready);
    kith_list_init(&watches->changed);
    kith_list_init(&watches->starved);
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

/* 29 bits: backends put three of their own in front. It comes again after half a billion additions: by then the kernel has long told what
 * it knew of the former. */
static uint64_t next_id(struct kith_watches *watches, int fd) {
    watches->generation = (watches->generation + 1) & 0x1fffffff;
    if (watches->generation == 0)
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

int kith_watches_add(struct kith_watches *watches, struct kith_watch *watch, enum kith_watch_kind kind, int fd, unsigned events,
                     const struct kith_watch_ops *ops) {
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
        .kind = (uint8_t)kind,
        .events = (uint8_t)events,
        .plain = watch->plain,
        .local = watch->local,
        .control_room = watch->control_room,
        .ops = ops,
    };
    kith_list_init(&watch->ready_link);
    kith_list_init(&watch->changed_link);
    watches->by_fd[fd] = watch;
    r = watches->backend->add(watches->state, watch);
    if (r < 0)
        forget(watches, watch);
    return r;
}

void kith_watches_remove(struct kith_watches *watches, struct kith_watch *watch, bool keep_kernel_object, bool close_fd) {
    int fd = watch->fd;

    if (!keep_kernel_object)
        watches->backend->remove(watches->state, watch, close_fd);
    else if (close_fd)
        kith_close(fd);
    forget(watches, watch);
}

void kith_watches_touch(struct kith_watches *watches, struct kith_watch *watch) {
    kith_list_unlink(&watch->changed_link); /* maybe from `starved` */
    kith_list_push_back(&watches->changed, &watch->changed_link);
}

void kith_watches_set_events(struct kith_watches *watches, struct kith_watch *watch, unsigned events) {
    watch->events = (uint8_t)events;
    if (watch->events != watch->applied)
        kith_watches_touch(watches, watch);
}

void kith_watches_stop_reading(struct kith_watches *watches, struct kith_watch *watch) {
    kith_watches_set_events(watches, watch, watch->events & (unsigned)~KITH_IO_READ);
    if (watches->backend->stop_reading)
        watches->backend->stop_reading(watches->state, watch);
}

void kith_watches_set_control_room(struct kith_watches *watches, struct kith_watch *watch, size_t room) {
    watch->control_room = (uint16_t)room;
    if (watch->control_room != watch->control_armed)
        kith_watches_touch(watches, watch);
}

void kith_watches_starve(struct kith_watches *watches, struct kith_watch *watch) {
    watch->starved = true;
    kith_watches_touch(watches, watch);
    kith_pool_want(watches->pool);
}

/* Those that have starved since the last kith_watches_apply() are still in `changed`. */
void kith_watches_feed(struct kith_watches *watches) {
    kith_list_splice(&watches->changed, &watches->starved);
    kith_list_foreach (&watches->changed, node)
        kith_list_entry(node, struct kith_watch, changed_link)->starved = false;
}

void kith_watches_set_placing(struct kith_watches *watches, struct kith_watch *watch, bool placing) {
    watch->placing = placing;
    kith_watches_touch(watches, watch);
}

/* Of a stream unless the backend completes reads by itself, or is not yet done with that. */
static unsigned read_ready(struct kith_watches *watches, struct kith_watch *watch) {
    if (watch->kind == KITH_WATCH_LISTENER)
        return kith_direct_accept(watches, watch);
    return watches->backend->complete && (!watch->placing || watch->reading) ? 0 : kith_direct_receive(watches, watch);
}

static void mark_ready(struct kith_watches *watches, struct kith_watch *watch, unsigned events) {
    watch->ready |= (uint8_t)events;
    if (kith_list_empty(&watch->ready_link))
        kith_list_push_back(watch->urgent ? &watches->urgent : &watches->ready, &watch->ready_link);
}

void kith_watches_apply(struct kith_watches *watches) {
    struct kith_watch *watch;

    while ((watch = kith_list_first(&watches->changed, struct kith_watch, changed_link))) {
        kith_list_unlink(&watch->changed_link);
        if (watch->starved && kith_pool_has_room(watches->pool))
            watch->starved = false;
        if (watches->backend->apply(watches->state, watch) < 0)
            mark_ready(watches, watch, KITH_IO_HANGUP);
        if (watch->starved)
            kith_list_push_back(&watches->starved, &watch->changed_link);
    }
}

void kith_watches_report(struct kith_watches *watches, uint64_t id, unsigned events) {
    struct kith_watch *watch = kith_watches_find(watches, id);

    if (watch && events)
        mark_ready(watches, watch, events);
}

bool kith_watches_pending(const struct kith_watches *watches) {
    return !kith_list_empty(&watches->urgent) || !kith_list_empty(&watches->ready);
}

/* A socket is read before its hang-up is told: what can still be read comes first. */
static unsigned dispatch(struct kith_watches *watches, struct kith_watch *watch) {
    uint64_t id = watch->id;
    unsigned count = 0, events = watch->ready;

    kith_list_unlink(&watch->ready_link);
    watch->ready = 0;
    if (watch->kind != KITH_WATCH_READY && (events & (KITH_IO_READ | KITH_IO_HANGUP))) {
        count = read_ready(watches, watch);
        watch = kith_watches_find(watches, id);
        if (!watch)
            return count;
    }
    /* What an earlier callback of this batch switched off is not wanted any more. */
    events &= watch->events | KITH_IO_HANGUP;
    if (watch->kind != KITH_WATCH_READY)
        events &= ~(unsigned)KITH_IO_READ;
    return events && watch->ops->ready ? count + watch->ops->ready(watch, events) : count;
}

static unsigned dispatch_all(struct kith_watches *watches, bool all) {
    struct kith_watch *watch;
    unsigned count = 0;

    while ((watch = kith_list_first(&watches->urgent, struct kith_watch, ready_link)) ||
           (all && (watch = kith_list_first(&watches->ready, struct kith_watch, ready_link))))
        count += dispatch(watches, watch);
    return count;
}

unsigned kith_watches_dispatch(struct kith_watches *watches) {
    unsigned count = dispatch_all(watches, false);

    if (watches->backend->complete)
        count += watches->backend->complete(watches->state);
    return count + dispatch_all(watches, true);
}

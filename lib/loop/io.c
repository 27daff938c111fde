/* loop/io.c: kith_io, the watch of a descriptor that belongs to the user. */
#include <errno.h>
#include <stdlib.h>

#include "loop/private.h"

struct kith_io {
    kith_loop *loop; /* valid while the watch is active */
    struct kith_watch watch;
    kith_io_fn fn;
    void *userdata;
};

static bool events_valid(unsigned events) {
    return (events & ~(unsigned)(KITH_IO_READ | KITH_IO_WRITE | KITH_IO_HANGUP)) == 0;
}

static unsigned ready(struct kith_watch *watch, unsigned events) {
    kith_io *io = KITH_CONTAINER_OF(watch, kith_io, watch);

    io->fn(io, watch->fd, events, io->userdata);
    return 1;
}

static const struct kith_watch_ops io_ops = {.ready = ready};

int kith_io_new(kith_loop *loop, int fd, unsigned events, kith_io_fn fn, void *userdata, kith_io **ret_io) {
    if (!fn || !events_valid(events))
        return -EINVAL;
    KITH_LOOP_HOLD(loop);
    kith_io *io = calloc(1, sizeof(*io));
    if (!io)
        return -ENOMEM;
    int r = kith_loop_watch(loop, &io->watch, KITH_WATCH_READY, fd, events & ~(unsigned)KITH_IO_HANGUP, &io_ops);
    if (r < 0) {
        free(io);
        return r;
    }
    io->loop = loop;
    io->fn = fn;
    io->userdata = userdata;
    *ret_io = io;
    return 0;
}

int kith_io_set_events(kith_io *io, unsigned events) {
    if (!events_valid(events))
        return -EINVAL;
    if (!kith_watch_active(&io->watch))
        return -ESHUTDOWN;
    KITH_LOOP_HOLD(io->loop);
    kith_loop_set_watched(io->loop, &io->watch, events & ~(unsigned)KITH_IO_HANGUP);
    return 0;
}

void kith_io_set_urgent(kith_io *io, bool urgent) {
    KITH_LOOP_HOLD_IF(kith_watch_active(&io->watch), io->loop);
    io->watch.urgent = urgent;
}

kith_io *kith_io_free(kith_io *io) {
    if (!io)
        return NULL;
    KITH_LOOP_HOLD_IF(kith_watch_active(&io->watch), io->loop);
    if (kith_watch_active(&io->watch))
        kith_loop_unwatch(io->loop, &io->watch, false);
    free(io);
    return NULL;
}

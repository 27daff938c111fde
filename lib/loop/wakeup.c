/*
 * loop/wakeup.c: kith_wakeup, the way in from other threads and from signal handlers.
 *
 * Each has an eventfd of its own, so that sending is safe until the wakeup itself is freed, even when the loop went first. `sent` saves
 * the system call of every further send until the loop has seen the first.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "base/fd.h"
#include "loop/private.h"

struct kith_wakeup {
    kith_loop *loop; /* valid while the watch is active */
    struct kith_watch watch;
    int fd;
    atomic_bool sent;
    kith_wakeup_fn fn;
    void *userdata;
};

static unsigned dispatch(struct kith_watch *watch, unsigned events) {
    kith_wakeup *wakeup = KITH_CONTAINER_OF(watch, kith_wakeup, watch);

    /* Drained first: a send that finds `sent` still set comes before the call below, one that finds it cleared raises anew. */
    kith_eventfd_drain(wakeup->fd);
    if (!atomic_exchange(&wakeup->sent, false))
        return 0;
    wakeup->fn(wakeup, wakeup->userdata);
    return 1;
}

static const struct kith_watch_ops watch_ops = {.ready = dispatch};

int kith_wakeup_new(kith_loop *loop, kith_wakeup_fn fn, void *userdata, kith_wakeup **ret_wakeup) {
    if (!fn)
        return -EINVAL;
    KITH_LOOP_HOLD(loop);
    kith_wakeup *wakeup = calloc(1, sizeof(*wakeup));
    if (!wakeup)
        return -ENOMEM;
    wakeup->loop = loop;
    wakeup->fn = fn;
    wakeup->userdata = userdata;
    atomic_init(&wakeup->sent, false);
    wakeup->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int r = wakeup->fd < 0 ? -errno : kith_loop_watch(loop, &wakeup->watch, KITH_WATCH_READY, wakeup->fd, KITH_IO_READ, &watch_ops);
    if (r < 0) {
        kith_wakeup_free(wakeup);
        return r;
    }
    *ret_wakeup = wakeup;
    return 0;
}

void kith_wakeup_send(kith_wakeup *wakeup) {
    if (!atomic_exchange(&wakeup->sent, true))
        kith_eventfd_raise(wakeup->fd);
}

kith_wakeup *kith_wakeup_free(kith_wakeup *wakeup) {
    if (!wakeup)
        return NULL;
    KITH_LOOP_HOLD_IF(kith_watch_active(&wakeup->watch), wakeup->loop);
    if (kith_watch_active(&wakeup->watch))
        kith_loop_unwatch(wakeup->loop, &wakeup->watch, false);
    kith_close(wakeup->fd);
    free(wakeup);
    return NULL;
}

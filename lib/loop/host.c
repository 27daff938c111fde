/*
 * loop/host.c: being hosted by another loop.
 *
 * The backend's descriptor is readable while a watched descriptor is ready; timers and deferred work are no descriptors. So once
 * kith_loop_fd() has been asked for, whenever control leaves the loop a timerfd is set to the first deadline (only if that changed) and an
 * eventfd is raised while work lies queued. Before that, none of it costs anything.
 */
#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/time.h"
#include "loop/private.h"

void kith_host_init(struct kith_host *host) {
    *host = (struct kith_host){.timer_fd = -1};
}

void kith_host_deinit(struct kith_host *host) {
    host->timer_fd = kith_close(host->timer_fd);
}

/* Timers are run by every step; this only ended the host's wait. A step that is not followed by settling must not find it readable. */
static unsigned timer_fired(struct kith_watch *watch, unsigned events) {
    struct kith_host *host = KITH_CONTAINER_OF(watch, struct kith_host, timer_watch);
    uint64_t expirations;

    if (read(watch->fd, &expirations, sizeof(expirations)) == (ssize_t)sizeof(expirations))
        host->armed_at = 0;
    return 0;
}

static const struct kith_watch_ops timer_ops = {.ready = timer_fired};

static void settle_timer(struct kith_host *host, uint64_t deadline) {
    struct itimerspec when = {0}; /* all zero disarms */

    if (deadline == UINT64_MAX)
        deadline = 0;
    if (deadline == host->armed_at)
        return;
    when.it_value.tv_sec = (time_t)(deadline / KITH_NS_PER_S);
    when.it_value.tv_nsec = (long)(deadline % KITH_NS_PER_S);
    if (timerfd_settime(host->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) == 0)
        host->armed_at = deadline;
}

void kith_host_settle(kith_loop *loop) {
    struct kith_host *host = &loop->host;

    if (host->timer_fd < 0)
        return;
    kith_pollers_sleep(loop);
    kith_watches_apply(&loop->watches);
    settle_timer(host, kith_timers_next(&loop->timers));
    if (kith_loop_needs_step(loop, 0))
        kith_loop_wake(loop);
    if (loop->watches.backend->flush)
        loop->watches.backend->flush(loop->watches.state);
}

int kith_loop_fd(kith_loop *loop) {
    struct kith_host *host = &loop->host;

    int r = loop->thread ? -EINVAL : kith_loop_check_fork(loop);
    if (r < 0)
        return r;
    if (host->timer_fd < 0) {
        _cleanup_(kith_closep) int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
        if (fd < 0)
            return -errno;
        r = kith_loop_watch(loop, &host->timer_watch, KITH_WATCH_READY, fd, KITH_IO_READ, &timer_ops);
        if (r < 0)
            return r;
        host->timer_fd = KITH_STEAL_FD(fd);
        kith_loop_changed(loop);
    }
    return loop->watches.backend->fd(loop->watches.state);
}

/* loop/uring-host.c: see uring-host.h. */
#include "loop/uring-host.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "base/fd.h"
#include "loop/private.h"

int kith_ring_host_open(struct kith_ring_host *host, struct io_uring *ring) {
    struct epoll_event event = {.events = EPOLLIN};
    _cleanup_(kith_closep) int epoll = epoll_create1(EPOLL_CLOEXEC);
    _cleanup_(kith_closep) int raised = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

    if (epoll < 0 || raised < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, raised, &event) < 0)
        return -errno;
    int r = io_uring_register_eventfd(ring, raised);
    if (r < 0)
        return r;
    host->epoll = KITH_STEAL_FD(epoll);
    host->event = KITH_STEAL_FD(raised);
    return 0;
}

void kith_ring_host_close(struct kith_ring_host *host) {
    host->epoll = kith_close(host->epoll);
    host->event = kith_close(host->event);
}

bool kith_ring_host_watch(const struct kith_ring_host *host, const struct kith_watch *watch, bool in_set, bool wanted) {
    struct epoll_event event = {.data.u64 = watch->id};

    if (watch->events & KITH_IO_READ)
        event.events |= EPOLLIN;
    if (watch->events & KITH_IO_WRITE)
        event.events |= EPOLLOUT;
    if (!wanted && in_set)
        (void)epoll_ctl(host->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
    else if (wanted)
        (void)epoll_ctl(host->epoll, in_set ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, watch->fd, &event);
    return wanted;
}

void kith_ring_host_clear(const struct kith_ring_host *host) {
    kith_eventfd_drain(host->event);
}

void kith_ring_host_raise(const struct kith_ring_host *host) {
    kith_eventfd_raise(host->event);
}

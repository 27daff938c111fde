/*
 * loop/uring-host.h: how a loop on io_uring is hosted: an epoll descriptor that is readable while a step would find something.
 *
 * With IORING_SETUP_DEFER_TASKRUN the ring's own descriptor does not wake who sleeps on it, for the completions are yet to be made. An
 * eventfd that is registered with the ring does: it stands for what the ring brings (octets, clients). But when what happened is itself the
 * signal of an eventfd that the ring polls, the kernel puts its signal off to the end of an RCU grace period (io_eventfd_signal(),
 * eventfd_signal_allowed(); seen on 6.1 and 6.18). So descriptors that are watched for readiness are in the set as well, beside the ring's
 * poll that reports them; and the signal that comes late makes the set readable once for a step that finds nothing.
 */
#ifndef KITH_LOOP_URING_HOST_H
#define KITH_LOOP_URING_HOST_H

#include <liburing.h>

#include "loop/watch.h"

struct kith_ring_host {
    int epoll; /* -1: no host */
    int event;
};

#define KITH_RING_HOST_INIT ((struct kith_ring_host){.epoll = -1, .event = -1})

/* Errors: -EMFILE, -ENFILE, -ENOMEM, those of io_uring_register_eventfd(3). */
int kith_ring_host_open(struct kith_ring_host *host, struct io_uring *ring);
void kith_ring_host_close(struct kith_ring_host *host);
/* in_set: whether the watch is in the set; wanted: whether it is to be, for watch->events. Returns the new in_set. */
bool kith_ring_host_watch(const struct kith_ring_host *host, const struct kith_watch *watch, bool in_set, bool wanted);
/* The ring's events have been taken, resp. are still there. */
void kith_ring_host_clear(const struct kith_ring_host *host);
void kith_ring_host_raise(const struct kith_ring_host *host);

#endif

/*
 * ring/ring.h: the reader of a ring that the kernel writes: kith.ko's (uapi/kith_netlink.h: how it lies in memory, and who does what when),
 * and BPF ring buffers (BPF_MAP_TYPE_RINGBUF), which lie in the same way.
 *
 * Reading and releasing are two things: what was read is lent until it is released, and what was not released when the reader ends is there
 * for the next. Used by one thread. No length and no position from the ring is trusted.
 */
#ifndef KITH_RING_RING_H
#define KITH_RING_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kith/error.h>

#include "base/cleanup.h"

struct kith_ring;

/* The ring of KITH_CMD_CHANNEL's answer, KITH_A_FD and KITH_A_RING. Takes the descriptor, also when it fails. Errors: of mmap(2), -EINVAL
 * (no power of two of pages), -EBADMSG, -ENOMEM. */
int kith_ring_open(int fd, size_t data_size, struct kith_ring **ret);
/* A BPF ring buffer that was pinned to `path`; two readers of one take each other's records away. Errors: of bpf(2), -EMEDIUMTYPE (it is
 * something else), -EBADMSG, -ENOMEM. */
int kith_ring_open_bpf(const char *path, struct kith_ring **ret, struct kith_error *ret_error);
/* Unmaps and closes. Records that were not released stay. */
struct kith_ring *kith_ring_free(struct kith_ring *ring);
KITH_DEFINE_CLEANUP(struct kith_ring *, kith_ring_free)

/* 1: the next record, valid until it is released, or the ring freed; *ret_position is its end, for kith_ring_release(). 0: there is none
 * now. -EBADMSG: what is there is no record; nothing more can be read. */
int kith_ring_next(struct kith_ring *ring, const uint8_t **ret_data, size_t *ret_size, uint64_t *ret_position);
/* Everything up to that position may be overwritten: for kith.ko, it is acknowledged. A position before the last one does nothing, and one
 * that was not read yet is refused alike. */
void kith_ring_release(struct kith_ring *ring, uint64_t position);

/* To be polled for POLLIN: level-triggered, and once kith_ring_next() has returned 0. POLLHUP: kith.ko writes nothing any more. */
int kith_ring_descriptor(const struct kith_ring *ring);
/* False: polling would return at once, with nothing to read. A BPF ring buffer counts what was not released, not what was not read: wait
 * for the release of something, and try kith_ring_next() again. */
bool kith_ring_may_poll(const struct kith_ring *ring);
/* Octets that the kernel has written and kith_ring_next() has not returned, with their headers. */
uint64_t kith_ring_pending(const struct kith_ring *ring);

#endif

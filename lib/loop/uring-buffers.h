/*
 * loop/uring-buffers.h: the buffers that the kernel receives into.
 *
 * One provided-buffer ring a loop (io_uring_register_buf_ring(3)), shared by all its connections: a buffer is taken by the kernel when
 * octets are there, never before, so an idle connection owns none. The buffers are slabs of the loop's pool; what the application keeps
 * leaves the ring and is replaced.
 *
 * Invariants: slabs[id] is the slab that the ring owns under this id, one reference, or NULL; ids without slab are on the stack `unused`;
 * `provided` of the owned ones are in the kernel's hands, the others lie in completions not handled yet. At most `target` are owned.
 */
#ifndef KITH_LOOP_URING_BUFFERS_H
#define KITH_LOOP_URING_BUFFERS_H

#include <liburing.h>

#include "pool/pool.h"

/* 32 MiB of address space at the most; of a slab only the pages that octets were received into take memory. */
#define KITH_RING_MAX 512
#define KITH_RING_GROUP 0

struct kith_ring_buffers {
    struct kith_pool *pool;
    struct io_uring_buf_ring *ring;
    kith_buffer **slabs;
    uint16_t *unused;
    unsigned unused_count, provided, target;
};

/* Errors: -ENOMEM, those of io_uring_register_buf_ring(3). */
int kith_ring_buffers_init(struct kith_ring_buffers *buffers, struct io_uring *ring, struct kith_pool *pool);
/* When the kernel uses them no more. */
void kith_ring_buffers_deinit(struct kith_ring_buffers *buffers);

/* Raises the target (doubles it) when that is possible, and fills up to it as far as the pool allows. Returns 0 when the kernel has at
 * least one buffer now, else the pool's error: -ENOBUFS, -ENOMEM. */
int kith_ring_buffers_grow(struct kith_ring_buffers *buffers);
int kith_ring_buffers_fill(struct kith_ring_buffers *buffers);
/* The kernel has used the buffer with this id: the slab, still owned by the ring. */
kith_buffer *kith_ring_buffers_used(struct kith_ring_buffers *buffers, unsigned id);
/* Its octets were handed over: provides it again, or a new one when somebody keeps it. */
void kith_ring_buffers_give_back(struct kith_ring_buffers *buffers, unsigned id);

#endif

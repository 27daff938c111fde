/*
 * stream/queue.h: the octets that a connection has still to send, in order. No system call is made here.
 *
 * A queue is a row of slices. Small writes are copied, one behind the other, into a slab from the loop's pool (memcpy is cheaper than an
 * iovec each); large blocks are kept by reference. An empty queue owns no memory at all.
 */
#ifndef KITH_STREAM_QUEUE_H
#define KITH_STREAM_QUEUE_H

#include <stddef.h>
#include <sys/uio.h>

#include <kith/buffer.h>

#include "pool/pool.h"

/* Slices up to this size are copied even when a reference was offered: an iovec and a refcount cost more than the copy, and a small slice
 * would pin the whole buffer it lies in. It also bounds the number of slices: a full queue of N octets has at most N / 512 of them. */
#define KITH_QUEUE_COPY_MAX 512

struct kith_queue {
    struct kith_slice *slices; /* `room` places, of which [head, head + count) are in use */
    size_t head, count, room;
    size_t octets;
    kith_buffer *chunk; /* the slab that small writes go to, or NULL */
    size_t chunk_used;
    struct kith_slice few[4]; /* the first home of `slices`: a request-reply server never needs another */
};

void kith_queue_init(struct kith_queue *queue);
/* Drops everything; the queue is empty and usable afterwards. */
void kith_queue_clear(struct kith_queue *queue);

/* Both are whole or not at all. Errors: -ENOMEM. */
int kith_queue_copy(struct kith_queue *queue, struct kith_pool *pool, const void *data, size_t size);
/* Takes a reference of its own. */
int kith_queue_slice(struct kith_queue *queue, struct kith_pool *pool, struct kith_slice slice);

/* Fills at most `max` iovecs from the front; returns their number and in *ret_octets the sum of their sizes. */
size_t kith_queue_front(const struct kith_queue *queue, struct iovec *iov, size_t max, size_t *ret_octets);
/* The first `size` octets have been sent. */
void kith_queue_consume(struct kith_queue *queue, size_t size);
/* For a queue that will wait: moves the little that is left of a slab into a buffer of its own size, so that ten thousand slow readers do
 * not hold a slab each. Without memory everything stays as it is. */
void kith_queue_settle(struct kith_queue *queue);

#endif

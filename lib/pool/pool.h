/*
 * pool/pool.h: slabs for receiving, and who pays for memory.
 *
 * A pool hands out fixed-size slabs (buffers with refcounts, kith/buffer.h); a slab goes back to the free list when its last reference
 * goes. At most `keep` free slabs are kept, and at most `limit` are out. A charge is an account of octets with a limit: every
 * peer-triggered allocation names the account that pays, and the same object's destructor pays back.
 *
 * Invariants: a buffer's data are never reallocated while it has references; a pool may be freed while slabs are out: they then go
 * to free() at their last unref. A pool, its buffers and its charges belong to one loop's thread, unless they are shared: slabs of a shared
 * pool and shared buffers may be referenced and let go of in any thread. Charges never are.
 */
#ifndef KITH_POOL_POOL_H
#define KITH_POOL_POOL_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kith/buffer.h>

/* A slab's room for octets: a receive of this size is where bigger ones stop gaining (notes: 64 KiB). */
#define KITH_SLAB_SIZE ((size_t)64 * 1024)

struct kith_pool;

int kith_pool_new(size_t keep, size_t limit, struct kith_pool **ret_pool);
struct kith_pool *kith_pool_free(struct kith_pool *pool);
/* Before the first slab: from now on they go to other threads too. `on_room` is then called in the thread that gave the slab back, under a
 * lock of the pool's: it must not call the pool. Errors: -ENOMEM. */
int kith_pool_share(struct kith_pool *pool);
/* A slab of KITH_SLAB_SIZE octets with one reference. Errors: -ENOBUFS (the limit), -ENOMEM. */
int kith_pool_get(struct kith_pool *pool, kith_buffer **ret_buffer);
/* What to call, once, when after kith_pool_want() enough slabs have come back that going on is worth it. */
void kith_pool_on_room(struct kith_pool *pool, void (*fn)(void *userdata), void *userdata);
void kith_pool_want(struct kith_pool *pool);
bool kith_pool_has_room(const struct kith_pool *pool);
/* Slabs in use and free, for tests and statistics. */
size_t kith_pool_used(const struct kith_pool *pool);
size_t kith_pool_kept(const struct kith_pool *pool);

/* Other threads may hold references from now on; to be called before they do. Not for a slab of a pool that is not shared. */
void kith_buffer_share(kith_buffer *buffer);
bool kith_buffer_may_be_shared(const kith_buffer *buffer);
/* True while somebody else holds a reference too: its octets must not be changed. */
bool kith_buffer_shared(const kith_buffer *buffer);

/* May a reference go to another thread? Nobody else holds one, or the buffer is shared; and its memory is the heap's or a memfd: no slab,
 * and nothing adopted. */
bool kith_buffer_portable(const kith_buffer *buffer);

/* Octets that may be written behind `end`, which lies in the buffer: none when somebody else holds it, or when it is a slab or adopted. */
size_t kith_buffer_room(const kith_buffer *buffer, const uint8_t *end);

struct kith_charge {
    size_t used;
    size_t limit;
};

/* Errors: -ENOBUFS: the account cannot pay; nothing is changed. */
static inline int kith_charge_take(struct kith_charge *charge, size_t size) {
    if (size > charge->limit || charge->used > charge->limit - size)
        return -ENOBUFS;
    charge->used += size;
    return 0;
}

static inline void kith_charge_give(struct kith_charge *charge, size_t size) {
    charge->used -= size <= charge->used ? size : charge->used;
}

/* References for slices: no-ops for one without buffer. */
static inline struct kith_slice kith_slice_ref(struct kith_slice slice) {
    if (slice.buffer)
        kith_buffer_ref(slice.buffer);
    return slice;
}

static inline void kith_slice_unref(struct kith_slice *slice) {
    slice->buffer = kith_buffer_unref(slice->buffer);
    slice->data = NULL;
    slice->size = 0;
}

#endif

/* pool/internal.h: a buffer from inside, for buffer.c and pool.c alone. */
#ifndef KITH_POOL_INTERNAL_H
#define KITH_POOL_INTERNAL_H

#include <stdalign.h>
#include <stddef.h>

#include "base/refs.h"
#include "pool/pool.h"

/* Three kinds: with its octets behind it (data == octets), a slab (the same, with a pool), adopted memory (data elsewhere). */
struct kith_buffer {
    struct kith_refs refs; /* none only on a pool's free list */
    size_t size;
    uint8_t *data;
    struct kith_pool *pool; /* where a slab goes back to */
    union {
        struct kith_buffer *next_free; /* slab on the free list */
        struct {
            void (*fn)(void *data, void *userdata);
            void *userdata;
        } release; /* adopted memory */
    };
    alignas(16) uint8_t octets[];
};

/* Errors: -ENOMEM. */
int kith_buffer_new_inline(size_t size, struct kith_pool *pool, kith_buffer **ret_buffer);
/* Takes back a slab whose last reference went. */
void kith_pool_put(struct kith_pool *pool, kith_buffer *slab);

#endif

/*
 * pool/arena.h: where small octets lie for a short while, one behind the other.
 *
 * Copies of many owners share a buffer and each holds a reference. When all of them have gone, which in a server is after each round of
 * replies, it is used again from its beginning: its cache lines stay warm, and no owner needs memory of its own. What is to stay for long
 * does not belong here, for it would hold the whole buffer.
 */
#ifndef KITH_POOL_ARENA_H
#define KITH_POOL_ARENA_H

#include "pool/pool.h"

/* Room for a round of replies of some hundred clients. */
#define KITH_ARENA_SIZE ((size_t)64 * 1024)

struct kith_arena {
    kith_buffer *buffer; /* NULL at first */
    size_t used;
};

static inline void kith_arena_init(struct kith_arena *arena) {
    *arena = (struct kith_arena){0};
}

static inline void kith_arena_deinit(struct kith_arena *arena) {
    arena->buffer = kith_buffer_unref(arena->buffer);
}

/* Where octets go that are put next. */
static inline const uint8_t *kith_arena_end(const struct kith_arena *arena) {
    return arena->buffer ? kith_buffer_data(arena->buffer) + arena->used : NULL;
}

/* Room for `size` octets, at most KITH_ARENA_SIZE, to be filled by the caller; the slice has a reference. Errors: -ENOMEM. */
int kith_arena_take(struct kith_arena *arena, size_t size, struct kith_slice *ret_slice);
/* Makes a slice that ends where the arena does longer by so much. False: there is no room. */
static inline bool kith_arena_extend(struct kith_arena *arena, size_t size, struct kith_slice *slice) {
    if (size > KITH_ARENA_SIZE - arena->used)
        return false;
    arena->used += size;
    slice->size += size;
    return true;
}
/* True when it is a buffer of this arena's kind, so not to be held for long. */
static inline bool kith_arena_holds(const struct kith_arena *arena, const struct kith_slice *slice) {
    return slice->buffer && slice->buffer == arena->buffer;
}

#endif

/* pool/arena.c: see arena.h. Invariant: no octet of the buffer beyond `used` belongs to a slice. */
#include "pool/arena.h"

#include <string.h>

int kith_arena_put(struct kith_arena *arena, const void *data, size_t size, struct kith_slice *ret_slice) {
    if (arena->buffer && !kith_buffer_shared(arena->buffer))
        arena->used = 0;
    if (!arena->buffer || size > KITH_ARENA_SIZE - arena->used) {
        kith_buffer *buffer;
        int r = kith_buffer_new(KITH_ARENA_SIZE, &buffer);
        if (r < 0)
            return r;
        kith_buffer_unref(arena->buffer);
        arena->buffer = buffer;
        arena->used = 0;
    }
    uint8_t *place = kith_buffer_data(arena->buffer) + arena->used;
    memcpy(place, data, size);
    arena->used += size;
    *ret_slice = (struct kith_slice){.buffer = kith_buffer_ref(arena->buffer), .data = place, .size = size};
    return 0;
}

int kith_arena_extend(struct kith_arena *arena, const void *data, size_t size, struct kith_slice *slice) {
    if (size > KITH_ARENA_SIZE - arena->used)
        return -ENOSPC;
    memcpy(kith_buffer_data(arena->buffer) + arena->used, data, size);
    arena->used += size;
    slice->size += size;
    return 0;
}

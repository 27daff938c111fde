/* pool/arena.c: see arena.h. Invariant: no octet of the buffer beyond `used` belongs to a slice. */
#include "pool/arena.h"

int kith_arena_take(struct kith_arena *arena, size_t size, struct kith_slice *ret_slice) {
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
    arena->used += size;
    *ret_slice = (struct kith_slice){.buffer = kith_buffer_ref(arena->buffer), .data = place, .size = size};
    return 0;
}

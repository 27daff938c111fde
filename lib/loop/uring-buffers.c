/* loop/uring-buffers.c: see uring-buffers.h. */
#include "loop/uring-buffers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* More than a socket of the unix family holds, so a program with one connection needs no more; a burst that finds it too small doubles it.
 * The kernel takes the buffers in turn, which makes their number the memory that a program touches: few stay in the processor's cache. */
#define TARGET_FIRST 4

static size_t ring_size(void) {
    return KITH_RING_MAX * sizeof(struct io_uring_buf);
}

int kith_ring_buffers_init(struct kith_ring_buffers *buffers, struct io_uring *ring, struct kith_pool *pool) {
    *buffers = (struct kith_ring_buffers){.pool = pool};
    buffers->slabs = calloc(KITH_RING_MAX, sizeof(*buffers->slabs));
    buffers->unused = calloc(KITH_RING_MAX, sizeof(*buffers->unused));
    void *memory = mmap(NULL, ring_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    buffers->ring = memory == MAP_FAILED ? NULL : memory;
    if (!buffers->slabs || !buffers->unused || !buffers->ring)
        return -ENOMEM;
    /* The lowest ids first. */
    while (buffers->unused_count < KITH_RING_MAX) {
        buffers->unused[buffers->unused_count] = (uint16_t)(KITH_RING_MAX - 1 - buffers->unused_count);
        buffers->unused_count++;
    }

    struct io_uring_buf_reg registration = {
        .ring_addr = (uint64_t)(uintptr_t)buffers->ring, .ring_entries = KITH_RING_MAX, .bgid = KITH_RING_GROUP};
    int r = io_uring_register_buf_ring(ring, &registration, 0);
    if (r < 0)
        return r;
    io_uring_buf_ring_init(buffers->ring);
    return 0;
}

void kith_ring_buffers_deinit(struct kith_ring_buffers *buffers) {
    for (unsigned id = 0; buffers->slabs && id < KITH_RING_MAX; id++)
        kith_buffer_unref(buffers->slabs[id]);
    free(buffers->slabs);
    free(buffers->unused);
    if (buffers->ring)
        munmap(buffers->ring, ring_size());
    *buffers = (struct kith_ring_buffers){0};
}

static void provide(struct kith_ring_buffers *buffers, unsigned id) {
    io_uring_buf_ring_add(buffers->ring, kith_buffer_data(buffers->slabs[id]), KITH_SLAB_SIZE, (unsigned short)id,
                          io_uring_buf_ring_mask(KITH_RING_MAX), 0);
    io_uring_buf_ring_advance(buffers->ring, 1);
    buffers->provided++;
}

int kith_ring_buffers_fill(struct kith_ring_buffers *buffers) {
    int r = 0;

    while (r == 0 && KITH_RING_MAX - buffers->unused_count < buffers->target) {
        unsigned id = buffers->unused[buffers->unused_count - 1];
        r = kith_pool_get(buffers->pool, &buffers->slabs[id]);
        if (r == 0) {
            buffers->unused_count--;
            provide(buffers, id);
        }
    }
    return buffers->provided > 0 ? 0 : r;
}

int kith_ring_buffers_grow(struct kith_ring_buffers *buffers) {
    if (buffers->target < KITH_RING_MAX)
        buffers->target = buffers->target == 0 ? TARGET_FIRST : 2 * buffers->target;
    return kith_ring_buffers_fill(buffers);
}

kith_buffer *kith_ring_buffers_used(struct kith_ring_buffers *buffers, unsigned id) {
    buffers->provided--;
    return buffers->slabs[id];
}

void kith_ring_buffers_give_back(struct kith_ring_buffers *buffers, unsigned id) {
    if (!kith_buffer_shared(buffers->slabs[id])) {
        provide(buffers, id);
        return;
    }
    buffers->slabs[id] = kith_buffer_unref(buffers->slabs[id]);
    buffers->unused[buffers->unused_count++] = (uint16_t)id;
    (void)kith_ring_buffers_fill(buffers);
}

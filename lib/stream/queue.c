/*
 * The write queue.
 *
 * Invariants: `octets` is the sum of the slices' sizes, none of which is 0; every slice holds a reference of its buffer; chunk, when there
 * is one, holds a reference too and no octet of it beyond chunk_used belongs to a slice; count == 0 implies chunk == NULL and slices ==
 * few.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "stream/queue.h"

/* A copy above this gets a buffer of its own: at most a quarter of a slab is left unused behind the last octet. */
#define CHUNK_COPY_MAX (KITH_SLAB_SIZE / 4)

/* What is left of a slab while the peer does not read is worth moving when it is less than this. */
#define SETTLE_MAX (KITH_SLAB_SIZE / 8)

void kith_queue_init(struct kith_queue *queue) {
    *queue = (struct kith_queue){.room = KITH_ARRAY_SIZE(queue->few)};
    queue->slices = queue->few;
}

void kith_queue_clear(struct kith_queue *queue) {
    for (size_t i = 0; i < queue->count; i++)
        kith_slice_unref(&queue->slices[queue->head + i]);
    kith_buffer_unref(queue->chunk);
    if (queue->slices != queue->few)
        free(queue->slices);
    kith_queue_init(queue);
}

/* Makes room for one more slice at the end. */
static int reserve(struct kith_queue *queue) {
    if (queue->head + queue->count < queue->room)
        return 0;
    if (queue->head >= queue->room / 2) { /* half of the row was sent: moving the rest is paid for by that */
        memmove(queue->slices, queue->slices + queue->head, queue->count * sizeof(*queue->slices));
        queue->head = 0;
        return 0;
    }

    size_t room = 2 * queue->room;
    struct kith_slice *slices = calloc(room, sizeof(*slices));
    if (!slices)
        return -ENOMEM;
    memcpy(slices, queue->slices + queue->head, queue->count * sizeof(*slices));
    if (queue->slices != queue->few)
        free(queue->slices);
    queue->slices = slices;
    queue->head = 0;
    queue->room = room;
    return 0;
}

/* Puts a slice whose reference the queue now owns into the room that reserve() made. */
static void append(struct kith_queue *queue, struct kith_slice slice) {
    queue->slices[queue->head + queue->count++] = slice;
    queue->octets += slice.size;
}

static int copy_alone(struct kith_queue *queue, const void *data, size_t size) {
    kith_buffer *buffer;
    int r = reserve(queue);
    if (r >= 0)
        r = kith_buffer_new(size, &buffer);
    if (r < 0)
        return r;
    memcpy(kith_buffer_data(buffer), data, size);
    append(queue, (struct kith_slice){.buffer = buffer, .data = kith_buffer_data(buffer), .size = size});
    return 0;
}

/* The last slice, when the chunk's free part lies right behind it. */
static struct kith_slice *chunk_tail(struct kith_queue *queue) {
    if (queue->count == 0 || !queue->chunk)
        return NULL;
    struct kith_slice *last = &queue->slices[queue->head + queue->count - 1];
    return last->buffer == queue->chunk && last->data + last->size == kith_buffer_data(queue->chunk) + queue->chunk_used ? last : NULL;
}

int kith_queue_copy(struct kith_queue *queue, struct kith_pool *pool, const void *data, size_t size) {
    if (size == 0)
        return 0;
    if (size > CHUNK_COPY_MAX)
        return copy_alone(queue, data, size);

    bool fits = queue->chunk && size <= KITH_SLAB_SIZE - queue->chunk_used;
    struct kith_slice *tail = fits ? chunk_tail(queue) : NULL;
    if (!tail) {
        int r = reserve(queue);
        if (r < 0)
            return r;
    }
    if (!fits) {
        kith_buffer *slab;
        int r = kith_pool_get(pool, &slab);
        if (r < 0)
            return r;
        kith_buffer_unref(queue->chunk);
        queue->chunk = slab;
        queue->chunk_used = 0;
    }

    uint8_t *place = kith_buffer_data(queue->chunk) + queue->chunk_used;
    memcpy(place, data, size);
    queue->chunk_used += size;
    if (tail) {
        tail->size += size;
        queue->octets += size;
    } else {
        append(queue, (struct kith_slice){.buffer = kith_buffer_ref(queue->chunk), .data = place, .size = size});
    }
    return 0;
}

int kith_queue_slice(struct kith_queue *queue, struct kith_pool *pool, struct kith_slice slice) {
    if (slice.size <= KITH_QUEUE_COPY_MAX)
        return kith_queue_copy(queue, pool, slice.data, slice.size);
    int r = reserve(queue);
    if (r < 0)
        return r;
    append(queue, kith_slice_ref(slice));
    return 0;
}

size_t kith_queue_front(const struct kith_queue *queue, struct iovec *iov, size_t max, size_t *ret_octets) {
    size_t count = queue->count < max ? queue->count : max, octets = 0;
    for (size_t i = 0; i < count; i++) {
        const struct kith_slice *slice = &queue->slices[queue->head + i];
        iov[i] = (struct iovec){.iov_base = (void *)(uintptr_t)slice->data, .iov_len = slice->size};
        octets += slice->size;
    }
    *ret_octets = octets;
    return count;
}

void kith_queue_consume(struct kith_queue *queue, size_t size) {
    queue->octets -= size;
    if (queue->octets == 0) {
        kith_queue_clear(queue);
        return;
    }
    while (size > 0) {
        struct kith_slice *first = &queue->slices[queue->head];
        if (size < first->size) {
            first->data += size;
            first->size -= size;
            return;
        }
        size -= first->size;
        kith_slice_unref(first);
        queue->head++;
        queue->count--;
    }
}

void kith_queue_settle(struct kith_queue *queue) {
    struct kith_slice *last = chunk_tail(queue);
    if (queue->count != 1 || !last || last->size >= SETTLE_MAX)
        return;

    kith_buffer *buffer;
    if (kith_buffer_new(last->size, &buffer) < 0)
        return;
    memcpy(kith_buffer_data(buffer), last->data, last->size);
    struct kith_slice moved = {.buffer = buffer, .data = kith_buffer_data(buffer), .size = last->size};
    kith_slice_unref(last);
    *last = moved;
    queue->chunk = kith_buffer_unref(queue->chunk);
    queue->chunk_used = 0;
}

/*
 * The write queue.
 *
 * Invariants: `octets` is the sum of the slices' sizes, none of which is 0; every slice holds a reference of its buffer; a slice with a
 * buffer and no data is a file, its buffer the struct kith_queue_file that closes it; count == 0 implies slices == NULL. Descriptors are a
 * list beside the slices, which know nothing of them: each says how many octets lie between it and the one before, so that consuming and
 * adding touch one end. Every one has its octet in the queue.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "stream/queue.h"

/* A copy above this gets a buffer of its own. */
#define ARENA_COPY_MAX (KITH_ARENA_SIZE / 4)
/* What a queue that waits takes for small writes at a time: as much as it has already, between these. The last of them is all that is left
 * unused, and a long queue is not many small pieces, each with an iovec of its own. */
#define OWN_BUFFER_MIN ((size_t)4096)
#define OWN_BUFFER_MAX KITH_SLAB_SIZE
/* What is left in a large buffer is worth moving up to this size. */
#define SETTLE_MAX ((size_t)16 * 1024)
#define ROOM_FIRST 8

struct kith_queue_fds {
    struct kith_queue_fds *next; /* of the last: the first */
    struct kith_fds *fds;        /* referenced */
    size_t after;                /* octets between the front of the queue, or the octet of the one before, and its own */
    size_t at;                   /* of the last one: octets in front of its own */
};

void kith_queue_init(struct kith_queue *queue) {
    *queue = (struct kith_queue){.room = 1};
}

static struct kith_slice *slice_at(const struct kith_queue *queue, size_t index) {
    const struct kith_slice *row = queue->slices ? queue->slices : &queue->one;
    return (struct kith_slice *)(uintptr_t)&row[queue->head + index];
}

static bool is_file(const struct kith_slice *slice) {
    return slice->buffer && !slice->data;
}

/* The first one's descriptors are gone, to the peer or for good. */
static void drop_fds(struct kith_queue *queue) {
    struct kith_queue_fds *first = queue->fds->next;
    if (first == queue->fds)
        queue->fds = NULL;
    else
        queue->fds->next = first->next;
    kith_fds_unref(first->fds);
    free(first);
}

void kith_queue_clear(struct kith_queue *queue) {
    while (queue->fds)
        drop_fds(queue);
    for (size_t i = 0; i < queue->count; i++)
        kith_slice_unref(slice_at(queue, i));
    free(queue->slices);
    kith_queue_init(queue);
}

/* Makes room for one more slice at the end. */
static int reserve(struct kith_queue *queue) {
    if (queue->head + queue->count < queue->room)
        return 0;
    if (queue->slices && queue->head >= queue->room / 2) { /* half of the row was sent: moving the rest is paid for by that */
        memmove(queue->slices, queue->slices + queue->head, queue->count * sizeof(*queue->slices));
        queue->head = 0;
        return 0;
    }

    if (queue->room > UINT32_MAX / 2)
        return -ENOMEM;
    uint32_t room = queue->slices ? 2 * queue->room : ROOM_FIRST;
    struct kith_slice *slices = calloc(room, sizeof(*slices));
    if (!slices)
        return -ENOMEM;
    memcpy(slices, slice_at(queue, 0), queue->count * sizeof(*slices));
    free(queue->slices);
    queue->slices = slices;
    queue->head = 0;
    queue->room = room;
    return 0;
}

/* Puts a slice whose reference the queue now owns into the room that reserve() made. */
static void append(struct kith_queue *queue, struct kith_slice slice) {
    *slice_at(queue, queue->count++) = slice;
    queue->octets += slice.size;
}

static size_t own_size(const struct kith_queue *queue, size_t size) {
    size_t room = queue->octets < OWN_BUFFER_MIN ? OWN_BUFFER_MIN : queue->octets > OWN_BUFFER_MAX ? OWN_BUFFER_MAX : queue->octets;
    return size > room ? size : room;
}

static int place_in_own(struct kith_queue *queue, size_t size, uint8_t **ret_place) {
    kith_buffer *buffer;
    int r = reserve(queue);
    if (r >= 0)
        r = kith_buffer_new(own_size(queue, size), &buffer);
    if (r < 0)
        return r;
    *ret_place = kith_buffer_data(buffer);
    append(queue, (struct kith_slice){.buffer = buffer, .data = *ret_place, .size = size});
    return 0;
}

/* Behind the last slice, where that is possible; else NULL. */
static uint8_t *extend(struct kith_queue *queue, struct kith_arena *arena, size_t size) {
    struct kith_slice *last = queue->count > 0 ? slice_at(queue, queue->count - 1) : NULL;
    if (!last || !last->buffer || !last->data)
        return NULL;

    const uint8_t *end = last->data + last->size;
    if (arena && last->buffer == arena->buffer) {
        if (end != kith_arena_end(arena) || !kith_arena_extend(arena, size, last))
            return NULL;
    } else if (size <= kith_buffer_room(last->buffer, end)) {
        last->size += size;
    } else {
        return NULL;
    }
    queue->octets += size;
    return (uint8_t *)(uintptr_t)end;
}

int kith_queue_place(struct kith_queue *queue, struct kith_arena *arena, size_t size, uint8_t **ret_place) {
    *ret_place = extend(queue, arena, size);
    if (*ret_place)
        return 0;
    /* Others have written behind what we have in the arena: when many are written to in turn, a piece there for each write would make each
     * send a row of small pieces. */
    bool in_turns = queue->count > 0;
    if (!arena || in_turns || size > ARENA_COPY_MAX)
        return place_in_own(queue, size, ret_place);

    struct kith_slice slice;
    int r = reserve(queue);
    if (r >= 0)
        r = kith_arena_take(arena, size, &slice);
    if (r < 0)
        return r;
    append(queue, slice);
    *ret_place = (uint8_t *)(uintptr_t)slice.data;
    return 0;
}

int kith_queue_place_fds(struct kith_queue *queue, struct kith_arena *arena, size_t size, struct kith_fds *fds, uint8_t **ret_place) {
    struct kith_queue_fds *last = malloc(sizeof(*last));
    if (!last)
        return -ENOMEM;
    size_t at = queue->octets;
    int r = kith_queue_place(queue, arena, size, ret_place);
    if (r < 0) {
        free(last);
        return r;
    }
    *last = (struct kith_queue_fds){.next = last, .fds = kith_fds_ref(fds), .after = queue->fds ? at - queue->fds->at : at, .at = at};
    if (queue->fds) {
        last->next = queue->fds->next;
        queue->fds->next = last;
    }
    queue->fds = last;
    return 0;
}

int kith_queue_copy(struct kith_queue *queue, struct kith_arena *arena, const void *data, size_t size) {
    uint8_t *place;
    if (size == 0)
        return 0;
    int r = kith_queue_place(queue, arena, size, &place);
    if (r >= 0)
        memcpy(place, data, size);
    return r;
}

int kith_queue_slice(struct kith_queue *queue, struct kith_arena *arena, struct kith_slice slice) {
    if (slice.size <= KITH_QUEUE_COPY_MAX)
        return kith_queue_copy(queue, arena, slice.data, slice.size);
    int r = reserve(queue);
    if (r < 0)
        return r;
    append(queue, kith_slice_ref(slice));
    return 0;
}

static void file_close(void *data, void *userdata) {
    struct kith_queue_file *file = data;
    kith_close(file->fd);
    free(file);
}

int kith_queue_add_file(struct kith_queue *queue, int fd, off_t offset, size_t size) {
    int r = reserve(queue);
    if (r < 0)
        return r;
    struct kith_queue_file *file = malloc(sizeof(*file));
    if (!file)
        return -ENOMEM;
    struct kith_slice slice = {.size = size};
    r = kith_buffer_new_take(file, sizeof(*file), file_close, NULL, &slice.buffer);
    if (r < 0) {
        free(file);
        return r;
    }
    *file = (struct kith_queue_file){.fd = fd, .offset = offset};
    append(queue, slice);
    return 0;
}

struct kith_queue_mark kith_queue_mark(const struct kith_queue *queue) {
    return (struct kith_queue_mark){
        .count = queue->count, .last_size = queue->count > 0 ? slice_at(queue, queue->count - 1)->size : 0, .octets = queue->octets};
}

void kith_queue_cut(struct kith_queue *queue, struct kith_queue_mark mark) {
    if (mark.count == 0) {
        kith_queue_clear(queue);
        return;
    }
    while (queue->count > mark.count)
        kith_slice_unref(slice_at(queue, --queue->count));
    slice_at(queue, mark.count - 1)->size = mark.last_size;
    queue->octets = mark.octets;
}

struct kith_fds *kith_queue_front_fds(const struct kith_queue *queue) {
    return queue->fds && queue->fds->next->after == 0 ? queue->fds->next->fds : NULL;
}

/* How many octets one send may have. */
static size_t up_to_fds(const struct kith_queue *queue) {
    if (!queue->fds)
        return queue->octets;
    const struct kith_queue_fds *first = queue->fds->next;
    if (first->after > 0)
        return first->after;
    return first == queue->fds ? queue->octets : first->next->after;
}

size_t kith_queue_front(const struct kith_queue *queue, struct iovec *iov, size_t max, size_t *ret_octets) {
    size_t octets = 0, most = up_to_fds(queue), i;
    for (i = 0; i < queue->count && i < max && octets < most && !is_file(slice_at(queue, i)); i++) {
        const struct kith_slice *slice = slice_at(queue, i);
        size_t size = slice->size < most - octets ? slice->size : most - octets;
        iov[i] = (struct iovec){.iov_base = (void *)(uintptr_t)slice->data, .iov_len = size};
        octets += size;
    }
    *ret_octets = octets;
    return i;
}

struct kith_queue_file *kith_queue_front_file(const struct kith_queue *queue, size_t *ret_size) {
    if (queue->count == 0 || !is_file(slice_at(queue, 0)))
        return NULL;
    *ret_size = slice_at(queue, 0)->size;
    return (struct kith_queue_file *)(void *)kith_buffer_data(slice_at(queue, 0)->buffer);
}

/* One send never goes beyond the next one. */
static void consume_fds(struct kith_queue *queue, size_t size) {
    if (queue->fds->next->after == 0)
        drop_fds(queue);
    if (!queue->fds)
        return;
    queue->fds->next->after -= size;
    queue->fds->at -= size;
}

void kith_queue_consume(struct kith_queue *queue, size_t size) {
    if (queue->fds && size > 0)
        consume_fds(queue, size);
    queue->octets -= size;
    if (queue->octets == 0) {
        kith_queue_clear(queue);
        return;
    }
    while (size > 0) {
        struct kith_slice *first = slice_at(queue, 0);
        if (size < first->size) {
            if (first->data)
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

static bool worth_moving(const struct kith_slice *slice) {
    return slice->buffer && slice->data && slice->size <= SETTLE_MAX && slice->size < kith_buffer_size(slice->buffer) / 2;
}

/* Copies the slices [begin, end) into one buffer, which takes the place of the first. */
static size_t move_run(struct kith_queue *queue, size_t begin, size_t end) {
    kith_buffer *buffer;
    size_t size = 0, at = 0;
    for (size_t i = begin; i < end; i++)
        size += slice_at(queue, i)->size;
    if (kith_buffer_new(size, &buffer) < 0)
        return end;

    for (size_t i = begin; i < end; i++) {
        struct kith_slice *slice = slice_at(queue, i);
        memcpy(kith_buffer_data(buffer) + at, slice->data, slice->size);
        at += slice->size;
        kith_slice_unref(slice);
    }
    *slice_at(queue, begin) = (struct kith_slice){.buffer = buffer, .data = kith_buffer_data(buffer), .size = size};
    memmove(slice_at(queue, begin + 1), slice_at(queue, end), (queue->count - end) * sizeof(struct kith_slice));
    queue->count -= (uint32_t)(end - begin - 1);
    return begin + 1;
}

void kith_queue_settle(struct kith_queue *queue) {
    for (size_t i = 0; i < queue->count;) {
        size_t end = i;
        while (end < queue->count && worth_moving(slice_at(queue, end)))
            end++;
        i = end > i ? move_run(queue, i, end) : i + 1;
    }
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * ring.c: the ring's memory, and one writer's messages in it.
 *
 * Of what user space writes one word matters, the consumer's position: it is read once, taken when it lies between tail and head, and the
 * tail then moves over whole records, whose sizes are in pages that only the kernel writes.
 */
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "ring.h"

/* The reader's and the writer's, before the records. */
#define CONTROL_PAGES 2

static void ring_free(struct kith_ring *ring) {
    u32 i;
    vunmap(ring->area);
    for (i = 0; i < ring->page_count; i++)
        __free_page(ring->pages[i]);
    mm_unaccount_pinned_pages(&ring->charge);
    kvfree(ring->pages);
    kfree(ring);
}

/* The list has the records' pages twice. */
static int ring_allocate(struct kith_ring *ring) {
    u32 data_pages = ring->size >> PAGE_SHIFT, count = CONTROL_PAGES + data_pages, i;
    ring->pages = kvcalloc(count + data_pages, sizeof(*ring->pages), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
    if (!ring->pages)
        return -ENOMEM;
    for (i = 0; i < count; i++) {
        ring->pages[i] = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN | __GFP_RETRY_MAYFAIL);
        if (!ring->pages[i])
            return -ENOMEM;
        ring->page_count++;
    }
    memcpy(ring->pages + count, ring->pages + CONTROL_PAGES, data_pages * sizeof(*ring->pages));
    ring->area = vmap(ring->pages, count + data_pages, VM_MAP | VM_USERMAP, PAGE_KERNEL);
    if (!ring->area)
        return -ENOMEM;
    ring->consumer = ring->area;
    ring->producer = ring->area + PAGE_SIZE;
    ring->records = ring->area + CONTROL_PAGES * PAGE_SIZE;
    return 0;
}

int kith_ring_new(u32 size, struct kith_ring **ret_ring) {
    struct kith_ring *ring = kzalloc(sizeof(*ring), GFP_KERNEL_ACCOUNT);
    int error;
    if (!ring)
        return -ENOMEM;
    refcount_set(&ring->refs, 1);
    init_waitqueue_head(&ring->wait);
    ring->size = roundup_pow_of_two(max_t(u32, size, KITH_RING_LEAST));
    error = mm_account_pinned_pages(&ring->charge, ring->size);
    if (!error)
        error = ring_allocate(ring);
    if (error) {
        ring_free(ring);
        return error;
    }
    *ret_ring = ring;
    return 0;
}

struct kith_ring *kith_ring_ref(struct kith_ring *ring) {
    refcount_inc(&ring->refs);
    return ring;
}

void kith_ring_unref(struct kith_ring *ring) {
    if (ring && refcount_dec_and_test(&ring->refs))
        ring_free(ring);
}

static struct kith_ring_record *record_at(const struct kith_ring *ring, u64 position) {
    return (struct kith_ring_record *)(ring->records + (position & (ring->size - 1)));
}

static u64 record_room(u64 size) {
    return ALIGN(sizeof(struct kith_ring_record) + size, sizeof(u64));
}

const struct kith_message_header *kith_ring_message(const struct kith_ring *ring, u64 position) {
    return (const void *)(record_at(ring, position) + 1);
}

u64 kith_ring_after(const struct kith_ring *ring, u64 position) {
    return position + record_room(record_at(ring, position)->size);
}

static u64 room_needed(const struct kith_ring *ring, size_t size) {
    return size == KITH_RING_EMPTY ? ring->size : record_room(sizeof(struct kith_message_header) + size);
}

static u64 ring_free_octets(const struct kith_ring *ring) {
    return ring->size - (ring->head - ring->tail);
}

/* What the reader has released, as far as it is needed: so a message costs no longer a walk than it has room for records. What was read
 * before the reader's store is overwritten after this load only. */
static void ring_reclaim(struct kith_ring *ring, u64 needed) {
    u64 claimed = smp_load_acquire(&ring->consumer->position) - ring->tail;
    if (claimed > ring->head - ring->tail)
        return;
    while (claimed > 0 && ring_free_octets(ring) < needed) {
        u64 size = kith_ring_after(ring, ring->tail) - ring->tail;
        if (size > claimed)
            return;
        ring->released = kith_ring_message(ring, ring->tail)->sequence;
        WRITE_ONCE(ring->tail, ring->tail + size);
        claimed -= size;
    }
}

bool kith_ring_has_room(struct kith_ring *ring, size_t size) {
    u64 needed = room_needed(ring, size);
    if (ring_free_octets(ring) < needed)
        ring_reclaim(ring, needed);
    return ring_free_octets(ring) >= needed;
}

/* The reader is not to come for each record: for half a ring, unless that is not enough. It has released that much, or sees `waiting`. */
bool kith_ring_want_room(struct kith_ring *ring, size_t size) {
    u64 half = ring->size / 2;
    if (kith_ring_has_room(ring, size)) {
        WRITE_ONCE(ring->producer->waiting, 0);
        return true;
    }
    WRITE_ONCE(ring->producer->waiting, room_needed(ring, size) > half ? ring->head : ring->tail + min(half, ring->head - ring->tail));
    smp_mb();
    return kith_ring_has_room(ring, size);
}

void kith_ring_put(struct kith_ring *ring, const struct kith_message_header *header, const void *data) {
    struct kith_ring_record *record = record_at(ring, ring->head);
    u64 position = ring->head;
    record->size = sizeof(*header) + header->size;
    memcpy(record + 1, header, sizeof(*header));
    memcpy((u8 *)(record + 1) + sizeof(*header), data, header->size);
    WRITE_ONCE(ring->head, position + record_room(record->size));
    smp_store_release(&ring->producer->position, ring->head);
    smp_mb(); /* with the reader's, between its `seen` and its look at our position */
    if ((READ_ONCE(ring->consumer->seen) == position || READ_ONCE(ring->consumer->position) == position) && waitqueue_active(&ring->wait))
        wake_up_interruptible_poll(&ring->wait, EPOLLIN | EPOLLRDNORM);
}

u64 kith_ring_pending(const struct kith_ring *ring) {
    u64 tail = READ_ONCE(ring->tail), head = READ_ONCE(ring->head), claimed = READ_ONCE(ring->consumer->position);
    return claimed - tail <= head - tail ? head - claimed : head - tail;
}

bool kith_ring_end(struct kith_ring *ring) {
    ring_reclaim(ring, ring->size);
    WRITE_ONCE(ring->ended, true);
    wake_up_interruptible_poll(&ring->wait, EPOLLHUP);
    return ring->tail != ring->head;
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * inherit.c: what a ring's receiver did not acknowledge goes back into the list, in front of what has waited there since.
 *
 * Mode ONE. It is done when the next one joins: then it may sleep for memory, and when there is none, the ring still has everything.
 */
#include <linux/slab.h>

#include "internal.h"

/* At the end of the last one, or in one more. */
static int chunks_add(const struct kith_channel *channel, struct list_head *chunks, const struct kith_message_header *header) {
    struct kith_chunk *chunk = list_empty(chunks) ? NULL : list_last_entry(chunks, struct kith_chunk, link);
    size_t room = max_t(size_t, KITH_BATCH_SIZE, kith_frame_size(header->size));
    if (!chunk || !kith_frame_add(chunk->skb, header, header + 1)) {
        chunk = kith_chunk_empty(channel, room, GFP_KERNEL);
        if (!chunk)
            return -ENOMEM;
        kith_frame_add(chunk->skb, header, header + 1);
        chunk->first = header->sequence;
        list_add_tail(&chunk->link, chunks);
    }
    chunk->last = header->sequence;
    return 0;
}

/* The list's first message, which no receiver is there to take. */
static u64 list_begins(struct kith_channel *channel) {
    const struct kith_chunk *oldest;
    u64 first;
    spin_lock_irq(&channel->lock);
    oldest = kith_channel_oldest(channel);
    first = oldest ? oldest->first : U64_MAX;
    spin_unlock_irq(&channel->lock);
    return first;
}

static void list_prepend(struct kith_channel *channel, struct list_head *chunks) {
    struct kith_ring *ring = channel->left;
    struct kith_chunk *chunk;
    spin_lock_irq(&channel->lock);
    list_for_each_entry (chunk, chunks, link)
        channel->bytes += kith_chunk_charge(chunk);
    list_splice(chunks, &channel->chunks);
    channel->left = NULL;
    spin_unlock_irq(&channel->lock);
    kith_ring_unref(ring);
}

int kith_channel_inherit(struct kith_channel *channel) {
    const struct kith_ring *ring = channel->left;
    LIST_HEAD(chunks);
    u64 end, position;
    int error = 0;
    if (!ring)
        return 0;
    end = list_begins(channel);
    for (position = ring->tail; position != ring->head && !error; position = kith_ring_after(ring, position)) {
        const struct kith_message_header *header = kith_ring_message(ring, position);
        if (header->sequence < end) /* else it is in the list too: in a chunk that was not moved as a whole */
            error = chunks_add(channel, &chunks, header);
        cond_resched();
    }
    if (error) {
        kith_chunks_free(&chunks);
        return error;
    }
    list_prepend(channel, &chunks);
    return 0;
}

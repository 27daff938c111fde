// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * chunk.c: what waits, as the datagrams that it will be.
 *
 * A message costs no memory of its own but its place in one, as long as there is room; what is large begins a new one, and is copied before
 * the lock is taken. Chunks grow to a datagram's 15 KiB, or to a quarter of the backlog, while they fill up, and shrink again while each is
 * sent with little in it.
 */
#include <linux/netdevice.h>
#include <linux/slab.h>

#include "internal.h"

/* Copied with the lock held, and interrupts off. */
#define SMALL 1024

struct kith_chunk *kith_chunk_empty(const struct kith_channel *channel, size_t room, gfp_t gfp) {
    struct kith_chunk *chunk = kzalloc(sizeof(*chunk), gfp | __GFP_NOWARN);
    if (!chunk)
        return NULL;
    chunk->skb = kith_frame_messages(channel, room, gfp | __GFP_NOWARN);
    if (!chunk->skb) {
        kfree(chunk);
        return NULL;
    }
    return chunk;
}

struct kith_chunk *kith_chunk_new(const struct kith_channel *channel, const struct kith_message_header *header, const void *data,
                                  gfp_t gfp) {
    bool alone = header->size > SMALL || channel->config.mode == KITH_MODE_LATEST;
    size_t room = kith_frame_size(header->size);
    struct kith_chunk *chunk = kith_chunk_empty(channel, alone ? room : max(READ_ONCE(channel->chunk_size), room), gfp);
    if (!chunk)
        return NULL;
    kith_frame_add(chunk->skb, header, data);
    chunk->open = !alone;
    return chunk;
}

/* Any context, but with interrupts off, where there is no need for it, each would wake the thread that frees buffers (ksoftirqd). The
 * buffer of one that was sent may be elsewhere still. */
void kith_chunk_free(struct kith_chunk *chunk) {
    dev_kfree_skb_any(chunk->skb);
    kfree(chunk);
}

void kith_chunks_free(struct list_head *chunks) {
    struct kith_chunk *chunk, *after;
    list_for_each_entry_safe (chunk, after, chunks, link)
        kith_chunk_free(chunk);
}

static struct kith_chunk *newest(const struct kith_channel *channel) {
    return list_empty(&channel->chunks) ? NULL : list_last_entry(&channel->chunks, struct kith_chunk, link);
}

void kith_channel_seal(struct kith_channel *channel, struct kith_chunk *chunk) {
    kith_frame_end(chunk->skb);
    if (chunk->open && chunk->skb->len < channel->chunk_size / 4)
        channel->chunk_size = max_t(size_t, KITH_CHUNK_LEAST, channel->chunk_size / 2);
    chunk->open = false;
}

/* The one before it is full, or what comes is large: nothing is added to it any more. */
void kith_channel_put_chunk(struct kith_channel *channel, struct kith_chunk *chunk) {
    struct kith_chunk *before = newest(channel);
    if (before && before->open && chunk->open)
        channel->chunk_size = min3((size_t)KITH_BATCH_SIZE, channel->chunk_size * 4, channel->config.backlog / 4);
    if (before)
        before->open = false;
    chunk->first = chunk->last = ++channel->last_sequence;
    kith_frame_number(chunk->skb, chunk->first);
    list_add_tail(&chunk->link, &channel->chunks);
    channel->bytes += kith_chunk_charge(chunk);
}

bool kith_channel_put_message(struct kith_channel *channel, struct kith_message_header *header, const void *data) {
    struct kith_chunk *chunk = newest(channel);
    if (!chunk || !chunk->open || header->size > SMALL)
        return false;
    header->sequence = channel->last_sequence + 1;
    if (!kith_frame_add(chunk->skb, header, data))
        return false;
    chunk->last = ++channel->last_sequence;
    return true;
}

void kith_channel_remove_chunk(struct kith_channel *channel, struct kith_chunk *chunk, struct list_head *gone) {
    list_move_tail(&chunk->link, gone);
    channel->bytes -= kith_chunk_charge(chunk);
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * deliver.c: sends a channel's chunks to its receivers, or copies them into their rings: a worker, or the thread that acknowledges some.
 *
 * What is next is chosen under the lock and sent without it. When the socket has no room its messages are the receiver's next again:
 * nothing is lost but what the backlog has dropped meanwhile, which is counted.
 */
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <net/genetlink.h>

#include "internal.h"

#define RETRY_MS 10

struct workqueue_struct *kith_workqueue;

/* One datagram on its way. */
struct batch {
    struct sk_buff *skb; /* the chunk's, held */
    u64 first, last;
    bool whole;    /* it goes as it is */
    u64 most_sent; /* the channel's, before it: ONE: what is not after this went out before */
};

/* With the lock held: the chunk with the receiver's next message, or NULL. What came since the last look is walked back over once. */
static struct kith_chunk *receiver_chunk(struct kith_channel *channel, struct kith_receiver *receiver) {
    struct kith_chunk *chunk;
    if (receiver->next || receiver->next_sequence > channel->last_sequence)
        return receiver->next;
    list_for_each_entry_reverse (chunk, &channel->chunks, link) {
        if (chunk->first <= receiver->next_sequence) {
            receiver->next = chunk;
            break;
        }
    }
    return receiver->next;
}

/* False: there is nothing to send, or it may not be sent now. */
static bool batch_choose(struct kith_channel *channel, struct kith_receiver *receiver, struct batch *batch) {
    struct kith_chunk *chunk;
    spin_lock_irq(&channel->lock);
    chunk = receiver->batch_count < receiver->window ? receiver_chunk(channel, receiver) : NULL;
    if (chunk) {
        kith_channel_seal(channel, chunk);
        batch->skb = skb_get(chunk->skb);
        batch->most_sent = channel->most_sent;
        batch->first = receiver->next_sequence;
        batch->last = chunk->last;
        batch->whole = batch->first == chunk->first && (channel->config.mode != KITH_MODE_ONE || batch->first > batch->most_sent);
        receiver->next = kith_channel_after(channel, chunk);
        receiver->next_sequence = batch->last + 1;
        channel->most_sent = max(channel->most_sent, batch->last);
    }
    spin_unlock_irq(&channel->lock);
    return chunk != NULL;
}

/* What goes out: the chunk itself, shared, or a copy of what this receiver is to have of it. */
static struct sk_buff *batch_datagram(const struct kith_channel *channel, struct batch *batch) {
    struct sk_buff *datagram;
    if (batch->whole)
        datagram = skb_clone(batch->skb, GFP_KERNEL);
    else
        datagram = kith_frame_rest(channel, batch->skb, batch->first, channel->config.mode == KITH_MODE_ONE ? batch->most_sent : 0);
    kfree_skb(batch->skb);
    return datagram;
}

/* Those from `from` on were not sent: they are next again, as far as the backlog still has them. */
static void batch_undo(struct kith_channel *channel, struct kith_receiver *receiver, const struct batch *batch, u64 from) {
    struct kith_chunk *oldest;
    u64 there;
    spin_lock_irq(&channel->lock);
    oldest = kith_channel_oldest(channel);
    there = oldest ? oldest->first : channel->last_sequence + 1;
    if (there > from)
        channel->counts.lost += min(there, batch->last + 1) - from;
    receiver->next = NULL;
    receiver->next_sequence = max(there, from);
    channel->most_sent = max(batch->most_sent, from - 1);
    spin_unlock_irq(&channel->lock);
}

static void batch_note(struct kith_channel *channel, struct kith_receiver *receiver, u64 last) {
    spin_lock_irq(&channel->lock);
    receiver->batches[(receiver->batch_first + receiver->batch_count++) % KITH_WINDOW_MAX] = last;
    spin_unlock_irq(&channel->lock);
}

/* Sends one datagram. 0: go on; -ENOENT: there is nothing to send; -EAGAIN, -ENOMEM: not now; -ECONNREFUSED: nobody is there any more.
 * An acknowledgement needs the mutex, so none comes before the datagram is noted. */
static int receiver_send(struct kith_channel *channel, struct kith_receiver *receiver) {
    struct batch batch;
    struct sk_buff *datagram;
    int error;
    if (!kith_receiver_listens(receiver) || !batch_choose(channel, receiver, &batch))
        return -ENOENT;
    datagram = batch_datagram(channel, &batch);
    /* It takes the buffer whether it succeeds or not. */
    error = datagram ? genlmsg_unicast(receiver->net, datagram, receiver->port) : -ENOMEM;
    if (error)
        batch_undo(channel, receiver, &batch, batch.first);
    else
        batch_note(channel, receiver, batch.last);
    return error;
}

/* An acknowledgement that frees a place in the window starts the worker again; when nothing is on its way there is none to come. */
static void receiver_deliver(struct kith_channel *channel, struct kith_receiver *receiver) {
    int error;
    do {
        error = receiver_send(channel, receiver);
        cond_resched();
    } while (!error);
    if (error == -ECONNREFUSED)
        kith_receiver_free(channel, receiver);
    else if (error != -ENOENT && receiver->batch_count == 0)
        queue_delayed_work(kith_workqueue, &channel->retry, msecs_to_jiffies(RETRY_MS));
}

/* Messages on their way into a ring. */
struct filling {
    struct kith_ring *ring;
    bool latest;
    u64 last; /* that is there */
};

static bool fill(void *userdata, const struct kith_message_header *header, const void *data) {
    struct filling *filling = userdata;
    if (!kith_ring_want_room(filling->ring, filling->latest ? KITH_RING_EMPTY : header->size))
        return false;
    kith_ring_put(filling->ring, header, data);
    filling->last = header->sequence;
    return true;
}

/* False: all is in the ring, or no more fits. What is in the ring, the list need not keep. */
static bool ring_send(struct kith_channel *channel, struct kith_receiver *receiver) {
    struct filling filling = {.ring = receiver->ring, .latest = channel->config.mode == KITH_MODE_LATEST};
    struct batch batch;
    LIST_HEAD(gone);
    if (!kith_receiver_listens(receiver) || !batch_choose(channel, receiver, &batch))
        return false;
    filling.last = batch.first - 1;
    kith_frame_each(batch.skb, batch.first, channel->config.mode == KITH_MODE_ONE ? batch.most_sent : 0, fill, &filling);
    kfree_skb(batch.skb);
    if (filling.last < batch.last)
        batch_undo(channel, receiver, &batch, filling.last + 1);
    spin_lock_irq(&channel->lock);
    receiver->acknowledged = filling.last;
    kith_channel_trim(channel, &gone);
    spin_unlock_irq(&channel->lock);
    kith_chunks_free(&gone);
    return filling.last == batch.last;
}

static void ring_deliver(struct kith_channel *channel, struct kith_receiver *receiver) {
    while (ring_send(channel, receiver))
        cond_resched();
}

void kith_channel_deliver(struct kith_channel *channel) {
    struct kith_receiver *receiver, *after;
    mutex_lock(&channel->mutex);
    if (!channel->closed)
        list_for_each_entry_safe (receiver, after, &channel->receivers, link)
            (receiver->ring ? ring_deliver : receiver_deliver)(channel, receiver);
    mutex_unlock(&channel->mutex);
}

void kith_channel_work(struct work_struct *work) {
    kith_channel_deliver(container_of(work, struct kith_channel, work));
}

void kith_channel_retry(struct work_struct *work) {
    kith_channel_deliver(container_of(to_delayed_work(work), struct kith_channel, retry));
}

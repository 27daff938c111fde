// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * deliver.c: the worker that sends a channel's messages to its receivers, several in one datagram.
 *
 * A datagram is filled under the lock and sent without it. When the socket has no room its messages are the receiver's next again: nothing
 * is lost but what the backlog has dropped meanwhile, which is counted.
 */
#include <linux/slab.h>
#include <net/genetlink.h>

#include "internal.h"

#define RETRY_MS 10

struct workqueue_struct *kith_workqueue;

struct batch {
    struct sk_buff *skb;
    void *head;
    u64 first, last;
    u64 most_sent; /* the channel's, before it */
};

/* With the lock held: the receiver's next message, or NULL. What came since the last look is walked back over once. */
static struct kith_message *receiver_next(struct kith_channel *channel, struct kith_receiver *receiver) {
    struct kith_message *message;
    if (receiver->next || receiver->next_sequence > channel->last_sequence)
        return receiver->next;
    list_for_each_entry_reverse(message, &channel->messages, link) {
        if (message->header.sequence == receiver->next_sequence) {
            receiver->next = message;
            break;
        }
    }
    return receiver->next;
}

/* Octets of the next datagram; 0: nothing is to be sent. A message that alone is larger gets one of its own. */
static size_t receiver_room(struct kith_channel *channel, struct kith_receiver *receiver) {
    struct kith_message *message;
    size_t room = 0;
    spin_lock_irq(&channel->lock);
    message = receiver_next(channel, receiver);
    if (message && receiver->batch_count < receiver->window) {
        list_for_each_entry_from(message, &channel->messages, link) {
            size_t more = kith_frame_size(message);
            if (room > 0 && room + more > KITH_BATCH_SIZE)
                break;
            room += more;
        }
    }
    spin_unlock_irq(&channel->lock);
    return room;
}

/* With the lock held. */
static u32 message_flags(const struct kith_channel *channel, const struct kith_message *message, const struct batch *batch) {
    return channel->config.mode == KITH_MODE_ONE && message->header.sequence <= batch->most_sent ? KITH_MESSAGE_AGAIN : 0;
}

/* False: nothing is there any more. */
static bool batch_fill(struct kith_channel *channel, struct kith_receiver *receiver, struct batch *batch) {
    struct kith_message *message;
    spin_lock_irq(&channel->lock);
    batch->most_sent = channel->most_sent;
    batch->first = receiver->next_sequence;
    message = receiver_next(channel, receiver);
    receiver->next = NULL;
    if (message) {
        batch->first = message->header.sequence;
        list_for_each_entry_from(message, &channel->messages, link) {
            if (!kith_frame_add(batch->skb, message, message_flags(channel, message, batch))) {
                receiver->next = message;
                break;
            }
            receiver->next_sequence = message->header.sequence + 1;
        }
    }
    batch->last = receiver->next_sequence - 1;
    channel->most_sent = max(channel->most_sent, batch->last);
    spin_unlock_irq(&channel->lock);
    return batch->last >= batch->first;
}

/* It was not sent: its messages are next again, as far as the backlog still has them. */
static void batch_undo(struct kith_channel *channel, struct kith_receiver *receiver, const struct batch *batch) {
    struct kith_message *oldest;
    u64 there;
    spin_lock_irq(&channel->lock);
    oldest = list_first_entry_or_null(&channel->messages, struct kith_message, link);
    there = oldest ? oldest->header.sequence : channel->last_sequence + 1;
    if (there > batch->first)
        channel->counts.lost += min(there, batch->last + 1) - batch->first;
    receiver->next = NULL;
    receiver->next_sequence = max(there, batch->first);
    channel->most_sent = batch->most_sent;
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
    struct batch batch = {};
    size_t room = receiver_room(channel, receiver);
    int error;
    if (room == 0)
        return -ENOENT;
    batch.skb = kith_frame_messages(channel, room, &batch.head);
    if (!batch.skb)
        return -ENOMEM;
    if (!batch_fill(channel, receiver, &batch)) {
        nlmsg_free(batch.skb);
        return -ENOENT;
    }
    genlmsg_end(batch.skb, batch.head);
    /* It takes the buffer whether it succeeds or not. */
    error = genlmsg_unicast(receiver->net, batch.skb, receiver->port);
    if (error)
        batch_undo(channel, receiver, &batch);
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
        queue_delayed_work(kith_workqueue, &channel->work, msecs_to_jiffies(RETRY_MS));
}

void kith_channel_deliver(struct work_struct *work) {
    struct kith_channel *channel = container_of(to_delayed_work(work), struct kith_channel, work);
    struct kith_receiver *receiver, *after;
    mutex_lock(&channel->mutex);
    if (!channel->closed)
        list_for_each_entry_safe(receiver, after, &channel->receivers, link) receiver_deliver(channel, receiver);
    mutex_unlock(&channel->mutex);
}

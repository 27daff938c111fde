// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* receiver.c: who listens to a channel, and how far each has got. */
#include <linux/slab.h>
#include <net/sock.h>

#include "internal.h"

/* Its socket is closed: the notice of that is on its way, and its port may be another's already. */
static bool receiver_is_dead(const struct kith_receiver *receiver) {
    return sock_flag(receiver->socket, SOCK_DEAD);
}

bool kith_receiver_listens(const struct kith_receiver *receiver) {
    return receiver->begun && !receiver_is_dead(receiver);
}

struct kith_receiver *kith_channel_receiver(struct kith_channel *channel, const struct net *net, u32 port) {
    struct kith_receiver *receiver;
    list_for_each_entry (receiver, &channel->receivers, link) {
        if (receiver->port == port && receiver->net == net && !receiver_is_dead(receiver))
            return receiver;
    }
    return NULL;
}

void kith_channel_drop_oldest(struct kith_channel *channel, struct list_head *gone) {
    struct kith_chunk *chunk = kith_channel_oldest(channel);
    struct kith_receiver *receiver;
    list_for_each_entry (receiver, &channel->receivers, link) {
        if (receiver->next == chunk)
            receiver->next = kith_channel_after(channel, chunk);
        if (receiver->next_sequence <= chunk->last) {
            channel->counts.lost += chunk->last + 1 - receiver->next_sequence;
            receiver->next_sequence = chunk->last + 1;
        }
    }
    kith_channel_remove_chunk(channel, chunk, gone);
}

void kith_channel_trim(struct kith_channel *channel, struct list_head *gone) {
    struct kith_receiver *receiver;
    struct kith_chunk *chunk;
    u64 done = U64_MAX;
    if (channel->config.mode == KITH_MODE_LATEST && channel->config.keep)
        return;
    if (channel->receiver_count == 0 && (channel->config.mode == KITH_MODE_ONE || channel->config.keep))
        return;
    if (channel->receiver_count == 0) {
        list_splice_init(&channel->chunks, gone);
        channel->bytes = 0;
        return;
    }
    list_for_each_entry (receiver, &channel->receivers, link)
        done = min(done, receiver->acknowledged);
    while ((chunk = kith_channel_oldest(channel)) && chunk->last <= done)
        kith_channel_remove_chunk(channel, chunk, gone);
}

/* With the lock held: where a new receiver begins. */
static u64 channel_begin(struct kith_channel *channel) {
    const struct kith_chunk *oldest = kith_channel_oldest(channel);
    bool waiting = channel->config.mode == KITH_MODE_ONE ||
                   (channel->config.keep && (channel->receiver_count == 0 || channel->config.mode == KITH_MODE_LATEST));
    return waiting && oldest ? max(oldest->first, channel->done + 1) : channel->last_sequence + 1;
}

static int channel_may_join(struct kith_channel *channel, struct net *net, u32 port) {
    if (channel->closed)
        return -ENODEV;
    if (kith_channel_receiver(channel, net, port))
        return -EALREADY;
    return channel->receiver_count >= channel->config.receivers ? -EBUSY : 0;
}

static void receiver_release(struct kith_receiver *receiver) {
    sock_put(receiver->socket);
    kfree(receiver);
}

/* With the mutex held. */
static void channel_add(struct kith_channel *channel, struct kith_receiver *receiver) {
    spin_lock_irq(&channel->lock);
    receiver->next_sequence = channel_begin(channel);
    receiver->acknowledged = receiver->next_sequence - 1;
    list_add_tail(&receiver->link, &channel->receivers);
    channel->receiver_count++;
    channel->ring_count += receiver->ring != NULL;
    spin_unlock_irq(&channel->lock);
}

int kith_channel_join(struct kith_channel *channel, struct sock *socket, u32 port, u32 window, struct kith_ring *ring) {
    struct kith_receiver *receiver = kzalloc(sizeof(*receiver), GFP_KERNEL_ACCOUNT);
    int error;
    if (!receiver)
        return -ENOMEM;
    sock_hold(socket);
    receiver->socket = socket;
    receiver->net = sock_net(socket);
    receiver->port = port;
    receiver->window = window;
    mutex_lock(&channel->mutex);
    error = channel_may_join(channel, receiver->net, port);
    if (!error)
        error = kith_channel_inherit(channel);
    if (!error) {
        receiver->ring = ring ? kith_ring_ref(ring) : NULL;
        channel_add(channel, receiver);
    }
    mutex_unlock(&channel->mutex);
    if (error)
        receiver_release(receiver);
    return error;
}

int kith_channel_begin(struct kith_channel *channel, const struct net *net, u32 port) {
    struct kith_receiver *receiver;
    mutex_lock(&channel->mutex);
    receiver = kith_channel_receiver(channel, net, port);
    if (receiver) {
        receiver->begun = true;
        queue_work(kith_workqueue, &channel->work);
    }
    mutex_unlock(&channel->mutex);
    return receiver ? 0 : -ENOTCONN;
}

/* With the mutex held; nobody writes to the ring any more. */
static void channel_leave_ring(struct kith_channel *channel, struct kith_ring *ring) {
    bool left = kith_ring_end(ring) && channel->config.mode == KITH_MODE_ONE && !channel->closed;
    spin_lock_irq(&channel->lock);
    if (channel->config.mode == KITH_MODE_ONE)
        channel->done = max(channel->done, ring->released);
    if (left)
        channel->left = ring;
    spin_unlock_irq(&channel->lock);
    if (!left)
        kith_ring_unref(ring);
}

void kith_receiver_free(struct kith_channel *channel, struct kith_receiver *receiver) {
    LIST_HEAD(gone);
    spin_lock_irq(&channel->lock);
    list_del(&receiver->link);
    channel->receiver_count--;
    channel->ring_count -= receiver->ring != NULL;
    kith_channel_trim(channel, &gone);
    spin_unlock_irq(&channel->lock);
    kith_chunks_free(&gone);
    if (receiver->ring)
        channel_leave_ring(channel, receiver->ring);
    receiver_release(receiver);
}

void kith_channel_bury(struct kith_channel *channel) {
    struct kith_receiver *receiver, *after;
    mutex_lock(&channel->mutex);
    list_for_each_entry_safe (receiver, after, &channel->receivers, link)
        if (receiver_is_dead(receiver))
            kith_receiver_free(channel, receiver);
    mutex_unlock(&channel->mutex);
}

void kith_channel_leave_ring(struct kith_channel *channel, const struct kith_ring *ring) {
    struct kith_receiver *receiver, *after;
    mutex_lock(&channel->mutex);
    list_for_each_entry_safe (receiver, after, &channel->receivers, link) {
        if (receiver->ring == ring)
            kith_receiver_free(channel, receiver);
    }
    mutex_unlock(&channel->mutex);
}

int kith_channel_leave(struct kith_channel *channel, const struct net *net, u32 port) {
    struct kith_receiver *receiver;
    mutex_lock(&channel->mutex);
    receiver = kith_channel_receiver(channel, net, port);
    if (receiver)
        kith_receiver_free(channel, receiver);
    mutex_unlock(&channel->mutex);
    return receiver ? 0 : -ENOTCONN;
}

/* With the lock held. */
static int receiver_acknowledge(struct kith_channel *channel, struct kith_receiver *receiver, u64 sequence, struct list_head *gone) {
    if (sequence >= receiver->next_sequence)
        return -ERANGE;
    if (sequence <= receiver->acknowledged)
        return 0;
    receiver->acknowledged = sequence;
    if (channel->config.mode == KITH_MODE_ONE)
        channel->done = sequence;
    while (receiver->batch_count > 0 && receiver->batches[receiver->batch_first] <= sequence) {
        receiver->batch_first = (receiver->batch_first + 1) % KITH_WINDOW_MAX;
        receiver->batch_count--;
    }
    kith_channel_trim(channel, gone);
    return 0;
}

int kith_channel_acknowledge(struct kith_channel *channel, const struct net *net, u32 port, u64 sequence) {
    struct kith_receiver *receiver;
    int error = -ENOTCONN;
    LIST_HEAD(gone);
    mutex_lock(&channel->mutex);
    receiver = kith_channel_receiver(channel, net, port);
    if (receiver) {
        spin_lock_irq(&channel->lock);
        error = receiver_acknowledge(channel, receiver, sequence, &gone);
        spin_unlock_irq(&channel->lock);
    }
    mutex_unlock(&channel->mutex);
    kith_chunks_free(&gone);
    if (!error) /* here, where it costs no turn of the worker's */
        kith_channel_deliver(channel);
    return error;
}

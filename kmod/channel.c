// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* channel.c: a channel opens, takes messages from its owner, and closes. */
#include <linux/ctype.h>
#include <linux/slab.h>
#include <net/genetlink.h>

#include "internal.h"

/* Copied into rings with the lock held, and interrupts off; what is more takes the list's way. */
#define DIRECT (16 * 1024)

static void channel_release(struct kref *refs) {
    struct kith_channel *channel = container_of(refs, struct kith_channel, refs);
    /* A poll that was under way while the channel was closed may have queued it again. */
    cancel_work_sync(&channel->work);
    kith_chunks_free(&channel->chunks);
    kith_ring_unref(channel->left);
    kfree(channel);
}

struct kith_channel *kith_channel_ref(struct kith_channel *channel) {
    kref_get(&channel->refs);
    return channel;
}

void kith_channel_unref(struct kith_channel *channel) {
    kref_put(&channel->refs, channel_release);
}

static bool name_is_good(const char *name) {
    size_t size = name ? strnlen(name, KITH_CHANNEL_NAME_MAX + 1) : 0;
    if (size == 0 || size > KITH_CHANNEL_NAME_MAX)
        return false;
    for (; *name; name++)
        if (!isascii(*name) || (!isalnum(*name) && !strchr("._-", *name)))
            return false;
    return true;
}

static void channel_configure(struct kith_channel *channel, struct net *net, const struct kith_channel_config *config) {
    channel->net = net;
    channel->config = *config;
    channel->config.name = NULL;
    channel->config.owner = NULL;
    strscpy(channel->name, config->name, sizeof(channel->name));
    strscpy(channel->owner, config->owner ? config->owner->name : "kernel", sizeof(channel->owner));
    if (config->backlog == 0)
        channel->config.backlog = KITH_BACKLOG_DEFAULT;
    if (config->mode == KITH_MODE_ONE)
        channel->config.receivers = 1;
    else if (config->receivers == 0)
        channel->config.receivers = KITH_RECEIVERS_DEFAULT;
}

int kith_channel_open(struct net *net, const struct kith_channel_config *config, struct kith_channel **ret_channel) {
    struct kith_channel *channel;
    int error;
    if (!name_is_good(config->name) || config->mode < KITH_MODE_ONE || config->mode > KITH_MODE_LATEST ||
        config->backlog > KITH_BACKLOG_MAX || (config->backlog > 0 && config->backlog < KITH_BACKLOG_MIN))
        return -EINVAL;
    channel = kzalloc(sizeof(*channel), GFP_KERNEL);
    if (!channel)
        return -ENOMEM;
    kref_init(&channel->refs);
    init_rwsem(&channel->gate);
    mutex_init(&channel->mutex);
    spin_lock_init(&channel->lock);
    INIT_LIST_HEAD(&channel->receivers);
    INIT_LIST_HEAD(&channel->chunks);
    channel->chunk_size = KITH_CHUNK_LEAST;
    INIT_LIST_HEAD(&channel->requests);
    INIT_WORK(&channel->work, kith_channel_work);
    INIT_DELAYED_WORK(&channel->retry, kith_channel_retry);
    channel_configure(channel, net, config);
    error = kith_registry_add(channel);
    if (error) {
        kith_channel_unref(channel);
        return error;
    }
    *ret_channel = channel;
    return 0;
}
EXPORT_SYMBOL_GPL(kith_channel_open);

/* No receiver comes any more, and those that are there are told. */
static void channel_dismiss(struct kith_channel *channel) {
    struct kith_receiver *receiver, *after;
    mutex_lock(&channel->mutex);
    WRITE_ONCE(channel->closed, true);
    list_for_each_entry_safe (receiver, after, &channel->receivers, link) {
        struct sk_buff *skb = kith_frame_closed(channel);
        if (skb)
            genlmsg_unicast(receiver->net, skb, receiver->port);
        kith_receiver_free(channel, receiver);
    }
    mutex_unlock(&channel->mutex);
}

/* The registry tells a channel of sockets that close: it may forget this one only when no receiver is left, for a callback may take its
 * time. One that closes another channel holds that one's gate. */
void kith_channel_close(struct kith_channel *channel) {
    if (!channel)
        return;
    channel_dismiss(channel);
    kith_registry_remove(channel);
    down_write_nested(&channel->gate, SINGLE_DEPTH_NESTING);
    up_write(&channel->gate);
    cancel_delayed_work_sync(&channel->retry);
    cancel_work_sync(&channel->work);
    kith_channel_unref(channel);
}
EXPORT_SYMBOL_GPL(kith_channel_close);

/* With the lock held. */
static int channel_listens(const struct kith_channel *channel) {
    if (channel->ended)
        return -ESHUTDOWN;
    return channel->receiver_count == 0 && !channel->config.keep ? -ENOTCONN : 0;
}

/* With the lock held: makes room for one more chunk, or says why there is none. */
static int channel_make_room(struct kith_channel *channel, size_t charge, struct list_head *gone) {
    bool latest = channel->config.mode == KITH_MODE_LATEST;
    int error = channel_listens(channel);
    if (error)
        return error;
    if (charge > channel->config.backlog)
        return -EMSGSIZE;
    if (channel->config.mode == KITH_MODE_ONE)
        return channel->bytes + charge > channel->config.backlog ? -EAGAIN : 0;
    while (!list_empty(&channel->chunks) && (latest || channel->bytes + charge > channel->config.backlog))
        kith_channel_drop_oldest(channel, gone);
    return 0;
}

/* With the lock held. A new receiver of the latest value is to find it in the list; and what may be more than the backlog is the list's to
 * refuse, whether there is room in a ring or not. */
static bool channel_rings_have_room(struct kith_channel *channel, size_t size) {
    bool latest = channel->config.mode == KITH_MODE_LATEST;
    struct kith_receiver *receiver;
    if (channel->ring_count != channel->receiver_count || !list_empty(&channel->chunks) || size * channel->ring_count > DIRECT ||
        size > channel->config.backlog / 4 || (latest && channel->config.keep))
        return false;
    list_for_each_entry (receiver, &channel->receivers, link) {
        if (!kith_ring_has_room(receiver->ring, latest ? KITH_RING_EMPTY : size))
            return false;
    }
    return true;
}

/* With the lock held: nobody is behind, so nothing waits. */
static bool channel_put_rings(struct kith_channel *channel, struct kith_message_header *header, const void *data) {
    struct kith_receiver *receiver;
    if (channel->ring_count == 0 || !channel_rings_have_room(channel, header->size))
        return false;
    header->sequence = channel->most_sent = ++channel->last_sequence;
    list_for_each_entry (receiver, &channel->receivers, link) {
        kith_ring_put(receiver->ring, header, data);
        receiver->acknowledged = header->sequence;
        receiver->next_sequence = header->sequence + 1;
    }
    return true;
}

/* Into the rings, or into the newest chunk, whose room is counted already. 0; -ENOSPC: it takes a new one; or what kith_channel_send()
 * returns. */
static int channel_take(struct kith_channel *channel, struct kith_message_header *header, const void *data, bool *ret_waits) {
    unsigned long flags;
    int error;
    spin_lock_irqsave(&channel->lock, flags);
    error = channel_listens(channel);
    *ret_waits = !error && !channel_put_rings(channel, header, data);
    if (*ret_waits && !kith_channel_put_message(channel, header, data))
        error = -ENOSPC;
    channel->counts.sent += !error;
    spin_unlock_irqrestore(&channel->lock, flags);
    return error;
}

static int channel_take_chunk(struct kith_channel *channel, struct kith_chunk *chunk) {
    LIST_HEAD(gone);
    unsigned long flags;
    int error;
    spin_lock_irqsave(&channel->lock, flags);
    error = channel_make_room(channel, kith_chunk_charge(chunk), &gone);
    if (!error) {
        kith_channel_put_chunk(channel, chunk);
        channel->counts.sent++;
    }
    spin_unlock_irqrestore(&channel->lock, flags);
    kith_chunks_free(&gone);
    return error;
}

static int channel_append(struct kith_channel *channel, const void *data, size_t size, gfp_t gfp, u32 request, bool *ret_waits) {
    struct kith_message_header header = {.time = ktime_get_real_ns(), .request = request, .size = size};
    struct kith_chunk *chunk;
    int error;
    /* Not might_sleep(), which also gives way to who was just woken: a reader would wake for each message. */
    if (gfpflags_allow_blocking(gfp))
        __might_sleep(__FILE__, __LINE__);
    if (size > KITH_MESSAGE_MAX)
        return -EMSGSIZE;
    error = channel_take(channel, &header, data, ret_waits);
    if (error != -ENOSPC)
        return error;
    header.sequence = 0;
    chunk = kith_chunk_new(channel, &header, data, gfp);
    if (!chunk)
        return -ENOMEM;
    error = channel_take_chunk(channel, chunk);
    if (error)
        kith_chunk_free(chunk);
    return error;
}

int kith_channel_append(struct kith_channel *channel, const void *data, size_t size, gfp_t gfp, u32 request) {
    bool waits = false;
    int error = channel_append(channel, data, size, gfp, request, &waits);
    unsigned long flags;
    if (waits) /* also when it was not taken: a ring may have room since */
        queue_work(kith_workqueue, &channel->work);
    if (!error)
        return 0;
    spin_lock_irqsave(&channel->lock, flags);
    channel->counts.refused++;
    spin_unlock_irqrestore(&channel->lock, flags);
    return error;
}

int kith_channel_send(struct kith_channel *channel, const void *data, size_t size, gfp_t gfp) {
    return kith_channel_append(channel, data, size, gfp, 0);
}
EXPORT_SYMBOL_GPL(kith_channel_send);

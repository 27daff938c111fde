// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* channel.c: a channel opens, takes messages from its owner, and closes. */
#include <linux/ctype.h>
#include <linux/slab.h>
#include <net/genetlink.h>

#include "internal.h"

static void channel_release(struct kref *refs) {
    struct kith_channel *channel = container_of(refs, struct kith_channel, refs);
    struct kith_message *message, *after;
    list_for_each_entry_safe(message, after, &channel->messages, link) kfree(message);
    kfree(channel);
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
        config->backlog > KITH_BACKLOG_MAX)
        return -EINVAL;
    channel = kzalloc(sizeof(*channel), GFP_KERNEL);
    if (!channel)
        return -ENOMEM;
    kref_init(&channel->refs);
    init_rwsem(&channel->gate);
    mutex_init(&channel->mutex);
    spin_lock_init(&channel->lock);
    INIT_LIST_HEAD(&channel->receivers);
    INIT_LIST_HEAD(&channel->messages);
    INIT_LIST_HEAD(&channel->requests);
    INIT_DELAYED_WORK(&channel->work, kith_channel_deliver);
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

void kith_channel_close(struct kith_channel *channel) {
    struct kith_receiver *receiver, *after;
    if (!channel)
        return;
    kith_registry_remove(channel);
    down_write(&channel->gate);
    mutex_lock(&channel->mutex);
    channel->closed = true;
    list_for_each_entry_safe(receiver, after, &channel->receivers, link) {
        struct sk_buff *skb = kith_frame_closed(channel);
        if (skb)
            genlmsg_unicast(receiver->net, skb, receiver->port);
        kith_receiver_free(channel, receiver);
    }
    mutex_unlock(&channel->mutex);
    up_write(&channel->gate);
    cancel_delayed_work_sync(&channel->work);
    kith_channel_unref(channel);
}
EXPORT_SYMBOL_GPL(kith_channel_close);

/* With the lock held: makes room for one more message, or says why there is none. */
static int channel_make_room(struct kith_channel *channel, size_t charge) {
    if (channel->ended)
        return -ESHUTDOWN;
    if (channel->receiver_count == 0 && !channel->config.keep)
        return -ENOTCONN;
    if (channel->config.mode == KITH_MODE_ONE)
        return channel->bytes + charge > channel->config.backlog ? -EAGAIN : 0;
    while (!list_empty(&channel->messages) &&
           (channel->config.mode == KITH_MODE_LATEST || channel->bytes + charge > channel->config.backlog))
        kith_channel_drop_oldest(channel);
    return 0;
}

static int channel_take(struct kith_channel *channel, struct kith_message *message) {
    size_t charge = kith_message_charge(message);
    unsigned long flags;
    int error;
    spin_lock_irqsave(&channel->lock, flags);
    error = channel_make_room(channel, charge);
    if (!error) {
        message->header.sequence = ++channel->last_sequence;
        list_add_tail(&message->link, &channel->messages);
        channel->bytes += charge;
        channel->counts.sent++;
    }
    spin_unlock_irqrestore(&channel->lock, flags);
    return error;
}

static int channel_append(struct kith_channel *channel, const void *data, size_t size, gfp_t gfp, u32 request) {
    struct kith_message *message;
    int error;
    if (size > KITH_MESSAGE_MAX || size + sizeof(*message) > channel->config.backlog)
        return -EMSGSIZE;
    message = kmalloc(struct_size(message, data, size), gfp | __GFP_NOWARN);
    if (!message)
        return -ENOMEM;
    message->header = (struct kith_message_header){.time = ktime_get_real_ns(), .request = request, .size = size};
    memcpy(message->data, data, size);
    error = channel_take(channel, message);
    if (error)
        kfree(message);
    else
        queue_delayed_work(kith_workqueue, &channel->work, 0);
    return error;
}

int kith_channel_append(struct kith_channel *channel, const void *data, size_t size, gfp_t gfp, u32 request) {
    int error = channel_append(channel, data, size, gfp, request);
    unsigned long flags;
    if (error) {
        spin_lock_irqsave(&channel->lock, flags);
        channel->counts.refused++;
        spin_unlock_irqrestore(&channel->lock, flags);
    }
    return error;
}

int kith_channel_send(struct kith_channel *channel, const void *data, size_t size, gfp_t gfp) {
    return kith_channel_append(channel, data, size, gfp, 0);
}
EXPORT_SYMBOL_GPL(kith_channel_send);

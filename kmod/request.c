// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* request.c: the owner asks and waits; user space asks and gets what a callback says. */
#include <linux/completion.h>
#include <linux/slab.h>

#include "internal.h"

/* One kith_channel_request(), on its stack: in the channel's list while it waits. */
struct request {
    struct list_head link;
    struct completion done;
    u32 number;
    void *reply;
    size_t room;
    ssize_t size;
    bool answered; /* with the lock held; `done` follows, when the answer is copied */
};

static void request_begin(struct kith_channel *channel, struct request *request) {
    init_completion(&request->done);
    spin_lock_irq(&channel->lock);
    if (++channel->last_request == 0)
        channel->last_request = 1;
    request->number = channel->last_request;
    list_add_tail(&request->link, &channel->requests);
    spin_unlock_irq(&channel->lock);
}

/* Nobody writes to it any more. */
static void request_end(struct kith_channel *channel, struct request *request) {
    bool answered;
    spin_lock_irq(&channel->lock);
    list_del(&request->link);
    answered = request->answered;
    spin_unlock_irq(&channel->lock);
    if (answered)
        wait_for_completion(&request->done);
}

ssize_t kith_channel_request(struct kith_channel *channel, const void *data, size_t size, void *reply, size_t room,
                             unsigned int timeout_ms) {
    struct request request = {.reply = reply, .room = room};
    long left;
    int error;
    if (channel->config.mode != KITH_MODE_ONE)
        return -EINVAL;
    request_begin(channel, &request);
    error = kith_channel_append(channel, data, size, GFP_KERNEL, request.number);
    left = error ? 0 : wait_for_completion_interruptible_timeout(&request.done, msecs_to_jiffies(timeout_ms));
    request_end(channel, &request);
    if (error)
        return error;
    if (request.answered)
        return request.size;
    return left < 0 ? left : -ETIMEDOUT;
}
EXPORT_SYMBOL_GPL(kith_channel_request);

/* The request of this number, which then waits for its answer and does not end before; or NULL. */
static struct request *request_take(struct kith_channel *channel, u32 number) {
    struct request *request, *found = NULL;
    spin_lock_irq(&channel->lock);
    list_for_each_entry (request, &channel->requests, link) {
        if (request->number == number && !request->answered) {
            request->answered = true;
            found = request;
            break;
        }
    }
    spin_unlock_irq(&channel->lock);
    return found;
}

int kith_channel_answer(struct kith_channel *channel, const struct net *net, u32 port, u32 number, const void *data, size_t size) {
    struct request *request;
    bool receives;
    mutex_lock(&channel->mutex);
    receives = kith_channel_receiver(channel, net, port);
    mutex_unlock(&channel->mutex);
    if (!receives)
        return -ENOTCONN;
    request = request_take(channel, number);
    if (!request)
        return -ESRCH;
    request->size = min(size, request->room);
    memcpy(request->reply, data, request->size);
    complete_all(&request->done);
    return 0;
}

int kith_reply_set(struct kith_reply *reply, const void *data, size_t size) {
    if (reply->data)
        return -EALREADY;
    if (size > KITH_MESSAGE_MAX)
        return -EMSGSIZE;
    /* ZERO_SIZE_PTR for an empty one: not NULL. */
    reply->data = kmemdup(data, size, GFP_KERNEL);
    reply->size = size;
    return reply->data ? 0 : -ENOMEM;
}
EXPORT_SYMBOL_GPL(kith_reply_set);

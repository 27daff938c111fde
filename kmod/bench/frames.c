// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * frames.c: raw frames of an ethertype for experiments, to everybody on a network interface; what arrives is counted, in the softirq that
 * receives it, and goes no further.
 *
 * Nobody acknowledges a frame. What a queue on the way has no room for is dropped: by the first the sender is told, and tries again, by any
 * other it is not. A veth pair has one only, of net.core.netdev_max_backlog frames, so all that are sent arrive.
 */
#include <linux/atomic.h>
#include <linux/etherdevice.h>
#include <linux/netdevice.h>

#include "bench.h"

static atomic_t arrived;

static int frames_receive(struct sk_buff *skb, struct net_device *device, struct packet_type *type, struct net_device *first) {
    atomic_inc(&arrived);
    consume_skb(skb);
    return NET_RX_SUCCESS;
}

static struct packet_type frames_type = {.type = cpu_to_be16(ETH_P_802_EX1), .func = frames_receive};

static int frames_begin(struct bench_task *task) {
    task->device = dev_get_by_name(task->net, task->target);
    if (!task->device)
        return -ENODEV;
    if (task->size > task->device->mtu) {
        dev_put(task->device);
        return -EMSGSIZE;
    }
    atomic_set(&arrived, 0);
    return 0;
}

static int frames_send(struct bench_task *task) {
    struct net_device *device = task->device;
    struct sk_buff *skb = alloc_skb(LL_RESERVED_SPACE(device) + task->size + device->needed_tailroom, GFP_ATOMIC);
    int error;
    if (!skb)
        return -ENOMEM;
    skb_reserve(skb, LL_RESERVED_SPACE(device));
    skb_reset_network_header(skb);
    skb_put_data(skb, task->data, task->size);
    skb->dev = device;
    skb->protocol = frames_type.type;
    if (dev_hard_header(skb, device, ETH_P_802_EX1, device->broadcast, NULL, skb->len) < 0) {
        kfree_skb(skb);
        return -EINVAL;
    }
    /* It takes the buffer whether it succeeds or not. */
    error = dev_queue_xmit(skb);
    return error > 0 ? -EAGAIN : error;
}

static void frames_end(struct bench_task *task) {
    dev_put(task->device);
}

const struct bench_way bench_frames = {.name = "frames", .begin = frames_begin, .send = frames_send, .end = frames_end};

unsigned int bench_frames_arrived(void) {
    return atomic_read(&arrived);
}

void bench_frames_init(void) {
    dev_add_pack(&frames_type);
}

void bench_frames_exit(void) {
    dev_remove_pack(&frames_type);
}

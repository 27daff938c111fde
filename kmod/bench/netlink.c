// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* netlink.c: to a process over generic netlink: through kith.ko, and by itself as a module without it does. */
#include <net/genetlink.h>

#include "../kith_kernel.h"
#include "bench.h"

static struct kith_channel *channel;
static struct genl_family family = {.name = "kith_bench", .version = 1, .module = THIS_MODULE, .netnsok = true};

static int channel_send(struct bench_task *task) {
    return kith_channel_send(channel, task->data, task->size, GFP_KERNEL);
}

static int unicast_begin(struct bench_task *task) {
    return kstrtou32(task->target, 10, &task->port);
}

static int unicast_send(struct bench_task *task) {
    struct sk_buff *skb = genlmsg_new(nla_total_size(task->size), GFP_KERNEL);
    void *head = skb ? genlmsg_put(skb, 0, 0, &family, 0, 1) : NULL;
    if (!head || nla_put(skb, 1, task->size, task->data) < 0) {
        nlmsg_free(skb);
        return -ENOMEM;
    }
    genlmsg_end(skb, head);
    return genlmsg_unicast(task->net, skb, task->port);
}

const struct bench_way bench_channel = {.name = "channel", .send = channel_send};
const struct bench_way bench_unicast = {.name = "unicast", .begin = unicast_begin, .send = unicast_send};

static const struct kith_channel_config config = {
    .name = "bench", .mode = KITH_MODE_ONE, .backlog = KITH_BACKLOG_MAX, .owner = THIS_MODULE};

int bench_netlink_init(void) {
    int error = genl_register_family(&family);
    if (error)
        return error;
    error = kith_channel_open(NULL, &config, &channel);
    if (error)
        genl_unregister_family(&family);
    return error;
}

void bench_netlink_exit(void) {
    kith_channel_close(channel);
    genl_unregister_family(&family);
}

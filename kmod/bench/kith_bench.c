// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * kith_bench.c: sends messages to user space as fast as they are taken, each way in a thread of its own. What to do comes on the channel
 * "bench.control", as a line:
 *
 *     channel COUNT SIZE         kith_channel_send() on the channel "bench"
 *     unicast COUNT SIZE PORT    a datagram of generic netlink for each message, to that port
 *
 * The backlog, and the receiver's buffer, are to hold all of it: else waiting for room is all that is measured. When not, both try again.
 */
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <net/genetlink.h>

#include "../kith_kernel.h"

#define SIZE_MOST 32768

struct task {
    unsigned int count, size, port; /* port 0: the channel */
    struct net *net;
    u8 *data;
};

static struct kith_channel *control, *channel;
static struct task_struct *thread;

static struct genl_family family = {.name = "kith_bench", .version = 1, .module = THIS_MODULE, .netnsok = true};

static int send_unicast(const struct task *task) {
    struct sk_buff *skb = genlmsg_new(nla_total_size(task->size), GFP_KERNEL);
    void *head = skb ? genlmsg_put(skb, 0, 0, &family, 0, 1) : NULL;
    if (!head || nla_put(skb, 1, task->size, task->data) < 0) {
        nlmsg_free(skb);
        return -ENOMEM;
    }
    genlmsg_end(skb, head);
    return genlmsg_unicast(task->net, skb, task->port);
}

static int send_one(const struct task *task) {
    return task->port ? send_unicast(task) : kith_channel_send(channel, task->data, task->size, GFP_KERNEL);
}

static void task_free(struct task *task) {
    kfree(task->data);
    put_net(task->net);
    kfree(task);
}

static int work(void *userdata) {
    struct task *task = userdata;
    unsigned int sent = 0;
    while (sent < task->count && !kthread_should_stop()) {
        int error = send_one(task);
        if (error == -EAGAIN)
            yield();
        else if (error)
            break;
        else
            sent++;
    }
    while (!kthread_should_stop())
        schedule_timeout_interruptible(HZ / 100);
    task_free(task);
    return 0;
}

static void stop(void) {
    if (thread)
        kthread_stop(thread);
    thread = NULL;
}

static int start(struct task *task, const struct kith_sender *sender) {
    struct task_struct *created;
    task->net = get_net(sender->net);
    task->data = kzalloc(task->size, GFP_KERNEL);
    created = task->data ? kthread_run(work, task, "kith-bench") : ERR_PTR(-ENOMEM);
    if (IS_ERR(created)) {
        task_free(task);
        return PTR_ERR(created);
    }
    thread = created;
    return 0;
}

static int receive(struct kith_channel *unused, void *userdata, const struct kith_sender *sender, const void *data, size_t size,
                   struct kith_reply *reply) {
    char line[128];
    struct task *task;
    if (size >= sizeof(line))
        return -EMSGSIZE;
    memcpy(line, data, size);
    line[size] = '\0';
    task = kzalloc(sizeof(*task), GFP_KERNEL);
    if (!task)
        return -ENOMEM;
    if ((sscanf(line, "unicast %u %u %u", &task->count, &task->size, &task->port) != 3 &&
         sscanf(line, "channel %u %u", &task->count, &task->size) != 2) ||
        task->size == 0 || task->size > SIZE_MOST) {
        kfree(task);
        return -EINVAL;
    }
    stop();
    return start(task, sender);
}

static const struct kith_channel_ops ops = {.receive = receive};
static const struct kith_channel_config control_config = {
    .name = "bench.control", .mode = KITH_MODE_ONE, .ops = &ops, .owner = THIS_MODULE};
static const struct kith_channel_config channel_config = {
    .name = "bench", .mode = KITH_MODE_ONE, .backlog = KITH_BACKLOG_MAX, .owner = THIS_MODULE};

static int __init bench_init(void) {
    int error = genl_register_family(&family);
    if (error)
        return error;
    error = kith_channel_open(NULL, &channel_config, &channel);
    if (!error)
        error = kith_channel_open(NULL, &control_config, &control);
    if (error) {
        kith_channel_close(channel);
        genl_unregister_family(&family);
    }
    return error;
}

static void __exit bench_exit(void) {
    kith_channel_close(control);
    stop();
    kith_channel_close(channel);
    genl_unregister_family(&family);
}

module_init(bench_init);
module_exit(bench_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_AUTHOR("the kith authors");
MODULE_DESCRIPTION("Ways out of the kernel, to be measured");

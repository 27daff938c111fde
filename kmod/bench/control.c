// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * control.c: kith_bench.ko sends messages out of the kernel as fast as they are taken, each way in a thread of its own. What to do comes on
 * the channel "bench.control", as a line:
 *
 *     channel COUNT SIZE              kith_channel_send() on the channel "bench"
 *     unicast COUNT SIZE PORT         a datagram of generic netlink for each message, to that port
 *     tcp COUNT SIZE PORT             over a socket of the kernel's, to that port on loopback
 *     frames COUNT SIZE INTERFACE     frames on that interface, no larger than its MTU
 *     arrived                         how many frames have, since then: the answer
 *
 * On the channel "bench.done" comes how many were sent when that is over, the error that ended it, and how often there was no room and it
 * tried again: "tcp 4000 0 0".
 */
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "../kith_kernel.h"
#include "bench.h"

#define SIZE_MOST 32768

static const struct bench_way *const ways[] = {&bench_channel, &bench_unicast, &bench_tcp, &bench_frames};

static struct kith_channel *control, *done;
static DEFINE_MUTEX(lock); /* of these two, which are there or not together */
static struct task_struct *thread;
static struct bench_task *running;

static void task_free(struct bench_task *task) {
    kfree(task->frame);
    put_net(task->net);
    kfree(task);
}

static void task_run(struct bench_task *task) {
    unsigned int sent = 0, again = 0;
    char text[64];
    int error = task->way->begin ? task->way->begin(task) : 0;
    bool begun = !error;
    while (!error && sent < task->count && !kthread_should_stop()) {
        error = task->way->send(task);
        sent += !error;
        if (error == -EAGAIN) {
            yield();
            again++;
            error = 0;
        }
    }
    if (begun && task->way->end)
        task->way->end(task);
    (void)kith_channel_send(done, text, scnprintf(text, sizeof(text), "%s %u %d %u", task->way->name, sent, error, again), GFP_KERNEL);
}

static int work(void *userdata) {
    task_run(userdata);
    set_current_state(TASK_INTERRUPTIBLE);
    while (!kthread_should_stop()) {
        schedule();
        set_current_state(TASK_INTERRUPTIBLE);
    }
    __set_current_state(TASK_RUNNING);
    return 0;
}

/* One that was stopped before it began has not run at all: it does not free its task. */
static void stop(void) {
    if (!thread)
        return;
    kthread_stop(thread);
    task_free(running);
    thread = NULL;
}

static int start(struct bench_task *task, struct net *net) {
    struct task_struct *created;
    u32 size = task->size;
    task->net = get_net(net);
    task->frame = kzalloc(sizeof(size) + task->size, GFP_KERNEL);
    if (task->frame) {
        memcpy(task->frame, &size, sizeof(size));
        task->data = task->frame + sizeof(size);
    }
    created = task->frame ? kthread_run(work, task, "kith-bench") : ERR_PTR(-ENOMEM);
    if (IS_ERR(created)) {
        task_free(task);
        return PTR_ERR(created);
    }
    thread = created;
    running = task;
    return 0;
}

/* What the line asks for; or NULL. */
static struct bench_task *task_parse(const char *line) {
    struct bench_task *task = kzalloc(sizeof(*task), GFP_KERNEL);
    char name[16];
    unsigned int i;
    if (!task)
        return NULL;
    if (sscanf(line, "%15s %u %u %31s", name, &task->count, &task->size, task->target) >= 3)
        for (i = 0; i < ARRAY_SIZE(ways); i++)
            if (strcmp(ways[i]->name, name) == 0)
                task->way = ways[i];
    if (task->way && task->size > 0 && task->size <= SIZE_MOST)
        return task;
    kfree(task);
    return NULL;
}

static int answer_arrived(struct kith_reply *reply) {
    char text[16];
    return kith_reply_set(reply, text, scnprintf(text, sizeof(text), "%u", bench_frames_arrived()));
}

static int receive(struct kith_channel *unused, void *userdata, const struct kith_sender *sender, const void *data, size_t size,
                   struct kith_reply *reply) {
    char line[128];
    struct bench_task *task;
    int error;
    if (size >= sizeof(line))
        return -EMSGSIZE;
    memcpy(line, data, size);
    line[size] = '\0';
    if (strcmp(line, "arrived") == 0)
        return answer_arrived(reply);
    task = task_parse(line);
    if (!task)
        return -EINVAL;
    mutex_lock(&lock);
    stop();
    error = start(task, sender->net);
    mutex_unlock(&lock);
    return error;
}

static const struct kith_channel_ops ops = {.receive = receive};
static const struct kith_channel_config control_config = {
    .name = "bench.control", .mode = KITH_MODE_ONE, .ops = &ops, .owner = THIS_MODULE};
static const struct kith_channel_config done_config = {.name = "bench.done", .mode = KITH_MODE_ONE, .owner = THIS_MODULE};

static int __init bench_init(void) {
    int error = bench_netlink_init();
    if (error)
        return error;
    bench_frames_init();
    error = kith_channel_open(NULL, &done_config, &done);
    if (!error)
        error = kith_channel_open(NULL, &control_config, &control);
    if (error) {
        kith_channel_close(done);
        bench_frames_exit();
        bench_netlink_exit();
    }
    return error;
}

static void __exit bench_exit(void) {
    kith_channel_close(control);
    stop();
    kith_channel_close(done);
    bench_frames_exit();
    bench_netlink_exit();
}

module_init(bench_init);
module_exit(bench_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_AUTHOR("the kith authors");
MODULE_DESCRIPTION("Ways out of the kernel, to be measured");

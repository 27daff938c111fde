// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * kith_test.c: a module that does with kith.ko what the tests ask it for, over a channel: "test.control". A command is a line of words, the
 * answer is what the function returned.
 *
 *     open NAME MODE BACKLOG KEEP GLOBAL      in the sender's network namespace, or of all
 *     close NAME
 *     send NAME COUNT SIZE CONTEXT            task, timer (softirq) or irq (hard interrupt): messages of SIZE octets, the first four a
 * number that counts the channel's; the answer is how many were taken, and the last error insist NAME COUNT SIZE                  from a
 * kernel thread: waits while the backlog is full, until all were taken or 20 s are over request NAME MILLISECONDS TEXT          the answer,
 * or the error
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/irq_work.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/timer.h>

#include "kmod/kith_kernel.h"

#define NAME_ROOM 64
#define SIZE_MAX_TEST 60000

struct tested {
    struct list_head link;
    char name[NAME_ROOM];
    struct net *net; /* NULL: of all */
    struct kith_channel *channel;
    u32 number; /* of the next message */
};

/* Messages that are to be sent, and how that went. */
struct sending {
    struct tested *tested;
    unsigned int count, size, taken;
    int error;
    u8 *data;
    struct completion done;
    struct timer_list timer;
    struct irq_work irq;
};

static LIST_HEAD(channels);
static DEFINE_MUTEX(channels_lock);
static struct kith_channel *control;

/* The sender's, or else any of that name: one of a namespace that has ended is nobody's. */
static struct tested *find(struct net *net, const char *name) {
    struct tested *tested, *found = NULL;
    mutex_lock(&channels_lock);
    list_for_each_entry (tested, &channels, link) {
        if (strcmp(tested->name, name) == 0 && (!found || tested->net == net))
            found = tested;
    }
    mutex_unlock(&channels_lock);
    return found;
}

static int do_open(struct net *net, const char *words) {
    struct kith_channel_config config = {.receive = {.anyone = true}, .owner = THIS_MODULE};
    unsigned int mode, backlog, keep, global;
    struct tested *tested = kzalloc(sizeof(*tested), GFP_KERNEL);
    int error = -EINVAL;
    if (!tested)
        return -ENOMEM;
    if (sscanf(words, "%63s %u %u %u %u", tested->name, &mode, &backlog, &keep, &global) == 5) {
        config.name = tested->name;
        config.mode = mode;
        config.backlog = backlog;
        config.keep = keep;
        tested->net = global ? NULL : net;
        error = kith_channel_open(tested->net, &config, &tested->channel);
    }
    if (error) {
        kfree(tested);
        return error;
    }
    mutex_lock(&channels_lock);
    list_add_tail(&tested->link, &channels);
    mutex_unlock(&channels_lock);
    return 0;
}

static void forget(struct tested *tested) {
    mutex_lock(&channels_lock);
    list_del(&tested->link);
    mutex_unlock(&channels_lock);
    kith_channel_close(tested->channel);
    kfree(tested);
}

static int send_one(struct sending *sending, gfp_t gfp) {
    int error;
    memcpy(sending->data, &sending->tested->number, sizeof(u32));
    error = kith_channel_send(sending->tested->channel, sending->data, sending->size, gfp);
    if (error) {
        sending->error = error;
        return error;
    }
    sending->tested->number++;
    sending->taken++;
    return 0;
}

static void send_all(struct sending *sending, gfp_t gfp) {
    unsigned int i;
    for (i = 0; i < sending->count; i++)
        send_one(sending, gfp);
    complete(&sending->done);
}

static void send_in_timer(struct timer_list *timer) {
    send_all(container_of(timer, struct sending, timer), GFP_ATOMIC);
}

static void send_in_irq(struct irq_work *work) {
    send_all(container_of(work, struct sending, irq), GFP_ATOMIC);
}

static int send_in_thread(void *userdata) {
    struct sending *sending = userdata;
    unsigned long end = jiffies + 20 * HZ;
    while (sending->taken < sending->count && time_before(jiffies, end)) {
        int error = send_one(sending, GFP_KERNEL);
        if (error == -EAGAIN || error == -ENOTCONN)
            usleep_range(200, 400);
        else if (error)
            break;
        cond_resched();
    }
    kthread_complete_and_exit(&sending->done, 0);
}

static int begin(struct sending *sending, const char *context) {
    if (strcmp(context, "task") == 0) {
        send_all(sending, GFP_KERNEL);
    } else if (strcmp(context, "timer") == 0) {
        timer_setup(&sending->timer, send_in_timer, 0);
        mod_timer(&sending->timer, jiffies);
    } else if (strcmp(context, "irq") == 0) {
        init_irq_work(&sending->irq, send_in_irq);
        irq_work_queue(&sending->irq);
    } else if (strcmp(context, "thread") == 0) {
        struct task_struct *thread = kthread_run(send_in_thread, sending, "kith-test");
        return PTR_ERR_OR_ZERO(thread);
    } else {
        return -EINVAL;
    }
    return 0;
}

static int send_many(struct sending *sending, const char *context, char *text, size_t room) {
    int error;
    if (!sending->tested || sending->size < sizeof(u32) || sending->size > SIZE_MAX_TEST)
        return -EINVAL;
    sending->data = kzalloc(sending->size, GFP_KERNEL);
    if (!sending->data)
        return -ENOMEM;
    init_completion(&sending->done);
    error = begin(sending, context);
    if (!error) {
        wait_for_completion(&sending->done);
        if (strcmp(context, "irq") == 0)
            irq_work_sync(&sending->irq);
        if (strcmp(context, "timer") == 0)
            del_timer_sync(&sending->timer);
        scnprintf(text, room, "%u %d", sending->taken, sending->error);
    }
    kfree(sending->data);
    return error;
}

static int do_send(struct net *net, const char *words, char *text, size_t room) {
    struct sending *sending = kzalloc(sizeof(*sending), GFP_KERNEL);
    char name[NAME_ROOM], context[16] = "thread";
    int error = -EINVAL;
    if (!sending)
        return -ENOMEM;
    if (sscanf(words, "%63s %u %u %15s", name, &sending->count, &sending->size, context) >= 3) {
        sending->tested = find(net, name);
        error = send_many(sending, context, text, room);
    }
    kfree(sending);
    return error;
}

static int do_request(struct net *net, const char *words, char *text, size_t room) {
    char name[NAME_ROOM];
    unsigned int timeout;
    int at = 0;
    ssize_t size;
    struct tested *tested;
    if (sscanf(words, "%63s %u %n", name, &timeout, &at) < 2 || at == 0)
        return -EINVAL;
    tested = find(net, name);
    if (!tested)
        return -ENOENT;
    size = kith_channel_request(tested->channel, words + at, strlen(words + at), text, room - 1, timeout);
    if (size < 0)
        return size;
    text[size] = '\0';
    return 0;
}

static int obey(struct net *net, const char *line, char *text, size_t room) {
    if (strncmp(line, "open ", 5) == 0)
        return do_open(net, line + 5);
    if (strncmp(line, "send ", 5) == 0)
        return do_send(net, line + 5, text, room);
    if (strncmp(line, "insist ", 7) == 0)
        return do_send(net, line + 7, text, room);
    if (strncmp(line, "request ", 8) == 0)
        return do_request(net, line + 8, text, room);
    if (strncmp(line, "close ", 6) == 0) {
        struct tested *tested = find(net, line + 6);
        if (!tested)
            return -ENOENT;
        forget(tested);
        return 0;
    }
    return -EOPNOTSUPP;
}

static int receive(struct kith_channel *channel, void *userdata, const struct kith_sender *sender, const void *data, size_t size,
                   struct kith_reply *reply) {
    char line[256], text[256] = "";
    int error;
    if (size >= sizeof(line))
        return -EMSGSIZE;
    memcpy(line, data, size);
    line[size] = '\0';
    error = obey(sender->net, line, text, sizeof(text));
    return error ? error : kith_reply_set(reply, text, strlen(text));
}

static const struct kith_channel_ops ops = {.receive = receive};

static int __init test_init(void) {
    const struct kith_channel_config config = {
        .name = "test.control", .mode = KITH_MODE_ONE, .ops = &ops, .owner = THIS_MODULE, .send = {.anyone = true}};
    return kith_channel_open(NULL, &config, &control);
}

static void __exit test_exit(void) {
    struct tested *tested, *after;
    kith_channel_close(control);
    list_for_each_entry_safe (tested, after, &channels, link)
        forget(tested);
}

module_init(test_init);
module_exit(test_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_AUTHOR("the kith authors");
MODULE_DESCRIPTION("kith.ko's tests");

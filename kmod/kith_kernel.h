/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * kith_kernel.h: channels to user space, for other modules.
 *
 *     static const struct kith_channel_config config = {.name = "demo", .mode = KITH_MODE_ALL, .owner = THIS_MODULE};
 *     error = kith_channel_open(net, &config, &channel);
 *     error = kith_channel_send(channel, data, size, GFP_ATOMIC);
 *     kith_channel_close(channel);
 *
 * What each function may be called from stands at it. uapi/kith_netlink.h says what user space sees of it, and the modes.
 */
#ifndef KITH_KERNEL_H
#define KITH_KERNEL_H

#include <linux/capability.h>
#include <linux/gfp.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/uidgid.h>
#include <net/net_namespace.h>

#include "../uapi/kith_netlink.h"

struct kith_channel;

/* Who may: the namespace's CAP_NET_ADMIN (of the first user namespace, for a global channel), or who is named here; a gid counts as a
 * supplementary group too. A privileged program that is handed somebody's socket, as its standard output for one, is no way round: a
 * capability counts by the rule of netlink_ns_capable() (the socket's opener had it too, or the sender named the kernel as destination), a
 * uid or gid only when opener and sender have the same uid. */
struct kith_access {
    bool anyone;
    bool has_uid, has_gid;
    kuid_t uid;
    kgid_t gid;
};

/* The thread that sends a message from user space, by the kernel's word: valid during the callback. */
struct kith_sender {
    struct pid *pid; /* of its process */
    kuid_t uid;
    kgid_t gid;
    struct net *net;
    const struct sk_buff *skb; /* for kith_sender_capable() */
};

/* What a callback answers with: see kith_reply_set(). */
struct kith_reply {
    void *data;
    size_t size;
};

struct kith_channel_ops {
    /* A message from user space, in the sender's thread; may sleep; never after kith_channel_close() returned. Must not close its channel.
     * Generic netlink holds its lock meanwhile: no family may be registered here, and one that waits to be makes everybody else wait too.
     * 0, or a negative errno that the sender gets. NULL: nothing may be sent to this channel (-EOPNOTSUPP). */
    int (*receive)(struct kith_channel *channel, void *userdata, const struct kith_sender *sender, const void *data, size_t size,
                   struct kith_reply *reply);
};

struct kith_channel_config {
    const char *name; /* copied */
    enum kith_mode mode;
    /* Octets of what waits, counted as the kernel's memory for it, whole datagrams, from KITH_BACKLOG_MIN on; 0: KITH_BACKLOG_DEFAULT. When
     * it is full: with ONE, kith_channel_send() returns -EAGAIN and the message is still the caller's; with ALL the oldest datagram is
     * dropped, and its messages are counted for each receiver that had not got them. */
    size_t backlog;
    unsigned int receivers; /* at most so many at a time; 0: KITH_RECEIVERS_DEFAULT. Each costs a send a little. */
    bool keep;              /* messages wait while nobody listens, too; else kith_channel_send() returns -ENOTCONN */
    struct kith_access receive, send;
    const struct kith_channel_ops *ops; /* may be NULL */
    void *userdata;
    struct module *owner; /* THIS_MODULE: its name is the origin of the messages */
};

#define KITH_BACKLOG_DEFAULT (256 * 1024)
#define KITH_BACKLOG_MIN 4096
#define KITH_BACKLOG_MAX (64 * 1024 * 1024)
#define KITH_RECEIVERS_DEFAULT 64

/* Opens a channel of one network namespace (which it does not keep alive), or of all (NULL). May sleep. Errors: -EINVAL (name, mode,
 * backlog), -EEXIST, -ENOMEM. */
int kith_channel_open(struct net *net, const struct kith_channel_config *config, struct kith_channel **ret_channel);
/* Receivers are told, what waits is dropped, and callbacks have ended when it returns. May sleep. NULL is allowed. Nobody may use the
 * channel meanwhile. */
void kith_channel_close(struct kith_channel *channel);

/* Copies a message into the backlog, to be sent by a worker, up to 1 KiB with interrupts off; or into the rings of all receivers, when each
 * has one with room, up to 16 KiB in all with interrupts off, and wakes those that sleep. Never sleeps when gfp does not; from any
 * context but NMI. 0, or, and then nothing was taken: -ENOTCONN (nobody listens), -EAGAIN (ONE: the backlog is full), -EMSGSIZE (more than
 * KITH_MESSAGE_MAX or than the backlog), -ENOMEM, -ESHUTDOWN (its network namespace has ended). */
int kith_channel_send(struct kith_channel *channel, const void *data, size_t size, gfp_t gfp);

/* Asks the receiver of a channel of mode ONE and waits for its answer. May sleep. The answer's size (what is more than `room` is cut off),
 * or: -ETIMEDOUT, -ERESTARTSYS (a signal), -EINVAL (another mode), and those of kith_channel_send(). */
ssize_t kith_channel_request(struct kith_channel *channel, const void *data, size_t size, void *reply, size_t room,
                             unsigned int timeout_ms);

/* In `receive`: the answer, which is copied. -EMSGSIZE, -ENOMEM, -EALREADY. */
int kith_reply_set(struct kith_reply *reply, const void *data, size_t size);
/* In `receive`: has the sender, and who opened its socket, this capability over its network namespace? */
bool kith_sender_capable(const struct kith_sender *sender, int capability);

#endif

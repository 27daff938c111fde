// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* netlink.c: the family's commands, one table. Each runs in the thread that sends it, and says in a text why it refuses. */
#include <linux/slab.h>
#include <net/genetlink.h>
#include <net/sock.h>

#include "internal.h"

#define CHANNEL_POLICY [KITH_A_CHANNEL] = {.type = NLA_NUL_STRING, .len = KITH_CHANNEL_NAME_MAX}

static const struct nla_policy channel_policy[] = {CHANNEL_POLICY};
static struct netlink_range_validation ring_range = {.min = 1, .max = KITH_RING_MOST};
static const struct nla_policy join_policy[] = {
    CHANNEL_POLICY,
    [KITH_A_WINDOW] = NLA_POLICY_RANGE(NLA_U32, 1, KITH_WINDOW_MAX),
    [KITH_A_RING] = NLA_POLICY_FULL_RANGE(NLA_U32, &ring_range),
};
static const struct nla_policy ack_policy[] = {CHANNEL_POLICY, [KITH_A_SEQUENCE] = {.type = NLA_U64}};
static const struct nla_policy data_policy[] = {
    CHANNEL_POLICY,
    [KITH_A_REQUEST] = {.type = NLA_U32},
    [KITH_A_DATA] = {.type = NLA_BINARY, .len = KITH_MESSAGE_MAX},
};

/* An error and its text for who asked. */
#define REFUSE(info, error, ...)                                                                                                           \
    ({                                                                                                                                     \
        NL_SET_ERR_MSG((info)->extack, "kith: " __VA_ARGS__);                                                                              \
        error;                                                                                                                             \
    })

/* The channel that the request names, with a reference; or NULL, and the text is set. */
static struct kith_channel *named_channel(struct genl_info *info, int *ret_error) {
    struct kith_channel *channel;
    if (!info->attrs[KITH_A_CHANNEL]) {
        *ret_error = REFUSE(info, -EINVAL, "which channel? KITH_A_CHANNEL is missing");
        return NULL;
    }
    channel = kith_registry_find(genl_info_net(info), nla_data(info->attrs[KITH_A_CHANNEL]));
    if (!channel)
        *ret_error = REFUSE(info, -ENOENT, "this network namespace has no channel of this name: is its module loaded?");
    return channel;
}

static bool has(struct genl_info *info, int type) {
    if (info->attrs[type])
        return true;
    NL_SET_ERR_MSG(info->extack, "kith: an attribute is missing that this command needs (kith_netlink.h)");
    return false;
}

static void count(struct kith_channel *channel, u64 *counter) {
    spin_lock_irq(&channel->lock);
    ++*counter;
    spin_unlock_irq(&channel->lock);
}

static bool allowed(struct kith_channel *channel, const struct kith_access *access, struct sk_buff *skb) {
    bool yes = kith_access_allows(access, channel, skb);
    if (!yes)
        count(channel, &channel->counts.denied);
    return yes;
}

static int answer_channel(struct kith_channel *channel, struct genl_info *info, const struct kith_ring_file *ring) {
    struct sk_buff *skb = kith_frame_channel(channel, info->snd_portid, info->snd_seq, ring);
    return skb ? genlmsg_reply(skb, info) : -ENOMEM;
}

static int do_get(struct kith_channel *channel, struct sk_buff *skb, struct genl_info *info) {
    return answer_channel(channel, info, NULL);
}

static int refuse_join(int error, struct genl_info *info) {
    if (error == -EBUSY)
        return REFUSE(info, error, "the channel has as many receivers as it may have");
    if (error == -EALREADY)
        return REFUSE(info, error, "this socket receives from the channel already");
    if (error == -ENODEV)
        return REFUSE(info, error, "the channel is being closed by its module");
    return error;
}

static int refuse_ring(int error, struct genl_info *info) {
    if (error == -ENOBUFS)
        return REFUSE(info, error, "the ring is more than you may lock: RLIMIT_MEMLOCK; a smaller one, or none, may do");
    if (error == -ENOMEM)
        return REFUSE(info, error, "no memory for a ring: a smaller one, or none, may do");
    return REFUSE(info, error, "no descriptor for a ring: the process has as many open as it may");
}

/* `ring`: NULL, or what it gets. */
static int join(struct kith_channel *channel, struct sk_buff *skb, struct genl_info *info, const struct kith_ring_file *ring) {
    u32 window = info->attrs[KITH_A_WINDOW] ? nla_get_u32(info->attrs[KITH_A_WINDOW]) : KITH_WINDOW_DEFAULT;
    int error = kith_channel_join(channel, NETLINK_CB(skb).sk, info->snd_portid, window, ring ? ring->ring : NULL);
    if (error)
        return refuse_join(error, info);
    /* What it says of the channel comes before the first message. */
    error = answer_channel(channel, info, ring);
    if (error) {
        (void)kith_channel_leave(channel, genl_info_net(info), info->snd_portid);
        return REFUSE(info, error, "the answer has no room: read what the socket has, and join again");
    }
    /* Who was answered has joined, also when the channel was closed just now: that comes behind the answer, which may name a descriptor. */
    (void)kith_channel_begin(channel, genl_info_net(info), info->snd_portid);
    return 0;
}

/* The answer names the descriptor, so it comes first; when there is none, the descriptor never was. */
static int join_with_ring(struct kith_channel *channel, struct sk_buff *skb, struct genl_info *info) {
    struct kith_ring_file ring;
    int error = kith_ring_file_open(channel, nla_get_u32(info->attrs[KITH_A_RING]), &ring);
    if (error)
        return refuse_ring(error, info);
    error = join(channel, skb, info, &ring);
    if (error)
        kith_ring_file_close(&ring);
    else
        kith_ring_file_install(&ring);
    return error;
}

static int do_join(struct kith_channel *channel, struct sk_buff *skb, struct genl_info *info) {
    if (!allowed(channel, &channel->config.receive, skb))
        return REFUSE(info, -EPERM, "the channel's module lets you not receive: it takes CAP_NET_ADMIN, or whom the module names");
    return info->attrs[KITH_A_RING] ? join_with_ring(channel, skb, info) : join(channel, skb, info, NULL);
}

static int do_leave(struct kith_channel *channel, struct sk_buff *skb, struct genl_info *info) {
    int error = kith_channel_leave(channel, genl_info_net(info), info->snd_portid);
    return error ? REFUSE(info, error, "this socket does not receive from the channel") : 0;
}

static int do_ack(struct kith_channel *channel, struct sk_buff *skb, struct genl_info *info) {
    int error;
    if (!has(info, KITH_A_SEQUENCE))
        return -EINVAL;
    error = kith_channel_acknowledge(channel, genl_info_net(info), info->snd_portid, nla_get_u64(info->attrs[KITH_A_SEQUENCE]));
    if (error == -ENOTCONN)
        return REFUSE(info, error, "this socket does not receive from the channel");
    return error ? REFUSE(info, error, "no message of this number was sent to this socket") : 0;
}

static int answer_reply(const struct kith_reply *reply, struct genl_info *info) {
    struct sk_buff *skb = genlmsg_new(nla_total_size(reply->size), GFP_KERNEL);
    void *head = skb ? genlmsg_put_reply(skb, info, &kith_family, 0, KITH_CMD_REPLY) : NULL;
    if (!head || nla_put(skb, KITH_A_DATA, reply->size, reply->data) < 0) {
        nlmsg_free(skb);
        return -ENOMEM;
    }
    genlmsg_end(skb, head);
    return genlmsg_reply(skb, info);
}

/* With the gate held: the owner is there, and so are its functions. */
static int call_owner(struct kith_channel *channel, struct sk_buff *skb, struct genl_info *info) {
    const struct kith_channel_ops *ops = channel->config.ops;
    const struct nlattr *data = info->attrs[KITH_A_DATA];
    struct kith_sender sender = {
        .pid = task_tgid(current), .uid = current_euid(), .gid = current_egid(), .net = genl_info_net(info), .skb = skb};
    struct kith_reply reply = {};
    int error;
    if (READ_ONCE(channel->closed))
        return REFUSE(info, -ENODEV, "the channel is being closed by its module");
    if (!ops || !ops->receive)
        return REFUSE(info, -EOPNOTSUPP, "the channel's module takes no messages");
    count(channel, &channel->counts.received);
    error = ops->receive(channel, channel->config.userdata, &sender, nla_data(data), nla_len(data), &reply);
    if (!error && reply.data)
        error = answer_reply(&reply, info);
    kfree(reply.data);
    return error;
}

static int do_send(struct kith_channel *channel, struct sk_buff *skb, struct genl_info *info) {
    int error;
    if (!has(info, KITH_A_DATA))
        return -EINVAL;
    if (!allowed(channel, &channel->config.send, skb))
        return REFUSE(info, -EPERM, "the channel's module lets you not send: it takes CAP_NET_ADMIN, or whom the module names");
    down_read(&channel->gate);
    error = call_owner(channel, skb, info);
    up_read(&channel->gate);
    return error;
}

static int do_reply(struct kith_channel *channel, struct sk_buff *skb, struct genl_info *info) {
    const struct nlattr *data = info->attrs[KITH_A_DATA];
    int error;
    if (!has(info, KITH_A_REQUEST) || !has(info, KITH_A_DATA))
        return -EINVAL;
    error = kith_channel_answer(channel, genl_info_net(info), info->snd_portid, nla_get_u32(info->attrs[KITH_A_REQUEST]), nla_data(data),
                                nla_len(data));
    if (error == -ENOTCONN)
        return REFUSE(info, error, "this socket does not receive from the channel");
    return error ? REFUSE(info, error, "nobody waits for this answer any more") : 0;
}

static int (*const handlers[])(struct kith_channel *channel, struct sk_buff *skb, struct genl_info *info) = {
    [KITH_CMD_GET] = do_get, [KITH_CMD_JOIN] = do_join, [KITH_CMD_LEAVE] = do_leave,
    [KITH_CMD_ACK] = do_ack, [KITH_CMD_SEND] = do_send, [KITH_CMD_REPLY] = do_reply,
};

static int doit(struct sk_buff *skb, struct genl_info *info) {
    int error = 0;
    struct kith_channel *channel = named_channel(info, &error);
    if (!channel)
        return error;
    error = handlers[info->genlhdr->cmd](channel, skb, info);
    kith_channel_unref(channel);
    return error;
}

/* One channel of a dump. */
static int dump_one(struct sk_buff *skb, struct netlink_callback *cb, struct kith_channel *channel) {
    void *head = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq, &kith_family, NLM_F_MULTI, KITH_CMD_CHANNEL);
    if (!head)
        return -EMSGSIZE;
    genl_dump_check_consistent(cb, head);
    if (nla_put_string(skb, KITH_A_CHANNEL, channel->name) < 0 || kith_frame_put_channel(skb, channel) < 0) {
        genlmsg_cancel(skb, head);
        return -EMSGSIZE;
    }
    genlmsg_end(skb, head);
    return 0;
}

/* args[0]: how many were told. What comes or goes between two parts is told by NLM_F_DUMP_INTR. */
static int dumpit(struct sk_buff *skb, struct netlink_callback *cb) {
    struct kith_channel *channel;
    while ((channel = kith_registry_nth(sock_net(skb->sk), cb->args[0], &cb->seq))) {
        int error = dump_one(skb, cb, channel);
        kith_channel_unref(channel);
        if (error)
            break;
        cb->args[0]++;
    }
    return skb->len;
}

#define COMMAND(name, attributes) .cmd = (name), .doit = doit, .policy = (attributes), .maxattr = ARRAY_SIZE(attributes) - 1

static const struct genl_ops ops[] = {
    {COMMAND(KITH_CMD_GET, channel_policy), .dumpit = dumpit},
    {COMMAND(KITH_CMD_JOIN, join_policy)},
    {COMMAND(KITH_CMD_LEAVE, channel_policy)},
    {COMMAND(KITH_CMD_ACK, ack_policy)},
    {COMMAND(KITH_CMD_SEND, data_policy)},
    {COMMAND(KITH_CMD_REPLY, data_policy)},
};

/* Commands run side by side: each channel has locks of its own. */
struct genl_family kith_family __ro_after_init = {
    .name = KITH_GENL_NAME,
    .version = KITH_GENL_VERSION,
    .netnsok = true,
    .parallel_ops = true,
    .module = THIS_MODULE,
    .ops = ops,
    .n_ops = ARRAY_SIZE(ops),
};

int __init kith_netlink_init(void) {
    return genl_register_family(&kith_family);
}

void kith_netlink_exit(void) {
    genl_unregister_family(&kith_family);
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* frame.c: the datagrams that go to user space, as uapi/kith_netlink.h says. */
#include <net/genetlink.h>

#include "internal.h"

size_t kith_frame_size(size_t size) {
    return nla_total_size(sizeof(struct kith_message_header) + size);
}

/* Its first attribute is the channel's name. */
static struct sk_buff *frame_new(const struct kith_channel *channel, size_t room, u32 port, u32 sequence, u8 command, gfp_t gfp) {
    struct sk_buff *skb = genlmsg_new(nla_total_size(KITH_CHANNEL_NAME_MAX + 1) + room, gfp);
    if (!skb)
        return NULL;
    if (genlmsg_put(skb, port, sequence, &kith_family, 0, command) && nla_put_string(skb, KITH_A_CHANNEL, channel->name) == 0)
        return skb;
    nlmsg_free(skb);
    return NULL;
}

/* The whole buffer is one netlink message. */
void kith_frame_end(struct sk_buff *skb) {
    nlmsg_end(skb, (struct nlmsghdr *)skb->data);
}

struct sk_buff *kith_frame_messages(const struct kith_channel *channel, size_t room, gfp_t gfp) {
    return frame_new(channel, room, 0, 0, KITH_CMD_MESSAGES, gfp);
}

bool kith_frame_add(struct sk_buff *skb, const struct kith_message_header *header, const void *data) {
    struct nlattr *attribute;
    if (skb_tailroom(skb) < kith_frame_size(header->size))
        return false;
    attribute = nla_reserve(skb, KITH_A_MESSAGE, sizeof(*header) + header->size);
    if (!attribute)
        return false;
    memcpy(nla_data(attribute), header, sizeof(*header));
    memcpy(nla_data(attribute) + sizeof(*header), data, header->size);
    return true;
}

/* The attributes of a buffer of ours: its length is right once it has ended only. */
static struct nlattr *first_attribute(const struct sk_buff *skb) {
    return (struct nlattr *)(skb->data + NLMSG_HDRLEN + GENL_HDRLEN);
}

void kith_frame_number(struct sk_buff *skb, u64 sequence) {
    struct nlattr *name = first_attribute(skb);
    struct nlattr *message = (void *)name + NLA_ALIGN(name->nla_len);
    memcpy(nla_data(message), &sequence, sizeof(sequence));
}

void kith_frame_each(const struct sk_buff *whole, u64 from, u64 again, kith_frame_take_fn *take, void *userdata) {
    const struct nlattr *attribute;
    int left;
    nla_for_each_attr (attribute, first_attribute(whole), whole->len - NLMSG_HDRLEN - GENL_HDRLEN, left) {
        struct kith_message_header header;
        if (nla_type(attribute) != KITH_A_MESSAGE)
            continue;
        memcpy(&header, nla_data(attribute), sizeof(header));
        if (header.sequence < from)
            continue;
        header.flags |= header.sequence <= again ? KITH_MESSAGE_AGAIN : 0;
        if (!take(userdata, &header, nla_data(attribute) + sizeof(header)))
            break;
    }
}

static bool add_to_frame(void *skb, const struct kith_message_header *header, const void *data) {
    return kith_frame_add(skb, header, data);
}

struct sk_buff *kith_frame_rest(const struct kith_channel *channel, const struct sk_buff *whole, u64 from, u64 again) {
    struct sk_buff *skb = kith_frame_messages(channel, whole->len, GFP_KERNEL);
    if (!skb)
        return NULL;
    kith_frame_each(whole, from, again, add_to_frame, skb);
    kith_frame_end(skb);
    return skb;
}

struct sk_buff *kith_frame_closed(const struct kith_channel *channel) {
    struct sk_buff *skb = frame_new(channel, 0, 0, 0, KITH_CMD_CLOSED, GFP_KERNEL);
    if (skb)
        kith_frame_end(skb);
    return skb;
}

static bool put_u64(struct sk_buff *skb, int type, u64 value) {
    return nla_put_u64_64bit(skb, type, value, KITH_A_PAD) == 0;
}

/* With the lock held. */
static u64 octets_waiting(const struct kith_channel *channel) {
    const struct kith_receiver *receiver;
    u64 bytes = channel->bytes + (channel->left ? channel->left->head - channel->left->tail : 0);
    list_for_each_entry (receiver, &channel->receivers, link)
        bytes += receiver->ring ? kith_ring_pending(receiver->ring) : 0;
    return bytes;
}

/* Everything but its name. */
int kith_frame_put_channel(struct sk_buff *skb, struct kith_channel *channel) {
    struct kith_counts counts;
    u64 bytes, sequence;
    u32 receivers;
    bool fits;
    spin_lock_irq(&channel->lock);
    counts = channel->counts;
    bytes = octets_waiting(channel);
    sequence = channel->last_sequence;
    receivers = channel->receiver_count;
    spin_unlock_irq(&channel->lock);
    fits = nla_put_string(skb, KITH_A_MODULE, channel->owner) == 0 && nla_put_u32(skb, KITH_A_MODE, channel->config.mode) == 0 &&
           (channel->net || nla_put_flag(skb, KITH_A_GLOBAL) == 0) && nla_put_u32(skb, KITH_A_RECEIVERS, receivers) == 0 &&
           put_u64(skb, KITH_A_SEQUENCE, sequence) && put_u64(skb, KITH_A_BACKLOG, bytes) &&
           put_u64(skb, KITH_A_LIMIT, channel->config.backlog) && put_u64(skb, KITH_A_SENT, counts.sent) &&
           put_u64(skb, KITH_A_REFUSED, counts.refused) && put_u64(skb, KITH_A_LOST, counts.lost) &&
           put_u64(skb, KITH_A_RECEIVED, counts.received) && put_u64(skb, KITH_A_DENIED, counts.denied);
    return fits ? 0 : -EMSGSIZE;
}

static int put_ring(struct sk_buff *skb, const struct kith_ring_file *ring) {
    if (!ring)
        return 0;
    return nla_put_u32(skb, KITH_A_RING, ring->ring->size) == 0 && nla_put_s32(skb, KITH_A_FD, ring->fd) == 0 ? 0 : -EMSGSIZE;
}

struct sk_buff *kith_frame_channel(struct kith_channel *channel, u32 port, u32 sequence, const struct kith_ring_file *ring) {
    struct sk_buff *skb = frame_new(channel, 512, port, sequence, KITH_CMD_CHANNEL, GFP_KERNEL);
    if (!skb)
        return NULL;
    if (kith_frame_put_channel(skb, channel) < 0 || put_ring(skb, ring) < 0) {
        nlmsg_free(skb);
        return NULL;
    }
    kith_frame_end(skb);
    return skb;
}

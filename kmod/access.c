// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* access.c: who may, by the credentials of who sends and of who opened the socket. Called in the sender's thread. */
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/netlink.h>
#include <linux/user_namespace.h>
#include <net/sock.h>

#include "internal.h"

/* A program with rights of its own may be handed somebody else's socket as its standard output: then the two differ. */
static bool opener_is_sender(const struct sk_buff *skb) {
    const struct socket *socket = NETLINK_CB(skb).sk->sk_socket;
    return socket && socket->file && uid_eq(socket->file->f_cred->euid, current_euid());
}

bool kith_access_allows(const struct kith_access *access, const struct kith_channel *channel, const struct sk_buff *skb) {
    struct user_namespace *over = channel->net ? channel->net->user_ns : &init_user_ns;
    if (access->anyone || netlink_ns_capable(skb, over, CAP_NET_ADMIN))
        return true;
    if (!opener_is_sender(skb))
        return false;
    return (access->has_uid && uid_eq(current_euid(), access->uid)) || (access->has_gid && in_egroup_p(access->gid));
}

bool kith_sender_capable(const struct kith_sender *sender, int capability) {
    return netlink_ns_capable(sender->skb, sender->net->user_ns, capability);
}
EXPORT_SYMBOL_GPL(kith_sender_capable);

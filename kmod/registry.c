// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * registry.c: which channel a name means in a network namespace, and who has left.
 *
 * One table under one mutex. It may be taken before a channel's mutex, never after it.
 */
#include <linux/hashtable.h>
#include <linux/netlink.h>
#include <linux/stringhash.h>

#include "internal.h"

static DEFINE_MUTEX(registry_lock);
static DEFINE_HASHTABLE(registry_table, 8);
static LIST_HEAD(registry_channels); /* in the order in which they came */
static unsigned int registry_changes;

static u32 registry_hash(const struct net *net, const char *name) {
    return full_name_hash(net, name, strlen(name));
}

static struct kith_channel *registry_lookup(const struct net *net, const char *name) {
    struct kith_channel *channel;
    hash_for_each_possible (registry_table, channel, hash, registry_hash(net, name)) {
        if (channel->net == net && strcmp(channel->name, name) == 0)
            return channel;
    }
    return NULL;
}

int kith_registry_add(struct kith_channel *channel) {
    int error = -EEXIST;
    mutex_lock(&registry_lock);
    if (!registry_lookup(channel->net, channel->name)) {
        hash_add(registry_table, &channel->hash, registry_hash(channel->net, channel->name));
        list_add_tail(&channel->link, &registry_channels);
        registry_changes++;
        error = 0;
    }
    mutex_unlock(&registry_lock);
    return error;
}

/* With the lock held; one that is not there any more stays so. */
static void registry_forget(struct kith_channel *channel) {
    if (hlist_unhashed(&channel->hash))
        return;
    hash_del(&channel->hash);
    list_del(&channel->link);
    registry_changes++;
}

void kith_registry_remove(struct kith_channel *channel) {
    mutex_lock(&registry_lock);
    registry_forget(channel);
    mutex_unlock(&registry_lock);
}

struct kith_channel *kith_registry_find(const struct net *net, const char *name) {
    struct kith_channel *channel;
    mutex_lock(&registry_lock);
    channel = registry_lookup(net, name);
    if (!channel)
        channel = registry_lookup(NULL, name);
    if (channel)
        kref_get(&channel->refs);
    mutex_unlock(&registry_lock);
    return channel;
}

struct kith_channel *kith_registry_nth(const struct net *net, unsigned long skip, unsigned int *ret_changes) {
    struct kith_channel *channel, *found = NULL;
    mutex_lock(&registry_lock);
    list_for_each_entry (channel, &registry_channels, link) {
        if ((channel->net && channel->net != net) || skip-- > 0)
            continue;
        kref_get(&channel->refs);
        found = channel;
        break;
    }
    *ret_changes = registry_changes;
    mutex_unlock(&registry_lock);
    return found;
}

/* A generic netlink socket was closed, and is marked so; its port may be another's already. */
static int registry_notified(struct notifier_block *block, unsigned long event, void *data) {
    const struct netlink_notify *notify = data;
    struct kith_channel *channel;
    if (event != NETLINK_URELEASE || notify->protocol != NETLINK_GENERIC)
        return NOTIFY_DONE;
    mutex_lock(&registry_lock);
    list_for_each_entry (channel, &registry_channels, link) {
        if (READ_ONCE(channel->receiver_count) > 0)
            kith_channel_bury(channel);
    }
    mutex_unlock(&registry_lock);
    return NOTIFY_DONE;
}

static struct notifier_block registry_notifier = {.notifier_call = registry_notified};

/* A namespace ends when its last socket is gone: no channel of it has a receiver. Its owner still has to close it. */
static void __net_exit registry_net_exit(struct net *net) {
    struct kith_channel *channel, *after;
    mutex_lock(&registry_lock);
    list_for_each_entry_safe (channel, after, &registry_channels, link) {
        if (channel->net != net)
            continue;
        registry_forget(channel);
        spin_lock_irq(&channel->lock);
        channel->ended = true;
        spin_unlock_irq(&channel->lock);
    }
    mutex_unlock(&registry_lock);
}

static struct pernet_operations registry_net_ops = {.exit = registry_net_exit};

int kith_registry_init(void) {
    int error = register_pernet_subsys(&registry_net_ops);
    if (error)
        return error;
    error = netlink_register_notifier(&registry_notifier);
    if (error)
        unregister_pernet_subsys(&registry_net_ops);
    return error;
}

void kith_registry_exit(void) {
    netlink_unregister_notifier(&registry_notifier);
    unregister_pernet_subsys(&registry_net_ops);
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * kith_demo.c: what a driver does with kith.ko, to copy from.
 *
 *     demo.tick   a timer (softirq) sends a line ten times a second; everybody may listen, each gets every line
 *     demo.syn    a netfilter hook (softirq) reports each TCP SYN that arrives; one receiver, and what waits is kept for it
 *     demo.echo   answers what it is sent with who sent it, by the kernel's word
 */
#include <linux/ip.h>
#include <linux/module.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/tcp.h>
#include <linux/timer.h>
#include <net/ip.h>
#include <net/net_namespace.h>

#include "../kith_kernel.h"

static struct kith_channel *tick_channel, *syn_channel, *echo_channel;

static void tick(struct timer_list *timer);
static DEFINE_TIMER(tick_timer, tick);

/* Nobody listens, or no memory: kith.ko counts it, and the next tick is as good. */
static void tick(struct timer_list *timer) {
    char text[32];
    int size = scnprintf(text, sizeof(text), "tick %lu", jiffies);
    (void)kith_channel_send(tick_channel, text, size, GFP_ATOMIC);
    mod_timer(&tick_timer, jiffies + HZ / 10);
}

static unsigned int report_syn(void *priv, struct sk_buff *skb, const struct nf_hook_state *state) {
    const struct iphdr *ip = ip_hdr(skb);
    struct tcphdr buffer, *tcp;
    char text[80];
    int size;
    if (ip->protocol != IPPROTO_TCP || ip_is_fragment(ip))
        return NF_ACCEPT;
    tcp = skb_header_pointer(skb, ip_hdrlen(skb), sizeof(buffer), &buffer);
    if (!tcp || !tcp->syn || tcp->ack)
        return NF_ACCEPT;
    size = scnprintf(text, sizeof(text), "syn %pI4:%u -> %pI4:%u", &ip->saddr, ntohs(tcp->source), &ip->daddr, ntohs(tcp->dest));
    (void)kith_channel_send(syn_channel, text, size, GFP_ATOMIC);
    return NF_ACCEPT;
}

static const struct nf_hook_ops syn_hook = {
    .hook = report_syn, .pf = NFPROTO_IPV4, .hooknum = NF_INET_LOCAL_IN, .priority = NF_IP_PRI_FILTER};

static int echo(struct kith_channel *channel, void *userdata, const struct kith_sender *sender, const void *data, size_t size,
                struct kith_reply *reply) {
    char text[256];
    int used =
        scnprintf(text, sizeof(text), "pid %d uid %u admin %d: %.*s", pid_nr(sender->pid), from_kuid_munged(&init_user_ns, sender->uid),
                  kith_sender_capable(sender, CAP_NET_ADMIN), (int)min(size, 200ul), (const char *)data);
    return kith_reply_set(reply, text, used);
}

static const struct kith_channel_ops echo_ops = {.receive = echo};

static const struct kith_channel_config tick_config = {
    .name = "demo.tick", .mode = KITH_MODE_ALL, .receive = {.anyone = true}, .owner = THIS_MODULE};
static const struct kith_channel_config syn_config = {.name = "demo.syn", .mode = KITH_MODE_ONE, .keep = true, .owner = THIS_MODULE};
static const struct kith_channel_config echo_config = {
    .name = "demo.echo", .mode = KITH_MODE_ONE, .send = {.anyone = true}, .ops = &echo_ops, .owner = THIS_MODULE};

static void close_all(void) {
    kith_channel_close(echo_channel);
    kith_channel_close(syn_channel);
    kith_channel_close(tick_channel);
}

static int __init demo_init(void) {
    int error = kith_channel_open(NULL, &tick_config, &tick_channel);
    if (!error)
        error = kith_channel_open(&init_net, &syn_config, &syn_channel);
    if (!error)
        error = kith_channel_open(NULL, &echo_config, &echo_channel);
    if (!error)
        error = nf_register_net_hook(&init_net, &syn_hook);
    if (error) {
        close_all();
        return error;
    }
    mod_timer(&tick_timer, jiffies + HZ / 10);
    return 0;
}

/* First what sends, then where it is sent to. */
static void __exit demo_exit(void) {
    del_timer_sync(&tick_timer);
    nf_unregister_net_hook(&init_net, &syn_hook);
    close_all();
}

module_init(demo_init);
module_exit(demo_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_AUTHOR("the kith authors");
MODULE_DESCRIPTION("kith.ko's example: a timer, a netfilter hook and an echo service");

/*
 * pattern/sub.c: SUB and XSUB: subscriptions go to every publisher, and all of them to one that comes later; messages come back. RFC 29.
 *
 * They are counted: a topic is cancelled with the publishers when it is taken back as often as it was asked for. What is told of the
 * counting in between depends on the publisher. One of libzmq's keeps a set and may show what it is told (xpub-verbose): it gets every
 * subscription and only the last cancel, as libzmq's own subscribers do it. Another one counts, by RFC 37: an XSUB, which passes on what
 * others ask for, tells it everything; a SUB tells only the first and the last, which is right also with one that does not count.
 *
 * A SUB takes what its topics match, whatever publishers send; an XSUB takes everything, subscribes by sending messages (subscription.h),
 * and whatever else it sends goes to the publishers as it is.
 */
#include <errno.h>
#include <stdlib.h>

#include "pattern/fanout.h"
#include "pattern/subscription.h"

struct sub {
    struct kith_pattern base;
    struct kith_topics topics;
    struct kith_subscriber self; /* the only one */
    struct kith_fanout fanout;   /* XSUB: what it sends */
};

static bool sub_option(const struct sub *sub, enum kith_option option) {
    return sub->base.sessions->profile->numbers[option] != 0;
}

static int sub_init(struct kith_pattern *pattern) {
    struct sub *sub = (struct sub *)pattern;
    kith_topics_init(&sub->topics);
    kith_topics_join(&sub->topics, &sub->self, UINT32_MAX, SIZE_MAX);
    kith_fanout_init(&sub->fanout);
    return 0;
}

/* Publishers ---------------------------------------------------------------------------------------------------------------- */

static int sub_attach(struct kith_pattern *pattern, struct kith_session *session) {
    (void)pattern;
    struct kith_fanout_peer *peer = calloc(1, sizeof(*peer));
    if (!peer) {
        kith_session_tell(session, KITH_EVENT_PEER_REFUSED, -ENOMEM, 1, "refused: out of memory");
        return -ENOMEM;
    }
    kith_fanout_join(peer, session);
    session->pattern_data = peer;
    return 0;
}

/* A publisher that does not learn of a subscription would be silent about it for ever: rather the connection is made anew. */
static void sub_say(struct kith_session *session, enum kith_session_command command, const void *topic, size_t size) {
    int r = topic ? kith_session_command(session, command, topic, size) : -ENOMEM;
    if (r < 0 && r != -EPIPE)
        kith_session_break(session, r);
}

/* Does this publisher count along? */
static bool sub_counts_along(const struct sub *sub, const struct kith_session *session) {
    return sub->base.ops == &kith_pattern_xsub && !session->peer_is_libzmq;
}

static void sub_attached(struct kith_pattern *pattern, struct kith_session *session) {
    const struct sub *sub = (struct sub *)pattern;
    for (uint32_t i = 0; i < sub->self.count; i++) {
        const struct kith_subscription *subscription = &sub->self.subscriptions[i];
        uint32_t times = sub_counts_along(sub, session) ? subscription->count : 1;
        size_t size = 0;
        uint8_t *octets = kith_subscription_octets(KITH_SUBSCRIPTION_SUBSCRIBE, subscription->topic, &size);
        for (; times > 0; times--)
            sub_say(session, KITH_COMMAND_SUBSCRIBE, octets ? octets + 1 : NULL, octets ? size - 1 : 0);
        free(octets);
    }
}

static void sub_forget(struct kith_pattern *pattern, struct kith_session *session) {
    (void)pattern;
    struct kith_fanout_peer *peer = session->pattern_data;
    if (!peer)
        return;
    session->pattern_data = NULL;
    kith_fanout_leave(peer);
    free(peer);
}

static void sub_detach(struct kith_pattern *pattern, struct kith_session *session) {
    struct kith_fanout_peer peer = *(struct kith_fanout_peer *)session->pattern_data;
    sub_forget(pattern, session);
    kith_fanout_tell_rest(&peer);
}

static void sub_deinit(struct kith_pattern *pattern) {
    struct sub *sub = (struct sub *)pattern;
    kith_list_foreach (&pattern->peers, node)
        sub_forget(pattern, kith_list_entry(node, struct kith_session, pattern_link));
    kith_topics_deinit(&sub->topics);
}

/* Subscribing ---------------------------------------------------------------------------------------------------------------- */

/* Is this publisher told? Of a topic's first subscription and last cancel everybody is. */
static bool sub_tells(const struct sub *sub, const struct kith_session *session, enum kith_session_command command, int change) {
    if (change != KITH_TOPIC_COUNTED || sub_counts_along(sub, session))
        return true;
    return command == KITH_COMMAND_SUBSCRIBE ? session->peer_is_libzmq : sub_option(sub, KITH_OPTION_XSUB_VERBOSE_UNSUBSCRIBE);
}

static int sub_ask(struct kith_pattern *pattern, enum kith_session_command command, const void *topic, size_t size) {
    struct sub *sub = (struct sub *)pattern;
    int r = command == KITH_COMMAND_SUBSCRIBE ? kith_topics_add(&sub->topics, &sub->self, topic, size)
            : command == KITH_COMMAND_CANCEL  ? kith_topics_remove(&sub->topics, &sub->self, topic, size)
                                              : -ENOTSUP;
    if (r < 0)
        return r;
    kith_list_foreach (&pattern->peers, node) {
        struct kith_session *session = kith_list_entry(node, struct kith_session, pattern_link);
        if (sub_tells(sub, session, command, r))
            sub_say(session, command, size > 0 ? topic : "", size);
    }
    return 0;
}

/* Cancelling what one does not have is nothing to complain of: forwarders pass on what they get. */
static int sub_apply(const struct kith_subscription_frame *frame, void *userdata) {
    int r = sub_ask(userdata, frame->command, frame->topic, frame->size);
    return r == -ENOENT ? 0 : r;
}

static int sub_send(struct kith_pattern *pattern, kith_msg *msg) {
    struct sub *sub = (struct sub *)pattern;
    int r = kith_subscription_extract(msg, sub_option(sub, KITH_OPTION_ONLY_FIRST_SUBSCRIBE), sub_apply, sub);
    if (r < 0)
        return r;
    if (msg->count > 0)
        kith_list_foreach (&pattern->peers, node) {
            struct kith_session *session = kith_list_entry(node, struct kith_session, pattern_link);
            kith_fanout_publish(&sub->fanout, session->pattern_data, msg);
        }
    kith_msg_free(msg);
    kith_fanout_tell(&sub->fanout);
    return 0;
}

static void sub_pump(struct kith_pattern *pattern) {
    kith_fanout_pump(&((struct sub *)pattern)->fanout);
}

/* Receiving ------------------------------------------------------------------------------------------------------------------- */

static void sub_receive(struct kith_pattern *pattern, struct kith_session *session, kith_msg *msg) {
    struct sub *sub = (struct sub *)pattern;
    const struct kith_frame *first = kith_msg_at(msg, 0);
    bool matches = kith_topics_match_any(&sub->topics, kith_frame_data(first), first->slice.size);
    if (matches != sub_option(sub, KITH_OPTION_INVERT_MATCHING))
        kith_pattern_received(pattern, msg);
    else
        kith_session_pass_over(session, msg);
}

static void xsub_receive(struct kith_pattern *pattern, struct kith_session *session, kith_msg *msg) {
    (void)session;
    kith_pattern_received(pattern, msg);
}

const struct kith_pattern_ops kith_pattern_sub = {
    .name = "SUB",
    .size = sizeof(struct sub),
    .kernel_use = KITH_KERNEL_RECEIVES,
    .init = sub_init,
    .deinit = sub_deinit,
    .attach = sub_attach,
    .attached = sub_attached,
    .detach = sub_detach,
    .forget = sub_forget,
    .receive = sub_receive,
    .ask = sub_ask,
};

const struct kith_pattern_ops kith_pattern_xsub = {
    .name = "XSUB",
    .size = sizeof(struct sub),
    .init = sub_init,
    .deinit = sub_deinit,
    .attach = sub_attach,
    .attached = sub_attached,
    .detach = sub_detach,
    .forget = sub_forget,
    .pump = sub_pump,
    .receive = xsub_receive,
    .send = sub_send,
    .flush = kith_fanout_flush,
};

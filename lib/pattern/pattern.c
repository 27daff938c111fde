/* pattern/pattern.c: what all patterns share. See pattern.h. */
#include "pattern/pattern.h"

#include <errno.h>
#include <stdlib.h>

int kith_pattern_new(const struct kith_pattern_ops *ops, const struct kith_pattern_host *host, struct kith_session_host *sessions,
                     struct kith_pattern **ret_pattern) {
    struct kith_pattern *pattern = calloc(1, ops->size);
    if (!pattern)
        return -ENOMEM;
    pattern->ops = ops;
    pattern->host = host;
    pattern->sessions = sessions;
    kith_list_init(&pattern->peers);
    kith_list_init(&pattern->received);
    kith_list_init(&pattern->pending);
    *ret_pattern = pattern;
    return 0;
}

struct kith_pattern *kith_pattern_free(struct kith_pattern *pattern) {
    if (!pattern)
        return NULL;
    if (pattern->ops->deinit)
        pattern->ops->deinit(pattern);
    while (!kith_list_empty(&pattern->peers))
        kith_list_unlink(pattern->peers.next);
    (void)kith_msg_queue_free(&pattern->received);
    (void)kith_msg_queue_free(&pattern->pending);
    free(pattern);
    return NULL;
}

int kith_pattern_attach(struct kith_pattern *pattern, struct kith_session *session) {
    int r = pattern->ops->attach ? pattern->ops->attach(pattern, session) : 0;
    if (r < 0)
        return r;
    kith_list_push_back(&pattern->peers, &session->pattern_link);
    pattern->peer_count++;
    return 0;
}

/* False when it was none of ours. */
static bool pattern_unlink(struct kith_pattern *pattern, struct kith_session *session) {
    if (kith_list_empty(&session->pattern_link))
        return false;
    kith_list_unlink(&session->pattern_link);
    pattern->peer_count--;
    if (pattern->last == session)
        pattern->last = NULL;
    return true;
}

void kith_pattern_let_go(struct kith_pattern *pattern, struct kith_session *session) {
    if (pattern_unlink(pattern, session) && pattern->ops->forget)
        pattern->ops->forget(pattern, session);
}

void kith_pattern_detach(struct kith_pattern *pattern, struct kith_session *session) {
    if (!pattern_unlink(pattern, session))
        return;
    if (pattern->ops->detach)
        pattern->ops->detach(pattern, session);
    else if (pattern->ops->forget)
        pattern->ops->forget(pattern, session);
}

int kith_pattern_take(struct kith_pattern *pattern, kith_msg **ret_msg) {
    int r = pattern->ops->may_take ? pattern->ops->may_take(pattern) : 0;
    if (r < 0)
        return r;
    if (kith_list_empty(&pattern->received))
        return -EAGAIN;
    kith_msg *msg = kith_list_first(&pattern->received, kith_msg, link);
    kith_list_unlink(&msg->link);
    kith_msg_refund(msg);
    if (pattern->ops->taken)
        pattern->ops->taken(pattern, msg);
    *ret_msg = msg;
    return 0;
}

int kith_pattern_send(struct kith_pattern *pattern, kith_msg *msg) {
    if (msg->count == 0)
        return -EINVAL;
    return pattern->ops->send(pattern, msg);
}

void kith_pattern_received(struct kith_pattern *pattern, kith_msg *msg) {
    kith_list_push_back(&pattern->received, &msg->link);
    pattern->host->received(pattern);
}

void kith_pattern_drop(struct kith_session *session, kith_msg *msg, const char *why) {
    kith_msg_free(msg);
    kith_session_tell(session, KITH_EVENT_DROPPED, -EPROTO, 1, "a message was dropped: %s", why);
}

int kith_pattern_check_room(struct kith_session *session) {
    if (!session || session->state != KITH_SESSION_READY)
        return -EHOSTUNREACH;
    if (kith_session_has_room(session))
        return 0;
    session->starved = true;
    return -EAGAIN;
}

/* Gives it to the first peer with room and puts that peer last. */
static int pattern_offer(struct kith_pattern *pattern, kith_msg *msg, struct kith_session **ret_session) {
    for (size_t i = 0; i < pattern->peer_count; i++) {
        struct kith_session *session = kith_list_first(&pattern->peers, struct kith_session, pattern_link);
        kith_list_unlink(&session->pattern_link);
        kith_list_push_back(&pattern->peers, &session->pattern_link);
        int r = kith_session_send(session, msg);
        if (r == -ENOMEM) /* no peer's fault, and none would tell when it is over */
            return r;
        if (r < 0)
            continue;
        pattern->last = session;
        *ret_session = session;
        return 0;
    }
    return -EAGAIN;
}

static int pattern_keep(struct kith_pattern *pattern, kith_msg *msg) {
    const int64_t *numbers = pattern->sessions->profile->numbers;
    if (pattern->peer_count > 0 || pattern->sessions->connecting_count == 0)
        return -EAGAIN;
    if (pattern->pending_count >= (uint64_t)numbers[KITH_OPTION_SEND_HWM] ||
        pattern->pending_octets >= (uint64_t)numbers[KITH_OPTION_SEND_HWM_BYTES])
        return -EAGAIN;
    kith_msg_refund(msg);
    kith_list_push_back(&pattern->pending, &msg->link);
    pattern->pending_count++;
    pattern->pending_octets += kith_msg_cost(msg);
    return 0;
}

int kith_pattern_balance(struct kith_pattern *pattern, kith_msg *msg, struct kith_session **ret_session) {
    struct kith_session *session = NULL;
    /* What waits goes first. */
    int r = pattern->pending_count > 0 ? -EAGAIN : pattern_offer(pattern, msg, &session);
    if (r == -EAGAIN)
        r = pattern_keep(pattern, msg);
    if (r < 0)
        return r;
    if (ret_session)
        *ret_session = session;
    return 0;
}

void kith_pattern_reclaim(struct kith_pattern *pattern, struct kith_session *session) {
    kith_list_foreach (&session->queue, node) {
        pattern->pending_count++;
        pattern->pending_octets += kith_msg_cost(kith_list_entry(node, kith_msg, link));
    }
    /* In front, in their order: they were sent before. */
    kith_list_splice(&session->queue, &pattern->pending);
    kith_list_splice(&pattern->pending, &session->queue);
}

void kith_pattern_pump(struct kith_pattern *pattern, void (*sent)(struct kith_pattern *pattern, struct kith_session *session)) {
    while (pattern->pending_count > 0) {
        kith_msg *msg = kith_list_first(&pattern->pending, kith_msg, link);
        size_t cost = kith_msg_cost(msg);
        struct kith_session *session;
        kith_list_unlink(&msg->link);
        if (pattern_offer(pattern, msg, &session) < 0) {
            kith_list_push_front(&pattern->pending, &msg->link);
            return;
        }
        pattern->pending_count--;
        pattern->pending_octets -= cost;
        if (sent)
            sent(pattern, session);
    }
}

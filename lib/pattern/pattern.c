/* pattern/pattern.c: what all patterns share. See pattern.h. */
#include "pattern/pattern.h"

#include <errno.h>
#include <stdlib.h>

KITH_DEFINE_CLEANUP(kith_msg *, kith_msg_free)

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
    int r = ops->init ? ops->init(pattern) : 0;
    if (r < 0)
        free(pattern);
    else
        *ret_pattern = pattern;
    return r;
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

int kith_pattern_new_msg(struct kith_session *session, const void *data, size_t size, kith_msg **ret_msg) {
    _cleanup_(kith_msg_freep) kith_msg *msg = NULL;
    int r = kith_msg_new(&msg);
    if (r >= 0)
        r = kith_msg_add(msg, data, size);
    if (r < 0)
        return r;
    kith_origin *origin = session->origin ? session->origin : session->peer_origin;
    msg->origin = origin ? kith_origin_ref(origin) : NULL;
    msg->account = session->account ? kith_account_ref(session->account) : NULL;
    *ret_msg = KITH_STEAL(msg);
    return 0;
}

void kith_pattern_say(struct kith_session *session, const void *data, size_t size) {
    kith_msg *msg;
    if (kith_pattern_new_msg(session, data, size, &msg) < 0)
        return;
    (void)kith_session_publish(session, msg);
    kith_msg_free(msg);
}

/* The first words to a new peer: they go before anything that waited for it. */
static void pattern_greet(struct kith_pattern *pattern, struct kith_session *session) {
    const struct kith_octets *hello = &session->profile->octets[KITH_OPTION_HELLO_MESSAGE];
    if (pattern->ops->probes && session->profile->numbers[KITH_OPTION_PROBE_ROUTER] != 0)
        kith_pattern_say(session, NULL, 0);
    if (hello->data)
        kith_pattern_say(session, hello->data, hello->size);
}

/* What the application wants to be told as if the peer had said it, when it was lost. */
static void pattern_tell_lost(struct kith_pattern *pattern, struct kith_session *session) {
    const struct kith_octets *words =
        &session->profile->octets[session->accepted ? KITH_OPTION_DISCONNECT_MESSAGE : KITH_OPTION_HICCUP_MESSAGE];
    kith_msg *msg;
    if (words->data && kith_pattern_new_msg(session, words->data, words->size, &msg) >= 0)
        kith_pattern_receive(pattern, session, msg);
}

int kith_pattern_attach(struct kith_pattern *pattern, struct kith_session *session) {
    int r = pattern->ops->attach ? pattern->ops->attach(pattern, session) : 0;
    if (r < 0)
        return r;
    kith_list_push_back(&pattern->peers, &session->pattern_link);
    pattern->peer_count++;
    pattern_greet(pattern, session);
    if (pattern->ops->attached && session->state == KITH_SESSION_READY)
        pattern->ops->attached(pattern, session);
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
    pattern_tell_lost(pattern, session);
    if (pattern->ops->detach)
        pattern->ops->detach(pattern, session);
    else if (pattern->ops->forget)
        pattern->ops->forget(pattern, session);
}

int kith_pattern_take(struct kith_pattern *pattern, kith_msg **ret_msg) {
    if (pattern->ops->sends_only)
        return -ENOTSUP;
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
    if (!pattern->ops->send)
        return -ENOTSUP;
    if (msg->count == 0 || (pattern->ops->single && msg->count > 1))
        return -EINVAL;
    return pattern->ops->send(pattern, msg);
}

void kith_pattern_flush(struct kith_pattern *pattern) {
    if (pattern->ops->flush)
        pattern->ops->flush(pattern);
    else if (pattern->last)
        kith_session_flush(pattern->last);
}

void kith_pattern_receive(struct kith_pattern *pattern, struct kith_session *session, kith_msg *msg) {
    if (pattern->ops->single && msg->count != 1)
        kith_pattern_drop(session, msg, "a message of several frames, which this socket type does not have");
    else
        pattern->ops->receive(pattern, session, msg);
}

int kith_pattern_expect(struct kith_pattern *pattern, struct kith_session *session) {
    if (!pattern->ops->expect)
        return -ENOTSUP;
    pattern->ops->expect(pattern, session);
    return 0;
}

void kith_pattern_command(struct kith_pattern *pattern, struct kith_session *session, enum kith_session_command command, const void *octets,
                          size_t size) {
    if (pattern->ops->command)
        pattern->ops->command(pattern, session, command, octets, size);
}

int kith_pattern_ask(struct kith_pattern *pattern, enum kith_session_command command, const void *octets, size_t size) {
    return pattern->ops->ask ? pattern->ops->ask(pattern, command, octets, size) : -ENOTSUP;
}

/* With conflate at most one message of a peer waits. */
static void pattern_conflate(struct kith_pattern *pattern, const kith_msg *newest) {
    kith_list_foreach_safe (&pattern->received, node) {
        kith_msg *msg = kith_list_entry(node, kith_msg, link);
        if (msg->account == newest->account)
            kith_msg_free(msg);
    }
}

/* Its peer pays for a message as long as that waits, and is not read from when it has too many. */
static void pattern_charge(kith_msg *msg) {
    if (!msg->account)
        return;
    kith_msg_charge(msg, msg->account);
    struct kith_session *session = msg->account->owner;
    if (msg->account->full && session)
        session->link->set_reading(session, false);
}

void kith_pattern_received(struct kith_pattern *pattern, kith_msg *msg) {
    bool at_once = !pattern->ops->may_take && !pattern->ops->taken && !pattern->ops->sends_only && kith_list_empty(&pattern->received);
    if (at_once && pattern->host->take(pattern, msg))
        return;
    pattern_charge(msg);
    if (pattern->sessions->profile->numbers[KITH_OPTION_CONFLATE] != 0)
        pattern_conflate(pattern, msg);
    kith_list_push_back(&pattern->received, &msg->link);
    pattern->host->received(pattern);
}

void kith_pattern_drop(struct kith_session *session, kith_msg *msg, const char *why) {
    kith_msg_free(msg);
    if (session->state != KITH_SESSION_CLOSED) /* an upcall may have closed it */
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

/* Gives it to the first peer with room and puts that peer last. -EOPNOTSUPP, -EACCES: no peer takes its descriptors, or may have it. */
static int pattern_offer(struct kith_pattern *pattern, kith_msg *msg, struct kith_session **ret_session) {
    size_t unable = 0;
    bool denied = false;
    for (size_t i = 0; i < pattern->peer_count; i++) {
        struct kith_session *session = kith_list_first(&pattern->peers, struct kith_session, pattern_link);
        kith_list_unlink(&session->pattern_link);
        kith_list_push_back(&pattern->peers, &session->pattern_link);
        int r = kith_session_send(session, msg);
        if (r == -ENOMEM) /* no peer's fault, and none would tell when it is over */
            return r;
        unable += r == -EOPNOTSUPP || r == -EACCES;
        denied |= r == -EACCES;
        if (r < 0)
            continue;
        pattern->last = session;
        *ret_session = session;
        return 0;
    }
    if (unable == 0 || unable < pattern->peer_count)
        return -EAGAIN;
    return denied ? -EACCES : -EOPNOTSUPP;
}

static int pattern_keep(struct kith_pattern *pattern, kith_msg *msg) {
    const int64_t *numbers = pattern->sessions->profile->numbers;
    if (pattern->peer_count > 0 || pattern->sessions->connecting_count == 0 || numbers[KITH_OPTION_IMMEDIATE] != 0)
        return -EAGAIN;
    if (pattern->pending_count >= (uint64_t)numbers[KITH_OPTION_SEND_HWM] ||
        pattern->pending_octets >= (uint64_t)numbers[KITH_OPTION_SEND_HWM_BYTES])
        return -EAGAIN;
    kith_msg_refund(msg);
    kith_list_push_back(&pattern->pending, &msg->link);
    pattern->pending_count++;
    pattern->pending_octets += kith_msg_cost(msg);
    pattern->last = NULL;
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
    kith_list_foreach_safe (&session->queue, node) {
        kith_msg *msg = kith_list_entry(node, kith_msg, link);
        if (msg->command != KITH_COMMAND_NONE) { /* it was for that peer alone */
            kith_msg_free(msg);
            continue;
        }
        pattern->pending_count++;
        pattern->pending_octets += kith_msg_cost(msg);
    }
    /* In front, in their order: they were sent before. */
    kith_list_splice(&session->queue, &pattern->pending);
    kith_list_splice(&pattern->pending, &session->queue);
}

/* They waited for peers, and those that came do not take their descriptors, or may not have them. */
static void pattern_tell_unsendable(struct kith_pattern *pattern, size_t count, int error) {
    struct kith_session *session = kith_list_first(&pattern->peers, struct kith_session, pattern_link);
    if (pattern->ops->unsendable)
        pattern->ops->unsendable(pattern, error);
    kith_session_tell(session, KITH_EVENT_DROPPED, error, count, "%zu message%s that waited dropped: %s", count, count == 1 ? "" : "s",
                      error == -EACCES ? "the policy lets no peer have them (receive)"
                                       : "of their descriptors no peer takes as many (max-fds there)");
}

void kith_pattern_pump(struct kith_pattern *pattern, void (*sent)(struct kith_pattern *pattern, struct kith_session *session)) {
    size_t unsendable = 0;
    int error = 0;
    while (pattern->pending_count > 0) {
        kith_msg *msg = kith_list_first(&pattern->pending, kith_msg, link);
        size_t cost = kith_msg_cost(msg);
        struct kith_session *session;
        kith_list_unlink(&msg->link);
        int r = pattern_offer(pattern, msg, &session);
        bool waits = r == -EACCES && !pattern->ops->unsendable; /* for a peer that may have it: denied ones are as good as none */
        if (r < 0 && r != -EOPNOTSUPP && (r != -EACCES || waits)) {
            kith_list_push_front(&pattern->pending, &msg->link);
            break;
        }
        pattern->pending_count--;
        pattern->pending_octets -= cost;
        if (r < 0) {
            kith_msg_free(msg);
            unsendable++;
            error = r;
        } else if (sent) {
            sent(pattern, session);
        }
    }
    if (unsendable > 0)
        pattern_tell_unsendable(pattern, unsendable, error);
}

void kith_pattern_balance_detach(struct kith_pattern *pattern, struct kith_session *session) {
    kith_pattern_reclaim(pattern, session);
    kith_pattern_pump(pattern, NULL);
}

void kith_pattern_balance_pump(struct kith_pattern *pattern) {
    kith_pattern_pump(pattern, NULL);
}

int kith_pattern_balance_send(struct kith_pattern *pattern, kith_msg *msg) {
    if (pattern->pending_count == 0 && pattern->peer_count == 1) { /* the usual case, at full speed */
        struct kith_session *session = kith_list_first(&pattern->peers, struct kith_session, pattern_link);
        int r = kith_session_send(session, msg);
        if (r == 0)
            pattern->last = session;
        return r == -EPIPE ? -EAGAIN : r;
    }
    kith_pattern_pump(pattern, NULL);
    return kith_pattern_balance(pattern, msg, NULL);
}

void kith_pattern_receives_nothing(struct kith_pattern *pattern, struct kith_session *session, kith_msg *msg) {
    (void)pattern;
    kith_pattern_drop(session, msg, "this socket type only sends");
}

void kith_pattern_receives_all(struct kith_pattern *pattern, struct kith_session *session, kith_msg *msg) {
    (void)session;
    kith_pattern_received(pattern, msg);
}

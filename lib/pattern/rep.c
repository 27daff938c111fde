/*
 * pattern/rep.c: REP: takes a request, sends its reply to where it came from. RFC 28.
 *
 * The envelope (all frames up to the first empty one) is kept with the request's account, which knows whether the peer is still there. A
 * request without an empty frame is malformed and dropped.
 *
 * A reply never waits: one peer that asks on without reading would hold up all others. What has no room is dropped, which is told.
 */
#include <errno.h>

#include "pattern/pattern.h"

struct rep {
    struct kith_pattern base;
    bool replying;
    bool lost;                    /* there was no memory for the envelope */
    kith_msg *envelope;           /* of the request taken, its empty frame included; kept for the next */
    struct kith_account *account; /* of its peer, referenced */
};

static void rep_done(struct rep *rep) {
    rep->replying = rep->lost = false;
    rep->account = kith_account_unref(rep->account);
    if (!rep->envelope)
        return;
    kith_msg_drop(rep->envelope, rep->envelope->count);
    if (rep->envelope->capacity > KITH_MSG_INLINE_FRAMES) /* one peer's odd envelope is no reason to keep as much for ever */
        rep->envelope = kith_msg_free(rep->envelope);
}

static void rep_deinit(struct kith_pattern *pattern) {
    struct rep *rep = (struct rep *)pattern;
    rep_done(rep);
    kith_msg_free(rep->envelope);
}

/* Frames of the envelope, the empty one included; 0: there is none. */
static size_t envelope_size(const kith_msg *msg) {
    for (size_t i = 0; i < msg->count; i++)
        if (kith_msg_at(msg, i)->slice.size == 0)
            return i + 1;
    return 0;
}

static void rep_receive(struct kith_pattern *pattern, struct kith_session *session, kith_msg *msg) {
    size_t envelope = envelope_size(msg);
    if (envelope == 0 || envelope == msg->count)
        kith_pattern_drop(session, msg, "a request has to have an empty frame and a body behind it");
    else
        kith_pattern_received(pattern, msg);
}

static int rep_may_take(struct kith_pattern *pattern) {
    return ((struct rep *)pattern)->replying ? -EPROTO : 0;
}

static void rep_taken(struct kith_pattern *pattern, kith_msg *msg) {
    struct rep *rep = (struct rep *)pattern;
    rep->replying = true;
    rep->account = kith_account_ref(msg->account);
    size_t frames = envelope_size(msg);
    if ((rep->envelope || kith_msg_new(&rep->envelope) >= 0) && kith_msg_move(rep->envelope, msg, frames) >= 0)
        return;
    /* The reply has nowhere to go: sending it then says so. */
    rep->lost = true;
    kith_msg_drop(msg, frames);
}

/* The policy keeps the reply from who asked: he is told, as he waits. */
static void rep_refuse(struct kith_session *session) {
    if (session->link->refuse)
        session->link->refuse(session, KITH_DENIED "receive");
    kith_session_speak(session);
}

/* Errors: -EAGAIN, -EHOSTUNREACH, -EACCES, -ENOMEM: the message is as it was. */
static int rep_pass(struct rep *rep, kith_msg *msg) {
    struct kith_session *session = rep->account->owner;
    if (!session || session->state != KITH_SESSION_READY)
        return -EHOSTUNREACH;
    if (!kith_session_has_room(session))
        return -EAGAIN;
    size_t frames = rep->envelope->count;
    int r = kith_msg_move_front(msg, rep->envelope);
    if (r < 0)
        return r;
    r = kith_session_send(session, msg);
    if (r < 0) {
        (void)kith_msg_move(rep->envelope, msg, frames);
        if (r == -EACCES)
            rep_refuse(session);
        return r == -EPIPE ? -EHOSTUNREACH : r;
    }
    rep->base.last = session;
    return 0;
}

/* The reply is gone, and so may be the peer and all in it: the event's handler may do anything. */
static void rep_discard(struct rep *rep, kith_msg *msg) {
    struct kith_session *session = kith_session_ref(rep->account->owner);
    rep_done(rep);
    kith_msg_free(msg);
    kith_session_tell(session, KITH_EVENT_DROPPED, -EAGAIN, 1,
                      "a reply was dropped: its peer does not read, and its queue is full (send-hwm, send-hwm-bytes)");
    kith_session_unref(session);
}

static int rep_send(struct kith_pattern *pattern, kith_msg *msg) {
    struct rep *rep = (struct rep *)pattern;
    if (!rep->replying)
        return -EPROTO;
    int r = rep->lost ? -ENOMEM : rep_pass(rep, msg);
    if (r == -EAGAIN) {
        rep_discard(rep, msg);
        return 0;
    }
    /* Sent, or nobody waits for it any more: the next request may be taken. */
    if (r == 0 || r == -EHOSTUNREACH || r == -EACCES || rep->lost)
        rep_done(rep);
    return r;
}

const struct kith_pattern_ops kith_pattern_rep = {
    .name = "REP",
    .size = sizeof(struct rep),
    .kernel_use = KITH_KERNEL_ANSWERS,
    .deinit = rep_deinit,
    .receive = rep_receive,
    .may_take = rep_may_take,
    .taken = rep_taken,
    .send = rep_send,
};

/*
 * session/receive.c: octets of one writer -> messages with their origin, or a named refusal.
 *
 * A batch goes through the engine event by event. Upcalls may close the session: after each, `state` is looked at again.
 */
#include <errno.h>
#include <string.h>
#include <sys/types.h>

#include "session/session.h"

void kith_session_reset_receive(struct kith_session *session) {
    session->incoming = kith_msg_free(session->incoming);
    session->incoming_cost = 0;
    session->skipping = false;
}

/* Does the policy let this origin do this? Emits the event if not. */
static bool session_judge(struct kith_session *session, enum kith_verb verb, enum kith_event_type denied) {
    struct kith_verdict verdict = kith_policy_decide(session->host->policy, verb, session->origin);
    if (!verdict.allow)
        kith_session_tell(session, denied, -EACCES, 1, "policy: %s denied by %s%s%s", kith_verb_name(verb),
                          verdict.rule < 0 ? "" : "rule \"", verdict.rule_name, verdict.rule < 0 ? "" : "\"");
    return verdict.allow;
}

/* The same for a message: asked again only when the origin or the policy has changed, or to have a denial told. */
static bool session_judge_send(struct kith_session *session) {
    if (!session->host->policy)
        return true;
    if (session->judged_origin == session->origin && session->judged_generation == session->host->policy_generation &&
        session->judged_allow)
        return true;
    session->judged_allow = session_judge(session, KITH_VERB_SEND, KITH_EVENT_DENIED_SEND);
    if (session->state == KITH_SESSION_CLOSED)
        return false;
    session->judged_origin = session->origin;
    session->judged_generation = session->host->policy_generation;
    return session->judged_allow;
}

static void session_greeted(struct kith_session *session) {
    bool allow = !session->host->policy || session_judge(session, KITH_VERB_CONNECT, KITH_EVENT_DENIED_CONNECT);
    if (session->state == KITH_SESSION_CLOSED)
        return;
    if (allow) {
        if (kith_zmtp_accept(session->engine) < 0)
            kith_session_fail(session, -ENOMEM, "out of memory in the handshake");
        return;
    }
    /* The rule's name stays here: whoever is refused learns that it is, not how to get round it. */
    (void)kith_zmtp_refuse(session->engine, "access denied by policy: connect");
    kith_session_dismiss(session);
}

/* READY said who the peer claims to be: kept apart from what is known of it. */
static int session_keep_claims(struct kith_session *session, const struct kith_zmtp_event *event) {
    struct kith_zmtp_property property;
    for (size_t i = 0; i < event->ready.property_count && kith_zmtp_peer_property(session->engine, i, &property); i++) {
        if (strcasecmp(property.name, "Socket-Type") == 0)
            continue;
        /* Most clients send an empty Identity: that claims nothing. */
        if (property.size == 0 && strcasecmp(property.name, "Identity") == 0)
            continue;
        if (!session->claims) {
            int r = kith_claims_new(&session->claims);
            if (r < 0)
                return r;
        }
        int r = kith_claims_add(session->claims, property.name, property.value, property.size);
        if (r < 0 && r != -E2BIG)
            return r;
    }
    if (!session->claims)
        return 0;
    if (session->peer_origin)
        kith_origin_set_claims(session->peer_origin, session->claims);
    if (session->origin && session->origin != session->peer_origin)
        kith_origin_set_claims(session->origin, session->claims);
    return 0;
}

static void session_ready(struct kith_session *session, const struct kith_zmtp_event *event) {
    if (session_keep_claims(session, event) < 0) {
        kith_session_fail(session, -ENOMEM, "out of memory in the handshake");
        return;
    }
    session->routing_id_size = event->ready.routing_id_size;
    if (session->routing_id_size > 0)
        memcpy(session->routing_id, event->ready.routing_id, session->routing_id_size);
    kith_session_reached_ready(session);
}

static void session_deliver(struct kith_session *session) {
    kith_msg *msg = KITH_STEAL(session->incoming);
    session->incoming_cost = 0;
    if (session->state != KITH_SESSION_READY) {
        kith_msg_free(msg);
        return;
    }
    kith_msg_charge(msg, session->account);
    if (session->account->full)
        kith_conn_pause(session->conn);
    session->host->ops->message(session, msg, session->host->userdata);
}

/* One message was denied: the peer is told, where it understands that; the rest of the message is skipped. */
static void session_deny(struct kith_session *session) {
    session->skipping = true;
    (void)kith_zmtp_tell_error(session->engine, "access denied by policy: send");
}

/* The first octet of a message: may it be sent, and is there memory? */
static int session_begin_message(struct kith_session *session) {
    if (!session_judge_send(session)) {
        if (session->state != KITH_SESSION_CLOSED)
            session_deny(session);
        return 0;
    }
    int r = kith_msg_new(&session->incoming);
    if (r >= 0)
        session->incoming->origin = kith_origin_ref(session->origin); /* the one that was judged */
    return r;
}

static void session_frame(struct kith_session *session, const struct kith_slice *slice, const struct kith_zmtp_event *event) {
    int r = 0;
    if (!session->incoming && !session->skipping)
        r = session_begin_message(session);
    if (session->state == KITH_SESSION_CLOSED)
        return;
    bool whole = event->frame.last && !event->frame.more;
    if (session->skipping) {
        session->skipping = !whole;
        return;
    }
    if (r >= 0 && event->frame.offset == 0)
        session->incoming_cost += event->frame.frame_size + KITH_FRAME_COST;
    if (session->incoming_cost > (uint64_t)session->profile->numbers[KITH_OPTION_MAX_MESSAGE]) {
        kith_session_fail(session, -EMSGSIZE, "a message exceeds max-message; raise the option if it is legitimate");
        return;
    }
    if (r >= 0)
        r = kith_msg_receive(session->incoming, slice, event->frame.data, event->frame.size, event->frame.frame_size, event->frame.offset);
    if (r < 0)
        kith_session_fail(session, r, "out of memory while receiving a message");
    else if (whole)
        session_deliver(session);
}

static void session_refused(struct kith_session *session, const struct kith_zmtp_event *event) {
    bool handshake = event->refused.handshake;
    kith_session_tell(session, KITH_EVENT_REFUSED, -EACCES, 1, "the peer refused %s: %s", handshake ? "the connection" : "a message",
                      event->refused.reason);
    if (session->state == KITH_SESSION_CLOSED)
        return;
    session->host->ops->refused(session, session->host->userdata);
    if (handshake)
        kith_session_fail(session, -EACCES, "refused by the peer");
}

static void session_event(struct kith_session *session, const struct kith_slice *slice, const struct kith_zmtp_event *event) {
    switch (event->type) {
    case KITH_ZMTP_GREETED:
        session_greeted(session);
        break;
    case KITH_ZMTP_READY:
        session_ready(session, event);
        break;
    case KITH_ZMTP_FRAME:
        session_frame(session, slice, event);
        break;
    case KITH_ZMTP_PINGED:
        if (session->peer_ttl_ms != event->ping.ttl_ms) {
            session->peer_ttl_ms = event->ping.ttl_ms;
            kith_session_schedule_heartbeat(session);
        }
        break;
    case KITH_ZMTP_PONG:
        session->pinged_at = 0;
        break;
    case KITH_ZMTP_REFUSED:
        session_refused(session, event);
        break;
    case KITH_ZMTP_FAILED:
        /* It may have queued a last word for the peer. */
        kith_session_send_engine(session);
        kith_session_flush(session);
        kith_session_fail(session, event->failed.error, event->failed.reason);
        break;
    case KITH_ZMTP_NONE:
    case KITH_ZMTP_SUBSCRIBE:
    case KITH_ZMTP_CANCEL:
    case KITH_ZMTP_COMMAND:
        break;
    }
}

/* Is this connection still the one that the batch came from, and worth going on with? */
static bool session_alive(const struct kith_session *session, const kith_conn *conn) {
    return session->conn == conn && (session->state == KITH_SESSION_HANDSHAKE || session->state == KITH_SESSION_READY);
}

static void session_feed(struct kith_session *session, kith_conn *conn, const struct kith_slice *slice) {
    size_t offset = 0;
    struct kith_zmtp_event event;
    do {
        offset += kith_zmtp_receive(session->engine, slice->data + offset, slice->size - offset, &event);
        session_event(session, slice, &event);
    } while (event.type != KITH_ZMTP_NONE && session_alive(session, conn));
    if (session_alive(session, conn))
        kith_session_send_engine(session);
}

/* Descriptors that came though nobody asks for any are closed by the stream; it is told. */
static void session_refuse_fds(struct kith_session *session, const struct kith_batch *batch) {
    size_t count = batch->fd_count + batch->fd_refused;
    if (count > 0)
        kith_session_tell(session, KITH_EVENT_FDS_REFUSED, -EPERM, count, "%zu passed descriptors closed: this socket accepts none", count);
}

/* Another writer than before: refused in the middle of something. */
static void session_check_split(struct kith_session *session, const struct kith_writer *before) {
    bool handshake = session->state == KITH_SESSION_HANDSHAKE;
    if (!handshake && !kith_zmtp_mid_message(session->engine))
        return;
    kith_session_tell(session, KITH_EVENT_SPLIT_MESSAGE, -EPROTO, 1,
                      "one %s written by two processes (pid %d and pid %d): it has no sender, so it is refused",
                      handshake ? "handshake" : "message", (int)before->pid, (int)session->writer.pid);
    kith_session_fail(session, -EPROTO,
                      handshake ? "its handshake was split between two writers" : "a message was split between two writers");
}

void kith_session_on_data(kith_conn *conn, struct kith_batch *batch, void *userdata) {
    struct kith_session *session = kith_session_ref(userdata);
    if (session->state == KITH_SESSION_DRAINING || session->state == KITH_SESSION_CLOSED)
        goto out;
    session->heard_at = kith_loop_now(session->host->loop);
    struct kith_writer before = session->writer;
    bool identified = session->origin != NULL;
    int r = kith_session_identify(session, &batch->sender);
    if (r < 0) {
        kith_session_fail(session, r, "out of memory while identifying the sender");
        goto out;
    }
    session_refuse_fds(session, batch);
    if (session_alive(session, conn) && identified && !kith_writer_equal(&before, &session->writer))
        session_check_split(session, &before);
    if (session_alive(session, conn))
        session_feed(session, conn, &batch->slice);
out:
    kith_session_unref(session);
}

/*
 * session/link-zmtp.c: ZMTP over a stream connection: octets of one writer -> messages with their origin or a named refusal. The way out is
 * in link-zmtp-write.c.
 *
 * A batch goes through the engine event by event, except for messages of one short frame, which need none. Upcalls may close the session:
 * after each, the connection is looked at again.
 */
#include <errno.h>
#include <string.h>

#include "session/link-stream.h"
#include "session/link-zmtp.h"
#include "session/rings.h"

KITH_DEFINE_CLEANUP(kith_buffer *, kith_buffer_unref)
KITH_DEFINE_CLEANUP(struct kith_fds *, kith_fds_unref)

/* Octets to come of a body from which it is cheaper to change over to receiving in place than to copy. */
#define PLACED_BODY ((uint64_t)256 * 1024)

/* In: handshake --------------------------------------------------------------------------------------------------------- */

static int zmtp_begin(struct kith_session *session) {
    const struct kith_profile *profile = session->profile;
    struct kith_zmtp_options options = {
        .socket_type = session->host->socket_type,
        .routing_id = profile->octets[KITH_OPTION_ROUTING_ID].data,
        .routing_id_size = profile->octets[KITH_OPTION_ROUTING_ID].size,
        .metadata = profile->metadata,
        .metadata_count = profile->metadata_count,
        .max_frame = (uint64_t)profile->numbers[KITH_OPTION_MAX_MESSAGE],
    };
    if (kith_session_passes(session))
        options.features = kith_profile_features(session->profile, &options.feature_count);
    kith_session_security(session, &options);
    kith_rings_offer(session, &options);
    int r = kith_zmtp_new(&options, &session->engine);
    if (r >= 0)
        kith_link_zmtp_speak(session);
    return r;
}

static void greeted(struct kith_session *session) {
    bool allow = kith_session_judge_connect(session);
    if (session->state == KITH_SESSION_CLOSED)
        return;
    if (allow) {
        if (kith_zmtp_accept(session->engine) < 0)
            kith_session_fail(session, -ENOMEM, "out of memory in the handshake");
        return;
    }
    (void)kith_zmtp_refuse(session->engine, kith_session_peer_denial(session));
    kith_session_dismiss(session);
}

static void ready(struct kith_session *session, const struct kith_zmtp_event *event) {
    const uint8_t *server_key = session->profile->octets[KITH_OPTION_CURVE_SERVER_KEY].data;
    int r = kith_session_keep_properties(session, event);
    if (r >= 0 && kith_zmtp_seals(session->engine) && !session->key)
        r = kith_session_set_key(session, server_key); /* a client: it was the server that had to prove its key */
    if (r < 0) {
        kith_session_fail(session, -ENOMEM, "out of memory in the handshake");
        return;
    }
    session->peer_type = event->ready.socket_type;
    session->peer_is_libzmq = kith_zmtp_peer_is_libzmq(session->engine);
    if (!kith_rings_begin(session))
        kith_session_reached_ready(session);
}

/* In: traffic ------------------------------------------------------------------------------------------------------------ */

/* The message was denied: the peer is told, where it understands that; the rest of it is skipped, and nothing is kept. */
static void deny(struct kith_session *session, bool whole) {
    session->incoming = kith_msg_free(session->incoming);
    session->incoming_cost = 0;
    session->skipping = !whole;
    (void)kith_zmtp_tell_error(session->engine, KITH_DENIED "send");
}

static int new_message(struct kith_session *session, struct kith_fds **fds) {
    int r = kith_msg_new(&session->incoming);
    if (r < 0)
        return r;
    session->incoming->origin = kith_origin_ref(session->origin); /* the one that was judged, or will be */
    session->incoming->fds = KITH_STEAL(*fds);
    return 0;
}

/* The first octet of a message: may it be sent, have its descriptors come, and is there memory? */
static int begin_message(struct kith_session *session) {
    _cleanup_(kith_fds_unrefp) struct kith_fds *fds = NULL;
    if (session->passing && !kith_passing_begin(session, &fds)) {
        session->skipping = true;
        return 0;
    }
    if (kith_session_judge_begin(session))
        return new_message(session, &fds);
    if (session->state == KITH_SESSION_READY)
        deny(session, false);
    return 0;
}

/* The same of one that is there as a whole, in one frame. */
static int begin_short_message(struct kith_session *session, const uint8_t *data, size_t size) {
    _cleanup_(kith_fds_unrefp) struct kith_fds *fds = NULL;
    if (session->passing && !kith_passing_begin(session, &fds))
        return 0;
    if (kith_session_judge_send(session, data, size, size, fds))
        return new_message(session, &fds);
    if (session->state == KITH_SESSION_READY)
        deny(session, true);
    return 0;
}

/* Nothing but MEMORY is said before it is known where octets go. */
static bool is_too_early(struct kith_session *session) {
    if (session->state != KITH_SESSION_HANDSHAKE)
        return false;
    kith_session_fail(session, -EPROTO, "a message came before the word about shared memory");
    return true;
}

/* Octets as limits count them. */
static bool is_too_large(struct kith_session *session, uint64_t cost) {
    if (cost <= (uint64_t)session->profile->numbers[KITH_OPTION_MAX_MESSAGE])
        return false;
    kith_session_fail(session, -EMSGSIZE, "a message exceeds max-message; raise the option if it is legitimate");
    return true;
}

/* So much of the message is there: what may be decided now? */
static bool judge_piece(struct kith_session *session, bool last, bool more) {
    if (last && session->incoming->count == 1 && !kith_session_judge_first_frame(session, session->incoming))
        return false;
    return !last || more || kith_session_judge_whole(session, session->incoming);
}

/* r: of taking octets in; the frame's last, more frames to come. */
static void taken(struct kith_session *session, int r, bool last, bool more) {
    if (r < 0) {
        kith_session_fail(session, r, "out of memory while receiving a message");
    } else if (!judge_piece(session, last, more)) {
        if (session->state == KITH_SESSION_READY)
            deny(session, !more);
    } else if (last && !more) {
        session->incoming_cost = 0;
        kith_session_deliver(session, KITH_STEAL(session->incoming));
    }
}

static void frame(struct kith_session *session, const struct kith_slice *slice, const struct kith_zmtp_event *event) {
    int r = 0;
    if (!session->incoming && !session->skipping)
        r = begin_message(session);
    if (session->state != KITH_SESSION_READY)
        return;
    bool whole = event->frame.last && !event->frame.more;
    if (session->skipping) {
        session->skipping = !whole;
        return;
    }
    if (r >= 0 && event->frame.offset == 0)
        session->incoming_cost += event->frame.frame_size + KITH_FRAME_COST;
    if (is_too_large(session, session->incoming_cost))
        return;
    static const struct kith_slice engines = {0}; /* what lies in the engine cannot be shared */
    if (r >= 0)
        r = kith_msg_receive(session->incoming, event->frame.gathered ? &engines : slice, event->frame.data, event->frame.size,
                             event->frame.frame_size, event->frame.offset);
    taken(session, r, event->frame.last, event->frame.more);
}

/* The unfinished message is dropped, up to its last frame. */
static void skip(struct kith_session *session, bool more) {
    session->incoming = kith_msg_free(session->incoming);
    session->incoming_cost = 0;
    session->skipping = more;
}

static int add_buffer(struct kith_session *session, kith_buffer *buffer, size_t size) {
    return kith_msg_add_slice(session->incoming, (struct kith_slice){.buffer = buffer, .data = kith_buffer_data(buffer), .size = size});
}

/* A frame that lies in a descriptor. */
static void memfd(struct kith_session *session, const struct kith_zmtp_event *event) {
    int r = 0;
    if (!session->incoming && !session->skipping)
        r = begin_message(session);
    if (session->state == KITH_SESSION_CLOSED)
        return;
    _cleanup_(kith_buffer_unrefp) kith_buffer *buffer = kith_passing_take_memfd(session, event->memfd.size);
    if (session->state != KITH_SESSION_READY)
        return;
    if (!buffer || session->skipping) {
        skip(session, event->memfd.more);
        return;
    }
    session->incoming_cost += event->memfd.size + KITH_FRAME_COST;
    if (!is_too_large(session, session->incoming_cost))
        taken(session, r < 0 ? r : add_buffer(session, buffer, (size_t)event->memfd.size), true, event->memfd.more);
}

/* A message of one short frame. */
static void message(struct kith_session *session, const uint8_t *data, size_t size) {
    int r = begin_short_message(session, data, size);
    if (r >= 0 && !session->incoming) /* denied; or the session is closed */
        return;
    if (is_too_large(session, size + KITH_FRAME_COST))
        return;
    r = r < 0 ? r : kith_msg_add(session->incoming, data, size);
    session->judge.decided = true;
    taken(session, r, true, false);
}

static void take_event(struct kith_session *session, const struct kith_slice *slice, const struct kith_zmtp_event *event) {
    switch (event->type) {
    case KITH_ZMTP_GREETED:
        greeted(session);
        break;
    case KITH_ZMTP_CREDENTIALS:
        kith_session_shown(session, event);
        break;
    case KITH_ZMTP_READY:
        ready(session, event);
        break;
    case KITH_ZMTP_FRAME:
        if (!is_too_early(session))
            frame(session, slice, event);
        break;
    case KITH_ZMTP_MEMORY:
        kith_rings_told(session, event->memory.offered);
        break;
    case KITH_ZMTP_SUBSCRIBE:
        kith_session_commanded(session, KITH_COMMAND_SUBSCRIBE, event->subscription.topic, event->subscription.size);
        break;
    case KITH_ZMTP_CANCEL:
        kith_session_commanded(session, KITH_COMMAND_CANCEL, event->subscription.topic, event->subscription.size);
        break;
    case KITH_ZMTP_JOIN:
        kith_session_commanded(session, KITH_COMMAND_JOIN, event->subscription.topic, event->subscription.size);
        break;
    case KITH_ZMTP_LEAVE:
        kith_session_commanded(session, KITH_COMMAND_LEAVE, event->subscription.topic, event->subscription.size);
        break;
    case KITH_ZMTP_FDS:
        if (!is_too_early(session))
            kith_passing_announced(session, event->fds.count);
        break;
    case KITH_ZMTP_PINGED:
        kith_session_pinged(session, event->ping.ttl_ms);
        break;
    case KITH_ZMTP_PONG:
        session->pinged_at = 0;
        break;
    case KITH_ZMTP_REFUSED:
        kith_session_refused(session, event->refused.reason);
        break;
    case KITH_ZMTP_FAILED:
        /* It may have queued a last word for the peer. */
        kith_link_zmtp_speak(session);
        kith_session_flush(session);
        kith_session_fail(session, event->failed.error, event->failed.reason);
        break;
    case KITH_ZMTP_MEMFD:
        if (!is_too_early(session))
            memfd(session, event);
        break;
    case KITH_ZMTP_TAKEN:
        kith_passing_taken(session, event->taken.octets);
        break;
    case KITH_ZMTP_NONE:
    case KITH_ZMTP_COMMAND:
        break;
    }
}

/* The owner has not decided on the peer's credentials: nothing more is read, and what has been is kept. */
static void hold(struct kith_session *session, const uint8_t *data, size_t size) {
    session->waiting = true;
    session->link->set_reading(session, false);
    if (size == 0)
        return;
    kith_buffer *buffer;
    if (kith_buffer_new(size, &buffer) < 0) {
        kith_session_fail(session, -ENOMEM, "out of memory in the handshake");
        return;
    }
    memcpy(kith_buffer_data(buffer), data, size);
    session->held = (struct kith_slice){.buffer = buffer, .data = kith_buffer_data(buffer), .size = size};
}

/* Short messages, one behind the other: the usual case, at full speed. Returns how many octets they took. */
static size_t feed_messages(struct kith_session *session, kith_conn *conn, const uint8_t *data, size_t size) {
    const uint8_t *body;
    size_t offset = 0, body_size, took;
    while (session->state == KITH_SESSION_READY && !session->incoming && !session->skipping && kith_link_stream_alive(session, conn) &&
           (took = kith_zmtp_take_message(session->engine, data + offset, size - offset, &body, &body_size)) > 0) {
        offset += took;
        message(session, body, body_size);
    }
    return offset;
}

/* Did the octets of the socket end with the last event, and bells begin? */
static bool has_switched(const struct kith_session *session, const struct kith_zmtp_event *event) {
    return event->type == KITH_ZMTP_MEMORY && kith_rings_on(session);
}

static void take_bells(struct kith_session *session, const uint8_t *octets, size_t size) {
    if (session->passing)
        kith_passing_settle(session); /* with bells none belong to anything */
    if (kith_rings_on(session))
        kith_rings_rung(session, octets, size);
}

static void feed(struct kith_session *session, kith_conn *conn, const struct kith_slice *slice) {
    uint8_t *data = (uint8_t *)(uintptr_t)slice->data; /* nobody else has seen these octets yet: they may be opened where they lie */
    size_t offset = 0;
    struct kith_zmtp_event event;
    do {
        if (data)
            offset += feed_messages(session, conn, data + offset, slice->size - offset);
        if (!kith_link_stream_alive(session, conn))
            return;
        /* Without octets too: what waits in the engine is told, when what held it up is decided. */
        offset += kith_zmtp_receive(session->engine, data ? data + offset : NULL, slice->size - offset, &event);
        bool before = kith_rings_on(session);
        take_event(session, slice, &event);
        if (!before && kith_link_stream_alive(session, conn) && has_switched(session, &event)) {
            take_bells(session, data + offset, slice->size - offset);
            return;
        }
    } while (event.type != KITH_ZMTP_NONE && kith_link_stream_alive(session, conn));
    if (!kith_link_stream_alive(session, conn))
        return;
    kith_link_zmtp_speak(session);
    if (kith_zmtp_state(session->engine) == KITH_ZMTP_STATE_CREDENTIALS)
        hold(session, data + offset, slice->size - offset);
    else if (session->passing && !kith_zmtp_mid_message(session->engine))
        kith_passing_settle(session);
}

/* The octets that are to come of a frame of which a piece has been told. */
static uint64_t body_left(const struct kith_session *session) {
    return session->state == KITH_SESSION_READY && session->incoming ? kith_zmtp_body_left(session->engine) : 0;
}

/* A large body goes straight into its message. From one on the next headers are read sparingly, until what they head is not large. */
size_t kith_link_zmtp_place(const struct kith_session *session, uint8_t **ret_place) {
    uint64_t left = body_left(session);
    return left > 0 ? kith_msg_room(session->incoming, left, ret_place) : 0;
}

static size_t zmtp_place(kith_conn *conn, uint8_t **ret_place, void *userdata) {
    (void)conn;
    return kith_link_zmtp_place(userdata, ret_place);
}

void kith_link_zmtp_feed(struct kith_session *session, const struct kith_slice *slice) {
    feed(session, session->conn, slice);
}

void kith_link_zmtp_go_on(struct kith_session *session) {
    kith_conn *conn = session->conn;
    struct kith_slice held = session->held;
    session->held = (struct kith_slice){0};
    kith_session_ref(session);
    feed(session, conn, &held);
    if (kith_link_stream_alive(session, conn) && !session->account->full)
        session->link->set_reading(session, true);
    kith_slice_unref(&held);
    kith_session_unref(session);
}

/* Another writer than before: refused in the middle of something, as between descriptors and their message. */
static void check_split(struct kith_session *session, const struct kith_writer *before) {
    bool handshake = session->state == KITH_SESSION_HANDSHAKE;
    if (!handshake && !kith_zmtp_mid_message(session->engine) && !kith_passing_announces(session))
        return;
    kith_session_tell(session, KITH_EVENT_SPLIT_MESSAGE, -EPROTO, 1,
                      "one %s written by two processes (pid %d and pid %d): it has no sender, so it is refused",
                      handshake ? "handshake" : "message", (int)before->pid, (int)session->writer.pid);
    kith_session_fail(session, -EPROTO,
                      handshake ? "its handshake was split between two writers" : "a message was split between two writers");
}

static void zmtp_on_data(kith_conn *conn, struct kith_batch *batch, void *userdata) {
    struct kith_session *session = kith_session_ref(userdata);
    struct kith_writer before = session->writer;
    bool identified = session->origin != NULL;
    if (kith_rings_on(session)) {
        kith_passing_arrived(session, batch);
        take_bells(session, batch->slice.data, batch->slice.size);
        kith_session_unref(session);
        return;
    }
    bool alive = kith_link_stream_heard(session, conn, batch);
    if (alive && identified && !kith_writer_equal(&before, &session->writer))
        check_split(session, &before);
    if (alive && kith_link_stream_alive(session, conn))
        feed(session, conn, &batch->slice);
    if (batch->slice.buffer && kith_link_stream_alive(session, conn) && !kith_rings_on(session))
        kith_conn_set_placing(conn, body_left(session) >= PLACED_BODY);
    kith_session_unref(session);
}

/* ------------------------------------------------------------------------------------------------------------------------- */

static void zmtp_flush(struct kith_session *session) {
    if (kith_rings_on(session))
        kith_rings_flush(session);
    else
        kith_link_stream_flush(session);
}

static void zmtp_set_reading(struct kith_session *session, bool reading) {
    if (kith_rings_on(session))
        kith_rings_set_reading(session, reading); /* bells come always */
    else
        kith_link_stream_set_reading(session, reading);
}

static bool zmtp_taken(const struct kith_session *session) {
    return kith_rings_on(session) ? kith_rings_taken(session) : kith_link_stream_taken(session);
}

static void zmtp_end(struct kith_session *session) {
    zmtp_flush(session);
    kith_link_stream_end(session);
}

static void zmtp_on_closed(kith_conn *conn, int error, void *userdata) {
    struct kith_session *session = userdata;
    if (kith_rings_on(session))
        kith_rings_closed(session, error);
    else
        kith_link_stream_on_closed(conn, error, session);
}

static void zmtp_drop(struct kith_session *session) {
    session->rings = kith_rings_free(session->rings);
    kith_link_stream_drop(session);
    session->engine = kith_zmtp_free(session->engine);
    kith_slice_unref(&session->held);
    session->held = (struct kith_slice){0};
    session->asking = session->waiting = false;
    session->incoming = kith_msg_free(session->incoming);
    kith_passing_drop(session);
    session->incoming_cost = 0;
    session->skipping = false;
}

const struct kith_conn_ops kith_link_zmtp_conn_ops = {
    .data = zmtp_on_data,
    .place = zmtp_place,
    .connected = kith_link_stream_on_connected,
    .writable = kith_link_stream_on_writable,
    .closed = zmtp_on_closed,
};

const struct kith_link kith_link_zmtp = {
    .name = "zmtp",
    .listen = kith_acceptor_listen_stream,
    .unlisten = kith_acceptor_unlisten_stream,
    .connect = kith_link_stream_connect,
    .begin = zmtp_begin,
    .write = kith_link_zmtp_write,
    .carries_fds = kith_link_zmtp_carries_fds,
    .command = kith_link_zmtp_command,
    .speak = kith_link_zmtp_speak,
    .refuse = kith_link_zmtp_refuse,
    .ping = kith_link_zmtp_ping,
    .flush = zmtp_flush,
    .set_reading = zmtp_set_reading,
    .spoken = kith_link_zmtp_spoken,
    .taken = zmtp_taken,
    .end = zmtp_end,
    .close = kith_link_stream_close,
    .drop = zmtp_drop,
};

/*
 * session/link-raw.c: octets without a protocol, for STREAM: what one receive brought is a message of one frame.
 *
 * There is no handshake: a peer is ready when it is connected. Policy's connect is asked then, its send for each receive. Nothing is ever
 * in the middle of something, so another writer is just another origin.
 */
#include <errno.h>

#include "session/link-stream.h"

KITH_DEFINE_CLEANUP(kith_msg *, kith_msg_free)

static int raw_begin(struct kith_session *session) {
    if (session->peer_origin && !session->origin)
        session->origin = kith_origin_ref(session->peer_origin);
    bool allow = kith_session_judge_connect(session);
    if (session->state == KITH_SESSION_CLOSED)
        return 0;
    if (!allow)
        return -EACCES;
    kith_session_reached_ready(session);
    return 0;
}

/* Frame by frame, whatever their number. */
static int raw_write(struct kith_session *session, const kith_msg *msg) {
    while (session->sending_frame < msg->count) {
        int r = kith_conn_write_slice(session->conn, kith_frame_slice(kith_msg_at(msg, session->sending_frame)));
        if (r < 0)
            return r;
        session->sending_frame++;
    }
    session->sending_frame = 0;
    return 0;
}

static int raw_command(struct kith_session *session, enum kith_session_command command, const void *octets, size_t size) {
    (void)session;
    (void)command;
    (void)octets;
    (void)size;
    return -ENOTSUP;
}

static bool raw_spoken(const struct kith_session *session) {
    (void)session;
    return true;
}

static void raw_receive(struct kith_session *session, const struct kith_slice *slice) {
    if (!kith_session_judge_send(session, slice->data, slice->size, slice->size, NULL))
        return;
    _cleanup_(kith_msg_freep) kith_msg *msg = NULL;
    int r = kith_msg_new(&msg);
    if (r >= 0)
        r = kith_msg_receive(msg, slice, slice->data, slice->size, slice->size, 0);
    if (r < 0) {
        kith_session_fail(session, r, "out of memory while receiving");
        return;
    }
    msg->origin = kith_origin_ref(session->origin);
    kith_session_deliver(session, KITH_STEAL(msg));
}

static void raw_on_data(kith_conn *conn, struct kith_batch *batch, void *userdata) {
    struct kith_session *session = kith_session_ref(userdata);
    if (kith_link_stream_heard(session, conn, batch))
        raw_receive(session, &batch->slice);
    kith_session_unref(session);
}

const struct kith_conn_ops kith_link_raw_conn_ops = {
    .data = raw_on_data,
    .connected = kith_link_stream_on_connected,
    .writable = kith_link_stream_on_writable,
    .closed = kith_link_stream_on_closed,
};

const struct kith_link kith_link_raw = {
    .name = "raw",
    .listen = kith_acceptor_listen_stream,
    .unlisten = kith_acceptor_unlisten_stream,
    .connect = kith_link_stream_connect,
    .begin = raw_begin,
    .write = raw_write,
    .command = raw_command,
    .flush = kith_link_stream_flush,
    .set_reading = kith_link_stream_set_reading,
    .spoken = raw_spoken,
    .taken = kith_link_stream_taken,
    .end = kith_link_stream_end,
    .close = kith_link_stream_close,
    .drop = kith_link_stream_drop,
};

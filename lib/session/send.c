/*
 * session/send.c: messages -> octets in the connection's write queue.
 *
 * A message goes straight to the connection as long as that has room, otherwise it waits in the session's queue; the first message of the
 * queue may be written in part, frame by frame. Small frames are copied, header and body at once; large ones are passed by reference.
 */
#include <errno.h>
#include <string.h>

#include "session/session.h"

/* Up to here a copy is cheaper than another element of the vector (measured with the write queue's chunks: a cache line or two against an
 * allocation). */
#define FRAME_COPY_MAX 4096

static int session_write_small(struct kith_session *session, const struct kith_frame *frame, bool more) {
    uint8_t octets[KITH_ZMTP_HEADER_MAX + FRAME_COPY_MAX];
    size_t header = kith_zmtp_frame_header(frame->slice.size, more, octets);
    memcpy(octets + header, kith_frame_data(frame), frame->slice.size);
    return kith_conn_write(session->conn, octets, header + frame->slice.size);
}

static int session_write_large(struct kith_session *session, const struct kith_frame *frame, bool more) {
    if (!session->sending_header) {
        uint8_t header[KITH_ZMTP_HEADER_MAX];
        size_t size = kith_zmtp_frame_header(frame->slice.size, more, header);
        int r = kith_conn_write(session->conn, header, size);
        if (r < 0)
            return r;
        session->sending_header = true;
    }
    int r = kith_conn_write_slice(session->conn, frame->slice);
    if (r >= 0)
        session->sending_header = false;
    return r;
}

/* Writes the frames from sending_frame on. Returns 0 when the message is written whole, -EAGAIN when the connection is full, -EPIPE,
 * -ENOMEM. */
static int session_write(struct kith_session *session, const kith_msg *msg) {
    while (session->sending_frame < msg->count) {
        const struct kith_frame *frame = kith_msg_at(msg, session->sending_frame);
        bool more = session->sending_frame + 1 < msg->count;
        int r = frame->slice.size <= FRAME_COPY_MAX ? session_write_small(session, frame, more) : session_write_large(session, frame, more);
        if (r < 0)
            return r;
        session->sending_frame++;
    }
    session->sending_frame = 0;
    return 0;
}

bool kith_session_has_room(const struct kith_session *session) {
    return session->state == KITH_SESSION_READY && session->queued < (size_t)session->profile->numbers[KITH_OPTION_SEND_HWM] &&
           session->queued_octets < (size_t)session->profile->numbers[KITH_OPTION_SEND_HWM_BYTES];
}

int kith_session_send(struct kith_session *session, kith_msg *msg) {
    if (session->state != KITH_SESSION_READY)
        return -EPIPE;
    if (!kith_session_has_room(session)) {
        session->starved = true;
        return -EAGAIN;
    }
    kith_msg_refund(msg);
    if (session->queued == 0) {
        int r = session_write(session, msg);
        if (r >= 0) {
            kith_msg_free(msg);
            return 0;
        }
        bool untouched = session->sending_frame == 0 && !session->sending_header;
        if (r != -EAGAIN && untouched)
            return r;
        if (r != -EAGAIN)
            kith_session_break(session, r);
    }
    /* Written in part, or behind others: it is ours from here on. */
    kith_list_push_back(&session->queue, &msg->link);
    session->queued++;
    session->queued_octets += kith_msg_cost(msg);
    return 0;
}

void kith_session_pump(struct kith_session *session) {
    while (session->queued > 0) {
        kith_session_send_engine(session); /* a PING behind a queue that is never empty would never go */
        kith_msg *msg = kith_list_first(&session->queue, kith_msg, link);
        int r = session_write(session, msg);
        if (r < 0) {
            if (r != -EAGAIN)
                kith_session_break(session, r);
            return;
        }
        session->queued--;
        session->queued_octets -= kith_msg_cost(msg);
        kith_msg_free(msg);
    }
    kith_session_send_engine(session);
}

void kith_session_on_writable(kith_conn *conn, void *userdata) {
    (void)conn;
    struct kith_session *session = kith_session_ref(userdata);
    if (session->state == KITH_SESSION_DRAINING)
        kith_session_finish_drain(session);
    else
        kith_session_pump(session);
    if (session->starved && kith_session_has_room(session)) {
        session->starved = false;
        session->host->ops->writable(session, session->host->userdata);
    }
    kith_session_unref(session);
}

void kith_session_flush(struct kith_session *session) {
    if (session->conn)
        kith_conn_flush(session->conn);
}

void kith_session_send_engine(struct kith_session *session) {
    size_t size;
    const uint8_t *octets = kith_zmtp_output(session->engine, &size);
    if (size == 0 || session->sending_frame > 0 || session->sending_header)
        return; /* never inside a message: it goes out when that is written */
    if (kith_conn_write(session->conn, octets, size) >= 0)
        kith_zmtp_output_done(session->engine, size);
}

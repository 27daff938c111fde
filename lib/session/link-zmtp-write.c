/*
 * session/link-zmtp-write.c: ZMTP over a stream connection: messages -> octets in the connection's write queue.
 *
 * Small frames are copied behind one another, header and body at once, straight into the write queue; large ones go by reference. What the
 * engine has to say goes between messages, never inside one. With rings (rings.h) the octets go the same way, but into shared memory.
 */
#include <string.h>

#include "session/link-zmtp.h"
#include "session/rings.h"

/* Up to here a copy is cheaper than another element of the vector (measured with the write queue's chunks: a cache line or two against an
 * allocation). */
#define FRAME_COPY_MAX 4096

static int out_place(struct kith_session *session, size_t size, uint8_t **ret_place) {
    return kith_rings_on(session) ? kith_rings_place(session, size, ret_place) : kith_conn_write_place(session->conn, size, ret_place);
}

static void out_written(struct kith_session *session, size_t size) {
    if (kith_rings_on(session))
        kith_rings_written(session, size);
    else
        kith_conn_written(session->conn, size);
}

static int out_slice(struct kith_session *session, struct kith_slice slice) {
    return kith_rings_on(session) ? kith_rings_slice(session, slice) : kith_conn_write_slice(session->conn, slice);
}

/* Not inside a message: it goes out when that is written. But who takes frames in descriptors understands words between frames, and two
 * that send each other such messages wait for each other's. */
static bool may_speak(const struct kith_session *session) {
    if (session->sending_header)
        return false;
    return (session->peer_memfd && !kith_rings_on(session)) || (session->sending_frame == 0 && !session->sending_fds);
}

void kith_link_zmtp_speak(struct kith_session *session) {
    uint8_t *place;
    if (session->memfd_taken > 0 && kith_zmtp_tell_taken(session->engine, session->memfd_taken) >= 0)
        session->memfd_taken = 0;
    size_t size = kith_zmtp_output_size(session->engine);
    if (size == 0 || !may_speak(session))
        return;
    if (out_place(session, size, &place) < 0)
        return;
    kith_zmtp_output_take(session->engine, place);
    out_written(session, size);
}

static int write_copy(struct kith_session *session, const struct kith_frame *frame, bool more) {
    uint8_t *place;
    size_t size = kith_zmtp_wire_size(session->engine, frame->slice.size);
    int r = out_place(session, size, &place);
    if (r < 0)
        return r;
    kith_zmtp_write(session->engine, kith_frame_data(frame), frame->slice.size, more, place);
    out_written(session, size);
    return 0;
}

static int write_by_reference(struct kith_session *session, const struct kith_frame *frame, bool more) {
    if (!session->sending_header) {
        uint8_t header[KITH_ZMTP_HEADER_MAX], *place;
        size_t size = kith_zmtp_frame_header(frame->slice.size, more, header);
        int r = out_place(session, size, &place);
        if (r < 0)
            return r;
        memcpy(place, header, size);
        out_written(session, size);
        session->sending_header = true;
    }
    int r = out_slice(session, frame->slice);
    if (r >= 0)
        session->sending_header = false;
    return r;
}

bool kith_link_zmtp_carries_fds(const struct kith_session *session, size_t count) {
    return count <= session->peer_fds;
}

static bool goes_as_memfd(const struct kith_session *session, size_t size) {
    return session->peer_memfd && !kith_rings_on(session) && size >= (size_t)session->profile->numbers[KITH_OPTION_MEMFD_FROM];
}

static int write_frame(struct kith_session *session, const kith_msg *msg, size_t index) {
    const struct kith_frame *frame = kith_msg_at(msg, index);
    bool more = index + 1 < msg->count;
    if (goes_as_memfd(session, frame->slice.size) && !session->sending_header) {
        int r = kith_passing_write_memfd(session, msg, index);
        if (r <= 0)
            return r;
    }
    bool copy = frame->slice.size <= FRAME_COPY_MAX || kith_zmtp_seals(session->engine);
    return copy ? write_copy(session, frame, more) : write_by_reference(session, frame, more);
}

int kith_link_zmtp_write(struct kith_session *session, const kith_msg *msg) {
    if (msg->count == 1 && !msg->fds && kith_msg_at(msg, 0)->slice.size <= FRAME_COPY_MAX) /* whole or not at all */
        return write_copy(session, kith_msg_at(msg, 0), false);
    int r = msg->fds && !session->sending_fds ? kith_passing_write_fds(session, msg->fds) : 0;
    if (r < 0)
        return r;
    while (session->sending_frame < msg->count) {
        r = write_frame(session, msg, session->sending_frame);
        if (r < 0)
            return r;
        session->sending_frame++;
    }
    session->sending_frame = 0;
    session->sending_fds = false;
    return 0;
}

int kith_link_zmtp_command(struct kith_session *session, enum kith_session_command command, const void *octets, size_t size) {
    static const enum kith_zmtp_word words[] = {
        [KITH_COMMAND_SUBSCRIBE] = KITH_ZMTP_WORD_SUBSCRIBE,
        [KITH_COMMAND_CANCEL] = KITH_ZMTP_WORD_CANCEL,
        [KITH_COMMAND_JOIN] = KITH_ZMTP_WORD_JOIN,
        [KITH_COMMAND_LEAVE] = KITH_ZMTP_WORD_LEAVE,
    };
    uint8_t *place;
    size_t wire_size = kith_zmtp_word_wire_size(session->engine, words[command], size);
    int r = out_place(session, wire_size, &place);
    if (r < 0)
        return r;
    kith_zmtp_word_write(session->engine, words[command], octets, size, place);
    out_written(session, wire_size);
    return 0;
}

void kith_link_zmtp_refuse(struct kith_session *session, const char *reason) {
    (void)kith_zmtp_tell_error(session->engine, reason);
}

int kith_link_zmtp_ping(struct kith_session *session, unsigned ttl_ms) {
    return kith_zmtp_ping(session->engine, ttl_ms, NULL, 0);
}

bool kith_link_zmtp_spoken(const struct kith_session *session) {
    return kith_zmtp_output_size(session->engine) == 0 && (!kith_rings_on(session) || kith_rings_spoken(session));
}

/* session/link-stream.c: see link-stream.h. */
#include "session/link-stream.h"

#include <errno.h>

#include "base/error.h"

/* Octets in a connection's write queue beyond which messages wait in the session, where they are counted and can be handed to another peer:
 * some socket buffers' worth, so that the kernel never waits for us. */
#define CONN_HIGH_MARK ((size_t)256 * 1024)

static const struct kith_conn_ops *conn_ops(const struct kith_session *session) {
    return session->link == &kith_link_raw ? &kith_link_raw_conn_ops : &kith_link_zmtp_conn_ops;
}

static struct kith_conn_options conn_options(const struct kith_session *session) {
    const int64_t *numbers = session->profile->numbers;
    int64_t connect_ms = numbers[KITH_OPTION_CONNECT_TIMEOUT];
    return (struct kith_conn_options){
        .identity = session->place->endpoint.transport->identity && numbers[KITH_OPTION_IDENTITY] != 0,
        /* With conflate as much waits in the session, where it can still be replaced, as possible. */
        .high_mark = numbers[KITH_OPTION_CONFLATE] != 0 ? 1 : CONN_HIGH_MARK,
        .connect_ms = (uint64_t)(connect_ms > 0 ? connect_ms : numbers[KITH_OPTION_HANDSHAKE_TIMEOUT]),
    };
}

int kith_link_stream_connect(struct kith_session *session) {
    struct kith_conn_options options = conn_options(session);
    return kith_conn_new_connect(session->host->loop, &session->place->endpoint.address, &options, conn_ops(session), session,
                                 &session->conn);
}

int kith_session_new_accepted(struct kith_session_host *host, struct kith_place *place, kith_listener *listener, int fd) {
    struct kith_session *session;
    int r = kith_session_new(host, place, true, &session);
    if (r < 0)
        return r;
    struct kith_conn_options options = conn_options(session);
    r = kith_conn_new_accepted(listener, fd, &options, conn_ops(session), session, &session->conn);
    if (r < 0) {
        kith_session_close(session);
        return r;
    }
    /* From here on the descriptor is the connection's. */
    kith_session_connected(session);
    return 0;
}

void kith_link_stream_flush(struct kith_session *session) {
    if (session->conn)
        kith_conn_flush(session->conn);
}

void kith_link_stream_set_reading(struct kith_session *session, bool reading) {
    if (session->conn && reading)
        kith_conn_resume(session->conn);
    else if (session->conn)
        kith_conn_pause(session->conn);
}

void kith_link_stream_end(struct kith_session *session) {
    kith_conn_drain(session->conn, -1);
}

void kith_link_stream_close(struct kith_session *session) {
    if (session->conn)
        kith_conn_close(session->conn);
}

void kith_link_stream_drop(struct kith_session *session) {
    session->conn = kith_conn_free(session->conn);
}

void kith_link_stream_on_connected(kith_conn *conn, void *userdata) {
    struct kith_session *session = userdata;
    const struct kith_transport *transport = session->place->endpoint.transport;
    if (transport->tune)
        transport->tune(kith_conn_fd(conn));
    kith_session_connected(session);
}

void kith_link_stream_on_writable(kith_conn *conn, void *userdata) {
    (void)conn;
    kith_session_on_room(userdata);
}

void kith_link_stream_on_closed(kith_conn *conn, int error, void *userdata) {
    (void)conn;
    kith_session_fail(userdata, error, error == 0 ? "closed by the peer" : kith_error_name(error));
}

bool kith_link_stream_alive(const struct kith_session *session, const kith_conn *conn) {
    return session->conn == conn && (session->state == KITH_SESSION_HANDSHAKE || session->state == KITH_SESSION_READY);
}

/* Descriptors that came though nobody asks for any are closed by the stream; it is told. */
static void refuse_fds(struct kith_session *session, const struct kith_batch *batch) {
    size_t count = batch->fd_count + batch->fd_refused;
    if (count > 0)
        kith_session_tell(session, KITH_EVENT_FDS_REFUSED, -EPERM, count, "%zu passed descriptors closed: this socket accepts none", count);
}

bool kith_link_stream_heard(struct kith_session *session, kith_conn *conn, struct kith_batch *batch) {
    if (session->state == KITH_SESSION_DRAINING || session->state == KITH_SESSION_CLOSED)
        return false;
    kith_session_heard(session);
    int r = kith_session_identify(session, &batch->sender);
    if (r < 0) {
        kith_session_fail(session, r, "out of memory while identifying the sender");
        return false;
    }
    refuse_fds(session, batch);
    return kith_link_stream_alive(session, conn);
}

/* session/link-stream.c: see link-stream.h. */
#include "session/link-stream.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "base/error.h"
#include "session/dial.h"
#include "session/rings.h"

/* Octets in a connection's write queue beyond which messages wait in the session, where they are counted and can be handed to another peer:
 * some socket buffers' worth, so that the kernel never waits for us. */
#define CONN_HIGH_MARK ((size_t)256 * 1024)

static const struct kith_conn_ops *conn_ops(const struct kith_session *session) {
    return session->link == &kith_link_raw ? &kith_link_raw_conn_ops : &kith_link_zmtp_conn_ops;
}

uint64_t kith_link_stream_connect_ms(const struct kith_session *session) {
    const int64_t *numbers = session->profile->numbers;
    int64_t connect_ms = numbers[KITH_OPTION_CONNECT_TIMEOUT];
    return (uint64_t)(connect_ms > 0 ? connect_ms : numbers[KITH_OPTION_HANDSHAKE_TIMEOUT]);
}

/* net: room for those of the kernel's sockets. */
static struct kith_conn_options conn_options(const struct kith_session *session, struct kith_net_options *net) {
    const int64_t *numbers = session->profile->numbers;
    return (struct kith_conn_options){
        .identity = session->place->endpoint.transport->identity && numbers[KITH_OPTION_IDENTITY] != 0,
        .receive_fds = kith_passing_room(session) + kith_rings_receive_fds(session),
        /* With conflate as much waits in the session, where it can still be replaced, as possible. */
        .high_mark = numbers[KITH_OPTION_CONFLATE] != 0 ? 1 : CONN_HIGH_MARK,
        .connect_ms = kith_link_stream_connect_ms(session),
        .net = kith_profile_net(session->profile, net) ? net : NULL,
    };
}

int kith_link_stream_try(struct kith_session *session, const struct kith_address *address) {
    struct kith_net_options net;
    struct kith_conn_options options = conn_options(session, &net);
    session->conn = kith_conn_free(session->conn);
    return kith_conn_new_connect(session->host->loop, address, &options, conn_ops(session), session, &session->conn);
}

int kith_link_stream_connect(struct kith_session *session) {
    const struct kith_endpoint *endpoint = &session->place->endpoint;
    return endpoint->name[0] != '\0' ? kith_dial_begin(session) : kith_link_stream_try(session, &endpoint->address);
}

int kith_session_new_accepted(struct kith_session_host *host, struct kith_place *place, kith_listener *listener, int fd) {
    struct kith_session *session;
    int r = kith_session_new(host, place, true, &session);
    if (r < 0)
        return r;
    struct kith_net_options net;
    struct kith_conn_options options = conn_options(session, &net);
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

/* What the kernel still has: over TCP the unacknowledged octets, over AF_UNIX those not read; none that it can tell over AF_VSOCK. A peer
 * that closes with octets unread frees them: what has hung up says nothing. */
bool kith_link_stream_taken(const struct kith_session *session) {
    struct pollfd pollfd = {.fd = session->conn ? kith_conn_fd(session->conn) : -1};
    int left = 0;
    if (pollfd.fd < 0 || kith_conn_queued(session->conn) > 0)
        return false;
    return (ioctl(pollfd.fd, SIOCOUTQ, &left) < 0 || left == 0) && poll(&pollfd, 1, 0) == 0;
}

void kith_link_stream_end(struct kith_session *session) {
    kith_conn_drain(session->conn, -1);
}

void kith_link_stream_close(struct kith_session *session) {
    if (session->conn)
        kith_conn_close(session->conn);
    session->dial = kith_dial_free(session->dial);
}

void kith_link_stream_drop(struct kith_session *session) {
    session->conn = kith_conn_free(session->conn);
    session->dial = kith_dial_free(session->dial);
}

void kith_link_stream_on_connected(kith_conn *conn, void *userdata) {
    struct kith_session *session = userdata;
    const struct kith_transport *transport = session->place->endpoint.transport;
    if (transport->tune)
        transport->tune(kith_conn_fd(conn));
    session->dial = kith_dial_free(session->dial);
    kith_session_connected(session);
}

void kith_link_stream_on_writable(kith_conn *conn, void *userdata) {
    (void)conn;
    kith_session_on_room(userdata);
}

/* vsock alone: of other families connecting says nothing that a module would mend. */
static const char *stream_remedy(const struct kith_session *session, int error) {
    int family = session->place->endpoint.address.storage.ss_family;
    return family == AF_VSOCK ? kith_address_remedy(family, error) : kith_error_name(error);
}

void kith_link_stream_on_closed(kith_conn *conn, int error, void *userdata) {
    (void)conn;
    struct kith_session *session = userdata;
    char text[KITH_ERROR_TEXT_MAX];
    if (error == 0)
        (void)snprintf(text, sizeof(text), "closed by the peer");
    else
        (void)snprintf(text, sizeof(text), "%s", stream_remedy(session, error));
    if (!kith_dial_next(session, error, text, sizeof(text)))
        kith_session_fail(session, error, text);
}

bool kith_link_stream_alive(const struct kith_session *session, const kith_conn *conn) {
    return session->conn == conn && (session->state == KITH_SESSION_HANDSHAKE || session->state == KITH_SESSION_READY);
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
    kith_passing_arrived(session, batch);
    return kith_link_stream_alive(session, conn);
}

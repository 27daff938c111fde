/*
 * From nothing to connected.
 *
 * TCP goes on in the background and reports with KITH_IO_WRITE. AF_UNIX answers at once: connected, refused, or EAGAIN when the listener's
 * backlog is full; there is no event for room in somebody else's backlog, so that is tried again by the timer, within connect_ms.
 * Whatever connect() says, the application hears it from the loop.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/time.h"
#include "stream/conn.h"
#include "stream/net.h"

/* Pauses between attempts at a full backlog, milliseconds: a live server empties it in far less than the first, a stuck one is not
 * pestered. */
#define RETRY_FIRST_MS 5
#define RETRY_MAX_MS 200

KITH_DEFINE_CLEANUP(kith_conn *, kith_conn_free)

static void retry_later(kith_conn *conn) {
    struct conn_deadlines *deadlines = conn->deadlines;
    deadlines->retry_ms = deadlines->retry_ms == 0 ? RETRY_FIRST_MS : 2 * deadlines->retry_ms;
    if (deadlines->retry_ms > RETRY_MAX_MS)
        deadlines->retry_ms = RETRY_MAX_MS;
    deadlines->retry_at = kith_time_now() + deadlines->retry_ms * KITH_NS_PER_MS;
    conn_schedule(conn);
}

void conn_connect(kith_conn *conn) {
    conn->deadlines->retry_at = CONN_NEVER;
    if (connect(conn->fd, (const struct sockaddr *)&conn->target->storage, conn->target->size) == 0) {
        conn->answered = true;
        kith_loop_defer(conn->loop, &conn->defer);
    } else if (errno == EINPROGRESS) {
        conn_watch(conn, KITH_IO_WRITE);
    } else if (errno == EAGAIN && conn->family == AF_UNIX) {
        retry_later(conn);
    } else {
        conn->answered = true;
        conn_fail(conn, -errno);
        kith_loop_defer(conn->loop, &conn->defer);
    }
}

/* A port of the ephemeral range on this host, where nobody listens, can be given to the connecting socket itself, which then meets
 * itself (RFC 9293, simultaneous open). Nobody wants that connection. */
static bool met_itself(const kith_conn *conn) {
    struct sockaddr_storage own = {0}, peer = {0};
    socklen_t own_size = sizeof(own), peer_size = sizeof(peer);
    if ((conn->family != AF_INET && conn->family != AF_INET6) || getsockname(conn->fd, (struct sockaddr *)&own, &own_size) < 0 ||
        getpeername(conn->fd, (struct sockaddr *)&peer, &peer_size) < 0)
        return false;
    return own_size == peer_size && memcmp(&own, &peer, own_size) == 0;
}

unsigned conn_connected(kith_conn *conn) {
    unsigned count = 0;
    if (conn->failure != 0 || (conn->draining && conn->queue.octets == 0)) /* given up: connected to no end */
        return 0;
    int error = conn_socket_error(conn);
    if (error == 0 && met_itself(conn))
        error = -ECONNREFUSED;
    if (error != 0) {
        conn_fail(conn, error);
        return 0;
    }

    conn->deadlines->connect_at = conn->deadlines->retry_at = CONN_NEVER;
    free(KITH_STEAL(conn->target));
    conn_open(conn);
    if (conn->failure == 0 && conn->ops->connected) {
        conn->ops->connected(conn, conn->userdata);
        count = 1;
    }
    if (conn->state == CONN_OPEN && !conn_is_inert(conn))
        conn_transmit(conn, false);
    return count;
}

int kith_conn_new_connect(kith_loop *loop, const struct kith_address *address, const struct kith_conn_options *options,
                          const struct kith_conn_ops *ops, void *userdata, kith_conn **ret_conn) {
    if (!loop || !address || !ops || !ops->data || !ret_conn || address->size > sizeof(address->storage))
        return -EINVAL;

    _cleanup_(kith_conn_freep) kith_conn *conn = NULL;
    int r = conn_new(loop, NULL, options, ops, userdata, &conn);
    if (r >= 0)
        r = conn_deadlines_need(conn);
    if (r < 0)
        return r;
    conn->target = malloc(sizeof(*conn->target));
    if (!conn->target)
        return -ENOMEM;
    *conn->target = *address;

    conn->family = (uint8_t)address->storage.ss_family;
    conn->fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (conn->fd < 0)
        return -errno;
    conn->identity = conn->identity && conn->family == AF_UNIX;
    if (conn->identity && setsockopt(conn->fd, SOL_SOCKET, SO_PASSCRED, &(int){1}, sizeof(int)) < 0)
        return -errno;

    r = kith_net_apply(conn->fd, conn->family, options ? options->net : NULL, KITH_NET_FRESH, NULL);
    if (r < 0)
        return r;

    if (options && options->connect_ms > 0)
        conn->deadlines->connect_at = kith_time_now() + options->connect_ms * KITH_NS_PER_MS;
    conn_connect(conn);
    conn_schedule(conn);
    *ret_conn = KITH_STEAL(conn);
    return 0;
}

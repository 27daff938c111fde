/* What the kernel says of the other end of a connection. */
#include <errno.h>
#include <sys/socket.h>

#include "stream/conn.h"
#include "stream/internal.h"

int kith_conn_peer(const kith_conn *conn, struct kith_sender *ret_sender) {
    if (!conn || !ret_sender)
        return -EINVAL;
    if (conn->family != AF_UNIX)
        return -ENODATA;
    if (conn->state != CONN_OPEN)
        return -ENOTCONN;

    struct ucred credentials;
    socklen_t size = sizeof(credentials);
    if (getsockopt(conn->fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
        return -errno;
    if (credentials.uid == (uid_t)-1) /* the kernel's answer for a socket that has no peer */
        return -ENOTCONN;

    struct kith_sender sender = {.pid = credentials.pid, .uid = credentials.uid, .gid = credentials.gid, .pidfd = -1};
    sender.known = conn_sender_known(&sender);
    size = sizeof(sender.pidfd);
    if (getsockopt(conn->fd, SOL_SOCKET, SO_PEERPIDFD, &sender.pidfd, &size) < 0)
        sender.pidfd = -1; /* before Linux 6.5, or the process was reaped on a kernel that then gives none */
    *ret_sender = sender;
    return 0;
}

int kith_conn_peer_address(const kith_conn *conn, struct kith_address *ret_address) {
    if (!conn || !ret_address)
        return -EINVAL;
    if (conn->state != CONN_OPEN)
        return -ENOTCONN;

    struct kith_address address = {.size = sizeof(address.storage)};
    if (getpeername(conn->fd, (struct sockaddr *)&address.storage, &address.size) < 0)
        return -errno;
    *ret_address = address;
    return 0;
}

int kith_conn_set_pass_pidfd(kith_conn *conn, bool on) {
    if (conn->family != AF_UNIX)
        return -EOPNOTSUPP;
    if (conn->state == CONN_CLOSED)
        return -ENOTCONN;
    int value = on, r = 0;
    conn_stop_reading(conn); /* what is under way has no room for one: it would be told as cut off */
    if (setsockopt(conn->fd, SOL_SOCKET, SO_PASSPIDFD, &value, sizeof(value)) < 0)
        r = -errno;
    else
        conn->pass_pidfd = on;
    conn_go_on_reading(conn);
    return r;
}

/*
 * Octets out.
 *
 * A write only queues; what one step's callbacks wrote goes out in one system call when the loop would go idle, or at once when enough has
 * gathered. KITH_IO_WRITE is watched only while the kernel has refused octets (blocked): until it says otherwise nothing is tried.
 */
#include <errno.h>
#include <sys/socket.h>

#include "stream/conn.h"

/* Queued octets that are worth a system call of their own (notes: bigger batches gain nothing). */
#define FLUSH_SIZE ((size_t)64 * 1024)

/* Pieces of one sendmsg(); the kernel copies the array, and up to 8 are on its stack (UIO_FASTIOV). */
#define IOV_COUNT 64

/* The write side is gone. What the peer sent before is still to be read: no more can come after SHUT_RD, so that this has an end. */
static void write_failed(kith_conn *conn, int error) {
    kith_queue_clear(&conn->queue);
    conn->blocked = false;
    if (conn->failure == 0)
        conn->failure = error;
    shutdown(conn->fd, SHUT_RD);
}

void conn_transmit(kith_conn *conn) {
    while (conn->queue.octets > 0 && !conn->blocked) {
        struct iovec iov[IOV_COUNT];
        size_t octets;
        struct msghdr message = {.msg_iov = iov};
        message.msg_iovlen = kith_queue_front(&conn->queue, iov, IOV_COUNT, &octets);

        /* One piece is the usual case, and there is less for the kernel to copy in and check. */
        ssize_t n = message.msg_iovlen == 1 ? send(conn->fd, iov[0].iov_base, iov[0].iov_len, MSG_NOSIGNAL | MSG_DONTWAIT)
                                            : sendmsg(conn->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN) {
            write_failed(conn, -errno);
            return;
        }
        if (n > 0)
            kith_queue_consume(&conn->queue, (size_t)n);
        if (n > 0 && conn->read_end)
            conn->received_at = kith_loop_now(conn->loop); /* nothing can be received any more: its reading is the peer's sign of life */
        if (n < 0 || (size_t)n < octets) {
            conn->blocked = true;
            kith_queue_settle(&conn->queue);
        }
    }
    if (conn->choked && conn->queue.octets <= conn->low_mark) {
        conn->choked = false;
        conn->relieved = true;
    }
}

static int may_write(kith_conn *conn) {
    if (conn_is_inert(conn))
        return -ESHUTDOWN;
    /* A failure to connect is told by `closed` alone. */
    if (conn->state == CONN_CLOSED || conn->draining || (conn->failure != 0 && conn->state == CONN_OPEN))
        return -EPIPE;
    if (conn->queue.octets >= conn->high_mark) {
        conn->choked = true;
        return -EAGAIN;
    }
    return 0;
}

static void written(kith_conn *conn) {
    size_t enough = conn->high_mark < FLUSH_SIZE ? conn->high_mark : FLUSH_SIZE;
    if (conn->state == CONN_OPEN && conn->queue.octets >= enough)
        conn_transmit(conn);
    if (conn->queue.octets >= conn->high_mark)
        conn->choked = true;
    /* Already waiting for room: the loop has been told. */
    if (!conn->blocked || !(conn->watch & KITH_IO_WRITE))
        kith_loop_defer(conn->loop, &conn->defer);
}

int kith_conn_write(kith_conn *conn, const void *data, size_t size) {
    if (!conn || (!data && size > 0))
        return -EINVAL;
    int r = may_write(conn);
    if (r < 0)
        return r;
    r = kith_queue_copy(&conn->queue, kith_loop_pool(conn->loop), data, size);
    if (r < 0)
        return r;
    written(conn);
    return 0;
}

int kith_conn_write_slice(kith_conn *conn, struct kith_slice slice) {
    if (!conn || (!slice.data && slice.size > 0))
        return -EINVAL;
    int r = may_write(conn);
    if (r < 0)
        return r;
    r = kith_queue_slice(&conn->queue, kith_loop_pool(conn->loop), slice);
    if (r < 0)
        return r;
    written(conn);
    return 0;
}

/* Nothing for the end of the step to do. */
static bool at_rest(const kith_conn *conn) {
    return conn->queue.octets == 0 && conn->failure == 0 && !conn->relieved && !conn->draining && !conn->read_end &&
           (conn->watch & KITH_IO_READ);
}

void kith_conn_flush(kith_conn *conn) {
    if (!conn || conn->state != CONN_OPEN || conn->queue.octets == 0 || conn->blocked || conn_is_inert(conn))
        return;
    conn_transmit(conn);
    /* What was deferred when the octets were queued would only keep the loop from waiting at once. */
    if (at_rest(conn))
        kith_defer_cancel(&conn->defer);
    else
        kith_loop_defer(conn->loop, &conn->defer);
}

size_t kith_conn_queued(const kith_conn *conn) {
    return conn ? conn->queue.octets : 0;
}

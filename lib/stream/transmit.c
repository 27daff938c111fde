/*
 * Octets out.
 *
 * A write only queues; what one step's callbacks wrote goes out in one send when the loop would go idle, or at once when enough has
 * gathered. One piece, the usual case, is the backend's to send, so that the sends of many connections can be one system call; several
 * pieces, files and what has descriptors go by calls of their own. One send is under way at a time, so octets keep their order.
 * KITH_IO_WRITE is watched only while the kernel has refused octets (blocked): until it says otherwise nothing is tried.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>

#include "base/time.h"
#include "stream/conn.h"

/* Pieces of one sendmsg(); the kernel copies the array, and up to 8 are on its stack (UIO_FASTIOV). */
#define IOV_COUNT 64
/* Octets of a file in a row, before others have their turn. */
#define FILE_MAX ((size_t)1024 * 1024)
/* What a connection may hold when all together hold too much. */
#define CROWDED_MARK ((size_t)16 * 1024)

static bool crowded(const kith_conn *conn) {
    const struct kith_charge *unsent = kith_loop_unsent(conn->loop);
    return unsent->used >= unsent->limit;
}

static size_t at_most(size_t mark, size_t limit) {
    return mark < limit ? mark : limit;
}

size_t conn_high_mark(const kith_conn *conn) {
    return crowded(conn) ? at_most(conn->profile->options.high_mark, CROWDED_MARK) : conn->profile->options.high_mark;
}

static size_t low_mark(const kith_conn *conn) {
    return crowded(conn) ? at_most(conn->profile->options.low_mark, CROWDED_MARK / 4) : conn->profile->options.low_mark;
}

static void consume(kith_conn *conn, size_t size) {
    kith_charge_give(kith_loop_unsent(conn->loop), size);
    kith_queue_consume(&conn->queue, size);
}

void conn_queue_clear(kith_conn *conn) {
    conn->quiet = 0;
    kith_charge_give(kith_loop_unsent(conn->loop), conn->queue.octets);
    kith_queue_clear(&conn->queue);
}

/* The write side is gone. What the peer sent before is still to be read: no more can come after SHUT_RD, so that this has an end. */
static void write_failed(kith_conn *conn, int error) {
    conn_queue_clear(conn);
    conn->blocked = false;
    if (conn->failure == 0)
        conn->failure = error;
    shutdown(conn->fd, SHUT_RD);
}

/* A queue that waits because the kernel has as many descriptors of this user under way as it allows: nothing tells when that is over. */
#define REFS_RETRY_FIRST_MS 1
#define REFS_RETRY_MAX_MS 128
#define REFS_GIVE_UP_MS 30000

static void no_wait_for_refs(kith_conn *conn) {
    if (conn->refs_short)
        conn->deadlines->retry_at = CONN_NEVER;
    conn->refs_short = false;
}

static void wait_for_refs(kith_conn *conn) {
    int r = conn_deadlines_need(conn);
    if (r < 0) {
        write_failed(conn, r);
        return;
    }
    struct conn_deadlines *deadlines = conn->deadlines;
    uint64_t now = kith_time_now();
    if (!conn->refs_short) {
        deadlines->give_up_at = now + REFS_GIVE_UP_MS * KITH_NS_PER_MS;
        deadlines->retry_ms = REFS_RETRY_FIRST_MS;
    } else if (now >= deadlines->give_up_at) {
        no_wait_for_refs(conn);
        write_failed(conn, -ETOOMANYREFS);
        return;
    } else if (deadlines->retry_ms < REFS_RETRY_MAX_MS) {
        deadlines->retry_ms *= 2;
    }
    conn->refs_short = true;
    conn->blocked = true;
    deadlines->retry_at = now + deadlines->retry_ms * KITH_NS_PER_MS;
    conn_schedule(conn);
}

/* The kernel was given `octets` and answered with `result`. */
static void took(kith_conn *conn, ssize_t result, size_t octets) {
    if (result == -ETOOMANYREFS) {
        wait_for_refs(conn);
        return;
    }
    no_wait_for_refs(conn);
    if (result < 0 && result != -EAGAIN) {
        write_failed(conn, (int)result);
        return;
    }
    if (result > 0)
        consume(conn, (size_t)result);
    if (result > 0 && conn->read_end)
        conn_lives(conn); /* nothing can be received any more: its reading is the peer's sign of life */
    if (result < 0 || (size_t)result < octets) {
        conn->blocked = true;
        kith_queue_settle(&conn->queue);
    }
}

/* sendfile(2) has no MSG_NOSIGNAL: a peer that reads no more must not end the process. The signal is for this thread, so that it can be
 * taken back; one that was pending before stays. Even a call that sent something may have raised it. */
static ssize_t sendfile_quietly(int fd, struct kith_queue_file *file, size_t size) {
    sigset_t broken_pipe, before, pending;
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken_pipe, &before);
    bool was_pending = sigismember(&before, SIGPIPE) && sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE);
    ssize_t n = sendfile(fd, file->fd, &file->offset, size);
    if (n < 0)
        n = -errno;
    if (!was_pending)
        (void)sigtimedwait(&broken_pipe, NULL, &(struct timespec){0});
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return n;
}

/* A file that ended before what was promised of it: the peer waits for octets that nobody has. */
static ssize_t send_file(kith_conn *conn, struct kith_queue_file *file, size_t size) {
    ssize_t n = sendfile_quietly(conn->fd, file, at_most(size, FILE_MAX));
    return n == 0 ? -ENODATA : n;
}

static void put_fds(const struct kith_fds *fds, struct msghdr *message, struct cmsghdr *header) {
    int there[KITH_FDS_MAX];
    size_t count = kith_fds_there(fds, there);
    memset(header, 0, CMSG_SPACE(count * sizeof(int))); /* the padding too */
    *header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(count * sizeof(int))};
    memcpy(CMSG_DATA(header), there, count * sizeof(int));
    message->msg_control = header;
    message->msg_controllen = CMSG_SPACE(count * sizeof(int));
}

static ssize_t send_pieces(kith_conn *conn, struct iovec *iov, size_t count, const struct kith_fds *fds) {
    union {
        struct cmsghdr header;
        uint8_t octets[CMSG_SPACE(KITH_FDS_MAX * sizeof(int))];
    } control;
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = count};
    if (fds)
        put_fds(fds, &message, &control.header);
    ssize_t n = sendmsg(conn->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    return n < 0 ? -errno : n;
}

/* Returns false when nothing more is to be tried now. */
static bool transmit_front(kith_conn *conn, bool now) {
    struct iovec iov[IOV_COUNT];
    size_t octets, file_size;
    struct kith_queue_file *file = kith_queue_front_file(&conn->queue, &file_size);
    ssize_t n;
    if (file) {
        octets = at_most(file_size, FILE_MAX);
        n = send_file(conn, file, file_size);
    } else {
        size_t count = kith_queue_front(&conn->queue, iov, IOV_COUNT, &octets);
        struct kith_fds *fds = kith_queue_front_fds(&conn->queue);
        bool alone = count == 1 && !fds;
        n = alone ? kith_loop_send(conn->loop, &conn->watch, iov[0].iov_base, iov[0].iov_len, now) : send_pieces(conn, iov, count, fds);
    }
    if (n == -EINPROGRESS) {
        conn->sending = true;
        conn->asked = (uint32_t)at_most(octets, UINT32_MAX);
        return false;
    }
    if (n == -EINTR)
        return true;
    took(conn, n, octets);
    return !file || conn->failure != 0 || conn->blocked;
}

static void relieve(kith_conn *conn) {
    if (conn->choked && conn->queue.octets <= low_mark(conn)) {
        conn->choked = false;
        conn->relieved = true;
    }
}

void conn_transmit(kith_conn *conn, bool now) {
    bool more = !conn->sending;
    conn->quiet = 0;
    while (more && conn->queue.octets > 0 && !conn->blocked)
        more = transmit_front(conn, now);
    relieve(conn);
    if (!conn->sending && !conn->blocked && conn->queue.octets > 0) /* the rest of a file, after the others */
        kith_loop_defer(conn->loop, &conn->defer);
}

void conn_sent(kith_conn *conn, int result) {
    conn->sending = false;
    conn->quiet = 0;
    took(conn, result, conn->asked);
    relieve(conn);
    if (conn->queue.octets > 0 || conn->blocked || conn->relieved || conn->failure != 0 || conn->draining)
        kith_loop_defer(conn->loop, &conn->defer);
}

/*
 * A connection's life. See conn.h for the model.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/time.h"
#include "stream/conn.h"

#define HIGH_MARK_DEFAULT ((size_t)1024 * 1024)
/* Longest deadline that is kept exactly; beyond it (584 years less a bit) nanoseconds overflow. */
#define MS_MAX (UINT64_MAX / KITH_NS_PER_MS / 2)
#define RECEIVE_FDS_MAX 253 /* SCM_MAX_FD, include/net/scm.h */

KITH_DEFINE_CLEANUP(kith_conn *, kith_conn_free)

static void on_deferred(struct kith_defer *defer);
static void on_timer(kith_timer *timer, void *userdata);

/* Makes and ends ---------------------------------------------------------------------------------------------------- */

int conn_new(kith_loop *loop, const struct kith_conn_options *options, const struct kith_conn_ops *ops, void *userdata,
             kith_conn **ret_conn) {
    static const struct kith_conn_options none = {0};
    if (!options)
        options = &none;
    size_t high_mark = options->high_mark > 0 ? options->high_mark : HIGH_MARK_DEFAULT;
    size_t low_mark = options->low_mark > 0 ? options->low_mark : high_mark / 4;
    if (low_mark >= high_mark || options->receive_fds > RECEIVE_FDS_MAX || options->idle_ms > MS_MAX || options->connect_ms > MS_MAX)
        return -EINVAL;

    _cleanup_(kith_conn_freep) kith_conn *conn = calloc(1, sizeof(*conn));
    if (!conn)
        return -ENOMEM;
    conn->refs = 1;
    conn->loop = loop;
    conn->fd = -1;
    conn->identity = options->identity;
    conn->receive_fds = options->receive_fds;
    conn->high_mark = high_mark;
    conn->low_mark = low_mark;
    conn->idle_ns = options->idle_ms * KITH_NS_PER_MS;
    conn->connect_at = conn->retry_at = conn->drain_at = CONN_NEVER;
    conn->ops = ops;
    conn->userdata = userdata;
    kith_queue_init(&conn->queue);
    kith_defer_init(&conn->defer, on_deferred);
    int r = kith_timer_new(loop, on_timer, conn, &conn->timer);
    if (r < 0)
        return r;
    *ret_conn = KITH_STEAL(conn);
    return 0;
}

/* Asks the descriptor what it is, and makes it fit. The kernel reports MSG_CTRUNC when credentials come and nobody has room for them, so
 * SO_PASSCRED inherited from a listener is switched off when identity is not wanted. */
static int adopt(kith_conn *conn, int fd) {
    int type, identity = conn->identity;
    socklen_t size = sizeof(type);
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
        return -errno;
    if (type != SOCK_STREAM)
        return -EPROTOTYPE;
    size = sizeof(conn->family);
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &conn->family, &size) < 0)
        return -errno;
    if (conn->family != AF_UNIX)
        conn->identity = false;
    else if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &identity, sizeof(identity)) < 0)
        return -errno;

    int r = kith_fd_set_nonblock(fd);
    return r < 0 ? r : kith_fd_set_cloexec(fd);
}

int kith_conn_new_fd(kith_loop *loop, int fd, const struct kith_conn_options *options, const struct kith_conn_ops *ops, void *userdata,
                     kith_conn **ret_conn) {
    if (!loop || !ops || !ops->data || !ret_conn)
        return -EINVAL;

    _cleanup_(kith_conn_freep) kith_conn *conn = NULL;
    int r = conn_new(loop, options, ops, userdata, &conn);
    if (r < 0)
        return r;
    r = adopt(conn, fd);
    if (r < 0)
        return r;
    conn->fd = fd;
    conn_open(conn);
    if (conn->failure != 0) {
        conn->fd = -1; /* stays the caller's */
        return conn->failure;
    }
    *ret_conn = KITH_STEAL(conn);
    return 0;
}

static kith_conn *hold(kith_conn *conn) {
    conn->refs++;
    return conn;
}

static void release(kith_conn *conn) {
    if (--conn->refs == 0)
        free(conn);
}

void kith_conn_close(kith_conn *conn) {
    if (!conn || conn->state == CONN_CLOSED)
        return;
    conn->state = CONN_CLOSED;
    conn->io = kith_io_free(conn->io);
    conn->watch = 0;
    conn->timer = kith_timer_free(conn->timer);
    conn->fd = kith_close(conn->fd);
    kith_defer_cancel(&conn->defer);
    kith_queue_clear(&conn->queue);
    free(KITH_STEAL(conn->target));
}

kith_conn *kith_conn_free(kith_conn *conn) {
    if (conn) {
        kith_conn_close(conn);
        release(conn);
    }
    return NULL;
}

void conn_fail(kith_conn *conn, int error) {
    if (conn->failure == 0)
        conn->failure = error;
    conn->read_end = true;
}

static void finish(kith_conn *conn, int error) {
    if (conn->state == CONN_CLOSED)
        return;
    kith_conn_close(conn);
    if (conn->ops->closed)
        conn->ops->closed(conn, error, conn->userdata);
}

int conn_socket_error(kith_conn *conn) {
    int error = 0;
    socklen_t size = sizeof(error);
    if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        return -errno;
    return -error;
}

/* Events -------------------------------------------------------------------------------------------------------------- */

/* What to watch from now on. Paused, reading goes on being watched until something comes, so that pause and resume cost nothing when
 * nothing does. With nothing watched a hang-up is reported once (kith_io_new()), so neither a paused nor a half-closed connection spins. */
static void rewatch(kith_conn *conn) {
    unsigned events = 0;
    if (!conn->read_end && (!conn->paused || ((conn->watch & KITH_IO_READ) && !conn->pressed)))
        events |= KITH_IO_READ;
    if (conn->blocked)
        events |= KITH_IO_WRITE;
    if (!conn->io || events != conn->watch)
        conn_watch(conn, events);
}

/* The end of every handler: tells what is due. */
static void settle(kith_conn *conn) {
    if (conn_is_inert(conn))
        return;
    if (conn->state == CONN_OPEN && conn->relieved && !conn->draining && conn->failure == 0) {
        conn->relieved = false;
        if (conn->ops->writable)
            conn->ops->writable(conn, conn->userdata);
    }
    if (conn->state == CONN_OPEN && !(conn->failure != 0 && conn->read_end))
        rewatch(conn);
    if (conn->state == CONN_CLOSED)
        return;

    if (conn->failure != 0 && conn->read_end) {
        finish(conn, conn->failure);
    } else if (conn->draining && conn->queue.octets == 0) {
        if (conn->state == CONN_CONNECTING || conn->read_end) {
            finish(conn, 0);
        } else if (!conn->shut) {
            conn->shut = true;
            shutdown(conn->fd, SHUT_WR);
        }
    }
}

/* The socket is hung up and nothing is left to read: nothing can be sent either. */
static void hung_up_after_end(kith_conn *conn) {
    int error = conn_socket_error(conn);
    if (error == 0 && conn->queue.octets > 0)
        error = -EPIPE;
    finish(conn, error);
}

static void on_io(kith_io *io, int fd, unsigned events, void *userdata) {
    kith_conn *conn = hold(userdata);
    if (conn->state == CONN_CONNECTING) {
        conn_connected(conn);
    } else {
        if (events & KITH_IO_HANGUP)
            conn->hung_up = true;
        if (conn->blocked && (events & (KITH_IO_WRITE | KITH_IO_HANGUP))) {
            conn->blocked = false;
            conn_transmit(conn);
        }
        if (conn->read_end && conn->hung_up)
            hung_up_after_end(conn);
        else if (conn->paused)
            conn->pressed = conn->pressed || (events & (KITH_IO_READ | KITH_IO_HANGUP));
        else if (events & (KITH_IO_READ | KITH_IO_HANGUP))
            conn_receive(conn);
    }
    settle(conn);
    release(conn);
}

static void on_deferred(struct kith_defer *defer) {
    kith_conn *conn = hold(KITH_CONTAINER_OF(defer, kith_conn, defer));
    if (conn->state == CONN_OPEN)
        conn_transmit(conn);
    else if (conn->answered)
        conn_connected(conn);
    settle(conn);
    release(conn);
}

void conn_watch(kith_conn *conn, unsigned events) {
    int r = conn->io ? kith_io_set_events(conn->io, events) : kith_io_new(conn->loop, conn->fd, events, on_io, conn, &conn->io);
    if (r < 0)
        conn_fail(conn, r);
    else
        conn->watch = events;
}

void conn_open(kith_conn *conn) {
    conn->state = CONN_OPEN;
    conn->received_at = kith_time_now();
    conn_watch(conn, KITH_IO_READ);
    conn_schedule(conn);
}

/* Timer ---------------------------------------------------------------------------------------------------------------- */

static uint64_t idle_at(const kith_conn *conn) {
    return conn->idle_ns > 0 && conn->state == CONN_OPEN ? conn->received_at + conn->idle_ns : CONN_NEVER;
}

static void expire(kith_conn *conn) {
    uint64_t now = kith_time_now();
    if (conn->paused)
        conn->received_at = now; /* nothing was received because we did not want it */
    if (now >= idle_at(conn) || now >= conn->drain_at || (conn->state == CONN_CONNECTING && now >= conn->connect_at))
        conn_fail(conn, -ETIMEDOUT);
}

static void on_timer(kith_timer *timer, void *userdata) {
    kith_conn *conn = hold(userdata);
    if (conn->state == CONN_CONNECTING && kith_time_now() >= conn->retry_at)
        conn_connect(conn);
    conn_receive(conn); /* the loop may have been held up: what has arrived meanwhile counts */
    settle(conn);
    if (conn->state != CONN_CLOSED && !conn_is_inert(conn)) {
        expire(conn);
        conn_schedule(conn);
        settle(conn);
    }
    release(conn);
}

void conn_schedule(kith_conn *conn) {
    uint64_t at = idle_at(conn);
    at = conn->drain_at < at ? conn->drain_at : at;
    at = conn->connect_at < at ? conn->connect_at : at;
    at = conn->retry_at < at ? conn->retry_at : at;
    if (at == CONN_NEVER) {
        kith_timer_disarm(conn->timer);
        return;
    }

    uint64_t now = kith_time_now();
    uint64_t after_ms = at > now ? (at - now + KITH_NS_PER_MS - 1) / KITH_NS_PER_MS : 0;
    int r = kith_timer_arm(conn->timer, after_ms, 0);
    if (r < 0)
        conn_fail(conn, r);
}

/* What the application asks for --------------------------------------------------------------------------------------- */

void kith_conn_drain(kith_conn *conn, int64_t deadline_ms) {
    if (!conn || conn->state == CONN_CLOSED || conn_is_inert(conn))
        return;
    uint64_t deadline = deadline_ms < 0 || (uint64_t)deadline_ms > MS_MAX ? CONN_NEVER : (uint64_t)deadline_ms * KITH_NS_PER_MS;
    conn->draining = true;
    conn->drain_at = deadline == CONN_NEVER ? CONN_NEVER : kith_time_now() + deadline;
    conn_schedule(conn);
    kith_loop_defer(conn->loop, &conn->defer);
}

void kith_conn_pause(kith_conn *conn) {
    if (conn)
        conn->paused = true;
}

void kith_conn_resume(kith_conn *conn) {
    if (!conn || !conn->paused)
        return;
    conn->paused = conn->pressed = false;
    if (conn->state != CONN_OPEN || conn_is_inert(conn))
        return;
    conn->received_at = kith_time_now();
    if (!(conn->watch & KITH_IO_READ))
        kith_loop_defer(conn->loop, &conn->defer);
}

void kith_conn_set_userdata(kith_conn *conn, void *userdata) {
    if (conn)
        conn->userdata = userdata;
}

void *kith_conn_userdata(kith_conn *conn) {
    return conn ? conn->userdata : NULL;
}

int kith_conn_fd(const kith_conn *conn) {
    return conn ? conn->fd : -1;
}

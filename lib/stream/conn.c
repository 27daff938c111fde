/*
 * A connection's life. See conn.h for the model.
 */
#include "stream/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <kith/cmsg.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/time.h"
#include "stream/internal.h"

#define HIGH_MARK_DEFAULT ((size_t)1024 * 1024)
#define LINGER_DEFAULT_MS ((uint64_t)30 * 1000)
/* Longest deadline that is kept exactly; beyond it (584 years less a bit) nanoseconds overflow. */
#define MS_MAX (UINT64_MAX / KITH_NS_PER_MS / 2)

KITH_DEFINE_CLEANUP(kith_conn *, kith_conn_free)

static const struct kith_watch_ops watch_ops;
static unsigned on_deferred(struct kith_defer *defer);

/* Options --------------------------------------------------------------------------------------------------------------- */

struct conn_profile *conn_profile_new(const struct kith_conn_options *options, int *ret_error) {
    struct conn_profile *profile = calloc(1, sizeof(*profile));
    if (!profile) {
        *ret_error = -ENOMEM;
        return NULL;
    }
    profile->refs = 1;
    if (options)
        profile->asked = profile->options = *options;
    struct kith_conn_options *o = &profile->options;
    profile->asked.net = o->net = NULL; /* lent for the call that it came with */
    if (o->high_mark == 0)
        o->high_mark = HIGH_MARK_DEFAULT;
    if (o->low_mark == 0)
        o->low_mark = o->high_mark / 4;
    if (o->linger_ms == 0)
        o->linger_ms = LINGER_DEFAULT_MS;
    if (o->low_mark >= o->high_mark || o->receive_fds > KITH_CMSG_MAX_FDS || o->control_size > KITH_CONN_CONTROL_MAX ||
        o->idle_ms > MS_MAX || o->handshake_ms > MS_MAX || o->connect_ms > MS_MAX) {
        *ret_error = -EINVAL;
        return conn_profile_unref(profile);
    }
    return profile;
}

struct conn_profile *conn_profile_unref(struct conn_profile *profile) {
    if (profile && --profile->refs == 0)
        free(profile);
    return NULL;
}

/* Makes and ends ---------------------------------------------------------------------------------------------------- */

int conn_new(kith_loop *loop, struct conn_profile *profile, const struct kith_conn_options *options, const struct kith_conn_ops *ops,
             void *userdata, kith_conn **ret_conn) {
    int r = kith_loop_check_fork(loop);
    if (r < 0)
        return r;
    _cleanup_(kith_conn_freep) kith_conn *conn = calloc(1, sizeof(*conn));
    if (!conn)
        return -ENOMEM;
    conn->refs = 1;
    conn->loop = loop;
    conn->fd = -1;
    conn->ops = ops;
    conn->userdata = userdata;
    kith_list_init(&conn->sibling);
    kith_queue_init(&conn->queue);
    kith_defer_init(&conn->defer, on_deferred);
    if (profile)
        profile->refs++;
    else
        profile = conn_profile_new(options, &r);
    if (!profile)
        return r;
    conn->profile = profile;
    conn->identity = profile->options.identity;
    if (profile->options.idle_ms > 0 || profile->options.handshake_ms > 0) {
        r = conn_deadlines_need(conn);
        if (r < 0)
            return r;
    }
    *ret_conn = KITH_STEAL(conn);
    return 0;
}

/* Asks the descriptor what it is, and makes it fit. The kernel reports MSG_CTRUNC when credentials come and nobody has room for them, so
 * SO_PASSCRED inherited from a listener is switched off when identity is not wanted. */
static int examine(kith_conn *conn, int fd) {
    int type, family, identity = conn->identity;
    socklen_t size = sizeof(type);
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
        return -errno;
    if (type != SOCK_STREAM)
        return -EPROTOTYPE;
    size = sizeof(family);
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) < 0)
        return -errno;
    conn->family = (uint8_t)family;
    if (family != AF_UNIX)
        conn->identity = false;
    else if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &identity, sizeof(identity)) < 0)
        return -errno;

    int r = kith_fd_set_nonblock(fd);
    return r < 0 ? r : kith_fd_set_cloexec(fd);
}

int conn_adopt(kith_conn *conn, int fd) {
    conn->fd = fd;
    conn_open(conn);
    if (conn->failure == 0)
        return 0;
    conn->fd = -1; /* stays the caller's */
    return conn->failure;
}

int kith_conn_new_fd(kith_loop *loop, int fd, const struct kith_conn_options *options, const struct kith_conn_ops *ops, void *userdata,
                     kith_conn **ret_conn) {
    if (!loop || !ops || !ops->data || !ret_conn)
        return -EINVAL;

    _cleanup_(kith_conn_freep) kith_conn *conn = NULL;
    int r = conn_new(loop, NULL, options, ops, userdata, &conn);
    if (r >= 0)
        r = examine(conn, fd);
    if (r >= 0)
        r = conn_adopt(conn, fd);
    if (r < 0)
        return r;
    *ret_conn = KITH_STEAL(conn);
    return 0;
}

kith_conn *conn_hold(kith_conn *conn) {
    conn->refs++;
    return conn;
}

void conn_release(kith_conn *conn) {
    if (--conn->refs > 0)
        return;
    conn_profile_unref(conn->profile);
    free(conn);
}

/* Takes everything away but the descriptor; `close_fd`: that too. */
static void shut_down(kith_conn *conn, bool close_fd) {
    bool inert = conn_is_inert(conn);
    conn->state = CONN_CLOSED;
    conn->quiet = 0;
    if (kith_watch_active(&conn->watch))
        kith_loop_unwatch(conn->loop, &conn->watch, close_fd);
    else if (close_fd)
        kith_close(conn->fd);
    conn->fd = -1;
    kith_defer_cancel(&conn->defer);
    if (inert)
        kith_queue_clear(&conn->queue);
    else
        conn_queue_clear(conn);
    conn_drop_held(conn);
    conn_deadlines_free(conn);
    free(KITH_STEAL(conn->target));
    listener_forget(conn);
}

int conn_release_fd(kith_conn *conn) {
    int fd = conn->fd;
    shut_down(conn, false);
    return fd;
}

void kith_conn_close(kith_conn *conn) {
    if (conn && conn->state != CONN_CLOSED)
        shut_down(conn, true);
}

kith_conn *kith_conn_free(kith_conn *conn) {
    if (conn) {
        kith_conn_close(conn);
        conn_release(conn);
    }
    return NULL;
}

void conn_fail(kith_conn *conn, int error) {
    conn->quiet = 0;
    if (conn->failure == 0)
        conn->failure = error;
    conn->read_end = true;
}

static unsigned finish(kith_conn *conn, int error) {
    if (conn->state == CONN_CLOSED)
        return 0;
    kith_conn_close(conn);
    if (conn->ops->closed)
        conn->ops->closed(conn, error, conn->userdata);
    return 1;
}

int conn_socket_error(kith_conn *conn) {
    int error = 0;
    socklen_t size = sizeof(error);
    if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        return -errno;
    return -error;
}

/* Events -------------------------------------------------------------------------------------------------------------- */

/* What to watch from now on. With nothing watched a hang-up is reported once, so neither a paused nor a half-closed connection spins. */
static void rewatch(kith_conn *conn) {
    unsigned events = 0;
    if (!conn->read_end && !conn->paused && !conn->holding && !conn->held) /* what is held may be the end */
        events |= KITH_IO_READ;
    if (conn->blocked && !conn->refs_short) /* that the socket has room says nothing then */
        events |= KITH_IO_WRITE;
    if (events != conn->watch.events)
        kith_loop_set_watched(conn->loop, &conn->watch, events);
}

static unsigned settle_end(kith_conn *conn) {
    if (conn->failure != 0 && conn->read_end)
        return finish(conn, conn->failure);
    if (!conn->draining || conn->queue.octets > 0)
        return 0;
    if (conn->state == CONN_CONNECTING || conn->read_end)
        return finish(conn, 0);
    if (!conn->shut) {
        conn->shut = true;
        shutdown(conn->fd, SHUT_WR);
    }
    return 0;
}

unsigned conn_settle(kith_conn *conn) {
    unsigned count = 0;
    if (conn_is_inert(conn))
        return 0;
    if (conn->state == CONN_OPEN && conn->relieved && !conn->draining && conn->failure == 0) {
        conn->relieved = false;
        if (conn->ops->writable) {
            conn->ops->writable(conn, conn->userdata);
            count++;
            if (conn_is_inert(conn))
                return count;
        }
    }
    if (conn->state == CONN_CLOSED)
        return count;
    if (conn->state == CONN_OPEN && !(conn->failure != 0 && conn->read_end))
        rewatch(conn);
    return count + settle_end(conn);
}

/* The socket is hung up and nothing is left to read: nothing can be sent either. */
static unsigned hung_up_after_end(kith_conn *conn) {
    int error = conn_socket_error(conn);
    if (error == 0 && conn->queue.octets > 0)
        error = -EPIPE;
    return finish(conn, error);
}

static kith_conn *conn_of(struct kith_watch *watch) {
    return KITH_CONTAINER_OF(watch, kith_conn, watch);
}

static unsigned on_ready(struct kith_watch *watch, unsigned events) {
    kith_conn *conn = conn_hold(conn_of(watch));
    unsigned count = 0;
    if (conn->state == CONN_CONNECTING) {
        count = conn_connected(conn);
    } else {
        if (events & KITH_IO_HANGUP)
            conn->hung_up = true;
        if (conn->blocked && (events & (KITH_IO_WRITE | KITH_IO_HANGUP))) {
            conn->blocked = false;
            conn_transmit(conn, true);
        }
        if (conn->read_end && conn->hung_up)
            count = hung_up_after_end(conn);
    }
    count += conn_settle(conn);
    conn_release(conn);
    return count;
}

static unsigned on_received(struct kith_watch *watch, const struct kith_reception *receipt) {
    kith_conn *conn = conn_hold(conn_of(watch));
    unsigned count = conn_received(conn, receipt);
    if (!conn->holding) /* else this is inside a call of the application's: what is due is told later */
        count += conn_settle(conn);
    conn_release(conn);
    return count;
}

/* Of a connection that is held back nothing is read; what it has been given before comes first. */
static size_t on_place(struct kith_watch *watch, uint8_t **ret_place) {
    kith_conn *conn = conn_of(watch);
    return conn->held ? 0 : conn->ops->place(conn, ret_place, conn->userdata);
}

static void on_sent(struct kith_watch *watch, int result) {
    conn_sent(conn_of(watch), result);
}

/* Its end or more octets are to be sent, or `writable` to be told. */
static bool awaits_sent(struct kith_watch *watch) {
    const kith_conn *conn = conn_of(watch);
    return conn->draining || conn->choked || conn->queue.octets > conn->asked;
}

static const struct kith_watch_ops watch_ops = {
    .ready = on_ready,
    .received = on_received,
    .place = on_place,
    .sent = on_sent,
    .awaits_sent = awaits_sent,
};

static unsigned on_deferred(struct kith_defer *defer) {
    kith_conn *conn = conn_hold(KITH_CONTAINER_OF(defer, kith_conn, defer));
    unsigned count = 0;
    if (conn->state == CONN_OPEN) {
        conn_transmit(conn, false);
        count = conn_deliver_held(conn);
    } else if (conn->answered) {
        count = conn_connected(conn);
    }
    count += conn_settle(conn);
    conn_release(conn);
    return count;
}

void conn_watch(kith_conn *conn, unsigned events) {
    if (kith_watch_active(&conn->watch)) {
        kith_loop_set_watched(conn->loop, &conn->watch, events);
        return;
    }
    conn->watch.local = conn->family == AF_UNIX;
    conn->watch.plain = conn->family != AF_UNIX && conn->profile->options.control_size == 0;
    conn->watch.control_room = (uint16_t)conn_control_room(conn);
    int r = kith_loop_watch(conn->loop, &conn->watch, KITH_WATCH_STREAM, conn->fd, events, &watch_ops);
    if (r < 0)
        conn_fail(conn, r);
}

void conn_open(kith_conn *conn) {
    conn->state = CONN_OPEN;
    conn_watch(conn, KITH_IO_READ);
    if (conn->failure != 0 || !conn->deadlines)
        return;
    uint64_t now = kith_time_now();
    conn->deadlines->received_at = now;
    if (conn->profile->options.handshake_ms > 0)
        conn->deadlines->handshake_at = now + conn->profile->options.handshake_ms * KITH_NS_PER_MS;
    conn_schedule(conn);
}

/* What the application asks for --------------------------------------------------------------------------------------- */

void kith_conn_drain(kith_conn *conn, int64_t deadline_ms) {
    if (!conn || conn->state == CONN_CLOSED || conn_is_inert(conn))
        return;
    conn->draining = true;
    conn->quiet = 0;
    if (deadline_ms >= 0 && (uint64_t)deadline_ms <= MS_MAX) {
        int r = conn_deadlines_need(conn);
        if (r < 0)
            conn_fail(conn, r);
        else
            conn->deadlines->drain_at = kith_time_now() + (uint64_t)deadline_ms * KITH_NS_PER_MS;
    } else if (conn->deadlines) {
        conn->deadlines->drain_at = CONN_NEVER;
    }
    conn_schedule(conn);
    kith_loop_defer(conn->loop, &conn->defer);
}

void kith_conn_pause(kith_conn *conn) {
    if (!conn || conn->paused)
        return;
    conn->paused = true;
    if (conn->state == CONN_OPEN && !conn_is_inert(conn))
        rewatch(conn);
}

void kith_conn_resume(kith_conn *conn) {
    if (!conn || !conn->paused)
        return;
    conn->paused = false;
    if (conn->state != CONN_OPEN || conn_is_inert(conn))
        return;
    conn_lives(conn);
    rewatch(conn);
    if (conn->held)
        kith_loop_defer(conn->loop, &conn->defer);
}

void kith_conn_set_placing(kith_conn *conn, bool placing) {
    if (!conn || !conn->ops->place || conn->watch.placing == placing || !kith_watch_active(&conn->watch))
        return;
    KITH_LOOP_HOLD(conn->loop);
    kith_loop_set_placing(conn->loop, &conn->watch, placing);
}

void kith_conn_handshake_done(kith_conn *conn) {
    if (conn && conn->deadlines)
        conn->deadlines->handshake_at = CONN_NEVER;
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

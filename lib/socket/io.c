/* socket/io.c: sending and receiving, with the blocking convenience that drives the loop. */
#include <errno.h>
#include <limits.h>

#include "base/time.h"
#include "socket/socket.h"

/* Until when to wait: a point in time, or never, or not at all. */
struct deadline {
    int timeout_ms;
    uint64_t at;
};

static struct deadline deadline_init(int timeout_ms) {
    return (struct deadline){.timeout_ms = timeout_ms, .at = timeout_ms > 0 ? kith_time_now() + (uint64_t)timeout_ms * KITH_NS_PER_MS : 0};
}

/* One step of the loop within the deadline. Returns 0, -EAGAIN when it has passed, -ECANCELED when kith_loop_stop() was asked, -ESHUTDOWN,
 * or what kith_loop_step() said. A signal handler ends nothing, also not the SIGCONT of a debugger: one that wants to calls
 * kith_loop_stop(). */
static int socket_step(kith_socket *socket, struct deadline *deadline) {
    int wait_ms = -1;
    if (deadline->timeout_ms == 0) {
        wait_ms = 0;
    } else if (deadline->timeout_ms > 0) {
        uint64_t now = kith_time_now();
        if (now >= deadline->at)
            return -EAGAIN;
        wait_ms = (int)((deadline->at - now + KITH_NS_PER_MS - 1) / KITH_NS_PER_MS);
    }
    int r = kith_loop_step(socket->loop, wait_ms);
    int gone = kith_socket_check(socket); /* a callback may have freed it, or the loop */
    if (gone < 0)
        return gone;
    if (r == 0 && (wait_ms < 0 || (wait_ms > 0 && kith_time_now() < deadline->at)))
        return -ECANCELED;
    return r < 0 && r != -EINTR ? r : 0;
}

/* KITH_TIMEOUT_OPTION -> what the option says. */
static int resolve_timeout(const kith_socket *socket, int timeout_ms, enum kith_option option) {
    return timeout_ms == KITH_TIMEOUT_OPTION ? (int)socket->sessions.profile->numbers[option] : timeout_ms;
}

int kith_socket_send(kith_socket *socket, kith_msg *msg, int timeout_ms) {
    int r = kith_socket_check(socket);
    if (r < 0)
        return r;
    timeout_ms = resolve_timeout(socket, timeout_ms, KITH_OPTION_SEND_TIMEOUT);
    if (timeout_ms != 0 && kith_loop_running(socket->loop))
        return -EBUSY;
    kith_socket_ref(socket);
    struct deadline deadline = deadline_init(timeout_ms);
    while ((r = kith_pattern_send(socket->pattern, msg)) == -EAGAIN && timeout_ms != 0) {
        r = socket_step(socket, &deadline);
        if (r < 0)
            break;
    }
    if (r == -EAGAIN)
        socket->starved = true;
    /* Nobody may come back to the loop for long: what may wait goes out now. */
    if (r == 0 && timeout_ms != 0)
        kith_pattern_flush(socket->pattern);
    /* A reply makes way for the next request. */
    if (socket->handler.message && !socket->delivering && !kith_list_empty(&socket->pattern->received) && kith_socket_check(socket) >= 0)
        kith_loop_defer(socket->loop, &socket->deliver);
    kith_socket_unref(socket);
    return r;
}

int kith_socket_recv(kith_socket *socket, kith_msg **ret_msg, int timeout_ms) {
    int r = kith_socket_check(socket);
    if (r < 0)
        return r;
    if (socket->handler.message)
        return -EINVAL;
    timeout_ms = resolve_timeout(socket, timeout_ms, KITH_OPTION_RECV_TIMEOUT);
    bool inside = kith_loop_running(socket->loop);
    if (inside && timeout_ms != 0)
        return -EBUSY;
    kith_socket_ref(socket);
    struct deadline deadline = deadline_init(timeout_ms);
    while ((r = kith_pattern_take(socket->pattern, ret_msg)) == -EAGAIN && !inside) {
        r = socket_step(socket, &deadline);
        if (r < 0)
            break;
        if (timeout_ms == 0) {
            r = kith_pattern_take(socket->pattern, ret_msg);
            break;
        }
    }
    kith_socket_unref(socket);
    return r;
}

/* What waits for a first peer needs one that comes. */
static int socket_drain_pending(kith_socket *socket, struct deadline *deadline) {
    int r = 0;
    while (r == 0 && socket->pattern->pending_count > 0) {
        if (kith_list_empty(&socket->sessions.peers))
            r = -ENOTCONN;
        else
            r = deadline->timeout_ms == 0 ? -EAGAIN : socket_step(socket, deadline);
    }
    return r;
}

/* Lets all peers go: ready ones send what they have first. The time limit is the caller's: a session that ended by one of its own would
 * look like one that is done. */
static int socket_drain_sessions(kith_socket *socket, struct deadline *deadline) {
    int r = 0;
    kith_list_foreach_safe (&socket->sessions.peers, node) {
        struct kith_session *session = kith_list_entry(node, struct kith_session, host_link);
        kith_pattern_let_go(socket->pattern, session);
        kith_session_drain(session, -1);
    }
    for (unsigned steps = 0; r == 0 && !kith_list_empty(&socket->sessions.peers); steps++)
        r = steps > 0 && deadline->timeout_ms == 0 ? -EAGAIN : socket_step(socket, deadline);
    return r;
}

int kith_socket_drain(kith_socket *socket, int timeout_ms) {
    int r = kith_socket_check(socket);
    if (r < 0)
        return r;
    if (kith_loop_running(socket->loop))
        return -EBUSY;
    kith_socket_ref(socket);
    kith_socket_free_acceptors(socket);
    struct deadline deadline = deadline_init(timeout_ms);
    r = socket_drain_pending(socket, &deadline);
    if (r == 0)
        r = socket_drain_sessions(socket, &deadline);
    kith_socket_unref(socket);
    return r == -EAGAIN ? -ETIMEDOUT : r;
}

/* socket/io.c: sending and receiving, with the blocking convenience that drives the loop. */
#include <errno.h>

#include "socket/socket.h"

/* KITH_TIMEOUT_OPTION -> what the option says. */
static int resolve_timeout(const kith_socket *socket, int timeout_ms, enum kith_option option) {
    return timeout_ms == KITH_TIMEOUT_OPTION ? (int)socket->sessions.profile->numbers[option] : timeout_ms;
}

int kith_socket_acknowledge(kith_socket *socket, const struct kith_receipt *receipt) {
    KITH_SOCKET_HOLD(socket);
    int r = kith_socket_check(socket);
    if (r < 0)
        return r;
    if (receipt->connection == 0)
        return -EINVAL;
    kith_list_foreach (&socket->sessions.peers, node) {
        struct kith_session *session = kith_list_entry(node, struct kith_session, host_link);
        if (session->connection == receipt->connection && session->state == KITH_SESSION_READY)
            return session->link->acknowledge(session, receipt->sequence);
    }
    return -ENOENT;
}

struct sending {
    struct kith_await await;
    kith_socket *socket;
    kith_msg *msg;
};

/* The socket, or its loop, may have gone in a callback. */
static int socket_try_send(struct kith_await *await) {
    const struct sending *sending = KITH_CONTAINER_OF(await, struct sending, await);
    kith_socket *socket = sending->socket;
    int r = kith_socket_check(socket);
    if (r >= 0)
        r = kith_pattern_send(socket->pattern, sending->msg);
    /* Nobody may come back to the loop for long: what may wait goes out now. */
    if (r == 0)
        kith_pattern_flush(socket->pattern);
    return r;
}

/* Without waiting. What is sent goes out when the loop runs next; a loop with a thread that nobody is about to run is not waited for. */
static int socket_send_at_once(kith_socket *socket, kith_msg *msg) {
    int r = kith_pattern_send(socket->pattern, msg);
    /* The event of a dropped message may have freed socket or loop. */
    if (r == 0 && kith_socket_check(socket) >= 0 && !kith_loop_is_attended(socket->loop))
        kith_pattern_flush(socket->pattern);
    return r;
}

static int socket_send_waiting(kith_socket *socket, kith_msg *msg, int timeout_ms) {
    struct sending sending = {.await.attempt = socket_try_send, .socket = socket, .msg = msg};
    return kith_loop_await(socket->loop, &sending.await, timeout_ms);
}

int kith_socket_send(kith_socket *socket, kith_msg *msg, int timeout_ms) {
    KITH_SOCKET_HOLD(socket);
    int r = kith_socket_check(socket);
    if (r >= 0 && kith_loop_is_shared(socket->loop))
        r = kith_msg_share(msg);
    if (r < 0)
        return r;
    timeout_ms = resolve_timeout(socket, timeout_ms, KITH_OPTION_SEND_TIMEOUT);
    kith_socket_ref(socket);
    r = timeout_ms == 0 ? socket_send_at_once(socket, msg) : socket_send_waiting(socket, msg, timeout_ms);
    if (r == -EAGAIN)
        socket->starved = true;
    /* A reply makes way for the next request. */
    if (socket->handler.message && !socket->delivering && !kith_list_empty(&socket->pattern->received) && kith_socket_check(socket) >= 0)
        kith_loop_defer(socket->loop, &socket->deliver);
    kith_socket_unref(socket);
    return r;
}

struct receiving {
    struct kith_await await;
    kith_socket *socket;
    kith_msg *msg;
};

static int socket_try_recv(struct kith_await *await) {
    struct receiving *receiving = KITH_CONTAINER_OF(await, struct receiving, await);
    int r = kith_socket_check(receiving->socket);
    if (r >= 0)
        r = kith_pattern_take(receiving->socket->pattern, &receiving->msg);
    if (r >= 0)
        kith_socket_hand_out(receiving->socket, receiving->msg);
    return r;
}

int kith_socket_recv(kith_socket *socket, kith_msg **ret_msg, int timeout_ms) {
    KITH_SOCKET_HOLD(socket);
    int r = kith_socket_check(socket);
    if (r < 0)
        return r;
    if (socket->handler.message)
        return -EINVAL;
    struct receiving receiving = {.await.attempt = socket_try_recv, .socket = socket};
    kith_socket_ref(socket);
    r = kith_loop_await(socket->loop, &receiving.await, resolve_timeout(socket, timeout_ms, KITH_OPTION_RECV_TIMEOUT));
    kith_socket_unref(socket);
    if (r >= 0)
        *ret_msg = receiving.msg;
    return r;
}

struct draining {
    struct kith_await await;
    kith_socket *socket;
    bool let_go;
};

/* What waits for a first peer needs one that comes. Then all peers go: ready ones send what they have first. The time limit is the
 * caller's: a session that ended by one of its own would look like one that is done. */
static int socket_try_drain(struct kith_await *await) {
    struct draining *draining = KITH_CONTAINER_OF(await, struct draining, await);
    kith_socket *socket = draining->socket;
    int r = kith_socket_check(socket);
    if (r < 0)
        return r;
    bool alone = kith_list_empty(&socket->sessions.peers);
    if (!draining->let_go && socket->pattern->pending_count > 0)
        return alone ? -ENOTCONN : -EAGAIN;
    if (!draining->let_go) {
        draining->let_go = true;
        kith_list_foreach_safe (&socket->sessions.peers, node) {
            struct kith_session *session = kith_list_entry(node, struct kith_session, host_link);
            kith_pattern_let_go(socket->pattern, session);
            kith_session_drain(session, -1);
        }
    }
    return kith_list_empty(&socket->sessions.peers) ? 0 : -EAGAIN;
}

int kith_socket_drain(kith_socket *socket, int timeout_ms) {
    KITH_SOCKET_HOLD(socket);
    int r = kith_socket_check(socket);
    if (r < 0)
        return r;
    if (kith_loop_running(socket->loop))
        return -EBUSY;
    struct draining draining = {.await.attempt = socket_try_drain, .socket = socket};
    kith_socket_ref(socket);
    kith_socket_free_acceptors(socket);
    r = kith_loop_await(socket->loop, &draining.await, timeout_ms);
    kith_socket_unref(socket);
    return r == -EAGAIN ? -ETIMEDOUT : r;
}

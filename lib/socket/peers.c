/*
 * socket/peers.c: who the peers are, what they have cost, sending one away; and waiting until somebody listens.
 *
 * A round over the peers is one over a snapshot: whoever is told may end any of them, and the socket. Numbers of connections are given
 * once, so one that is kept says nothing wrong later: it is not found.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "socket/socket.h"

static const char *const state_names[] = {
    [KITH_PEER_CONNECTING] = "connecting", [KITH_PEER_HANDSHAKE] = "handshake", [KITH_PEER_READY] = "ready",
    [KITH_PEER_LEAVING] = "leaving",       [KITH_PEER_WAITING] = "waiting",
};

const char *kith_peer_state_name(enum kith_peer_state state) {
    return (unsigned)state < KITH_ARRAY_SIZE(state_names) ? state_names[state] : "unknown";
}

static enum kith_peer_state peer_state(const struct kith_session *session) {
    switch (session->state) {
    case KITH_SESSION_HANDSHAKE:
        return KITH_PEER_HANDSHAKE;
    case KITH_SESSION_READY:
        return KITH_PEER_READY;
    case KITH_SESSION_DRAINING:
        return KITH_PEER_LEAVING;
    case KITH_SESSION_WAITING:
        return KITH_PEER_WAITING;
    default:
        return KITH_PEER_CONNECTING;
    }
}

static const char *peer_mechanism(const struct kith_session *session) {
    static const char *const names[] = {
        [KITH_ZMTP_SECURITY_NULL] = "NULL", [KITH_ZMTP_SECURITY_PLAIN] = "PLAIN", [KITH_ZMTP_SECURITY_CURVE] = "CURVE"};
    struct kith_zmtp_options options = {0};
    if (!session->engine)
        return NULL;
    kith_session_security(session, &options);
    return names[options.security];
}

static void describe(const struct kith_socket *socket, struct kith_session *session, struct kith_peer_info *ret_info) {
    bool connected = session->state == KITH_SESSION_READY || session->state == KITH_SESSION_DRAINING;
    *ret_info = (struct kith_peer_info){
        .peer = session->peer,
        .state = peer_state(session),
        .accepted = session->accepted,
        .endpoint = session->place->text,
        .transport = session->place->endpoint.transport->scheme,
        .mechanism = peer_mechanism(session),
        .type = connected ? session->peer_type : NULL,
        .routing_id = session->routing_id_size > 0 ? session->routing_id : NULL,
        .routing_id_size = session->routing_id_size,
        .origin = session->origin ? session->origin : session->peer_origin,
    };
    kith_session_counters(session, &ret_info->counters);
    if (ret_info->origin && kith_loop_is_shared(socket->loop))
        kith_origin_share(ret_info->origin);
}

/* All sessions, referenced. NULL: no memory. */
static struct kith_session **snapshot(const kith_socket *socket, size_t *ret_count) {
    size_t count = 0;
    kith_list_foreach (&socket->sessions.peers, node)
        count++;
    struct kith_session **sessions = calloc(count + 1, sizeof(*sessions));
    *ret_count = 0;
    if (sessions)
        kith_list_foreach (&socket->sessions.peers, node)
            sessions[(*ret_count)++] = kith_session_ref(kith_list_entry(node, struct kith_session, host_link));
    return sessions;
}

int kith_socket_peers(kith_socket *socket, int (*fn)(kith_socket *socket, const struct kith_peer_info *info, void *userdata),
                      void *userdata) {
    KITH_SOCKET_HOLD(socket);
    int r = kith_socket_check(socket);
    if (r < 0)
        return r;
    size_t count;
    struct kith_session **sessions = snapshot(socket, &count);
    if (!sessions)
        return -ENOMEM;
    kith_socket_ref(socket);
    for (size_t i = 0; i < count; i++) {
        struct kith_peer_info info;
        if (r == 0 && sessions[i]->state != KITH_SESSION_CLOSED && kith_socket_check(socket) >= 0) {
            describe(socket, sessions[i], &info);
            r = fn(socket, &info, userdata);
        }
        kith_session_unref(sessions[i]);
    }
    free(sessions);
    kith_socket_unref(socket);
    return r;
}

void kith_socket_counters(const kith_socket *socket, struct kith_counters *ret_counters) {
    KITH_SOCKET_HOLD(socket);
    kith_session_host_counters(&socket->sessions, ret_counters);
}

uint64_t kith_socket_last_peer(const kith_socket *socket) {
    KITH_SOCKET_HOLD(socket);
    const struct kith_session *last = socket->pattern->last;
    return last ? last->peer : 0;
}

int kith_socket_kick(kith_socket *socket, uint64_t peer, const char *reason) {
    KITH_SOCKET_HOLD(socket);
    int r = kith_socket_check(socket);
    if (r < 0)
        return r;
    kith_list_foreach (&socket->sessions.peers, node) {
        struct kith_session *session = kith_list_entry(node, struct kith_session, host_link);
        if (session->peer != peer)
            continue;
        kith_socket_ref(socket);
        r = kith_session_kick(session, reason);
        kith_socket_unref(socket);
        return r;
    }
    return -ENOENT;
}

int kith_socket_fail_request(kith_socket *socket, const void *routing_id, size_t size, const char *why) {
    KITH_SOCKET_HOLD(socket);
    int r = kith_socket_check(socket);
    if (r < 0)
        return r;
    if (!socket->pattern->ops->find)
        return -ENOTSUP;
    if (!routing_id && size > 0)
        return -EINVAL;
    struct kith_session *session = socket->pattern->ops->find(socket->pattern, routing_id, size);
    if (!session || session->state != KITH_SESSION_READY)
        return -EHOSTUNREACH;
    if (!session->link->refuse)
        return -EOPNOTSUPP;
    char text[256];
    (void)snprintf(text, sizeof(text), KITH_NO_REPLY "%s%s", why ? ": " : "", why ? why : "");
    session->link->refuse(session, text);
    kith_session_speak(session);
    return 0;
}

/* Waiting ---------------------------------------------------------------------------------------------------------------- */

struct listening {
    struct kith_await await;
    kith_socket *socket;
    const void *topic;
    size_t size, count;
};

static int socket_try_listened(struct kith_await *await) {
    const struct listening *listening = KITH_CONTAINER_OF(await, struct listening, await);
    struct kith_pattern *pattern = listening->socket->pattern;
    int r = kith_socket_check(listening->socket);
    if (r < 0)
        return r;
    size_t count = pattern->ops->audience(pattern, listening->topic, listening->size);
    return count < listening->count ? -EAGAIN : count < INT32_MAX ? (int)count : INT32_MAX;
}

int kith_socket_wait_subscribed(kith_socket *socket, const void *topic, size_t size, size_t count, int timeout_ms) {
    KITH_SOCKET_HOLD(socket);
    int r = kith_socket_check(socket);
    if (r < 0)
        return r;
    if (!socket->pattern->ops->audience)
        return -ENOTSUP;
    if (!topic && size > 0)
        return -EINVAL;
    struct listening listening = {
        .await.attempt = socket_try_listened, .socket = socket, .topic = size > 0 ? topic : "", .size = size, .count = count};
    if (timeout_ms == KITH_TIMEOUT_OPTION)
        timeout_ms = (int)socket->sessions.profile->numbers[KITH_OPTION_SEND_TIMEOUT];
    kith_socket_ref(socket);
    r = kith_loop_await(socket->loop, &listening.await, timeout_ms);
    kith_socket_unref(socket);
    return r;
}

/*
 * socket/close.c: a socket that the application has given up: what it accepted for sending is still sent, then it frees itself.
 *
 * Meanwhile it is the loop's tenant. It listens no more, tells nobody anything, and lets each peer go when nothing waits for a first peer
 * any more; ready ones send what they have first. The linger timer ends the patience, the loop's end everything.
 */
#include <errno.h>

#include "base/error.h"
#include "socket/socket.h"

static void let_all_go(kith_socket *socket) {
    kith_list_foreach_safe (&socket->sessions.peers, node) {
        struct kith_session *session = kith_list_entry(node, struct kith_session, host_link);
        kith_pattern_let_go(socket->pattern, session);
        kith_session_drain(session, -1);
    }
    if (kith_list_empty(&socket->sessions.peers))
        kith_loop_defer(socket->loop, &socket->reap);
}

void kith_socket_linger(kith_socket *socket) {
    if (!socket->lingering || socket->closed || kith_timer_inert(socket->tether))
        return;
    if (socket->pattern->pending_count == 0 || kith_list_empty(&socket->sessions.peers))
        let_all_go(socket);
}

unsigned kith_socket_reap(struct kith_defer *defer) {
    kith_socket_free(KITH_CONTAINER_OF(defer, struct kith_socket, reap));
    return 0;
}

static void on_patience_lost(kith_timer *timer, void *userdata) {
    (void)timer;
    kith_socket_free(userdata);
}

static void on_evicted(struct kith_tenant *tenant) {
    kith_socket_free(KITH_CONTAINER_OF(tenant, struct kith_socket, tenant));
}

kith_socket *kith_socket_close(kith_socket *socket) {
    if (!socket)
        return NULL;
    KITH_SOCKET_HOLD(socket);
    int64_t linger = socket->sessions.profile->numbers[KITH_OPTION_LINGER];
    if (linger == 0 || kith_socket_check(socket) < 0)
        return kith_socket_free(socket);
    if (linger > 0 && (kith_timer_new(socket->loop, on_patience_lost, socket, &socket->linger_timer) < 0 ||
                       kith_timer_arm(socket->linger_timer, (uint64_t)linger, 0) < 0))
        return kith_socket_free(socket);
    kith_socket_set_handler(socket, NULL, NULL);
    kith_defer_cancel(&socket->deliver);
    kith_socket_free_acceptors(socket);
    socket->lingering = true;
    socket->tenant.evict = on_evicted;
    kith_loop_house(socket->loop, &socket->tenant);
    kith_socket_linger(socket);
    return NULL;
}

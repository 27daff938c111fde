/*
 * pattern/server.c: SERVER: every peer has a number, which its messages carry and which a message to it is given. RFC 41. PEER is the same
 * among equals, and may ask for the number of a peer when it connects to it. RFC 51.
 *
 * A number is 32 bits, not 0, and no two peers have the same at a time. Peers that came have even ones, given in turn. Those that we
 * connect to have odd ones and keep them across connections, so that a sender can wait for a peer that is away: sending says -EAGAIN then,
 * as for a peer that is full. A number that names no peer is -EHOSTUNREACH.
 */
#include <errno.h>
#include <sys/random.h>

#include "pattern/by-id.h"

struct server {
    struct kith_pattern base;
    struct kith_by_id by_id; /* of the ready peers, by session->number */
    uint32_t next;
};

static void server_deinit(struct kith_pattern *pattern) {
    kith_by_id_deinit(&((struct server *)pattern)->by_id, pattern);
}

/* A peer that we connect to, ready or not. */
static struct kith_session *server_find_connecting(const struct kith_pattern *pattern, uint32_t number) {
    if ((number & 1) == 0)
        return NULL;
    kith_list_foreach (&pattern->sessions->peers, node) {
        struct kith_session *session = kith_list_entry(node, struct kith_session, host_link);
        bool ended = session->state == KITH_SESSION_DRAINING && !session->dismissed;
        if (session->number == number && !session->accepted && !ended)
            return session;
    }
    return NULL;
}

/* Begins anywhere, so that a number kept from another run names nobody. */
static uint32_t server_next(struct server *server, bool accepted) {
    if (server->next == 0)
        (void)getrandom(&server->next, sizeof(server->next), GRND_NONBLOCK);
    uint32_t number;
    do {
        server->next += 2;
        number = accepted ? server->next & ~1U : server->next | 1U;
    } while (number == 0);
    return number;
}

static void server_expect(struct kith_pattern *pattern, struct kith_session *session) {
    if (session->number != 0)
        return;
    uint32_t number;
    do
        number = server_next((struct server *)pattern, false);
    while (server_find_connecting(pattern, number));
    session->number = number;
}

static int server_attach(struct kith_pattern *pattern, struct kith_session *session) {
    struct server *server = (struct server *)pattern;
    int r;
    if (!session->accepted) {
        server_expect(pattern, session);
        return kith_by_id_add_number(&server->by_id, session);
    }
    do {
        session->number = server_next(server, true);
        r = kith_by_id_add_number(&server->by_id, session);
    } while (r == -EEXIST);
    return r;
}

static void server_forget(struct kith_pattern *pattern, struct kith_session *session) {
    kith_by_id_remove(&((struct server *)pattern)->by_id, session);
}

static void server_receive(struct kith_pattern *pattern, struct kith_session *session, kith_msg *msg) {
    kith_msg_set_routing_id(msg, session->number);
    kith_pattern_received(pattern, msg);
}

static int server_send(struct kith_pattern *pattern, kith_msg *msg) {
    struct kith_session *session = kith_by_id_find(&((struct server *)pattern)->by_id, &msg->routing_id, sizeof(msg->routing_id));
    if (!session)
        return server_find_connecting(pattern, msg->routing_id) ? -EAGAIN : -EHOSTUNREACH;
    int r = kith_pattern_check_room(session);
    if (r >= 0)
        r = kith_session_send(session, msg);
    if (r >= 0)
        pattern->last = session;
    return r == -EPIPE ? -EHOSTUNREACH : r;
}

#define SERVES(name_, expect_)                                                                                                             \
    {                                                                                                                                      \
        .name = name_, .size = sizeof(struct server), .single = true, .deinit = server_deinit, .attach = server_attach,                    \
        .forget = server_forget, .receive = server_receive, .send = server_send, .expect = expect_,                                        \
    }

const struct kith_pattern_ops kith_pattern_server = SERVES("SERVER", NULL);
const struct kith_pattern_ops kith_pattern_peer = SERVES("PEER", server_expect);

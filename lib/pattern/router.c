/*
 * pattern/router.c: ROUTER: every peer has a routing id, frame 0 of each message. RFC 28.
 *
 * A peer's own id (Identity in READY) is taken if it is free; a peer that claims one in use is refused by name, or takes it over when
 * router-handover is set. Other peers get a zero octet and a number that is free. An id is what a peer claims: who it is says the message's
 * origin.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "pattern/pattern.h"

struct router {
    struct kith_pattern base;
    struct kith_map by_id;
    uint32_t next_id;
    bool seeded;
};

static void router_unmap(struct router *router, struct kith_session *session) {
    if (!session->mapped)
        return;
    kith_map_remove(&router->by_id, &session->id_node);
    session->mapped = false;
}

static void router_deinit(struct kith_pattern *pattern) {
    struct router *router = (struct router *)pattern;
    kith_list_foreach (&pattern->peers, node)
        router_unmap(router, kith_list_entry(node, struct kith_session, pattern_link));
    kith_map_deinit(&router->by_id);
}

static struct kith_session *router_find(struct router *router, const void *id, size_t size) {
    struct kith_map_node *node = kith_map_find(&router->by_id, id, size);
    return node ? KITH_CONTAINER_OF(node, struct kith_session, id_node) : NULL;
}

static int router_map(struct router *router, struct kith_session *session) {
    int r = kith_map_insert(&router->by_id, &session->id_node, session->routing_id, session->routing_id_size);
    session->mapped = r >= 0;
    if (r == -ENOMEM)
        kith_session_tell(session, KITH_EVENT_HANDSHAKE_FAILED, r, 0, "out of memory for its routing id");
    return r;
}

/* 00 + 4 octets, skipping those that a peer has claimed. */
static int router_number(struct router *router, struct kith_session *session) {
    if (!router->seeded) {
        (void)getrandom(&router->next_id, sizeof(router->next_id), GRND_NONBLOCK);
        router->seeded = true;
    }
    int r;
    do {
        uint32_t number = htonl(router->next_id++);
        session->routing_id[0] = 0;
        memcpy(session->routing_id + 1, &number, sizeof(number));
        session->routing_id_size = 1 + sizeof(number);
        r = router_map(router, session);
    } while (r == -EEXIST);
    return r;
}

/* The id is in use: by option the newcomer gets it, otherwise it is refused; both are named. */
static int router_clash(struct kith_session *session, struct kith_session *holder) {
    char name[256];
    kith_session_describe(holder, name, sizeof(name));
    bool handover = session->profile->numbers[KITH_OPTION_ROUTER_HANDOVER] != 0;
    kith_session_ref(holder);
    kith_session_tell(session, KITH_EVENT_DUPLICATE_ID, -EEXIST, 1, "its routing id is in use by %s: %s", name,
                      handover ? "taken over" : "refused (give each peer an id of its own)");
    if (handover && session->state == KITH_SESSION_READY)
        kith_session_fail(holder, -EEXIST, "its routing id went to another peer");
    kith_session_unref(holder);
    return handover && session->state == KITH_SESSION_READY ? 0 : -EEXIST;
}

static int router_attach(struct kith_pattern *pattern, struct kith_session *session) {
    struct router *router = (struct router *)pattern;
    if (session->routing_id_size == 0)
        return router_number(router, session);
    struct kith_session *holder = router_find(router, session->routing_id, session->routing_id_size);
    if (holder) {
        int r = router_clash(session, holder);
        if (r < 0)
            return r;
    }
    return router_map(router, session);
}

static void router_forget(struct kith_pattern *pattern, struct kith_session *session) {
    router_unmap((struct router *)pattern, session);
}

static void router_receive(struct kith_pattern *pattern, struct kith_session *session, kith_msg *msg) {
    if (kith_msg_prepend(msg, session->routing_id, session->routing_id_size) < 0)
        kith_pattern_drop(session, msg, "out of memory");
    else
        kith_pattern_received(pattern, msg);
}

/* Sends without the id frame; on failure the message is as it was. Errors: -EAGAIN, -EHOSTUNREACH, -ENOMEM. */
static int router_pass(struct kith_pattern *pattern, struct kith_session *session, kith_msg *msg) {
    int r = kith_pattern_check_room(session);
    if (r < 0)
        return r;
    uint8_t id[255];
    size_t size = kith_msg_at(msg, 0)->slice.size;
    memcpy(id, session->routing_id, size);
    kith_msg_drop(msg, 1);
    r = kith_session_send(session, msg);
    if (r < 0 && kith_msg_prepend(msg, id, size) < 0)
        return -ENOMEM;
    if (r == 0)
        pattern->last = session;
    return r == -EPIPE ? -EHOSTUNREACH : r;
}

static void router_drop_lost(struct kith_pattern *pattern, kith_msg *msg) {
    kith_msg_free(msg);
    kith_session_host_tell(pattern->sessions, KITH_EVENT_DROPPED, NULL, -EHOSTUNREACH, 1,
                           "a message was dropped: no peer has its routing id");
}

static int router_send(struct kith_pattern *pattern, kith_msg *msg) {
    struct router *router = (struct router *)pattern;
    if (msg->count < 2)
        return -EINVAL;
    bool mandatory = pattern->sessions->profile->numbers[KITH_OPTION_ROUTER_MANDATORY] != 0;
    const struct kith_frame *id = kith_msg_at(msg, 0);
    struct kith_session *session = router_find(router, kith_frame_data(id), id->slice.size);
    int r = session ? router_pass(pattern, session, msg) : -EHOSTUNREACH;
    if (r == 0 || r == -ENOMEM || mandatory)
        return r;
    if (r == -EAGAIN)
        kith_pattern_drop(session, msg, "the peer's queue is full (send-hwm)");
    else
        router_drop_lost(pattern, msg);
    return 0;
}

const struct kith_pattern_ops kith_pattern_router = {
    .name = "ROUTER",
    .size = sizeof(struct router),
    .deinit = router_deinit,
    .attach = router_attach,
    .forget = router_forget,
    .receive = router_receive,
    .send = router_send,
};

/*
 * pattern/router.c: ROUTER: every peer has a routing id, frame 0 of each message. RFC 28.
 *
 * A peer's own id (Identity in READY) is taken if it is free; a peer that claims one in use is refused by name, or takes it over when
 * router-handover is set. Other peers are given one. An id is what a peer claims: who it is says the message's
 * origin.
 */
#include <errno.h>

#include "pattern/by-id.h"

struct router {
    struct kith_pattern base;
    struct kith_by_id by_id;
};

static void router_deinit(struct kith_pattern *pattern) {
    kith_by_id_deinit(&((struct router *)pattern)->by_id, pattern);
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
        return kith_by_id_number(&router->by_id, session);
    struct kith_session *holder = kith_by_id_find(&router->by_id, session->routing_id, session->routing_id_size);
    if (holder) {
        int r = router_clash(session, holder);
        if (r < 0)
            return r;
    }
    return kith_by_id_add(&router->by_id, session);
}

static void router_forget(struct kith_pattern *pattern, struct kith_session *session) {
    kith_by_id_remove(&((struct router *)pattern)->by_id, session);
}

static void router_receive(struct kith_pattern *pattern, struct kith_session *session, kith_msg *msg) {
    if (kith_msg_prepend(msg, session->routing_id, session->routing_id_size) < 0)
        kith_pattern_drop(session, msg, "out of memory");
    else
        kith_pattern_received(pattern, msg);
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
    struct kith_session *session = kith_by_id_find(&router->by_id, kith_frame_data(id), id->slice.size);
    int r = session ? kith_by_id_pass(pattern, session, msg) : -EHOSTUNREACH;
    if (r == 0 || r == -ENOMEM || r == -EOPNOTSUPP || r == -EACCES || mandatory)
        return r;
    if (r == -EAGAIN)
        kith_pattern_drop(session, msg, "the peer's queue is full (send-hwm)");
    else
        router_drop_lost(pattern, msg);
    return 0;
}

static struct kith_session *router_find(struct kith_pattern *pattern, const void *id, size_t size) {
    return kith_by_id_find(&((struct router *)pattern)->by_id, id, size);
}

const struct kith_pattern_ops kith_pattern_router = {
    .name = "ROUTER",
    .size = sizeof(struct router),
    .probes = true,
    .deinit = router_deinit,
    .attach = router_attach,
    .forget = router_forget,
    .receive = router_receive,
    .send = router_send,
    .find = router_find,
};

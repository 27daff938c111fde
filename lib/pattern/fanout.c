/* pattern/fanout.c: see fanout.h. */
#include "pattern/fanout.h"

#include <errno.h>

void kith_fanout_init(struct kith_fanout *fanout) {
    kith_list_init(&fanout->dropping);
    kith_list_init(&fanout->due);
}

void kith_fanout_join(struct kith_fanout_peer *peer, struct kith_session *session) {
    *peer = (struct kith_fanout_peer){.session = session};
    kith_list_init(&peer->dropping);
    kith_list_init(&peer->due);
}

void kith_fanout_leave(struct kith_fanout_peer *peer) {
    kith_list_unlink(&peer->dropping);
    kith_list_unlink(&peer->due);
}

static const char *drop_reason(int error) {
    switch (error) {
    case -ENOMEM:
        return "out of memory";
    case -EOPNOTSUPP:
        return "they have descriptors, and it takes none, or not so many (max-fds there)";
    default:
        return "its queue is full (send-hwm)";
    }
}

void kith_fanout_tell_rest(const struct kith_fanout_peer *peer) {
    uint64_t count = peer->dropped - peer->told;
    if (count > 0)
        kith_session_tell_late(peer->session, KITH_EVENT_DROPPED, peer->error, count, "%llu published message%s dropped: %s",
                               (unsigned long long)count, count == 1 ? "" : "s", drop_reason(peer->error));
}

void kith_fanout_publish(struct kith_fanout *fanout, struct kith_fanout_peer *peer, kith_msg *msg) {
    int r = kith_session_publish(peer->session, msg);
    if (r >= 0 || r == -EPIPE || r == -EACCES) /* its end is on its way; or it may not have it, which is counted already */
        return;
    peer->error = r;
    peer->dropped++;
    peer->session->counters.dropped++;
    if (kith_list_empty(&peer->dropping))
        kith_list_push_back(&fanout->dropping, &peer->dropping);
    if (kith_fanout_worth_telling(peer->dropped) && kith_list_empty(&peer->due))
        kith_list_push_back(&fanout->due, &peer->due);
}

void kith_fanout_tell(struct kith_fanout *fanout) {
    while (!kith_list_empty(&fanout->due)) {
        struct kith_fanout_peer *peer = kith_list_first(&fanout->due, struct kith_fanout_peer, due), copy = *peer;
        kith_list_unlink(&peer->due);
        peer->told = peer->dropped;
        if (kith_session_has_room(peer->session)) {
            kith_list_unlink(&peer->dropping);
            peer->told = peer->dropped = 0;
        }
        kith_fanout_tell_rest(&copy); /* the peer itself may be gone then */
    }
}

void kith_fanout_pump(struct kith_fanout *fanout) {
    kith_list_foreach (&fanout->dropping, node) {
        struct kith_fanout_peer *peer = kith_list_entry(node, struct kith_fanout_peer, dropping);
        if (kith_session_has_room(peer->session) && kith_list_empty(&peer->due))
            kith_list_push_back(&fanout->due, &peer->due);
    }
    kith_fanout_tell(fanout);
}

void kith_fanout_flush(struct kith_pattern *pattern) {
    kith_list_foreach (&pattern->peers, node)
        kith_session_flush(kith_list_entry(node, struct kith_session, pattern_link));
}

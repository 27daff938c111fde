/*
 * pattern/pair.c: PAIR: one peer at a time, messages both ways. RFC 31. Another peer is refused, by name, as long as the first is there.
 * CHANNEL is the same for messages of one frame. RFC 52.
 */
#include <errno.h>

#include "pattern/pattern.h"

static int pair_attach(struct kith_pattern *pattern, struct kith_session *session) {
    if (pattern->peer_count == 0)
        return 0;
    char name[256];
    kith_session_describe(kith_list_first(&pattern->peers, struct kith_session, pattern_link), name, sizeof(name));
    kith_session_tell(session, KITH_EVENT_PEER_REFUSED, -EBUSY, 1, "refused: the one peer that a %s has is %s", pattern->ops->name, name);
    return -EBUSY;
}

#define PAIRS(name_, single_)                                                                                                              \
    {                                                                                                                                      \
        .name = name_, .size = sizeof(struct kith_pattern), .single = single_, .attach = pair_attach,                                      \
        .detach = kith_pattern_balance_detach, .pump = kith_pattern_balance_pump, .receive = kith_pattern_receives_all,                    \
        .send = kith_pattern_balance_send,                                                                                                 \
    }

const struct kith_pattern_ops kith_pattern_pair = PAIRS("PAIR", false);
const struct kith_pattern_ops kith_pattern_channel = PAIRS("CHANNEL", true);

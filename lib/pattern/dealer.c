/*
 * pattern/dealer.c: DEALER: sends round robin to peers with room, never drops; receives from all in the order of arrival. RFC 28.
 * CLIENT is the same for messages of one frame. RFC 41.
 */
#include "pattern/pattern.h"

#define DEALS(name_, single_, probes_)                                                                                                     \
    {                                                                                                                                      \
        .name = name_, .size = sizeof(struct kith_pattern), .probes = probes_, .single = single_, .detach = kith_pattern_balance_detach,   \
        .pump = kith_pattern_balance_pump, .receive = kith_pattern_receives_all, .send = kith_pattern_balance_send,                        \
    }

const struct kith_pattern_ops kith_pattern_dealer = DEALS("DEALER", false, true);
const struct kith_pattern_ops kith_pattern_client = DEALS("CLIENT", true, false);

/*
 * pattern/push-pull.c: PUSH sends round robin to peers with room and never drops; PULL receives from all in the order of arrival. RFC 30.
 * SCATTER and GATHER are the same for messages of one frame. RFC 49.
 */
#include "pattern/pattern.h"

#define SENDS(name_, single_)                                                                                                              \
    {                                                                                                                                      \
        .name = name_, .size = sizeof(struct kith_pattern), .sends_only = true, .single = single_, .kernel_use = KITH_KERNEL_SENDS,        \
        .detach = kith_pattern_balance_detach, .pump = kith_pattern_balance_pump, .receive = kith_pattern_receives_nothing,                \
        .send = kith_pattern_balance_send,                                                                                                 \
    }
#define RECEIVES(name_, single_)                                                                                                           \
    {                                                                                                                                      \
        .name = name_, .size = sizeof(struct kith_pattern), .single = single_, .kernel_use = KITH_KERNEL_RECEIVES,                         \
        .receive = kith_pattern_receives_all                                                                                               \
    }

const struct kith_pattern_ops kith_pattern_push = SENDS("PUSH", false);
const struct kith_pattern_ops kith_pattern_pull = RECEIVES("PULL", false);
const struct kith_pattern_ops kith_pattern_scatter = SENDS("SCATTER", true);
const struct kith_pattern_ops kith_pattern_gather = RECEIVES("GATHER", true);

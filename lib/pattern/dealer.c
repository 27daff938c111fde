/* pattern/dealer.c: DEALER: sends round robin to peers with room, never drops; receives from all in the order of arrival. RFC 28. */
#include "pattern/pattern.h"

static void dealer_receive(struct kith_pattern *pattern, struct kith_session *session, kith_msg *msg) {
    (void)session;
    kith_pattern_received(pattern, msg);
}

const struct kith_pattern_ops kith_pattern_dealer = {
    .name = "DEALER",
    .size = sizeof(struct kith_pattern),
    .probes = true,
    .detach = kith_pattern_balance_detach,
    .pump = kith_pattern_balance_pump,
    .receive = dealer_receive,
    .send = kith_pattern_balance_send,
};

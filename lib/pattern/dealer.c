/* pattern/dealer.c: DEALER: sends round robin to peers with room, never drops; receives from all in the order of arrival. RFC 28. */
#include <errno.h>

#include "pattern/pattern.h"

static void dealer_detach(struct kith_pattern *pattern, struct kith_session *session) {
    kith_pattern_reclaim(pattern, session);
    kith_pattern_pump(pattern, NULL);
}

static void dealer_receive(struct kith_pattern *pattern, struct kith_session *session, kith_msg *msg) {
    (void)session;
    kith_pattern_received(pattern, msg);
}

static void dealer_pump(struct kith_pattern *pattern) {
    kith_pattern_pump(pattern, NULL);
}

static int dealer_send(struct kith_pattern *pattern, kith_msg *msg) {
    dealer_pump(pattern);
    return kith_pattern_balance(pattern, msg, NULL);
}

const struct kith_pattern_ops kith_pattern_dealer = {
    .name = "DEALER",
    .size = sizeof(struct kith_pattern),
    .detach = dealer_detach,
    .pump = dealer_pump,
    .receive = dealer_receive,
    .send = dealer_send,
};

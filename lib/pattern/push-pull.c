/* pattern/push-pull.c: PUSH sends round robin to peers with room and never drops; PULL receives from all in the order of arrival. RFC 30.
 */
#include "pattern/pattern.h"

static void push_receive(struct kith_pattern *pattern, struct kith_session *session, kith_msg *msg) {
    (void)pattern;
    kith_pattern_drop(session, msg, "a PUSH receives nothing");
}

static void pull_receive(struct kith_pattern *pattern, struct kith_session *session, kith_msg *msg) {
    (void)session;
    kith_pattern_received(pattern, msg);
}

const struct kith_pattern_ops kith_pattern_push = {
    .name = "PUSH",
    .size = sizeof(struct kith_pattern),
    .sends_only = true,
    .detach = kith_pattern_balance_detach,
    .pump = kith_pattern_balance_pump,
    .receive = push_receive,
    .send = kith_pattern_balance_send,
};

const struct kith_pattern_ops kith_pattern_pull = {
    .name = "PULL",
    .size = sizeof(struct kith_pattern),
    .receive = pull_receive,
};

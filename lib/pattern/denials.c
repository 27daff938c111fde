/* pattern/denials.c: see denials.h. */
#include "pattern/denials.h"

#include <errno.h>
#include <string.h>

KITH_DEFINE_CLEANUP(kith_msg *, kith_msg_free)

void kith_denials_init(struct kith_denials *denials, struct kith_session *session) {
    kith_policy *policy = session->host->policy;
    *denials = (struct kith_denials){.session = session, .policy = policy ? kith_policy_ref(policy) : NULL};
    kith_list_init(&denials->list);
}

static int denials_note(struct kith_denials *denials, int rule, const void *topic, size_t size) {
    _cleanup_(kith_msg_freep) kith_msg *msg = NULL;
    denials->any = true;
    int r = kith_msg_new(&msg);
    if (r >= 0)
        r = kith_msg_add(msg, &rule, sizeof(rule));
    if (r >= 0)
        r = kith_msg_add(msg, topic, size);
    if (r < 0)
        return r;
    kith_list_push_back(&denials->list, &msg->link);
    KITH_STEAL(msg);
    return 0;
}

int kith_denials_ask(struct kith_denials *denials, const void *topic, size_t size, bool is_prefix) {
    if (!denials->policy)
        return 1;
    const struct kith_matter matter = {.topic = size > 0 ? topic : "", .topic_size = size, .topic_is_prefix = is_prefix};
    struct kith_verdict verdict = kith_session_verdict(denials->session, KITH_VERB_SUBSCRIBE, &matter);
    return verdict.allow ? 1 : denials_note(denials, verdict.rule, topic, size);
}

static void denials_tell_one(struct kith_denials *denials, const kith_msg *msg) {
    const struct kith_frame *topic = kith_msg_at(msg, 1);
    const struct kith_matter matter = {.topic = kith_frame_data(topic), .topic_size = topic->slice.size};
    struct kith_verdict verdict = {.rule_name = "default"};
    memcpy(&verdict.rule, kith_frame_data(kith_msg_at(msg, 0)), sizeof(verdict.rule));
    if (verdict.rule >= 0)
        verdict.rule_name = kith_policy_rule_name(denials->policy, (size_t)verdict.rule);
    kith_session_tell_denied(denials->session, KITH_VERB_SUBSCRIBE, &verdict, &matter);
}

void kith_denials_tell(struct kith_denials *denials) {
    struct kith_session *session = denials->session;
    if (denials->any && session->state == KITH_SESSION_READY && session->link->refuse) {
        session->link->refuse(session, KITH_DENIED "subscribe");
        kith_session_speak(session);
    }
    while (!kith_list_empty(&denials->list)) {
        kith_msg *msg = kith_list_first(&denials->list, kith_msg, link);
        kith_list_unlink(&msg->link);
        if (session->state == KITH_SESSION_READY)
            denials_tell_one(denials, msg);
        kith_msg_free(msg);
    }
    kith_policy_unref(denials->policy);
}

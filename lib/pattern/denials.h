/*
 * pattern/denials.h: subscriptions that the policy denies, told when whoever changes a set of them is done: telling calls up, and the peer
 * may be gone afterwards.
 */
#ifndef KITH_PATTERN_DENIALS_H
#define KITH_PATTERN_DENIALS_H

#include "session/session.h"

/* On the stack of who looks at subscriptions. */
struct kith_denials {
    struct kith_session *session;
    kith_policy *policy;   /* whose rules they are, referenced */
    bool any;              /* the list has not those for which there was no memory */
    struct kith_list list; /* messages of two frames: number of the rule, topic */
};

void kith_denials_init(struct kith_denials *denials, struct kith_session *session);
/* May the peer have this topic, or all that begin so? 1: yes. 0: no, it is in the list. Errors: -ENOMEM (no, and it is not). */
int kith_denials_ask(struct kith_denials *denials, const void *topic, size_t size, bool is_prefix);
/* Tells them, and the peer that there are some. Always to be called: it frees the list. Calls up: the session must be held. */
void kith_denials_tell(struct kith_denials *denials);

#endif

/*
 * pattern/subscription.h: subscriptions as messages, the way ZMTP 3.0 sends them and applications of XPUB and XSUB see them: a frame of 01
 * and the topic subscribes, 00 and the topic cancels.
 */
#ifndef KITH_PATTERN_SUBSCRIPTION_H
#define KITH_PATTERN_SUBSCRIPTION_H

#include "pattern/pattern.h"
#include "topic/topics.h"

enum { KITH_SUBSCRIPTION_CANCEL = 0, KITH_SUBSCRIPTION_SUBSCRIBE = 1 };

/* Frames of one message that are looked at. Each may become a message for the application, hundreds of octets for two on the wire, and a
 * peer's message may have half a million frames. */
#define KITH_SUBSCRIPTION_FRAMES_MAX 256

struct kith_subscription_frame {
    enum kith_session_command command; /* SUBSCRIBE or CANCEL */
    const uint8_t *topic;
    size_t size;
};

/* False: the frame is something else. */
bool kith_subscription_parse(const struct kith_frame *frame, struct kith_subscription_frame *ret_subscription);
/* Takes the subscriptions out of a message's first KITH_SUBSCRIPTION_FRAMES_MAX frames and calls `apply` for each, in order; other frames
 * stay. With `only_first` (the option only-first-subscribe) none is looked at behind a first frame that is no subscription. Returns whether
 * there was any. Errors: what `apply` said: that frame and those behind it are still in the message. */
int kith_subscription_extract(kith_msg *msg, bool only_first, int (*apply)(const struct kith_subscription_frame *frame, void *userdata),
                              void *userdata);
/* A topic of a set with an octet in front, on the heap: for whoever has to have it in one piece. NULL: no memory. */
uint8_t *kith_subscription_octets(uint8_t first, const struct kith_topic *topic, size_t *ret_size);

#endif

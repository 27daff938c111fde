/*
 * topic/holder.h: who holds a topic, and what a subscriber holds: two arrays whose entries know each other's place.
 *
 * Invariant: with h = kith_topic_holder(topic, i) and s = &h.subscriber->subscriptions[h.place], s->topic == topic and s->place == i.
 */
#ifndef KITH_TOPIC_HOLDER_H
#define KITH_TOPIC_HOLDER_H

#include "topic/topics.h"

static inline uint32_t kith_topic_holder_count(const struct kith_topic *topic) {
    return topic->held == KITH_TOPIC_HELD_BY_MANY ? topic->holders.many->count : topic->held;
}

static inline struct kith_holder kith_topic_holder(const struct kith_topic *topic, uint32_t place) {
    if (topic->held == KITH_TOPIC_HELD_BY_MANY)
        return topic->holders.many->all[place];
    return (struct kith_holder){.subscriber = topic->holders.one, .place = topic->place};
}

/* The subscriber's subscription of the topic, or NULL. Looks through the shorter of the two arrays. */
struct kith_subscription *kith_topic_held_by(const struct kith_topic *topic, const struct kith_subscriber *subscriber);
/* Takes memory for one subscription more of the subscriber, so that only a topic with holders can make the next call fail. Errors: -ENOBUFS
 * (2^32 - 1 subscriptions), -ENOMEM. */
int kith_topic_reserve(struct kith_subscriber *subscriber);
/* The subscriber, who has reserved and does not hold it yet, holds the topic from now on, counted once. Errors: -ENOMEM. */
int kith_topic_hold(struct kith_topic *topic, struct kith_subscriber *subscriber);
/* Ends the subscription at `place`; the last one takes its place. */
void kith_topic_release(struct kith_subscriber *subscriber, uint32_t place);

#endif

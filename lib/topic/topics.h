/*
 * topic/topics.h: a set of subscriptions: who wants which topics, and whom a message concerns.
 *
 * A topic is any octets; a message is matched by every topic that its first frame begins with, so the empty one matches all.
 * A subscription is a pair of subscriber and topic, and is counted: what was added twice has to be removed twice. A publisher has a set
 * with a subscriber for each peer; a subscriber's own set has one, himself. Pure: no I/O, no clock, no thread.
 *
 * Costs, whatever topics peers choose (n: octets of the topic or first frame, s: subscriptions in the set):
 *  - match: n octets are compared at most, and n nodes visited, less the more octets topics share; then each subscriber found costs a
 *    pointer for each of his topics that match. With nothing but the empty topic it is the list of who has it.
 *  - add, remove: the same way; then the shorter of two arrays is looked through, the subscriber's topics or the topic's subscribers,
 *    which is never longer than the square root of s and mostly an entry or two; then a constant (at most 256 branches, labels of 255
 *    octets and 256 holders are copied) beside arrays that grow by a quarter.
 *  - leave: the last of these a subscription, and its topic's octets when `ended` copies them.
 *  - memory: never more than what the subscribers are charged: KITH_TOPIC_COST and twice the topic's octets a subscription.
 * Nothing recurses.
 */
#ifndef KITH_TOPIC_TOPICS_H
#define KITH_TOPIC_TOPICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "pool/pool.h"
#include "topic/tree.h"

/* What a subscription is charged beside twice its topic's octets. It is the worst that a peer can bring about (test-memory.c); 100,000
 * ordinary ones take about half of it and their octets once. */
#define KITH_TOPIC_COST 192

struct kith_topics {
    struct kith_topic root; /* the empty topic: nodes point to it, so a set stays where it was made */
    struct kith_list subscribers;
    size_t count; /* distinct topics */
};

/* One subscription, as its subscriber has it. */
struct kith_subscription {
    struct kith_topic *topic;
    uint32_t place; /* of the subscriber among the topic's holders */
    uint32_t count;
};

/* Embedded in whatever subscribes. */
struct kith_subscriber {
    struct kith_list link;     /* in the set's `subscribers` */
    struct kith_list matched;  /* in the list that a match has made; else detached */
    struct kith_charge charge; /* for all subscriptions; the limit may be changed at any time */
    struct kith_subscription *subscriptions;
    uint32_t count, room;
    uint32_t max; /* so many subscriptions; this and the charge's limit may be changed at any time: what is there stays */
};

/* What adding or removing has come to. */
enum kith_topic_change {
    KITH_TOPIC_COUNTED, /* the subscriber had it before and has it now: only the count is another */
    KITH_TOPIC_SHARED,  /* he has it now, or no longer, and others have it too */
    KITH_TOPIC_SOLE,    /* the same, and nobody else has it */
};

void kith_topics_init(struct kith_topics *topics);
/* Who is in it leaves. */
void kith_topics_deinit(struct kith_topics *topics);

/* Initializes a subscriber without topics and takes him in. He may have `max` subscriptions that are charged `limit` octets together. */
void kith_topics_join(struct kith_topics *topics, struct kith_subscriber *subscriber, uint32_t max, size_t limit);
/* Takes a subscriber out, with all his subscriptions and out of the list of a match. `ended` (may be NULL) is told each of his topics, just
 * before he loses it, with what that comes to: it may copy the topic, and must not touch the set. This cannot fail. */
void kith_topics_leave(struct kith_topics *topics, struct kith_subscriber *subscriber,
                       void (*ended)(const struct kith_topic *topic, enum kith_topic_change change, void *userdata), void *userdata);

/* Returns a kith_topic_change. Errors: -ENOBUFS (the subscriber's limits; a count of 2^32), -ENOMEM; nothing is
 * changed.
 */
int kith_topics_add(struct kith_topics *topics, struct kith_subscriber *subscriber, const void *topic, size_t size);
/* Returns a kith_topic_change. Errors: -ENOENT (the subscriber does not have it). */
int kith_topics_remove(struct kith_topics *topics, struct kith_subscriber *subscriber, const void *topic, size_t size);

/* Appends to the list `matched`, by their links of this name, those subscribers who have a topic that the octets begin with, each once; or
 * those who have none. To be taken off the list, or left in it until they leave, before the next match. */
void kith_topics_match(const struct kith_topics *topics, const void *data, size_t size, struct kith_list *matched);
void kith_topics_match_others(const struct kith_topics *topics, const void *data, size_t size, struct kith_list *matched);
/* Whether anybody has such a topic. */
bool kith_topics_match_any(const struct kith_topics *topics, const void *data, size_t size);

/* Walk over the distinct topics: NULL to begin, then the last one; NULL at the end. Each comes once, in no order but the empty one first.
 * The set must not be changed meanwhile. */
const struct kith_topic *kith_topics_next(const struct kith_topics *topics, const struct kith_topic *topic);

#endif

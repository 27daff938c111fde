/*
 * topic/testing.h: the set of subscriptions beside a plain list of them, which is searched from end to end and shares no code with it.
 * Every answer of the one is compared with the other's. Not part of the library: the random test and the fuzz target drive it.
 *
 * A function returns what differs, or NULL.
 */
#ifndef KITH_TOPIC_TESTING_H
#define KITH_TOPIC_TESTING_H

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "topic/holder.h"

#define BOTH_SUBSCRIBERS 6
#define BOTH_PAIRS 400

struct plain_pair {
    unsigned subscriber, count;
    uint8_t *topic;
    size_t size;
};

struct both {
    struct kith_topics topics;
    struct kith_subscriber subscribers[BOTH_SUBSCRIBERS];
    struct plain_pair pairs[BOTH_PAIRS];
    size_t pair_count, limit;
    size_t ended; /* topics told by one leave; and whether one of them was wrong */
    bool ended_wrong;
    unsigned leaving;
};

static inline void both_init(struct both *both, size_t limit) {
    *both = (struct both){.limit = limit};
    kith_topics_init(&both->topics);
    for (unsigned s = 0; s < BOTH_SUBSCRIBERS; s++)
        kith_topics_join(&both->topics, &both->subscribers[s], UINT32_MAX, limit);
}

static inline void both_deinit(struct both *both) {
    kith_topics_deinit(&both->topics);
    while (both->pair_count > 0)
        free(both->pairs[--both->pair_count].topic);
}

/* The plain list ---------------------------------------------------------------------------------------------------- */

static inline struct plain_pair *plain_find(struct both *both, unsigned s, const uint8_t *topic, size_t size) {
    for (size_t i = 0; i < both->pair_count; i++) {
        struct plain_pair *pair = &both->pairs[i];
        if (pair->subscriber == s && pair->size == size && memcmp(pair->topic, topic, size) == 0)
            return pair;
    }
    return NULL;
}

static inline bool plain_has_another(struct both *both, unsigned s, const uint8_t *topic, size_t size) {
    for (unsigned other = 0; other < BOTH_SUBSCRIBERS; other++)
        if (other != s && plain_find(both, other, topic, size))
            return true;
    return false;
}

static inline bool plain_matches(const struct both *both, unsigned s, const uint8_t *data, size_t size) {
    for (size_t i = 0; i < both->pair_count; i++) {
        const struct plain_pair *pair = &both->pairs[i];
        if (pair->subscriber == s && pair->size <= size && memcmp(pair->topic, data, pair->size) == 0)
            return true;
    }
    return false;
}

static inline size_t plain_charge(const struct both *both, unsigned s) {
    size_t charge = 0;
    for (size_t i = 0; i < both->pair_count; i++)
        if (both->pairs[i].subscriber == s)
            charge += KITH_TOPIC_COST + 2 * both->pairs[i].size;
    return charge;
}

static inline void plain_remove(struct both *both, struct plain_pair *pair) {
    free(pair->topic);
    *pair = both->pairs[--both->pair_count];
}

/* Both ------------------------------------------------------------------------------------------------------------- */

static inline const char *both_add(struct both *both, unsigned s, const uint8_t *topic, size_t size) {
    struct plain_pair *pair = plain_find(both, s, topic, size);
    int expected = pair ? KITH_TOPIC_COUNTED : plain_has_another(both, s, topic, size) ? KITH_TOPIC_SHARED : KITH_TOPIC_SOLE;

    if (!pair && both->pair_count == BOTH_PAIRS)
        return NULL;
    if (!pair && plain_charge(both, s) + KITH_TOPIC_COST + 2 * size > both->limit)
        expected = -ENOBUFS;
    if (kith_topics_add(&both->topics, &both->subscribers[s], topic, size) != expected)
        return "add";
    if (pair) {
        pair->count++;
    } else if (expected >= 0) {
        pair = &both->pairs[both->pair_count++];
        *pair = (struct plain_pair){.subscriber = s, .count = 1, .topic = malloc(size + 1), .size = size};
        memcpy(pair->topic, topic, size);
    }
    return NULL;
}

static inline const char *both_remove(struct both *both, unsigned s, const uint8_t *topic, size_t size) {
    struct plain_pair *pair = plain_find(both, s, topic, size);
    int expected = -ENOENT;

    if (pair)
        expected = pair->count > 1 ? KITH_TOPIC_COUNTED : plain_has_another(both, s, topic, size) ? KITH_TOPIC_SHARED : KITH_TOPIC_SOLE;
    if (kith_topics_remove(&both->topics, &both->subscribers[s], topic, size) != expected)
        return "remove";
    if (pair && --pair->count == 0)
        plain_remove(both, pair);
    return NULL;
}

static inline void both_ended(const struct kith_topic *topic, enum kith_topic_change change, void *userdata) {
    struct both *both = userdata;
    size_t size = kith_topic_size(topic);
    uint8_t *octets = malloc(size + 1);

    kith_topic_copy(topic, octets);
    both->ended++;
    bool sole = !plain_has_another(both, both->leaving, octets, size);
    if (!plain_find(both, both->leaving, octets, size) || sole != (change == KITH_TOPIC_SOLE))
        both->ended_wrong = true;
    free(octets);
}

/* Leaves and joins again. */
static inline const char *both_leave(struct both *both, unsigned s) {
    size_t expected = 0;

    for (size_t i = 0; i < both->pair_count; i++)
        expected += both->pairs[i].subscriber == s;
    both->ended = 0;
    both->leaving = s;
    kith_topics_leave(&both->topics, &both->subscribers[s], both_ended, both);
    if (both->ended != expected || both->ended_wrong || both->subscribers[s].subscriptions || both->subscribers[s].charge.used != 0)
        return "leave";
    for (size_t i = both->pair_count; i-- > 0;)
        if (both->pairs[i].subscriber == s)
            plain_remove(both, &both->pairs[i]);
    kith_topics_join(&both->topics, &both->subscribers[s], UINT32_MAX, both->limit);
    return NULL;
}

static inline const char *both_match(struct both *both, const uint8_t *data, size_t size) {
    struct kith_list matched = KITH_LIST_INIT(matched), others = KITH_LIST_INIT(others);
    bool is_in[BOTH_SUBSCRIBERS] = {false}, any = false;

    kith_topics_match(&both->topics, data, size, &matched);
    while (!kith_list_empty(&matched)) {
        struct kith_subscriber *subscriber = kith_list_first(&matched, struct kith_subscriber, matched);
        kith_list_unlink(&subscriber->matched);
        if (is_in[subscriber - both->subscribers])
            return "match: a subscriber twice";
        is_in[subscriber - both->subscribers] = any = true;
    }
    kith_topics_match_others(&both->topics, data, size, &others);
    for (unsigned s = 0; s < BOTH_SUBSCRIBERS; s++) {
        if (plain_matches(both, s, data, size) != is_in[s])
            return "match";
        if (kith_list_empty(&both->subscribers[s].matched) != is_in[s])
            return "match_others";
        kith_list_unlink(&both->subscribers[s].matched);
    }
    return kith_topics_match_any(&both->topics, data, size) == any ? NULL : "match_any";
}

/* The tree is as small as tree.h says, and holders and subscriptions know each other. */
static inline const char *both_check_tree(const struct both *both) {
    size_t holders = 0;

    for (const struct kith_topic *node = &both->topics.root, *next; node; node = next) {
        next = kith_topic_next(node);
        if (node->parent && !node->held && !node->branches)
            return "a node for nobody";
        if (node->parent && !node->held && node->branches->count == 1 &&
            (size_t)node->rest_size + 1 + next->rest_size <= KITH_TOPIC_REST_MAX)
            return "a node too many";
        for (uint32_t i = 0; i < kith_topic_holder_count(node); i++) {
            struct kith_holder holder = kith_topic_holder(node, i);
            const struct kith_subscription *subscription = &holder.subscriber->subscriptions[holder.place];
            if (subscription->topic != node || subscription->place != i)
                return "a holder and his subscription";
        }
        holders += kith_topic_holder_count(node);
    }
    return holders == both->pair_count ? NULL : "the number of holders";
}

static inline const char *both_check(struct both *both) {
    size_t distinct = 0;

    for (const struct kith_topic *topic = NULL; (topic = kith_topics_next(&both->topics, topic)); distinct++) {
        size_t size = kith_topic_size(topic);
        uint8_t *octets = malloc(size + 1);
        kith_topic_copy(topic, octets);
        bool known = plain_has_another(both, BOTH_SUBSCRIBERS, octets, size);
        free(octets);
        if (!known)
            return "a topic that nobody has";
    }
    size_t expected = 0;
    for (size_t i = 0; i < both->pair_count; i++) {
        bool before = false;
        for (size_t j = 0; j < i; j++)
            before |=
                both->pairs[j].size == both->pairs[i].size && memcmp(both->pairs[j].topic, both->pairs[i].topic, both->pairs[i].size) == 0;
        expected += !before;
    }
    if (distinct != expected || both->topics.count != expected)
        return "the number of topics";
    for (unsigned s = 0; s < BOTH_SUBSCRIBERS; s++)
        if (both->subscribers[s].charge.used != plain_charge(both, s))
            return "a charge";
    return both_check_tree(both);
}

#endif

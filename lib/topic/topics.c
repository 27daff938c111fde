/* topic/topics.c: the set: adding, removing, matching. See topics.h. */
#include "topic/topics.h"

#include <errno.h>

#include "topic/holder.h"

void kith_topics_init(struct kith_topics *topics) {
    *topics = (struct kith_topics){0};
    kith_list_init(&topics->subscribers);
}

void kith_topics_deinit(struct kith_topics *topics) {
    while (!kith_list_empty(&topics->subscribers))
        kith_topics_leave(topics, kith_list_first(&topics->subscribers, struct kith_subscriber, link), NULL, NULL);
}

void kith_topics_join(struct kith_topics *topics, struct kith_subscriber *subscriber, uint32_t max, size_t limit) {
    *subscriber = (struct kith_subscriber){.max = max, .charge = {.limit = limit}};
    kith_list_init(&subscriber->matched);
    kith_list_init(&subscriber->link);
    kith_list_push_back(&topics->subscribers, &subscriber->link);
}

/* Ends a subscription; its topic, and the subscriptions behind it, may be elsewhere then. */
static enum kith_topic_change end_subscription(struct kith_topics *topics, struct kith_subscriber *subscriber, uint32_t place) {
    struct kith_topic *topic = subscriber->subscriptions[place].topic;

    kith_topic_release(subscriber, place);
    bool sole = !topic->held;
    if (sole)
        topics->count--;
    kith_topic_tidy(topic);
    return sole ? KITH_TOPIC_SOLE : KITH_TOPIC_SHARED;
}

void kith_topics_leave(struct kith_topics *topics, struct kith_subscriber *subscriber,
                       void (*ended)(const struct kith_topic *topic, enum kith_topic_change change, void *userdata), void *userdata) {
    while (subscriber->count > 0) {
        const struct kith_topic *topic = subscriber->subscriptions[subscriber->count - 1].topic;
        if (ended)
            ended(topic, topic->held == KITH_TOPIC_HELD_BY_ONE ? KITH_TOPIC_SOLE : KITH_TOPIC_SHARED, userdata);
        (void)end_subscription(topics, subscriber, subscriber->count - 1);
    }
    subscriber->charge.used = 0;
    kith_list_unlink(&subscriber->link);
    kith_list_unlink(&subscriber->matched);
}

/* What the subscriber is charged; `size` is not beyond the limit. */
static size_t cost_of(size_t size) {
    return KITH_TOPIC_COST + 2 * size;
}

static int begin_subscription(struct kith_topics *topics, struct kith_subscriber *subscriber, const struct kith_topic_end *end,
                              const uint8_t *octets, size_t size) {
    struct kith_topic *node = kith_topic_at(end, size);
    int r = kith_topic_reserve(subscriber);

    if (r == 0 && !node)
        r = kith_topic_make(end, octets, size, &node);
    if (r == 0)
        r = kith_topic_hold(node, subscriber); /* a node just made has no holder: this cannot fail and leave it so */
    if (r < 0)
        return r;
    if (node->held == KITH_TOPIC_HELD_BY_MANY)
        return KITH_TOPIC_SHARED;
    topics->count++;
    return KITH_TOPIC_SOLE;
}

int kith_topics_add(struct kith_topics *topics, struct kith_subscriber *subscriber, const void *topic, size_t size) {
    struct kith_topic_end end = kith_topic_descend(&topics->root, topic, size);
    const struct kith_topic *node = kith_topic_at(&end, size);
    struct kith_subscription *subscription = node ? kith_topic_held_by(node, subscriber) : NULL;

    if (subscription) {
        if (subscription->count == UINT32_MAX)
            return -ENOBUFS;
        subscription->count++;
        return KITH_TOPIC_COUNTED;
    }
    if (subscriber->count >= subscriber->max || size > subscriber->charge.limit || kith_charge_take(&subscriber->charge, cost_of(size)) < 0)
        return -ENOBUFS;
    int r = begin_subscription(topics, subscriber, &end, topic, size);
    if (r < 0)
        kith_charge_give(&subscriber->charge, cost_of(size));
    return r;
}

int kith_topics_remove(struct kith_topics *topics, struct kith_subscriber *subscriber, const void *topic, size_t size) {
    struct kith_topic_end end = kith_topic_descend(&topics->root, topic, size);
    const struct kith_topic *node = kith_topic_at(&end, size);
    struct kith_subscription *subscription = node ? kith_topic_held_by(node, subscriber) : NULL;

    if (!subscription)
        return -ENOENT;
    if (--subscription->count > 0)
        return KITH_TOPIC_COUNTED;
    kith_charge_give(&subscriber->charge, cost_of(size));
    return end_subscription(topics, subscriber, (uint32_t)(subscription - subscriber->subscriptions));
}

static void meet(struct kith_subscriber *subscriber, struct kith_list *matched) {
    if (kith_list_empty(&subscriber->matched))
        kith_list_push_back(matched, &subscriber->matched);
}

void kith_topics_match(const struct kith_topics *topics, const void *data, size_t size, struct kith_list *matched) {
    const uint8_t *octets = data;

    for (const struct kith_topic *node = &topics->root; node;) {
        if (node->held == KITH_TOPIC_HELD_BY_ONE)
            meet(node->holders.one, matched);
        else
            for (uint32_t i = 0; i < kith_topic_holder_count(node); i++)
                meet(node->holders.many->all[i].subscriber, matched);
        node = kith_topic_step(node, octets, size);
        if (node) {
            octets += kith_topic_label_size(node);
            size -= kith_topic_label_size(node);
        }
    }
}

void kith_topics_match_others(const struct kith_topics *topics, const void *data, size_t size, struct kith_list *matched) {
    struct kith_list others = KITH_LIST_INIT(others), having = KITH_LIST_INIT(having);

    kith_topics_match(topics, data, size, &having);
    kith_list_foreach (&topics->subscribers, node)
        meet(kith_list_entry(node, struct kith_subscriber, link), &others);
    while (!kith_list_empty(&having))
        kith_list_unlink(having.next);
    kith_list_splice(matched, &others);
}

bool kith_topics_match_any(const struct kith_topics *topics, const void *data, size_t size) {
    const struct kith_topic *node = &topics->root;
    const uint8_t *octets = data;

    while (node && !node->held) {
        node = kith_topic_step(node, octets, size);
        if (node) {
            octets += kith_topic_label_size(node);
            size -= kith_topic_label_size(node);
        }
    }
    return node;
}

const struct kith_topic *kith_topics_next(const struct kith_topics *topics, const struct kith_topic *topic) {
    if (!topic && topics->root.held)
        return &topics->root;
    topic = kith_topic_next(topic ? topic : &topics->root);
    while (topic && !topic->held)
        topic = kith_topic_next(topic);
    return topic;
}

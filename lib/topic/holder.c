/* topic/holder.c: see holder.h. Both arrays grow by half, and shrink to half when a quarter is in use. */
#include "topic/holder.h"

#include <errno.h>
#include <stdlib.h>

struct kith_subscription *kith_topic_held_by(const struct kith_topic *topic, const struct kith_subscriber *subscriber) {
    if (topic->holder_count < subscriber->count) {
        for (uint32_t i = 0; i < topic->holder_count; i++) {
            struct kith_holder holder = kith_topic_holder(topic, i);
            if (holder.subscriber == subscriber)
                return &subscriber->subscriptions[holder.place];
        }
        return NULL;
    }
    for (uint32_t i = 0; i < subscriber->count; i++)
        if (subscriber->subscriptions[i].topic == topic)
            return &subscriber->subscriptions[i];
    return NULL;
}

/* The room of an array that is full, enlarged; 0: there can be no more. */
static uint32_t larger(uint32_t room) {
    uint64_t next = (uint64_t)room + room / 2 + 1;
    return next <= UINT32_MAX ? (uint32_t)next : room < UINT32_MAX ? UINT32_MAX : 0;
}

int kith_topic_reserve(struct kith_subscriber *subscriber) {
    if (subscriber->count < subscriber->room)
        return 0;
    uint32_t room = larger(subscriber->room);
    if (room == 0)
        return -ENOBUFS;
    struct kith_subscription *subscriptions = reallocarray(subscriber->subscriptions, room, sizeof(*subscriptions));
    if (!subscriptions)
        return -ENOMEM;
    subscriber->subscriptions = subscriptions;
    subscriber->room = room;
    return 0;
}

static int add_holder(struct kith_topic *topic, struct kith_holder holder) {
    if (topic->holder_count == 0) {
        topic->holders.one = holder.subscriber;
        topic->holding.place = holder.place;
        topic->holder_count = 1;
        return 0;
    }
    bool first = topic->holder_count == 1;
    uint32_t room = first ? 1 : topic->holding.room;
    if (topic->holder_count == room) {
        struct kith_holder one = kith_topic_holder(topic, 0);
        room = larger(room);
        if (room == 0)
            return -ENOBUFS;
        struct kith_holder *many = reallocarray(first ? NULL : topic->holders.many, room, sizeof(*many));
        if (!many)
            return -ENOMEM;
        if (first)
            many[0] = one;
        topic->holders.many = many;
        topic->holding.room = room;
    }
    topic->holders.many[topic->holder_count++] = holder;
    return 0;
}

int kith_topic_hold(struct kith_topic *topic, struct kith_subscriber *subscriber) {
    uint32_t place = topic->holder_count;
    int r = add_holder(topic, (struct kith_holder){.subscriber = subscriber, .place = subscriber->count});
    if (r < 0)
        return r;
    subscriber->subscriptions[subscriber->count++] = (struct kith_subscription){.topic = topic, .place = place, .count = 1};
    return 0;
}

static void remove_holder(struct kith_topic *topic, uint32_t place) {
    uint32_t count = topic->holder_count - 1;
    struct kith_holder *many = topic->holders.many;

    if (count == 0) {
        topic->holder_count = 0;
        return;
    }
    many[place] = many[count];
    many[place].subscriber->subscriptions[many[place].place].place = place;
    topic->holder_count = count;
    if (count == 1) {
        struct kith_holder one = many[0];
        free(many);
        topic->holders.one = one.subscriber;
        topic->holding.place = one.place;
    } else if (count <= topic->holding.room / 4) {
        struct kith_holder *fewer = reallocarray(many, topic->holding.room / 2, sizeof(*many));
        if (!fewer)
            return;
        topic->holders.many = fewer;
        topic->holding.room /= 2;
    }
}

/* Says to the topic of the subscription at `place` that it lies there now. */
static void settle(struct kith_subscriber *subscriber, uint32_t place) {
    struct kith_subscription *subscription = &subscriber->subscriptions[place];

    if (subscription->topic->holder_count > 1)
        subscription->topic->holders.many[subscription->place].place = place;
    else
        subscription->topic->holding.place = place;
}

static void shrink(struct kith_subscriber *subscriber) {
    if (subscriber->count == 0) {
        free(subscriber->subscriptions);
        subscriber->subscriptions = NULL;
        subscriber->room = 0;
    } else if (subscriber->count <= subscriber->room / 4) {
        struct kith_subscription *fewer = reallocarray(subscriber->subscriptions, subscriber->room / 2, sizeof(*fewer));
        if (!fewer)
            return;
        subscriber->subscriptions = fewer;
        subscriber->room /= 2;
    }
}

void kith_topic_release(struct kith_subscriber *subscriber, uint32_t place) {
    struct kith_subscription gone = subscriber->subscriptions[place];

    remove_holder(gone.topic, gone.place);
    subscriber->count--;
    if (place < subscriber->count) {
        subscriber->subscriptions[place] = subscriber->subscriptions[subscriber->count];
        settle(subscriber, place);
    }
    shrink(subscriber);
}

/* topic/holder.c: see holder.h. Both arrays grow by a quarter, and shrink to half when a quarter is in use. */
#include "topic/holder.h"

#include <errno.h>
#include <stdlib.h>

struct kith_subscription *kith_topic_held_by(const struct kith_topic *topic, const struct kith_subscriber *subscriber) {
    uint32_t holder_count = kith_topic_holder_count(topic);
    if (holder_count < subscriber->count) {
        for (uint32_t i = 0; i < holder_count; i++) {
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
    uint64_t next = (uint64_t)room + room / 4 + 1;
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

/* NULL, which has no holder yet, can be made larger too. */
static struct kith_holders *resize_holders(struct kith_holders *holders, uint32_t room) {
    size_t size;
    if (__builtin_mul_overflow(room, sizeof(struct kith_holder), &size) || __builtin_add_overflow(size, sizeof(*holders), &size))
        return NULL;
    struct kith_holders *resized = realloc(holders, size);
    if (resized)
        resized->room = room;
    return resized;
}

/* Makes room for one holder more beside the one or many that there are. */
static int reserve_holder(struct kith_topic *topic) {
    struct kith_holders *many = topic->held == KITH_TOPIC_HELD_BY_MANY ? topic->holders.many : NULL;

    if (many && many->count < many->room)
        return 0;
    uint32_t room = larger(many ? many->room : 1);
    if (room == 0)
        return -ENOBUFS;
    struct kith_holders *more = resize_holders(many, room);
    if (!more)
        return -ENOMEM;
    if (!many) {
        more->all[0] = kith_topic_holder(topic, 0);
        more->count = 1;
        topic->held = KITH_TOPIC_HELD_BY_MANY;
    }
    topic->holders.many = more;
    return 0;
}

static int add_holder(struct kith_topic *topic, struct kith_holder holder) {
    if (!topic->held) {
        topic->held = KITH_TOPIC_HELD_BY_ONE;
        topic->holders.one = holder.subscriber;
        topic->place = holder.place;
        return 0;
    }
    int r = reserve_holder(topic);
    if (r < 0)
        return r;
    topic->holders.many->all[topic->holders.many->count++] = holder;
    return 0;
}

int kith_topic_hold(struct kith_topic *topic, struct kith_subscriber *subscriber) {
    uint32_t place = kith_topic_holder_count(topic);
    int r = add_holder(topic, (struct kith_holder){.subscriber = subscriber, .place = subscriber->count});
    if (r < 0)
        return r;
    subscriber->subscriptions[subscriber->count++] = (struct kith_subscription){.topic = topic, .place = place, .count = 1};
    return 0;
}

static void remove_holder(struct kith_topic *topic, uint32_t place) {
    if (topic->held == KITH_TOPIC_HELD_BY_ONE) {
        topic->held = KITH_TOPIC_HELD_BY_NONE;
        return;
    }
    struct kith_holders *many = topic->holders.many;
    struct kith_holder *moved = &many->all[place];
    *moved = many->all[--many->count];
    moved->subscriber->subscriptions[moved->place].place = place;
    if (many->count == 1) {
        topic->held = KITH_TOPIC_HELD_BY_ONE;
        topic->holders.one = many->all[0].subscriber;
        topic->place = many->all[0].place;
        free(many);
    } else if (many->count <= many->room / 4) {
        struct kith_holders *fewer = resize_holders(many, many->room / 2);
        topic->holders.many = fewer ? fewer : many;
    }
}

/* Says to the topic of the subscription at `place` that it lies there now. */
static void settle(struct kith_subscriber *subscriber, uint32_t place) {
    struct kith_subscription *subscription = &subscriber->subscriptions[place];

    if (subscription->topic->held == KITH_TOPIC_HELD_BY_MANY)
        subscription->topic->holders.many->all[subscription->place].place = place;
    else
        subscription->topic->place = place;
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

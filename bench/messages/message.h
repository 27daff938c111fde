/*
 * bench/messages/message.h: what is in a message: its number, behind a topic where there are topics.
 *
 * Topics are alike but for five digits in the middle, as topics are in practice; what is sent astray differs from a topic in its last
 * octet alone, so that it has to be looked at to its end.
 */
#ifndef KITH_BENCH_MESSAGES_MESSAGE_H
#define KITH_BENCH_MESSAGES_MESSAGE_H

#include <errno.h>
#include <string.h>

#include "bench/messages/contestant.h"

#define TOPIC_SIZE 20
#define TOPICS_MAX 100000 /* five digits */
#define MESSAGE_MIN (sizeof(uint64_t))

static inline void topic_write(char topic[static TOPIC_SIZE], unsigned index, bool astray) {
    memcpy(topic, "telemetry/00000/rate", TOPIC_SIZE);
    for (char *digit = topic + 14; index > 0; index /= 10)
        *digit-- = (char)('0' + index % 10);
    if (astray)
        topic[TOPIC_SIZE - 1] = 'X';
}

/* Which topic a message has: in an order that no cache foresees. */
static inline unsigned topic_of(const struct setup *setup, uint64_t number) {
    return (unsigned)(number * 7919 % setup->topics);
}

static inline size_t number_offset(const struct setup *setup) {
    return setup->topics > 0 ? TOPIC_SIZE : 0;
}

static inline void message_write(const struct setup *setup, void *data, uint64_t number) {
    if (setup->topics > 0)
        topic_write(data, topic_of(setup, number), setup->astray);
    memcpy((char *)data + number_offset(setup), &number, sizeof(number));
}

/* -EBADMSG: it is another one. */
static inline int message_check(const struct setup *setup, const void *data, size_t size, uint64_t number) {
    uint64_t found;
    if (size != setup->size)
        return -EBADMSG;
    memcpy(&found, (const char *)data + number_offset(setup), sizeof(found));
    return found == number ? 0 : -EBADMSG;
}

#endif

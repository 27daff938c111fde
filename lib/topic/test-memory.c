/*
 * topic/test-memory.c: what subscriptions take is never more than what they are charged, whatever the topics; 100,000 ordinary ones take
 * 100 octets and the topic each at most; and a set that gets no memory stays what it was. The allocating functions are ours, see
 * meson.build.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <malloc.h>
#include <stdio.h>

#include "topic/testing.h"

#define PLENTY (SIZE_MAX / 2)

/* The names are the linker's. */
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__real_reallocarray(void *memory, size_t count, size_t size);
void *__wrap_reallocarray(void *memory, size_t count, size_t size);

/* So many allocations succeed, then one fails; -1: all succeed. */
static int until_failure = -1;
static unsigned failures;

static bool fails(void) {
    if (until_failure < 0 || until_failure-- > 0)
        return false;
    failures++;
    return true;
}

void *__wrap_malloc(size_t size) {
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size) {
    return fails() ? NULL : __real_realloc(memory, size);
}

void *__wrap_reallocarray(void *memory, size_t count, size_t size) {
    return fails() ? NULL : __real_reallocarray(memory, count, size);
}

/* What a block takes, as malloc(3) rounds it up and with the word that it puts in front. */
static size_t block_of(const void *block) {
    return block ? malloc_usable_size((void *)(uintptr_t)block) + sizeof(size_t) : 0;
}

/* Octets that the set has taken. */
static size_t octets_of(const struct kith_topics *topics) {
    size_t octets = 0;

    for (const struct kith_topic *node = &topics->root; node; node = kith_topic_next(node)) {
        octets += node->parent ? block_of(node) : 0;
        octets += block_of(node->branches);
        octets += node->held == KITH_TOPIC_HELD_BY_MANY ? block_of(node->holders.many) : 0;
    }
    kith_list_foreach (&topics->subscribers, node)
        octets += block_of(kith_list_entry(node, struct kith_subscriber, link)->subscriptions);
    return octets;
}

static size_t charged(const struct kith_topics *topics) {
    size_t octets = 0;

    kith_list_foreach (&topics->subscribers, node)
        octets += kith_list_entry(node, struct kith_subscriber, link)->charge.used;
    return octets;
}

/* Topics by number ---------------------------------------------------------------------------------------------------- */

static size_t serial_number(unsigned n, uint8_t *octets) {
    return (size_t)sprintf((char *)octets, "sensor/%06u", n);
}

static size_t telemetry(unsigned n, uint8_t *octets) {
    return (size_t)sprintf((char *)octets, "telemetry/%05u/rate", n);
}

static size_t noise(unsigned n, uint8_t *octets) {
    uint64_t word = n;

    for (unsigned i = 0; i < 16; i++) {
        word = word * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        octets[i] = (uint8_t)(word >> 56);
    }
    return 16;
}

static size_t words(unsigned n, uint8_t *octets) {
    static const char *const exchanges[] = {"nasdaq", "nyse", "xetra", "euronext"}, *const fields[] = {"bid", "ask", "last", "volume"};
    return (size_t)sprintf((char *)octets, "market/%s/%c%c%c/%u/%s", exchanges[n % 4], 'A' + (n / 16) % 26, 'A' + (n / 416) % 26,
                           'A' + (n / 10816) % 26, n % 7, fields[n / 4 % 4]);
}

/* Bits as octets: every node branches in two. */
static size_t bits(unsigned n, uint8_t *octets) {
    for (unsigned i = 0; i < 17; i++)
        octets[i] = n >> (16 - i) & 1 ? 'x' : 'y';
    return 17;
}

/* Each the beginning of the one before. */
static size_t nested(unsigned n, uint8_t *octets) {
    memset(octets, 'n', 1000);
    return 1000 - n % 1000;
}

/* A node with as few children as make it a table, and so on below it. */
static size_t tables(unsigned n, uint8_t *octets) {
    octets[0] = (uint8_t)(n % 65);
    octets[1] = (uint8_t)(n / 65 % 65);
    octets[2] = (uint8_t)(n / 65 / 65 % 65);
    return 3;
}

static const struct shape {
    const char *name;
    size_t (*make)(unsigned n, uint8_t *octets);
    unsigned count;
    size_t most; /* octets a subscription beside the topic; 0: only no more than it is charged */
} shapes[] = {
    {"serial numbers", serial_number, 100000, 75},
    {"numbers in the middle", telemetry, 100000, 70},
    {"16 octets of noise", noise, 100000, 100},
    {"words", words, 100000, 75},
    {"bits", bits, 100000, 0},
    {"nested", nested, 1000, 0},
    {"tables", tables, 100000, 0},
};

static void test_nothing_takes_more_than_it_is_charged(void **state) {
    uint8_t octets[1024];

    for (size_t i = 0; i < KITH_ARRAY_SIZE(shapes); i++) {
        struct kith_topics topics;
        struct kith_subscriber subscriber;
        size_t sizes = 0;
        kith_topics_init(&topics);
        kith_topics_join(&topics, &subscriber, UINT32_MAX, PLENTY);
        for (unsigned n = 0; n < shapes[i].count; n++) {
            size_t size = shapes[i].make(n, octets);
            sizes += kith_topics_add(&topics, &subscriber, octets, size) == KITH_TOPIC_SOLE ? size : 0;
        }
        size_t taken = octets_of(&topics);
        print_message("%s: %zu topics of %zu octets take %zu octets each\n", shapes[i].name, topics.count, sizes / topics.count,
                      taken / topics.count);
        assert_true(taken <= subscriber.charge.used);
        if (shapes[i].most > 0)
            assert_true(taken <= shapes[i].most * topics.count + sizes);
        /* And when most are gone again: what is left is not left over. */
        for (unsigned n = 0; n < shapes[i].count; n++)
            if (n % 16 != 5)
                (void)kith_topics_remove(&topics, &subscriber, octets, shapes[i].make(n, octets));
        assert_true(octets_of(&topics) <= subscriber.charge.used);
        kith_topics_deinit(&topics);
    }
}

static void test_a_thousand_subscribers_of_the_same_topics_take_no_more_either(void **state) {
    enum { COUNT = 1000, TOPICS = 20 };
    struct kith_subscriber *subscribers = calloc(COUNT, sizeof(*subscribers));
    struct kith_topics topics;
    uint8_t octets[1024];
    assert_non_null(subscribers);

    kith_topics_init(&topics);
    for (unsigned s = 0; s < COUNT; s++) {
        kith_topics_join(&topics, &subscribers[s], UINT32_MAX, PLENTY);
        for (unsigned n = 0; n < TOPICS; n++)
            assert_true(kith_topics_add(&topics, &subscribers[s], octets, serial_number(n, octets)) >= 0);
        if (s == 0)
            assert_true(octets_of(&topics) <= charged(&topics));
    }
    print_message("%zu octets each\n", octets_of(&topics) / (COUNT * TOPICS));
    assert_true(octets_of(&topics) <= charged(&topics));
    kith_topics_deinit(&topics);
    free(subscribers);
}

/* Memory runs out at every allocation of a history that cuts, grows, joins and shrinks: each call fails and changes nothing, or does what
 * it should; removing never fails. */
static void history(unsigned failing_at) {
    static const char *const steps[] = {"+0abc", "+0abcdef", "+1abc", "+2abc", "+0abd", "+1a", "-0abc", "-1a", "+0", "-2abc", "-1abc"};
    struct both *both = calloc(1, sizeof(*both));
    assert_non_null(both);
    both_init(both, PLENTY);

    for (size_t i = 0; i < KITH_ARRAY_SIZE(steps); i++) {
        struct kith_subscriber *subscriber = &both->subscribers[steps[i][1] - '0'];
        const char *topic = steps[i] + 2;
        size_t charge = subscriber->charge.used, count = both->topics.count;
        uint32_t held = subscriber->count;
        until_failure = (int)failing_at;
        int r = steps[i][0] == '+' ? kith_topics_add(&both->topics, subscriber, topic, strlen(topic))
                                   : kith_topics_remove(&both->topics, subscriber, topic, strlen(topic));
        until_failure = -1;
        if (steps[i][0] == '-') {
            assert_true(r >= 0);
        } else if (r < 0) {
            assert_int_equal(r, -ENOMEM);
            assert_int_equal(subscriber->charge.used, charge);
            assert_int_equal(subscriber->count, held);
            assert_int_equal(both->topics.count, count);
            r = kith_topics_add(&both->topics, subscriber, topic, strlen(topic));
            assert_true(r >= 0);
        }
        assert_int_equal(subscriber->count, held + (steps[i][0] == '+' ? 1 : -1));
        assert_true(kith_topics_match_any(&both->topics, "abcdef", 6));
    }
    assert_int_equal(both->topics.count, 3);
    kith_topics_deinit(&both->topics);
    assert_null(both->topics.root.branches);
    free(both);
}

static void test_without_memory_the_set_stays_what_it_was(void **state) {
    failures = 0;
    for (unsigned failing_at = 0; failing_at < 8; failing_at++)
        history(failing_at);
    assert_true(failures > 15);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_takes_more_than_it_is_charged),
        cmocka_unit_test(test_a_thousand_subscribers_of_the_same_topics_take_no_more_either),
        cmocka_unit_test(test_without_memory_the_set_stays_what_it_was),
    };
    return cmocka_run_group_tests_name("topic/memory", tests, NULL, NULL);
}

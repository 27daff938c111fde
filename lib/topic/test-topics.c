/* topic/test-topics.c: subscriptions one by one: what each call answers, and whom a message then concerns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "topic/testing.h"

#define SUBSCRIBERS 4
#define PLENTY (SIZE_MAX / 2)

struct fixture {
    struct kith_topics topics;
    struct kith_subscriber subscribers[SUBSCRIBERS];
};

static int setup(void **state) {
    static struct fixture fixture;

    kith_topics_init(&fixture.topics);
    for (unsigned s = 0; s < SUBSCRIBERS; s++)
        kith_topics_join(&fixture.topics, &fixture.subscribers[s], UINT32_MAX, PLENTY);
    *state = &fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;

    kith_topics_deinit(&fixture->topics);
    return fixture->topics.root.branches || fixture->topics.count > 0 ? -1 : 0;
}

static int add(struct fixture *fixture, unsigned s, const char *topic) {
    return kith_topics_add(&fixture->topics, &fixture->subscribers[s], topic, strlen(topic));
}

static int drop(struct fixture *fixture, unsigned s, const char *topic) {
    return kith_topics_remove(&fixture->topics, &fixture->subscribers[s], topic, strlen(topic));
}

/* The subscribers on the list, as digits in their order; empties it. */
static const char *who(struct fixture *fixture, struct kith_list *list) {
    static char text[SUBSCRIBERS + 1];
    size_t size = 0;

    for (unsigned s = 0; s < SUBSCRIBERS; s++) {
        if (!kith_list_empty(&fixture->subscribers[s].matched))
            text[size++] = (char)('0' + s);
        kith_list_unlink(&fixture->subscribers[s].matched);
    }
    text[size] = '\0';
    assert_true(kith_list_empty(list));
    return text;
}

static const char *match(struct fixture *fixture, const void *data, size_t size) {
    struct kith_list list = KITH_LIST_INIT(list);

    kith_topics_match(&fixture->topics, data, size, &list);
    assert_int_equal(kith_topics_match_any(&fixture->topics, data, size), !kith_list_empty(&list));
    return who(fixture, &list);
}

static const char *match_text(struct fixture *fixture, const char *text) {
    return match(fixture, text, strlen(text));
}

static const char *others(struct fixture *fixture, const char *text) {
    struct kith_list list = KITH_LIST_INIT(list);

    kith_topics_match_others(&fixture->topics, text, strlen(text), &list);
    return who(fixture, &list);
}

static void test_nobody_subscribed_matches_nothing(void **state) {
    assert_string_equal(match_text(*state, ""), "");
    assert_string_equal(match_text(*state, "a"), "");
    assert_string_equal(others(*state, "a"), "0123");
    assert_null(kith_topics_next(&((struct fixture *)*state)->topics, NULL));
}

static void test_the_empty_topic_matches_everything(void **state) {
    assert_int_equal(add(*state, 1, ""), KITH_TOPIC_SOLE);
    assert_string_equal(match_text(*state, ""), "1");
    assert_string_equal(match_text(*state, "anything"), "1");
    assert_string_equal(others(*state, "anything"), "023");
    assert_int_equal(drop(*state, 1, ""), KITH_TOPIC_SOLE);
    assert_string_equal(match_text(*state, "anything"), "");
}

static void test_a_topic_matches_what_begins_with_it(void **state) {
    static const struct {
        const char *message, *who;
    } table[] = {{"", "3"},        {"a", "3"},     {"ab", "13"}, {"abc", "13"}, {"abd", "13"}, {"abcd", "013"},
                 {"abcde", "013"}, {"abce", "13"}, {"x", "23"},  {"xyz", "23"}, {"b", "3"}};

    assert_int_equal(add(*state, 0, "abcd"), KITH_TOPIC_SOLE);
    assert_int_equal(add(*state, 1, "ab"), KITH_TOPIC_SOLE);
    assert_int_equal(add(*state, 2, "x"), KITH_TOPIC_SOLE);
    assert_int_equal(add(*state, 3, ""), KITH_TOPIC_SOLE);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(table); i++)
        assert_string_equal(match_text(*state, table[i].message), table[i].who);
}

static void test_topics_are_octets_and_not_text(void **state) {
    struct fixture *fixture = *state;

    assert_int_equal(kith_topics_add(&fixture->topics, &fixture->subscribers[0], "\0", 1), KITH_TOPIC_SOLE);
    assert_int_equal(kith_topics_add(&fixture->topics, &fixture->subscribers[1], "\0\0", 2), KITH_TOPIC_SOLE);
    assert_int_equal(kith_topics_add(&fixture->topics, &fixture->subscribers[2], "\xff\0a", 3), KITH_TOPIC_SOLE);
    assert_string_equal(match(fixture, "\0", 1), "0");
    assert_string_equal(match(fixture, "\0\0x", 3), "01");
    assert_string_equal(match(fixture, "\xff\0a", 3), "2");
    assert_string_equal(match(fixture, "\xff\0", 2), "");
    assert_string_equal(match(fixture, "", 0), "");
}

static void test_a_subscriber_with_several_matching_topics_is_met_once(void **state) {
    struct fixture *fixture = *state;
    struct kith_list list = KITH_LIST_INIT(list);

    add(fixture, 0, "");
    add(fixture, 0, "a");
    add(fixture, 0, "ab");
    add(fixture, 1, "ab");
    kith_topics_match(&fixture->topics, "abc", 3, &list);
    assert_ptr_equal(list.next, &fixture->subscribers[0].matched);
    assert_ptr_equal(list.next->next, &fixture->subscribers[1].matched);
    assert_ptr_equal(list.next->next->next, &list);
    kith_list_unlink(list.next);
    kith_list_unlink(list.next);
}

static void test_what_was_added_twice_is_removed_twice(void **state) {
    assert_int_equal(add(*state, 0, "t"), KITH_TOPIC_SOLE);
    assert_int_equal(add(*state, 0, "t"), KITH_TOPIC_COUNTED);
    assert_int_equal(drop(*state, 0, "t"), KITH_TOPIC_COUNTED);
    assert_string_equal(match_text(*state, "t"), "0");
    assert_int_equal(drop(*state, 0, "t"), KITH_TOPIC_SOLE);
    assert_string_equal(match_text(*state, "t"), "");
    assert_int_equal(drop(*state, 0, "t"), -ENOENT);
}

static void test_others_with_the_topic_are_told_from_none(void **state) {
    assert_int_equal(add(*state, 0, "t"), KITH_TOPIC_SOLE);
    assert_int_equal(add(*state, 1, "t"), KITH_TOPIC_SHARED);
    assert_int_equal(add(*state, 2, "t"), KITH_TOPIC_SHARED);
    assert_int_equal(drop(*state, 0, "t"), KITH_TOPIC_SHARED);
    assert_string_equal(match_text(*state, "t"), "12");
    assert_int_equal(drop(*state, 0, "t"), -ENOENT);
    assert_int_equal(drop(*state, 2, "t"), KITH_TOPIC_SHARED);
    assert_int_equal(drop(*state, 1, "t"), KITH_TOPIC_SOLE);
}

static void test_what_was_never_added_cannot_be_removed(void **state) {
    add(*state, 0, "abc");
    add(*state, 0, "abd");
    assert_int_equal(drop(*state, 0, ""), -ENOENT);
    assert_int_equal(drop(*state, 0, "a"), -ENOENT);
    assert_int_equal(drop(*state, 0, "ab"), -ENOENT); /* a node, but no topic */
    assert_int_equal(drop(*state, 0, "abcd"), -ENOENT);
    assert_int_equal(drop(*state, 1, "abc"), -ENOENT);
    assert_string_equal(match_text(*state, "abcd"), "0");
}

static void test_a_count_never_runs_over(void **state) {
    struct fixture *fixture = *state;

    add(fixture, 0, "t");
    fixture->subscribers[0].subscriptions[0].count = UINT32_MAX;
    assert_int_equal(add(fixture, 0, "t"), -ENOBUFS);
    assert_int_equal(drop(fixture, 0, "t"), KITH_TOPIC_COUNTED);
    assert_int_equal(fixture->subscribers[0].subscriptions[0].count, UINT32_MAX - 1);
}

static void test_subscriptions_are_charged_up_to_a_limit(void **state) {
    struct fixture *fixture = *state;
    struct kith_subscriber *subscriber = &fixture->subscribers[0];

    subscriber->charge.limit = 2 * (KITH_TOPIC_COST + 2 * 3);
    assert_int_equal(add(fixture, 0, "abc"), KITH_TOPIC_SOLE);
    assert_int_equal(add(fixture, 0, "abc"), KITH_TOPIC_COUNTED);
    assert_int_equal(add(fixture, 0, "abde"), -ENOBUFS);
    assert_int_equal(add(fixture, 0, "abd"), KITH_TOPIC_SOLE);
    assert_int_equal(subscriber->charge.used, subscriber->charge.limit);
    assert_int_equal(add(fixture, 0, ""), -ENOBUFS);
    assert_int_equal(add(fixture, 0, "abc"), KITH_TOPIC_COUNTED); /* which costs nothing */
    assert_int_equal(add(fixture, 1, "abde"), KITH_TOPIC_SOLE);   /* nor do others */
    assert_int_equal(drop(fixture, 0, "abd"), KITH_TOPIC_SOLE);
    assert_int_equal(add(fixture, 0, ""), KITH_TOPIC_SOLE);
    assert_string_equal(match_text(fixture, "abde"), "01");
    subscriber->max = 3;
    subscriber->charge.limit = PLENTY;
    assert_int_equal(add(fixture, 0, "y"), KITH_TOPIC_SOLE);
    assert_int_equal(add(fixture, 0, "z"), -ENOBUFS);
    subscriber->charge.limit = subscriber->max = 0; /* lowered: what is there stays */
    assert_int_equal(add(fixture, 0, "z"), -ENOBUFS);
    assert_string_equal(match_text(fixture, "z"), "0");
    assert_int_equal(kith_topics_add(&fixture->topics, subscriber, "", SIZE_MAX), -ENOBUFS);
}

struct told {
    char topics[64];
    size_t size;
};

static void note(const struct kith_topic *topic, enum kith_topic_change change, void *userdata) {
    struct told *told = userdata;

    if (change == KITH_TOPIC_SHARED)
        told->topics[told->size++] = '+';
    kith_topic_copy(topic, (uint8_t *)told->topics + told->size);
    told->size += kith_topic_size(topic);
    told->topics[told->size++] = ' ';
}

static void test_who_leaves_takes_his_topics_and_tells_what_that_comes_to(void **state) {
    struct fixture *fixture = *state;
    struct told told = {.size = 0};
    struct kith_list list = KITH_LIST_INIT(list);

    add(fixture, 0, "abc");
    add(fixture, 0, "abc");
    add(fixture, 0, "ab");
    add(fixture, 0, "");
    add(fixture, 1, "ab");
    add(fixture, 2, "abcd");
    kith_topics_match(&fixture->topics, "abcd", 4, &list);
    kith_topics_leave(&fixture->topics, &fixture->subscribers[0], note, &told);
    assert_string_equal(told.topics, " +ab abc "); /* the last one first; others have ab */
    assert_string_equal(who(fixture, &list), "12");
    assert_int_equal(fixture->subscribers[0].charge.used, 0);
    assert_string_equal(others(fixture, "abcd"), "3"); /* nor is he among those who are there */
    assert_int_equal(fixture->topics.count, 2);
    kith_topics_join(&fixture->topics, &fixture->subscribers[0], UINT32_MAX, PLENTY);
    assert_string_equal(match_text(fixture, "abcd"), "12");
}

static void test_who_leaves_inside_a_walk_is_not_met_any_more(void **state) {
    struct fixture *fixture = *state;
    struct kith_list list = KITH_LIST_INIT(list);
    unsigned met = 0;

    for (unsigned s = 0; s < 3; s++)
        add(fixture, s, "t");
    kith_topics_match(&fixture->topics, "t", 1, &list);
    while (!kith_list_empty(&list)) {
        struct kith_subscriber *subscriber = kith_list_first(&list, struct kith_subscriber, matched);
        kith_list_unlink(&subscriber->matched);
        if (met++ == 0)
            kith_topics_leave(&fixture->topics, &fixture->subscribers[subscriber == &fixture->subscribers[1] ? 2 : 1], NULL, NULL);
    }
    assert_int_equal(met, 2);
}

static void test_the_walk_tells_each_topic_once(void **state) {
    struct fixture *fixture = *state;
    struct told told = {.size = 0};

    add(fixture, 0, "");
    add(fixture, 0, "ab");
    add(fixture, 1, "ab");
    add(fixture, 1, "abc");
    for (const struct kith_topic *topic = NULL; (topic = kith_topics_next(&fixture->topics, topic));)
        note(topic, KITH_TOPIC_SOLE, &told);
    assert_string_equal(told.topics, " ab abc ");
}

/* All kinds of blocks of branches, growing and shrinking. */
static void test_nodes_with_256_children_come_and_go(void **state) {
    struct fixture *fixture = *state;
    uint8_t octets[2] = {'x'};

    for (unsigned round = 0; round < 2; round++) {
        for (unsigned octet = 0; octet < 256; octet++) {
            octets[1] = (uint8_t)(octet * 37);
            assert_int_equal(kith_topics_add(&fixture->topics, &fixture->subscribers[0], octets, 2), KITH_TOPIC_SOLE);
        }
        for (unsigned octet = 0; octet < 256; octet++) {
            size_t left = 0;
            octets[1] = (uint8_t)(octet * 91);
            assert_string_equal(match(fixture, octets, 2), "0");
            assert_int_equal(kith_topics_remove(&fixture->topics, &fixture->subscribers[0], octets, 2), KITH_TOPIC_SOLE);
            assert_string_equal(match(fixture, octets, 2), "");
            for (const struct kith_topic *topic = NULL; (topic = kith_topics_next(&fixture->topics, topic));)
                left++;
            assert_int_equal(left, 255 - octet);
        }
        assert_null(fixture->topics.root.branches);
    }
}

/* A topic over several nodes, cut at every place and joined again. */
static void test_long_topics_are_cut_anywhere(void **state) {
    struct fixture *fixture = *state;
    uint8_t octets[600], copy[600];

    for (size_t i = 0; i < sizeof(octets); i++)
        octets[i] = (uint8_t)(i * 7 / 5);
    assert_int_equal(kith_topics_add(&fixture->topics, &fixture->subscribers[0], octets, sizeof(octets)), KITH_TOPIC_SOLE);
    for (size_t size = 0; size < sizeof(octets); size++) {
        assert_int_equal(kith_topics_add(&fixture->topics, &fixture->subscribers[1], octets, size), KITH_TOPIC_SOLE);
        octets[size] ^= 0x80; /* departs behind the cut */
        assert_string_equal(match(fixture, octets, sizeof(octets)), "1");
        octets[size] ^= 0x80;
        assert_string_equal(match(fixture, octets, sizeof(octets)), "01");
        assert_string_equal(match(fixture, octets, size), "1");
        assert_int_equal(kith_topics_remove(&fixture->topics, &fixture->subscribers[1], octets, size), KITH_TOPIC_SOLE);
        assert_string_equal(match(fixture, octets, sizeof(octets)), "0");
    }
    const struct kith_topic *topic = kith_topics_next(&fixture->topics, NULL);
    assert_int_equal(kith_topic_size(topic), sizeof(octets));
    kith_topic_copy(topic, copy);
    assert_memory_equal(copy, octets, sizeof(octets));
}

/* Whoever is held by many is not moved by what happens above; what is left over there goes with the crowd. */
static void test_a_node_with_many_holders_stays_where_it_is(void **state) {
    struct fixture *fixture = *state;
    enum { CROWD = KITH_TOPIC_MOVABLE + 1 };
    struct kith_subscriber *crowd = calloc(CROWD, sizeof(*crowd));
    assert_non_null(crowd);

    assert_int_equal(add(fixture, 0, "abc"), KITH_TOPIC_SOLE);
    for (unsigned i = 0; i < CROWD; i++) {
        kith_topics_join(&fixture->topics, &crowd[i], UINT32_MAX, PLENTY);
        assert_int_equal(kith_topics_add(&fixture->topics, &crowd[i], "abcd", 4), i == 0 ? KITH_TOPIC_SOLE : KITH_TOPIC_SHARED);
    }
    const struct kith_topic *node = crowd[0].subscriptions[0].topic;
    assert_int_equal(drop(fixture, 0, "abc"), KITH_TOPIC_SOLE);
    assert_ptr_equal(crowd[0].subscriptions[0].topic, node);
    assert_int_equal(node->parent->held, KITH_TOPIC_HELD_BY_NONE);
    kith_topics_leave(&fixture->topics, &crowd[CROWD - 1], NULL, NULL);
    assert_ptr_equal(crowd[0].subscriptions[0].topic->parent, &fixture->topics.root);
    for (unsigned i = 0; i < CROWD - 1; i++)
        kith_topics_leave(&fixture->topics, &crowd[i], NULL, NULL);
    free(crowd);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_nobody_subscribed_matches_nothing),
        TEST(test_the_empty_topic_matches_everything),
        TEST(test_a_topic_matches_what_begins_with_it),
        TEST(test_topics_are_octets_and_not_text),
        TEST(test_a_subscriber_with_several_matching_topics_is_met_once),
        TEST(test_what_was_added_twice_is_removed_twice),
        TEST(test_others_with_the_topic_are_told_from_none),
        TEST(test_what_was_never_added_cannot_be_removed),
        TEST(test_a_count_never_runs_over),
        TEST(test_subscriptions_are_charged_up_to_a_limit),
        TEST(test_who_leaves_takes_his_topics_and_tells_what_that_comes_to),
        TEST(test_who_leaves_inside_a_walk_is_not_met_any_more),
        TEST(test_the_walk_tells_each_topic_once),
        TEST(test_nodes_with_256_children_come_and_go),
        TEST(test_long_topics_are_cut_anywhere),
        TEST(test_a_node_with_many_holders_stays_where_it_is),
    };
    return cmocka_run_group_tests_name("topic/topics", tests, NULL, NULL);
}

/* Tests of rates: what they let through, at what times, whose they count; and of the state that they count in. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <kith/policy.h>

#include "base/cleanup.h"
#include "policy/state.h"

KITH_DEFINE_CLEANUP(kith_policy *, kith_policy_unref)
KITH_DEFINE_CLEANUP(kith_policy_state *, kith_policy_state_free)
KITH_DEFINE_CLEANUP(kith_origin *, kith_origin_unref)

/* Beyond what a level needs. */
__extension__ typedef __int128 wide;

#define SECOND UINT64_C(1000000000)
#define START (1700000000 * SECOND)

/* One rule that allows, with these rates. */
static kith_policy *policy_of(const char *name, const char *const *rates) {
    kith_policy *policy = NULL;
    kith_policy_rule *rule = NULL;
    assert_int_equal(kith_policy_new(&policy), 0);
    assert_int_equal(kith_policy_add_rule(policy, name, true, KITH_VERB_SEND, &rule, NULL), 0);
    for (; *rates; rates++) {
        struct kith_error error = KITH_ERROR_NONE;
        if (kith_policy_rule_add(rule, KITH_CONDITION_RATE, *rates, &error) < 0)
            fail_msg("%s", error.text);
    }
    return policy;
}

#define POLICY(...) policy_of("rule", (const char *const[]){__VA_ARGS__, NULL})

static kith_policy_state *new_state(void) {
    kith_policy_state *state = NULL;
    assert_int_equal(kith_policy_state_new(&state), 0);
    return state;
}

static kith_origin *origin_of(uid_t uid) {
    kith_origin *origin = NULL;
    assert_int_equal(kith_origin_new(&origin), 0);
    assert_int_equal(kith_origin_set_number(origin, KITH_FACT_UID, uid, KITH_WITNESS_KERNEL_MESSAGE), 0);
    return origin;
}

static bool ask(const kith_policy *policy, kith_policy_state *state, kith_origin *origin, uint64_t now, uint64_t size) {
    const struct kith_policy_request request = {.verb = KITH_VERB_SEND, .origin = origin, .now = now, .size = size};
    return kith_policy_decide_request(policy, &request, state).allow;
}

/* How many of `asked` get through at one moment. */
static unsigned allowed(const kith_policy *policy, kith_policy_state *state, kith_origin *origin, uint64_t now, unsigned asked) {
    unsigned count = 0;
    for (unsigned i = 0; i < asked; i++)
        count += ask(policy, state, origin, now, 0);
    return count;
}

static void test_a_rate_lets_through_what_it_says(void **cmocka) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = POLICY("10/s");
    _cleanup_(kith_policy_state_freep) kith_policy_state *state = new_state();
    assert_int_equal(allowed(policy, state, NULL, START, 30), 10);
    assert_int_equal(allowed(policy, state, NULL, START + SECOND / 10 - 1000, 30), 0);
    assert_int_equal(allowed(policy, state, NULL, START + SECOND / 10, 30), 1);
    assert_int_equal(allowed(policy, state, NULL, START + SECOND / 2, 30), 4);
    /* No more than the burst gathers. */
    assert_int_equal(allowed(policy, state, NULL, START + 1000 * SECOND, 30), 10);
}

static void test_parts_of_a_token_are_not_lost(void **cmocka) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = POLICY("3/s burst 1");
    _cleanup_(kith_policy_state_freep) kith_policy_state *state = new_state();
    unsigned count = 0;
    for (uint64_t now = 0; now < 10000; now++)
        count += ask(policy, state, NULL, START + now * SECOND / 1000, 0);
    assert_int_equal(count, 30);
}

static void test_periods_and_bursts(void **cmocka) {
    _cleanup_(kith_policy_unrefp) kith_policy *minute = POLICY("60/min burst 5"), *hour = POLICY("2 messages/h burst 1");
    _cleanup_(kith_policy_state_freep) kith_policy_state *state = new_state();
    assert_int_equal(allowed(minute, state, NULL, START, 30), 5);
    assert_int_equal(allowed(minute, state, NULL, START + SECOND, 30), 1);
    kith_policy_state_free(state);
    state = new_state();
    assert_int_equal(allowed(hour, state, NULL, START, 30), 1);
    assert_int_equal(allowed(hour, state, NULL, START + 1799 * SECOND, 30), 0);
    assert_int_equal(allowed(hour, state, NULL, START + 1800 * SECOND, 30), 1);
}

static void test_each_value_counts_apart(void **cmocka) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = POLICY("2/s per uid");
    _cleanup_(kith_policy_state_freep) kith_policy_state *state = new_state();
    _cleanup_(kith_origin_unrefp) kith_origin *ann = origin_of(1000), *bob = origin_of(1001), *ann_again = origin_of(1000);
    assert_int_equal(allowed(policy, state, ann, START, 5), 2);
    assert_int_equal(allowed(policy, state, bob, START, 5), 2);
    assert_int_equal(allowed(policy, state, ann_again, START, 5), 0);
    /* Whose is not known is nobody's. */
    assert_int_equal(allowed(policy, state, NULL, START, 5), 0);
}

static void test_an_address_counts_without_its_port(void **cmocka) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = POLICY("2/s per address");
    _cleanup_(kith_policy_state_freep) kith_policy_state *state = new_state();
    static const struct {
        const char *address;
        unsigned allowed;
    } cases[] = {{"192.0.2.1:1000", 2}, {"192.0.2.1:1001", 0},  {"[::ffff:192.0.2.1]:5", 0},
                 {"192.0.2.2:1000", 2}, {"[2001:db8::1]:1", 2}, {"[2001:db8:0::1]:2", 0}};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(cases); i++) {
        _cleanup_(kith_origin_unrefp) kith_origin *origin = origin_of(1);
        assert_int_equal(kith_origin_set_text(origin, KITH_FACT_ADDRESS, cases[i].address, KITH_WITNESS_KERNEL_CONNECT), 0);
        assert_int_equal(allowed(policy, state, origin, START, 5), cases[i].allowed);
    }
}

static void test_texts_count_apart(void **cmocka) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = POLICY("1/s per exe");
    _cleanup_(kith_policy_state_freep) kith_policy_state *state = new_state();
    char path[4200];
    memset(path, 'x', sizeof(path));
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    _cleanup_(kith_origin_unrefp) kith_origin *one = origin_of(1), *two = origin_of(1), *longest = origin_of(1);
    assert_int_equal(kith_origin_set_text(one, KITH_FACT_EXE, "/bin/a", KITH_WITNESS_KERNEL_CONNECT), 0);
    assert_int_equal(kith_origin_set_text(two, KITH_FACT_EXE, "/bin/ab", KITH_WITNESS_KERNEL_CONNECT), 0);
    assert_int_equal(kith_origin_set_text(longest, KITH_FACT_EXE, path, KITH_WITNESS_KERNEL_CONNECT), 0);
    assert_int_equal(allowed(policy, state, one, START, 5), 1);
    assert_int_equal(allowed(policy, state, two, START, 5), 1);
    assert_int_equal(allowed(policy, state, longest, START, 5), 1);
}

static void test_bytes_may_be_owed_and_are_paid_first(void **cmocka) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = POLICY("1K bytes/s");
    _cleanup_(kith_policy_state_freep) kith_policy_state *state = new_state();
    assert_true(ask(policy, state, NULL, START, 1023));
    assert_true(ask(policy, state, NULL, START, 1024 * 3 + 1)); /* one octet was left */
    assert_false(ask(policy, state, NULL, START, 1));
    assert_false(ask(policy, state, NULL, START + 3 * SECOND, 1));
    assert_true(ask(policy, state, NULL, START + 3 * SECOND + SECOND / 1024 + 1000, 1));
    /* What could not be paid in a lifetime still is finite. */
    assert_true(ask(policy, state, NULL, START + 10 * SECOND, UINT64_MAX));
    assert_false(ask(policy, state, NULL, START + 20 * SECOND, 1));
}

static void test_all_rates_of_a_rule_must_hold_and_count_together(void **cmocka) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = POLICY("5/s", "2/s per uid");
    _cleanup_(kith_policy_state_freep) kith_policy_state *state = new_state();
    _cleanup_(kith_origin_unrefp) kith_origin *one = origin_of(1), *two = origin_of(2), *three = origin_of(3);
    assert_int_equal(allowed(policy, state, one, START, 10), 2);
    assert_int_equal(allowed(policy, state, two, START, 10), 2);
    /* What was refused for one of them took nothing from the other. */
    assert_int_equal(allowed(policy, state, three, START, 10), 1);
}

static void test_only_the_rule_that_decides_counts(void **cmocka) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = POLICY("2/s");
    _cleanup_(kith_policy_state_freep) kith_policy_state *state = new_state();
    kith_policy_rule *rule = NULL;
    char why[64];
    assert_int_equal(kith_policy_add_rule(policy, "more", true, KITH_VERB_ALL, &rule, NULL), 0);
    assert_int_equal(kith_policy_rule_add(rule, KITH_CONDITION_RATE, "3/s", NULL), 0);
    struct kith_policy_request request = {.verb = KITH_VERB_SEND, .now = START};
    static const char *const decided[] = {"rule", "rule", "more", "more", "more", "default"};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(decided); i++) {
        /* Explaining takes nothing. */
        assert_true(kith_policy_explain_request(policy, 0, &request, state, why, sizeof(why)) > 0);
        assert_string_equal(why, i < 2 ? "applies" : "more than 2/s");
        assert_string_equal(kith_policy_decide_request(policy, &request, state).rule_name, decided[i]);
    }
    /* Without a state nothing counts. */
    for (unsigned i = 0; i < 10; i++)
        assert_string_equal(kith_policy_decide_request(policy, &request, NULL).rule_name, "rule");
    request.now = 0;
    assert_string_equal(kith_policy_decide_request(policy, &request, state).rule_name, "default");
    kith_policy_explain_request(policy, 0, &request, state, why, sizeof(why));
    assert_string_equal(why, "time is unknown");
}

static void test_a_clock_set_back_brings_nothing(void **cmocka) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = POLICY("2/s");
    _cleanup_(kith_policy_state_freep) kith_policy_state *state = new_state();
    assert_int_equal(allowed(policy, state, NULL, START, 5), 2);
    assert_int_equal(allowed(policy, state, NULL, START - 3600 * SECOND, 5), 0);
    assert_int_equal(allowed(policy, state, NULL, START - 3599 * SECOND, 5), 2);
}

static void test_a_state_goes_on_with_the_next_policy(void **cmocka) {
    _cleanup_(kith_policy_unrefp) kith_policy *before = POLICY("2/s"), *same = POLICY("2/s"), *other = POLICY("3/s");
    _cleanup_(kith_policy_unrefp) kith_policy *renamed = policy_of("renamed", (const char *const[]){"2/s", NULL});
    _cleanup_(kith_policy_state_freep) kith_policy_state *state = new_state();
    assert_int_equal(allowed(before, state, NULL, START, 5), 2);
    assert_int_equal(allowed(same, state, NULL, START, 5), 0);
    assert_int_equal(allowed(other, state, NULL, START, 5), 3);
    assert_int_equal(allowed(renamed, state, NULL, START, 5), 2);
}

/* More users than there are counts: those asked for lately are kept. */
static void test_counts_are_bounded(void **cmocka) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = POLICY("1/h per uid");
    _cleanup_(kith_policy_state_freep) kith_policy_state *state = new_state();
    _cleanup_(kith_origin_unrefp) kith_origin *first = origin_of(0);
    assert_true(ask(policy, state, first, START, 0));
    for (uid_t uid = 1; uid < KITH_BUCKETS_MAX; uid++) {
        _cleanup_(kith_origin_unrefp) kith_origin *origin = origin_of(uid);
        assert_true(ask(policy, state, origin, START, 0));
    }
    assert_false(ask(policy, state, first, START, 0));
    for (uid_t uid = KITH_BUCKETS_MAX; uid < KITH_BUCKETS_MAX + 10; uid++) {
        _cleanup_(kith_origin_unrefp) kith_origin *origin = origin_of(uid);
        assert_true(ask(policy, state, origin, START, 0));
    }
    assert_false(ask(policy, state, first, START, 0));
    _cleanup_(kith_origin_unrefp) kith_origin *forgotten = origin_of(1), *kept = origin_of(11);
    assert_false(ask(policy, state, kept, START, 0));
    assert_true(ask(policy, state, forgotten, START, 0));
}

/* The widest rates neither overflow nor lose: against the same in 128 bits. */
static void test_extremes(void **cmocka) {
    static const struct kith_bucket_shape shapes[] = {
        {.tokens = KITH_RATE_TOKENS_MAX, .burst = KITH_RATE_TOKENS_MAX, .period_ns = SECOND},
        {.tokens = 1, .burst = KITH_RATE_TOKENS_MAX, .period_ns = 3600 * SECOND},
        {.tokens = KITH_RATE_TOKENS_MAX, .burst = 1, .period_ns = SECOND},
        {.tokens = 7, .burst = 3, .period_ns = 60 * SECOND},
    };
    static const uint64_t steps[] = {0, 1, 999, 1000, 123456, SECOND, 3600 * SECOND, UINT64_C(1) << 60};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(shapes); i++) {
        _cleanup_(kith_policy_state_freep) kith_policy_state *state = new_state();
        const struct kith_bucket_shape *shape = &shapes[i];
        wide level = (wide)shape->burst * KITH_RATE_TICKS, least = -(wide)KITH_RATE_TOKENS_MAX * KITH_RATE_TICKS;
        uint64_t now = START, last = START, tick = shape->period_ns / KITH_RATE_TICKS;
        for (unsigned round = 0; round < 400; round++) {
            uint64_t take = round % 3 ? UINT64_C(1) << round % 41 : UINT64_MAX >> round % 64;
            now += steps[round * 7 % KITH_ARRAY_SIZE(steps)] >> round % 5;
            level += (wide)(now > last ? now / tick - last / tick : 0) * shape->tokens;
            last = now;
            if (level > (wide)shape->burst * KITH_RATE_TICKS)
                level = (wide)shape->burst * KITH_RATE_TICKS;
            assert_int_equal(kith_bucket_has(state, shape, "k", 1, now, round % 2), level >= (round % 2 ? 1 : KITH_RATE_TICKS));
            kith_bucket_take(state, "k", 1, take);
            level -= (wide)(take < KITH_RATE_TOKENS_MAX ? take : KITH_RATE_TOKENS_MAX) * KITH_RATE_TICKS;
            if (level < least)
                level = least;
            if (now > UINT64_MAX / 2)
                now = START;
        }
    }
}

static void test_states_of_nothing(void **cmocka) {
    assert_int_equal(kith_policy_state_new(NULL), -EINVAL);
    assert_null(kith_policy_state_free(NULL));
    kith_policy_state *state = new_state();
    kith_bucket_take(state, "k", 1, 5);
    assert_null(kith_policy_state_free(state));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_rate_lets_through_what_it_says),
        cmocka_unit_test(test_parts_of_a_token_are_not_lost),
        cmocka_unit_test(test_periods_and_bursts),
        cmocka_unit_test(test_each_value_counts_apart),
        cmocka_unit_test(test_an_address_counts_without_its_port),
        cmocka_unit_test(test_texts_count_apart),
        cmocka_unit_test(test_bytes_may_be_owed_and_are_paid_first),
        cmocka_unit_test(test_all_rates_of_a_rule_must_hold_and_count_together),
        cmocka_unit_test(test_only_the_rule_that_decides_counts),
        cmocka_unit_test(test_a_clock_set_back_brings_nothing),
        cmocka_unit_test(test_a_state_goes_on_with_the_next_policy),
        cmocka_unit_test(test_counts_are_bounded),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_states_of_nothing),
    };
    return cmocka_run_group_tests_name("policy/rate", tests, NULL, NULL);
}

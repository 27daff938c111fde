/* loop/conformance-timer.c: timers, with the real clock. What needs no clock is in test-timer.c. */
#include <errno.h>
#include <stdlib.h>

#include "base/time.h"
#include "loop/conformance.h"

#define MANY 10000

struct order {
    char text[16];
    size_t length;
};

struct mark {
    struct order *order;
    char letter;
};

static void append(kith_timer *timer, void *userdata) {
    struct mark *mark = userdata;
    mark->order->text[mark->order->length++] = mark->letter;
}

/* Letters a, b, c... fire after after_ms[i]. */
static struct order run_in_order(kith_loop *loop, const uint64_t *after_ms, size_t count) {
    struct order order = {0};
    struct mark marks[8];
    kith_timer *timers[8] = {0};

    for (size_t i = 0; i < count; i++) {
        marks[i] = (struct mark){.order = &order, .letter = (char)('a' + i)};
        assert_int_equal(kith_timer_new(loop, append, &marks[i], &timers[i]), 0);
        assert_int_equal(kith_timer_arm(timers[i], after_ms[i], 0), 0);
    }
    while (order.length < count)
        assert_true(kith_loop_step(loop, -1) > 0);
    for (size_t i = 0; i < count; i++) {
        assert_false(kith_timer_armed(timers[i]));
        kith_timer_free(timers[i]);
    }
    return order;
}

static void test_timers_fire_in_the_order_of_their_deadlines(void **state) {
    struct conformance *test = *state;
    /* Far enough apart that arming all of them takes less on a busy machine. */
    const uint64_t after_ms[] = {150, 50, 0, 100, 50};

    assert_string_equal(run_in_order(test->loop, after_ms, KITH_ARRAY_SIZE(after_ms)).text, "cbeda");
}

struct punctual {
    kith_loop *loop;
    uint64_t due;
    unsigned calls;
};

static void not_before_due(kith_timer *timer, void *userdata) {
    struct punctual *punctual = userdata;

    assert_true(kith_time_now() >= punctual->due);
    punctual->calls++;
}

static void test_timer_is_never_early(void **state) {
    struct conformance *test = *state;
    struct punctual punctual = {0};
    kith_timer *timer = NULL;

    assert_int_equal(kith_timer_new(test->loop, not_before_due, &punctual, &timer), 0);
    for (unsigned i = 0; i < 5; i++) {
        punctual.due = kith_time_now() + i * KITH_NS_PER_MS;
        assert_int_equal(kith_timer_arm(timer, i, 0), 0);
        assert_int_equal(kith_loop_step(test->loop, -1), 1);
    }
    assert_int_equal(punctual.calls, 5);
    kith_timer_free(timer);
}

static void be_busy_then_arm(kith_timer *timer, void *userdata) {
    struct punctual *punctual = userdata;
    uint64_t begin = kith_time_now();

    if (++punctual->calls > 1) {
        assert_true(begin >= punctual->due);
        return;
    }
    while (kith_time_now() < begin + 4 * KITH_NS_PER_MS)
        continue;
    assert_true(kith_loop_now(punctual->loop) <= begin);
    punctual->due = kith_time_now() + 2 * KITH_NS_PER_MS;
    assert_int_equal(kith_timer_arm(timer, 2, 0), 0);
}

static void test_time_spent_in_a_callback_does_not_make_timers_early(void **state) {
    struct conformance *test = *state;
    struct punctual punctual = {.loop = test->loop};
    kith_timer *timer = NULL;

    assert_int_equal(kith_timer_new(test->loop, be_busy_then_arm, &punctual, &timer), 0);
    assert_int_equal(kith_timer_arm(timer, 0, 0), 0);
    assert_int_equal(kith_loop_step(test->loop, -1), 1);
    assert_int_equal(kith_loop_step(test->loop, -1), 1);
    assert_int_equal(punctual.calls, 2);
    kith_timer_free(timer);
}

static void rearm_at_once(kith_timer *timer, void *userdata) {
    ++*(unsigned *)userdata;
    assert_int_equal(kith_timer_arm(timer, 0, 0), 0);
}

static void test_timer_of_zero_fires_in_the_next_step_not_in_this_one(void **state) {
    struct conformance *test = *state;
    unsigned calls = 0;
    kith_timer *timer = NULL;

    assert_int_equal(kith_timer_new(test->loop, rearm_at_once, &calls, &timer), 0);
    assert_int_equal(kith_timer_arm(timer, 0, 0), 0);
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(kith_loop_step(test->loop, 0), 1);
        assert_int_equal(calls, i);
    }
    kith_timer_free(timer);
}

static void disarm_at_third(kith_timer *timer, void *userdata) {
    assert_true(kith_timer_armed(timer));
    if (++*(unsigned *)userdata == 3)
        kith_timer_disarm(timer);
}

static void test_timer_repeats_until_disarmed(void **state) {
    struct conformance *test = *state;
    unsigned calls = 0;
    kith_timer *timer = NULL;
    uint64_t begin = kith_time_now();

    assert_int_equal(kith_timer_new(test->loop, disarm_at_third, &calls, &timer), 0);
    assert_int_equal(kith_timer_arm(timer, 1, 2), 0);
    while (kith_timer_armed(timer))
        assert_int_equal(kith_loop_step(test->loop, -1), 1);
    assert_int_equal(calls, 3);
    assert_true(kith_time_now() - begin >= 5 * KITH_NS_PER_MS);
    assert_int_equal(kith_loop_step(test->loop, 5), 0);
    assert_int_equal(calls, 3);
    kith_timer_free(timer);
}

static void test_disarmed_and_moved_timers_do_not_fire_at_their_old_time(void **state) {
    struct conformance *test = *state;
    unsigned disarmed = 0, moved = 0;
    kith_timer *a = NULL, *b = NULL;

    assert_int_equal(kith_timer_new(test->loop, conformance_count_timer, &disarmed, &a), 0);
    assert_int_equal(kith_timer_new(test->loop, conformance_count_timer, &moved, &b), 0);
    assert_false(kith_timer_armed(a));
    assert_int_equal(kith_timer_arm(a, 1, 0), 0);
    assert_int_equal(kith_timer_arm(b, 1, 1), 0);
    kith_timer_disarm(a);
    kith_timer_disarm(a);
    assert_int_equal(kith_timer_arm(b, 60 * 1000, 0), 0);
    assert_int_equal(kith_loop_step(test->loop, 5), 0);
    assert_int_equal(kith_timer_arm(b, 1, 0), 0);
    assert_int_equal(kith_loop_step(test->loop, 5000), 1);
    assert_int_equal(disarmed, 0);
    assert_int_equal(moved, 1);
    assert_false(kith_timer_armed(b));
    kith_timer_free(a);
    kith_timer_free(b);
}

static void test_timers_of_many_days_wait(void **state) {
    struct conformance *test = *state;
    const uint64_t far[] = {UINT64_C(400) * 24 * 3600 * 1000, UINT64_MAX / 2, UINT64_MAX};
    unsigned calls = 0;

    for (size_t i = 0; i < KITH_ARRAY_SIZE(far); i++) {
        kith_timer *timer = NULL;

        assert_int_equal(kith_timer_new(test->loop, conformance_count_timer, &calls, &timer), 0);
        assert_int_equal(kith_timer_arm(timer, far[i], far[i]), 0);
        uint64_t begin = kith_time_now();
        assert_int_equal(kith_loop_step(test->loop, 2), 0);
        assert_true(kith_time_now() - begin >= 2 * KITH_NS_PER_MS);
        assert_true(kith_timer_armed(timer));
        kith_timer_free(timer);
    }
    assert_int_equal(calls, 0);
}

static void test_ten_thousand_timers_fire_once_each(void **state) {
    struct conformance *test = *state;
    kith_timer **timers = calloc(MANY, sizeof(*timers));
    unsigned *calls = calloc(MANY, sizeof(*calls));

    assert_true(timers && calls);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(kith_timer_new(test->loop, conformance_count_timer, &calls[i], &timers[i]), 0);
        assert_int_equal(kith_timer_arm(timers[i], i * 7919 % 20, 0), 0);
    }
    for (size_t i = 0; i < MANY; i += 2)
        kith_timer_disarm(timers[i]);
    for (int fired = 0; fired < MANY / 2;) {
        int r = kith_loop_step(test->loop, -1);
        assert_true(r > 0);
        fired += r;
    }
    assert_int_equal(kith_loop_step(test->loop, 0), 0);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(calls[i], i % 2);
        kith_timer_free(timers[i]);
    }
    free(timers);
    free(calls);
}

static void free_all_timers(kith_timer *timer, void *userdata) {
    kith_timer **timers = userdata;

    for (size_t i = 0; i < 4; i++)
        timers[i] = kith_timer_free(timers[i]);
}

static void test_what_a_timer_frees_does_not_fire_though_due(void **state) {
    struct conformance *test = *state;
    kith_timer *timers[4];

    for (size_t i = 0; i < KITH_ARRAY_SIZE(timers); i++) {
        assert_int_equal(kith_timer_new(test->loop, free_all_timers, timers, &timers[i]), 0);
        assert_int_equal(kith_timer_arm(timers[i], 0, i), 0);
    }
    assert_int_equal(kith_loop_step(test->loop, -1), 1);
    assert_null(timers[3]);
    assert_int_equal(kith_loop_step(test->loop, 0), 0);
    assert_null(kith_timer_free(NULL));
}

int conformance_timer(const char *backend) {
    const struct CMUnitTest tests[] = {
        CONFORMANCE_TEST(test_timers_fire_in_the_order_of_their_deadlines),
        CONFORMANCE_TEST(test_timer_is_never_early),
        CONFORMANCE_TEST(test_time_spent_in_a_callback_does_not_make_timers_early),
        CONFORMANCE_TEST(test_timer_of_zero_fires_in_the_next_step_not_in_this_one),
        CONFORMANCE_TEST(test_timer_repeats_until_disarmed),
        CONFORMANCE_TEST(test_disarmed_and_moved_timers_do_not_fire_at_their_old_time),
        CONFORMANCE_TEST(test_timers_of_many_days_wait),
        CONFORMANCE_TEST(test_ten_thousand_timers_fire_once_each),
        CONFORMANCE_TEST(test_what_a_timer_frees_does_not_fire_though_due),
    };
    return cmocka_run_group_tests_name("timers", tests, NULL, NULL);
}

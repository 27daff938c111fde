/* loop/test-timer.c: the heap of timers, with a clock of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/time.h"
#include "loop/timer.h"

#define MS KITH_NS_PER_MS
#define COUNT 500

struct item {
    kith_timer timer;
    uint64_t deadline; /* 0: disarmed */
    unsigned calls;
};

static uint64_t last_deadline;

static void fired(kith_timer *timer, void *userdata) {
    struct item *item = userdata;

    item->calls++;
    assert_true(item->deadline >= last_deadline);
    last_deadline = item->deadline;
    if (timer->repeat_ns == 0)
        item->deadline = 0;
}

static void item_init(struct kith_timers *timers, struct item *item) {
    last_deadline = 0;
    *item = (struct item){.timer = {.fn = fired, .userdata = item}};
    assert_int_equal(kith_timers_add(timers, &item->timer), 0);
}

static uint64_t earliest(const struct item *items) {
    uint64_t least = UINT64_MAX;

    for (size_t i = 0; i < COUNT; i++)
        if (items[i].deadline && items[i].deadline < least)
            least = items[i].deadline;
    return least;
}

static void change_one(struct kith_timers *timers, struct item *item, uint64_t now) {
    if (rand() % 3 == 0) {
        kith_timers_disarm(timers, &item->timer);
        item->deadline = 0;
    } else {
        uint64_t after_ms = (uint64_t)(rand() % 50);
        kith_timers_arm(timers, &item->timer, now, after_ms, 0);
        item->deadline = now + after_ms * MS;
    }
}

static void test_heap_agrees_with_a_plain_search_whatever_happens(void **state) {
    struct item *items = calloc(COUNT, sizeof(*items));
    struct kith_timers timers;
    uint64_t now = 1000 * MS;

    srand(1);
    kith_timers_init(&timers);
    for (size_t i = 0; i < COUNT; i++)
        item_init(&timers, &items[i]);
    for (int round = 0; round < 3000; round++) {
        change_one(&timers, &items[rand() % COUNT], now);
        assert_int_equal(kith_timers_next(&timers), earliest(items));
        if (round % 10 == 0) {
            last_deadline = 0;
            now += 2 * MS;
            kith_timers_run(&timers, now);
            assert_true(earliest(items) > now);
            assert_int_equal(kith_timers_next(&timers), earliest(items));
        }
    }
    kith_timers_deinit(&timers);
    free(items);
}

static void test_late_repeating_timer_fires_once_and_keeps_its_phase(void **state) {
    struct kith_timers timers;
    struct item item;

    kith_timers_init(&timers);
    item_init(&timers, &item);
    kith_timers_arm(&timers, &item.timer, 0, 10, 10);
    assert_int_equal(kith_timers_run(&timers, 9 * MS), 0);
    assert_int_equal(kith_timers_run(&timers, 10 * MS), 1);
    assert_int_equal(kith_timers_next(&timers), 20 * MS);
    assert_int_equal(kith_timers_run(&timers, 57 * MS), 1);
    assert_int_equal(kith_timers_next(&timers), 60 * MS);
    assert_int_equal(kith_timers_run(&timers, 60 * MS), 1);
    assert_int_equal(kith_timers_next(&timers), 70 * MS);
    kith_timers_deinit(&timers);
}

static void arm_for_the_same_moment(kith_timer *timer, void *userdata) {
    struct kith_timers *timers = userdata;
    kith_timers_arm(timers, timer, 5 * MS, 0, 0);
}

static void test_timer_armed_while_timers_run_waits_for_the_next_run(void **state) {
    struct kith_timers timers;
    kith_timer timer = {.fn = arm_for_the_same_moment, .userdata = &timers};

    kith_timers_init(&timers);
    assert_int_equal(kith_timers_add(&timers, &timer), 0);
    kith_timers_arm(&timers, &timer, 0, 1, 0);
    assert_int_equal(kith_timers_run(&timers, 5 * MS), 1);
    assert_int_equal(kith_timers_run(&timers, 5 * MS), 1);
    kith_timers_deinit(&timers);
}

static void test_times_beyond_the_clock_are_never(void **state) {
    struct kith_timers timers;
    struct item item;

    kith_timers_init(&timers);
    item_init(&timers, &item);
    kith_timers_arm(&timers, &item.timer, 5 * MS, UINT64_MAX, UINT64_MAX);
    assert_int_equal(kith_timers_next(&timers), UINT64_MAX);
    kith_timers_arm(&timers, &item.timer, UINT64_MAX - 1, 1, 0);
    assert_int_equal(kith_timers_next(&timers), UINT64_MAX);
    kith_timers_arm(&timers, &item.timer, 0, 1, UINT64_MAX);
    assert_int_equal(kith_timers_run(&timers, MS), 1);
    assert_int_equal(kith_timers_next(&timers), UINT64_MAX);
    kith_timers_deinit(&timers);
}

static void test_timers_of_one_deadline_fire_in_the_order_of_arming(void **state) {
    struct kith_timers timers;
    struct item items[20];

    kith_timers_init(&timers);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(items); i++)
        item_init(&timers, &items[i]);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(items); i++) {
        struct item *item = &items[(i * 7) % KITH_ARRAY_SIZE(items)];
        kith_timers_arm(&timers, &item->timer, 0, 1, 0);
        item->deadline = i; /* fired() checks that these rise */
    }
    assert_int_equal(kith_timers_run(&timers, MS), KITH_ARRAY_SIZE(items));
    assert_int_equal(last_deadline, KITH_ARRAY_SIZE(items) - 1);
    kith_timers_deinit(&timers);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heap_agrees_with_a_plain_search_whatever_happens),
        cmocka_unit_test(test_late_repeating_timer_fires_once_and_keeps_its_phase),
        cmocka_unit_test(test_timer_armed_while_timers_run_waits_for_the_next_run),
        cmocka_unit_test(test_times_beyond_the_clock_are_never),
        cmocka_unit_test(test_timers_of_one_deadline_fire_in_the_order_of_arming),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

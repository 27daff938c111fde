/* loop/test-batch.c: for how many completions a wait waits, under loads that are made up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "loop/uring-batch.h"

/* A load: how many there are by themselves when a wait ends, and how many would come within its time limit. */
struct load {
    unsigned natural, within;
};

/* Returns how many of the rounds waited for more than came. */
static unsigned run(struct kith_batch_size *batch, struct load load, unsigned rounds, unsigned *ret_handed) {
    unsigned missed = 0, handed = 0;

    for (unsigned i = 0; i < rounds; i++) {
        unsigned natural = load.natural + (load.within > load.natural && i % 4 == 0); /* now and then one more */
        unsigned came = batch->wanted <= natural ? natural : batch->wanted < load.within ? batch->wanted : load.within;
        missed += came < batch->wanted;
        handed += came;
        kith_batch_size_update(batch, came);
        assert_true(batch->wanted >= 1 && batch->wanted <= KITH_BATCH_MAX);
    }
    if (ret_handed)
        *ret_handed = handed;
    return missed;
}

#define ROUNDS (20 * KITH_BATCH_PERIOD)

static void test_one_alone_never_waits_for_others(void **state) {
    struct kith_batch_size batch = KITH_BATCH_SIZE_INIT;

    for (unsigned i = 0; i < ROUNDS; i++) {
        assert_int_equal(batch.wanted, 1);
        kith_batch_size_update(&batch, 1);
    }
}

static void test_where_many_come_by_themselves_nobody_waits(void **state) {
    struct kith_batch_size batch = KITH_BATCH_SIZE_INIT;
    unsigned handed;

    assert_int_equal(run(&batch, (struct load){.natural = 20, .within = 20}, ROUNDS, &handed), 0);
    assert_int_equal(batch.wanted, 1);
    assert_int_equal(handed, 20 * ROUNDS);
}

static void test_those_who_would_come_are_waited_for(void **state) {
    struct kith_batch_size batch = KITH_BATCH_SIZE_INIT;
    unsigned handed;

    run(&batch, (struct load){.natural = 1, .within = 30}, ROUNDS, &handed);
    assert_true(handed > 15 * ROUNDS);
}

/* Each waits for the other, and hardly ever for a third. */
static void test_more_than_there_are_is_seldom_asked_for(void **state) {
    for (unsigned there = 2; there < 6; there++) {
        struct kith_batch_size batch = KITH_BATCH_SIZE_INIT;
        unsigned missed = run(&batch, (struct load){.natural = 1, .within = there}, ROUNDS, NULL);
        assert_true(missed > 0 && missed < ROUNDS / (KITH_BATCH_PAUSE / 3));
    }
}

static void test_a_lull_costs_one_limit(void **state) {
    struct kith_batch_size batch = KITH_BATCH_SIZE_INIT;

    run(&batch, (struct load){.natural = 1, .within = 40}, KITH_BATCH_PERIOD / 2, NULL);
    assert_true(batch.wanted > 1);
    unsigned missed = 0;
    for (unsigned i = 0; i < KITH_BATCH_PERIOD; i++) {
        missed += batch.wanted > 1;
        kith_batch_size_update(&batch, 1);
    }
    assert_int_equal(missed, 1);
}

/* What one client streams is one thing to wait for, however many receives it comes in; clients that come are many. */
static void test_receives_of_one_socket_are_counted_once(void **state) {
    struct kith_batch_tally stream = {0}, several = {0}, accepted = {0};
    static const uint64_t words[] = {7, 7, 7, 8, 7, 8, 8};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(words); i++) {
        kith_batch_tally_add(&stream, 7);
        kith_batch_tally_add(&several, words[i]);
        kith_batch_tally_add(&accepted, 0);
    }
    assert_int_equal(stream.sockets, 1);
    assert_int_equal(several.sockets, 4);
    assert_int_equal(accepted.sockets, KITH_ARRAY_SIZE(words));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_alone_never_waits_for_others),
        cmocka_unit_test(test_where_many_come_by_themselves_nobody_waits),
        cmocka_unit_test(test_those_who_would_come_are_waited_for),
        cmocka_unit_test(test_more_than_there_are_is_seldom_asked_for),
        cmocka_unit_test(test_a_lull_costs_one_limit),
        cmocka_unit_test(test_receives_of_one_socket_are_counted_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

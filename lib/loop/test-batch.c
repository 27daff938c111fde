/* loop/test-batch.c: for how many completions a wait waits, under loads that are made up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loop/uring-batch.h"

static unsigned least(unsigned a, unsigned b) {
    return a < b ? a : b;
}

/* As many as are wanted come, up to what there is. Returns how many of the rounds waited for more than came. */
static unsigned run(struct kith_batch_size *batch, unsigned there, unsigned rounds) {
    unsigned missed = 0;

    for (unsigned i = 0; i < rounds; i++) {
        unsigned came = least(batch->wanted, there);
        missed += came < batch->wanted;
        kith_batch_size_update(batch, came);
        assert_true(batch->wanted >= 1 && batch->wanted <= KITH_BATCH_MAX);
    }
    return missed;
}

static void test_one_alone_never_waits_for_others(void **state) {
    struct kith_batch_size batch = KITH_BATCH_SIZE_INIT;

    assert_int_equal(run(&batch, 1, 1000), 0);
    assert_int_equal(batch.wanted, 1);
}

/* They come together once by chance: from then on each waits for the other, and hardly ever for a third. */
static void test_few_are_waited_for_and_more_seldom_asked(void **state) {
    for (unsigned there = 2; there < 10; there++) {
        struct kith_batch_size batch = KITH_BATCH_SIZE_INIT;

        kith_batch_size_update(&batch, there);
        unsigned missed = run(&batch, there, 100 * (KITH_BATCH_PAUSE + 2));
        assert_true(missed >= 90 && missed <= 110);
        assert_true(batch.wanted >= there);
    }
}

static void test_many_are_found_in_a_few_rounds(void **state) {
    struct kith_batch_size batch = KITH_BATCH_SIZE_INIT;

    kith_batch_size_update(&batch, 2);
    run(&batch, 1000, 6);
    assert_int_equal(batch.wanted, KITH_BATCH_MAX);
}

static void test_a_lull_costs_one_limit(void **state) {
    struct kith_batch_size batch = KITH_BATCH_SIZE_INIT;

    kith_batch_size_update(&batch, 40);
    assert_true(batch.wanted > 1);
    assert_int_equal(run(&batch, 1, 1000), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_alone_never_waits_for_others),
        cmocka_unit_test(test_few_are_waited_for_and_more_seldom_asked),
        cmocka_unit_test(test_many_are_found_in_a_few_rounds),
        cmocka_unit_test(test_a_lull_costs_one_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

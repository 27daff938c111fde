/* Tests of gateway/limit.h: how many lines a second, and that what is held is said once, in its own name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/time.h"
#include "gateway/limit.h"

#define BURST 3
/* When the tests begin: 0 stands for a free entry. */
#define START ((uint64_t)KITH_NS_PER_S)

/* A limit, and what it said last. */
struct fixture {
    struct gateway_limit limit;
    unsigned flushes;
    struct gateway_limit_entry said;
};

static void note(size_t index, void *userdata) {
    struct fixture *fixture = userdata;
    fixture->flushes++;
    fixture->said = fixture->limit.entries[index];
    assert_true(fixture->said.held > 0);
}

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    fixture->limit = (struct gateway_limit){.burst = BURST, .flush = note, .userdata = fixture};
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    free(*state);
    return 0;
}

/* Asks so many times; returns how many were admitted. */
static unsigned ask(struct fixture *fixture, uint64_t key, uint64_t now, unsigned times) {
    unsigned admitted = 0;
    size_t index;
    for (unsigned i = 0; i < times; i++)
        admitted += gateway_limit_admit(&fixture->limit, key, now, &index);
    return admitted;
}

static void assert_said(const struct fixture *fixture, unsigned flushes, uint64_t key, uint64_t held, bool shared) {
    assert_int_equal(fixture->flushes, flushes);
    assert_int_equal(fixture->said.key, key);
    assert_int_equal(fixture->said.held, held);
    assert_int_equal(fixture->said.shared, shared);
}

static void test_a_key_has_its_burst_each_second(void **state) {
    struct fixture *fixture = *state;
    assert_int_equal(ask(fixture, 7, START, BURST + 4), BURST);
    assert_int_equal(ask(fixture, 8, START, 1), 1);
    assert_int_equal(ask(fixture, 7, START + KITH_NS_PER_S - 1, 1), 0);
    assert_int_equal(fixture->flushes, 0);
    /* The next second begins with what the last one held. */
    assert_int_equal(ask(fixture, 7, START + KITH_NS_PER_S, BURST + 2), BURST);
    assert_said(fixture, 1, 7, 5, false);
    gateway_limit_flush(&fixture->limit);
    assert_said(fixture, 2, 7, 2, false);
}

static void test_what_was_said_is_not_said_again(void **state) {
    struct fixture *fixture = *state;
    ask(fixture, 7, START, BURST + 2);
    gateway_limit_flush(&fixture->limit);
    assert_said(fixture, 1, 7, 2, false);
    gateway_limit_flush(&fixture->limit);
    assert_int_equal(fixture->flushes, 1);
    ask(fixture, 7, START, 1);
    gateway_limit_flush(&fixture->limit);
    assert_said(fixture, 2, 7, 1, false);
}

static void test_whose_place_is_taken_is_told_of_before(void **state) {
    struct fixture *fixture = *state;
    ask(fixture, 7, START, BURST + 2);
    assert_int_equal(ask(fixture, 8, START + KITH_NS_PER_S, 1), 1);
    assert_said(fixture, 1, 7, 2, false);
    assert_int_equal(fixture->limit.entries[0].key, 8); /* there was one place in use */
    gateway_limit_flush(&fixture->limit);
    assert_int_equal(fixture->flushes, 1);
}

/* Only what is held of others makes a place nobody's: not what has been said of it before. */
static void test_a_place_is_shared_until_it_is_told_of(void **state) {
    struct fixture *fixture = *state;
    const uint64_t newcomer = 2 * GATEWAY_LIMIT_ENTRIES + 1; /* goes to the second place */
    for (uint64_t key = 0; key < GATEWAY_LIMIT_ENTRIES; key++)
        assert_int_equal(ask(fixture, key, START, 1), 1);
    assert_int_equal(ask(fixture, newcomer, START, BURST), BURST - 1);
    gateway_limit_flush(&fixture->limit);
    assert_said(fixture, 1, 1, 1, true);
    assert_int_equal(ask(fixture, 1, START, 2), 0);
    gateway_limit_flush(&fixture->limit);
    assert_said(fixture, 2, 1, 2, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_key_has_its_burst_each_second, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_was_said_is_not_said_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_whose_place_is_taken_is_told_of_before, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_place_is_shared_until_it_is_told_of, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("gateway/limit", tests, NULL, NULL);
}

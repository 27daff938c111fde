/*
 * topic/test-random.c: random calls on the set and on a plain list (testing.h), with topics that have much in common: few octets, or many
 * branches, or labels longer than a node's.
 *
 * The seed is fixed, so a failure repeats; KITH_TEST_SEED tries another.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "topic/testing.h"

#define TOPIC_MAX 900

static uint64_t random_state;

/* xorshift64* */
static unsigned pick(unsigned below) {
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (unsigned)((random_state * 2685821657736338717u) >> 33) % below;
}

struct shape {
    const char *name;
    unsigned alphabet; /* octets that occur */
    unsigned length;   /* at most so many ... */
    unsigned run;      /* ... each of them so often, one behind the other */
    size_t limit;
    unsigned rounds;
};

static size_t random_topic(const struct shape *shape, uint8_t *octets) {
    size_t size = 0;

    for (unsigned length = pick(shape->length + 1); length > 0; length--) {
        uint8_t octet = (uint8_t)(pick(shape->alphabet) * (255 / shape->alphabet));
        for (unsigned run = shape->run > 1 && pick(4) > 0 ? shape->run : 1; run > 0; run--)
            octets[size++] = octet;
    }
    return size;
}

static void step(struct both *both, const struct shape *shape) {
    uint8_t octets[TOPIC_MAX];
    size_t size = random_topic(shape, octets);
    unsigned s = pick(BOTH_SUBSCRIBERS), what = pick(100);
    const char *differs = NULL;

    if (what < 45)
        differs = both_add(both, s, octets, size);
    else if (what < 69)
        differs = both_remove(both, s, octets, size);
    else if (what < 70)
        differs = both_leave(both, s);
    else
        differs = both_match(both, octets, size);
    if (!differs && pick(8) == 0)
        differs = both_check(both);
    if (differs)
        fail_msg("%s: %s", shape->name, differs);
}

static void test_the_set_does_what_a_plain_list_does(void **state) {
    static const struct shape shapes[] = {
        {"two octets", 2, 7, 1, SIZE_MAX / 2, 20000},
        {"many branches", 255, 2, 1, SIZE_MAX / 2, 20000},
        {"long labels", 2, 8, 110, SIZE_MAX / 2, 8000},
        {"limits", 3, 6, 1, 3000, 8000},
    };
    const char *seed = getenv("KITH_TEST_SEED");
    struct both *both = malloc(sizeof(*both));
    assert_non_null(both);
    random_state = seed ? strtoull(seed, NULL, 0) | 1 : 20240229;

    for (size_t i = 0; i < KITH_ARRAY_SIZE(shapes); i++) {
        both_init(both, shapes[i].limit);
        for (unsigned n = 0; n < shapes[i].rounds; n++)
            step(both, &shapes[i]);
        both_deinit(both);
        assert_null(both->topics.root.branches);
        assert_int_equal(both->topics.count, 0);
    }
    free(both);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_set_does_what_a_plain_list_does),
    };
    return cmocka_run_group_tests_name("topic/random", tests, NULL, NULL);
}

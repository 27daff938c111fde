/* cache/test-room.c: the bounds, and at whose cost they are kept. */
#include "cache/testing.h"

/* A session as it counts in octets: state, the name of a one-letter routing id, and the constant. */
#define OCTETS(size) ((size) + 2 + KITH_CACHE_SESSION_COST)

static int put_sized(struct world *world, struct kith_cache_key key, kith_origin *origin, uintptr_t n, size_t size) {
    return kith_cache_put(world->cache, &key, origin, number(n), size, 0);
}

static bool has(struct world *world, struct kith_cache_key key, kith_origin *origin) {
    void *state = NULL;
    return kith_cache_get(world->cache, &key, origin, &state) == 0;
}

static void test_the_least_recently_used_goes_first(void **state) {
    struct world *world = *state;
    _origin_ alice = origin_of(1000, NULL);
    make_cache(world, &(struct kith_cache_options){.max_sessions = 3});

    assert_int_equal(put(world, routing_id("a"), alice, 1), 0);
    assert_int_equal(put(world, routing_id("b"), alice, 2), 0);
    assert_int_equal(put(world, routing_id("c"), alice, 3), 0);
    assert_true(has(world, routing_id("a"), alice)); /* which is a use */
    assert_int_equal(put(world, routing_id("d"), alice, 4), 0);
    assert_int_equal(world->dropped[KITH_CACHE_EVICTED], 1);
    assert_ptr_equal(world->last, number(2));
    assert_int_equal(put(world, routing_id("c"), alice, 5), 0); /* so is a put */
    assert_int_equal(put(world, routing_id("e"), alice, 6), 0);
    assert_ptr_equal(world->last, number(1));
    assert_int_equal(stats_of(world).evicted, 2);
    assert_int_equal(stats_of(world).sessions, 3);
}

/* However many one user makes, and under whatever names: the others keep theirs. */
static void test_a_user_who_makes_many_pushes_out_his_own(void **state) {
    struct world *world = *state;
    _origin_ alice = origin_of(1000, NULL);
    _origin_ bob = origin_of(1001, NULL);
    _origin_ mallory = origin_of(2000, NULL);
    char name[16];
    make_cache(world, &(struct kith_cache_options){.max_sessions = 90});

    for (uintptr_t i = 0; i < 30; i++) {
        snprintf(name, sizeof(name), "%zu", (size_t)i);
        assert_int_equal(put(world, routing_id(name), alice, 1), 0);
        assert_int_equal(put(world, routing_id(name), bob, 1), 0);
    }
    for (uintptr_t i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "%zu", (size_t)i);
        assert_int_equal(put(world, routing_id(name), mallory, 2), 0);
        assert_true(world->last == NULL || world->last == number(2));
    }
    assert_int_equal(world->dropped[KITH_CACHE_EVICTED], 1000 - 30);
    for (uintptr_t i = 0; i < 30; i++) {
        snprintf(name, sizeof(name), "%zu", (size_t)i);
        assert_int_equal(take(world, routing_id(name), alice, 1), 0);
        assert_int_equal(take(world, routing_id(name), bob, 1), 0);
    }
}

static void test_who_had_it_all_gives_up_to_those_who_come(void **state) {
    struct world *world = *state;
    _origin_ early = origin_of(1000, NULL);
    _origin_ late = origin_of(1001, NULL);
    char name[16];
    make_cache(world, &(struct kith_cache_options){.max_sessions = 10});

    for (uintptr_t i = 0; i < 10; i++) {
        snprintf(name, sizeof(name), "%zu", (size_t)i);
        assert_int_equal(put(world, routing_id(name), early, 1), 0);
    }
    for (uintptr_t i = 0; i < 5; i++) {
        snprintf(name, sizeof(name), "%zu", (size_t)i);
        assert_int_equal(put(world, routing_id(name), late, 2), 0);
        assert_ptr_equal(world->last, number(1));
    }
    /* Half each; now it is the late one's turn, whose fresh session is not the one to go. */
    assert_int_equal(put(world, routing_id("more"), late, 3), 0);
    assert_ptr_equal(world->last, number(2));
    assert_true(has(world, routing_id("more"), late));
}

static void test_octets_are_bounded_as_sessions_are(void **state) {
    struct world *world = *state;
    _origin_ alice = origin_of(1000, NULL);
    _origin_ mallory = origin_of(2000, NULL);
    make_cache(world, &(struct kith_cache_options){.max_octets = 4 * OCTETS(1000)});

    assert_int_equal(put_sized(world, routing_id("a"), alice, 1, 1000), 0);
    assert_int_equal(stats_of(world).octets, OCTETS(1000));
    assert_int_equal(put_sized(world, routing_id("b"), alice, 2, 1000), 0);
    for (uintptr_t i = 0; i < 50; i++) {
        char name[2] = {(char)('A' + i % 26), 0};
        assert_int_equal(put_sized(world, routing_id(name), mallory, 3, 1000), 0);
        assert_true(stats_of(world).octets <= 4 * OCTETS(1000));
    }
    assert_int_equal(take(world, routing_id("a"), alice, 1), 0);
    assert_int_equal(take(world, routing_id("b"), alice, 2), 0);
}

static void test_one_that_never_fits_changes_nothing(void **state) {
    struct world *world = *state;
    _origin_ alice = origin_of(1000, NULL);
    make_cache(world, &(struct kith_cache_options){.max_octets = OCTETS(1000)});

    assert_int_equal(put_sized(world, routing_id("a"), alice, 1, 1000), 0);
    assert_int_equal(put_sized(world, routing_id("a"), alice, 2, 1001), -E2BIG);
    assert_int_equal(put_sized(world, routing_id("b"), alice, 2, SIZE_MAX), -E2BIG);
    assert_int_equal(stats_of(world).evicted + stats_of(world).replaced, 0);
    assert_int_equal(take(world, routing_id("a"), alice, 1), 0);
}

static void test_one_for_which_smaller_owners_would_have_to_go_is_refused(void **state) {
    struct world *world = *state;
    _origin_ alice = origin_of(1000, NULL);
    _origin_ mallory = origin_of(2000, NULL);
    make_cache(world, &(struct kith_cache_options){.max_octets = OCTETS(1000) + OCTETS(2000)});

    assert_int_equal(put_sized(world, routing_id("a"), alice, 1, 1000), 0);
    assert_int_equal(put_sized(world, routing_id("m"), mallory, 2, 500), 0);
    /* It would replace his own, and still be too large beside hers: both are as before. */
    assert_int_equal(put_sized(world, routing_id("m"), mallory, 3, 2001), -EDQUOT);
    assert_int_equal(stats_of(world).octets, OCTETS(1000) + OCTETS(500));
    assert_int_equal(put_sized(world, routing_id("n"), mallory, 3, 2001), -EDQUOT);
    assert_int_equal(world->dropped[KITH_CACHE_REPLACED], 0);
    assert_int_equal(put_sized(world, routing_id("n"), mallory, 3, 2000), 0);
    assert_int_equal(take(world, routing_id("a"), alice, 1), 0);
    assert_int_equal(take(world, routing_id("n"), mallory, 3), 0);
    assert_int_equal(stats_of(world).octets + stats_of(world).owners, 0);
}

static void test_replacing_by_a_larger_one_pushes_out_others_of_the_owner(void **state) {
    struct world *world = *state;
    _origin_ alice = origin_of(1000, NULL);
    make_cache(world, &(struct kith_cache_options){.max_octets = 2 * OCTETS(1000)});

    assert_int_equal(put_sized(world, routing_id("a"), alice, 1, 1000), 0);
    assert_int_equal(put_sized(world, routing_id("b"), alice, 2, 1000), 0);
    /* "a" would be the next to go, were it not the one that is put. */
    assert_int_equal(put_sized(world, routing_id("a"), alice, 3, 1500), 0);
    assert_int_equal(world->dropped[KITH_CACHE_REPLACED], 1);
    assert_int_equal(world->dropped[KITH_CACHE_EVICTED], 1);
    assert_int_equal(stats_of(world).octets, OCTETS(1500));
    assert_int_equal(take(world, routing_id("b"), alice, 0), -ENOENT);
    assert_int_equal(take(world, routing_id("a"), alice, 3), 0);
}

static void test_the_bound_of_one_uid_is_that_of_each(void **state) {
    struct world *world = *state;
    _origin_ alice = origin_of(1000, NULL);
    _origin_ bob = origin_of(1001, NULL);
    make_cache(world, &(struct kith_cache_options){.max_uid_sessions = 2});

    for (uintptr_t i = 1; i <= 5; i++) {
        char name[2] = {(char)('a' + i), 0};
        assert_int_equal(put(world, routing_id(name), alice, i), 0);
        assert_int_equal(put(world, routing_id(name), bob, 10 + i), 0);
        assert_int_equal(put(world, proven(name), NULL, 20 + i), 0); /* not one client */
    }
    assert_int_equal(stats_of(world).sessions, 2 + 2 + 5);
    assert_int_equal(world->dropped[KITH_CACHE_EVICTED], 3 + 3);
    assert_int_equal(take(world, routing_id("f"), alice, 5), 0);
    assert_int_equal(take(world, routing_id("c"), alice, 0), -ENOENT);
}

/* Clients without a uid are one owner: many of the network cost the users of this host nothing. */
static void test_the_network_does_not_push_out_the_users_of_this_host(void **state) {
    struct world *world = *state;
    _origin_ alice = origin_of(1000, NULL);
    make_cache(world, &(struct kith_cache_options){.max_sessions = 10});

    for (uint8_t i = 0; i < 5; i++) {
        char name[2] = {(char)('a' + i), 0};
        assert_int_equal(put(world, routing_id(name), alice, 1), 0);
    }
    for (uint8_t i = 0; i < 200; i++) {
        uint8_t public_key[KITH_CACHE_CURVE_SIZE] = {i};
        struct kith_cache_key key;
        assert_int_equal(kith_cache_key_curve(public_key, &key), 0);
        assert_int_equal(put(world, key, NULL, 2), 0);
    }
    assert_int_equal(stats_of(world).owners, 2);
    for (uint8_t i = 0; i < 5; i++) {
        char name[2] = {(char)('a' + i), 0};
        assert_int_equal(take(world, routing_id(name), alice, 1), 0);
    }
}

static struct kith_cache_key numbered(uint32_t *octets, uint32_t n) {
    struct kith_cache_key key;
    *octets = n;
    assert_int_equal(kith_cache_key_octets(octets, sizeof(*octets), &key), 0);
    return key;
}

static void test_a_hundred_thousand_sessions_of_a_thousand_users(void **state) {
    enum { COUNT = 100000, USERS = 1000 };
    struct world *world = *state;
    kith_origin **users = calloc(USERS, sizeof(kith_origin *));
    uint32_t octets;
    make_cache(world, &(struct kith_cache_options){.max_sessions = COUNT});

    for (uint32_t i = 0; i < USERS; i++)
        users[i] = origin_of(1000 + i, NULL);
    for (uint32_t i = 0; i < COUNT; i++)
        assert_int_equal(put(world, numbered(&octets, i), users[i % USERS], i + 1), 0);
    assert_int_equal(stats_of(world).sessions, COUNT);
    assert_int_equal(stats_of(world).owners, USERS);
    /* 7919 is prime to the count: each once, in no order of theirs. */
    for (uint32_t i = 0; i < COUNT / 2; i++) {
        uint32_t n = (uint32_t)((uint64_t)i * 7919 % COUNT);
        assert_int_equal(take(world, numbered(&octets, n), users[(n + 1) % USERS], 0), -EACCES);
        assert_int_equal(take(world, numbered(&octets, n), users[n % USERS], n + 1), 0);
    }
    assert_int_equal(stats_of(world).sessions, COUNT / 2);
    assert_int_equal(stats_of(world).refused, COUNT / 2);
    world->cache = kith_cache_free(world->cache);
    assert_int_equal(world->dropped[KITH_CACHE_FREED], COUNT / 2);
    for (uint32_t i = 0; i < USERS; i++)
        kith_origin_unref(users[i]);
    free(users);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_the_least_recently_used_goes_first),
        WORLD_TEST(test_a_user_who_makes_many_pushes_out_his_own),
        WORLD_TEST(test_who_had_it_all_gives_up_to_those_who_come),
        WORLD_TEST(test_octets_are_bounded_as_sessions_are),
        WORLD_TEST(test_one_that_never_fits_changes_nothing),
        WORLD_TEST(test_one_for_which_smaller_owners_would_have_to_go_is_refused),
        WORLD_TEST(test_replacing_by_a_larger_one_pushes_out_others_of_the_owner),
        WORLD_TEST(test_the_bound_of_one_uid_is_that_of_each),
        WORLD_TEST(test_the_network_does_not_push_out_the_users_of_this_host),
        WORLD_TEST(test_a_hundred_thousand_sessions_of_a_thousand_users),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

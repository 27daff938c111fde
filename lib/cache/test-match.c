/* cache/test-match.c: whose session it is: every rule of kith/cache.h about who gets one and who does not. */
#include "cache/testing.h"

static void test_a_session_comes_back_to_its_client_once(void **state) {
    struct world *world = *state;
    _origin_ alice = origin_of(1000, "/usr/bin/chat");
    make_cache(world, NULL);

    assert_int_equal(take(world, routing_id("a"), alice, 0), -ENOENT);
    assert_int_equal(put(world, routing_id("a"), alice, 7), 0);
    assert_int_equal(take(world, routing_id("a"), alice, 7), 0);
    assert_int_equal(take(world, routing_id("a"), alice, 0), -ENOENT);
    assert_int_equal(stats_of(world).hits, 1);
    assert_int_equal(stats_of(world).misses, 2);
    assert_int_equal(stats_of(world).refused, 0);
    assert_int_equal(stats_of(world).sessions + stats_of(world).octets + stats_of(world).owners, 0);
}

static void test_another_user_neither_gets_nor_sees_nor_removes_nor_replaces_it(void **state) {
    struct world *world = *state;
    _origin_ alice = origin_of(1000, NULL);
    _origin_ mallory = origin_of(2000, NULL);
    struct kith_cache_key key = routing_id("alice");
    void *seen = NULL;
    make_cache(world, NULL);

    assert_int_equal(put(world, key, alice, 1), 0);
    assert_int_equal(take(world, key, mallory, 0), -EACCES);
    assert_int_equal(kith_cache_get(world->cache, &key, mallory, &seen), -EACCES);
    assert_null(seen);
    assert_int_equal(kith_cache_remove(world->cache, &key, mallory), -EACCES);
    assert_int_equal(stats_of(world).refused, 3);

    /* He may have one of his own under the same name. */
    assert_int_equal(put(world, key, mallory, 2), 0);
    assert_int_equal(stats_of(world).replaced, 0);
    assert_int_equal(take(world, key, mallory, 2), 0);
    assert_int_equal(take(world, key, alice, 1), 0);
    assert_int_equal(stats_of(world).refused, 3);
}

static void test_a_name_without_a_session_left_is_a_miss(void **state) {
    struct world *world = *state;
    _origin_ alice = origin_of(1000, NULL);
    _origin_ mallory = origin_of(2000, NULL);
    make_cache(world, NULL);

    assert_int_equal(put(world, routing_id("alice"), alice, 1), 0);
    assert_int_equal(take(world, routing_id("alice"), mallory, 0), -EACCES);
    assert_int_equal(take(world, routing_id("alice"), alice, 1), 0);
    assert_int_equal(take(world, routing_id("alice"), mallory, 0), -ENOENT);
}

static void test_a_weaker_witness_of_the_uid_is_refused(void **state) {
    struct world *world = *state;
    make_cache(world, NULL);

    for (unsigned made = KITH_WITNESS_NONE; made <= KITH_WITNESS_KERNEL_MESSAGE; made++) {
        for (unsigned back = KITH_WITNESS_NONE; back <= KITH_WITNESS_KERNEL_MESSAGE; back++) {
            _origin_ maker = origin_with(1000, (enum kith_witness)made, NULL, KITH_WITNESS_NONE);
            _origin_ comer = origin_with(1000, (enum kith_witness)back, NULL, KITH_WITNESS_NONE);
            bool known = made >= KITH_WITNESS_KEY;
            assert_int_equal(put(world, routing_id("a"), maker, 1), known ? 0 : -ENODATA);
            if (!known)
                continue;
            assert_int_equal(take(world, routing_id("a"), comer, 1), back >= made ? 0 : -EACCES);
            if (back < made) {
                /* Nor may it be overwritten. */
                int r = put(world, routing_id("a"), comer, 2);
                assert_int_equal(r, back >= KITH_WITNESS_KEY ? -EACCES : -ENODATA);
                assert_int_equal(take(world, routing_id("a"), maker, 1), 0);
            }
        }
    }
    assert_int_equal(world->dropped[KITH_CACHE_REPLACED], 0);
}

static void test_a_stronger_witness_replaces_and_then_is_what_counts(void **state) {
    struct world *world = *state;
    _origin_ connected = origin_with(1000, KITH_WITNESS_KERNEL_CONNECT, NULL, KITH_WITNESS_NONE);
    _origin_ wrote = origin_with(1000, KITH_WITNESS_KERNEL_MESSAGE, NULL, KITH_WITNESS_NONE);
    make_cache(world, NULL);

    assert_int_equal(put(world, routing_id("a"), connected, 1), 0);
    assert_int_equal(put(world, routing_id("a"), wrote, 2), 0);
    assert_int_equal(world->dropped[KITH_CACHE_REPLACED], 1);
    assert_ptr_equal(world->last, number(1));
    assert_int_equal(take(world, routing_id("a"), connected, 0), -EACCES);
    assert_int_equal(take(world, routing_id("a"), wrote, 2), 0);
}

static void test_nobody_known_has_no_session_under_a_name_that_is_only_claimed(void **state) {
    struct world *world = *state;
    _origin_ network = origin_with(0, KITH_WITNESS_NONE, NULL, KITH_WITNESS_NONE);
    _origin_ alice = origin_of(1000, NULL);
    struct kith_cache_key octets;
    make_cache(world, NULL);

    assert_int_equal(kith_origin_set_text(network, KITH_FACT_ADDRESS, "192.0.2.1:4711", KITH_WITNESS_KERNEL_CONNECT), 0);
    assert_int_equal(kith_cache_key_octets("a", 1, &octets), 0);
    assert_int_equal(put(world, routing_id("a"), network, 1), -ENODATA);
    assert_int_equal(put(world, octets, network, 1), -ENODATA);
    assert_int_equal(put(world, octets, NULL, 1), -ENODATA);
    assert_int_equal(take(world, octets, NULL, 0), -ENOENT);
    assert_int_equal(put(world, octets, alice, 1), 0);
    assert_int_equal(take(world, octets, network, 0), -EACCES);
    assert_int_equal(take(world, octets, NULL, 0), -EACCES);
}

/* In a container all users of the host are 65534. */
static void test_users_whom_the_kernel_cannot_tell_apart_are_nobody(void **state) {
    struct world *world = *state;
    _origin_ unmapped = origin_of(65534, "/usr/bin/chat");
    struct kith_cache_key key;
    make_cache(world, NULL);

    assert_int_equal(put(world, routing_id("a"), unmapped, 1), -ENODATA);
    assert_int_equal(kith_cache_key_origin(unmapped, KITH_WITNESS_INFERRED, &key), -ENODATA);
    assert_int_equal(put(world, proven("a"), unmapped, 1), 0);
    assert_int_equal(take(world, proven("a"), NULL, 1), 0);
}

static void test_a_proved_key_does_for_clients_without_a_uid(void **state) {
    struct world *world = *state;
    static const uint8_t public_key[KITH_CACHE_CURVE_SIZE] = {1, 2, 3}, other[KITH_CACHE_CURVE_SIZE] = {1, 2, 4};
    _origin_ here = origin_with(0, KITH_WITNESS_NONE, NULL, KITH_WITNESS_NONE);
    _origin_ moved = origin_with(0, KITH_WITNESS_NONE, NULL, KITH_WITNESS_NONE);
    struct kith_cache_key curve, wrong;
    /* Also when the cache asks for programs: over the network there is none. */
    make_cache(world, &(struct kith_cache_options){.exe = KITH_WITNESS_INFERRED});

    assert_int_equal(kith_origin_set_text(here, KITH_FACT_ADDRESS, "192.0.2.1:4711", KITH_WITNESS_KERNEL_CONNECT), 0);
    assert_int_equal(kith_origin_set_text(moved, KITH_FACT_ADDRESS, "192.0.2.99:1", KITH_WITNESS_KERNEL_CONNECT), 0);
    assert_int_equal(kith_cache_key_curve(public_key, &curve), 0);
    assert_int_equal(kith_cache_key_curve(other, &wrong), 0);
    assert_int_equal(put(world, curve, here, 1), 0);
    assert_int_equal(take(world, wrong, moved, 0), -ENOENT);
    assert_int_equal(take(world, curve, moved, 1), 0);
    assert_int_equal(put(world, proven("alice"), NULL, 2), 0);
    assert_int_equal(take(world, proven("alice"), here, 2), 0);
}

static void test_a_proved_key_comes_with_the_uid_that_it_came_with_before(void **state) {
    struct world *world = *state;
    _origin_ local = origin_of(1000, NULL);
    _origin_ other = origin_of(2000, NULL);
    _origin_ guessed = origin_with(1000, KITH_WITNESS_INFERRED, NULL, KITH_WITNESS_NONE);
    make_cache(world, NULL);

    assert_int_equal(put(world, proven("alice"), local, 1), 0);
    assert_int_equal(take(world, proven("alice"), NULL, 0), -EACCES);
    assert_int_equal(take(world, proven("alice"), other, 0), -EACCES);
    assert_int_equal(take(world, proven("alice"), guessed, 0), -EACCES);
    assert_int_equal(put(world, proven("alice"), NULL, 2), 0);
    assert_int_equal(take(world, proven("alice"), local, 1), 0);
    assert_int_equal(take(world, proven("alice"), local, 0), -EACCES);
    assert_int_equal(take(world, proven("alice"), NULL, 2), 0);
}

static void test_with_the_option_another_program_is_another_client(void **state) {
    struct world *world = *state;
    _origin_ chat = origin_of(1000, "/usr/bin/chat");
    _origin_ other = origin_of(1000, "/tmp/chat");
    _origin_ unknown = origin_of(1000, NULL);
    _origin_ inferred = origin_with(1000, KITH_WITNESS_KERNEL_MESSAGE, "/usr/bin/chat", KITH_WITNESS_INFERRED);
    make_cache(world, &(struct kith_cache_options){.exe = KITH_WITNESS_KERNEL_CONNECT});

    assert_int_equal(put(world, routing_id("a"), unknown, 1), -ENODATA);
    assert_int_equal(put(world, routing_id("a"), inferred, 1), -ENODATA);
    assert_int_equal(put(world, routing_id("a"), chat, 1), 0);
    assert_int_equal(take(world, routing_id("a"), other, 0), -EACCES);
    assert_int_equal(take(world, routing_id("a"), unknown, 0), -EACCES);
    assert_int_equal(take(world, routing_id("a"), inferred, 0), -EACCES);
    assert_int_equal(put(world, routing_id("a"), other, 2), 0);
    assert_int_equal(world->dropped[KITH_CACHE_REPLACED], 0);
    assert_int_equal(take(world, routing_id("a"), chat, 1), 0);
    assert_int_equal(take(world, routing_id("a"), other, 2), 0);
}

static void test_a_weaker_witness_of_the_program_is_refused(void **state) {
    struct world *world = *state;
    _origin_ exact = origin_of(1000, "/usr/bin/chat");
    _origin_ inferred = origin_with(1000, KITH_WITNESS_KERNEL_MESSAGE, "/usr/bin/chat", KITH_WITNESS_INFERRED);
    make_cache(world, &(struct kith_cache_options){.exe = KITH_WITNESS_INFERRED});

    assert_int_equal(put(world, routing_id("a"), exact, 1), 0);
    assert_int_equal(take(world, routing_id("a"), inferred, 0), -EACCES);
    assert_int_equal(put(world, routing_id("a"), inferred, 2), -EACCES);
    assert_int_equal(take(world, routing_id("a"), exact, 1), 0);
    assert_int_equal(put(world, routing_id("a"), inferred, 3), 0);
    assert_int_equal(take(world, routing_id("a"), exact, 3), 0);
}

static void test_without_the_option_the_program_does_not_matter(void **state) {
    struct world *world = *state;
    _origin_ chat = origin_of(1000, "/usr/bin/chat");
    _origin_ newer = origin_of(1000, "/opt/chat-2/chat");
    make_cache(world, NULL);

    assert_int_equal(put(world, routing_id("a"), chat, 1), 0);
    assert_int_equal(take(world, routing_id("a"), newer, 1), 0);
}

static void test_origin_keys_are_user_and_program(void **state) {
    struct world *world = *state;
    _origin_ chat = origin_of(1000, "/usr/bin/chat");
    _origin_ again = origin_of(1000, "/usr/bin/chat");
    _origin_ mail = origin_of(1000, "/usr/bin/mail");
    _origin_ bob = origin_of(2000, "/usr/bin/chat");
    _origin_ weak = origin_with(1000, KITH_WITNESS_KERNEL_MESSAGE, "/usr/bin/chat", KITH_WITNESS_INFERRED);
    struct kith_cache_key key, key_again, key_mail, key_bob, key_weak;
    make_cache(world, NULL);

    assert_int_equal(kith_cache_key_origin(chat, KITH_WITNESS_INFERRED, &key), 0);
    assert_int_equal(kith_cache_key_origin(again, KITH_WITNESS_INFERRED, &key_again), 0);
    assert_int_equal(kith_cache_key_origin(mail, KITH_WITNESS_INFERRED, &key_mail), 0);
    assert_int_equal(kith_cache_key_origin(bob, KITH_WITNESS_INFERRED, &key_bob), 0);
    assert_int_equal(kith_cache_key_origin(weak, KITH_WITNESS_INFERRED, &key_weak), 0);

    assert_int_equal(put(world, key, chat, 1), 0);
    /* Others who are nothing to do with it have no session; that is no alarm. */
    assert_int_equal(take(world, key_mail, mail, 0), -ENOENT);
    assert_int_equal(take(world, key_bob, bob, 0), -ENOENT);
    assert_int_equal(stats_of(world).refused, 0);
    /* The same, only guessed. */
    assert_int_equal(take(world, key_weak, weak, 0), -EACCES);
    /* Somebody else's key, with which another origin comes. */
    assert_int_equal(take(world, key, bob, 0), -EACCES);
    assert_int_equal(take(world, key, mail, 0), -EACCES);
    assert_int_equal(take(world, key, NULL, 0), -EACCES);
    assert_int_equal(put(world, key, bob, 2), -ENODATA);
    assert_int_equal(take(world, key_again, again, 1), 0);
}

static void test_an_origin_key_needs_facts_that_are_known_well_enough(void **state) {
    static const struct {
        enum kith_witness uid, exe, least;
        int r;
    } cases[] = {
        {KITH_WITNESS_KERNEL_MESSAGE, KITH_WITNESS_KERNEL_CONNECT, KITH_WITNESS_KERNEL_CONNECT, 0},
        {KITH_WITNESS_KERNEL_MESSAGE, KITH_WITNESS_INFERRED, KITH_WITNESS_INFERRED, 0},
        {KITH_WITNESS_KEY, KITH_WITNESS_INFERRED, KITH_WITNESS_INFERRED, 0},
        {KITH_WITNESS_KERNEL_MESSAGE, KITH_WITNESS_INFERRED, KITH_WITNESS_KERNEL_CONNECT, -ENODATA},
        {KITH_WITNESS_INFERRED, KITH_WITNESS_KERNEL_CONNECT, KITH_WITNESS_INFERRED, -ENODATA},
        {KITH_WITNESS_CLAIMED, KITH_WITNESS_KERNEL_CONNECT, KITH_WITNESS_INFERRED, -ENODATA},
        {KITH_WITNESS_NONE, KITH_WITNESS_KERNEL_CONNECT, KITH_WITNESS_INFERRED, -ENODATA},
        {KITH_WITNESS_KERNEL_MESSAGE, KITH_WITNESS_CLAIMED, KITH_WITNESS_INFERRED, -ENODATA},
        {KITH_WITNESS_KERNEL_MESSAGE, KITH_WITNESS_NONE, KITH_WITNESS_INFERRED, -ENODATA},
        {KITH_WITNESS_KERNEL_MESSAGE, KITH_WITNESS_KERNEL_CONNECT, KITH_WITNESS_CLAIMED, -EINVAL},
        {KITH_WITNESS_KERNEL_MESSAGE, KITH_WITNESS_KERNEL_CONNECT, KITH_WITNESS_NONE, -EINVAL},
    };

    for (size_t i = 0; i < KITH_ARRAY_SIZE(cases); i++) {
        _origin_ origin = origin_with(1000, cases[i].uid, "/usr/bin/chat", cases[i].exe);
        struct kith_cache_key key;
        assert_int_equal(kith_cache_key_origin(origin, cases[i].least, &key), cases[i].r);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_a_session_comes_back_to_its_client_once),
        WORLD_TEST(test_another_user_neither_gets_nor_sees_nor_removes_nor_replaces_it),
        WORLD_TEST(test_a_name_without_a_session_left_is_a_miss),
        WORLD_TEST(test_a_weaker_witness_of_the_uid_is_refused),
        WORLD_TEST(test_a_stronger_witness_replaces_and_then_is_what_counts),
        WORLD_TEST(test_nobody_known_has_no_session_under_a_name_that_is_only_claimed),
        WORLD_TEST(test_users_whom_the_kernel_cannot_tell_apart_are_nobody),
        WORLD_TEST(test_a_proved_key_does_for_clients_without_a_uid),
        WORLD_TEST(test_a_proved_key_comes_with_the_uid_that_it_came_with_before),
        WORLD_TEST(test_with_the_option_another_program_is_another_client),
        WORLD_TEST(test_a_weaker_witness_of_the_program_is_refused),
        WORLD_TEST(test_without_the_option_the_program_does_not_matter),
        WORLD_TEST(test_origin_keys_are_user_and_program),
        WORLD_TEST(test_an_origin_key_needs_facts_that_are_known_well_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

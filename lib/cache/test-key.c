/* cache/test-key.c: keys that are made right and wrong; keys of different kinds, and hostile ones, never meet. */
#include "cache/testing.h"

#include "cache/key.h"

static uint8_t long_octets[KITH_CACHE_KEY_MAX + 1];

static void test_sizes_are_checked(void **state) {
    struct kith_cache_key key = {0};

    assert_int_equal(kith_cache_key_routing_id("x", 0, &key), -EINVAL);
    assert_int_equal(kith_cache_key_routing_id(NULL, 1, &key), -EINVAL);
    assert_int_equal(kith_cache_key_routing_id("x", 1, NULL), -EINVAL);
    assert_int_equal(kith_cache_key_routing_id(long_octets, KITH_CACHE_ROUTING_ID_MAX + 1, &key), -ENAMETOOLONG);
    assert_int_equal(kith_cache_key_octets(long_octets, KITH_CACHE_KEY_MAX + 1, &key), -ENAMETOOLONG);
    assert_int_equal(kith_cache_key_octets("x", 0, &key), -EINVAL);
    assert_int_equal(kith_cache_key_proven(long_octets, KITH_CACHE_KEY_MAX + 1, &key), -ENAMETOOLONG);
    assert_int_equal(kith_cache_key_proven("x", 0, &key), -EINVAL);
    assert_int_equal(kith_cache_key_curve(NULL, &key), -EINVAL);
    assert_int_equal(key.size, 0);
    assert_int_equal(kith_cache_key_routing_id(long_octets, KITH_CACHE_ROUTING_ID_MAX, &key), 0);
    assert_int_equal(kith_cache_key_octets(long_octets, KITH_CACHE_KEY_MAX, &key), 0);
    assert_int_equal(kith_cache_key_proven(long_octets, KITH_CACHE_KEY_MAX, &key), 0);
}

static void test_what_the_functions_did_not_make_is_no_key(void **state) {
    struct world *world = *state;
    _origin_ alice = origin_of(1000, "/usr/bin/chat");
    const struct kith_cache_key wrong[] = {
        {0},
        {.kind = (enum kith_cache_kind)99, .octets = "x", .size = 1},
        {.kind = KITH_CACHE_OCTETS, .octets = NULL, .size = 1},
        {.kind = KITH_CACHE_OCTETS, .octets = "x", .size = 0},
        {.kind = KITH_CACHE_OCTETS, .octets = long_octets, .size = sizeof(long_octets)},
        {.kind = KITH_CACHE_ORIGIN, .uid = 1000, .octets = "/usr/bin/chat", .size = 13},
    };
    make_cache(world, NULL);

    for (size_t i = 0; i < KITH_ARRAY_SIZE(wrong); i++) {
        assert_int_equal(put(world, wrong[i], alice, 1), -EINVAL);
        assert_int_equal(take(world, wrong[i], alice, 0), -EINVAL);
        assert_int_equal(kith_cache_remove(world->cache, &wrong[i], alice), -EINVAL);
    }
    assert_int_equal(kith_cache_remove(world->cache, NULL, alice), -EINVAL);
    assert_int_equal(stats_of(world).misses, 0);
}

static void test_a_program_with_an_endless_path_has_no_key(void **state) {
    struct world *world = *state;
    static char path[KITH_CACHE_KEY_MAX + 2];
    struct kith_cache_key key;
    memset(path, 'x', sizeof(path) - 1);
    _origin_ origin = origin_of(1000, path);
    make_cache(world, &(struct kith_cache_options){.exe = KITH_WITNESS_INFERRED});

    assert_int_equal(kith_cache_key_origin(origin, KITH_WITNESS_INFERRED, &key), -ENAMETOOLONG);
    assert_int_equal(put(world, routing_id("a"), origin, 1), -ENAMETOOLONG);
    assert_int_equal(take(world, routing_id("a"), origin, 0), -ENAMETOOLONG);
}

/* The octets of each are those of the others, or the name of one with its kind in front. */
static size_t look_alikes(kith_origin *origin, struct kith_cache_key *keys) {
    static struct kith_cache_name inner;
    static uint8_t octets[KITH_CACHE_CURVE_SIZE];
    const char *exe = NULL;
    size_t n = 0;

    kith_origin_text(origin, KITH_FACT_EXE, &exe);
    memcpy(octets, exe, KITH_CACHE_CURVE_SIZE);
    assert_int_equal(strlen(exe), KITH_CACHE_CURVE_SIZE);
    assert_int_equal(kith_cache_key_origin(origin, KITH_WITNESS_INFERRED, &keys[n++]), 0);
    assert_int_equal(kith_cache_key_routing_id(octets, sizeof(octets), &keys[n++]), 0);
    assert_int_equal(kith_cache_key_octets(octets, sizeof(octets), &keys[n++]), 0);
    assert_int_equal(kith_cache_key_curve(octets, &keys[n++]), 0);
    assert_int_equal(kith_cache_key_proven(octets, sizeof(octets), &keys[n++]), 0);
    assert_int_equal(kith_cache_name_of(&keys[0], &inner), 0);
    assert_int_equal(kith_cache_key_octets(inner.octets, inner.size, &keys[n++]), 0);
    assert_int_equal(kith_cache_key_octets(inner.octets + 1, inner.size - 1, &keys[n++]), 0);
    assert_int_equal(kith_cache_key_proven(inner.octets, inner.size, &keys[n++]), 0);
    assert_int_equal(kith_cache_key_routing_id("/usr/bin", 8, &keys[n++]), 0);
    assert_int_equal(kith_cache_key_routing_id("/usr/bin\0", 9, &keys[n++]), 0);
    assert_int_equal(kith_cache_key_routing_id("/usr/bin\0\0", 10, &keys[n++]), 0);
    return n;
}

static void test_look_alikes_do_not_meet(void **state) {
    struct world *world = *state;
    _origin_ alice = origin_of(1000, "/usr/bin/chat-with-32-octets-all");
    struct kith_cache_key keys[16];
    make_cache(world, NULL);

    size_t count = look_alikes(alice, keys);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(take(world, keys[i], alice, 0), -ENOENT);
        assert_int_equal(put(world, keys[i], alice, i + 1), 0);
    }
    assert_int_equal(stats_of(world).sessions, count);
    assert_int_equal(stats_of(world).replaced, 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(take(world, keys[i], alice, i + 1), 0);
}

static void test_a_name_gives_its_key_back(void **state) {
    struct kith_cache_name name;
    struct kith_cache_key key = {.kind = KITH_CACHE_ORIGIN, .least = KITH_WITNESS_INFERRED, .uid = 4711, .octets = "/x", .size = 2};

    assert_int_equal(kith_cache_name_of(&key, &name), 0);
    key = kith_cache_key_of(name.octets, name.size);
    assert_int_equal(key.kind, KITH_CACHE_ORIGIN);
    assert_int_equal(key.uid, 4711);
    assert_int_equal(key.size, 2);
    assert_memory_equal(key.octets, "/x", 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes_are_checked),
        WORLD_TEST(test_what_the_functions_did_not_make_is_no_key),
        WORLD_TEST(test_a_program_with_an_endless_path_has_no_key),
        WORLD_TEST(test_look_alikes_do_not_meet),
        cmocka_unit_test(test_a_name_gives_its_key_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

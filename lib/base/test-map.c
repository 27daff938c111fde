/* base/test-map.c: the map and its hash. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/map.h"
#include "base/siphash.h"

struct item {
    struct kith_map_node node;
    uint32_t id;
    unsigned seen;
};

static struct item *make_items(size_t count) {
    struct item *items = calloc(count, sizeof(*items));

    assert_non_null(items);
    for (size_t i = 0; i < count; i++)
        items[i].id = (uint32_t)i;
    return items;
}

static void insert_all(struct kith_map *map, struct item *items, size_t count) {
    for (size_t i = 0; i < count; i++)
        assert_int_equal(kith_map_insert(map, &items[i].node, &items[i].id, sizeof(items[i].id)), 0);
}

static struct item *find(const struct kith_map *map, uint32_t id) {
    struct kith_map_node *node = kith_map_find(map, &id, sizeof(id));
    return node ? KITH_CONTAINER_OF(node, struct item, node) : NULL;
}

/* The values of an independent implementation, which itself agrees with CPython's hash(bytes) under the key 0. */
static void test_siphash_gives_known_values(void **state) {
    const uint64_t zero[2] = {0}, counting[2] = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
    const struct {
        size_t size;
        uint64_t hash;
    } known[] = {{0, UINT64_C(0xabac0158050fc4dc)}, {1, UINT64_C(0xc9f49bf37d57ca93)},  {7, UINT64_C(0xd3927d989bb11140)},
                 {8, UINT64_C(0x369095118d299a8e)}, {15, UINT64_C(0xd320d86d2a519956)}, {63, UINT64_C(0x9d199062b7bbb3a8)}};
    uint8_t input[64];

    for (size_t i = 0; i < sizeof(input); i++)
        input[i] = (uint8_t)i;
    for (size_t i = 0; i < KITH_ARRAY_SIZE(known); i++)
        assert_int_equal(kith_siphash13(counting, known[i].size ? input : NULL, known[i].size), known[i].hash);
    assert_int_equal(kith_siphash13(zero, "kith", 4), UINT64_C(0xeeb6d1f8dc0b10f7));
}

static void test_empty_map_finds_nothing_and_walks_nowhere(void **state) {
    struct kith_map map = KITH_MAP_INIT;

    assert_null(kith_map_find(&map, "x", 1));
    assert_null(kith_map_next(&map, NULL));
    kith_map_deinit(&map);
    kith_map_deinit(&map);
}

static void test_every_node_is_found_while_the_map_grows_and_empties(void **state) {
    const size_t count = 5000;
    struct kith_map map = KITH_MAP_INIT;
    struct item *items = make_items(count);

    insert_all(&map, items, count);
    assert_int_equal(map.count, count);
    for (uint32_t i = 0; i < count; i++)
        assert_ptr_equal(find(&map, i), &items[i]);
    assert_null(find(&map, (uint32_t)count));
    for (uint32_t i = 0; i < count; i += 2)
        kith_map_remove(&map, &items[i].node);
    for (uint32_t i = 0; i < count; i++)
        assert_ptr_equal(find(&map, i), i % 2 ? &items[i] : NULL);
    assert_int_equal(map.count, count / 2);
    kith_map_deinit(&map);
    free(items);
}

static void test_equal_key_is_refused_and_changes_nothing(void **state) {
    struct kith_map map = KITH_MAP_INIT;
    struct item *items = make_items(1);
    struct kith_map_node other = {.key_size = 99};

    insert_all(&map, items, 1);
    assert_int_equal(kith_map_insert(&map, &other, &items[0].id, sizeof(items[0].id)), -EEXIST);
    assert_int_equal(other.key_size, 99);
    assert_int_equal(map.count, 1);
    assert_ptr_equal(find(&map, 0), &items[0]);
    kith_map_deinit(&map);
    free(items);
}

static void test_keys_that_are_prefixes_or_empty_are_told_apart(void **state) {
    struct kith_map map = KITH_MAP_INIT;
    struct kith_map_node nodes[3];

    for (size_t i = 0; i < 3; i++)
        assert_int_equal(kith_map_insert(&map, &nodes[i], i ? "\0\0" : NULL, i), 0);
    for (size_t i = 0; i < 3; i++)
        assert_ptr_equal(kith_map_find(&map, i ? "\0\0" : NULL, i), &nodes[i]);
    kith_map_deinit(&map);
}

static void test_walk_meets_each_node_once_and_may_remove_it(void **state) {
    const size_t count = 1000;
    struct kith_map map = KITH_MAP_INIT;
    struct item *items = make_items(count);

    insert_all(&map, items, count);
    kith_map_foreach_safe (&map, node) {
        struct item *item = KITH_CONTAINER_OF(node, struct item, node);
        item->seen++;
        if (item->id % 3)
            kith_map_remove(&map, node);
    }
    for (size_t i = 0; i < count; i++)
        assert_int_equal(items[i].seen, 1);
    assert_int_equal(map.count, 334);
    size_t left = 0;
    for (struct kith_map_node *node = kith_map_next(&map, NULL); node; node = kith_map_next(&map, node))
        left++;
    assert_int_equal(left, 334);
    kith_map_deinit(&map);
    free(items);
}

static void test_buckets_of_a_crowd_that_left_are_given_back(void **state) {
    const size_t count = 10000;
    struct kith_map map = KITH_MAP_INIT;
    struct item *items = make_items(count);

    insert_all(&map, items, count);
    assert_in_range(map.bucket_count, count, 2 * count);
    for (size_t i = 0; i < count; i++)
        kith_map_remove(&map, &items[i].node);
    insert_all(&map, items, 100);
    assert_in_range(map.bucket_count, 16, 256);
    for (uint32_t i = 0; i < 100; i++)
        assert_ptr_equal(find(&map, i), &items[i]);
    kith_map_deinit(&map);
    free(items);
}

static void test_two_maps_have_different_seeds(void **state) {
    struct kith_map a = KITH_MAP_INIT, b = KITH_MAP_INIT;
    struct kith_map_node node_a, node_b;

    assert_int_equal(kith_map_insert(&a, &node_a, "x", 1), 0);
    assert_int_equal(kith_map_insert(&b, &node_b, "x", 1), 0);
    assert_int_not_equal(node_a.hash, node_b.hash);
    kith_map_deinit(&a);
    kith_map_deinit(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_siphash_gives_known_values),
        cmocka_unit_test(test_empty_map_finds_nothing_and_walks_nowhere),
        cmocka_unit_test(test_every_node_is_found_while_the_map_grows_and_empties),
        cmocka_unit_test(test_equal_key_is_refused_and_changes_nothing),
        cmocka_unit_test(test_keys_that_are_prefixes_or_empty_are_told_apart),
        cmocka_unit_test(test_walk_meets_each_node_once_and_may_remove_it),
        cmocka_unit_test(test_buckets_of_a_crowd_that_left_are_given_back),
        cmocka_unit_test(test_two_maps_have_different_seeds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

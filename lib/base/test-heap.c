/* base/test-heap.c: the heap against a plain search. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/heap.h"

#define COUNT 300

struct item {
    struct kith_heap_node node;
    uint64_t key, tie;
};

static bool in(const struct item *item) {
    return item->node.index != KITH_HEAP_OUT;
}

static const struct item *least(const struct item *items) {
    const struct item *found = NULL;

    for (size_t i = 0; i < COUNT; i++) {
        const struct item *item = &items[i];
        if (in(item) && (!found || item->key < found->key || (item->key == found->key && item->tie < found->tie)))
            found = item;
    }
    return found;
}

static void change_one(struct kith_heap *heap, struct item *item, uint64_t tie) {
    if (rand() % 3 == 0) {
        kith_heap_remove(heap, &item->node);
        return;
    }
    item->key = (uint64_t)(rand() % 50); /* few: ties decide often */
    item->tie = tie;
    kith_heap_set(heap, &item->node, item->key, item->tie);
}

static void test_first_is_that_of_a_plain_search_whatever_happens(void **state) {
    struct kith_heap heap = {0};
    struct item items[COUNT];
    size_t members;

    srand(1);
    for (size_t i = 0; i < COUNT; i++)
        items[i] = (struct item){.node = KITH_HEAP_NODE_INIT};
    assert_int_equal(kith_heap_reserve(&heap, COUNT), 0);
    for (uint64_t round = 0; round < 5000; round++) {
        change_one(&heap, &items[rand() % COUNT], round);
        const struct item *expected = least(items);
        assert_ptr_equal(kith_heap_first(&heap), expected ? &expected->node : NULL);
        assert_int_equal(kith_heap_first_key(&heap), expected ? expected->key : UINT64_MAX);
    }
    members = 0;
    for (size_t i = 0; i < COUNT; i++)
        members += in(&items[i]);
    assert_int_equal(heap.count, members);
    assert_true(members > COUNT / 3);
    kith_heap_deinit(&heap);
}

static void test_everything_comes_out_in_order(void **state) {
    struct kith_heap heap = {0};
    struct item items[COUNT];

    assert_int_equal(kith_heap_reserve(&heap, COUNT), 0);
    for (size_t i = 0; i < COUNT; i++) {
        items[i] = (struct item){.node = KITH_HEAP_NODE_INIT};
        kith_heap_set(&heap, &items[i].node, (i * 7) % COUNT, 0);
    }
    for (uint64_t key = 0; key < COUNT; key++) {
        assert_int_equal(kith_heap_first_key(&heap), key);
        kith_heap_remove(&heap, kith_heap_first(&heap));
    }
    assert_null(kith_heap_first(&heap));
    kith_heap_remove(&heap, &items[0].node); /* out already */
    assert_int_equal(heap.count, 0);
    kith_heap_deinit(&heap);
}

static void test_room_that_cannot_be_had_leaves_the_heap_as_it_was(void **state) {
    struct kith_heap heap = {0};
    struct item item = {.node = KITH_HEAP_NODE_INIT};

    assert_int_equal(kith_heap_reserve(&heap, 1), 0);
    kith_heap_set(&heap, &item.node, 5, 0);
    assert_int_equal(kith_heap_reserve(&heap, SIZE_MAX), -ENOMEM);
    assert_ptr_equal(kith_heap_first(&heap), &item.node);
    assert_int_equal(kith_heap_reserve(&heap, 1000), 0);
    assert_int_equal(kith_heap_first_key(&heap), 5);
    kith_heap_deinit(&heap);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_is_that_of_a_plain_search_whatever_happens),
        cmocka_unit_test(test_everything_comes_out_in_order),
        cmocka_unit_test(test_room_that_cannot_be_had_leaves_the_heap_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

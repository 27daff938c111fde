/* pool/test-spare.c: blocks of all sizes are whole, and what a thread keeps it gives back. */
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pool/spare.h"

static void test_blocks_of_all_sizes_are_whole_and_their_own(void **state) {
    for (size_t size = 1; size <= KITH_SPARE_MAX + 100; size++) {
        uint8_t *a = kith_spare_alloc(size), *b = kith_spare_alloc(size);
        assert_non_null(a);
        assert_non_null(b);
        assert_true(malloc_usable_size(a) >= size && malloc_usable_size(b) >= size);
        memset(a, 1, size);
        memset(b, 2, size);
        assert_int_equal(a[size - 1], 1);
        kith_spare_free(a, size);
        kith_spare_free(b, size);
    }
    kith_spare_free(NULL, 1);
}

/* More than is kept. */
static void fill_and_empty(void) {
    enum { COUNT = 3000, SIZE = 1000 };
    static __thread void *blocks[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        blocks[i] = kith_spare_alloc(SIZE);
        assert_non_null(blocks[i]);
        memset(blocks[i], (int)i, SIZE);
    }
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(((uint8_t *)blocks[i])[SIZE - 1], (uint8_t)i);
        kith_spare_free(blocks[i], SIZE);
    }
}

static void *work(void *unused) {
    fill_and_empty();
    return unused;
}

static void test_a_thread_that_ends_keeps_nothing(void **state) {
    work(NULL); /* what this thread keeps it has from here on */
    struct mallinfo2 before = mallinfo2();
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, work, NULL), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    assert_true(mallinfo2().uordblks < before.uordblks + 4 * KITH_SPARE_OCTETS);
}

static void *take(void *block) {
    kith_spare_free(block, 500);
    return NULL;
}

static void test_a_block_may_be_freed_in_another_thread(void **state) {
    pthread_t thread;
    void *block = kith_spare_alloc(500);
    assert_int_equal(pthread_create(&thread, NULL, take, block), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_of_all_sizes_are_whole_and_their_own),
        cmocka_unit_test(test_a_thread_that_ends_keeps_nothing),
        cmocka_unit_test(test_a_block_may_be_freed_in_another_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

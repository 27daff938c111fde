/* pool/test-pool.c */
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "pool/pool.h"

static void test_slab_comes_back_when_its_last_reference_goes(void **state) {
    struct kith_pool *pool = NULL;
    kith_buffer *first = NULL, *second = NULL;

    assert_int_equal(kith_pool_new(4, SIZE_MAX, &pool), 0);
    assert_int_equal(kith_pool_get(pool, &first), 0);
    assert_int_equal(kith_buffer_size(first), KITH_SLAB_SIZE);
    memset(kith_buffer_data(first), 1, KITH_SLAB_SIZE);
    kith_buffer_ref(first);
    kith_buffer_unref(first);
    assert_int_equal(kith_pool_used(pool), 1);
    assert_int_equal(kith_pool_kept(pool), 0);
    kith_buffer_unref(first);
    assert_int_equal(kith_pool_used(pool), 0);
    assert_int_equal(kith_pool_kept(pool), 1);

    assert_int_equal(kith_pool_get(pool, &second), 0);
    assert_ptr_equal(second, first);
    assert_false(kith_buffer_shared(second));
    memset(kith_buffer_data(second), 2, KITH_SLAB_SIZE);
    assert_int_equal(kith_pool_kept(pool), 0);
    kith_buffer_unref(second);
    assert_null(kith_pool_free(pool));
    assert_null(kith_pool_free(NULL));
}

static void test_no_more_than_keep_slabs_are_kept(void **state) {
    struct kith_pool *pool = NULL;
    kith_buffer *slabs[5];

    assert_int_equal(kith_pool_new(2, SIZE_MAX, &pool), 0);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(slabs); i++)
        assert_int_equal(kith_pool_get(pool, &slabs[i]), 0);
    assert_int_equal(kith_pool_used(pool), 5);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(slabs); i++)
        kith_buffer_unref(slabs[i]);
    assert_int_equal(kith_pool_used(pool), 0);
    assert_int_equal(kith_pool_kept(pool), 2);
    kith_pool_free(pool);
}

static void test_slabs_outlive_their_pool(void **state) {
    struct kith_pool *pool = NULL;
    kith_buffer *slabs[3];

    assert_int_equal(kith_pool_new(3, SIZE_MAX, &pool), 0);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(slabs); i++)
        assert_int_equal(kith_pool_get(pool, &slabs[i]), 0);
    kith_buffer_unref(slabs[0]);
    kith_pool_free(pool);
    memset(kith_buffer_data(slabs[1]), 3, KITH_SLAB_SIZE);
    assert_int_equal(kith_buffer_data(slabs[1])[KITH_SLAB_SIZE - 1], 3);
    kith_buffer_unref(slabs[1]);
    kith_buffer_unref(slabs[2]); /* the leak checkers see whether the pool went with it */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slab_comes_back_when_its_last_reference_goes),
        cmocka_unit_test(test_no_more_than_keep_slabs_are_kept),
        cmocka_unit_test(test_slabs_outlive_their_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

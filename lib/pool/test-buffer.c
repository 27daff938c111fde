/* pool/test-buffer.c */
#include <errno.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pool/pool.h"

static void test_octets_live_until_the_last_reference_goes(void **state) {
    kith_buffer *buffer = NULL;

    assert_int_equal(kith_buffer_new(100, &buffer), 0);
    assert_int_equal(kith_buffer_size(buffer), 100);
    memset(kith_buffer_data(buffer), 7, 100);
    assert_false(kith_buffer_shared(buffer));
    assert_ptr_equal(kith_buffer_ref(buffer), buffer);
    assert_true(kith_buffer_shared(buffer));
    assert_null(kith_buffer_unref(buffer));
    assert_false(kith_buffer_shared(buffer));
    assert_int_equal(kith_buffer_data(buffer)[99], 7);
    assert_null(kith_buffer_unref(buffer));
    assert_null(kith_buffer_unref(NULL));
}

static void test_empty_and_impossible_sizes(void **state) {
    kith_buffer *buffer = NULL;

    assert_int_equal(kith_buffer_new(SIZE_MAX, &buffer), -ENOMEM);
    assert_int_equal(kith_buffer_new(SIZE_MAX / 2, &buffer), -ENOMEM);
    assert_null(buffer);
    assert_int_equal(kith_buffer_new(0, &buffer), 0);
    assert_int_equal(kith_buffer_size(buffer), 0);
    kith_buffer_unref(buffer);
}

static void count_release(void *data, void *userdata) {
    assert_string_equal(data, "mine");
    ++*(unsigned *)userdata;
}

static void test_adopted_memory_is_released_once_at_the_last_unref(void **state) {
    kith_buffer *buffer = NULL;
    unsigned released = 0;
    char memory[] = "mine";

    assert_int_equal(kith_buffer_new_take(memory, sizeof(memory), count_release, &released, &buffer), 0);
    assert_ptr_equal(kith_buffer_data(buffer), memory);
    assert_int_equal(kith_buffer_size(buffer), sizeof(memory));
    kith_buffer_ref(buffer);
    kith_buffer_unref(buffer);
    assert_int_equal(released, 0);
    kith_buffer_unref(buffer);
    assert_int_equal(released, 1);
}

static void test_static_memory_needs_no_release(void **state) {
    static char memory[] = "static";
    kith_buffer *buffer = NULL;

    assert_int_equal(kith_buffer_new_take(memory, sizeof(memory), NULL, NULL, &buffer), 0);
    kith_buffer_unref(buffer);
    assert_string_equal(memory, "static");
}

static void test_slice_holds_its_buffer(void **state) {
    kith_buffer *buffer = NULL;
    unsigned released = 0;
    char memory[] = "mine";

    assert_int_equal(kith_buffer_new_take(memory, sizeof(memory), count_release, &released, &buffer), 0);
    struct kith_slice slice = kith_slice_ref((struct kith_slice){.buffer = buffer, .data = (uint8_t *)memory + 1, .size = 2});
    kith_buffer_unref(buffer);
    assert_int_equal(released, 0);
    kith_slice_unref(&slice);
    assert_int_equal(released, 1);
    assert_null(slice.buffer);
    assert_int_equal(slice.size, 0);
    kith_slice_unref(&slice);

    struct kith_slice plain = kith_slice_ref((struct kith_slice){.data = (const uint8_t *)"x", .size = 1});
    kith_slice_unref(&plain);
    assert_int_equal(released, 1);
}

static void test_charge_never_exceeds_its_limit(void **state) {
    struct kith_charge charge = {.limit = 100};

    assert_int_equal(kith_charge_take(&charge, 60), 0);
    assert_int_equal(kith_charge_take(&charge, 41), -ENOBUFS);
    assert_int_equal(kith_charge_take(&charge, SIZE_MAX), -ENOBUFS);
    assert_int_equal(charge.used, 60);
    assert_int_equal(kith_charge_take(&charge, 40), 0);
    kith_charge_give(&charge, 100);
    assert_int_equal(charge.used, 0);
    charge = (struct kith_charge){.used = 50, .limit = 10}; /* the limit was lowered meanwhile */
    assert_int_equal(kith_charge_take(&charge, 1), -ENOBUFS);
    kith_charge_give(&charge, 45);
    assert_int_equal(kith_charge_take(&charge, 5), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_octets_live_until_the_last_reference_goes),
        cmocka_unit_test(test_empty_and_impossible_sizes),
        cmocka_unit_test(test_adopted_memory_is_released_once_at_the_last_unref),
        cmocka_unit_test(test_static_memory_needs_no_release),
        cmocka_unit_test(test_slice_holds_its_buffer),
        cmocka_unit_test(test_charge_never_exceeds_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

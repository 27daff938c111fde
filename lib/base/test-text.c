/* Text into memory of the caller: counts on when it does not fit, never writes beyond, always ends in a NUL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"

static void write_sample(struct kith_text *text) {
    kith_text_puts(text, "pid ");
    kith_text_printf(text, "%d", 812);
    kith_text_putc(text, ',');
    kith_text_put(text, "a\0b", 3);
}

static void test_text_that_fits_is_whole(void **state) {
    char memory[12];
    struct kith_text text = kith_text_init(memory, sizeof(memory));

    write_sample(&text);
    assert_int_equal(kith_text_result(&text), 11);
    assert_memory_equal(memory, "pid 812,a\0b", 12);
}

static void test_text_of_every_smaller_size_is_a_terminated_prefix(void **state) {
    for (size_t size = 1; size < 12; size++) {
        char memory[16];
        struct kith_text text;

        memset(memory, '#', sizeof(memory));
        text = kith_text_init(memory, size);
        write_sample(&text);
        assert_int_equal(kith_text_result(&text), 11);
        assert_memory_equal(memory, "pid 812,a\0b", size - 1);
        assert_int_equal(memory[size - 1], '\0');
        for (size_t i = size; i < sizeof(memory); i++)
            assert_int_equal(memory[i], '#');
    }
}

static void test_no_memory_only_counts(void **state) {
    struct kith_text text = kith_text_init(NULL, 0);

    write_sample(&text);
    assert_int_equal(kith_text_result(&text), 11);
}

static void test_printable_text_holds_no_control_character_and_only_utf8(void **state) {
    char memory[80];
    struct kith_text text = kith_text_init(memory, sizeof(memory));
    static const char hostile[] = "a\x1b[2J\n\x7f\xc3\xa4\xc2\x9bm\xff\0z";

    kith_text_put_printable(&text, hostile, sizeof(hostile) - 1);
    assert_string_equal(memory, "a\\x1b[2J\\x0a\\x7f\xc3\xa4\\xc2\\x9bm\\xff\\x00z");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_that_fits_is_whole),
        cmocka_unit_test(test_text_of_every_smaller_size_is_a_terminated_prefix),
        cmocka_unit_test(test_no_memory_only_counts),
        cmocka_unit_test(test_printable_text_holds_no_control_character_and_only_utf8),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

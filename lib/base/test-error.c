/* base/test-error.c */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"

/* A text of `lead` octets 'x', then characters of two octets up to the given total. */
static void fill(char *text, size_t lead, size_t total) {
    memset(text, 'x', lead);
    for (size_t i = lead; i + 1 < total; i += 2)
        memcpy(text + i, "\xc3\xa9", 2);
    text[total] = 0;
}

static void test_code_and_text_are_set_and_code_returned(void **state) {
    struct kith_error error = KITH_ERROR_NONE;

    assert_int_equal(kith_error_set(&error, -EADDRINUSE, "%s: taken by pid %d", "ipc:///run/x", 812), -EADDRINUSE);
    assert_int_equal(error.code, -EADDRINUSE);
    assert_string_equal(error.text, "ipc:///run/x: taken by pid 812");
}

static void test_null_error_only_passes_the_code(void **state) {
    assert_int_equal(kith_error_set(NULL, -EINVAL, "%d", 1), -EINVAL);
}

static void test_longest_text_is_kept_whole(void **state) {
    struct kith_error error = KITH_ERROR_NONE;
    char text[KITH_ERROR_TEXT_MAX];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = 0;
    kith_error_set(&error, -EINVAL, "%s", text);
    assert_string_equal(error.text, text);
}

static void test_long_text_is_cut_at_a_character_border(void **state) {
    for (size_t lead = 0; lead < 4; lead++) {
        struct kith_error error = KITH_ERROR_NONE;
        char text[1025];

        fill(text, lead, 1024);
        kith_error_set(&error, -EINVAL, "%s", text);
        size_t length = strlen(error.text), kept = length - 3;
        assert_in_range(length, KITH_ERROR_TEXT_MAX - 2, KITH_ERROR_TEXT_MAX - 1);
        assert_string_equal(error.text + kept, "...");
        assert_memory_equal(error.text, text, kept);
        assert_int_equal((kept - lead) % 2, 0);
    }
}

static void test_long_text_that_is_not_utf8_is_cut_too(void **state) {
    struct kith_error error = KITH_ERROR_NONE;
    char text[1025];

    memset(text, 0x80, 1024);
    text[1024] = 0;
    kith_error_set(&error, -EINVAL, "%s", text);
    assert_int_equal(strlen(error.text), KITH_ERROR_TEXT_MAX - 1);
    assert_string_equal(error.text + KITH_ERROR_TEXT_MAX - 4, "...");
}

static void test_control_characters_do_not_get_through(void **state) {
    struct kith_error error = KITH_ERROR_NONE;

    kith_error_set(&error, -EINVAL, "name \"%s\"", "a\nb\x1b[2J\x7f");
    assert_string_equal(error.text, "name \"a?b?[2J?\"");
}

static void test_text_may_be_made_from_the_old_text(void **state) {
    struct kith_error error = KITH_ERROR_NONE;

    kith_error_set(&error, -ENOENT, "no such file");
    kith_error_set(&error, error.code, "kith.conf:3: %s", error.text);
    assert_string_equal(error.text, "kith.conf:3: no such file");
}

static void test_names_of_codes(void **state) {
    assert_string_equal(kith_error_name(-ECONNREFUSED), "Connection refused");
    assert_string_equal(kith_error_name(0), "Success");
    assert_string_equal(kith_error_name(-4000), "Unknown error");
    assert_string_equal(kith_error_name(EINVAL), "Unknown error");
    assert_string_equal(kith_error_name(INT_MIN), "Unknown error");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_code_and_text_are_set_and_code_returned),
        cmocka_unit_test(test_null_error_only_passes_the_code),
        cmocka_unit_test(test_longest_text_is_kept_whole),
        cmocka_unit_test(test_long_text_is_cut_at_a_character_border),
        cmocka_unit_test(test_long_text_that_is_not_utf8_is_cut_too),
        cmocka_unit_test(test_control_characters_do_not_get_through),
        cmocka_unit_test(test_text_may_be_made_from_the_old_text),
        cmocka_unit_test(test_names_of_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

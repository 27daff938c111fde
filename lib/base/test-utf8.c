/* UTF-8 by the letter of RFC 3629, held against a decoder that works by arithmetic instead of a table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/utf8.h"

/* Encodes as the bit layout says, whether or not the result is allowed. */
static size_t encode(uint32_t point, size_t length, uint8_t *octets) {
    static const uint8_t marks[] = {0, 0, 0xc0, 0xe0, 0xf0};

    for (size_t i = length; i-- > 0;) {
        octets[i] = i == 0 ? (uint8_t)(marks[length] | point) : (uint8_t)(0x80 | (point & 0x3f));
        point >>= 6;
    }
    return length;
}

static size_t shortest(uint32_t point) {
    return point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
}

static void test_every_code_point_in_every_length_is_judged_right(void **state) {
    static const uint32_t ends[] = {0, 0x80, 0x800, 0x10000, 0x200000};

    for (size_t length = 1; length <= 4; length++) {
        for (uint32_t point = 0; point < ends[length]; point++) {
            uint8_t octets[4];
            bool allowed = length == shortest(point) && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);

            encode(point, length, octets);
            if (kith_utf8_character(octets, length) != (allowed ? length : 0))
                fail_msg("U+%X in %zu octets", point, length);
        }
    }
}

static void test_a_character_cut_short_is_none(void **state) {
    static const char *const characters[] = {"\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x90\xa7"};

    for (size_t i = 0; i < KITH_ARRAY_SIZE(characters); i++) {
        for (size_t size = 0; size < strlen(characters[i]); size++)
            assert_int_equal(kith_utf8_character(characters[i], size), 0);
    }
}

static void test_octets_that_cannot_be_in_utf8_are_refused(void **state) {
    assert_false(kith_utf8_valid("\x80", 1));
    assert_false(kith_utf8_valid("a\xff", 2));
    assert_false(kith_utf8_valid("\xf8\x88\x80\x80\x80", 5));
    assert_false(kith_utf8_valid("\xe2\x82(", 3));
    assert_false(kith_utf8_valid("\xe2(\xac", 3));
}

static void test_text_is_valid_as_a_whole_only(void **state) {
    assert_true(kith_utf8_valid("", 0));
    assert_true(kith_utf8_valid("a\0\xc3\xa4z", 5));
    assert_false(kith_utf8_valid("ab\xc3", 3));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_point_in_every_length_is_judged_right),
        cmocka_unit_test(test_a_character_cut_short_is_none),
        cmocka_unit_test(test_octets_that_cannot_be_in_utf8_are_refused),
        cmocka_unit_test(test_text_is_valid_as_a_whole_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

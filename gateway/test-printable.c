/* Tests of gateway/printable.h: what a peer sent never moves a cursor, forges a line or turns the reading order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/cleanup.h"
#include "gateway/printable.h"

static void assert_shown(const char *octets, size_t size, const char *expected) {
    char shown[512];
    struct kith_text text = kith_text_init(shown, sizeof(shown));
    gateway_put_printable(&text, octets, size, SIZE_MAX, '"');
    assert_string_equal(shown, expected);
}

#define assert_literal_shown(literal, expected) assert_shown(literal, sizeof(literal) - 1, expected)

static void test_visible_text_stays(void **state) {
    (void)state;
    assert_literal_shown("plain text 123 ~", "plain text 123 ~");
    assert_literal_shown("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
    assert_literal_shown("", "");
}

static void test_quotes_and_backslashes_are_marked(void **state) {
    (void)state;
    assert_literal_shown("a\"b\\n", "a\\\"b\\\\n");
}

static void test_controls_are_escaped(void **state) {
    (void)state;
    assert_literal_shown("a\nb\tc\rd\0e\x1b[31m\x7f", "a\\nb\\tc\\x0dd\\x00e\\x1b[31m\\x7f");
    assert_literal_shown("\xc2\x85\xc2\x9b", "\\xc2\\x85\\xc2\\x9b"); /* C1: terminals obey them too */
}

static void test_marks_that_direct_reading_are_escaped(void **state) {
    (void)state;
    assert_literal_shown("\xe2\x80\xae", "\\xe2\\x80\\xae");          /* U+202E right-to-left override */
    assert_literal_shown("\xe2\x81\xa6", "\\xe2\\x81\\xa6");          /* U+2066 isolate */
    assert_literal_shown("\xe2\x80\x8b", "\\xe2\\x80\\x8b");          /* U+200B zero width space */
    assert_literal_shown("\xe2\x80\xa8", "\\xe2\\x80\\xa8");          /* U+2028 line separator */
    assert_literal_shown("\xef\xbb\xbf", "\\xef\\xbb\\xbf");          /* U+FEFF */
    assert_literal_shown("\xf3\xa0\x81\x81", "\\xf3\\xa0\\x81\\x81"); /* U+E0041 tag */
}

static void test_octets_that_are_no_utf8_are_escaped(void **state) {
    (void)state;
    assert_literal_shown("\xff\xc0\x80\xed\xa0\x80", "\\xff\\xc0\\x80\\xed\\xa0\\x80");
    assert_literal_shown("\xe2\x82", "\\xe2\\x82");
}

static void test_text_is_cut_between_characters(void **state) {
    (void)state;
    char shown[64];
    struct kith_text text = kith_text_init(shown, sizeof(shown));
    gateway_put_printable(&text,
                          "ab\xe2\x82\xac"
                          "cd",
                          7, 3, '"');
    assert_string_equal(shown, "ab\xe2\x82\xac");
}

static void test_lines_keep_newlines_and_backslashes(void **state) {
    (void)state;
    char shown[64];
    struct kith_text text = kith_text_init(shown, sizeof(shown));
    gateway_put_lines(&text, "a\\b\n\tc\x1b", 7);
    assert_string_equal(shown, "a\\b\n\tc\\x1b");
}

static void test_frames_are_quoted_and_many_are_counted(void **state) {
    (void)state;
    _cleanup_(kith_msg_freep) kith_msg *msg = NULL;
    char shown[1024], octets[100];
    memset(octets, 'x', sizeof(octets));
    assert_int_equal(kith_msg_new(&msg), 0);
    assert_int_equal(kith_msg_add(msg, "skipped", 7), 0);
    assert_int_equal(kith_msg_add(msg, "one", 3), 0);
    assert_int_equal(kith_msg_add(msg, "", 0), 0);
    struct kith_text text = kith_text_init(shown, sizeof(shown));
    gateway_put_frames(&text, msg, 1);
    assert_string_equal(shown, "\"one\" \"\"");

    for (int i = 0; i < 4; i++)
        assert_int_equal(kith_msg_add(msg, octets, sizeof(octets)), 0);
    text = kith_text_init(shown, sizeof(shown));
    gateway_put_frames(&text, msg, 1);
    assert_non_null(strstr(shown, "\"... (100 octets)"));
    assert_non_null(strstr(shown, " and 2 more frames"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_visible_text_stays),
        cmocka_unit_test(test_quotes_and_backslashes_are_marked),
        cmocka_unit_test(test_controls_are_escaped),
        cmocka_unit_test(test_marks_that_direct_reading_are_escaped),
        cmocka_unit_test(test_octets_that_are_no_utf8_are_escaped),
        cmocka_unit_test(test_text_is_cut_between_characters),
        cmocka_unit_test(test_lines_keep_newlines_and_backslashes),
        cmocka_unit_test(test_frames_are_quoted_and_many_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Messages as octets: framings, what is refused, what is escaped; lines that come in pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "gateway/output/wire.h"

static void assert_wire(const struct output_options *options, const struct output_message *message, const char *expected, size_t size) {
    struct output_octets octets = {0};
    assert_int_equal(output_wire_put(&octets, options, message), 0);
    assert_int_equal(output_octets_size(&octets), size);
    assert_memory_equal(octets.data + octets.start, expected, size);
    output_octets_deinit(&octets);
}

static void assert_refused(const struct output_options *options, const struct output_message *message, int error) {
    struct output_octets octets = {0};
    assert_int_equal(output_wire_put(&octets, options, message), error);
    assert_int_equal(output_octets_size(&octets), 0);
    output_octets_deinit(&octets);
}

#define WIRE(options, message, text) assert_wire(options, message, text, sizeof(text) - 1)

static void test_a_line_is_the_body_and_a_newline(void **state) {
    struct output_options options = {0};
    WIRE(&options, (&(struct output_message){.id = 1, .source = "s", .body = "body", .size = 4}), "body\n");
    WIRE(&options, (&(struct output_message){.id = 1, .source = "s", .body = "a\\\r\0b", .size = 5}), "a\\\r\0b\n");
    WIRE(&options, (&(struct output_message){.id = 1, .source = "s", .body = NULL, .size = 0}), "\n");
}

static void test_a_newline_in_a_body_is_refused_or_escaped(void **state) {
    struct output_options options = {0};
    struct output_message message = {.id = 1, .source = "s", .body = "a\nb\\n\n", .size = 6};
    assert_refused(&options, &message, -EBADMSG);
    options.newline = OUTPUT_NEWLINE_ESCAPE;
    WIRE(&options, &message, "a\\nb\\\\n\\n\n");
}

static void test_a_line_with_origin_has_id_source_origin_and_body(void **state) {
    struct output_options options = {.origin = true};
    struct output_message message = {.id = UINT64_MAX, .source = "syn", .body = "x\ty", .size = 3, .origin = "{\"pid\":1}"};
    WIRE(&options, &message, "18446744073709551615\tsyn\t{\"pid\":1}\tx\ty\n");
    message.origin = NULL;
    WIRE(&options, &message, "18446744073709551615\tsyn\t\tx\ty\n");
}

static void test_a_source_or_origin_with_control_characters_forges_no_line(void **state) {
    struct output_options options = {.origin = true};
    assert_refused(&options, &(struct output_message){.id = 1, .source = "a\tb", .body = "x", .size = 1}, -EBADMSG);
    assert_refused(&options, &(struct output_message){.id = 1, .source = "a", .body = "x", .size = 1, .origin = "{\n}"}, -EBADMSG);
}

static void test_a_length_goes_before_the_body(void **state) {
    struct output_options options = {.framing = OUTPUT_FRAMING_LENGTH};
    WIRE(&options, (&(struct output_message){.id = 1, .source = "s", .body = "a\nb", .size = 3}), "\0\0\0\3a\nb");
    WIRE(&options, (&(struct output_message){.id = 1, .source = "s", .body = "", .size = 0}), "\0\0\0\0");
    options.origin = true;
    WIRE(&options, (&(struct output_message){.id = 258, .source = "s", .body = "b", .size = 1, .origin = "{}"}),
         "\0\0\0\22\0\0\0\0\0\0\1\2\0\1s\0\0\0\2{}b");
}

static void test_what_a_length_cannot_say_is_refused(void **state) {
    struct output_options options = {.framing = OUTPUT_FRAMING_LENGTH};
    /* The body is not touched before it is judged. */
    assert_refused(&options, &(struct output_message){.id = 1, .source = "s", .body = "", .size = (size_t)UINT32_MAX + 1}, -EMSGSIZE);
    options.origin = true;
    assert_refused(&options, &(struct output_message){.id = 1, .source = "s", .body = "", .size = UINT32_MAX - 14}, -EMSGSIZE);
}

static void test_octets_are_taken_from_the_front_while_others_come(void **state) {
    struct output_options options = {0};
    struct output_octets octets = {0};
    char body[1000];
    size_t put = 0, taken = 0;
    for (unsigned i = 0; i < 5000; i++) {
        size_t size = i * 37 % sizeof(body);
        memset(body, 'a' + (int)(i % 26), size);
        assert_int_equal(output_wire_put(&octets, &options, &(struct output_message){.id = i, .source = "", .body = body, .size = size}),
                         0);
        put += size + 1;
        size_t there = output_octets_size(&octets), take = there > 3000 ? there - 1500 : 0;
        assert_int_equal(there, put - taken);
        output_octets_take(&octets, take);
        taken += take;
        assert_int_equal(octets.data[octets.end - 1], '\n');
    }
    assert_true(octets.room <= 16384);
    output_octets_deinit(&octets);
}

static void test_lines_come_in_pieces(void **state) {
    struct output_lines lines = {0};
    const uint8_t *data = (const uint8_t *)"12";
    size_t size = 2;
    assert_false(output_lines_take(&lines, &data, &size));
    data = (const uint8_t *)"3\n\nx";
    size = 4;
    assert_true(output_lines_take(&lines, &data, &size));
    assert_string_equal(lines.text, "123");
    output_lines_next(&lines);
    assert_true(output_lines_take(&lines, &data, &size));
    assert_string_equal(lines.text, "");
    output_lines_next(&lines);
    assert_false(output_lines_take(&lines, &data, &size));
    assert_int_equal(lines.size, 1);
}

static void test_a_long_line_is_cut(void **state) {
    struct output_lines lines = {0};
    char text[3 * OUTPUT_LOG_LINE_MAX];
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\n';
    const uint8_t *data = (const uint8_t *)text;
    size_t size = sizeof(text);
    assert_true(output_lines_take(&lines, &data, &size));
    assert_int_equal(strlen(lines.text), OUTPUT_LOG_LINE_MAX - 1);
}

static void test_an_id_is_a_number_and_nothing_else(void **state) {
    uint64_t id = 7;
    assert_true(output_line_id("18446744073709551615", &id));
    assert_true(id == UINT64_MAX);
    assert_true(output_line_id("5\r", &id));
    assert_int_equal(id, 5);
    static const char *const bad[] = {"", "x", "5x", " 5", "-5", "5 ", "18446744073709551616", "\r"};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(bad); i++)
        assert_false(output_line_id(bad[i], &id));
    assert_int_equal(id, 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line_is_the_body_and_a_newline),
        cmocka_unit_test(test_a_newline_in_a_body_is_refused_or_escaped),
        cmocka_unit_test(test_a_line_with_origin_has_id_source_origin_and_body),
        cmocka_unit_test(test_a_source_or_origin_with_control_characters_forges_no_line),
        cmocka_unit_test(test_a_length_goes_before_the_body),
        cmocka_unit_test(test_what_a_length_cannot_say_is_refused),
        cmocka_unit_test(test_octets_are_taken_from_the_front_while_others_come),
        cmocka_unit_test(test_lines_come_in_pieces),
        cmocka_unit_test(test_a_long_line_is_cut),
        cmocka_unit_test(test_an_id_is_a_number_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

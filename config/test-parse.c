/* Tests of config/parse.c and config/text.c: what a text may say, and how it is told what is wrong with it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <kith/config.h>

#include "config/internal.h"

static const cfg_opt_t inner_options[] = {KITH_CONFIG_VALUES("list"), KITH_CONFIG_VALUE("one"), CFG_END()};
static const cfg_opt_t outer_options[] = {KITH_CONFIG_SECTION("inner", inner_options), KITH_CONFIG_VALUES("list"), CFG_END()};
static const cfg_opt_t options[] = {
    KITH_CONFIG_SECTION("inner", inner_options),
    KITH_CONFIG_SECTION("outer", outer_options),
    CFG_SEC("plain", (cfg_opt_t *)inner_options, CFGF_NONE),
    KITH_CONFIG_VALUES("list"),
    KITH_CONFIG_VALUE("one"),
    CFG_END(),
};

static cfg_t *parsed(const char *text) {
    cfg_t *cfg = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    if (kith_config_parse_text(text, strlen(text), "test.conf", options, &cfg, &error) < 0)
        fail_msg("%s\n%s", text, error.text);
    assert_int_equal(error.code, 0);
    return cfg;
}

static void assert_value(cfg_t *section, const char *option, size_t index, const char *text, unsigned line) {
    const struct kith_config_value *value = kith_config_get(section, option, index);
    assert_non_null(value);
    assert_string_equal(value->text, text);
    assert_int_equal(value->line, line);
}

static void assert_refused(const char *text, const char *message) {
    cfg_t *cfg = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    int r = kith_config_parse_text(text, strlen(text), "test.conf", options, &cfg, &error);
    if (r >= 0) {
        kith_config_free(cfg);
        fail_msg("accepted: %s", text);
    }
    assert_null(cfg);
    assert_int_equal(error.code, r);
    if (!strstr(error.text, message))
        fail_msg("of %s: \"%s\" is not in \"%s\"", text, message, error.text);
}

static void test_values_keep_their_text_and_their_line(void **state) {
    _cleanup_(kith_config_freep) cfg_t *cfg = parsed("# a comment\n"
                                                     "list = {1, \"two\",\n"
                                                     "  'three'} /* over\n"
                                                     " two lines */ one = 1000-1999 // and to the end\n"
                                                     "outer \"name\" { inner \"other\" { list = single\n"
                                                     "one = 'x' } }\n");
    assert_int_equal(kith_config_count(cfg, "list"), 3);
    assert_value(cfg, "list", 0, "1", 2);
    assert_value(cfg, "list", 1, "two", 2);
    assert_value(cfg, "list", 2, "three", 3);
    assert_null(kith_config_get(cfg, "list", 3));
    assert_value(cfg, "one", 0, "1000-1999", 4);

    cfg_t *outer = cfg_getnsec(cfg, "outer", 0);
    assert_string_equal(cfg_title(outer), "name");
    cfg_t *inner = cfg_getnsec(outer, "inner", 0);
    assert_value(inner, "list", 0, "single", 5);
    assert_value(inner, "one", 0, "x", 6);
    assert_int_equal(kith_config_count(outer, "list"), 0);
}

static void test_comments_look_like_comments_only_outside_strings(void **state) {
    _cleanup_(kith_config_freep) cfg_t *cfg = parsed("list = {\"/* no */\", '# no', tcp://host:1, a#yes\n"
                                                     ", \"//no\"} /*/ still one */ one = b");
    assert_value(cfg, "list", 0, "/* no */", 1);
    assert_value(cfg, "list", 1, "# no", 1);
    assert_value(cfg, "list", 2, "tcp://host:1", 1);
    assert_value(cfg, "list", 3, "a", 1);
    assert_value(cfg, "list", 4, "//no", 2);
    assert_value(cfg, "one", 0, "b", 2);
}

static void test_escapes(void **state) {
    _cleanup_(kith_config_freep) cfg_t *cfg = parsed("list = {\"a\\\"b\\\\c\", 'a\"b\\\\c\\'d', '\\[', '${HOME}', \"$HOME\", \"\"}");
    assert_value(cfg, "list", 0, "a\"b\\c", 1);
    assert_value(cfg, "list", 1, "a\"b\\c'd", 1);
    assert_value(cfg, "list", 2, "\\[", 1);
    assert_value(cfg, "list", 3, "${HOME}", 1);
    assert_value(cfg, "list", 4, "$HOME", 1);
    assert_value(cfg, "list", 5, "", 1);
}

static void test_a_list_may_be_added_to(void **state) {
    _cleanup_(kith_config_freep) cfg_t *cfg = parsed("list = {a} list += {b, c}\nlist += d\n");
    assert_int_equal(kith_config_count(cfg, "list"), 4);
    assert_value(cfg, "list", 3, "d", 2);
}

static void test_nothing_at_all_is_a_text(void **state) {
    cfg_t *cfg = NULL;
    assert_int_equal(kith_config_parse_text(NULL, 0, "test.conf", options, &cfg, NULL), 0);
    cfg = kith_config_free(cfg);
    cfg = parsed("\n# only a comment");
    kith_config_free(cfg);
}

static const struct {
    const char *text, *message;
} refused[] = {
    /* What libconfuse finds */
    {"\n\nuid = 3", "test.conf:3: no such option 'uid': here there are inner, outer, plain, list, one"},
    {"inner a {\n other = 1 }", "test.conf:2: no such option 'other': here there are list, one"},
    {"one 3", "test.conf:1: missing equal sign after option 'one': write NAME = VALUE"},
    {"one = {3}", "test.conf:1: unexpected token '{': "},
    {"list = {3", "test.conf:1: premature end of file: "},
    {"\ninner a {\n one = 1\n", "test.conf:2: a section without end"},
    {"outer a {} outer b {\n inner a { list = {1} }", "test.conf:1: a section without end"},
    {"inner {}", "test.conf:1: missing title"},
    {"inner a\n\n one = 3 ", "test.conf:3: missing opening brace"},
    {"}", "test.conf:1: unexpected closing brace"},
    {"inner a {}\ninner a {}", "test.conf:2: found duplicate title 'a': "},
    {"one += 3", "test.conf:1: attempt to append to non-list option 'one': "},
    {"list = {,}", "test.conf:1: unexpected token"},
    {"list = {a b}", "test.conf:1: unexpected token"},
    {"/* a\n comment */\n// and\n# more\nuid = 3", "test.conf:5: no such option"},
    /* What it would take in silence, or wrongly */
    {"one = /usr/bin/foo*", "test.conf:1: * outside quotes: "},
    {"one = g++", "test.conf:1: + outside quotes: "},
    {"one = f(x)", "test.conf:1: ( outside quotes: "},
    {"one = a\001b", "test.conf:1: the control character 0x01"},
    {"one = \"a\177\"", "test.conf:1: the control character 0x7f"},
    {"one = ${HOME}", "test.conf:1: ${ outside quotes: "},
    {"one = a${HOME}", "test.conf:1: ${ outside quotes: "},
    {"one = \"${HOME}\"", "test.conf:1: ${ in double quotes: "},
    {"\none = \"a", "test.conf:2: a string without its closing \": "},
    {"\none = 'a\n'", "test.conf:2: a string without its closing ': "},
    {"one = \"a\\", "test.conf:1: "},
    {"one = \"a\\\n\"", "test.conf:1: "},
    {"one = \"\\0\"", "test.conf:1: \\0 in double quotes: "},
    {"one = \"\\x41\"", "test.conf:1: \\x in double quotes: "},
    {"one = \"\\[\"", "test.conf:1: \\[ in double quotes: "},
    {"/* open", "test.conf:1: a comment without end"},
    {"list = 1\nlist = 2", "test.conf:2: list is given twice: "},
    {"inner a { one = 1 one = 2 }", "test.conf:1: one is given twice: "},
    {"inner a { list = 1 } inner|list = 2", "test.conf:1: inner|list is no name"},
    {"inner a { list = 1 } \"inner|list\" = 2", "test.conf:1: \"inner|list\" stands where a name is expected"},
    {"outer a { inner b {} } outer|inner c {}", "test.conf:1: outer|inner is no name"},
    {"\"inner\" c {}", "test.conf:1: \"inner\" stands where a name"},
    {"inner a {\n list = {} }", "test.conf:2: list of this section is an empty list: "},
    {"list = {1} inner a {}\nlist = {}", "test.conf:2: list is given twice"},
    {"list = {}", "test.conf:1: list of this section is an empty list: "},
};

static void test_what_is_wrong_is_said_with_its_line_and_a_remedy(void **state) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(refused); i++)
        assert_refused(refused[i].text, refused[i].message);
}

/* After libconfuse's scanner gave up in a string, the next text began in that string. */
static void test_an_error_leaves_nothing_behind_for_the_next_text(void **state) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(refused); i++) {
        assert_refused(refused[i].text, refused[i].message);
        _cleanup_(kith_config_freep) cfg_t *cfg = parsed("one = 'x'");
        assert_value(cfg, "one", 0, "x", 1);
    }
}

static void test_options_and_sections_of_the_same_name_may_stand_in_different_sections(void **state) {
    cfg_t *cfg = parsed("one = \"v\" plain { one = 1 } inner a { one = 1 } inner b { one = 1 } outer a { inner a { one = 1 } }");
    kith_config_free(cfg);
}

/* `head`, then `count` times `piece` with its number in place of @, ten digits wide, then `tail`. */
static char *repeated(const char *head, const char *piece, size_t count, const char *tail) {
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    assert_non_null(stream);
    fputs(head, stream);
    for (size_t i = 0; i < count; i++)
        for (const char *p = piece; *p; p++)
            if (*p == '@')
                fprintf(stream, "%010zu", i);
            else
                fputc(*p, stream);
    fputs(tail, stream);
    assert_int_equal(fclose(stream), 0);
    return text;
}

static void assert_accepted(char *text) {
    kith_config_free(parsed(text));
    free(text);
}

static void assert_refused_and_free(char *text, const char *message) {
    assert_refused(text, message);
    free(text);
}

static void test_limits_are_kept_to_the_last_one_allowed(void **state) {
    assert_accepted(repeated("", "inner a@ {}\n", KITH_CONFIG_SECTIONS_MAX, ""));
    assert_refused_and_free(repeated("", "inner a@ {}\n", KITH_CONFIG_SECTIONS_MAX + 1, ""), "test.conf:8193: more than 8192 sections");

    assert_refused_and_free(repeated("", "a@ {\n", KITH_CONFIG_DEPTH_MAX, "}}}}}}}}"), "no such option 'a0000000000'");
    assert_refused_and_free(repeated("", "a@ {\n", KITH_CONFIG_DEPTH_MAX + 1, ""), "8 in each other");
    assert_refused_and_free(repeated("", "a@ = 1\n", KITH_CONFIG_OPTIONS_MAX, ""), "no such option 'a0000000000'");
    assert_refused_and_free(repeated("", "a@ = 1\n", KITH_CONFIG_OPTIONS_MAX + 1, ""), "more than 64 options");

    assert_accepted(repeated("one = \"xxxxx", "@", (KITH_CONFIG_STRING_MAX - 5) / 10, "\""));
    assert_refused_and_free(repeated("one = \"xxxxxx", "@", (KITH_CONFIG_STRING_MAX - 5) / 10, "\""), "4096 octets: at most 4095");
    assert_refused_and_free(repeated("one = xxxxxx", "@", (KITH_CONFIG_STRING_MAX - 5) / 10, ""), "4096 octets: at most 4095");
}

static void test_a_text_has_at_most_a_mebibyte_and_no_nul(void **state) {
    static char text[KITH_CONFIG_TEXT_MAX + 1];
    cfg_t *cfg = NULL;
    struct kith_error error = KITH_ERROR_NONE;

    memset(text, ' ', sizeof(text));
    assert_int_equal(kith_config_parse_text(text, sizeof(text), "t", options, &cfg, &error), -E2BIG);
    assert_string_equal(error.text, "t: the text has 1048577 octets: at most 1048576 are read");
    assert_int_equal(kith_config_parse_text(text, sizeof(text) - 1, "t", options, &cfg, &error), 0);
    kith_config_free(cfg);

    text[7] = '\0';
    assert_int_equal(kith_config_parse_text(text, 10, "t", options, &cfg, &error), -EINVAL);
    assert_string_equal(error.text, "t: a NUL at octet 7: this is no text file");
}

/* The worst texts of each kind that are not refused: what takes longer than linear time here would take minutes. */
static void test_large_texts_take_no_more_than_their_share_of_time(void **state) {
    assert_accepted(repeated("list = {", "@,\n", 5000, "}"));
    assert_accepted(repeated("", "/*@*/\n", 65000, ""));
    char *longest = repeated("'", "@", KITH_CONFIG_STRING_MAX / 10, "',\n");
    assert_accepted(repeated("list = {", longest, 250, "}"));
    free(longest);
}

static void test_a_file_is_read_whole_or_its_error_told(void **state) {
    char path[] = "/tmp/kith-test-parse-XXXXXX", *text = NULL;
    size_t size = 0;
    struct kith_error error = KITH_ERROR_NONE;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "one = 1\n", 8), 8);
    assert_int_equal(kith_config_read_file(path, &text, &size, &error), 0);
    assert_int_equal(size, 8);
    assert_string_equal(text, "one = 1\n");
    free(text);

    assert_int_equal(ftruncate(fd, KITH_CONFIG_TEXT_MAX + 1), 0);
    assert_int_equal(kith_config_read_file(path, &text, &size, &error), -E2BIG);
    assert_non_null(strstr(error.text, path));
    close(fd);
    unlink(path);

    assert_int_equal(kith_config_read_file(path, &text, &size, &error), -ENOENT);
    assert_non_null(strstr(error.text, "No such file"));
    assert_int_equal(kith_config_read_file("/tmp", &text, &size, &error), -EISDIR);
}

static void test_the_environment_changes_nothing(void **state) {
    assert_int_equal(setenv("KITH_TEST_VALUE", "expanded", 1), 0);
    _cleanup_(kith_config_freep) cfg_t *cfg = parsed("one = '${KITH_TEST_VALUE}'");
    assert_value(cfg, "one", 0, "${KITH_TEST_VALUE}", 1);
    assert_refused("one = \"${KITH_TEST_VALUE}\"", "variables are not replaced");
    assert_refused("one = ${KITH_TEST_VALUE}", "outside quotes");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_keep_their_text_and_their_line),
        cmocka_unit_test(test_comments_look_like_comments_only_outside_strings),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_a_list_may_be_added_to),
        cmocka_unit_test(test_nothing_at_all_is_a_text),
        cmocka_unit_test(test_what_is_wrong_is_said_with_its_line_and_a_remedy),
        cmocka_unit_test(test_an_error_leaves_nothing_behind_for_the_next_text),
        cmocka_unit_test(test_options_and_sections_of_the_same_name_may_stand_in_different_sections),
        cmocka_unit_test(test_limits_are_kept_to_the_last_one_allowed),
        cmocka_unit_test(test_a_text_has_at_most_a_mebibyte_and_no_nul),
        cmocka_unit_test(test_large_texts_take_no_more_than_their_share_of_time),
        cmocka_unit_test(test_a_file_is_read_whole_or_its_error_told),
        cmocka_unit_test(test_the_environment_changes_nothing),
    };
    return cmocka_run_group_tests_name("config/parse", tests, NULL, NULL);
}

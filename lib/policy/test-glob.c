/* Tests of policy/glob.h: a table of what people write, every short pattern against a plain reference, and hostile patterns. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/glob.h"

static bool matches(const char *pattern, bool path, const char *text) {
    _cleanup_(kith_glob_freep) struct kith_glob *glob = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    if (kith_glob_new(pattern, path, &glob, &error) < 0)
        fail_msg("%s: %s", pattern, error.text);
    assert_string_equal(kith_glob_pattern(glob), pattern);
    return kith_glob_match(glob, text);
}

static const struct {
    const char *pattern;
    bool path;
    const char *text;
    bool match;
} table[] = {
    {"/usr/bin/foo", true, "/usr/bin/foo", true},
    {"/usr/bin/foo", true, "/usr/bin/foo2", false},
    {"/usr/bin/foo", true, "/usr/bin/fo", false},
    {"/usr/bin/foo", true, "", false},
    {"/usr/bin/*", true, "/usr/bin/foo", true},
    {"/usr/bin/*", true, "/usr/bin/", true},
    {"/usr/bin/*", true, "/usr/bin/sub/foo", false},
    {"/usr/bin/**", true, "/usr/bin/sub/foo", true},
    {"/usr/bin/***", true, "/usr/bin/sub/foo", true},
    {"/opt/*/bin/*", true, "/opt/x/bin/y", true},
    {"/opt/*/bin/*", true, "/opt/x/y/bin/z", false},
    {"/opt/**/bin/*", true, "/opt/x/y/bin/z", true},
    {"/opt/**/bin/*", true, "/opt/bin/z", false},
    {"**/foo", true, "/a/b/c/foo", true},
    {"**", true, "", true},
    {"*", true, "/", false},
    {"?", true, "/", false},
    {"?", true, "", false},
    {"fo?", true, "foo", true},
    {"/usr/bin/foo*", true, "/usr/bin/foo (deleted)", true},
    {"/usr/bin/\\[", true, "/usr/bin/[", true},
    {"a\\*b", true, "a*b", true},
    {"a\\*b", true, "axb", false},
    {"a\\\\", true, "a\\", true},
    {"a\\?", true, "ab", false},
    {"user@*.service", false, "user@1000.service", true},
    {"user@*.service", false, "user@1000.slice", false},
    {"*", false, "/usr/bin/foo (enforce)", true},
    {"?usr*", false, "/usr/bin/foo", true},
    {"system_u:*:sshd_t:*", false, "system_u:system_r:sshd_t:s0-s0:c0.c1023", true},
    {"*.service", false, "\xc3\xa4.service", true},
    {"?.service", false, "\xc3\xa4.service", false}, /* octets, not characters */
    {"??.service", false, "\xc3\xa4.service", true},
};

static void test_patterns_match_as_people_read_them(void **state) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(table); i++)
        if (matches(table[i].pattern, table[i].path, table[i].text) != table[i].match)
            fail_msg("%s on %s: expected %d", table[i].pattern, table[i].text, table[i].match);
}

/* The definition of a glob, read out loud; exponential, for short texts only. */
static bool reference(const char *pattern, bool path, const char *text) {
    if (!*pattern)
        return !*text;
    if (*pattern == '*') {
        bool any = !path || pattern[1] == '*';
        const char *rest = pattern + strspn(pattern, "*");
        for (;; text++) {
            if (reference(rest, path, text))
                return true;
            if (!*text || (!any && *text == '/'))
                return false;
        }
    }
    if (!*text)
        return false;
    if (*pattern == '?')
        return (!path || *text != '/') && reference(pattern + 1, path, text + 1);
    return *pattern == *text && reference(pattern + 1, path, text + 1);
}

/* The number'th string over the alphabet, shortest first. */
static void nth_string(size_t number, const char *alphabet, char *string) {
    size_t letters = strlen(alphabet), length = 0;
    for (; number > 0; number = (number - 1) / letters)
        string[length++] = alphabet[(number - 1) % letters];
    string[length] = '\0';
}

static void test_every_short_pattern_agrees_with_the_definition(void **state) {
    char pattern[16], text[16];
    for (size_t p = 1; p <= 4 + 16 + 64 + 256 + 1024; p++) {
        nth_string(p, "a/*?", pattern);
        for (unsigned path = 0; path < 2; path++) {
            _cleanup_(kith_glob_freep) struct kith_glob *glob = NULL;
            assert_int_equal(kith_glob_new(pattern, path, &glob, NULL), 0);
            for (size_t t = 0; t <= 3 + 9 + 27 + 81 + 243; t++) {
                nth_string(t, "ab/", text);
                if (kith_glob_match(glob, text) != reference(pattern, path, text))
                    fail_msg("%s on %s, path %u", pattern, text, path);
            }
        }
    }
}

/* A matcher that backtracks takes longer than the universe for the first, one that restarts at each octet minutes for the others: the
 * suite's time limit is the assertion. */
static void test_hostile_patterns_take_linear_time(void **state) {
    static char text[64 * 1024], pattern[KITH_GLOB_MAX + 1];
    memset(text, 'a', sizeof(text) - 1);

    assert_false(matches("a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", false, text));
    assert_false(matches("**a*a*a*a*a**a*a*a*a**a*a*a*a**a*a*a*b", true, text));

    text[4096] = '\0';
    for (size_t i = 0; i < KITH_GLOB_MAX - 1; i++)
        pattern[i] = i % 2 ? '*' : 'a';
    pattern[KITH_GLOB_MAX - 1] = 'b';
    assert_false(matches(pattern, true, text));
    pattern[KITH_GLOB_MAX - 1] = '\0';
    assert_true(matches(pattern, true, text));
}

static void test_the_longest_pattern_is_a_path(void **state) {
    static char text[KITH_GLOB_MAX + 2];
    memset(text, 'x', KITH_GLOB_MAX + 1);
    struct kith_glob *glob = NULL;
    assert_int_equal(kith_glob_new(text, true, &glob, NULL), -EINVAL);
    text[KITH_GLOB_MAX] = '\0';
    assert_true(matches(text, true, text));
}

static void test_what_could_be_misread_is_refused(void **state) {
    static const struct { const char *pattern, *error; } refused[] = {{"", "empty"}, {"/usr/bin/[ab]", "\\["}, {"foo\\", "backslash"}};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(refused); i++) {
        struct kith_glob *glob = NULL;
        struct kith_error error = KITH_ERROR_NONE;
        assert_int_equal(kith_glob_new(refused[i].pattern, true, &glob, &error), -EINVAL);
        assert_null(glob);
        assert_non_null(strstr(error.text, refused[i].error));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patterns_match_as_people_read_them), cmocka_unit_test(test_every_short_pattern_agrees_with_the_definition),
        cmocka_unit_test(test_hostile_patterns_take_linear_time),  cmocka_unit_test(test_the_longest_pattern_is_a_path),
        cmocka_unit_test(test_what_could_be_misread_is_refused),
    };
    return cmocka_run_group_tests_name("policy/glob", tests, NULL, NULL);
}

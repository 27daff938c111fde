/* Tests of what spans rules and files: sets, includes, the default. Files lie in a folder of the test's own. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <kith/config.h>

#include "config/internal.h"

KITH_DEFINE_CLEANUP(kith_policy *, kith_policy_unref)
KITH_DEFINE_CLEANUP(kith_origin *, kith_origin_unref)

static int fake_id(void *userdata, const char *name, uid_t *ret_id) {
    *ret_id = 1000;
    return strcmp(name, "ann") == 0 ? 0 : -ENOENT;
}

static const struct kith_config_names names = {.user = fake_id, .group = fake_id, .files = true};

struct folder {
    char path[32];
    char *files[16];
    size_t count;
};

static int make_folder(void **state) {
    struct folder *folder = (struct folder *)calloc(1, sizeof(*folder));
    strcpy(folder->path, "/tmp/kith-test-include-XXXXXX");
    *state = folder;
    return mkdtemp(folder->path) ? 0 : -1;
}

static int remove_folder(void **state) {
    struct folder *folder = (struct folder *)*state;
    for (size_t i = folder->count; i-- > 0;) {
        remove(folder->files[i]);
        free(folder->files[i]);
    }
    rmdir(folder->path);
    free(folder);
    return 0;
}

static const char *note(struct folder *folder, const char *name) {
    char *path = NULL;
    assert_true(folder->count < KITH_ARRAY_SIZE(folder->files));
    assert_true(asprintf(&path, "%s/%s", folder->path, name) > 0);
    folder->files[folder->count++] = path;
    return path;
}

static void write_file(struct folder *folder, const char *name, const char *text) {
    FILE *file = fopen(note(folder, name), "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

/* Reads the text as if it were the file main.policy in the folder. */
static int parse(struct folder *folder, const char *text, kith_policy **ret_policy, struct kith_error *ret_error) {
    char name[96];
    snprintf(name, sizeof(name), "%s/main.policy", folder->path);
    return kith_config_policy_parse_names(text, strlen(text), name, &names, ret_policy, ret_error);
}

static kith_policy *parsed(struct folder *folder, const char *text) {
    kith_policy *policy = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    if (parse(folder, text, &policy, &error) < 0)
        fail_msg("%s", error.text);
    return policy;
}

static void assert_refused(struct folder *folder, const char *text, const char *message) {
    kith_policy *policy = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    int r = parse(folder, text, &policy, &error);
    if (r >= 0)
        fail_msg("%s is accepted", text);
    assert_null(policy);
    assert_int_equal(error.code, r);
    if (!strstr(error.text, message))
        fail_msg("of %s: \"%s\" is not in \"%s\"", text, message, error.text);
}

/* The names of the rules, in order. */
static void assert_rules(const kith_policy *policy, const char *expected) {
    char text[256] = "";
    for (size_t i = 0; i < kith_policy_rule_count(policy); i++) {
        strcat(text, i ? " " : "");
        strcat(text, kith_policy_rule_name(policy, i));
    }
    assert_string_equal(text, expected);
}

static void assert_uid(const kith_policy *policy, uid_t uid, const char *rule) {
    _cleanup_(kith_origin_unrefp) kith_origin *origin = NULL;
    assert_int_equal(kith_origin_new(&origin), 0);
    assert_int_equal(kith_origin_set_number(origin, KITH_FACT_UID, uid, KITH_WITNESS_KERNEL_MESSAGE), 0);
    assert_string_equal(kith_policy_decide(policy, KITH_VERB_SEND, origin).rule_name, rule);
}

/* Sets -------------------------------------------------------------------------------------------------------------- */

static void test_a_set_stands_for_its_values(void **state) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy =
        parsed((struct folder *)*state, "set admins { uid = {5, 10-12} user = ann exe = '/bin/*' }\n"
                                        "set staff { user = {'@admins'} uid = 20 }\n"
                                        "rule a { allow = '*' uid = {'@admins', 7} }\n"
                                        "rule b { allow = '*' user = '@staff' }\n"
                                        "rule c { allow = '*' not_uid = '@staff' }\n");
    assert_uid(policy, 5, "a");
    assert_uid(policy, 11, "a");
    assert_uid(policy, 1000, "a");
    assert_uid(policy, 7, "a");
    assert_uid(policy, 20, "b");
    assert_uid(policy, 21, "c");
}

static void test_a_key_may_begin_like_a_set(void **state) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy =
        parsed((struct folder *)*state, "set friends { key = '@q:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7' }\n"
                                        "rule a { allow = '*' key = {'@friends', '@q:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf8'} }\n");
    assert_rules(policy, "a");
}

static void test_wrong_sets_are_refused(void **state) {
    struct folder *folder = (struct folder *)*state;
    assert_refused(folder, "rule a { allow = send uid = '@nobody' }", "main.policy:1: there is no set \"nobody\" before this line: ");
    assert_refused(folder, "rule a { allow = send uid = '@s' }\nset s { uid = 1 }",
                   "main.policy:1: there is no set \"s\" before this line");
    assert_refused(folder, "set s { uid = '@s' }\nrule a { allow = send uid = '@s' }", "main.policy:1: there is no set \"s\" before");
    assert_refused(folder, "set s { exe = '/a' }\nrule a { allow = send\nuid = '@s' }", "main.policy:3: set \"s\" has no uid: ");
    assert_refused(folder, "set s { user = bob }\nrule a { allow = send uid = '@s' }", "main.policy:1: there is no user \"bob\"");
    assert_refused(folder, "set s { uid = 1x }\nrule a { allow = send uid = '@s' }", "main.policy:1: uid \"1x\" is no number");
    assert_refused(folder, "set s { uid = 1 }\nset s { uid = 2 }", "main.policy:2: found duplicate title 's'");
    assert_refused(folder, "set '@s' { uid = 1 }", "main.policy:1: \"@s\" is no name for a set");
    assert_refused(folder, "set s { rate = '1/s' }", "main.policy:1: no such option 'rate'");
    assert_refused(folder, "set s { allow = send }", "main.policy:1: no such option 'allow'");

    char text[1024] = "set s0 { uid = 1 }\n";
    for (unsigned i = 1; i < 10; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "set s%u { uid = '@s%u' }\n", i, i - 1);
    strcat(text, "rule a { allow = send uid = '@s9' }");
    assert_refused(folder, text, "is more than 8 sets deep");
}

/* Sets that double at each step come to an end at the limit of values, not of time. */
static void test_sets_of_sets_are_bounded(void **state) {
    char text[1024] = "set s0 { uid = 1-5 }\n";
    for (unsigned i = 1; i < 8; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "set s%u { uid = {'@s%u','@s%u','@s%u','@s%u'} }\n", i, i - 1, i - 1,
                 i - 1, i - 1);
    strcat(text, "rule a { allow = send uid = '@s7' }");
    assert_refused((struct folder *)*state, text, "uid has more than 1024 values");
}

/* Includes ---------------------------------------------------------------------------------------------------------- */

static void test_included_rules_stand_where_the_include_does(void **state) {
    struct folder *folder = (struct folder *)*state;
    write_file(folder, "one.policy", "rule one { allow = send uid = '@base' }\n");
    write_file(folder, "two.policy", "set late { uid = 2 }\nrule two { deny = '*' uid = '@late' }\n");
    _cleanup_(kith_policy_unrefp) kith_policy *policy = parsed(folder, "set base { uid = 1 }\n"
                                                                       "rule first { allow = send uid = 0 }\n"
                                                                       "include = \"one.policy\"\n"
                                                                       "rule middle { allow = send uid = 0 }\n"
                                                                       "include += {\"two.policy\"}\n"
                                                                       "rule last { allow = connect uid = '@late' }\n");
    assert_rules(policy, "first one middle two last");
    assert_uid(policy, 1, "one");
    assert_uid(policy, 2, "two");
}

static void test_a_glob_includes_in_the_order_of_names(void **state) {
    struct folder *folder = (struct folder *)*state;
    assert_int_equal(mkdir(note(folder, "policy.d"), 0700), 0);
    write_file(folder, "policy.d/20.policy", "include = \"../extra.policy\"\nrule twenty { allow = send }\n");
    write_file(folder, "policy.d/10.policy", "rule ten { allow = send }\n");
    write_file(folder, "policy.d/30.off", "rule thirty { allow = send }\n");
    write_file(folder, "extra.policy", "rule extra { allow = send }\n");
    _cleanup_(kith_policy_unrefp) kith_policy *policy = parsed(folder, "include = {\"policy.d/*.policy\", \"none.d/*\"}\n");
    assert_rules(policy, "ten extra twenty");
}

static void test_wrong_includes_are_refused_with_file_and_line(void **state) {
    struct folder *folder = (struct folder *)*state;
    write_file(folder, "bad.policy", "rule a {\n allow = fly }\n");
    write_file(folder, "loop-a.policy", "\ninclude = loop-b.policy");
    write_file(folder, "loop-b.policy", "include = loop-a.policy");
    write_file(folder, "self.policy", "include = self.policy");
    write_file(folder, "set.policy", "set s { uid = 1 }\n");
    assert_refused(folder, "\ninclude = none.policy", "main.policy:2: ");
    assert_refused(folder, "include = none.policy", "none.policy cannot be included: ");
    assert_refused(folder, "include = bad.policy", "bad.policy:2: \"fly\" is nothing that could be done");
    assert_refused(folder, "include = self.policy", "self.policy:1: ");
    assert_refused(folder, "include = self.policy", "includes itself: remove one of the includes");
    assert_refused(folder, "include = loop-a.policy", "loop-a.policy includes itself by way of ");
    assert_refused(folder, "include = '.'", "is no regular file");
    assert_refused(folder, "include = set.policy rule a { allow = send }", "main.policy:1: an include on a line with a rule or a set");
    assert_refused(folder, "include = {set.policy,\nset.policy}", "set.policy:1: set \"s\" is there already, in ");
    assert_refused(folder, "include = bad.policy\ninclude = set.policy", "main.policy:2: include is given twice");
    assert_refused(folder, "include = {}", "is an empty list");

    /* Where there are no files, nothing is read. */
    static const struct kith_config_names no_files = {.user = fake_id, .group = fake_id};
    kith_policy *policy = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    const char *text = "include = \"/etc/passwd\"";
    assert_int_equal(kith_config_policy_parse_names(text, strlen(text), "x", &no_files, &policy, &error), -EINVAL);
    assert_string_equal(error.text, "x:1: \"/etc/passwd\": nothing is included here");
}

static void test_includes_have_a_depth(void **state) {
    struct folder *folder = (struct folder *)*state;
    char name[16], text[32];
    for (unsigned i = 0; i < 9; i++) {
        snprintf(name, sizeof(name), "%u", i);
        snprintf(text, sizeof(text), "include = \"%u\"\n", i + 1);
        write_file(folder, name, i == 8 ? "rule deep { allow = send }" : text);
    }
    _cleanup_(kith_policy_unrefp) kith_policy *policy = parsed(folder, "include = \"1\"");
    assert_rules(policy, "deep");
    assert_refused(folder, "include = \"0\"", "/8 is more than 8 includes deep: ");
}

/* Defaults ---------------------------------------------------------------------------------------------------------- */

static void test_the_default_is_given_once(void **state) {
    struct folder *folder = (struct folder *)*state;
    write_file(folder, "default.policy", "default = \"allow\"\n");
    _cleanup_(kith_policy_unrefp) kith_policy *policy = parsed(folder, "default = allow\nrule a { deny = send uid = 5 }");
    assert_true(kith_policy_default(policy));
    assert_uid(policy, 5, "a");
    policy = kith_policy_unref(policy);
    policy = parsed(folder, "default = deny");
    assert_false(kith_policy_default(policy));
    policy = kith_policy_unref(policy);
    policy = parsed(folder, "include = default.policy");
    assert_true(kith_policy_default(policy));
    assert_refused(folder, "\ndefault = maybe", "main.policy:2: \"maybe\" is no default: write deny or allow");
    assert_refused(folder, "default = deny\ninclude = default.policy", "main.policy has given a default already");
    assert_refused(folder, "default = deny\ndefault = deny", "main.policy:2: default is given twice");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_folder, remove_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_a_set_stands_for_its_values),
        TEST(test_a_key_may_begin_like_a_set),
        TEST(test_wrong_sets_are_refused),
        TEST(test_sets_of_sets_are_bounded),
        TEST(test_included_rules_stand_where_the_include_does),
        TEST(test_a_glob_includes_in_the_order_of_names),
        TEST(test_wrong_includes_are_refused_with_file_and_line),
        TEST(test_includes_have_a_depth),
        TEST(test_the_default_is_given_once),
    };
    return cmocka_run_group_tests_name("config/include", tests, NULL, NULL);
}

/* Tests of config/policy.c: policies from text. Names are resolved by a table here, except in the last tests. */
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

KITH_DEFINE_CLEANUP(kith_policy *, kith_policy_unref)
KITH_DEFINE_CLEANUP(kith_origin *, kith_origin_unref)

static int fake_user(void *userdata, const char *name, uid_t *ret_uid) {
    if (strcmp(name, "broken") == 0)
        return -EIO;
    *ret_uid = 1000;
    return strcmp(name, "ann") == 0 ? 0 : -ENOENT;
}

static int fake_group(void *userdata, const char *name, gid_t *ret_gid) {
    *ret_gid = 27;
    return strcmp(name, "sudo") == 0 ? 0 : -ENOENT;
}

static const struct kith_config_names names = {.user = fake_user, .group = fake_group};

static int parse(const char *text, kith_policy **ret_policy, struct kith_error *ret_error) {
    return kith_config_policy_parse_names(text, strlen(text), "x.policy", &names, ret_policy, ret_error);
}

static kith_policy *parsed(const char *text) {
    kith_policy *policy = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    if (parse(text, &policy, &error) < 0)
        fail_msg("%s", error.text);
    return policy;
}

static kith_origin *origin_of(uid_t uid, gid_t gid, const char *exe) {
    kith_origin *origin = NULL;
    assert_int_equal(kith_origin_new(&origin), 0);
    assert_int_equal(kith_origin_set_number(origin, KITH_FACT_UID, uid, KITH_WITNESS_KERNEL_MESSAGE), 0);
    assert_int_equal(kith_origin_set_number(origin, KITH_FACT_GID, gid, KITH_WITNESS_KERNEL_MESSAGE), 0);
    assert_int_equal(kith_origin_set_text(origin, KITH_FACT_EXE, exe, KITH_WITNESS_INFERRED), 0);
    return origin;
}

static void assert_decides(const kith_policy *policy, enum kith_verb verb, uid_t uid, gid_t gid, const char *exe, const char *rule) {
    _cleanup_(kith_origin_unrefp) kith_origin *origin = origin_of(uid, gid, exe);
    assert_string_equal(kith_policy_decide(policy, verb, origin).rule_name, rule);
}

static void test_rules_decide_in_the_order_of_the_text(void **state) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = parsed("# who may do what\n"
                                                               "rule \"operators\" {\n"
                                                               "    allow   = {\"connect\", \"send\"}\n"
                                                               "    group   = {\"sudo\"}\n"
                                                               "    exe     = {\"/usr/bin/foo\", '/opt/**'}\n"
                                                               "}\n"
                                                               "rule \"no service\" { deny = \"*\"  uid = 1-999 }\n"
                                                               "rule \"look\" { allow = connect uid = {1000, 2000-2999} }\n");
    assert_int_equal(kith_policy_rule_count(policy), 3);
    assert_decides(policy, KITH_VERB_SEND, 5, 27, "/usr/bin/foo", "operators");
    assert_decides(policy, KITH_VERB_SEND, 5, 27, "/opt/a/b", "operators");
    assert_decides(policy, KITH_VERB_SEND, 5, 28, "/usr/bin/foo", "no service");
    assert_decides(policy, KITH_VERB_CONNECT, 2500, 28, "/usr/bin/foo", "look");
    assert_decides(policy, KITH_VERB_SEND, 2500, 28, "/usr/bin/foo", "default");
}

static void test_user_and_uid_are_values_of_one_condition(void **state) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = parsed("rule a { allow = \"*\" user = ann uid = {5} group = sudo gid = 6 }");
    assert_decides(policy, KITH_VERB_SEND, 1000, 27, "/x", "a");
    assert_decides(policy, KITH_VERB_SEND, 5, 6, "/x", "a");
    assert_decides(policy, KITH_VERB_SEND, 1000, 6, "/x", "a");
    assert_decides(policy, KITH_VERB_SEND, 1000, 7, "/x", "default");
    assert_decides(policy, KITH_VERB_SEND, 6, 27, "/x", "default");
}

static void test_witness_is_the_least_that_suffices(void **state) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = parsed(
        "rule a { allow = \"*\" exe = \"/x\" witness = kernel-connect } rule b { allow = \"*\" exe = \"/x\" witness = \"inferred\" }");
    assert_decides(policy, KITH_VERB_SEND, 1, 1, "/x", "b");
}

static void test_a_rule_without_conditions_matches_everything(void **state) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = parsed("rule all { allow = \"*\" }");
    assert_decides(policy, KITH_VERB_CONNECT, 1, 1, "/x", "all");
    assert_decides(policy, KITH_VERB_SEND, 1, 1, "/x", "all");
}

static void test_an_empty_text_is_a_policy_that_denies(void **state) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = parsed("");
    assert_int_equal(kith_policy_rule_count(policy), 0);
    assert_decides(policy, KITH_VERB_SEND, 0, 0, "/x", "default");
}

/* What the library can be asked, the text can say, and negate. */
static void test_every_condition_has_its_option(void **state) {
    static const char *const values[KITH_CONDITION_COUNT_] = {
        [KITH_CONDITION_ADDRESS] = "192.0.2.0/24",
        [KITH_CONDITION_DESTINATION] = "[ff02::1]:5555",
        [KITH_CONDITION_KEY] = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID",
        [KITH_CONDITION_FD_KIND] = "memfd",
        [KITH_CONDITION_TIME] = "mon-fri 08:00-18:00 local",
        [KITH_CONDITION_RATE] = "5/min per exe",
        [KITH_CONDITION_MAY_FORGE] = "0",
    };
    for (unsigned i = 0; i < 2 * KITH_CONDITION_COUNT_; i++) {
        enum kith_condition condition = (enum kith_condition)(i / 2);
        const char *value = values[condition] ? values[condition] : "5";
        char text[160];
        snprintf(text, sizeof(text), "rule a { allow = \"*\" %s%s = {'%s'} }", i % 2 ? "not_" : "", kith_condition_name(condition), value);
        if (condition == KITH_CONDITION_RATE && i % 2)
            continue;
        _cleanup_(kith_policy_unrefp) kith_policy *policy = parsed(text);
        assert_true(kith_policy_may_look_at(policy, KITH_VERB_SEND) != 0);
    }
}

static void test_negated_conditions(void **state) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = parsed("rule a { allow = \"*\" uid = 1000-1999 not_uid = 1500 not_group = sudo }");
    assert_decides(policy, KITH_VERB_SEND, 1500, 5, "/x", "default");
    assert_decides(policy, KITH_VERB_SEND, 1501, 27, "/x", "default");
    /* Of the supplementary groups nothing is known: sudo may be one. */
    assert_decides(policy, KITH_VERB_SEND, 1501, 5, "/x", "default");
    policy = kith_policy_unref(policy);
    policy = parsed("rule a { allow = \"*\" uid = 1000-1999 not_user = ann not_exe = {'/usr/bin/*'} }");
    assert_decides(policy, KITH_VERB_SEND, 1000, 5, "/x", "default");
    assert_decides(policy, KITH_VERB_SEND, 1001, 5, "/usr/bin/x", "default");
    assert_decides(policy, KITH_VERB_SEND, 1001, 5, "/x", "a");
}

/* Texts of before there were more verbs than connect and send mean what they meant. */
static void test_only_verbs_that_are_named_are_governed(void **state) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = parsed("rule a { allow = \"*\" uid = 0 } rule b { allow = connect uid = 1 }");
    assert_decides(policy, KITH_VERB_SEND, 1, 1, "/x", "default");
    assert_decides(policy, KITH_VERB_SUBSCRIBE, 1, 1, "/x", "not governed");
    assert_decides(policy, KITH_VERB_RECEIVE, 1, 1, "/x", "not governed");
    assert_decides(policy, KITH_VERB_SERVE, 1, 1, "/x", "not governed");
    policy = kith_policy_unref(policy);
    policy = parsed("rule a { allow = \"*\" uid = 0 } rule b { allow = {subscribe, \"*\"} uid = 1 }");
    assert_decides(policy, KITH_VERB_SUBSCRIBE, 2, 1, "/x", "default");
    assert_decides(policy, KITH_VERB_SUBSCRIBE, 0, 1, "/x", "a");
    assert_decides(policy, KITH_VERB_SERVE, 2, 1, "/x", "not governed");
    policy = kith_policy_unref(policy);
    policy = parsed("rule a { allow = {connect, send, subscribe, receive, serve} uid = 0 }");
    assert_decides(policy, KITH_VERB_SERVE, 2, 1, "/x", "default");
}

static void test_errors_say_where_what_and_how_to_mend_it(void **state) {
    static const struct {
        const char *text, *message;
    } refused[] = {
        {"\nrule a { uid = 1 }", "x.policy:2: rule \"a\" has neither allow nor deny: give it exactly one of them"},
        {"rule a {\n allow = send\n deny = send }", "x.policy:3: rule \"a\" has both allow and deny: "},
        {"rule a {\n allow = {send,\n fly} }",
         "x.policy:3: \"fly\" is nothing that could be done: allow connect, send, subscribe, receive, serve or \"*\""},
        {"rule a { deny = Send }", "x.policy:1: \"Send\" is nothing that could be done: deny connect"},
        {"rule a { allow = send }\nrule a { allow = send }", "x.policy:2: found duplicate title 'a'"},
        {"rule a { allow = send\n uid = {1,\n2x} }", "x.policy:3: uid \"2x\" is no number: "},
        {"rule a { allow = send\n pid = 0 }", "x.policy:2: pid \"0\" is out of range"},
        {"rule a { allow = send\n exe = \"/[a]\" }", "x.policy:2: exe \"/[a]\": there are no character classes"},
        {"rule a { allow = send\n unit = \"\" }", "x.policy:2: unit \"\": it is empty"},
        {"rule a { allow = send\n\n user = bob }", "x.policy:3: there is no user \"bob\": correct the name, or write its number with uid"},
        {"rule a { allow = send\n group = bob }", "x.policy:2: there is no group \"bob\": correct the name, or write its number with gid"},
        {"rule a { allow = send\n user = broken }", "x.policy:2: user \"broken\" cannot be looked up: "},
        {"rule a { allow = send\n witness = claimed }", "x.policy:2: \"claimed\" is no witness to rely on: write inferred"},
        {"rule a { allow = send witness = unknown }", "is no witness to rely on"},
        {"rule a { allow = send witness = {inferred} }", "x.policy:1: unexpected token '{'"},
        {"rule a { deny = send\n rate = \"1/s\" }", "x.policy:2: a rule that denies has no rate"},
        {"rule a { allow = {} }", "x.policy:1: allow of this section is an empty list"},
        {"rule a { allow = send uid = {} }", "uid of this section is an empty list"},
        {"rule a { allow = send color = red }", "x.policy:1: no such option 'color': here there are allow, deny, uid, not_uid, "},
        {"policy a { rule b { allow = send } }", "x.policy:1: no such option 'policy': here there are include, default, set, rule"},
        {"include(\"/etc/passwd\")", "x.policy:1: ( outside quotes"},
        {"rule \"\" { allow = send }", "x.policy:1: the name of a rule has 0 octets"},
    };
    for (size_t i = 0; i < KITH_ARRAY_SIZE(refused); i++) {
        kith_policy *policy = NULL;
        struct kith_error error = KITH_ERROR_NONE;
        int r = parse(refused[i].text, &policy, &error);
        assert_null(policy);
        assert_int_equal(r, strstr(refused[i].text, "broken") ? -EIO : -EINVAL);
        assert_int_equal(error.code, r);
        if (!strstr(error.text, refused[i].message))
            fail_msg("of %s: \"%s\" is not in \"%s\"", refused[i].text, refused[i].message, error.text);
        assert_int_equal(parse(refused[i].text, &policy, NULL), r);
    }
}

/* As the gateway does. */
static void test_policies_may_be_sections_of_a_larger_configuration(void **state) {
    static const cfg_opt_t options[] = {KITH_CONFIG_POLICY_SECTION("policy"), KITH_CONFIG_VALUE("port"), CFG_END()};
    const char *text = "port = 7\npolicy \"one\" { rule a { allow = send } rule b { deny = \"*\" } }\npolicy two { rule a {\nuid = 1 } }\n";
    _cleanup_(kith_config_freep) cfg_t *cfg = NULL;
    _cleanup_(kith_policy_unrefp) kith_policy *policy = NULL;
    struct kith_error error = KITH_ERROR_NONE;

    assert_int_equal(kith_config_parse_text(text, strlen(text), "kith.conf", options, &cfg, &error), 0);
    assert_int_equal(kith_config_policy_from_section(cfg_getnsec(cfg, "policy", 0), "kith.conf", &policy, &error), 0);
    assert_int_equal(kith_policy_rule_count(policy), 2);

    kith_policy *other = NULL;
    assert_int_equal(kith_config_policy_from_section(cfg_getnsec(cfg, "policy", 1), "kith.conf", &other, &error), -EINVAL);
    assert_null(other);
    assert_string_equal(error.text, "kith.conf:4: rule \"a\" has neither allow nor deny: give it exactly one of them");
}

static void test_a_file_and_the_names_of_the_system(void **state) {
    static const char text[] = "rule root { allow = \"*\" user = root group = root }";
    char path[] = "/tmp/kith-test-policy-XXXXXX";
    _cleanup_(kith_policy_unrefp) kith_policy *policy = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);

    int r = kith_config_policy_load(path, &policy, &error);
    unlink(path);
    if (r < 0)
        fail_msg("%s", error.text);
    assert_decides(policy, KITH_VERB_SEND, 0, 0, "/x", "root");
    assert_decides(policy, KITH_VERB_SEND, 1, 0, "/x", "default");

    kith_policy *none = NULL;
    assert_int_equal(kith_config_policy_load(path, &none, &error), -ENOENT);
    const char *unknown = "rule a { allow = send group = \"kith no such group\" }";
    assert_int_equal(kith_config_policy_parse(unknown, strlen(unknown), "x", &none, &error), -EINVAL);
    assert_non_null(strstr(error.text, "x:1: there is no group \"kith no such group\": "));
    unknown = "rule a { allow = send user = \"kith no such user\" }";
    assert_int_equal(kith_config_policy_parse(unknown, strlen(unknown), "x", &none, &error), -EINVAL);
    assert_non_null(strstr(error.text, "x:1: there is no user \"kith no such user\": "));
    assert_null(none);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules_decide_in_the_order_of_the_text),
        cmocka_unit_test(test_user_and_uid_are_values_of_one_condition),
        cmocka_unit_test(test_witness_is_the_least_that_suffices),
        cmocka_unit_test(test_a_rule_without_conditions_matches_everything),
        cmocka_unit_test(test_an_empty_text_is_a_policy_that_denies),
        cmocka_unit_test(test_every_condition_has_its_option),
        cmocka_unit_test(test_negated_conditions),
        cmocka_unit_test(test_only_verbs_that_are_named_are_governed),
        cmocka_unit_test(test_errors_say_where_what_and_how_to_mend_it),
        cmocka_unit_test(test_policies_may_be_sections_of_a_larger_configuration),
        cmocka_unit_test(test_a_file_and_the_names_of_the_system),
    };
    return cmocka_run_group_tests_name("config/policy", tests, NULL, NULL);
}

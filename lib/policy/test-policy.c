/* Tests of kith/policy.h: each condition against facts that fit, do not fit, are unknown or have too weak a witness; then what rules add.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <kith/policy.h>

#include "base/cleanup.h"
#include "policy/condition.h"

KITH_DEFINE_CLEANUP(kith_policy *, kith_policy_unref)
KITH_DEFINE_CLEANUP(kith_origin *, kith_origin_unref)

static kith_policy *new_policy(void) {
    kith_policy *policy = NULL;
    assert_int_equal(kith_policy_new(&policy), 0);
    return policy;
}

static kith_policy_rule *add_rule(kith_policy *policy, const char *name, bool allow, unsigned verbs) {
    kith_policy_rule *rule = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    if (kith_policy_add_rule(policy, name, allow, verbs, &rule, &error) < 0)
        fail_msg("%s: %s", name, error.text);
    return rule;
}

static void add_value(kith_policy_rule *rule, enum kith_condition condition, const char *value) {
    struct kith_error error = KITH_ERROR_NONE;
    if (kith_policy_rule_add(rule, condition, value, &error) < 0)
        fail_msg("%s: %s", value, error.text);
}

static kith_origin *new_origin(void) {
    kith_origin *origin = NULL;
    assert_int_equal(kith_origin_new(&origin), 0);
    return origin;
}

/* Sets the fact that the condition is about; numbers are written in decimal. */
static void set_fact(kith_origin *origin, enum kith_condition condition, const char *value, enum kith_witness witness) {
    enum kith_fact fact = kith_condition_types[condition].fact;
    char *end;
    uint64_t number = strtoull(value, &end, 10);
    if (*end || kith_origin_set_number(origin, fact, number, witness) < 0)
        assert_int_equal(kith_origin_set_text(origin, fact, value, witness), 0);
}

static void assert_why(const kith_policy *policy, size_t rule, enum kith_verb verb, kith_origin *origin, const char *expected) {
    char text[512];
    int length = kith_policy_explain(policy, rule, verb, origin, text, sizeof(text));
    assert_string_equal(text, expected);
    assert_int_equal(length, strlen(expected));
}

/* Conditions ----------------------------------------------------------------------------------------------------- */

static const struct {
    enum kith_condition condition;
    const char *value; /* of the rule */
    const char *fact;
    const char *why; /* "applies" or why not */
} table[] = {
    {KITH_CONDITION_UID, "1000", "1000", "applies"},
    {KITH_CONDITION_UID, "1000", "1001", "uid 1001 is not 1000"},
    {KITH_CONDITION_UID, "0", "0", "applies"},
    {KITH_CONDITION_UID, "1000-1999", "1000", "applies"},
    {KITH_CONDITION_UID, "1000-1999", "1999", "applies"},
    {KITH_CONDITION_UID, "1000-1999", "999", "uid 999 is not 1000-1999"},
    {KITH_CONDITION_UID, "1000-1999", "2000", "uid 2000 is not 1000-1999"},
    {KITH_CONDITION_UID, "0-4294967294", "4294967294", "applies"},
    {KITH_CONDITION_GID, "27", "27", "applies"},
    {KITH_CONDITION_GID, "27", "28", "gid 28 is not 27, group list is unknown"},
    {KITH_CONDITION_PID, "812", "812", "applies"},
    {KITH_CONDITION_PID, "1-4194304", "4194304", "applies"},
    {KITH_CONDITION_PID, "812", "813", "pid 813 is not 812"},
    {KITH_CONDITION_EXE, "/usr/bin/foo", "/usr/bin/foo", "applies"},
    {KITH_CONDITION_EXE, "/usr/bin/*", "/usr/bin/foo", "applies"},
    {KITH_CONDITION_EXE, "/usr/bin/*", "/usr/bin/x/foo", "exe /usr/bin/x/foo is not /usr/bin/*"},
    {KITH_CONDITION_EXE, "/usr/**", "/usr/bin/x/foo", "applies"},
    {KITH_CONDITION_EXE, "/usr/bin/foo", "/usr/bin/foo (deleted)", "exe /usr/bin/foo (deleted) is not /usr/bin/foo"},
    {KITH_CONDITION_UNIT, "nginx.service", "nginx.service", "applies"},
    {KITH_CONDITION_UNIT, "user@*.service", "user@1000.service", "applies"},
    {KITH_CONDITION_UNIT, "nginx.service", "cron.service", "unit cron.service is not nginx.service"},
    {KITH_CONDITION_CGROUP, "/system.slice/*", "/system.slice/nginx.service", "applies"},
    {KITH_CONDITION_CGROUP, "/user.slice/*", "/user.slice/a/b", "cgroup /user.slice/a/b is not /user.slice/*"},
    {KITH_CONDITION_CGROUP, "/user.slice/**", "/user.slice/a/b", "applies"},
    {KITH_CONDITION_LABEL, "*", "/usr/bin/foo (enforce)", "applies"},
    {KITH_CONDITION_LABEL, "system_u:*", "system_u:system_r:init_t:s0", "applies"},
    {KITH_CONDITION_LABEL, "unconfined", "confined", "label confined is not unconfined"},
};

static void test_conditions_hold_for_what_they_say(void **state) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(table); i++) {
        _cleanup_(kith_policy_unrefp) kith_policy *policy = new_policy();
        _cleanup_(kith_origin_unrefp) kith_origin *origin = new_origin();
        add_value(add_rule(policy, "rule", true, KITH_VERB_ALL), table[i].condition, table[i].value);
        set_fact(origin, table[i].condition, table[i].fact, KITH_WITNESS_KERNEL_MESSAGE);

        assert_why(policy, 0, KITH_VERB_SEND, origin, table[i].why);
        bool applies = strcmp(table[i].why, "applies") == 0;
        struct kith_verdict verdict = kith_policy_decide(policy, KITH_VERB_SEND, origin);
        assert_int_equal(verdict.allow, applies);
        assert_int_equal(verdict.rule, applies ? 0 : -1);
        assert_string_equal(verdict.rule_name, applies ? "rule" : "default");
    }
}

/* Every witness against every least witness, for every condition. */
static void test_a_fact_needs_a_witness_as_strong_as_the_rule_asks(void **state) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(table); i++) {
        if (strcmp(table[i].why, "applies") != 0)
            continue;
        for (unsigned least = KITH_WITNESS_INFERRED; least <= KITH_WITNESS_KERNEL_MESSAGE; least++) {
            for (unsigned witness = KITH_WITNESS_CLAIMED; witness <= KITH_WITNESS_KERNEL_MESSAGE; witness++) {
                _cleanup_(kith_policy_unrefp) kith_policy *policy = new_policy();
                _cleanup_(kith_origin_unrefp) kith_origin *origin = new_origin();
                kith_policy_rule *rule = add_rule(policy, "rule", true, KITH_VERB_ALL);
                add_value(rule, table[i].condition, table[i].value);
                assert_int_equal(kith_policy_rule_set_witness(rule, (enum kith_witness)least), 0);
                set_fact(origin, table[i].condition, table[i].fact, (enum kith_witness)witness);
                assert_int_equal(kith_policy_decide(policy, KITH_VERB_SEND, origin).allow, witness >= least);
            }
        }
    }
}

/* A value that every condition of its kind accepts, where there is one. */
static const char *any_value(enum kith_condition condition) {
    static const char *const values[KITH_CONDITION_COUNT_] = {
        [KITH_CONDITION_UID] = "0-4294967294",   [KITH_CONDITION_PID] = "1-4194304",
        [KITH_CONDITION_ADDRESS] = "::/0",       [KITH_CONDITION_CID] = "0-4294967294",
        [KITH_CONDITION_DESTINATION] = "::/0",   [KITH_CONDITION_TTL] = "0-255",
        [KITH_CONDITION_TOS] = "0-255",          [KITH_CONDITION_KEY] = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7",
        [KITH_CONDITION_GID] = "0-4294967294",   [KITH_CONDITION_FDS] = "0-253",
        [KITH_CONDITION_FD_KIND] = "file",       [KITH_CONDITION_SIZE] = "0-1024G",
        [KITH_CONDITION_TIME] = "sun-sat local", [KITH_CONDITION_RATE] = "1/s per uid",
    };
    return values[condition] ? values[condition] : "**";
}

static void test_an_unknown_fact_is_said_to_be_unknown(void **state) {
    _cleanup_(kith_origin_unrefp) kith_origin *origin = new_origin();
    for (unsigned i = 0; i < KITH_CONDITION_COUNT_; i++) {
        enum kith_condition condition = (enum kith_condition)i;
        if (condition == KITH_CONDITION_FDS || condition == KITH_CONDITION_FD_KIND || condition == KITH_CONDITION_SIZE)
            continue; /* none is a number too */
        _cleanup_(kith_policy_unrefp) kith_policy *policy = new_policy();
        bool negatable = condition != KITH_CONDITION_RATE;
        add_value(add_rule(policy, "allow", true, KITH_VERB_ALL), condition, any_value(condition));
        add_value(add_rule(policy, "deny", false, KITH_VERB_ALL), condition, any_value(condition));
        for (size_t j = 0; negatable && j < 2; j++) {
            kith_policy_rule *rule = add_rule(policy, j ? "deny not" : "allow not", !j, KITH_VERB_ALL);
            assert_int_equal(kith_policy_rule_add_not(rule, condition, any_value(condition), NULL), 0);
        }

        char why[128];
        const char *what = condition == KITH_CONDITION_RATE ? "uid" : kith_condition_name(condition);
        snprintf(why, sizeof(why), "%s is unknown%s", what, condition == KITH_CONDITION_GID ? ", group list is unknown" : "");
        for (size_t rule = 0; rule < kith_policy_rule_count(policy); rule++) {
            assert_why(policy, rule, KITH_VERB_CONNECT, origin, why);
            assert_why(policy, rule, KITH_VERB_CONNECT, NULL, why);
        }
        assert_string_equal(kith_policy_decide(policy, KITH_VERB_CONNECT, origin).rule_name, "default");
        assert_false(kith_policy_decide(policy, KITH_VERB_CONNECT, NULL).allow);
    }
}

static void test_a_weak_witness_is_named_with_what_is_needed(void **state) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = new_policy();
    _cleanup_(kith_origin_unrefp) kith_origin *origin = new_origin();
    kith_policy_rule *rule = add_rule(policy, "rule", true, KITH_VERB_ALL);
    add_value(rule, KITH_CONDITION_UNIT, "foo.service");
    set_fact(origin, KITH_CONDITION_UNIT, "foo.service", KITH_WITNESS_CLAIMED);
    assert_why(policy, 0, KITH_VERB_SEND, origin, "unit has witness claimed, needs inferred");

    assert_int_equal(kith_policy_rule_set_witness(rule, KITH_WITNESS_KERNEL_CONNECT), 0);
    set_fact(origin, KITH_CONDITION_UNIT, "foo.service", KITH_WITNESS_INFERRED);
    assert_why(policy, 0, KITH_VERB_SEND, origin, "unit has witness inferred, needs kernel-connect");
}

static void test_gid_looks_at_supplementary_groups_too(void **state) {
    static const gid_t groups[] = {4, 24, 27};
    _cleanup_(kith_policy_unrefp) kith_policy *policy = new_policy();
    _cleanup_(kith_origin_unrefp) kith_origin *origin = new_origin();
    kith_policy_rule *rule = add_rule(policy, "rule", true, KITH_VERB_ALL);
    add_value(rule, KITH_CONDITION_GID, "27");

    assert_int_equal(kith_origin_set_groups(origin, groups, 3, KITH_WITNESS_INFERRED), 0);
    assert_why(policy, 0, KITH_VERB_SEND, origin, "applies");
    set_fact(origin, KITH_CONDITION_GID, "1000", KITH_WITNESS_KERNEL_MESSAGE);
    assert_why(policy, 0, KITH_VERB_SEND, origin, "applies");

    assert_int_equal(kith_policy_rule_set_witness(rule, KITH_WITNESS_KERNEL_CONNECT), 0);
    assert_why(policy, 0, KITH_VERB_SEND, origin, "gid 1000 is not 27, group list has witness inferred, needs kernel-connect");
    set_fact(origin, KITH_CONDITION_GID, "27", KITH_WITNESS_KERNEL_MESSAGE);
    assert_why(policy, 0, KITH_VERB_SEND, origin, "applies");

    assert_int_equal(kith_policy_rule_set_witness(rule, KITH_WITNESS_INFERRED), 0);
    set_fact(origin, KITH_CONDITION_GID, "1000", KITH_WITNESS_KERNEL_MESSAGE);
    assert_int_equal(kith_origin_set_groups(origin, groups, 2, KITH_WITNESS_INFERRED), 0);
    assert_why(policy, 0, KITH_VERB_SEND, origin, "gid 1000 is not 27, none of 2 groups is");
    assert_int_equal(kith_origin_set_groups(origin, NULL, 0, KITH_WITNESS_INFERRED), 0);
    assert_why(policy, 0, KITH_VERB_SEND, origin, "gid 1000 is not 27, none of 0 groups is");
}

static void test_any_value_of_a_condition_suffices_and_all_conditions_must_hold(void **state) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = new_policy();
    _cleanup_(kith_origin_unrefp) kith_origin *origin = new_origin();
    kith_policy_rule *rule = add_rule(policy, "rule", true, KITH_VERB_ALL);
    for (const char *const *value = (const char *const[]){"1", "2-3", "5", "7", "9", "11", NULL}; *value; value++)
        add_value(rule, KITH_CONDITION_UID, *value);
    add_value(rule, KITH_CONDITION_EXE, "/bin/a");
    add_value(rule, KITH_CONDITION_EXE, "/bin/b\x01");

    set_fact(origin, KITH_CONDITION_UID, "9", KITH_WITNESS_KERNEL_MESSAGE);
    assert_why(policy, 0, KITH_VERB_SEND, origin, "exe is unknown");
    set_fact(origin, KITH_CONDITION_EXE, "/bin/\x1b", KITH_WITNESS_KERNEL_CONNECT);
    assert_why(policy, 0, KITH_VERB_SEND, origin, "exe /bin/\\x1b is not /bin/a or /bin/b\\x01");
    set_fact(origin, KITH_CONDITION_EXE, "/bin/a", KITH_WITNESS_KERNEL_CONNECT);
    assert_why(policy, 0, KITH_VERB_SEND, origin, "applies");
    set_fact(origin, KITH_CONDITION_UID, "4", KITH_WITNESS_KERNEL_MESSAGE);
    assert_why(policy, 0, KITH_VERB_SEND, origin, "uid 4 is not 1 or 2-3 or 5 or 7 or one of 2 more");
}

static void test_malformed_values_are_refused_with_a_remedy(void **state) {
    static const struct {
        enum kith_condition condition;
        const char *value, *error;
    } refused[] = {
        {KITH_CONDITION_UID, "", "is no number"},
        {KITH_CONDITION_UID, "x", "uid \"x\" is no number: write one like 1000, or a range like 1000-1999"},
        {KITH_CONDITION_UID, "10x", "is no number"},
        {KITH_CONDITION_UID, "0x10", "is no number"},
        {KITH_CONDITION_UID, "-1", "is no number"},
        {KITH_CONDITION_UID, "1-", "is no number"},
        {KITH_CONDITION_UID, "1-2-3", "is no number"},
        {KITH_CONDITION_UID, " 1", "is no number"},
        {KITH_CONDITION_UID, "+1", "is no number"},
        {KITH_CONDITION_UID, "010", "is no number"},
        {KITH_CONDITION_UID, "4294967295", "out of range: write numbers from 0 to 4294967294"},
        {KITH_CONDITION_UID, "4294967296", "out of range"},
        {KITH_CONDITION_UID, "99999999999999999999999999999999999999", "out of range"},
        {KITH_CONDITION_UID, "2-1", "ends before it begins"},
        {KITH_CONDITION_GID, "4294967295", "gid \"4294967295\" is out of range"},
        {KITH_CONDITION_PID, "0", "out of range: write numbers from 1 to 4194304"},
        {KITH_CONDITION_PID, "1-4194305", "out of range"},
        {KITH_CONDITION_EXE, "", "exe \"\": it is empty"},
        {KITH_CONDITION_CGROUP, "/[ab]", "there are no character classes"},
        {KITH_CONDITION_UNIT, "a\\", "ends in a backslash"},
    };
    _cleanup_(kith_policy_unrefp) kith_policy *policy = new_policy();
    kith_policy_rule *rule = add_rule(policy, "rule", true, KITH_VERB_ALL);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(refused); i++) {
        struct kith_error error = KITH_ERROR_NONE;
        assert_int_equal(kith_policy_rule_add(rule, refused[i].condition, refused[i].value, &error), -EINVAL);
        assert_int_equal(error.code, -EINVAL);
        if (!strstr(error.text, refused[i].error))
            fail_msg("\"%s\" is not in \"%s\"", refused[i].error, error.text);
    }
    /* Nothing of them is left: the rule still has no condition. */
    assert_true(kith_policy_decide(policy, KITH_VERB_SEND, NULL).allow);
}

/* Rules ---------------------------------------------------------------------------------------------------------- */

static void test_without_a_policy_everything_is_allowed(void **state) {
    struct kith_verdict verdict = kith_policy_decide(NULL, KITH_VERB_SEND, NULL);
    assert_true(verdict.allow);
    assert_int_equal(verdict.rule, -1);
    assert_string_equal(verdict.rule_name, "no policy");
}

static void test_a_policy_without_rules_denies(void **state) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = new_policy();
    struct kith_verdict verdict = kith_policy_decide(policy, KITH_VERB_SEND, NULL);
    assert_false(verdict.allow);
    assert_int_equal(verdict.rule, -1);
    assert_string_equal(verdict.rule_name, "default");
}

static void test_the_first_rule_that_applies_decides(void **state) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = new_policy();
    _cleanup_(kith_origin_unrefp) kith_origin *origin = new_origin();
    add_value(add_rule(policy, "root", true, KITH_VERB_ALL), KITH_CONDITION_UID, "0");
    add_rule(policy, "nobody sends", false, KITH_VERB_SEND);
    add_rule(policy, "all", true, KITH_VERB_ALL);

    assert_string_equal(kith_policy_decide(policy, KITH_VERB_SEND, origin).rule_name, "nobody sends");
    assert_false(kith_policy_decide(policy, KITH_VERB_SEND, origin).allow);
    assert_int_equal(kith_policy_decide(policy, KITH_VERB_CONNECT, origin).rule, 2);
    assert_why(policy, 1, KITH_VERB_CONNECT, origin, "does not cover connect");
    set_fact(origin, KITH_CONDITION_UID, "0", KITH_WITNESS_KERNEL_MESSAGE);
    assert_int_equal(kith_policy_decide(policy, KITH_VERB_SEND, origin).rule, 0);
}

static void test_nothing_covers_a_set_of_verbs(void **state) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = new_policy();
    add_rule(policy, "all", true, KITH_VERB_ALL);
    assert_false(kith_policy_decide(policy, KITH_VERB_ALL, NULL).allow);
    assert_false(kith_policy_decide(policy, (enum kith_verb)0, NULL).allow);
    assert_false(kith_policy_decide(policy, (enum kith_verb)(1 << 5), NULL).allow);
}

static void test_names_of_rules_are_unique_and_fit_for_logs(void **state) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = new_policy();
    kith_policy_rule *rule = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    char name[129];

    memset(name, 'x', 128);
    name[128] = '\0';
    assert_int_equal(kith_policy_add_rule(policy, name, true, KITH_VERB_ALL, &rule, &error), -EINVAL);
    assert_int_equal(kith_policy_add_rule(policy, "", true, KITH_VERB_ALL, &rule, &error), -EINVAL);
    assert_int_equal(kith_policy_add_rule(policy, "a\nb", true, KITH_VERB_ALL, &rule, &error), -EINVAL);
    assert_int_equal(kith_policy_add_rule(policy, "\x9b", true, KITH_VERB_ALL, &rule, &error), -EINVAL);
    assert_int_equal(kith_policy_rule_count(policy), 0);
    assert_null(rule);

    add_rule(policy, name + 1, true, KITH_VERB_ALL);
    add_rule(policy, "\xc3\xa4", true, KITH_VERB_ALL);
    assert_int_equal(kith_policy_add_rule(policy, "\xc3\xa4", true, KITH_VERB_ALL, &rule, &error), -EEXIST);
    assert_string_equal(error.text, "rule \"\xc3\xa4\" is there already: give each rule a name of its own");
    assert_int_equal(kith_policy_rule_count(policy), 2);
}

static void test_limits_of_rules_and_values(void **state) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = new_policy();
    kith_policy_rule *rule = NULL;
    char name[16];

    for (unsigned i = 0; i < 4096; i++) {
        snprintf(name, sizeof(name), "rule %u", i);
        rule = add_rule(policy, name, true, KITH_VERB_ALL);
    }
    assert_int_equal(kith_policy_add_rule(policy, "one more", true, KITH_VERB_ALL, &rule, NULL), -E2BIG);
    assert_int_equal(kith_policy_rule_count(policy), 4096);

    for (unsigned i = 0; i < 1024; i++)
        add_value(rule, KITH_CONDITION_EXE, "/bin/foo");
    assert_int_equal(kith_policy_rule_add(rule, KITH_CONDITION_EXE, "/bin/foo", NULL), -E2BIG);
    add_value(rule, KITH_CONDITION_UNIT, "foo.service");
}

static void test_wrong_arguments_are_errors(void **state) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = new_policy();
    kith_policy_rule *rule = NULL;
    char text[4];
    assert_int_equal(kith_policy_new(NULL), -EINVAL);
    assert_int_equal(kith_policy_add_rule(policy, "a", true, 0, &rule, NULL), -EINVAL);
    assert_int_equal(kith_policy_add_rule(policy, "a", true, 1 << 5, &rule, NULL), -EINVAL);
    assert_int_equal(kith_policy_add_rule(policy, NULL, true, KITH_VERB_ALL, &rule, NULL), -EINVAL);
    assert_int_equal(kith_policy_add_rule(NULL, "a", true, KITH_VERB_ALL, &rule, NULL), -EINVAL);
    rule = add_rule(policy, "a", true, KITH_VERB_ALL);
    assert_int_equal(kith_policy_rule_add(rule, KITH_CONDITION_COUNT_, "1", NULL), -EINVAL);
    assert_int_equal(kith_policy_rule_add(rule, KITH_CONDITION_UID, NULL, NULL), -EINVAL);
    assert_int_equal(kith_policy_rule_set_witness(rule, KITH_WITNESS_NONE), -EINVAL);
    assert_int_equal(kith_policy_rule_set_witness(rule, KITH_WITNESS_CLAIMED), -EINVAL);
    assert_int_equal(kith_policy_rule_set_witness(rule, (enum kith_witness)(KITH_WITNESS_KERNEL_MESSAGE + 1)), -EINVAL);
    assert_int_equal(kith_policy_explain(policy, 1, KITH_VERB_SEND, NULL, text, sizeof(text)), -EINVAL);
    assert_int_equal(kith_policy_explain(policy, 0, KITH_VERB_SEND, NULL, text, sizeof(text)), strlen("applies"));
    assert_string_equal(text, "app");
    assert_int_equal(kith_policy_rule_count(NULL), 0);
}

static void test_names_of_verbs_and_conditions_read_back(void **state) {
    enum kith_verb verb;
    enum kith_condition condition;
    assert_int_equal(kith_verb_parse(kith_verb_name(KITH_VERB_CONNECT), &verb), 0);
    assert_int_equal(verb, KITH_VERB_CONNECT);
    assert_int_equal(kith_verb_parse("send", &verb), 0);
    assert_int_equal(verb, KITH_VERB_SEND);
    assert_int_equal(kith_verb_parse("SEND", &verb), -EINVAL);
    assert_string_equal(kith_verb_name(KITH_VERB_ALL), "unknown");
    for (unsigned i = 0; i < KITH_CONDITION_COUNT_; i++) {
        assert_int_equal(kith_condition_parse(kith_condition_name((enum kith_condition)i), &condition), 0);
        assert_int_equal(condition, i);
    }
    assert_int_equal(kith_condition_parse("user", &condition), -EINVAL);
    assert_string_equal(kith_condition_name(KITH_CONDITION_COUNT_), "unknown");
}

static void test_a_policy_lives_until_its_last_reference(void **state) {
    kith_policy *policy = new_policy();
    add_rule(policy, "all", true, KITH_VERB_ALL);
    assert_ptr_equal(kith_policy_ref(policy), policy);
    assert_null(kith_policy_unref(policy));
    assert_true(kith_policy_decide(policy, KITH_VERB_SEND, NULL).allow);
    assert_null(kith_policy_unref(policy));
    assert_null(kith_policy_unref(NULL));
    assert_null(kith_policy_ref(NULL));
}

static void test_rules_are_told_in_order(void **state) {
    (void)state;
    _cleanup_(kith_policy_unrefp) kith_policy *policy = new_policy();
    add_rule(policy, "first", true, KITH_VERB_ALL);
    add_rule(policy, "second", false, KITH_VERB_SEND);
    assert_string_equal(kith_policy_rule_name(policy, 0), "first");
    assert_true(kith_policy_rule_allows(policy, 0));
    assert_string_equal(kith_policy_rule_name(policy, 1), "second");
    assert_false(kith_policy_rule_allows(policy, 1));
    assert_null(kith_policy_rule_name(policy, 2));
    assert_false(kith_policy_rule_allows(policy, 2));
    assert_null(kith_policy_rule_name(NULL, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conditions_hold_for_what_they_say),
        cmocka_unit_test(test_a_fact_needs_a_witness_as_strong_as_the_rule_asks),
        cmocka_unit_test(test_an_unknown_fact_is_said_to_be_unknown),
        cmocka_unit_test(test_a_weak_witness_is_named_with_what_is_needed),
        cmocka_unit_test(test_gid_looks_at_supplementary_groups_too),
        cmocka_unit_test(test_any_value_of_a_condition_suffices_and_all_conditions_must_hold),
        cmocka_unit_test(test_malformed_values_are_refused_with_a_remedy),
        cmocka_unit_test(test_without_a_policy_everything_is_allowed),
        cmocka_unit_test(test_a_policy_without_rules_denies),
        cmocka_unit_test(test_the_first_rule_that_applies_decides),
        cmocka_unit_test(test_nothing_covers_a_set_of_verbs),
        cmocka_unit_test(test_names_of_rules_are_unique_and_fit_for_logs),
        cmocka_unit_test(test_limits_of_rules_and_values),
        cmocka_unit_test(test_wrong_arguments_are_errors),
        cmocka_unit_test(test_names_of_verbs_and_conditions_read_back),
        cmocka_unit_test(test_a_policy_lives_until_its_last_reference),
        cmocka_unit_test(test_rules_are_told_in_order),
    };
    return cmocka_run_group_tests_name("policy/policy", tests, NULL, NULL);
}

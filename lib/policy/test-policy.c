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
    {KITH_CONDITION_ADDRESS, "192.0.2.0/24", "192.0.2.77:4711", "applies"},
    {KITH_CONDITION_ADDRESS, "192.0.2.0/24", "192.0.3.1:4711", "address 192.0.3.1:4711 is not 192.0.2.0/24"},
    {KITH_CONDITION_ADDRESS, "192.0.2.0/25", "192.0.2.127:4711", "applies"},
    {KITH_CONDITION_ADDRESS, "192.0.2.0/25", "192.0.2.128:4711", "address 192.0.2.128:4711 is not 192.0.2.0/25"},
    {KITH_CONDITION_ADDRESS, "192.0.2.1", "192.0.2.1:1", "applies"},
    {KITH_CONDITION_ADDRESS, "192.0.2.1", "192.0.2.2:1", "address 192.0.2.2:1 is not 192.0.2.1"},
    {KITH_CONDITION_ADDRESS, "0.0.0.0/0", "192.0.2.1:1", "applies"},
    {KITH_CONDITION_ADDRESS, "0.0.0.0/0", "[2001:db8::1]:1", "address [2001:db8::1]:1 is not 0.0.0.0/0"},
    {KITH_CONDITION_ADDRESS, "::/0", "192.0.2.1:1", "applies"},
    {KITH_CONDITION_ADDRESS, "192.0.2.0/24", "[::ffff:192.0.2.9]:5", "applies"},
    {KITH_CONDITION_ADDRESS, "::ffff:192.0.2.0/120", "192.0.2.9:5", "applies"},
    {KITH_CONDITION_ADDRESS, "127.0.0.1:1-1023", "127.0.0.1:1023", "applies"},
    {KITH_CONDITION_ADDRESS, "127.0.0.1:1-1023", "127.0.0.1:1024", "address 127.0.0.1:1024 is not 127.0.0.1:1-1023"},
    {KITH_CONDITION_ADDRESS, "127.0.0.1:1024-2000", "127.0.0.1:1024", "applies"},
    {KITH_CONDITION_ADDRESS, "127.0.0.1:1024-2000", "127.0.0.1:1023", "address 127.0.0.1:1023 is not 127.0.0.1:1024-2000"},
    {KITH_CONDITION_ADDRESS, "2001:db8::/33", "[2001:db8:7fff::1]:80", "applies"},
    {KITH_CONDITION_ADDRESS, "2001:db8::/33", "[2001:db8:8000::1]:80", "address [2001:db8:8000::1]:80 is not 2001:db8::/33"},
    {KITH_CONDITION_ADDRESS, "[fe80::/10]:5555", "[fe80::1%eth0]:5555", "applies"},
    {KITH_CONDITION_ADDRESS, "[fe80::/10]:5555", "[fe80::1%eth0]:5556", "address [fe80::1%eth0]:5556 is not [fe80::/10]:5555"},
    {KITH_CONDITION_ADDRESS, "192.0.2.1:80", "192.0.2.1:65616", "address 192.0.2.1:65616 is no address of IPv4 or IPv6"},
    {KITH_CONDITION_ADDRESS, "::/0", "somewhere", "address somewhere is no address of IPv4 or IPv6"},
    {KITH_CONDITION_CID, "2", "2", "applies"},
    {KITH_CONDITION_CID, "3-4294967294", "2", "cid 2 is not 3-4294967294"},
    {KITH_CONDITION_DESTINATION, "239.0.0.0/8:5555", "239.1.1.1:5555", "applies"},
    {KITH_CONDITION_DESTINATION, "239.0.0.0/8:5555", "10.0.0.1:5555", "destination 10.0.0.1:5555 is not 239.0.0.0/8:5555"},
    {KITH_CONDITION_INTERFACE, "wg*", "wg0", "applies"},
    {KITH_CONDITION_INTERFACE, "wg*", "eth0", "interface eth0 is not wg*"},
    {KITH_CONDITION_TTL, "255", "255", "applies"},
    {KITH_CONDITION_TTL, "255", "254", "ttl 254 is not 255"},
    {KITH_CONDITION_TOS, "184", "184", "applies"},
    {KITH_CONDITION_TOS, "184", "0", "tos 0 is not 184"},
    {KITH_CONDITION_USER_ID, "ann", "ann", "applies"},
    {KITH_CONDITION_USER_ID, "ann", "bob", "user_id bob is not ann"},
    {KITH_CONDITION_MODULE, "kith_*", "kith_temperature", "applies"},
    {KITH_CONDITION_MODULE, "kith_*", "evil", "module evil is not kith_*"},
    {KITH_CONDITION_THREAD, "812", "812", "applies"},
    {KITH_CONDITION_THREAD, "812", "813", "thread 813 is not 812"},
    {KITH_CONDITION_CONNECTOR, "1-4194304", "9", "applies"},
    {KITH_CONDITION_CONNECTOR, "8", "9", "connector 9 is not 8"},
    {KITH_CONDITION_CONTAINER, "web*", "web1", "applies"},
    {KITH_CONDITION_CONTAINER, "web*", "db1", "container db1 is not web*"},
    {KITH_CONDITION_SESSION, "c*", "c2", "applies"},
    {KITH_CONDITION_SESSION, "c*", "3", "session 3 is not c*"},
    {KITH_CONDITION_PID_NAMESPACE, "4026531836", "4026531836", "applies"},
    {KITH_CONDITION_PID_NAMESPACE, "4026531836", "4026532000", "pid_namespace 4026532000 is not 4026531836"},
    {KITH_CONDITION_USER_NAMESPACE, "4026531837", "4026531837", "applies"},
    {KITH_CONDITION_USER_NAMESPACE, "4026531837", "1", "user_namespace 1 is not 4026531837"},
    {KITH_CONDITION_MAY_FORGE, "0", "0", "applies"},
    {KITH_CONDITION_MAY_FORGE, "0", "1", "may_forge 1 is not 0"},
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
        [KITH_CONDITION_UID] = "0-4294967294",
        [KITH_CONDITION_PID] = "1-4194304",
        [KITH_CONDITION_ADDRESS] = "::/0",
        [KITH_CONDITION_CID] = "0-4294967294",
        [KITH_CONDITION_DESTINATION] = "::/0",
        [KITH_CONDITION_TTL] = "0-255",
        [KITH_CONDITION_TOS] = "0-255",
        [KITH_CONDITION_KEY] = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7",
        [KITH_CONDITION_THREAD] = "1-4194304",
        [KITH_CONDITION_CONNECTOR] = "1-4194304",
        [KITH_CONDITION_PID_NAMESPACE] = "0-4294967295",
        [KITH_CONDITION_USER_NAMESPACE] = "0-4294967295",
        [KITH_CONDITION_MAY_FORGE] = "0-1",
        [KITH_CONDITION_GID] = "0-4294967294",
        [KITH_CONDITION_FDS] = "0-253",
        [KITH_CONDITION_FD_KIND] = "file",
        [KITH_CONDITION_SIZE] = "0-1024G",
        [KITH_CONDITION_TIME] = "sun-sat local",
        [KITH_CONDITION_RATE] = "1/s per uid",
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
        if (negatable)
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
    {KITH_CONDITION_ADDRESS, "", "is no address: write one like 192.0.2.1, "},
    {KITH_CONDITION_ADDRESS, "localhost", "is no address"},
    {KITH_CONDITION_ADDRESS, "192.0.2", "is no address"},
    {KITH_CONDITION_ADDRESS, "192.0.2.1/33", "is no address"},
    {KITH_CONDITION_ADDRESS, "192.0.2.0/", "is no address"},
    {KITH_CONDITION_ADDRESS, "192.0.2.1/24", "has bits behind its prefix"},
    {KITH_CONDITION_ADDRESS, "192.0.2.1/31", "has bits behind its prefix"},
    {KITH_CONDITION_ADDRESS, "2001:db8::/129", "is no address"},
    {KITH_CONDITION_ADDRESS, "2001:db8::1/64", "has bits behind its prefix"},
    {KITH_CONDITION_ADDRESS, "[::1", "is no address"},
    {KITH_CONDITION_ADDRESS, "[::1]x", "is no address"},
    {KITH_CONDITION_ADDRESS, "192.0.2.1:", "is no address"},
    {KITH_CONDITION_ADDRESS, "192.0.2.1:65536", "is no address"},
    {KITH_CONDITION_ADDRESS, "192.0.2.1:9-1", "is no address"},
    {KITH_CONDITION_ADDRESS, "fe80::1%eth0", "is no address"},
    {KITH_CONDITION_TTL, "256", "out of range"},
    {KITH_CONDITION_MAY_FORGE, "2", "out of range"},
    {KITH_CONDITION_KEY, "short", "is no public key: write its 40 characters of Z85"},
    {KITH_CONDITION_KEY, "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf\"", "is no public key"},
    {KITH_CONDITION_FD_KIND, "Memfd", "is no kind of descriptor: write file, directory, "},
    {KITH_CONDITION_FDS, "254", "out of range"},
    {KITH_CONDITION_SIZE, "18446744073709551617", "out of range"}, /* 2^64 + 1 */
    {KITH_CONDITION_SIZE, "17179869185G", "out of range"},         /* 2^64 + 2^30 */
    {KITH_CONDITION_SIZE, "1T", "is no number: write one like 64K"},
    {KITH_CONDITION_SIZE, "K", "is no number"},
    {KITH_CONDITION_SIZE, "2K-1K", "ends before it begins"},
    {KITH_CONDITION_SIZE, "1025G", "out of range"},
    {KITH_CONDITION_TIME, "08:00-18:00", "is no time: write one like \"08:00-18:00 UTC\""},
    {KITH_CONDITION_TIME, "local", "is no time"},
    {KITH_CONDITION_TIME, " local", "is no time"},
    {KITH_CONDITION_TIME, "24:00-08:00 UTC", "is no time"},
    {KITH_CONDITION_TIME, "08:00-08:00 UTC", "is no time"},
    {KITH_CONDITION_TIME, "08:60-09:00 UTC", "is no time"},
    {KITH_CONDITION_TIME, "08:00-24:01 UTC", "is no time"},
    {KITH_CONDITION_TIME, "8:00-09:00 UTC", "is no time"},
    {KITH_CONDITION_TIME, "mon-fri-sat UTC", "is no time"},
    {KITH_CONDITION_TIME, "mon, UTC", "is no time"},
    {KITH_CONDITION_TIME, "Mon UTC", "is no time"},
    {KITH_CONDITION_TIME, "mon 08:00-09:00 CET", "is no time"},
    {KITH_CONDITION_TIME, "08:00-09:00 mon UTC", "is no time"},
    {KITH_CONDITION_RATE, "", "is no rate: write one like \"100/s\""},
    {KITH_CONDITION_RATE, "100", "is no rate"},
    {KITH_CONDITION_RATE, "0/s", "is no rate"},
    {KITH_CONDITION_RATE, "100/d", "is no rate"},
    {KITH_CONDITION_RATE, "100 octets/s", "is no rate"},
    {KITH_CONDITION_RATE, "100/s per", "is no rate"},
    {KITH_CONDITION_RATE, "100/s per ttl", "is no rate"},
    {KITH_CONDITION_RATE, "100/s burst 0", "is no rate"},
    {KITH_CONDITION_RATE, "100/s burst 5 per uid", "is no rate"},
    {KITH_CONDITION_RATE, "1025G bytes/s", "is no rate"},
    {KITH_CONDITION_RATE, "100  messages/s", "is no rate"},
    {KITH_CONDITION_RATE, "1 messages/s per uid burst 5 more", "is no rate"},
};

static void test_malformed_values_are_refused_with_a_remedy(void **state) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = new_policy();
    kith_policy_rule *rule = add_rule(policy, "rule", true, KITH_VERB_ALL);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(refused); i++) {
        struct kith_error error = KITH_ERROR_NONE;
        int r = kith_policy_rule_add(rule, refused[i].condition, refused[i].value, &error);
        if (r != -EINVAL)
            fail_msg("%s \"%s\": %d", kith_condition_name(refused[i].condition), refused[i].value, r);
        assert_int_equal(error.code, -EINVAL);
        if (!strstr(error.text, refused[i].error))
            fail_msg("\"%s\" is not in \"%s\"", refused[i].error, error.text);
        r = refused[i].condition == KITH_CONDITION_RATE ? 0 : kith_policy_rule_add_not(rule, refused[i].condition, refused[i].value, NULL);
        assert_int_equal(r, refused[i].condition == KITH_CONDITION_RATE ? 0 : -EINVAL);
    }
    assert_int_equal(kith_policy_rule_add_not(rule, KITH_CONDITION_RATE, "1/s", NULL), -EINVAL);
    assert_int_equal(kith_policy_rule_add(add_rule(policy, "deny", false, KITH_VERB_ALL), KITH_CONDITION_RATE, "1/s", NULL), -EINVAL);
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

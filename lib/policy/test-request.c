/* Tests of conditions on what is asked for, of negation, and of what a verdict says it depends on. */
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

KITH_DEFINE_CLEANUP(kith_policy *, kith_policy_unref)
KITH_DEFINE_CLEANUP(kith_origin *, kith_origin_unref)

#define SECOND UINT64_C(1000000000)
/* Thursday, 1 January 1970, 00:00 UTC is 0; this is the Monday after, 5 January. */
#define MONDAY (4 * 86400 * SECOND)
#define CLOCK(hours, minutes) (((hours)*3600 + (minutes)*60) * SECOND)

static kith_policy_rule *add_rule(kith_policy *policy, const char *name, bool allow, unsigned verbs) {
    kith_policy_rule *rule = NULL;
    assert_int_equal(kith_policy_add_rule(policy, name, allow, verbs, &rule, NULL), 0);
    return rule;
}

/* A policy of one rule with one value of one condition. */
static kith_policy *policy_of(bool allow, bool negated, enum kith_condition condition, const char *value) {
    kith_policy *policy = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    assert_int_equal(kith_policy_new(&policy), 0);
    kith_policy_rule *rule = add_rule(policy, "rule", allow, KITH_VERB_ALL);
    int r = negated ? kith_policy_rule_add_not(rule, condition, value, &error) : kith_policy_rule_add(rule, condition, value, &error);
    if (r < 0)
        fail_msg("%s", error.text);
    return policy;
}

/* "applies", or why not; and the verdict is the same. */
static void assert_why(bool allow, bool negated, enum kith_condition condition, const char *value,
                       const struct kith_policy_request *request, const char *expected) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = policy_of(allow, negated, condition, value);
    char text[512];
    kith_policy_explain_request(policy, 0, request, NULL, text, sizeof(text));
    assert_string_equal(text, expected);
    assert_int_equal(kith_policy_decide_request(policy, request, NULL).rule, strcmp(expected, "applies") == 0 ? 0 : -1);
}

/* Texts and numbers ------------------------------------------------------------------------------------------------- */

static const struct {
    enum kith_condition condition;
    const char *value;
    struct kith_policy_request request;
    const char *why, *why_not; /* of the condition, and of its negation */
} table[] = {
    {KITH_CONDITION_PATTERN, "X*", {.pattern = "XPUB"}, "applies", "pattern is one of those that not_pattern leaves out"},
    {KITH_CONDITION_PATTERN, "X*", {.pattern = "PUB"}, "pattern PUB is not X*", "applies"},
    {KITH_CONDITION_PATTERN, "X*", {.pattern = NULL}, "pattern is unknown", "pattern is unknown"},
    {KITH_CONDITION_SERVICE, "orders", {.service = "orders"}, "applies", "service is one of those that not_service leaves out"},
    {KITH_CONDITION_SERVICE, "orders", {.service = "ordersx"}, "service ordersx is not orders", "applies"},
    {KITH_CONDITION_SERVICE, "**", {.service = NULL}, "service is unknown", "service is unknown"},
    {KITH_CONDITION_ENDPOINT,
     "ipc:///run/*",
     {.endpoint = "ipc:///run/x"},
     "applies",
     "endpoint is one of those that not_endpoint leaves out"},
    {KITH_CONDITION_ENDPOINT, "ipc:///run/*", {.endpoint = "ipc:///run/x/y"}, "endpoint ipc:///run/x/y is not ipc:///run/*", "applies"},
    {KITH_CONDITION_ENDPOINT, "**", {.endpoint = NULL}, "endpoint is unknown", "endpoint is unknown"},
    {KITH_CONDITION_TOPIC, "a*", {.topic = "a\0b", .topic_size = 3}, "applies", "topic is one of those that not_topic leaves out"},
    {KITH_CONDITION_TOPIC, "a*", {.topic = "ba", .topic_size = 2}, "topic ba is not a*", "applies"},
    {KITH_CONDITION_TOPIC, "a*", {.topic = "", .topic_size = 0}, "topic  is not a*", "applies"},
    {KITH_CONDITION_TOPIC, "*", {.topic = "", .topic_size = 0}, "applies", "topic is one of those that not_topic leaves out"},
    {KITH_CONDITION_TOPIC, "*", {.topic = "a/b", .topic_size = 3}, "applies", "topic is one of those that not_topic leaves out"},
    {KITH_CONDITION_TOPIC, "abc", {.topic = "ab", .topic_size = 2}, "topic ab is not abc", "applies"},
    {KITH_CONDITION_TOPIC, "*", {.topic = NULL}, "topic is unknown", "topic is unknown"},
    {KITH_CONDITION_FDS, "0", {.fd_count = 0}, "applies", "fds is one of those that not_fds leaves out"},
    {KITH_CONDITION_FDS, "1-2", {.fd_count = 3}, "fds 3 is not 1-2", "applies"},
    {KITH_CONDITION_SIZE, "0-64K", {.size = 65536}, "applies", "size is one of those that not_size leaves out"},
    {KITH_CONDITION_SIZE, "0-64K", {.size = 65537}, "size 65537 is not 0-65536", "applies"},
    {KITH_CONDITION_SIZE, "1M", {.size = 1 << 20}, "applies", "size is one of those that not_size leaves out"},
    {KITH_CONDITION_SIZE, "1G-2G", {.size = UINT64_C(1) << 30}, "applies", "size is one of those that not_size leaves out"},
    {KITH_CONDITION_SIZE, "0-1K", {.size = 0}, "applies", "size is one of those that not_size leaves out"},
    {KITH_CONDITION_TIME, "08:00-18:00 UTC", {.now = MONDAY + CLOCK(8, 0)}, "applies", "time is one of those that not_time leaves out"},
    {KITH_CONDITION_TIME,
     "08:00-18:00 UTC",
     {.now = MONDAY + CLOCK(18, 0) - 1},
     "applies",
     "time is one of those that not_time leaves out"},
    {KITH_CONDITION_TIME, "08:00-18:00 UTC", {.now = MONDAY + CLOCK(18, 0)}, "time mon 18:00 UTC is not 08:00-18:00 UTC", "applies"},
    {KITH_CONDITION_TIME, "08:00-18:00 UTC", {.now = MONDAY + CLOCK(8, 0) - 1}, "time mon 07:59 UTC is not 08:00-18:00 UTC", "applies"},
    {KITH_CONDITION_TIME, "08:00-18:00 UTC", {.now = 0}, "time is unknown", "time is unknown"},
    {KITH_CONDITION_TIME, "00:00-24:00 UTC", {.now = MONDAY - 1}, "applies", "time is one of those that not_time leaves out"},
    {KITH_CONDITION_TIME, "mon-fri UTC", {.now = MONDAY}, "applies", "time is one of those that not_time leaves out"},
    {KITH_CONDITION_TIME, "mon-fri UTC", {.now = MONDAY - 1}, "time sun 23:59 UTC is not mon,tue,wed,thu,fri 00:00-24:00 UTC", "applies"},
    {KITH_CONDITION_TIME, "sat-mon,wed UTC", {.now = MONDAY}, "applies", "time is one of those that not_time leaves out"},
    {KITH_CONDITION_TIME,
     "sat-mon,wed UTC",
     {.now = MONDAY + CLOCK(24, 0)},
     "time tue 00:00 UTC is not mon,wed,sat,sun 00:00-24:00 UTC",
     "applies"},
    /* Over midnight, it is the evening's day that counts. */
    {KITH_CONDITION_TIME,
     "sun 22:00-06:00 UTC",
     {.now = MONDAY + CLOCK(5, 59)},
     "applies",
     "time is one of those that not_time leaves out"},
    {KITH_CONDITION_TIME, "sun 22:00-06:00 UTC", {.now = MONDAY - CLOCK(2, 0)}, "applies", "time is one of those that not_time leaves out"},
    {KITH_CONDITION_TIME, "sun 22:00-06:00 UTC", {.now = MONDAY + CLOCK(6, 0)}, "time mon 06:00 UTC is not sun 22:00-06:00 UTC", "applies"},
    {KITH_CONDITION_TIME, "mon 22:00-06:00 UTC", {.now = MONDAY + CLOCK(5, 0)}, "time mon 05:00 UTC is not mon 22:00-06:00 UTC", "applies"},
    {KITH_CONDITION_TIME, "mon 08:00-09:00 local", {.now = MONDAY + CLOCK(6, 30)}, "local time is unknown", "local time is unknown"},
    {KITH_CONDITION_TIME,
     "mon 08:00-09:00 local",
     {.now = MONDAY + CLOCK(6, 30), .utc_offset = 7200, .has_utc_offset = true},
     "applies",
     "time is one of those that not_time leaves out"},
    {KITH_CONDITION_TIME,
     "sun local",
     {.now = MONDAY + CLOCK(6, 30), .utc_offset = -7 * 3600, .has_utc_offset = true},
     "applies",
     "time is one of those that not_time leaves out"},
    {KITH_CONDITION_TIME,
     "sun local",
     {.now = MONDAY + CLOCK(6, 30), .utc_offset = -6 * 3600, .has_utc_offset = true},
     "time mon 06:30 UTC (mon 00:30 local) is not sun 00:00-24:00 local",
     "applies"},
    /* Before 1970, where the zone is behind. */
    {KITH_CONDITION_TIME,
     "wed 23:00-24:00 local",
     {.now = 1, .utc_offset = -60, .has_utc_offset = true},
     "applies",
     "time is one of those that not_time leaves out"},
    {KITH_CONDITION_FD_KIND, "file", {.fd_count = 0}, "applies", "applies"},
    {KITH_CONDITION_FD_KIND,
     "file",
     {.fd_count = 1, .fd_kinds = KITH_FD_FILE},
     "applies",
     "fd_kind is one of those that not_fd_kind leaves out"},
    {KITH_CONDITION_FD_KIND, "file", {.fd_count = 1, .fd_kinds = KITH_FD_PIPE}, "a descriptor of pipe is not file", "applies"},
    {KITH_CONDITION_FD_KIND,
     "file",
     {.fd_count = 2, .fd_kinds = KITH_FD_PIPE | KITH_FD_FILE},
     "a descriptor of pipe is not file",
     "fd_kind is one of those that not_fd_kind leaves out"},
    {KITH_CONDITION_FD_KIND, "file", {.fd_count = 1}, "fd_kind is unknown", "fd_kind is unknown"},
    {KITH_CONDITION_RATE, "1/s", {.now = 0}, "applies", NULL},
    {KITH_CONDITION_RATE, "1/s per uid", {.now = 0}, "uid is unknown", NULL},
};

static void test_conditions_on_what_is_asked_for(void **state) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(table); i++) {
        struct kith_policy_request request = table[i].request;
        request.verb = KITH_VERB_SEND;
        assert_why(true, false, table[i].condition, table[i].value, &request, table[i].why);
        if (table[i].why_not)
            assert_why(true, true, table[i].condition, table[i].value, &request, table[i].why_not);
    }
}

/* Of several things, all must be allowed, and one is enough to deny. */
static void test_of_kinds_all_are_allowed_and_one_is_denied(void **state) {
    struct kith_policy_request request = {.verb = KITH_VERB_SEND, .fd_count = 2, .fd_kinds = KITH_FD_FILE | KITH_FD_DEVICE};
    assert_why(false, false, KITH_CONDITION_FD_KIND, "device", &request, "applies");
    assert_why(true, false, KITH_CONDITION_FD_KIND, "device", &request, "a descriptor of file is not device");
    assert_why(false, true, KITH_CONDITION_FD_KIND, "file", &request, "applies");
    assert_why(false, false, KITH_CONDITION_FD_KIND, "pipe", &request, "no descriptor of file, device is not pipe");
    request.fd_kinds = KITH_FD_FILE;
    assert_why(false, true, KITH_CONDITION_FD_KIND, "file", &request, "fd_kind is one of those that not_fd_kind leaves out");
    request.fd_count = 0;
    request.fd_kinds = 0;
    assert_why(false, false, KITH_CONDITION_FD_KIND, "device", &request, "no descriptor is not device");
}

static void test_a_subscription_is_allowed_wholly_and_denied_in_part(void **state) {
    struct kith_policy_request request = {.verb = KITH_VERB_SUBSCRIBE, .topic = "weather.", .topic_size = 8, .topic_is_prefix = true};
    _cleanup_(kith_policy_unrefp) kith_policy *policy = NULL;
    struct {
        const char *glob;
        bool allowed, denied; /* by a rule on the glob */
        size_t size;          /* of "weather." */
    } cases[] = {
        {"weather.*", true, true, 8},   {"weather.*", false, true, 7}, {"weather.*", false, true, 0},  {"*", true, true, 0},
        {"weather.b*", false, true, 8}, {"weather.", false, true, 8},  {"wind*", false, false, 8},     {"wind*", false, true, 1},
        {"w*.*", true, true, 8},        {"w*.x", false, true, 8},      {"weather.?*", false, true, 8},
    };
    assert_int_equal(kith_policy_new(&policy), 0);
    assert_int_equal(kith_policy_govern(policy, KITH_VERB_SUBSCRIBE), 0);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(cases); i++) {
        request.topic_size = cases[i].size;
        for (unsigned allow = 0; allow < 2; allow++) {
            _cleanup_(kith_policy_unrefp) kith_policy *one = policy_of(allow, false, KITH_CONDITION_TOPIC, cases[i].glob);
            assert_int_equal(kith_policy_govern(one, KITH_VERB_SUBSCRIBE), 0);
            bool applies = kith_policy_decide_request(one, &request, NULL).rule == 0;
            if (applies != (allow ? cases[i].allowed : cases[i].denied))
                fail_msg("%s of %zu octets: %s", cases[i].glob, cases[i].size, allow ? "allowed" : "denied");
        }
    }
}

static void test_a_key_is_what_it_is(void **state) {
    static const char key[] = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7", other[] = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf8";
    _cleanup_(kith_origin_unrefp) kith_origin *origin = NULL;
    assert_int_equal(kith_origin_new(&origin), 0);
    assert_int_equal(kith_origin_set_text(origin, KITH_FACT_KEY, key, KITH_WITNESS_KEY), 0);
    struct kith_policy_request request = {.verb = KITH_VERB_SEND, .origin = origin};
    assert_why(true, false, KITH_CONDITION_KEY, key, &request, "applies");
    assert_why(true, true, KITH_CONDITION_KEY, key, &request, "key is one of those that not_key leaves out");
    assert_why(true, true, KITH_CONDITION_KEY, other, &request, "applies");
    char why[256];
    snprintf(why, sizeof(why), "key %s is not %s", key, other);
    assert_why(true, false, KITH_CONDITION_KEY, other, &request, why);
}

static void test_that_one_is_in_no_group_is_known_only_of_all_groups(void **state) {
    static const gid_t groups[] = {4, 27};
    _cleanup_(kith_origin_unrefp) kith_origin *origin = NULL;
    assert_int_equal(kith_origin_new(&origin), 0);
    struct kith_policy_request request = {.verb = KITH_VERB_SEND, .origin = origin};
    assert_int_equal(kith_origin_set_number(origin, KITH_FACT_GID, 100, KITH_WITNESS_KERNEL_MESSAGE), 0);
    assert_why(true, true, KITH_CONDITION_GID, "5", &request, "gid 100 is not 5, group list is unknown");
    assert_int_equal(kith_origin_set_groups(origin, groups, 2, KITH_WITNESS_INFERRED), 0);
    assert_why(true, true, KITH_CONDITION_GID, "5", &request, "applies");
    assert_why(true, true, KITH_CONDITION_GID, "27", &request, "gid is one of those that not_gid leaves out");
    assert_why(true, true, KITH_CONDITION_GID, "100", &request, "gid is one of those that not_gid leaves out");
}

/* Verbs and the default --------------------------------------------------------------------------------------------- */

static void test_verbs_are_governed_when_a_rule_names_them(void **state) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = NULL;
    assert_int_equal(kith_policy_new(&policy), 0);
    add_rule(policy, "all", true, KITH_VERB_ALL);
    assert_true(kith_policy_governs(policy, KITH_VERB_CONNECT));
    assert_true(kith_policy_governs(policy, KITH_VERB_SEND));
    assert_false(kith_policy_governs(policy, KITH_VERB_SUBSCRIBE));
    assert_false(kith_policy_governs(policy, KITH_VERB_RECEIVE));
    assert_false(kith_policy_governs(policy, KITH_VERB_SERVE));
    struct kith_verdict verdict = kith_policy_decide(policy, KITH_VERB_SERVE, NULL);
    assert_true(verdict.allow);
    assert_int_equal(verdict.rule, -1);
    assert_string_equal(verdict.rule_name, "not governed");

    add_rule(policy, "some", true, KITH_VERB_SUBSCRIBE | KITH_VERB_SEND);
    assert_true(kith_policy_governs(policy, KITH_VERB_SUBSCRIBE));
    assert_false(kith_policy_governs(policy, KITH_VERB_SERVE));
    assert_string_equal(kith_policy_decide(policy, KITH_VERB_SUBSCRIBE, NULL).rule_name, "all");
    assert_int_equal(kith_policy_govern(policy, KITH_VERB_SERVE), 0);
    assert_string_equal(kith_policy_decide(policy, KITH_VERB_SERVE, NULL).rule_name, "all");

    assert_int_equal(kith_policy_govern(policy, 1 << 5), -EINVAL);
    assert_int_equal(kith_policy_govern(NULL, KITH_VERB_SEND), -EINVAL);
    assert_false(kith_policy_governs(policy, KITH_VERB_ALL));
    assert_false(kith_policy_governs(NULL, KITH_VERB_SEND));
    assert_int_equal(kith_policy_may_look_at(NULL, KITH_VERB_SEND), 0);
    assert_int_equal(kith_policy_may_look_at(policy, KITH_VERB_ALL), 0);
}

static void test_the_default_may_be_to_allow(void **state) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = policy_of(false, false, KITH_CONDITION_UID, "7");
    _cleanup_(kith_origin_unrefp) kith_origin *origin = NULL;
    assert_false(kith_policy_default(policy));
    assert_false(kith_policy_decide(policy, KITH_VERB_SEND, NULL).allow);
    assert_int_equal(kith_policy_set_default(policy, true), 0);
    assert_true(kith_policy_default(policy));
    struct kith_verdict verdict = kith_policy_decide(policy, KITH_VERB_SEND, NULL);
    assert_true(verdict.allow);
    assert_int_equal(verdict.rule, -1);
    assert_string_equal(verdict.rule_name, "default");
    /* What is no verb is allowed by nothing. */
    assert_false(kith_policy_decide(policy, KITH_VERB_ALL, NULL).allow);
    assert_int_equal(kith_origin_new(&origin), 0);
    assert_int_equal(kith_origin_set_number(origin, KITH_FACT_UID, 7, KITH_WITNESS_KERNEL_MESSAGE), 0);
    assert_false(kith_policy_decide(policy, KITH_VERB_SEND, origin).allow);
    assert_int_equal(kith_policy_set_default(NULL, true), -EINVAL);
    assert_false(kith_policy_default(NULL));
}

/* What was looked at ------------------------------------------------------------------------------------------------ */

static void test_a_verdict_says_how_far_it_had_to_look(void **state) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = policy_of(true, false, KITH_CONDITION_UID, "7");
    _cleanup_(kith_origin_unrefp) kith_origin *origin = NULL;
    struct kith_policy_request request = {.verb = KITH_VERB_SEND, .topic = "a", .topic_size = 1};
    kith_policy_rule *rule = add_rule(policy, "topic", true, KITH_VERB_SEND);
    assert_int_equal(kith_policy_rule_add(rule, KITH_CONDITION_EXE, "/bin/x", NULL), 0);
    assert_int_equal(kith_policy_rule_add(rule, KITH_CONDITION_TOPIC, "a", NULL), 0);
    assert_int_equal(kith_policy_rule_add(rule, KITH_CONDITION_RATE, "10 bytes/s", NULL), 0);
    assert_int_equal(kith_origin_new(&origin), 0);

    const unsigned process = KITH_LOOKED_AT_ORIGIN | KITH_LOOKED_AT_PROCESS;
    assert_int_equal(kith_policy_may_look_at(policy, KITH_VERB_CONNECT), KITH_LOOKED_AT_ORIGIN);
    assert_int_equal(kith_policy_may_look_at(policy, KITH_VERB_SEND),
                     process | KITH_LOOKED_AT_TOPIC | KITH_LOOKED_AT_RATE | KITH_LOOKED_AT_TIME | KITH_LOOKED_AT_SIZE);
    assert_int_equal(kith_policy_decide(policy, KITH_VERB_CONNECT, origin).looked_at, KITH_LOOKED_AT_ORIGIN);
    assert_int_equal(kith_policy_decide(policy, KITH_VERB_SUBSCRIBE, origin).looked_at, 0);

    request.origin = origin;
    assert_int_equal(kith_policy_decide_request(policy, &request, NULL).looked_at, process);
    assert_int_equal(kith_origin_set_text(origin, KITH_FACT_EXE, "/bin/x", KITH_WITNESS_KERNEL_CONNECT), 0);
    struct kith_verdict verdict = kith_policy_decide_request(policy, &request, NULL);
    assert_string_equal(verdict.rule_name, "topic");
    assert_int_equal(verdict.looked_at, kith_policy_may_look_at(policy, KITH_VERB_SEND));
    request.topic = "b";
    assert_int_equal(kith_policy_decide_request(policy, &request, NULL).looked_at, process | KITH_LOOKED_AT_TOPIC);
    assert_int_equal(kith_origin_set_number(origin, KITH_FACT_UID, 7, KITH_WITNESS_KERNEL_MESSAGE), 0);
    assert_int_equal(kith_policy_decide_request(policy, &request, NULL).looked_at, KITH_LOOKED_AT_ORIGIN);
}

static void test_what_has_to_be_proved_is_told(void **state) {
    static const struct {
        enum kith_condition condition;
        const char *value;
    } proofs[] = {{KITH_CONDITION_KEY, "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"},
                  {KITH_CONDITION_USER_ID, "ann"},
                  {KITH_CONDITION_RATE, "5/s per key"},
                  {KITH_CONDITION_RATE, "5/s per user_id"}};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(proofs); i++) {
        _cleanup_(kith_policy_unrefp) kith_policy *policy = policy_of(true, false, proofs[i].condition, proofs[i].value);
        assert_true(kith_policy_may_look_at(policy, KITH_VERB_CONNECT) & KITH_LOOKED_AT_PROOF);
        assert_true(kith_policy_decide(policy, KITH_VERB_CONNECT, NULL).looked_at & KITH_LOOKED_AT_PROOF);
    }
}

static void test_names_of_kinds_read_back(void **state) {
    enum kith_fd_kind kind;
    for (unsigned bit = KITH_FD_FILE; bit <= KITH_FD_OTHER; bit <<= 1) {
        assert_int_equal(kith_fd_kind_parse(kith_fd_kind_name((enum kith_fd_kind)bit), &kind), 0);
        assert_int_equal(kind, bit);
    }
    assert_int_equal(kith_fd_kind_parse("unknown", &kind), -EINVAL);
    assert_string_equal(kith_fd_kind_name((enum kith_fd_kind)3), "unknown");
    assert_string_equal(kith_fd_kind_name((enum kith_fd_kind)0), "unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conditions_on_what_is_asked_for),
        cmocka_unit_test(test_of_kinds_all_are_allowed_and_one_is_denied),
        cmocka_unit_test(test_a_subscription_is_allowed_wholly_and_denied_in_part),
        cmocka_unit_test(test_a_key_is_what_it_is),
        cmocka_unit_test(test_that_one_is_in_no_group_is_known_only_of_all_groups),
        cmocka_unit_test(test_verbs_are_governed_when_a_rule_names_them),
        cmocka_unit_test(test_the_default_may_be_to_allow),
        cmocka_unit_test(test_a_verdict_says_how_far_it_had_to_look),
        cmocka_unit_test(test_what_has_to_be_proved_is_told),
        cmocka_unit_test(test_names_of_kinds_read_back),
    };
    return cmocka_run_group_tests_name("policy/request", tests, NULL, NULL);
}

/*
 * test-random.c: random policies and requests, decided by kith/policy.h and by the plain evaluator of testing.h; and that what a verdict
 * has not looked at makes no difference. The seed is fixed, so a failure repeats; KITH_TEST_SEED tries another.
 */
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
#include "policy/testing.h"

KITH_DEFINE_CLEANUP(kith_policy *, kith_policy_unref)
KITH_DEFINE_CLEANUP(kith_policy_state *, kith_policy_state_free)
KITH_DEFINE_CLEANUP(kith_origin *, kith_origin_unref)

#define ROUNDS 3000
#define REQUESTS 20
#define RULES 6

/* xorshift64* */
static uint64_t random_state;

static unsigned pick(unsigned below) {
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (unsigned)((random_state * 2685821657736338717u) >> 33) % below;
}

/* Making things up ------------------------------------------------------------------------------------------------ */

static bool has_test(const struct rule *rule, unsigned condition, bool negated) {
    for (size_t i = 0; i < rule->count; i++)
        if (rule->tests[i].condition == condition && rule->tests[i].negated == negated)
            return true;
    return false;
}

static bool has_value(const struct test *test, unsigned value) {
    for (size_t i = 0; i < test->count; i++)
        if (test->values[i] == value)
            return true;
    return false;
}

static struct rule random_rule(void) {
    struct rule rule = {
        .allow = pick(2) == 0,
        .verbs = 1 + pick(KITH_VERB_ALL),
        .least = (enum kith_witness)(KITH_WITNESS_INFERRED + pick(3)),
    };
    for (unsigned n = pick(TESTS + 1); n > 0; n--) {
        struct test test = {.condition = pick(KITH_CONDITION_COUNT_), .negated = pick(4) == 0};
        if ((test.condition == KITH_CONDITION_RATE && (test.negated || !rule.allow)) || has_test(&rule, test.condition, test.negated))
            continue;
        for (unsigned v = 1 + pick(VALUES); v > 0; v--) {
            unsigned value = pick(pools[conditions[test.condition].kind].count);
            if (!has_value(&test, value))
                test.values[test.count++] = value;
        }
        rule.tests[rule.count++] = test;
    }
    return rule;
}

static unsigned random_pick(unsigned condition) {
    switch (conditions[condition].kind) {
    case KEY:
        return pick(KITH_ARRAY_SIZE(keys));
    case ADDRESS:
        return pick(KITH_ARRAY_SIZE(addresses));
    case BIT:
        return pick(2);
    case NUMBER:
    case GROUP:
    case OWN_NUMBER:
        return 1 + pick(5);
    default:
        return pick(KITH_ARRAY_SIZE(texts));
    }
}

static struct subject random_subject(void) {
    struct subject subject = {
        .verb = (enum kith_verb)(1u << pick(5)),
        .groups_witness = (enum kith_witness)pick(KITH_WITNESS_KERNEL_MESSAGE + 1),
        .group_count = pick(GROUPS + 1),
        .prefix = pick(2),
        .hour = pick(8) ? 1 + pick(200) : 0,
        .zone = pick(4) > 0,
    };
    for (unsigned condition = 0; condition < KITH_CONDITION_COUNT_; condition++) {
        unsigned strongest = conditions[condition].fact == KITH_FACT_KEY || conditions[condition].fact == KITH_FACT_USER
                                 ? KITH_WITNESS_KEY
                                 : KITH_WITNESS_KERNEL_MESSAGE;
        subject.witness[condition] = (enum kith_witness)pick(strongest + 1);
        subject.picks[condition] = random_pick(condition);
    }
    subject.picks[KITH_CONDITION_FDS] = pick(4);
    subject.kinds = subject.picks[KITH_CONDITION_FDS] ? pick(8) : 0;
    for (size_t i = 0; i < GROUPS; i++)
        subject.groups[i] = 1 + pick(5);
    return subject;
}

static kith_policy *make_policy(const struct rule *rules, size_t count) {
    kith_policy *policy = NULL;
    assert_int_equal(kith_policy_new(&policy), 0);
    assert_int_equal(kith_policy_govern(policy, KITH_VERB_ALL), 0);
    for (size_t i = 0; i < count; i++) {
        kith_policy_rule *rule = NULL;
        char name[24];
        snprintf(name, sizeof(name), "%zu", i);
        assert_int_equal(kith_policy_add_rule(policy, name, rules[i].allow, rules[i].verbs, &rule, NULL), 0);
        assert_int_equal(kith_policy_rule_set_witness(rule, rules[i].least), 0);
        for (size_t t = 0; t < rules[i].count; t++) {
            const struct test *test = &rules[i].tests[t];
            for (size_t v = 0; v < test->count; v++) {
                const char *value = pools[conditions[test->condition].kind].values[test->values[v]];
                int r = test->negated ? kith_policy_rule_add_not(rule, (enum kith_condition)test->condition, value, NULL)
                                      : kith_policy_rule_add(rule, (enum kith_condition)test->condition, value, NULL);
                assert_int_equal(r, 0);
            }
        }
    }
    return policy;
}

static kith_origin *make_origin(const struct subject *subject) {
    kith_origin *origin = NULL;
    assert_int_equal(kith_origin_new(&origin), 0);
    for (unsigned condition = 0; condition < KITH_CONDITION_COUNT_; condition++) {
        enum kith_fact fact = conditions[condition].fact;
        enum kith_witness witness = subject->witness[condition];
        unsigned is = subject->picks[condition];
        enum kind kind = conditions[condition].kind;
        if (!is_fact(kind) || witness == KITH_WITNESS_NONE)
            continue;
        if (kind == NUMBER || kind == BIT || kind == GROUP)
            assert_int_equal(kith_origin_set_number(origin, fact, is, witness), 0);
        else
            assert_int_equal(kith_origin_set_text(origin, fact,
                                                  kind == KEY       ? keys[is]
                                                  : kind == ADDRESS ? addresses[is]
                                                                    : texts[is],
                                                  witness),
                             0);
    }
    if (subject->groups_witness != KITH_WITNESS_NONE)
        assert_int_equal(kith_origin_set_groups(origin, subject->groups, subject->group_count, subject->groups_witness), 0);
    return origin;
}

static const char *own_text(const struct subject *subject, unsigned condition) {
    return subject->witness[condition] == KITH_WITNESS_NONE ? NULL : texts[subject->picks[condition]];
}

/* Which octets the topic is in is nobody's business: it has no NUL behind it. */
static struct kith_policy_request make_request(const struct subject *subject, kith_origin *origin) {
    const char *topic = own_text(subject, KITH_CONDITION_TOPIC);
    return (struct kith_policy_request){
        .verb = subject->verb,
        .origin = origin,
        .pattern = own_text(subject, KITH_CONDITION_PATTERN),
        .service = own_text(subject, KITH_CONDITION_SERVICE),
        .endpoint = own_text(subject, KITH_CONDITION_ENDPOINT),
        .topic = topic,
        .topic_size = topic ? strlen(topic) : 0,
        .topic_is_prefix = subject->prefix,
        .size = subject->picks[KITH_CONDITION_SIZE],
        .fd_count = subject->picks[KITH_CONDITION_FDS],
        .fd_kinds = subject->kinds,
        .now = subject->hour ? (4 * 86400 + subject->hour * UINT64_C(3600)) * 1000000000 : 0,
        .utc_offset = subject->zone ? UTC_OFFSET : 0,
        .has_utc_offset = subject->zone,
    };
}

/* What was not looked at may be anything else. */
static void check_looked_at(const kith_policy *policy, const struct kith_policy_request *request, const struct kith_verdict *verdict) {
    struct subject other = random_subject();
    _cleanup_(kith_origin_unrefp) kith_origin *origin = make_origin(&other);
    struct kith_policy_request changed = make_request(&other, origin);
    unsigned looked_at = verdict->looked_at;

    assert_int_equal(looked_at & ~kith_policy_may_look_at(policy, request->verb), 0);
    if (looked_at & KITH_LOOKED_AT_RATE)
        return;
    changed.verb = request->verb;
    if (looked_at & KITH_LOOKED_AT_ORIGIN)
        changed.origin = request->origin;
    if (looked_at & KITH_LOOKED_AT_PATTERN)
        changed.pattern = request->pattern;
    if (looked_at & KITH_LOOKED_AT_SERVICE)
        changed.service = request->service;
    if (looked_at & KITH_LOOKED_AT_ENDPOINT)
        changed.endpoint = request->endpoint;
    if (looked_at & KITH_LOOKED_AT_TOPIC) {
        changed.topic = request->topic;
        changed.topic_size = request->topic_size;
        changed.topic_is_prefix = request->topic_is_prefix;
    }
    if (looked_at & KITH_LOOKED_AT_SIZE)
        changed.size = request->size;
    if (looked_at & KITH_LOOKED_AT_FDS) {
        changed.fd_count = request->fd_count;
        changed.fd_kinds = request->fd_kinds;
    }
    if (looked_at & KITH_LOOKED_AT_TIME) {
        /* Anywhere in the same minute. */
        changed.now = request->now ? request->now + pick(60) * UINT64_C(1000000000) : 0;
        changed.utc_offset = request->utc_offset;
        changed.has_utc_offset = request->has_utc_offset;
    }
    assert_int_equal(kith_policy_decide_request(policy, &changed, NULL).rule, verdict->rule);
}

static int check(const struct rule *rules, size_t count, const kith_policy *policy, kith_policy_state *state, struct counters *counters) {
    struct subject subject = random_subject();
    _cleanup_(kith_origin_unrefp) kith_origin *origin = make_origin(&subject);
    struct kith_policy_request request = make_request(&subject, origin);
    int expected = -1;
    unsigned looked_at = 0, ignored = 0;
    for (size_t i = 0; i < count; i++) {
        bool applies = plain_rule(&rules[i], i, &subject, counters, expected < 0 ? &looked_at : &ignored);
        char why[512];
        kith_policy_explain_request(policy, i, &request, state, why, sizeof(why));
        if ((strcmp(why, "applies") == 0) != applies)
            fail_msg("rule %zu should %sapply, but: %s", i, applies ? "" : "not ", why);
        if (applies && expected < 0)
            expected = (int)i;
    }
    struct kith_verdict verdict = kith_policy_decide_request(policy, &request, state);
    assert_int_equal(verdict.rule, expected);
    assert_int_equal(verdict.allow, expected >= 0 && rules[expected].allow);
    /* What the plain evaluator asked, the verdict says too; and no input that it did not ask, but those of rates. */
    assert_int_equal(looked_at & ~verdict.looked_at, 0);
    if (!(verdict.looked_at & KITH_LOOKED_AT_RATE))
        assert_int_equal(verdict.looked_at & ~looked_at & (KITH_LOOKED_AT_PROCESS - 1), 0);
    if (expected >= 0)
        plain_take(&rules[expected], (size_t)expected, &subject, counters);
    check_looked_at(policy, &request, &verdict);
    return expected;
}

static void test_decisions_are_those_of_a_plain_evaluator(void **cmocka) {
    const char *seed = getenv("KITH_TEST_SEED");
    static struct counters counters;
    random_state = seed ? strtoull(seed, NULL, 0) | 1 : 20240229;
    unsigned decided[RULES + 1] = {0};

    for (unsigned round = 0; round < ROUNDS; round++) {
        struct rule rules[RULES];
        size_t count = pick(RULES + 1);
        for (size_t i = 0; i < count; i++)
            rules[i] = random_rule();
        _cleanup_(kith_policy_unrefp) kith_policy *policy = make_policy(rules, count);
        _cleanup_(kith_policy_state_freep) kith_policy_state *state = NULL;
        assert_int_equal(kith_policy_state_new(&state), 0);
        counters.count = 0;
        for (unsigned i = 0; i < REQUESTS; i++)
            decided[1 + check(rules, count, policy, state, &counters)]++;
    }
    /* Every rule of a policy, and the default, had its say: the test is not about one of them only. */
    for (size_t i = 0; i < KITH_ARRAY_SIZE(decided); i++)
        assert_true(decided[i] > 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decisions_are_those_of_a_plain_evaluator),
    };
    return cmocka_run_group_tests_name("policy/random", tests, NULL, NULL);
}

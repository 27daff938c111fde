/*
 * test-random.c: random policies and origins, decided by kith/policy.h and by a plain evaluator of the same description.
 *
 * The evaluator knows rules and origins only as the strings and numbers below and shares no code with the library: ranges are read by
 * sscanf(3), globs by recursion. The seed is fixed, so a failure repeats; KITH_TEST_SEED tries another.
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

KITH_DEFINE_CLEANUP(kith_policy *, kith_policy_unref)
KITH_DEFINE_CLEANUP(kith_origin *, kith_origin_unref)

#define ROUNDS 3000
#define ORIGINS 20
#define RULES 6
#define VALUES 3
#define GROUPS 3

/* Few values, so that they often meet. */
static const char *const ranges[] = {"1", "2", "3", "1-2", "2-4", "4-4"};
static const char *const globs[] = {"/a", "/a/b", "/*", "/**", "*", "**", "/?", "/a*", "**b", "/*/b", "\\*", "a?b"};
static const char *const texts[] = {"/a", "/a/b", "/b", "a/b", "aab", "*", "/a/b/c/b", ""};

/* Those on facts of a process, by the place that they have in the tables below. */
enum { UID, GID, PID, EXE, UNIT, CGROUP, LABEL, CONDITIONS };

static const struct {
    enum kith_condition condition;
    enum kith_fact fact;
} conditions[CONDITIONS] = {
    [UID] = {KITH_CONDITION_UID, KITH_FACT_UID},       [GID] = {KITH_CONDITION_GID, KITH_FACT_GID},
    [PID] = {KITH_CONDITION_PID, KITH_FACT_PID},       [EXE] = {KITH_CONDITION_EXE, KITH_FACT_EXE},
    [UNIT] = {KITH_CONDITION_UNIT, KITH_FACT_UNIT},    [CGROUP] = {KITH_CONDITION_CGROUP, KITH_FACT_CGROUP},
    [LABEL] = {KITH_CONDITION_LABEL, KITH_FACT_LABEL},
};

struct rule {
    bool allow;
    unsigned verbs;
    enum kith_witness least;
    size_t counts[CONDITIONS];
    const char *values[CONDITIONS][VALUES];
};

struct fact {
    enum kith_witness witness;
    unsigned number;
    const char *text;
};

struct subject {
    struct fact facts[CONDITIONS];
    enum kith_witness groups_witness;
    size_t group_count;
    gid_t groups[GROUPS];
};

/* xorshift64* */
static uint64_t random_state;

static unsigned pick(unsigned below) {
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (unsigned)((random_state * 2685821657736338717u) >> 33) % below;
}

/* The plain evaluator --------------------------------------------------------------------------------------------- */

static bool plain_glob(const char *pattern, bool path, const char *text) {
    if (pattern[0] == '*') {
        bool any = !path || pattern[1] == '*';
        const char *rest = pattern + (pattern[1] == '*' ? 2 : 1);
        if (plain_glob(rest, path, text))
            return true;
        return *text && (any || *text != '/') && plain_glob(pattern, path, text + 1);
    }
    if (pattern[0] == '?')
        return *text && (!path || *text != '/') && plain_glob(pattern + 1, path, text + 1);
    if (pattern[0] == '\\')
        pattern++;
    return pattern[0] == text[0] && (!pattern[0] || plain_glob(pattern + 1, path, text + 1));
}

static bool plain_range(const char *value, unsigned number) {
    unsigned low, high;
    int n = sscanf(value, "%u-%u", &low, &high);
    return number >= low && number <= (n == 2 ? high : low);
}

static bool plain_value(unsigned condition, const char *value, const struct subject *subject, enum kith_witness least) {
    const struct fact *fact = &subject->facts[condition];
    bool known = fact->witness >= least;
    if (condition > PID)
        return known && plain_glob(value, condition == EXE || condition == CGROUP, fact->text);
    if (known && plain_range(value, fact->number))
        return true;
    for (size_t i = 0; condition == GID && subject->groups_witness >= least && i < subject->group_count; i++)
        if (plain_range(value, subject->groups[i]))
            return true;
    return false;
}

static bool plain_rule(const struct rule *rule, enum kith_verb verb, const struct subject *subject) {
    if (!(rule->verbs & (unsigned)verb))
        return false;
    for (unsigned condition = 0; condition < CONDITIONS; condition++) {
        bool any = rule->counts[condition] == 0;
        for (size_t i = 0; i < rule->counts[condition]; i++)
            any = any || plain_value(condition, rule->values[condition][i], subject, rule->least);
        if (!any)
            return false;
    }
    return true;
}

/* Making things up ------------------------------------------------------------------------------------------------ */

static struct rule random_rule(void) {
    struct rule rule = {
        .allow = pick(2) == 0,
        .verbs = 1 + pick(KITH_VERB_ALL),
        .least = (enum kith_witness)(KITH_WITNESS_INFERRED + pick(KITH_WITNESS_KERNEL_MESSAGE - KITH_WITNESS_INFERRED + 1)),
    };
    for (unsigned condition = 0; condition < CONDITIONS; condition++) {
        rule.counts[condition] = pick(4) == 0 ? 1 + pick(VALUES) : 0;
        for (size_t i = 0; i < rule.counts[condition]; i++)
            rule.values[condition][i] = condition > PID ? globs[pick(KITH_ARRAY_SIZE(globs))] : ranges[pick(KITH_ARRAY_SIZE(ranges))];
    }
    return rule;
}

static struct subject random_subject(void) {
    struct subject subject = {.groups_witness = (enum kith_witness)pick(KITH_WITNESS_KERNEL_MESSAGE + 1), .group_count = pick(GROUPS + 1)};
    for (unsigned condition = 0; condition < CONDITIONS; condition++) {
        subject.facts[condition].witness = (enum kith_witness)pick(KITH_WITNESS_KERNEL_MESSAGE + 1);
        subject.facts[condition].number = 1 + pick(5);
        subject.facts[condition].text = texts[pick(KITH_ARRAY_SIZE(texts))];
    }
    for (size_t i = 0; i < GROUPS; i++)
        subject.groups[i] = 1 + pick(5);
    return subject;
}

static kith_policy *make_policy(const struct rule *rules, size_t count) {
    kith_policy *policy = NULL;
    assert_int_equal(kith_policy_new(&policy), 0);
    for (size_t i = 0; i < count; i++) {
        kith_policy_rule *rule = NULL;
        char name[24];
        snprintf(name, sizeof(name), "%zu", i);
        assert_int_equal(kith_policy_add_rule(policy, name, rules[i].allow, rules[i].verbs, &rule, NULL), 0);
        assert_int_equal(kith_policy_rule_set_witness(rule, rules[i].least), 0);
        for (unsigned condition = 0; condition < CONDITIONS; condition++)
            for (size_t v = 0; v < rules[i].counts[condition]; v++)
                assert_int_equal(kith_policy_rule_add(rule, conditions[condition].condition, rules[i].values[condition][v], NULL), 0);
    }
    return policy;
}

static kith_origin *make_origin(const struct subject *subject) {
    kith_origin *origin = NULL;
    assert_int_equal(kith_origin_new(&origin), 0);
    for (unsigned condition = 0; condition < CONDITIONS; condition++) {
        const struct fact *fact = &subject->facts[condition];
        if (fact->witness == KITH_WITNESS_NONE)
            continue;
        if (condition > PID)
            assert_int_equal(kith_origin_set_text(origin, conditions[condition].fact, fact->text, fact->witness), 0);
        else
            assert_int_equal(kith_origin_set_number(origin, conditions[condition].fact, fact->number, fact->witness), 0);
    }
    if (subject->groups_witness != KITH_WITNESS_NONE)
        assert_int_equal(kith_origin_set_groups(origin, subject->groups, subject->group_count, subject->groups_witness), 0);
    return origin;
}

static int check(const struct rule *rules, size_t count, const kith_policy *policy, const struct subject *subject, enum kith_verb verb) {
    _cleanup_(kith_origin_unrefp) kith_origin *origin = make_origin(subject);
    int expected = -1;
    for (size_t i = 0; i < count; i++) {
        bool applies = plain_rule(&rules[i], verb, subject);
        char why[512];
        kith_policy_explain(policy, i, verb, origin, why, sizeof(why));
        if ((strcmp(why, "applies") == 0) != applies)
            fail_msg("rule %zu should %sapply, but: %s", i, applies ? "" : "not ", why);
        if (applies && expected < 0)
            expected = (int)i;
    }
    struct kith_verdict verdict = kith_policy_decide(policy, verb, origin);
    assert_int_equal(verdict.rule, expected);
    assert_int_equal(verdict.allow, expected >= 0 && rules[expected].allow);
    return expected;
}

static void test_decisions_are_those_of_a_plain_evaluator(void **state) {
    const char *seed = getenv("KITH_TEST_SEED");
    random_state = seed ? strtoull(seed, NULL, 0) | 1 : 20240229;
    unsigned decided[RULES + 1] = {0};

    for (unsigned round = 0; round < ROUNDS; round++) {
        struct rule rules[RULES];
        size_t count = pick(RULES + 1);
        for (size_t i = 0; i < count; i++)
            rules[i] = random_rule();
        _cleanup_(kith_policy_unrefp) kith_policy *policy = make_policy(rules, count);
        for (unsigned i = 0; i < ORIGINS; i++) {
            struct subject subject = random_subject();
            decided[1 + check(rules, count, policy, &subject, pick(2) ? KITH_VERB_SEND : KITH_VERB_CONNECT)]++;
        }
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

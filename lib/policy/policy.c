/* policy/policy.c: making policies and their rules; kith/policy.h has the contract, policy/rule.h what they are. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/utf8.h"
#include "policy/rule.h"

/* kith/policy.h promises it. */
#define RULES_MAX 4096

static const struct {
    enum kith_verb verb;
    const char *name;
} verbs[] = {
    {KITH_VERB_CONNECT, "connect"}, {KITH_VERB_SEND, "send"},   {KITH_VERB_SUBSCRIBE, "subscribe"},
    {KITH_VERB_RECEIVE, "receive"}, {KITH_VERB_SERVE, "serve"},
};

const char *kith_verb_name(enum kith_verb verb) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(verbs); i++)
        if (verbs[i].verb == verb)
            return verbs[i].name;
    return "unknown";
}

int kith_verb_parse(const char *name, enum kith_verb *ret_verb) {
    for (size_t i = 0; name && ret_verb && i < KITH_ARRAY_SIZE(verbs); i++) {
        if (strcmp(verbs[i].name, name) == 0) {
            *ret_verb = verbs[i].verb;
            return 0;
        }
    }
    return -EINVAL;
}

/* Making -------------------------------------------------------------------------------------------------------- */

static kith_policy_rule *rule_free(kith_policy_rule *rule) {
    if (!rule)
        return NULL;
    for (size_t i = 0; i < rule->test_count; i++)
        kith_condition_values_deinit(&rule->tests[i].values, rule->tests[i].type);
    free(rule->tests);
    free(rule);
    return NULL;
}

KITH_DEFINE_CLEANUP(kith_policy_rule *, rule_free)

int kith_policy_new(kith_policy **ret_policy) {
    if (!ret_policy)
        return -EINVAL;
    kith_policy *policy = (kith_policy *)calloc(1, sizeof(*policy));
    if (!policy)
        return -ENOMEM;
    atomic_init(&policy->references, 1);
    policy->governed = KITH_VERB_CONNECT | KITH_VERB_SEND;
    *ret_policy = policy;
    return 0;
}

kith_policy *kith_policy_ref(kith_policy *policy) {
    if (policy)
        atomic_fetch_add_explicit(&policy->references, 1, memory_order_relaxed);
    return policy;
}

kith_policy *kith_policy_unref(kith_policy *policy) {
    /* Release and acquire: what other threads read of the policy happens before it is freed here. */
    if (!policy || atomic_fetch_sub_explicit(&policy->references, 1, memory_order_acq_rel) != 1)
        return NULL;
    for (size_t i = 0; i < policy->count; i++)
        rule_free(policy->rules[i]);
    free(policy->rules);
    kith_map_deinit(&policy->names);
    free(policy);
    return NULL;
}

static int check_name(const char *name, struct kith_error *ret_error) {
    size_t size = strlen(name);
    if (size < 1 || size > KITH_RULE_NAME_MAX)
        return kith_error_set(ret_error, -EINVAL, "the name of a rule has %zu octets: give it 1 to %d", size, KITH_RULE_NAME_MAX);
    for (const char *p = name; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return kith_error_set(ret_error, -EINVAL, "the name of a rule has the control character 0x%02x: leave it out",
                                  (unsigned char)*p);
    if (!kith_utf8_valid(name, size))
        return kith_error_set(ret_error, -EINVAL, "the name of a rule is not UTF-8: it is shown in logs, so write it in UTF-8");
    return 0;
}

static int rules_grow(kith_policy *policy) {
    if (policy->count < policy->capacity)
        return 0;
    size_t capacity = policy->capacity ? policy->capacity * 2 : 8;
    kith_policy_rule **rules = (kith_policy_rule **)reallocarray(policy->rules, capacity, sizeof(*rules));
    if (!rules)
        return -ENOMEM;
    policy->rules = rules;
    policy->capacity = capacity;
    return 0;
}

int kith_policy_add_rule(kith_policy *policy, const char *name, bool allow, unsigned verb_set, kith_policy_rule **ret_rule,
                         struct kith_error *ret_error) {
    if (!policy || !name || !ret_rule || verb_set == 0 || (verb_set & ~(unsigned)KITH_VERB_ALL))
        return kith_error_set(ret_error, -EINVAL, "a rule needs a name and a set of verbs");
    int r = check_name(name, ret_error);
    if (r < 0)
        return r;
    if (policy->count == RULES_MAX)
        return kith_error_set(ret_error, -E2BIG, "rule \"%s\": the policy has %d rules: merge some, conditions take many values", name,
                              RULES_MAX);

    _cleanup_(rule_freep) kith_policy_rule *rule = (kith_policy_rule *)calloc(1, sizeof(*rule));
    if (!rule || rules_grow(policy) < 0)
        return kith_error_set(ret_error, -ENOMEM, "out of memory");
    rule->policy = policy;
    rule->allow = allow;
    rule->verbs = verb_set;
    rule->least = KITH_WITNESS_INFERRED;
    strcpy(rule->name, name);

    r = kith_map_insert(&policy->names, &rule->node, rule->name, strlen(rule->name));
    if (r == -EEXIST)
        return kith_error_set(ret_error, r, "rule \"%s\" is there already: give each rule a name of its own", name);
    if (r < 0)
        return kith_error_set(ret_error, r, "rule \"%s\": %s", name, kith_error_name(r));

    if (verb_set != KITH_VERB_ALL)
        policy->governed |= verb_set;
    *ret_rule = policy->rules[policy->count++] = rule;
    rule = NULL;
    return 0;
}

/* Where in the rule's tests this one is, or belongs. */
static size_t test_place(const kith_policy_rule *rule, const struct kith_condition_type *type, bool negated) {
    size_t place = 0;
    while (place < rule->test_count &&
           (rule->tests[place].type < type || (rule->tests[place].type == type && !rule->tests[place].negated && negated)))
        place++;
    return place;
}

/* Makes room for a test. Errors: -ENOMEM. */
static int test_insert(kith_policy_rule *rule, size_t place, const struct kith_rule_test *test) {
    struct kith_rule_test *tests = (struct kith_rule_test *)reallocarray(rule->tests, rule->test_count + 1, sizeof(*tests));
    if (!tests)
        return -ENOMEM;
    memmove(&tests[place + 1], &tests[place], (rule->test_count - place) * sizeof(*tests));
    tests[place] = *test;
    rule->tests = tests;
    rule->test_count++;
    return 0;
}

static int rule_add(kith_policy_rule *rule, enum kith_condition condition, bool negated, const char *value, struct kith_error *ret_error) {
    if (!rule || (unsigned)condition >= KITH_CONDITION_COUNT_ || !value)
        return kith_error_set(ret_error, -EINVAL, "a condition of a rule needs a kind and a value");

    const struct kith_condition_type *type = &kith_condition_types[condition];
    size_t place = test_place(rule, type, negated);
    struct kith_rule_test *there = place < rule->test_count ? &rule->tests[place] : NULL;
    unsigned looks_at;
    int r;

    if (there && there->type == type && there->negated == negated) {
        r = kith_condition_values_add(&there->values, type, value, ret_error);
        looks_at = there->values.looks_at;
    } else {
        struct kith_rule_test test = {.type = type, .negated = negated};
        r = kith_condition_values_add(&test.values, type, value, ret_error);
        if (r == 0 && test_insert(rule, place, &test) < 0)
            r = kith_error_set(ret_error, -ENOMEM, "out of memory");
        looks_at = test.values.looks_at;
        if (r < 0)
            kith_condition_values_deinit(&test.values, type);
    }
    if (r < 0)
        return r;
    for (unsigned i = 0; i < KITH_VERB_COUNT; i++)
        if (rule->verbs & 1u << i)
            rule->policy->may_look_at[i] |= looks_at;
    return 0;
}

int kith_policy_rule_add(kith_policy_rule *rule, enum kith_condition condition, const char *value, struct kith_error *ret_error) {
    if (condition == KITH_CONDITION_RATE && rule && !rule->allow)
        return kith_error_set(ret_error, -EINVAL,
                              "a rule that denies has no rate, it would deny what is within it: give the rate to a rule that allows");
    return rule_add(rule, condition, false, value, ret_error);
}

int kith_policy_rule_add_not(kith_policy_rule *rule, enum kith_condition condition, const char *value, struct kith_error *ret_error) {
    if (condition == KITH_CONDITION_RATE)
        return kith_error_set(ret_error, -EINVAL, "a rate cannot be negated: what is more than a rate goes on to the next rule");
    return rule_add(rule, condition, true, value, ret_error);
}

int kith_policy_rule_set_witness(kith_policy_rule *rule, enum kith_witness least) {
    if (!rule || least < KITH_WITNESS_INFERRED || least > KITH_WITNESS_KERNEL_MESSAGE)
        return -EINVAL;
    rule->least = least;
    return 0;
}

size_t kith_policy_rule_count(const kith_policy *policy) {
    return policy ? policy->count : 0;
}

const char *kith_policy_rule_name(const kith_policy *policy, size_t rule) {
    return policy && rule < policy->count ? policy->rules[rule]->name : NULL;
}

bool kith_policy_rule_allows(const kith_policy *policy, size_t rule) {
    return policy && rule < policy->count && policy->rules[rule]->allow;
}

int kith_policy_set_default(kith_policy *policy, bool allow) {
    if (!policy)
        return -EINVAL;
    policy->allow = allow;
    return 0;
}

bool kith_policy_default(const kith_policy *policy) {
    return policy && policy->allow;
}

int kith_policy_govern(kith_policy *policy, unsigned verb_set) {
    if (!policy || (verb_set & ~(unsigned)KITH_VERB_ALL))
        return -EINVAL;
    policy->governed |= verb_set;
    return 0;
}

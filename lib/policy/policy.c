/*
 * policy/policy.c: policies and their rules; kith/policy.h has the contract.
 *
 * Deciding and explaining are one function, with and without a place for the reason, so that they cannot disagree.
 */
#include <errno.h>
#include <kith/policy.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/map.h"
#include "base/text.h"
#include "base/utf8.h"
#include "policy/condition.h"

/* kith/policy.h promises both. */
#define RULES_MAX 4096
#define NAME_MAX_OCTETS 127

struct kith_policy_rule {
    struct kith_map_node node; /* by name, in the policy's names */
    bool allow;
    unsigned verbs;
    enum kith_witness least;
    /* One without values is no condition. */
    struct kith_condition_values conditions[KITH_CONDITION_COUNT_];
    char name[NAME_MAX_OCTETS + 1];
};

struct kith_policy {
    atomic_uint references;
    kith_policy_rule **rules; /* in order */
    size_t count;
    size_t capacity;
    struct kith_map names;
};

static const struct {
    enum kith_verb verb;
    const char *name;
} verbs[] = {
    {KITH_VERB_CONNECT, "connect"},
    {KITH_VERB_SEND, "send"},
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
    for (size_t i = 0; i < KITH_CONDITION_COUNT_; i++)
        kith_condition_values_deinit(&rule->conditions[i], &kith_condition_types[i]);
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
    if (size < 1 || size > NAME_MAX_OCTETS)
        return kith_error_set(ret_error, -EINVAL, "the name of a rule has %zu octets: give it 1 to %d", size, NAME_MAX_OCTETS);
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
    rule->allow = allow;
    rule->verbs = verb_set;
    rule->least = KITH_WITNESS_INFERRED;
    strcpy(rule->name, name);

    r = kith_map_insert(&policy->names, &rule->node, rule->name, strlen(rule->name));
    if (r == -EEXIST)
        return kith_error_set(ret_error, r, "rule \"%s\" is there already: give each rule a name of its own", name);
    if (r < 0)
        return kith_error_set(ret_error, r, "rule \"%s\": %s", name, kith_error_name(r));

    *ret_rule = policy->rules[policy->count++] = rule;
    rule = NULL;
    return 0;
}

int kith_policy_rule_add(kith_policy_rule *rule, enum kith_condition condition, const char *value, struct kith_error *ret_error) {
    if (!rule || (unsigned)condition >= KITH_CONDITION_COUNT_ || !value)
        return kith_error_set(ret_error, -EINVAL, "a condition of a rule needs a kind and a value");
    return kith_condition_values_add(&rule->conditions[condition], &kith_condition_types[condition], value, ret_error);
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

/* Deciding ------------------------------------------------------------------------------------------------------ */

static bool condition_holds(const kith_policy_rule *rule, size_t condition, kith_origin *origin, struct kith_text *why) {
    const struct kith_condition_type *type = &kith_condition_types[condition];
    const struct kith_condition_values *values = &rule->conditions[condition];

    if (values->count == 0)
        return true;
    if (origin)
        return type->match(type, values, rule->least, origin, why);
    if (why) {
        kith_text_puts(why, type->name);
        kith_text_puts(why, " is unknown");
    }
    return false;
}

/* why: NULL, or where the first reason against it goes. */
static bool rule_applies(const kith_policy_rule *rule, enum kith_verb verb, kith_origin *origin, struct kith_text *why) {
    /* One verb at a time: a rule that covers one of two must not decide on both. */
    bool single = verb == KITH_VERB_CONNECT || verb == KITH_VERB_SEND;
    if (!single || !(rule->verbs & (unsigned)verb)) {
        if (why) {
            kith_text_puts(why, "does not cover ");
            kith_text_puts(why, kith_verb_name(verb));
        }
        return false;
    }
    for (size_t i = 0; i < KITH_CONDITION_COUNT_; i++)
        if (!condition_holds(rule, i, origin, why))
            return false;
    return true;
}

struct kith_verdict kith_policy_decide(const kith_policy *policy, enum kith_verb verb, kith_origin *origin) {
    if (!policy)
        return (struct kith_verdict){.allow = true, .rule = -1, .rule_name = "no policy"};
    for (size_t i = 0; i < policy->count; i++) {
        const kith_policy_rule *rule = policy->rules[i];
        if (rule_applies(rule, verb, origin, NULL))
            return (struct kith_verdict){.allow = rule->allow, .rule = (int)i, .rule_name = rule->name};
    }
    return (struct kith_verdict){.allow = false, .rule = -1, .rule_name = "default"};
}

int kith_policy_explain(const kith_policy *policy, size_t rule, enum kith_verb verb, kith_origin *origin, char *text, size_t size) {
    if (!policy || rule >= policy->count || (!text && size > 0))
        return -EINVAL;
    struct kith_text why = kith_text_init(text, size);
    if (rule_applies(policy->rules[rule], verb, origin, &why))
        kith_text_puts(&why, "applies");
    return kith_text_result(&why);
}

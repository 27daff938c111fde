/*
 * policy/rule.h: what a policy and its rules are made of.
 *
 * A rule has a test for each condition that it was given values for, in the order in which they are asked: that of the conditions' table, a
 * condition before its negation. So a rule costs what it asks, not what there is to ask.
 */
#ifndef KITH_POLICY_RULE_H
#define KITH_POLICY_RULE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include <kith/policy.h>

#include "base/map.h"
#include "policy/condition.h"

/* kith/policy.h promises it. */
#define KITH_RULE_NAME_MAX 127
/* Verbs are the bits below this one. */
#define KITH_VERB_COUNT 5

_Static_assert(KITH_VERB_ALL == (1u << KITH_VERB_COUNT) - 1, "every verb is counted");

struct kith_rule_test {
    const struct kith_condition_type *type;
    bool negated;
    struct kith_condition_values values; /* at least one */
};

struct kith_policy_rule {
    struct kith_map_node node; /* by name, in the policy's names */
    kith_policy *policy;       /* that it belongs to */
    bool allow;
    unsigned verbs;
    enum kith_witness least;
    struct kith_rule_test *tests;
    size_t test_count;
    char name[KITH_RULE_NAME_MAX + 1];
};

struct kith_policy {
    atomic_uint references;
    bool allow;                            /* the default */
    unsigned governed;                     /* set of enum kith_verb */
    unsigned may_look_at[KITH_VERB_COUNT]; /* what the tests of all rules for that verb look at */
    kith_policy_rule **rules;              /* in order */
    size_t count;
    size_t capacity;
    struct kith_map names;
};

#endif

/*
 * policy/decide.c: which rule applies to a request; kith/policy.h has the contract.
 *
 * Deciding and explaining are one function, with and without a place for the reason, so that they cannot disagree.
 */
#include <errno.h>
#include <string.h>

#include "policy/rule.h"

/* The index of one verb; KITH_VERB_COUNT for a set, and for what is no verb. */
static unsigned verb_index(enum kith_verb verb) {
    unsigned i = 0;
    while (i < KITH_VERB_COUNT && (unsigned)verb != 1u << i)
        i++;
    return i;
}

/* A condition about several things must hold for all of them to allow, and for one to deny; negated, "all are none of these" is that not
 * one is. */
static bool test_holds(const struct kith_rule_test *test, const struct kith_condition_ask *ask) {
    return test->type->match(test->type, &test->values, ask) == (test->negated ? KITH_MATCH_NO : KITH_MATCH_YES);
}

static void explain_negated(const struct kith_rule_test *test, struct kith_text *why) {
    kith_text_puts(why, test->type->name);
    kith_text_puts(why, " is one of those that not_");
    kith_text_puts(why, test->type->name);
    kith_text_puts(why, " leaves out");
}

/* Why the test does not hold. */
static void explain(const struct kith_rule_test *test, const struct kith_condition_ask *ask, struct kith_text *why) {
    struct kith_condition_ask explained = *ask;
    struct kith_text before = *why;

    explained.why = why;
    if (test->type->match(test->type, &test->values, &explained) == KITH_MATCH_YES) {
        *why = before;
        explain_negated(test, why);
    }
}

/* One request on its way through the rules. */
struct course {
    struct kith_condition_ask ask; /* of the rule that is asked */
    struct kith_condition_scratch scratch;
    unsigned looked_at;
};

static void course_init(struct course *course, const struct kith_policy_request *request, kith_policy_state *state) {
    *course = (struct course){.ask = {.request = request, .state = state}};
    course->ask.scratch = &course->scratch;
}

/* why: NULL, or where the first reason against it goes. */
static bool rule_applies(const kith_policy_rule *rule, struct course *course, struct kith_text *why) {
    enum kith_verb verb = course->ask.request->verb;

    if (!(rule->verbs & (unsigned)verb)) {
        if (why) {
            kith_text_puts(why, "does not cover ");
            kith_text_puts(why, kith_verb_name(verb));
        }
        return false;
    }
    course->ask.rule = rule->name;
    course->ask.least = rule->least;
    for (size_t i = 0; i < rule->test_count; i++) {
        const struct kith_rule_test *test = &rule->tests[i];
        course->looked_at |= test->values.looks_at;
        course->ask.any = rule->allow == test->negated;
        if (test_holds(test, &course->ask))
            continue;
        if (why)
            explain(test, &course->ask, why);
        return false;
    }
    return true;
}

/* The rule that was asked last decides: its rates have one more. They are asked last, so they are the last test. */
static void rule_take(const kith_policy_rule *rule, const struct course *course) {
    const struct kith_rule_test *last = rule->test_count > 0 ? &rule->tests[rule->test_count - 1] : NULL;

    if (last && last->type == &kith_condition_types[KITH_CONDITION_RATE])
        kith_condition_rate_take(&last->values, &course->ask);
}

struct kith_verdict kith_policy_decide_request(const kith_policy *policy, const struct kith_policy_request *request,
                                               kith_policy_state *state) {
    struct kith_verdict verdict = {.allow = true, .rule = -1, .rule_name = "no policy"};

    if (!policy)
        return verdict;
    /* One verb at a time: a rule that covers one of two must not decide on both. */
    if (!request || verb_index(request->verb) == KITH_VERB_COUNT)
        return (struct kith_verdict){.allow = false, .rule = -1, .rule_name = "default"};
    verdict.rule_name = "not governed";
    if (!(policy->governed & (unsigned)request->verb))
        return verdict;

    struct course course;
    course_init(&course, request, state);
    for (size_t i = 0; i < policy->count; i++) {
        const kith_policy_rule *rule = policy->rules[i];
        if (!rule_applies(rule, &course, NULL))
            continue;
        rule_take(rule, &course);
        verdict.looked_at = course.looked_at;
        verdict.allow = rule->allow;
        verdict.rule = (int)i;
        verdict.rule_name = rule->name;
        return verdict;
    }
    verdict.looked_at = course.looked_at;
    verdict.allow = policy->allow;
    verdict.rule_name = "default";
    return verdict;
}

struct kith_verdict kith_policy_decide(const kith_policy *policy, enum kith_verb verb, kith_origin *origin) {
    const struct kith_policy_request request = {.verb = verb, .origin = origin};
    return kith_policy_decide_request(policy, &request, NULL);
}

int kith_policy_explain_request(const kith_policy *policy, size_t rule, const struct kith_policy_request *request, kith_policy_state *state,
                                char *text, size_t size) {
    if (!policy || rule >= policy->count || !request || (!text && size > 0))
        return -EINVAL;
    struct kith_text why = kith_text_init(text, size);
    struct course course;

    course_init(&course, request, state);
    if (verb_index(request->verb) == KITH_VERB_COUNT)
        kith_text_puts(&why, "does not cover several verbs at once");
    else if (rule_applies(policy->rules[rule], &course, &why))
        kith_text_puts(&why, "applies");
    return kith_text_result(&why);
}

int kith_policy_explain(const kith_policy *policy, size_t rule, enum kith_verb verb, kith_origin *origin, char *text, size_t size) {
    const struct kith_policy_request request = {.verb = verb, .origin = origin};
    return kith_policy_explain_request(policy, rule, &request, NULL, text, size);
}

bool kith_policy_governs(const kith_policy *policy, enum kith_verb verb) {
    return policy && verb_index(verb) < KITH_VERB_COUNT && (policy->governed & (unsigned)verb);
}

unsigned kith_policy_may_look_at(const kith_policy *policy, enum kith_verb verb) {
    return kith_policy_governs(policy, verb) ? policy->may_look_at[verb_index(verb)] : 0;
}

/*
 * consumer-config.c: a program of somebody else, built against the installed libkith-config by tools/check-install: a policy
 * read from text decides about an origin made by hand.
 */
#include <kith/config.h>
#include <kith/origin.h>
#include <kith/policy.h>

#include <stdio.h>
#include <string.h>

static const char text[] = "rule \"operators\" { allow = {\"send\"}  uid = {\"1000\"} }\n";

/* 1: allowed, 0: denied, or a negative errno. */
static int ask(kith_policy *policy, unsigned uid) {
    kith_origin *origin = NULL;
    int r = kith_origin_new(&origin);
    if (r < 0)
        return r;
    r = kith_origin_set_number(origin, KITH_FACT_UID, uid, KITH_WITNESS_KERNEL_MESSAGE);
    if (r >= 0)
        r = kith_policy_decide(policy, KITH_VERB_SEND, origin).allow ? 1 : 0;
    kith_origin_unref(origin);
    return r;
}

int main(void) {
    kith_policy *policy = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    int r = kith_config_policy_parse(text, strlen(text), "operators.policy", &policy, &error);
    if (r < 0) {
        fprintf(stderr, "consumer-config: %s\n", error.text);
        return 1;
    }
    int insider = ask(policy, 1000);
    int outsider = ask(policy, 1001);
    kith_policy_unref(policy);
    printf("uid 1000: %d, uid 1001: %d\n", insider, outsider);
    return insider == 1 && outsider == 0 ? 0 : 1;
}

/*
 * fuzz-policy.c: texts as policies. Whatever the text is,
 *  - an error names the text, and a good text read after it is still read as what it is (libconfuse's scanner keeps state between texts);
 *  - what decides is the first rule that is said to apply, and without one it is the default.
 *
 * No name service is asked: users and groups are the ones below.
 */
#include <errno.h>
#include <kith/config.h>
#include <stdlib.h>
#include <string.h>

#include "config/internal.h"
#include "fuzz.h"

KITH_DEFINE_CLEANUP(kith_policy *, kith_policy_unref)
KITH_DEFINE_CLEANUP(kith_origin *, kith_origin_unref)

#define CHECK(condition)                                                                                                                   \
    do {                                                                                                                                   \
        if (!(condition))                                                                                                                  \
            abort();                                                                                                                       \
    } while (0)

static int name_to_id(const char *name, uid_t *ret_id) {
    if (strcmp(name, "nobody") != 0)
        return -ENOENT;
    *ret_id = 65534;
    return 0;
}

static int user(void *userdata, const char *name, uid_t *ret_uid) {
    return name_to_id(name, ret_uid);
}

static int group(void *userdata, const char *name, gid_t *ret_gid) {
    return name_to_id(name, ret_gid);
}

static const struct kith_config_names names = {.user = user, .group = group};

/* Knows something of everything, with witnesses of all strengths. */
static kith_origin *new_origin(void) {
    static const gid_t groups[] = {4, 27, 100};
    kith_origin *origin = NULL;
    CHECK(kith_origin_new(&origin) == 0);
    CHECK(kith_origin_set_number(origin, KITH_FACT_PID, 812, KITH_WITNESS_KERNEL_MESSAGE) == 0);
    CHECK(kith_origin_set_number(origin, KITH_FACT_UID, 1000, KITH_WITNESS_KERNEL_MESSAGE) == 0);
    CHECK(kith_origin_set_number(origin, KITH_FACT_GID, 1000, KITH_WITNESS_KERNEL_CONNECT) == 0);
    CHECK(kith_origin_set_groups(origin, groups, 3, KITH_WITNESS_INFERRED) == 0);
    CHECK(kith_origin_set_text(origin, KITH_FACT_EXE, "/usr/bin/foo", KITH_WITNESS_KERNEL_CONNECT) == 0);
    CHECK(kith_origin_set_text(origin, KITH_FACT_UNIT, "foo@7.service", KITH_WITNESS_INFERRED) == 0);
    CHECK(kith_origin_set_text(origin, KITH_FACT_CGROUP, "/system.slice/foo@7.service", KITH_WITNESS_INFERRED) == 0);
    CHECK(kith_origin_set_text(origin, KITH_FACT_LABEL, "claimed", KITH_WITNESS_CLAIMED) == 0);
    return origin;
}

static void check_decision(const kith_policy *policy, enum kith_verb verb, kith_origin *origin) {
    struct kith_verdict verdict = kith_policy_decide(policy, verb, origin);
    size_t count = kith_policy_rule_count(policy);

    CHECK(verdict.rule >= -1 && verdict.rule < (int)count && verdict.rule_name[0]);
    for (size_t i = 0; i < count && (int)i <= (verdict.rule < 0 ? (int)count : verdict.rule); i++) {
        char why[64];
        CHECK(kith_policy_explain(policy, i, verb, origin, why, sizeof(why)) > 0);
        CHECK((strcmp(why, "applies") == 0) == ((int)i == verdict.rule));
    }
}

static void check_next_text(void) {
    static const char text[] = "rule \"a\" { allow = {connect, \"send\"} uid = 1000-1999 }";
    _cleanup_(kith_policy_unrefp) kith_policy *policy = NULL;
    CHECK(kith_config_policy_parse_names(text, sizeof(text) - 1, "good", &names, &policy, NULL) == 0);
    CHECK(kith_policy_rule_count(policy) == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = NULL;
    struct kith_error error = KITH_ERROR_NONE;

    int r = kith_config_policy_parse_names((const char *)data, size, "fuzz", &names, &policy, &error);
    if (r < 0) {
        CHECK(!policy && error.code == r && strncmp(error.text, "fuzz:", strlen("fuzz:")) == 0);
        check_next_text();
        return 0;
    }
    CHECK(policy && error.code == 0);
    _cleanup_(kith_origin_unrefp) kith_origin *origin = new_origin();
    check_decision(policy, KITH_VERB_CONNECT, origin);
    check_decision(policy, KITH_VERB_SEND, origin);
    check_decision(policy, KITH_VERB_SEND, NULL);
    return 0;
}

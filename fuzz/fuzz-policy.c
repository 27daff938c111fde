/*
 * fuzz-policy.c: texts as policies. Whatever the text is,
 *  - an error names the text, and a good text read after it is still read as what it is (libconfuse's scanner keeps state between texts);
 *  - what decides is the first rule that is said to apply, and without one it is the default;
 *  - what a verdict looked at is among what it may look at.
 *
 * No name service is asked and no file is read: users and groups are the ones below.
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
    CHECK(kith_origin_set_text(origin, KITH_FACT_ADDRESS, "[fe80::1%eth0]:4711", KITH_WITNESS_KERNEL_CONNECT) == 0);
    CHECK(kith_origin_set_text(origin, KITH_FACT_DESTINATION, "239.1.1.1:5555", KITH_WITNESS_KERNEL_MESSAGE) == 0);
    CHECK(kith_origin_set_text(origin, KITH_FACT_KEY, "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7", KITH_WITNESS_KEY) == 0);
    CHECK(kith_origin_set_number(origin, KITH_FACT_TTL, 64, KITH_WITNESS_KERNEL_MESSAGE) == 0);
    return origin;
}

/* Of everything something, of a message that knows much. */
static struct kith_policy_request new_request(enum kith_verb verb, kith_origin *origin) {
    return (struct kith_policy_request){
        .verb = verb,
        .origin = origin,
        .pattern = "REP",
        .endpoint = "ipc:///run/x.sock",
        .topic = "weather.de",
        .topic_size = strlen("weather.de"),
        .topic_is_prefix = verb == KITH_VERB_SUBSCRIBE,
        .size = 1000,
        .fd_count = 2,
        .fd_kinds = KITH_FD_FILE | KITH_FD_MEMFD,
        .now = 1700000000 * UINT64_C(1000000000),
    };
}

/* The state goes from one decision to the next. */
static void check_decision(const kith_policy *policy, kith_policy_state *state, const struct kith_policy_request *request) {
    size_t count = kith_policy_rule_count(policy), applies = count;

    for (size_t i = 0; i < count && applies == count && kith_policy_governs(policy, request->verb); i++) {
        char why[64];
        CHECK(kith_policy_explain_request(policy, i, request, state, why, sizeof(why)) > 0);
        if (strcmp(why, "applies") == 0)
            applies = i;
    }
    struct kith_verdict verdict = kith_policy_decide_request(policy, request, state);
    CHECK(verdict.rule_name[0] && verdict.rule == (applies < count ? (int)applies : -1));
    CHECK(!(verdict.looked_at & ~kith_policy_may_look_at(policy, request->verb)));
}

static void check_decisions(const kith_policy *policy, kith_origin *origin) {
    kith_policy_state *state = NULL;
    CHECK(kith_policy_state_new(&state) == 0);
    for (unsigned verb = 1; verb < KITH_VERB_ALL; verb <<= 1) {
        const struct kith_policy_request request = new_request((enum kith_verb)verb, origin), bare = {.verb = (enum kith_verb)verb};
        check_decision(policy, state, &request);
        check_decision(policy, state, &request);
        check_decision(policy, state, &bare);
    }
    kith_policy_state_free(state);
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
    check_decisions(policy, origin);
    return 0;
}

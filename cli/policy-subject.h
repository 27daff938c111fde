/*
 * cli/policy-subject.h: who asks, and for what, as the options of kith policy say it.
 *
 * Facts are options by the fact's name, with - for _; what is not given is unknown.
 */
#ifndef KITH_CLI_POLICY_SUBJECT_H
#define KITH_CLI_POLICY_SUBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kith/policy.h>

/* NGROUPS_MAX of the kernel is 65536; a test does not need them all. */
#define POLICY_GROUPS_MAX 1024

struct policy_subject {
    const char *user;
    int64_t numbers[KITH_FACT_COUNT_];   /* -1: not given */
    const char *texts[KITH_FACT_COUNT_]; /* NULL: not given */
    gid_t groups[POLICY_GROUPS_MAX];
    size_t group_count;
    bool has_groups;
    enum kith_witness witness;
    /* What is asked for; verb and origin are set for each verb. */
    struct kith_policy_request request;
};

/* Keys of options: a fact's own number, or one of these. */
enum policy_subject_key {
    POLICY_KEY_USER = KITH_FACT_COUNT_,
    POLICY_KEY_WITNESS,
    POLICY_KEY_PATTERN,
    POLICY_KEY_SERVICE,
    POLICY_KEY_ENDPOINT,
    POLICY_KEY_TOPIC,
    POLICY_KEY_SIZE,
    POLICY_KEY_FDS,
    POLICY_KEY_FD_KIND,
    POLICY_KEY_AT,
    POLICY_KEY_END_,
};

/* Nothing is known; the time is now. */
void policy_subject_init(struct policy_subject *subject);
/* Takes an option of those keys. Returns 0, or an exit status after it has said what is wrong. */
int policy_subject_take(struct policy_subject *subject, int key, const char *value);
/* The origin that the facts make; of a pid alone, the running process. */
int policy_subject_origin(struct policy_subject *subject, kith_origin **ret_origin, struct kith_error *ret_error);
/* The request for one verb. */
struct kith_policy_request policy_subject_request(const struct policy_subject *subject, enum kith_verb verb, kith_origin *origin);

#endif

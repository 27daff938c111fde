/*
 * kith/policy.h: who may do what, decided on origins.
 *
 * A policy is an ordered list of named rules. The first rule that covers the verb and whose conditions all hold decides; when no
 * rule does, the answer is deny. Within one condition any of its values suffices. A condition on a fact that is unknown, or
 * whose witness is weaker than the rule asks (claimed never suffices), does not hold.
 *
 * The same holds for deny rules: one that names a fact does not apply when the fact is unknown. So write allow rules and
 * rely on the default.
 *
 * Policies do no I/O and are immutable once shared; kith/config.h reads them from text. A policy may be used from several
 * threads at once when it is no longer changed; references are counted atomically.
 */
#ifndef KITH_POLICY_H
#define KITH_POLICY_H

#include <stdbool.h>
#include <stddef.h>

#include <kith/error.h>
#include <kith/origin.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kith_policy kith_policy;
typedef struct kith_policy_rule kith_policy_rule;

enum kith_verb {
    KITH_VERB_CONNECT = 1 << 0, /* become a peer of the socket */
    KITH_VERB_SEND = 1 << 1,    /* have a message delivered */
    KITH_VERB_ALL = KITH_VERB_CONNECT | KITH_VERB_SEND,
};

/* "connect", "send". */
KITH_PUBLIC const char *kith_verb_name(enum kith_verb verb);
KITH_PUBLIC int kith_verb_parse(const char *name, enum kith_verb *ret_verb);

/*
 * Numbers are decimal; a range includes both ends. Globs match the whole text, octet by octet, in time at most pattern times text:
 *  - "*" any octets but '/', "**" any octets at all, "?" one octet but '/', a backslash makes the next character literal;
 *  - in a glob that is no path '/' is an octet like any other, so "*" and "**" are the same;
 *  - '[' has to be escaped: there are no character classes. At most 4095 octets.
 */
enum kith_condition {
    KITH_CONDITION_UID,    /* "1000", "1000-1999" */
    KITH_CONDITION_GID,    /* primary or supplementary group, "27", "100-199" */
    KITH_CONDITION_PID,    /* "812", "1-1000" */
    KITH_CONDITION_EXE,    /* path glob, "/usr/bin/foo", "/opt/foo**" */
    KITH_CONDITION_UNIT,   /* glob, "nginx.service", "user@*.service" */
    KITH_CONDITION_CGROUP, /* path glob, "/system.slice/foo.service", "/user.slice/user-1000.slice**" */
    KITH_CONDITION_LABEL,  /* glob, "system_u:*:sshd_t:*" */
    KITH_CONDITION_COUNT_,
};

/* "uid", "gid", ... */
KITH_PUBLIC const char *kith_condition_name(enum kith_condition condition);
KITH_PUBLIC int kith_condition_parse(const char *name, enum kith_condition *ret_condition);

KITH_PUBLIC int kith_policy_new(kith_policy **ret_policy);
KITH_PUBLIC kith_policy *kith_policy_ref(kith_policy *policy);
KITH_PUBLIC kith_policy *kith_policy_unref(kith_policy *policy);

/* Appends a rule: `name` is shown in verdicts and logs and must be unique in the policy (1 to 127 octets of UTF-8, no control characters);
 * verbs is a set of enum kith_verb. Without conditions it matches everything. The rule belongs to the policy. Errors: -EINVAL, -EEXIST,
 * -E2BIG (more than 4096 rules), -ENOMEM. */
KITH_PUBLIC int kith_policy_add_rule(kith_policy *policy, const char *name, bool allow, unsigned verbs, kith_policy_rule **ret_rule,
                                     struct kith_error *ret_error);

/* Adds one accepted value to a condition of the rule. Errors: -EINVAL (value malformed; the error says how), -E2BIG (more than 1024
 * values), -ENOMEM. */
KITH_PUBLIC int kith_policy_rule_add(kith_policy_rule *rule, enum kith_condition condition, const char *value,
                                     struct kith_error *ret_error);
/* The weakest witness with which a fact may satisfy this rule's conditions; KITH_WITNESS_INFERRED at first. CLAIMED and NONE are -EINVAL.
 */
KITH_PUBLIC int kith_policy_rule_set_witness(kith_policy_rule *rule, enum kith_witness least);

KITH_PUBLIC size_t kith_policy_rule_count(const kith_policy *policy);
/* The name of rule `rule`, which lives as long as the policy, and whether it allows what it covers; NULL and false beyond the last. */
KITH_PUBLIC const char *kith_policy_rule_name(const kith_policy *policy, size_t rule);
KITH_PUBLIC bool kith_policy_rule_allows(const kith_policy *policy, size_t rule);

struct kith_verdict {
    bool allow;
    int rule;              /* index of the rule that decided, -1: none, the default */
    const char *rule_name; /* its name, or "default"; lives as long as the policy */
};

/* Decides. Never fails: without a policy (NULL) everything is allowed, rule -1, rule_name "no policy". A
 * rule's conditions are asked in the order of enum kith_condition until one does not hold, and supplementary groups only when the primary
 * group does not do: facts that have to be looked up are looked up only when they decide. An origin of NULL is one of which
 * nothing is known. `verb` is one verb, not a set: nothing covers a set. */
KITH_PUBLIC struct kith_verdict kith_policy_decide(const kith_policy *policy, enum kith_verb verb, kith_origin *origin);

/* Why a rule does not apply, for a person: as snprintf(3): "does not cover send", "uid 1000 is not 0", "exe is unknown", "unit has witness
 * inferred, needs kernel-connect", "applies". It is the first reason; there may be more. Errors: -EINVAL (no such rule). */
KITH_PUBLIC int kith_policy_explain(const kith_policy *policy, size_t rule, enum kith_verb verb, kith_origin *origin, char *text,
                                    size_t size);

#ifdef __cplusplus
}
#endif
#endif

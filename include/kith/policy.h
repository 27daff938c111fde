/*
 * kith/policy.h: who may do what, decided on origins and on what they ask for.
 *
 * A policy is an ordered list of named rules and a default, which is deny unless it is set. The first rule that covers the verb and whose
 * conditions all hold decides; when no rule does, the default. Within one condition any of its values suffices. A condition on something
 * that is unknown, or on a fact whose witness is weaker than the rule asks (claimed never suffices), does not hold; its negation does not
 * hold either.
 *
 * The same holds for deny rules: one that names a fact does not apply when the fact is unknown. So write allow rules and
 * rely on the default.
 *
 * Policies do no I/O and have no clock: the time is given. They are immutable once shared; kith/config.h reads them from text. A policy
 * may be used from several threads at once when it is no longer changed; references are counted atomically. What rates have counted is
 * in a kith_policy_state, which belongs to one thread.
 */
#ifndef KITH_POLICY_H
#define KITH_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kith/error.h>
#include <kith/origin.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kith_policy kith_policy;
typedef struct kith_policy_rule kith_policy_rule;

enum kith_verb {
    KITH_VERB_CONNECT = 1 << 0,   /* become a peer that connected to us */
    KITH_VERB_SEND = 1 << 1,      /* have a message delivered to us */
    KITH_VERB_SUBSCRIBE = 1 << 2, /* subscribe to a topic of ours, or join a group */
    KITH_VERB_RECEIVE = 1 << 3,   /* be handed a message of ours */
    KITH_VERB_SERVE = 1 << 4,     /* be the peer that we connected to */
    KITH_VERB_ALL = (1 << 5) - 1,
};

/* "connect", "send", "subscribe", "receive", "serve". */
KITH_PUBLIC const char *kith_verb_name(enum kith_verb verb);
KITH_PUBLIC int kith_verb_parse(const char *name, enum kith_verb *ret_verb);

/*
 * What a rule may ask for, in the order in which its conditions are asked: what came with the connection first, then facts that have to be
 * looked up, then what differs from message to message; so a verdict that did not get as far as a message's topic holds for all topics.
 *
 * Numbers are decimal; a range includes both ends. Globs match the whole text, octet by octet, in time at most pattern times text:
 *  - "*" any octets but '/', "**" any octets at all, "?" one octet but '/', a backslash makes the next character literal;
 *  - in a glob that is no path '/' is an octet like any other, so "*" and "**" are the same;
 *  - '[' has to be escaped: there are no character classes. At most 4095 octets.
 *
 * FD_KIND and the TOPIC of a subscription by prefix are about several things at once, the descriptors' kinds and the topics that begin so.
 * In a rule that allows the condition must hold for all of them, in one that denies for any: what is denied is so in every company.
 */
enum kith_condition {
    KITH_CONDITION_UID,            /* "1000", "1000-1999" */
    KITH_CONDITION_PID,            /* "812", "1-1000" */
    KITH_CONDITION_PATTERN,        /* of our socket, glob, "REP", "X*" */
    KITH_CONDITION_SERVICE,        /* name of our service, glob */
    KITH_CONDITION_ENDPOINT,       /* of ours, glob, "ipc:///run/x.sock", "tcp://127.0.0.1:*" */
    KITH_CONDITION_ADDRESS,        /* "192.0.2.0/24", "2001:db8::/32", "127.0.0.1:1-1023", "[::1]:4711" */
    KITH_CONDITION_CID,            /* vsock(7), "2", "3-4294967294" */
    KITH_CONDITION_DESTINATION,    /* as ADDRESS */
    KITH_CONDITION_INTERFACE,      /* glob, "eth0", "wg*" */
    KITH_CONDITION_TTL,            /* "1", "255" */
    KITH_CONDITION_TOS,            /* "184" */
    KITH_CONDITION_KEY,            /* exactly this public key, 40 characters of Z85 (no wildcards: '*' and '?' are digits there) */
    KITH_CONDITION_USER_ID,        /* name that the peer proved in PLAIN or a ZAP handler gave it, glob (a local user is UID) */
    KITH_CONDITION_MODULE,         /* of the kernel, glob */
    KITH_CONDITION_THREAD,         /* of inproc, "812" */
    KITH_CONDITION_CONNECTOR,      /* pid of who made the connection, when that is another than who wrote */
    KITH_CONDITION_GID,            /* primary or supplementary group, "27", "100-199" */
    KITH_CONDITION_EXE,            /* path glob, "/usr/bin/foo", "/opt/foo**" */
    KITH_CONDITION_UNIT,           /* glob, "nginx.service", "user@*.service" */
    KITH_CONDITION_CGROUP,         /* path glob, "/system.slice/foo.service", "/user.slice/user-1000.slice**" */
    KITH_CONDITION_LABEL,          /* glob, "system_u:*:sshd_t:*" */
    KITH_CONDITION_CONTAINER,      /* glob */
    KITH_CONDITION_SESSION,        /* of logind, glob, "3" */
    KITH_CONDITION_PID_NAMESPACE,  /* its inode, "4026531836" */
    KITH_CONDITION_USER_NAMESPACE, /* its inode */
    KITH_CONDITION_MAY_FORGE,      /* "0": it cannot state ids of others, "1": it can (kith/origin.h) */
    KITH_CONDITION_TOPIC,          /* glob, no path, "weather.*" */
    KITH_CONDITION_FDS,            /* how many descriptors, "0", "1-4" */
    KITH_CONDITION_FD_KIND,        /* "file", "memfd", ...: see enum kith_fd_kind */
    KITH_CONDITION_SIZE,           /* octets of the message, "0-64K", "1M-4G": K, M and G are powers of 1024 */
    KITH_CONDITION_TIME,           /* "08:00-18:00 UTC", "mon-fri 08:00-18:00 local", "sat,sun local", "fri 22:00-06:00 UTC" */
    KITH_CONDITION_RATE,           /* "100/s", "100 messages/s per uid", "10M bytes/min per exe burst 40M" */
    KITH_CONDITION_COUNT_,
};

/*
 * Time says its zone. The end is not included; a span that ends before it begins goes into the next day, and belongs to the weekday on
 * which it began.
 *
 * A rate is of messages (or whatever is asked for) or of their bytes, in a second ("s"), minute ("min") or hour ("h"), and counted apart
 * for each value of the fact behind "per" (uid, gid, pid, exe, unit, cgroup, label, container, session, address, cid, key, user_id,
 * module), or else for the rule as a whole. "burst" is how much may come at once, without it what one period allows. A rule with a rate
 * applies while there is some left, and takes from it only when it decides; so what is too much goes on to the next rules, and in the end
 * to the default. All rates of a rule must hold; a rule that denies has none. Of bytes a message takes what it has even when less is left:
 * the rest is owed and paid first, so that large messages pass and the mean holds.
 */

/* "uid", "pid", ... */
KITH_PUBLIC const char *kith_condition_name(enum kith_condition condition);
KITH_PUBLIC int kith_condition_parse(const char *name, enum kith_condition *ret_condition);

/* What a descriptor in a message is, as a set's bits. */
enum kith_fd_kind {
    KITH_FD_FILE = 1 << 0, /* regular, with a name or deleted */
    KITH_FD_DIRECTORY = 1 << 1,
    KITH_FD_SOCKET = 1 << 2,
    KITH_FD_PIPE = 1 << 3,   /* FIFOs too */
    KITH_FD_MEMFD = 1 << 4,  /* memfd_create(2) */
    KITH_FD_DEVICE = 1 << 5, /* of blocks or characters */
    KITH_FD_PIDFD = 1 << 6,
    KITH_FD_EVENTFD = 1 << 7,
    KITH_FD_OTHER = 1 << 8, /* epoll, timerfd, io_uring, symbolic links, what a later kernel brings */
};

/* "file", "directory", "socket", "pipe", "memfd", "device", "pidfd", "eventfd", "other"; "unknown" for a set. */
KITH_PUBLIC const char *kith_fd_kind_name(enum kith_fd_kind kind);
/* What an open descriptor is; the one function here that asks the kernel: fstat(2), the name of its link in /proc (proc_pid_fd(5)) and
 * F_GET_SEALS. KITH_FD_OTHER also for one that is not open. */
KITH_PUBLIC enum kith_fd_kind kith_fd_kind_of(int fd);
KITH_PUBLIC int kith_fd_kind_parse(const char *name, enum kith_fd_kind *ret_kind);

KITH_PUBLIC int kith_policy_new(kith_policy **ret_policy);
KITH_PUBLIC kith_policy *kith_policy_ref(kith_policy *policy);
KITH_PUBLIC kith_policy *kith_policy_unref(kith_policy *policy);

/* Appends a rule: `name` is shown in verdicts and logs and must be unique in the policy (1 to 127 octets of UTF-8, no control characters);
 * verbs is a set of enum kith_verb. Without conditions it matches everything. The rule belongs to the policy. Errors: -EINVAL, -EEXIST,
 * -E2BIG (more than 4096 rules), -ENOMEM. */
KITH_PUBLIC int kith_policy_add_rule(kith_policy *policy, const char *name, bool allow, unsigned verbs, kith_policy_rule **ret_rule,
                                     struct kith_error *ret_error);

/* Adds one accepted value to a condition of the rule. Errors: -EINVAL (value malformed, or a rate for a rule that denies; the error says
 * how), -E2BIG (more than 1024 values), -ENOMEM. */
KITH_PUBLIC int kith_policy_rule_add(kith_policy_rule *rule, enum kith_condition condition, const char *value,
                                     struct kith_error *ret_error);
/* The same for the negated condition, which holds when the thing is known, by a witness as the rule asks, and is none of its values. A rule
 * may have a condition and its negation. Further errors: -EINVAL (RATE, which has none). */
KITH_PUBLIC int kith_policy_rule_add_not(kith_policy_rule *rule, enum kith_condition condition, const char *value,
                                         struct kith_error *ret_error);
/* The weakest witness with which a fact may satisfy this rule's conditions; KITH_WITNESS_INFERRED at first. CLAIMED and NONE are -EINVAL.
 */
KITH_PUBLIC int kith_policy_rule_set_witness(kith_policy_rule *rule, enum kith_witness least);

KITH_PUBLIC size_t kith_policy_rule_count(const kith_policy *policy);
/* The name of rule `rule`, which lives as long as the policy, and whether it allows what it covers; NULL and false beyond the last. */
KITH_PUBLIC const char *kith_policy_rule_name(const kith_policy *policy, size_t rule);
KITH_PUBLIC bool kith_policy_rule_allows(const kith_policy *policy, size_t rule);

/* The answer when no rule decides; at first false. */
KITH_PUBLIC int kith_policy_set_default(kith_policy *policy, bool allow);
KITH_PUBLIC bool kith_policy_default(const kith_policy *policy);

/*
 * Governing. CONNECT and SEND are governed by every policy. The other verbs are only when the policy speaks of them: when a rule was added
 * for a set that has them and is not KITH_VERB_ALL, or by kith_policy_govern(). One that is not governed is allowed, so that policies which
 * were written before it existed mean what they meant: KITH_VERB_ALL, "*" in text, covers all verbs but governs none.
 */
KITH_PUBLIC bool kith_policy_governs(const kith_policy *policy, enum kith_verb verb);
/* From now on the policy governs these verbs too. Errors: -EINVAL. */
KITH_PUBLIC int kith_policy_govern(kith_policy *policy, unsigned verbs);

/* What a decision may look at, or has looked at. */
enum kith_looked_at {
    KITH_LOOKED_AT_ORIGIN = 1 << 0,
    KITH_LOOKED_AT_PATTERN = 1 << 1,
    KITH_LOOKED_AT_SERVICE = 1 << 2,
    KITH_LOOKED_AT_ENDPOINT = 1 << 3,
    KITH_LOOKED_AT_TOPIC = 1 << 4,
    KITH_LOOKED_AT_SIZE = 1 << 5,
    KITH_LOOKED_AT_FDS = 1 << 6,  /* their count or kinds */
    KITH_LOOKED_AT_TIME = 1 << 7, /* `now` and the zone. Without RATE the verdict holds until the minute of `now` ends */
    KITH_LOOKED_AT_RATE = 1 << 8, /* the state: never to be kept */
    /* Always with ORIGIN, and what of it: */
    KITH_LOOKED_AT_PROCESS = 1 << 9, /* what may change while the process lives: exe, unit, cgroup, label, groups ... */
    KITH_LOOKED_AT_PROOF = 1 << 10,  /* its key or user_id, which are known only when the peer has proved them */
};

/* The set of what any rule for that verb could look at; 0 when the verb is not governed or there is no policy. */
KITH_PUBLIC unsigned kith_policy_may_look_at(const kith_policy *policy, enum kith_verb verb);

/* What is asked. All zero is a request of which nothing is known but the verb; members are lent for the call. */
struct kith_policy_request {
    enum kith_verb verb; /* one, not a set: no rule covers a set, and it is denied */
    kith_origin *origin; /* of the peer; NULL: nothing is known */

    const char *pattern;  /* our socket's type: "REP"; NULL: unknown, as all below */
    const char *service;  /* its name, when it has one */
    const char *endpoint; /* of ours that the peer came by, or that we connected to */

    const void *topic;    /* of a message the octets of its first frame, for RADIO and DISH the group; NULL: there is none */
    size_t topic_size;    /* may be 0: a subscription to everything */
    bool topic_is_prefix; /* what is asked for is every topic that begins so: SUB and XSUB subscribe this way */

    uint64_t size;     /* octets of the whole message; 0 also when there is none */
    size_t fd_count;   /* descriptors that come with it */
    unsigned fd_kinds; /* set of enum kith_fd_kind, of all of them */

    uint64_t now;        /* nanoseconds of CLOCK_REALTIME; 0: unknown */
    int32_t utc_offset;  /* seconds that local time is ahead of UTC at `now` (struct tm's tm_gmtoff) */
    bool has_utc_offset; /* false: unknown */
};

struct kith_verdict {
    bool allow;
    int rule;              /* index of the rule that decided, -1: none */
    const char *rule_name; /* its name, or "default", "not governed", "no policy"; lives as long as the policy */
    /* Set of enum kith_looked_at: what was examined before this was reached. Another request that differs only in what is not in the
     * set gets the same verdict. */
    unsigned looked_at;
};

/*
 * What rates have counted: at most 4096 counts of a rule, a rate and a fact's value; when there are more, the one that was longest not
 * asked for is forgotten, and begins anew with its burst. Counts go by the rule's name and the rate as it was written: so a state may be
 * used with the next policy, and rules that both have go on counting. Belongs to one thread. Errors: -EINVAL, -ENOMEM.
 */
typedef struct kith_policy_state kith_policy_state;
KITH_PUBLIC int kith_policy_state_new(kith_policy_state **ret_state);
KITH_PUBLIC kith_policy_state *kith_policy_state_free(kith_policy_state *state);

/*
 * Decides. Never fails: without a policy (NULL) everything is allowed, rule -1, rule_name "no policy". A rule's conditions are asked in the
 * order of enum kith_condition until one does not hold, and supplementary groups only when the primary group does not do: facts that have
 * to be looked up are looked up only when they decide.
 *
 * state: rates count there, what is decided by a rule with a rate once. NULL: rates hold as if nothing had been asked for yet. A rate whose
 * fact is unknown, or without `now`, does not hold. When memory runs out for a count, its rate does not hold.
 */
KITH_PUBLIC struct kith_verdict kith_policy_decide_request(const kith_policy *policy, const struct kith_policy_request *request,
                                                           kith_policy_state *state);
/* Of a request of which only verb and origin are known. */
KITH_PUBLIC struct kith_verdict kith_policy_decide(const kith_policy *policy, enum kith_verb verb, kith_origin *origin);

/* Why a rule does not apply, for a person: as snprintf(3): "does not cover send", "uid 1000 is not 0", "exe is unknown", "unit has witness
 * inferred, needs kernel-connect", "applies". It is the first reason; there may be more. Takes nothing from rates. Errors: -EINVAL (no such
 * rule). */
KITH_PUBLIC int kith_policy_explain_request(const kith_policy *policy, size_t rule, const struct kith_policy_request *request,
                                            kith_policy_state *state, char *text, size_t size);
KITH_PUBLIC int kith_policy_explain(const kith_policy *policy, size_t rule, enum kith_verb verb, kith_origin *origin, char *text,
                                    size_t size);

#ifdef __cplusplus
}
#endif
#endif

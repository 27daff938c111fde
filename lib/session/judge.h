/*
 * session/judge.h: what the policy says of a peer, and how long that holds.
 *
 * When the verbs are asked:
 *  - connect (of a peer that we connected to: serve, or connect when the policy does not govern serve) before a peer is ready: at its
 *    greeting; after it has proved its key or its name when the policy may look at these and the connection has a mechanism that proves
 *    them; once more when the policy has changed meanwhile. A datagram, whose sender has connected nowhere, each time.
 *  - send for each message: at its first octet when the policy can look at nothing but who sends, after its first frame when it can look at
 *    that too, else when it is whole.
 *  - subscribe for each subscription and group, in either form.
 *  - receive for each message on its way to a peer, before it is queued for it; what waits was allowed when it was sent.
 *
 * Who is asked about is whoever wrote last, or who made the connection when nobody has; about being a peer, whoever wrote the handshake.
 *
 * A verdict holds for the peer as it is known (session->origin), for the policy, and for what else was looked at. So one that looked at
 * nothing of the message is kept for its verb; one that looked at the topic, for verb and topic, in a small table; one that looked at size,
 * descriptors, time or a rate is not kept, and neither is one that would have looked at something and could not, for want of descriptors or
 * memory here. Whoever gives the session another origin (another writer, another program in the same process),
 * or proves something about it, forgets them all; a new policy does the same by its number (host->policy_generation).
 *
 * A denied send or subscription is told at once. A denied receive is found while a message is being sent, where nobody is called up: it is
 * counted, and told from the loop when it is the first and whenever their number has doubled.
 */
#ifndef KITH_SESSION_JUDGE_H
#define KITH_SESSION_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kith/policy.h>

#include "base/list.h"
#include "loop/internal.h"

struct kith_fds;
struct kith_msg;
struct kith_session;
struct kith_session_host;

#define KITH_VERB_COUNT 5

/* What a denied peer is told, with the verb behind it. The rule's name stays here: whoever is refused learns that it is, not how to get
 * round it. */
#define KITH_DENIED "access denied by policy: "

/* What is asked beside who: all zero: nothing is known of it, or there is none. Lent. */
struct kith_matter {
    kith_origin *origin; /* who, when it is not session->origin */
    const void *topic;   /* of a message its first frame, or the group */
    size_t topic_size;
    bool topic_is_prefix; /* it is a subscription: all topics that begin so */
    uint64_t size;        /* octets of the message */
    const struct kith_fds *fds;
};

/* When send can be decided. */
enum kith_decisive {
    KITH_DECISIVE_FIRST_OCTET,
    KITH_DECISIVE_FIRST_FRAME,
    KITH_DECISIVE_LAST_OCTET,
};

/* Of a host: what follows from its policy. All zero: there is none. */
struct kith_judge_host {
    unsigned looks[KITH_VERB_COUNT]; /* what rules for the verb could look at, by the number of the verb's bit */
    unsigned governed;               /* set of verbs */
    enum kith_decisive decisive;
    kith_policy_state *state; /* what rates have counted: it stays with the next policy. NULL: no rate yet */
    struct kith_list due;     /* sessions of which a denied receive is to be told, by their due */
    struct kith_defer tell;
    uint64_t minute; /* since 1970, for which utc_offset is right */
    int32_t utc_offset;
};

struct kith_kept_verdict {
    bool known, allow;
    bool of_process; /* holds as long as the process runs this program */
    int16_t rule;
};

struct kith_kept_topics;

/* Of a session. All zero but `due`. */
struct kith_judge {
    uint64_t generation; /* of the policy of which the verdicts are */
    struct kith_kept_verdict verdicts[KITH_VERB_COUNT];
    struct kith_kept_topics *topics; /* NULL: none are kept */
    uint64_t let_in;                 /* the policy that has allowed the connection; 0: none was asked */
    kith_origin *peer;               /* who that was, referenced: another may write meanwhile. NULL: nobody yet */
    bool decided;                    /* the message that is coming in is allowed, by the policy that there was */
    struct kith_list due;
    uint64_t denied, denied_told; /* messages to the peer */
    int16_t denied_by;            /* the rule of the last one, of this policy: */
    uint64_t denied_generation;
};

void kith_judge_host_init(struct kith_session_host *host);
void kith_judge_host_deinit(struct kith_session_host *host);
void kith_judge_init(struct kith_judge *judge);
/* The peer is another, or more is known of it. */
void kith_judge_forget(struct kith_session *session);
/* The peer is the same process, of which something else is known now: `before` is no more. */
void kith_judge_renew(struct kith_session *session, const kith_origin *before);
/* The connection is over. */
void kith_judge_drop(struct kith_session *session);

/* Verdicts that are kept by topic. */
size_t kith_judge_topic_count(const struct kith_session *session);
/* By which they are looked for; `verb` is its number. Two topics may have the same. */
uint64_t kith_judge_topic_hash(unsigned verb, const struct kith_matter *matter);

/* What the policy says. Calls nobody up. Takes from rates. */
struct kith_verdict kith_session_verdict(struct kith_session *session, enum kith_verb verb, const struct kith_matter *matter);
/* The verdict was no: tells the event. Afterwards the session may be closed. */
void kith_session_tell_denied(struct kith_session *session, enum kith_verb verb, const struct kith_verdict *verdict,
                              const struct kith_matter *matter);
/* Both of it. */
bool kith_session_judge(struct kith_session *session, enum kith_verb verb, const struct kith_matter *matter);

/* The peer is ready but for this: may it be one? Asks unless that was asked of this policy. As kith_session_judge(). */
bool kith_session_judge_proved(struct kith_session *session);
/* What a peer that may not be one is told. */
const char *kith_session_peer_denial(const struct kith_session *session);
/* A message comes in: may it? Each asks if it is its turn (enum kith_decisive): a message is decided on once. As kith_session_judge(). */
bool kith_session_judge_begin(struct kith_session *session);
bool kith_session_judge_first_frame(struct kith_session *session, const struct kith_msg *msg);
bool kith_session_judge_whole(struct kith_session *session, const struct kith_msg *msg);
/* The same of one that comes at once. */
bool kith_session_judge_send(struct kith_session *session, const void *topic, size_t topic_size, uint64_t size, const struct kith_fds *fds);
/* May this message be handed to the peer? False is counted, and told from the loop. */
bool kith_session_judge_receive(struct kith_session *session, const struct kith_msg *msg);
/* Messages to the peer were denied, and not all of it is told: the connection ends. Calls up. */
void kith_session_tell_denied_rest(struct kith_session *session);

#endif

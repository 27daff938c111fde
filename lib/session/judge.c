/* session/judge.c: see judge.h. */
#include "session/judge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/time.h"
#include "session/kinds.h"
#include "session/session.h"

/* What a verdict may depend on and be kept all the same: the connection, and who is there. */
#define LOOKED_AT_LASTING                                                                                                                  \
    (KITH_LOOKED_AT_ORIGIN | KITH_LOOKED_AT_PATTERN | KITH_LOOKED_AT_SERVICE | KITH_LOOKED_AT_ENDPOINT | KITH_LOOKED_AT_PROCESS |          \
     KITH_LOOKED_AT_PROOF)

/* Kept by topic in sets, which its hash chooses; in a full set a newer one takes the place of the oldest. */
#define TOPIC_SETS 8
#define TOPIC_PLACES 8 /* of a set */
#define TOPIC_SIZE_MAX 255

struct kept_topic {
    struct kith_kept_verdict verdict;
    uint8_t verb; /* its number */
    bool is_prefix;
    uint8_t size;
    uint8_t octets[];
};

struct topic_set {
    uint64_t hashes[TOPIC_PLACES]; /* looked at first */
    struct kept_topic *topics[TOPIC_PLACES];
    unsigned oldest;
};

struct kith_kept_topics {
    struct topic_set sets[TOPIC_SETS];
};

static unsigned verb_number(enum kith_verb verb) {
    return (unsigned)__builtin_ctz((unsigned)verb);
}

/* Host ------------------------------------------------------------------------------------------------------------------ */

static unsigned host_tell(struct kith_defer *defer);

void kith_judge_host_init(struct kith_session_host *host) {
    host->judge = (struct kith_judge_host){0};
    kith_list_init(&host->judge.due);
    kith_defer_init(&host->judge.tell, host_tell);
}

void kith_judge_host_deinit(struct kith_session_host *host) {
    kith_defer_cancel(&host->judge.tell);
    host->judge.state = kith_policy_state_free(host->judge.state);
}

static enum kith_decisive decisive(unsigned looks) {
    if ((looks & ~(unsigned)LOOKED_AT_LASTING) == 0)
        return KITH_DECISIVE_FIRST_OCTET;
    return (looks & ~(unsigned)(LOOKED_AT_LASTING | KITH_LOOKED_AT_TOPIC)) == 0 ? KITH_DECISIVE_FIRST_FRAME : KITH_DECISIVE_LAST_OCTET;
}

static kith_policy_state *host_state(struct kith_judge_host *judge) {
    if (!judge->state && kith_policy_state_new(&judge->state) < 0)
        return NULL;
    return judge->state;
}

void kith_session_host_set_policy(struct kith_session_host *host, kith_policy *policy) {
    kith_policy *old = host->policy;
    host->policy = policy ? kith_policy_ref(policy) : NULL;
    host->policy_generation++;
    host->judge.governed = 0;
    for (unsigned i = 0; i < KITH_VERB_COUNT; i++) {
        host->judge.looks[i] = kith_policy_may_look_at(policy, (enum kith_verb)(1U << i));
        host->judge.governed |= policy && kith_policy_governs(policy, (enum kith_verb)(1U << i)) ? 1U << i : 0;
    }
    host->judge.decisive = decisive(host->judge.looks[verb_number(KITH_VERB_SEND)]);
    kith_policy_unref(old);
}

/* Kept verdicts ---------------------------------------------------------------------------------------------------------- */

void kith_judge_init(struct kith_judge *judge) {
    kith_list_init(&judge->due);
}

static void drop_topics(struct kith_judge *judge) {
    if (!judge->topics)
        return;
    for (size_t i = 0; i < (size_t)TOPIC_SETS * TOPIC_PLACES; i++)
        free(judge->topics->sets[i / TOPIC_PLACES].topics[i % TOPIC_PLACES]);
    free(judge->topics);
    judge->topics = NULL;
}

size_t kith_judge_topic_count(const struct kith_session *session) {
    const struct kith_kept_topics *topics = session->judge.topics;
    size_t count = 0;
    for (size_t i = 0; topics && i < (size_t)TOPIC_SETS * TOPIC_PLACES; i++)
        count += topics->sets[i / TOPIC_PLACES].topics[i % TOPIC_PLACES] != NULL;
    return count;
}

void kith_judge_forget(struct kith_session *session) {
    memset(session->judge.verdicts, 0, sizeof(session->judge.verdicts));
    drop_topics(&session->judge);
}

static void set_peer(struct kith_session *session, kith_origin *origin) {
    kith_origin *before = session->judge.peer;
    session->judge.peer = origin ? kith_origin_ref(origin) : NULL;
    kith_origin_unref(before);
}

void kith_judge_renew(struct kith_session *session, const kith_origin *before) {
    if (session->judge.peer && session->judge.peer == before)
        set_peer(session, session->origin);
}

void kith_judge_drop(struct kith_session *session) {
    kith_judge_forget(session);
    set_peer(session, NULL);
    kith_list_unlink(&session->judge.due);
    session->judge.let_in = 0;
    session->judge.denied = session->judge.denied_told = 0;
}

/* Eight octets at a time. A peer that finds topics with the same hash makes its own verdicts slower, and nothing else. */
uint64_t kith_judge_topic_hash(unsigned verb, const struct kith_matter *matter) {
    const uint8_t *topic = matter->topic;
    size_t size = matter->topic_size;
    uint64_t hash = size + ((uint64_t)verb << 8), word;
    for (; size >= sizeof(word); topic += sizeof(word), size -= sizeof(word)) {
        memcpy(&word, topic, sizeof(word));
        hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15); /* 2^64 over the golden ratio, which is odd */
        hash ^= hash >> 32;
    }
    for (word = 0; size > 0; size--)
        word = word << 8 | *topic++;
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 32;
}

static bool is_topic(const struct kept_topic *kept, unsigned verb, const struct kith_matter *matter) {
    return kept && kept->verb == verb && kept->is_prefix == matter->topic_is_prefix && kept->size == matter->topic_size &&
           (matter->topic_size == 0 || memcmp(kept->octets, matter->topic, matter->topic_size) == 0);
}

static const struct kith_kept_verdict *find_topic(const struct kith_judge *judge, unsigned verb, const struct kith_matter *matter) {
    if (!judge->topics || !matter->topic || matter->topic_size > TOPIC_SIZE_MAX)
        return NULL;
    uint64_t hash = kith_judge_topic_hash(verb, matter);
    const struct topic_set *set = &judge->topics->sets[hash % TOPIC_SETS];
    for (size_t i = 0; i < TOPIC_PLACES; i++)
        if (set->hashes[i] == hash && is_topic(set->topics[i], verb, matter))
            return &set->topics[i]->verdict;
    return NULL;
}

/* Without memory it is not kept. */
static void keep_topic(struct kith_judge *judge, unsigned verb, const struct kith_matter *matter, struct kith_kept_verdict verdict) {
    if (!matter->topic || matter->topic_size > TOPIC_SIZE_MAX)
        return;
    if (!judge->topics)
        judge->topics = calloc(1, sizeof(*judge->topics));
    struct kept_topic *kept = judge->topics ? malloc(sizeof(*kept) + matter->topic_size) : NULL;
    if (!kept)
        return;
    *kept = (struct kept_topic){
        .verdict = verdict, .verb = (uint8_t)verb, .is_prefix = matter->topic_is_prefix, .size = (uint8_t)matter->topic_size};
    if (kept->size > 0)
        memcpy(kept->octets, matter->topic, kept->size);
    uint64_t hash = kith_judge_topic_hash(verb, matter);
    struct topic_set *set = &judge->topics->sets[hash % TOPIC_SETS];
    unsigned place = set->oldest++ % TOPIC_PLACES;
    free(set->topics[place]);
    set->topics[place] = kept;
    set->hashes[place] = hash;
}

static void keep(struct kith_judge *judge, unsigned verb, const struct kith_matter *matter, const struct kith_verdict *verdict) {
    unsigned more = verdict->looked_at & ~(unsigned)LOOKED_AT_LASTING;
    struct kith_kept_verdict kept = {.known = true,
                                     .allow = verdict->allow,
                                     .of_process = (verdict->looked_at & KITH_LOOKED_AT_PROCESS) != 0,
                                     .rule = (int16_t)verdict->rule};
    if (more == 0)
        judge->verdicts[verb] = kept;
    else if (more == KITH_LOOKED_AT_TOPIC)
        keep_topic(judge, verb, matter, kept);
}

/* NULL: the policy has to be asked. */
static const struct kith_kept_verdict *find_kept(struct kith_session *session, unsigned verb, const struct kith_matter *matter) {
    struct kith_judge *judge = &session->judge;
    if (judge->generation != session->host->policy_generation) {
        kith_judge_forget(session);
        judge->generation = session->host->policy_generation;
    }
    if (matter->origin && matter->origin != session->origin)
        return NULL;
    return judge->verdicts[verb].known ? &judge->verdicts[verb] : find_topic(judge, verb, matter);
}

/* Asking ------------------------------------------------------------------------------------------------------------------ */

static kith_origin *session_who(const struct kith_session *session) {
    return session->origin ? session->origin : session->peer_origin;
}

/* Looked up once a minute: zones change at whole minutes. */
static int32_t host_utc_offset(struct kith_judge_host *judge, const struct timespec *now) {
    uint64_t minute = (uint64_t)now->tv_sec / 60;
    struct tm local;
    if (minute != judge->minute && localtime_r(&now->tv_sec, &local)) {
        judge->utc_offset = (int32_t)local.tm_gmtoff;
        judge->minute = minute;
    }
    return judge->utc_offset;
}

static void request_time(struct kith_judge_host *judge, unsigned looks, struct kith_policy_request *request) {
    struct timespec now;
    if ((looks & (KITH_LOOKED_AT_TIME | KITH_LOOKED_AT_RATE)) == 0 || clock_gettime(CLOCK_REALTIME, &now) < 0)
        return;
    request->now = (uint64_t)now.tv_sec * KITH_NS_PER_S + (uint64_t)now.tv_nsec;
    if ((looks & KITH_LOOKED_AT_TIME) == 0)
        return;
    request->utc_offset = host_utc_offset(judge, &now);
    request->has_utc_offset = true;
}

static struct kith_verdict ask(struct kith_session *session, enum kith_verb verb, const struct kith_matter *matter) {
    struct kith_session_host *host = session->host;
    unsigned looks = host->judge.looks[verb_number(verb)];
    struct kith_policy_request request = {
        .verb = verb,
        .origin = matter->origin ? matter->origin : session_who(session),
        .pattern = host->socket_type,
        .service = (const char *)session->profile->octets[KITH_OPTION_SERVICE_NAME].data,
        .endpoint = session->place->text,
        .topic = matter->topic,
        .topic_size = matter->topic_size,
        .topic_is_prefix = matter->topic_is_prefix,
        .size = matter->size,
        .fd_count = matter->fds ? kith_fds_count_there(matter->fds) : 0,
    };
    if (request.fd_count > 0 && (looks & KITH_LOOKED_AT_FDS))
        request.fd_kinds = kith_fds_kinds(matter->fds);
    request_time(&host->judge, looks, &request);
    kith_policy_state *state = looks & KITH_LOOKED_AT_RATE ? host_state(&host->judge) : NULL;
    struct kith_verdict verdict = kith_policy_decide_request(host->policy, &request, state);
    /* Without memory to count in, the engine takes every rate for one that holds: what came to a rate is denied then. */
    if (!state && (verdict.looked_at & KITH_LOOKED_AT_RATE))
        verdict.allow = false;
    return verdict;
}

/* A kept rule as the policy has it; -1 is told by the verb. */
static struct kith_verdict of_kept(const struct kith_session_host *host, enum kith_verb verb, const struct kith_kept_verdict *kept) {
    const char *name = kept->rule >= 0                           ? kith_policy_rule_name(host->policy, (size_t)kept->rule)
                       : (host->judge.governed & (unsigned)verb) ? "default"
                                                                 : "not governed";
    return (struct kith_verdict){.allow = kept->allow, .rule = kept->rule, .rule_name = name};
}

struct kith_verdict kith_session_verdict(struct kith_session *session, enum kith_verb verb, const struct kith_matter *matter) {
    static const struct kith_verdict without = {.allow = true, .rule = -1, .rule_name = "no policy"};
    const struct kith_session_host *host = session->host;
    if (!host->policy)
        return without;
    unsigned number = verb_number(verb);
    const struct kith_kept_verdict *kept = find_kept(session, number, matter);
    if (kept)
        return of_kept(host, verb, kept);
    unsigned unanswered = kith_origin_unanswered();
    struct kith_verdict verdict = ask(session, verb, matter);
    bool lasts = kith_origin_unanswered() == unanswered;
    if (lasts && (!matter->origin || matter->origin == session->origin))
        keep(&session->judge, number, matter, &verdict);
    return verdict;
}

bool kith_session_judge(struct kith_session *session, enum kith_verb verb, const struct kith_matter *matter) {
    if (!session->host->policy)
        return true;
    const struct kith_kept_verdict *kept = find_kept(session, verb_number(verb), matter);
    if (kept && kept->allow) /* the usual case, at full speed */
        return true;
    struct kith_verdict verdict = kith_session_verdict(session, verb, matter);
    if (!verdict.allow)
        kith_session_tell_denied(session, verb, &verdict, matter);
    return verdict.allow;
}

/* Who may be a peer -------------------------------------------------------------------------------------------------------- */

/* A policy that does not speak of servers is asked for connect about them too, as it was before there was serve. */
static enum kith_verb peer_verb(const struct kith_session *session) {
    bool server = !session->accepted && (session->host->judge.governed & KITH_VERB_SERVE);
    return server ? KITH_VERB_SERVE : KITH_VERB_CONNECT;
}

bool kith_session_judge_proved(struct kith_session *session) {
    if (!session->judge.peer)
        set_peer(session, session_who(session));
    if (!session->host->policy || session->judge.let_in == session->host->policy_generation)
        return true;
    const struct kith_matter connection = {.origin = session->judge.peer};
    if (!kith_session_judge(session, peer_verb(session), &connection))
        return false;
    session->judge.let_in = session->host->policy_generation;
    return true;
}

bool kith_session_judge_connect(struct kith_session *session) {
    bool later = (session->host->judge.looks[verb_number(peer_verb(session))] & KITH_LOOKED_AT_PROOF) && kith_session_proves(session);
    session->judge.let_in = 0;
    set_peer(session, session_who(session));
    return later || kith_session_judge_proved(session);
}

/* Does the peer stay? Who was let in by this policy does. Calls up. */
static void review(struct kith_session *session) {
    if (!kith_session_judge_proved(session) && session->state == KITH_SESSION_READY)
        kith_session_expel(session, -EACCES, kith_session_peer_denial(session), "the policy does not let it in any more");
    else if (session->state == KITH_SESSION_READY && session->host->ops->review)
        session->host->ops->review(session, session->host->userdata);
}

/* Each goes to the end of the list before it is looked at: so the list may change meanwhile, and its order comes out the same. Those that
 * are not ready are asked about when they are; links without peers ask for each message. */
void kith_session_host_review(struct kith_session_host *host) {
    for (size_t left = host->accepted_count + host->connecting_count; left > 0 && !kith_list_empty(&host->peers); left--) {
        struct kith_session *session = kith_session_ref(kith_list_first(&host->peers, struct kith_session, host_link));
        kith_list_unlink(&session->host_link);
        kith_list_push_back(&host->peers, &session->host_link);
        if (session->state == KITH_SESSION_READY && !session->link->one_way)
            review(session);
        kith_session_unref(session);
    }
}

const char *kith_session_peer_denial(const struct kith_session *session) {
    return peer_verb(session) == KITH_VERB_SERVE ? KITH_DENIED "serve" : KITH_DENIED "connect";
}

/* Messages of the peer -------------------------------------------------------------------------------------------------------- */

bool kith_session_judge_begin(struct kith_session *session) {
    static const struct kith_matter unknown = {0};
    const struct kith_session_host *host = session->host;
    session->judge.decided = !host->policy || host->judge.decisive == KITH_DECISIVE_FIRST_OCTET;
    return !session->judge.decided || kith_session_judge(session, KITH_VERB_SEND, &unknown);
}

static bool judge_message(struct kith_session *session, const kith_msg *msg) {
    const struct kith_frame *first = kith_msg_at(msg, 0);
    const struct kith_matter matter = {
        .origin = msg->origin, .topic = kith_frame_data(first), .topic_size = first->slice.size, .size = msg->size, .fds = msg->fds};
    session->judge.decided = true;
    return kith_session_judge(session, KITH_VERB_SEND, &matter);
}

bool kith_session_judge_first_frame(struct kith_session *session, const kith_msg *msg) {
    bool soon = session->host->judge.decisive <= KITH_DECISIVE_FIRST_FRAME; /* the first octet too: of a policy that has come since */
    return session->judge.decided || !soon || judge_message(session, msg);
}

bool kith_session_judge_whole(struct kith_session *session, const kith_msg *msg) {
    return session->judge.decided || judge_message(session, msg);
}

bool kith_session_judge_send(struct kith_session *session, const void *topic, size_t topic_size, uint64_t size,
                             const struct kith_fds *fds) {
    const struct kith_session_host *host = session->host;
    const struct kith_kept_verdict *kept = &session->judge.verdicts[verb_number(KITH_VERB_SEND)];
    /* The usual cases need not know what it is. */
    if (!host->policy || (kept->known && kept->allow && session->judge.generation == host->policy_generation))
        return true;
    const struct kith_matter matter = {.topic = topic_size > 0 ? topic : "", .topic_size = topic_size, .size = size, .fds = fds};
    return kith_session_judge(session, KITH_VERB_SEND, &matter);
}

/* Messages to the peer -------------------------------------------------------------------------------------------------------- */

static void count_denied(struct kith_session *session, const struct kith_verdict *verdict) {
    struct kith_judge *judge = &session->judge;
    uint64_t number = ++judge->denied;
    judge->denied_by = (int16_t)verdict->rule;
    judge->denied_generation = session->host->policy_generation;
    if ((number & (number - 1)) != 0 || !session->host->tells)
        return;
    if (kith_list_empty(&judge->due))
        kith_list_push_back(&session->host->judge.due, &judge->due);
    kith_loop_defer(session->host->loop, &session->host->judge.tell);
}

bool kith_session_judge_receive(struct kith_session *session, const kith_msg *msg) {
    if (!session->host->policy || (session->host->judge.governed & KITH_VERB_RECEIVE) == 0)
        return true;
    const struct kith_frame *first = kith_msg_at(msg, 0);
    const struct kith_matter matter = {
        .topic = kith_frame_data(first), .topic_size = first->slice.size, .size = msg->size, .fds = msg->fds};
    const struct kith_kept_verdict *kept = find_kept(session, verb_number(KITH_VERB_RECEIVE), &matter);
    if (kept && kept->of_process && kith_session_look_again(session)) /* else who says nothing would never be looked at again */
        kept = NULL;
    if (kept && kept->allow)
        return true;
    struct kith_verdict verdict = kith_session_verdict(session, KITH_VERB_RECEIVE, &matter);
    if (!verdict.allow)
        count_denied(session, &verdict);
    return verdict.allow;
}

/* Calls up. */
static void tell_denied_receive(struct kith_session *session) {
    struct kith_judge *judge = &session->judge;
    const struct kith_session_host *host = session->host;
    struct kith_verdict verdict = {.rule = -1, .rule_name = "an earlier policy"};
    uint64_t count = judge->denied - judge->denied_told;
    judge->denied_told = judge->denied;
    if (count == 0)
        return;
    if (host->policy && judge->denied_generation == host->policy_generation)
        verdict = of_kept(host, KITH_VERB_RECEIVE, &(struct kith_kept_verdict){.rule = judge->denied_by});
    kith_session_tell_rule(session, NULL, KITH_VERB_RECEIVE, &verdict, count, NULL, 0);
}

void kith_session_tell_denied_rest(struct kith_session *session) {
    kith_list_unlink(&session->judge.due);
    tell_denied_receive(session);
}

static unsigned host_tell(struct kith_defer *defer) {
    struct kith_session_host *host = KITH_CONTAINER_OF(defer, struct kith_session_host, judge.tell);
    if (kith_list_empty(&host->judge.due))
        return 0;
    struct kith_session *session = kith_session_ref(kith_list_first(&host->judge.due, struct kith_session, judge.due));
    kith_list_unlink(&session->judge.due);
    if (!kith_list_empty(&host->judge.due)) /* before the host may go */
        kith_loop_defer(host->loop, defer);
    tell_denied_receive(session);
    kith_session_unref(session);
    return 1;
}

void kith_session_tell_denied(struct kith_session *session, enum kith_verb verb, const struct kith_verdict *verdict,
                              const struct kith_matter *matter) {
    bool about_topic = verb == KITH_VERB_SUBSCRIBE;
    kith_session_tell_rule(session, matter->origin, verb, verdict, 1, about_topic ? matter->topic : NULL,
                           about_topic ? matter->topic_size : 0);
}

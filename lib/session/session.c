/* session/session.c: a session's life. See session.h for states and rules. */
#include "session/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/error.h"

/* How long a dismissed peer has to read our ERROR. */
#define DISMISS_MS 1000

KITH_DEFINE_CLEANUP(struct kith_session *, kith_session_unref)

void kith_session_host_init(struct kith_session_host *host, kith_loop *loop, const struct kith_session_ops *ops, void *userdata,
                            const char *socket_type, struct kith_profile *profile) {
    *host = (struct kith_session_host){.loop = loop, .ops = ops, .userdata = userdata, .socket_type = socket_type, .profile = profile};
    host->watches.loop = loop;
    kith_list_init(&host->peers);
    kith_session_host_count(host);
    kith_judge_host_init(host);
}

void kith_session_host_deinit(struct kith_session_host *host) {
    if (!host->loop)
        return;
    while (!kith_list_empty(&host->peers))
        kith_session_close(kith_list_first(&host->peers, struct kith_session, host_link));
    kith_defer_cancel(&host->tell_high);
    kith_judge_host_deinit(host);
    host->policy = kith_policy_unref(host->policy);
    host->profile = kith_profile_unref(host->profile);
    kith_map_deinit(&host->watches.by_pid);
    host->scratch = kith_buffer_unref(host->scratch);
    host->loop = NULL;
}

struct kith_session *kith_session_ref(struct kith_session *session) {
    session->refs++;
    return session;
}

struct kith_session *kith_session_unref(struct kith_session *session) {
    if (!session || --session->refs > 0)
        return NULL;
    kith_profile_unref(session->profile);
    kith_place_unref(session->place);
    (void)kith_session_set_routing_id(session, NULL, 0);
    free(session);
    return NULL;
}

/* What was received over this connection can no longer be answered: not even when a connecting session gets another one. */
static void session_drop_account(struct kith_session *session) {
    if (session->account)
        session->account->owner = NULL;
    session->account = kith_account_unref(session->account);
}

static void session_drop_connection(struct kith_session *session) {
    session_drop_account(session);
    session->link->drop(session);
    kith_session_forget(session);
    kith_judge_drop(session);
    kith_session_settle_counters(session);
    session->sending_frame = 0;
    session->sending_fds = session->sending_header = false;
    session->peer_fds = 0;
    session->peer_memfd = false;
    session->memfd_sent = session->memfd_taken = 0;
    session->broken = 0;
    session->starved = false;
    session->pinged_at = 0;
    session->peer_ttl_ms = 0;
    session->dismissed = false;
}

static size_t session_queued_messages(const struct kith_session *session) {
    size_t count = 0;
    kith_list_foreach (&session->queue, node)
        count += kith_list_entry(node, kith_msg, link)->command == KITH_COMMAND_NONE;
    return count;
}

/* Returns how many messages it lost; commands are said anew to the next peer. */
static size_t session_drop_queue(struct kith_session *session) {
    size_t lost = session_queued_messages(session);
    session->queued = session->queued_octets = 0;
    (void)kith_msg_queue_free(&session->queue);
    return lost;
}

void kith_session_close(struct kith_session *session) {
    if (session->state == KITH_SESSION_CLOSED)
        return;
    session->state = KITH_SESSION_CLOSED;
    session_drop_connection(session);
    (void)session_drop_queue(session);
    session->timer = kith_timer_free(session->timer);
    if (session->accepted)
        session->host->accepted_count--;
    else
        session->host->connecting_count--;
    kith_list_unlink(&session->host_link);
    if (kith_list_empty(&session->host->peers))
        session->host->ops->emptied(session->host->userdata);
    kith_session_unref(session);
}

const struct kith_link *kith_session_choose_link(const struct kith_session_host *host, const struct kith_endpoint *endpoint) {
    if (endpoint->transport->inproc)
        return &kith_link_inproc;
    if (endpoint->transport->datagrams)
        return &kith_link_udp;
    if (endpoint->transport->kernel)
        return &kith_link_kernel;
    return host->raw ? &kith_link_raw : &kith_link_zmtp;
}

int kith_session_new(struct kith_session_host *host, struct kith_place *place, bool accepted, struct kith_session **ret_session) {
    _cleanup_(kith_session_unrefp) struct kith_session *session = calloc(1, sizeof(*session));
    if (!session)
        return -ENOMEM;
    session->refs = 1;
    session->host = host;
    session->accepted = accepted;
    session->place = kith_place_ref(place);
    session->link = kith_session_choose_link(host, &place->endpoint);
    session->profile = kith_profile_ref(host->profile);
    kith_list_init(&session->host_link);
    kith_list_init(&session->pattern_link);
    kith_list_init(&session->queue);
    kith_list_init(&session->high_link);
    kith_judge_init(&session->judge);
    session->peer = ++host->last_peer;
    int r = kith_timer_new(host->loop, kith_session_on_timer, session, &session->timer);
    if (r < 0)
        return r;
    if (accepted)
        host->accepted_count++;
    else
        host->connecting_count++;
    kith_list_push_back(&host->peers, &session->host_link);
    *ret_session = KITH_STEAL(session);
    return 0;
}

/* A peer's queue of received messages has drained to half: read on. It was not silent meanwhile, we did not listen. */
static void session_relieved(void *owner) {
    struct kith_session *session = owner;
    session->heard_at = kith_loop_now(session->host->loop);
    session->pinged_at = 0;
    session->link->set_reading(session, true);
}

static int session_make_account(struct kith_session *session) {
    int r = kith_account_new(session, session_relieved, &session->account);
    if (r < 0)
        return r;
    session->account->message_limit = (size_t)session->profile->numbers[KITH_OPTION_RECV_HWM];
    session->account->octet_limit = (size_t)session->profile->numbers[KITH_OPTION_RECV_HWM_BYTES];
    session->account->fd_limit = (size_t)session->profile->numbers[KITH_OPTION_MAX_FDS_HELD];
    return 0;
}

/* The connection is there: greet, and give the peer its time for the handshake. */
static int session_begin_handshake(struct kith_session *session) {
    session->state = KITH_SESSION_HANDSHAKE;
    int r = kith_session_identify_peer(session);
    if (r >= 0)
        r = session_make_account(session);
    if (r < 0)
        return r;
    uint64_t limit = (uint64_t)session->profile->numbers[KITH_OPTION_HANDSHAKE_TIMEOUT];
    if (limit > 0)
        (void)kith_timer_arm(session->timer, limit, 0);
    session->counters.since = kith_loop_now(session->host->loop);
    if (!session->link->one_way)
        kith_session_tell(session, KITH_EVENT_HANDSHAKING, 0, 0, "the handshake begins");
    if (session->state != KITH_SESSION_HANDSHAKE)
        return 0;
    return session->link->begin(session);
}

void kith_session_connected(struct kith_session *session) {
    kith_session_ref(session);
    int r = session_begin_handshake(session);
    if (r < 0)
        kith_session_fail(session, r, kith_error_name(r));
    kith_session_unref(session);
}

int kith_session_connect(struct kith_session *session) {
    kith_profile_unref(session->profile);
    session->profile = kith_profile_ref(session->host->profile);
    session->state = KITH_SESSION_CONNECTING;
    return session->link->connect(session);
}

int kith_session_new_connecting(struct kith_session_host *host, struct kith_place *place, struct kith_session **ret_session) {
    struct kith_session *session;
    int r = kith_session_new(host, place, false, &session);
    if (r < 0)
        return r;
    kith_session_ref(session);
    r = kith_session_connect(session);
    if (r < 0) {
        kith_session_close(session);
        kith_session_unref(session);
        return r;
    }
    *ret_session = session;
    return 0;
}

static const char *session_why_unwanted(int error) {
    return error == -EEXIST  ? "refused: routing id in use"
           : error == -EBUSY ? "refused: there is a peer already"
                             : "refused: out of memory";
}

/* The owner does not know of it. */
static void session_turn_away(struct kith_session *session, const char *why) {
    if (session->state != KITH_SESSION_READY)
        return;
    if (session->link->refuse)
        session->link->refuse(session, why);
    kith_session_dismiss(session);
}

void kith_session_reached_ready(struct kith_session *session) {
    session->state = KITH_SESSION_READY;
    session->tries = 0;
    kith_session_schedule_heartbeat(session);
    /* Our READY may still be in the engine, when greeting and READY of the peer came at once: it goes before any message that waited. */
    kith_session_speak(session);
    if (!kith_session_judge_proved(session)) {
        session_turn_away(session, kith_session_peer_denial(session));
        return;
    }
    int r = session->host->ops->ready(session, session->host->userdata);
    if (r < 0)
        session_turn_away(session, session_why_unwanted(r));
}

void kith_session_speak(struct kith_session *session) {
    if (session->link->speak)
        session->link->speak(session);
}

void kith_session_flush(struct kith_session *session) {
    if (session->state != KITH_SESSION_CLOSED)
        session->link->flush(session);
}

/* Exponential, with a quarter of jitter so that a server's clients do not come back all at once. */
static uint64_t session_backoff(struct kith_session *session) {
    uint64_t min = (uint64_t)session->profile->numbers[KITH_OPTION_RECONNECT_MIN];
    uint64_t max = (uint64_t)session->profile->numbers[KITH_OPTION_RECONNECT_MAX];
    uint64_t delay = min;
    for (unsigned i = 0; i < session->tries && delay < max; i++)
        delay *= 2;
    if (delay > max)
        delay = max > min ? max : min;
    session->tries++;
    uint16_t dice = 0;
    (void)getrandom(&dice, sizeof(dice), GRND_NONBLOCK);
    return delay - delay / 4 * dice / UINT16_MAX;
}

static void session_retry(struct kith_session *session, int error, const char *text) {
    uint64_t delay = session_backoff(session);
    session->state = KITH_SESSION_WAITING;
    if (kith_timer_arm(session->timer, delay, 0) < 0) {
        kith_session_close(session);
        return;
    }
    kith_session_tell(session, KITH_EVENT_RETRY, error, delay, "%s; next try in %llu ms", text, (unsigned long long)delay);
}

/* Tells the owner, if it knew of the peer, and what became of its queue: another connection starts with an empty one. */
static void session_tell_gone(struct kith_session *session, enum kith_session_state state, int error, const char *text) {
    if (state == KITH_SESSION_HANDSHAKE)
        kith_session_tell(session, KITH_EVENT_HANDSHAKE_FAILED, error, 0, "%s", text);
    kith_session_tell_denied_rest(session);
    if (state == KITH_SESSION_READY && !session->link->one_way && session->state != KITH_SESSION_CLOSED)
        kith_session_tell(session, KITH_EVENT_DISCONNECTED, error, session_queued_messages(session), "%s", text);
    if (state == KITH_SESSION_READY && session->state != KITH_SESSION_CLOSED)
        session->host->ops->gone(session, session->host->userdata);
    if (session->state == KITH_SESSION_CLOSED)
        return;
    size_t lost = session_drop_queue(session);
    if (lost > 0)
        kith_session_tell(session, KITH_EVENT_DROPPED, error, lost, "%zu queued messages dropped: the peer is gone", lost);
}

/* The option reconnect-stop, for a connection that ended in this state. */
static bool session_stops(const struct kith_session *session, enum kith_session_state state, int error) {
    int64_t stop = session->host->profile->numbers[KITH_OPTION_RECONNECT_STOP];
    if (state == KITH_SESSION_CONNECTING)
        return (stop & KITH_RECONNECT_STOP_REFUSED) &&
               (error == -ECONNREFUSED || error == -ENOENT || error == -ECONNRESET); /* the last of vsock */
    return (stop & (state == KITH_SESSION_HANDSHAKE ? KITH_RECONNECT_STOP_HANDSHAKE : KITH_RECONNECT_STOP_DISCONNECT)) != 0;
}

void kith_session_fail(struct kith_session *session, int error, const char *why) {
    if (session->state == KITH_SESSION_CLOSED)
        return;
    kith_session_ref(session);
    char text[512]; /* `why` may lie in the engine, which goes below */
    (void)snprintf(text, sizeof(text), "%s", why);
    enum kith_session_state state = session->state;
    bool again = !session->accepted && (state != KITH_SESSION_DRAINING || session->dismissed);
    if (again && session_stops(session, state, error)) {
        again = false;
        kith_session_tell(session, KITH_EVENT_GIVEN_UP, error, 0, "%s; not tried again (reconnect-stop)", text);
        if (session->state == KITH_SESSION_CLOSED) {
            kith_session_unref(session);
            return;
        }
    }
    session->state = KITH_SESSION_IDLE;
    kith_timer_disarm(session->timer);
    session->link->close(session);
    session_tell_gone(session, state, error, text);
    if (session->state != KITH_SESSION_CLOSED)
        session_drop_connection(session);
    if (session->state != KITH_SESSION_CLOSED && !again)
        kith_session_close(session);
    if (session->state != KITH_SESSION_CLOSED)
        session_retry(session, error, text);
    kith_session_unref(session);
}

void kith_session_break(struct kith_session *session, int error) {
    session->broken = error;
    (void)kith_timer_arm(session->timer, 0, 0);
}

void kith_session_finish_drain(struct kith_session *session) {
    kith_session_pump(session);
    if (session->queued == 0 && session->link->spoken(session))
        session->link->end(session);
}

static void session_begin_drain(struct kith_session *session, int64_t deadline_ms) {
    session->state = KITH_SESSION_DRAINING;
    kith_timer_disarm(session->timer);
    if (deadline_ms >= 0)
        (void)kith_timer_arm(session->timer, (uint64_t)deadline_ms, 0);
    session->link->set_reading(session, true);
    kith_session_finish_drain(session);
}

void kith_session_dismiss(struct kith_session *session) {
    session->dismissed = true;
    session_begin_drain(session, DISMISS_MS);
}

void kith_session_drain(struct kith_session *session, int64_t deadline_ms) {
    if (session->state == KITH_SESSION_READY)
        session_begin_drain(session, deadline_ms);
    else if (session->state == KITH_SESSION_DRAINING)
        session->dismissed = false; /* its time is short already; but it does not come again */
    else
        kith_session_close(session);
}

/* Between messages only: a connection that ends inside of one of ours has no place for another word. */
static bool session_say_why(struct kith_session *session, const char *why) {
    if (!session->link->refuse || session->sending_frame > 0 || session->sending_header)
        return false;
    session->link->refuse(session, why);
    return true;
}

void kith_session_expel(struct kith_session *session, int error, const char *why, const char *text) {
    kith_session_ref(session);
    bool told = session->state == KITH_SESSION_READY && session_say_why(session, why);
    if (!told) {
        kith_session_fail(session, error, text);
    } else {
        session->state = KITH_SESSION_DRAINING; /* nothing more is sent to it by who is told below */
        session_tell_gone(session, KITH_SESSION_READY, error, text);
        if (session->state == KITH_SESSION_DRAINING)
            kith_session_dismiss(session);
    }
    kith_session_unref(session);
}

int kith_session_kick(struct kith_session *session, const char *reason) {
    char text[512];
    if (session->link->one_way)
        return -EOPNOTSUPP;
    if (session->state != KITH_SESSION_HANDSHAKE && session->state != KITH_SESSION_READY)
        return -ENOENT;
    (void)snprintf(text, sizeof(text), "kicked%s%s", reason ? ": " : "", reason ? reason : "");
    kith_session_expel(session, -ECONNABORTED, text, text);
    return 0;
}

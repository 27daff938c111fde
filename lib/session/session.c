/* session/session.c: a session's life. See session.h for states and rules. */
#include "session/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/error.h"

/* Octets in a connection's write queue beyond which messages wait in the session, where they are counted and can be handed to another peer:
 * some socket buffers' worth, so that the kernel never waits for us. */
#define CONN_HIGH_MARK ((size_t)256 * 1024)
/* How long a dismissed peer has to read our ERROR. */
#define DISMISS_MS 1000

KITH_DEFINE_CLEANUP(struct kith_session *, kith_session_unref)

void kith_session_host_init(struct kith_session_host *host, kith_loop *loop, const struct kith_session_ops *ops, void *userdata,
                            const char *socket_type, struct kith_profile *profile) {
    *host = (struct kith_session_host){.loop = loop, .ops = ops, .userdata = userdata, .socket_type = socket_type, .profile = profile};
    host->watches.loop = loop;
    kith_list_init(&host->peers);
}

void kith_session_host_deinit(struct kith_session_host *host) {
    if (!host->loop)
        return;
    while (!kith_list_empty(&host->peers))
        kith_session_close(kith_list_first(&host->peers, struct kith_session, host_link));
    host->policy = kith_policy_unref(host->policy);
    host->profile = kith_profile_unref(host->profile);
    kith_map_deinit(&host->watches.by_pid);
    host->loop = NULL;
}

void kith_session_host_set_policy(struct kith_session_host *host, kith_policy *policy) {
    kith_policy *old = host->policy;
    host->policy = policy ? kith_policy_ref(policy) : NULL;
    host->policy_generation++;
    kith_policy_unref(old);
}

struct kith_session *kith_session_ref(struct kith_session *session) {
    session->refs++;
    return session;
}

struct kith_session *kith_session_unref(struct kith_session *session) {
    if (!session || --session->refs > 0)
        return NULL;
    kith_profile_unref(session->profile);
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
    session->conn = kith_conn_free(session->conn);
    session->engine = kith_zmtp_free(session->engine);
    kith_session_reset_receive(session);
    kith_session_forget(session);
    session->sending_frame = 0;
    session->sending_header = false;
    session->broken = 0;
    session->starved = false;
    session->pinged_at = 0;
    session->peer_ttl_ms = 0;
    session->dismissed = false;
}

/* Returns how many messages it lost. */
static size_t session_drop_queue(struct kith_session *session) {
    session->queued = session->queued_octets = 0;
    return kith_msg_queue_free(&session->queue);
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
    kith_session_unref(session);
}

static int session_new(struct kith_session_host *host, const struct kith_endpoint *endpoint, const char *endpoint_text, bool accepted,
                       struct kith_session **ret_session) {
    _cleanup_(kith_session_unrefp) struct kith_session *session = calloc(1, sizeof(*session));
    if (!session)
        return -ENOMEM;
    session->refs = 1;
    session->host = host;
    session->accepted = accepted;
    session->endpoint = *endpoint;
    session->profile = kith_profile_ref(host->profile);
    kith_list_init(&session->host_link);
    kith_list_init(&session->pattern_link);
    kith_list_init(&session->queue);
    (void)snprintf(session->endpoint_text, sizeof(session->endpoint_text), "%s", endpoint_text);
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
    if (session->conn)
        kith_conn_resume(session->conn);
}

static int session_make_account(struct kith_session *session) {
    int r = kith_account_new(session, session_relieved, &session->account);
    if (r < 0)
        return r;
    session->account->message_limit = (size_t)session->profile->numbers[KITH_OPTION_RECV_HWM];
    session->account->octet_limit = (size_t)session->profile->numbers[KITH_OPTION_RECV_HWM_BYTES];
    return 0;
}

static int session_make_engine(struct kith_session *session) {
    struct kith_zmtp_options options = {
        .socket_type = session->host->socket_type,
        .routing_id = session->profile->routing_id,
        .routing_id_size = session->profile->routing_id_size,
        .metadata = session->profile->metadata,
        .metadata_count = session->profile->metadata_count,
        .max_frame = (uint64_t)session->profile->numbers[KITH_OPTION_MAX_MESSAGE],
        .as_server = session->accepted,
    };
    return kith_zmtp_new(&options, &session->engine);
}

/* The connection is there: greet, and give the peer its time for the handshake. */
static int session_begin_handshake(struct kith_session *session) {
    session->state = KITH_SESSION_HANDSHAKE;
    int r = kith_session_identify_peer(session);
    if (r < 0)
        return r;
    r = session_make_account(session);
    if (r >= 0)
        r = session_make_engine(session);
    if (r < 0)
        return r;
    if (session->endpoint.transport->tune && !session->accepted)
        session->endpoint.transport->tune(kith_conn_fd(session->conn));
    uint64_t limit = (uint64_t)session->profile->numbers[KITH_OPTION_HANDSHAKE_TIMEOUT];
    if (limit > 0)
        (void)kith_timer_arm(session->timer, limit, 0);
    kith_session_send_engine(session);
    return 0;
}

static void session_on_connected(kith_conn *conn, void *userdata) {
    (void)conn;
    struct kith_session *session = userdata;
    int r = session_begin_handshake(session);
    if (r < 0)
        kith_session_fail(session, r, kith_error_name(r));
}

static void session_on_closed(kith_conn *conn, int error, void *userdata) {
    (void)conn;
    kith_session_fail(userdata, error, error == 0 ? "closed by the peer" : kith_error_name(error));
}

static const struct kith_conn_ops session_conn_ops = {
    .data = kith_session_on_data,
    .connected = session_on_connected,
    .writable = kith_session_on_writable,
    .closed = session_on_closed,
};

static struct kith_conn_options session_conn_options(const struct kith_session *session) {
    return (struct kith_conn_options){
        .identity = session->endpoint.transport->identity && session->profile->numbers[KITH_OPTION_IDENTITY] != 0,
        .high_mark = CONN_HIGH_MARK,
        .connect_ms = (uint64_t)session->profile->numbers[KITH_OPTION_HANDSHAKE_TIMEOUT],
    };
}

int kith_session_new_accepted(struct kith_session_host *host, const struct kith_endpoint *endpoint, const char *endpoint_text,
                              kith_listener *listener, int fd) {
    struct kith_session *session;
    int r = session_new(host, endpoint, endpoint_text, true, &session);
    if (r < 0)
        return r;
    struct kith_conn_options options = session_conn_options(session);
    r = kith_conn_new_accepted(listener, fd, &options, &session_conn_ops, session, &session->conn);
    if (r < 0) {
        kith_session_close(session);
        return r;
    }
    /* From here on the descriptor is the connection's. */
    r = session_begin_handshake(session);
    if (r < 0)
        kith_session_fail(session, r, kith_error_name(r));
    return 0;
}

int kith_session_connect(struct kith_session *session) {
    kith_profile_unref(session->profile);
    session->profile = kith_profile_ref(session->host->profile);
    session->state = KITH_SESSION_CONNECTING;
    struct kith_conn_options options = session_conn_options(session);
    return kith_conn_new_connect(session->host->loop, &session->endpoint.address, &options, &session_conn_ops, session, &session->conn);
}

int kith_session_new_connecting(struct kith_session_host *host, const struct kith_endpoint *endpoint, const char *endpoint_text) {
    struct kith_session *session;
    int r = session_new(host, endpoint, endpoint_text, false, &session);
    if (r < 0)
        return r;
    r = kith_session_connect(session);
    if (r < 0)
        kith_session_close(session);
    return r;
}

void kith_session_reached_ready(struct kith_session *session) {
    session->state = KITH_SESSION_READY;
    session->tries = 0;
    kith_session_schedule_heartbeat(session);
    /* Our READY may still be in the engine, when greeting and READY of the peer came at once: it goes before any message that waited. */
    kith_session_send_engine(session);
    int r = session->host->ops->ready(session, session->host->userdata);
    if (r < 0 && session->state == KITH_SESSION_READY) {
        (void)kith_zmtp_tell_error(session->engine, r == -EEXIST ? "refused: routing id in use" : "refused: out of memory");
        kith_session_dismiss(session);
    }
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
    if (state == KITH_SESSION_READY)
        kith_session_tell(session, KITH_EVENT_DISCONNECTED, error, 0, "%s", text);
    if (state == KITH_SESSION_READY && session->state != KITH_SESSION_CLOSED)
        session->host->ops->gone(session, session->host->userdata);
    if (session->state == KITH_SESSION_CLOSED)
        return;
    size_t lost = session_drop_queue(session);
    if (lost > 0)
        kith_session_tell(session, KITH_EVENT_DROPPED, error, lost, "%zu queued messages dropped: the peer is gone", lost);
}

void kith_session_fail(struct kith_session *session, int error, const char *why) {
    if (session->state == KITH_SESSION_CLOSED)
        return;
    kith_session_ref(session);
    char text[512]; /* `why` may lie in the engine, which goes below */
    (void)snprintf(text, sizeof(text), "%s", why);
    enum kith_session_state state = session->state;
    bool again = !session->accepted && (state != KITH_SESSION_DRAINING || session->dismissed);
    session->state = KITH_SESSION_IDLE;
    kith_timer_disarm(session->timer);
    if (session->conn)
        kith_conn_close(session->conn);
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
    size_t size;
    kith_session_pump(session);
    (void)kith_zmtp_output(session->engine, &size);
    if (session->queued == 0 && size == 0)
        kith_conn_drain(session->conn, -1);
}

static void session_begin_drain(struct kith_session *session, int64_t deadline_ms) {
    session->state = KITH_SESSION_DRAINING;
    kith_timer_disarm(session->timer);
    if (deadline_ms >= 0)
        (void)kith_timer_arm(session->timer, (uint64_t)deadline_ms, 0);
    kith_conn_resume(session->conn);
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

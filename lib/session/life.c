/*
 * session/life.c: the one timer of a session, by state: the handshake's limit, the heartbeat, the next try to connect, the drain's
 * deadline.
 *
 * Heartbeat: any octets are life. A peer silent for the interval is sent a PING; one that stays silent for the timeout after it is given
 * up. A peer that told a TTL is given up when it is silent for that long. The timer is armed for the nearest of these and looks at
 * `heard_at` when it fires, so a message costs nothing.
 */
#include <errno.h>

#include "base/error.h"
#include "base/time.h"
#include "session/session.h"

static uint64_t session_number(const struct kith_session *session, enum kith_option option) {
    return (uint64_t)session->profile->numbers[option];
}

static uint64_t min_nonzero(uint64_t a, uint64_t b) {
    return a == 0 ? b : b == 0 ? a : a < b ? a : b;
}

static uint64_t heartbeat_timeout(const struct kith_session *session) {
    uint64_t timeout = session_number(session, KITH_OPTION_HEARTBEAT_TIMEOUT);
    return timeout > 0 ? timeout : session_number(session, KITH_OPTION_HEARTBEAT_INTERVAL);
}

/* When, in ms from now, the next of the deadlines is due; 0: there is none. */
static uint64_t heartbeat_due(const struct kith_session *session, uint64_t now) {
    uint64_t due = 0;
    uint64_t interval = session_number(session, KITH_OPTION_HEARTBEAT_INTERVAL) * KITH_NS_PER_MS;
    if (interval > 0)
        due = session->pinged_at > 0 ? session->pinged_at + heartbeat_timeout(session) * KITH_NS_PER_MS : session->heard_at + interval;
    if (session->peer_ttl_ms > 0)
        due = min_nonzero(due, session->heard_at + session->peer_ttl_ms * KITH_NS_PER_MS);
    if (due == 0)
        return 0;
    return due > now ? (due - now) / KITH_NS_PER_MS + 1 : 1;
}

void kith_session_schedule_heartbeat(struct kith_session *session) {
    if (session->broken < 0)
        return; /* the timer has something else to do, and at once */
    uint64_t due = heartbeat_due(session, kith_loop_now(session->host->loop));
    if (due > 0)
        (void)kith_timer_arm(session->timer, due, 0);
    else
        kith_timer_disarm(session->timer);
}

/* A peer of ZMTP 3.0 knows no PING: it is left alone. One whose answers pile up unread is not: it gets no PING and no more time for it. */
static void session_ping(struct kith_session *session, uint64_t now) {
    int r = session->link->ping ? session->link->ping(session, (unsigned)session_number(session, KITH_OPTION_HEARTBEAT_TTL)) : -EOPNOTSUPP;
    if (r == -EOPNOTSUPP) {
        session->heard_at = now;
        return;
    }
    session->pinged_at = now;
    kith_session_speak(session);
}

static void session_heartbeat(struct kith_session *session) {
    uint64_t now = kith_loop_now(session->host->loop);
    /* The application is behind, so nothing is read: that is no silence of the peer's. */
    if (session->account->full) {
        session->heard_at = now;
        session->pinged_at = 0;
    }
    if (session->pinged_at > 0 && session->heard_at > session->pinged_at)
        session->pinged_at = 0;
    if (session->peer_ttl_ms > 0 && now - session->heard_at >= session->peer_ttl_ms * KITH_NS_PER_MS) {
        kith_session_fail(session, -ETIMEDOUT, "silent for longer than the time to live it announced");
        return;
    }
    if (session->pinged_at > 0 && now - session->pinged_at >= heartbeat_timeout(session) * KITH_NS_PER_MS) {
        kith_session_fail(session, -ETIMEDOUT, "no answer to a PING within heartbeat-timeout");
        return;
    }
    uint64_t interval = session_number(session, KITH_OPTION_HEARTBEAT_INTERVAL) * KITH_NS_PER_MS;
    if (interval > 0 && session->pinged_at == 0 && now - session->heard_at >= interval)
        session_ping(session, now);
    kith_session_schedule_heartbeat(session);
}

void kith_session_pinged(struct kith_session *session, uint64_t ttl_ms) {
    if (session->peer_ttl_ms == ttl_ms)
        return;
    session->peer_ttl_ms = ttl_ms;
    kith_session_schedule_heartbeat(session);
}

static void session_try_again(struct kith_session *session) {
    int r = kith_session_connect(session);
    if (r < 0)
        kith_session_fail(session, r, kith_error_name(r));
}

void kith_session_on_timer(kith_timer *timer, void *userdata) {
    (void)timer;
    struct kith_session *session = kith_session_ref(userdata);
    if (session->broken < 0) {
        kith_session_fail(session, session->broken, kith_error_name(session->broken));
        kith_session_unref(session);
        return;
    }
    switch (session->state) {
    case KITH_SESSION_CONNECTING:
    case KITH_SESSION_HANDSHAKE:
        kith_session_fail(session, -ETIMEDOUT, "the handshake took longer than handshake-timeout");
        break;
    case KITH_SESSION_READY:
        session_heartbeat(session);
        break;
    case KITH_SESSION_WAITING:
        session_try_again(session);
        break;
    case KITH_SESSION_DRAINING:
        kith_session_fail(session, -ETIMEDOUT, "the peer did not take what was queued in time");
        break;
    case KITH_SESSION_IDLE:
    case KITH_SESSION_CLOSED:
        break;
    }
    kith_session_unref(session);
}

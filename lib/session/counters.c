/*
 * session/counters.c: what has passed a connection, and when its queue is full.
 *
 * A message costs two additions, in the session; what is over goes into the host's sums, so a socket's counters are these and those of its
 * sessions. What is the case now is not kept but looked up when it is asked for.
 *
 * HIGH_WATER is told from the loop, a session a time: sending calls nobody up. With nobody who listens nothing of it is done.
 */
#include <errno.h>

#include "session/session.h"

static void add(struct kith_counters *sum, const struct kith_counters *counters) {
    sum->messages_in += counters->messages_in;
    sum->octets_in += counters->octets_in;
    sum->messages_out += counters->messages_out;
    sum->octets_out += counters->octets_out;
    sum->dropped += counters->dropped;
    sum->denied += counters->denied;
    sum->fds_in += counters->fds_in;
    sum->fds_out += counters->fds_out;
    sum->fds_refused += counters->fds_refused;
    sum->queued += counters->queued;
    sum->queued_octets += counters->queued_octets;
    sum->waiting += counters->waiting;
    sum->waiting_octets += counters->waiting_octets;
    if (sum->heard < counters->heard)
        sum->heard = counters->heard;
}

void kith_counters_note(struct kith_counters *counters, enum kith_event_type type, uint64_t count) {
    switch (type) {
    case KITH_EVENT_DROPPED:
        counters->dropped += count;
        break;
    case KITH_EVENT_DENIED_CONNECT:
    case KITH_EVENT_DENIED_SEND:
    case KITH_EVENT_DENIED_SUBSCRIBE:
    case KITH_EVENT_DENIED_RECEIVE:
        counters->denied += count;
        break;
    case KITH_EVENT_FDS_LOST:
        counters->dropped++; /* they were one message's */
        counters->fds_refused += count;
        break;
    case KITH_EVENT_FDS_REFUSED:
        counters->fds_refused += count;
        break;
    default:
        break;
    }
}

void kith_session_counters(const struct kith_session *session, struct kith_counters *ret_counters) {
    *ret_counters = session->counters;
    ret_counters->queued = session->queued;
    ret_counters->queued_octets = session->queued_octets;
    ret_counters->waiting = session->account ? session->account->messages : 0;
    ret_counters->waiting_octets = session->account ? session->account->octets : 0;
    ret_counters->heard = session->heard_at;
}

void kith_session_host_counters(const struct kith_session_host *host, struct kith_counters *ret_counters) {
    *ret_counters = host->past;
    kith_list_foreach (&host->peers, node) {
        struct kith_counters counters;
        kith_session_counters(kith_list_entry(node, struct kith_session, host_link), &counters);
        add(ret_counters, &counters);
    }
}

void kith_session_settle_counters(struct kith_session *session) {
    struct kith_session_host *host = session->host;
    session->counters.heard = session->heard_at;
    add(&host->past, &session->counters);
    session->counters = (struct kith_counters){0}; /* the loop may be no more: the next connection tells since when it is there */
    session->heard_at = 0;
    session->peer = ++host->last_peer;
    session->high = false;
    kith_list_unlink(&session->high_link);
}

static size_t limit(const struct kith_session *session, enum kith_option option) {
    return (size_t)session->profile->numbers[option];
}

void kith_session_queue_grew(struct kith_session *session) {
    struct kith_session_host *host = session->host;
    if (session->high || !host->tells || kith_session_has_room(session) || session->state != KITH_SESSION_READY)
        return;
    session->high = true;
    if (!kith_list_empty(&session->high_link))
        return; /* it drained and filled again before it was told the first time */
    kith_list_push_back(&host->high, &session->high_link);
    kith_loop_defer(host->loop, &host->tell_high);
}

void kith_session_queue_shrank(struct kith_session *session) {
    if (session->high && session->queued <= limit(session, KITH_OPTION_SEND_HWM) / 2 &&
        session->queued_octets <= limit(session, KITH_OPTION_SEND_HWM_BYTES) / 2)
        session->high = false;
}

/* The host may have gone when one is told: the others have their turn first. */
static unsigned tell_high(struct kith_defer *defer) {
    struct kith_session_host *host = KITH_CONTAINER_OF(defer, struct kith_session_host, tell_high);
    struct kith_session *session = kith_list_first(&host->high, struct kith_session, high_link);
    if (!session)
        return 0;
    kith_list_unlink(&session->high_link);
    if (!kith_list_empty(&host->high))
        kith_loop_defer(host->loop, &host->tell_high);
    kith_session_ref(session);
    kith_session_tell(session, KITH_EVENT_HIGH_WATER, -EAGAIN, session->queued,
                      "%zu messages (%zu octets) wait for it: as many as may (send-hwm, send-hwm-bytes)", session->queued,
                      session->queued_octets);
    kith_session_unref(session);
    return 1;
}

void kith_session_host_count(struct kith_session_host *host) {
    host->past.since = kith_loop_now(host->loop);
    kith_list_init(&host->high);
    kith_defer_init(&host->tell_high, tell_high);
}

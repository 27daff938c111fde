/*
 * pattern/req.c: REQ: one request, then its reply, from the peer that was asked. RFC 28.
 *
 * On the wire a request has an empty frame in front; a reply without it, from another peer or without a request is dropped. The request
 * that was asked fails, with an error for the application and not in silence, when its peer goes away, or says that who
 * was to answer has (-ECONNRESET), or refuses it (-EACCES); the next one may then be sent.
 */
#include <errno.h>
#include <string.h>

#include "pattern/pattern.h"

enum req_state {
    REQ_MAY_ASK,
    REQ_PENDING, /* the request waits for a peer */
    REQ_ASKED,
    REQ_ANSWERED, /* the reply is in `received` */
    REQ_FAILED,
};

struct req {
    struct kith_pattern base;
    enum req_state state;
    struct kith_session *asked; /* one of the ready peers while ASKED */
    int error;                  /* while FAILED */
    bool correlated;            /* the request went out with its id in front */
    uint32_t id;                /* of the last request; octets to the peer, so their order is ours */
};

static void req_fail(struct req *req, int error) {
    req->state = REQ_FAILED;
    req->asked = NULL;
    req->error = error;
    req->base.host->received(&req->base);
}

static void req_sent(struct kith_pattern *pattern, struct kith_session *session) {
    struct req *req = (struct req *)pattern;
    req->state = REQ_ASKED;
    req->asked = session;
}

/* Of the requests that wait in a peer's queue only the last is of interest: those before it were given up (req-relaxed). */
static void req_forget_given_up(struct kith_session *session) {
    kith_list_foreach_safe (&session->queue, node)
        if (node->next != &session->queue)
            kith_msg_free(kith_list_entry(node, kith_msg, link));
}

static void req_detach(struct kith_pattern *pattern, struct kith_session *session) {
    struct req *req = (struct req *)pattern;
    if (req->asked != session)
        return;
    if (session->queued == 0) {
        req_fail(req, -ECONNRESET);
        return;
    }
    /* The request had not left yet: it goes to the next peer. */
    req->asked = NULL;
    req->state = REQ_PENDING;
    req_forget_given_up(session);
    kith_pattern_reclaim(pattern, session);
    kith_pattern_pump(pattern, req_sent);
}

/* The socket lets the peer go: no reply will come. */
static void req_forget(struct kith_pattern *pattern, struct kith_session *session) {
    struct req *req = (struct req *)pattern;
    if (req->asked != session)
        return;
    req->state = REQ_FAILED;
    req->asked = NULL;
    req->error = -ECONNRESET;
}

static void req_refused(struct kith_pattern *pattern, struct kith_session *session, int error) {
    struct req *req = (struct req *)pattern;
    if (req->state == REQ_ASKED && req->asked == session)
        req_fail(req, error);
    else if (req->state == REQ_PENDING && pattern->peer_count == 0 && pattern->sessions->connecting_count == 1) {
        /* The only peer there is does not want us: waiting for it would be for nothing. */
        (void)kith_msg_queue_free(&pattern->pending);
        pattern->pending_count = pattern->pending_octets = 0;
        req_fail(req, error);
    }
}

static void req_unsendable(struct kith_pattern *pattern, int error) {
    struct req *req = (struct req *)pattern;
    if (req->state == REQ_PENDING)
        req_fail(req, error);
}

/* Frames in front of the reply's body, or 0: it is not the reply. */
static size_t req_envelope(const struct req *req, const kith_msg *msg) {
    size_t empty = req->correlated ? 1 : 0;
    if (msg->count < empty + 2 || kith_msg_at(msg, empty)->slice.size != 0)
        return 0;
    const struct kith_frame *id = kith_msg_at(msg, 0);
    if (req->correlated && (id->slice.size != sizeof(req->id) || memcmp(kith_frame_data(id), &req->id, sizeof(req->id)) != 0))
        return 0;
    return empty + 1;
}

static void req_receive(struct kith_pattern *pattern, struct kith_session *session, kith_msg *msg) {
    struct req *req = (struct req *)pattern;
    if (req->state != REQ_ASKED || req->asked != session) {
        kith_pattern_drop(session, msg, "it answers no request of ours");
        return;
    }
    size_t envelope = req_envelope(req, msg);
    if (envelope == 0) {
        kith_pattern_drop(session, msg,
                          req->correlated ? "it does not begin with the request's id and an empty frame (req-correlate)"
                                          : "a reply has to begin with an empty frame");
        return;
    }
    kith_msg_drop(msg, envelope);
    req->state = REQ_ANSWERED;
    req->asked = NULL;
    kith_pattern_received(pattern, msg);
}

static int req_may_take(struct kith_pattern *pattern) {
    struct req *req = (struct req *)pattern;
    switch (req->state) {
    case REQ_MAY_ASK:
        return -EPROTO;
    case REQ_FAILED:
        req->state = REQ_MAY_ASK;
        return req->error;
    default:
        return 0;
    }
}

static void req_taken(struct kith_pattern *pattern, kith_msg *msg) {
    (void)msg;
    ((struct req *)pattern)->state = REQ_MAY_ASK;
}

/* req-relaxed: another request may be sent; what becomes of the one before is of no more interest. Its late reply, when the peer that was
 * asked is the same, is told from the new one by its id alone (req-correlate). */
static void req_give_up(struct req *req) {
    (void)kith_msg_queue_free(&req->base.received);
    if (req->state == REQ_PENDING) {
        (void)kith_msg_queue_free(&req->base.pending);
        req->base.pending_count = req->base.pending_octets = 0;
    }
    req->state = REQ_MAY_ASK;
    req->asked = NULL;
}

/* The envelope: an empty frame, and in front of it the request's id where that was asked for. Errors: -ENOMEM. */
static int req_wrap(struct req *req, kith_msg *msg, bool correlate) {
    int r = kith_msg_prepend(msg, NULL, 0);
    if (r < 0 || !correlate)
        return r;
    uint32_t id = req->id + 1;
    r = kith_msg_prepend(msg, &id, sizeof(id));
    if (r < 0)
        kith_msg_drop(msg, 1);
    return r;
}

static int req_send(struct kith_pattern *pattern, kith_msg *msg) {
    struct req *req = (struct req *)pattern;
    const int64_t *numbers = pattern->sessions->profile->numbers;
    if (req->state != REQ_MAY_ASK && numbers[KITH_OPTION_REQ_RELAXED] != 0)
        req_give_up(req);
    if (req->state != REQ_MAY_ASK)
        return -EPROTO;
    bool correlate = numbers[KITH_OPTION_REQ_CORRELATE] != 0;
    int r = req_wrap(req, msg, correlate);
    if (r < 0)
        return r;
    struct kith_session *session;
    r = kith_pattern_balance(pattern, msg, &session);
    if (r < 0) {
        kith_msg_drop(msg, correlate ? 2 : 1);
        return r;
    }
    req->correlated = correlate;
    req->id++;
    req->state = session ? REQ_ASKED : REQ_PENDING;
    req->asked = session;
    return 0;
}

static void req_pump(struct kith_pattern *pattern) {
    kith_pattern_pump(pattern, req_sent);
}

const struct kith_pattern_ops kith_pattern_req = {
    .name = "REQ",
    .size = sizeof(struct req),
    .probes = true,
    .kernel_use = KITH_KERNEL_ASKS,
    .detach = req_detach,
    .forget = req_forget,
    .refused = req_refused,
    .unsendable = req_unsendable,
    .pump = req_pump,
    .receive = req_receive,
    .may_take = req_may_take,
    .taken = req_taken,
    .send = req_send,
};

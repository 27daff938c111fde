/*
 * pattern/req.c: REQ: one request, then its reply, from the peer that was asked. RFC 28.
 *
 * On the wire a request has an empty frame in front; a reply without it, from another peer or without a request is dropped. The request
 * that was asked fails, with an error for the application and not in silence, when its peer goes away (-ECONNRESET) or refuses it
 * (-EACCES); the next one may then be sent.
 */
#include <errno.h>

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

static void req_refused(struct kith_pattern *pattern, struct kith_session *session) {
    struct req *req = (struct req *)pattern;
    if (req->state == REQ_ASKED && req->asked == session)
        req_fail(req, -EACCES);
    else if (req->state == REQ_PENDING && pattern->peer_count == 0 && pattern->sessions->connecting_count == 1) {
        /* The only peer there is does not want us: waiting for it would be for nothing. */
        (void)kith_msg_queue_free(&pattern->pending);
        pattern->pending_count = pattern->pending_octets = 0;
        req_fail(req, -EACCES);
    }
}

static void req_receive(struct kith_pattern *pattern, struct kith_session *session, kith_msg *msg) {
    struct req *req = (struct req *)pattern;
    if (req->state != REQ_ASKED || req->asked != session) {
        kith_pattern_drop(session, msg, "it answers no request of ours");
        return;
    }
    if (msg->count < 2 || kith_msg_at(msg, 0)->slice.size != 0) {
        kith_pattern_drop(session, msg, "a reply has to begin with an empty frame");
        return;
    }
    kith_msg_drop(msg, 1);
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

static int req_send(struct kith_pattern *pattern, kith_msg *msg) {
    struct req *req = (struct req *)pattern;
    if (req->state != REQ_MAY_ASK)
        return -EPROTO;
    int r = kith_msg_prepend(msg, NULL, 0);
    if (r < 0)
        return r;
    struct kith_session *session;
    r = kith_pattern_balance(pattern, msg, &session);
    if (r < 0) {
        kith_msg_drop(msg, 1);
        return r;
    }
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
    .detach = req_detach,
    .forget = req_forget,
    .refused = req_refused,
    .pump = req_pump,
    .receive = req_receive,
    .may_take = req_may_take,
    .taken = req_taken,
    .send = req_send,
};

/* session/acceptor.h: a bound endpoint: what it accepts becomes sessions of its host. */
#ifndef KITH_SESSION_ACCEPTOR_H
#define KITH_SESSION_ACCEPTOR_H

#include "session/session.h"

struct kith_acceptor {
    struct kith_session_host *host;
    struct kith_place *place; /* with the port that the kernel chose */
    const struct kith_link *link;
    kith_listener *listener;            /* of the links over streams */
    struct kith_inproc_listener *named; /* of the link inproc */
    struct kith_session *session;       /* of the link udp: there is one, and no listener */
    bool full;                          /* max-peers was reached and told */
    struct kith_list host_link;         /* of its socket */
};

/* Errors: those of the link, with text. */
int kith_acceptor_new(struct kith_session_host *host, const struct kith_endpoint *endpoint, struct kith_acceptor **ret_acceptor,
                      struct kith_error *ret_error);
/* Accepted peers stay; who only received here ends, which may call up. */
struct kith_acceptor *kith_acceptor_free(struct kith_acceptor *acceptor);

/* For links: may one more peer be accepted? Tells that it may not, once until it may again. Errors: -EUSERS. */
int kith_acceptor_admit(struct kith_acceptor *acceptor);
/* A peer was lost for want of something of ours. */
void kith_acceptor_tell_lost(struct kith_acceptor *acceptor, int error);
/* kith_link.listen and unlisten of the links over streams. */
int kith_acceptor_listen_stream(struct kith_acceptor *acceptor, const struct kith_endpoint *endpoint, struct kith_error *ret_error);
void kith_acceptor_unlisten_stream(struct kith_acceptor *acceptor);

#endif

/* session/acceptor.h: a bound endpoint: what it accepts becomes sessions of its host. */
#ifndef KITH_SESSION_ACCEPTOR_H
#define KITH_SESSION_ACCEPTOR_H

#include "session/session.h"

struct kith_acceptor {
    struct kith_session_host *host;
    struct kith_place *place; /* with the port that the kernel chose */
    kith_listener *listener;
    struct kith_session *session; /* of a transport that carries datagrams: there is one, and no listener */
    bool full;                    /* max-peers was reached and told */
    struct kith_list link;        /* of its socket */
};

/* Errors: those of kith_listener_new() and kith_session_new_bound(), with text. */
int kith_acceptor_new(struct kith_session_host *host, const struct kith_endpoint *endpoint, struct kith_acceptor **ret_acceptor,
                      struct kith_error *ret_error);
/* Accepted peers stay; who only received here ends, which may call up. */
struct kith_acceptor *kith_acceptor_free(struct kith_acceptor *acceptor);

#endif

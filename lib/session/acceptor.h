/* session/acceptor.h: a bound endpoint: what it accepts becomes sessions of its host. */
#ifndef KITH_SESSION_ACCEPTOR_H
#define KITH_SESSION_ACCEPTOR_H

#include "session/session.h"

struct kith_acceptor {
    struct kith_session_host *host;
    struct kith_place *place; /* with the port that the kernel chose */
    kith_listener *listener;
    bool full;             /* max-peers was reached and told */
    struct kith_list link; /* of its socket */
};

/* Errors: those of kith_listener_new(), with text. */
int kith_acceptor_new(struct kith_session_host *host, const struct kith_endpoint *endpoint, struct kith_acceptor **ret_acceptor,
                      struct kith_error *ret_error);
struct kith_acceptor *kith_acceptor_free(struct kith_acceptor *acceptor);

#endif

/*
 * socket/zap.h: the ZAP client of a socket (RFC 27): asks the handler of this process, whoever is bound at inproc://zeromq.zap.01, whether
 * a peer may come in, and passes the answer on to the session.
 */
#ifndef KITH_SOCKET_ZAP_H
#define KITH_SOCKET_ZAP_H

#include <stdbool.h>

#include "session/session.h"

struct kith_zap;

/* Is there a handler now? */
bool kith_zap_present(void);
/* Asks; the answer reaches the session later, with kith_session_authenticate(), unless its connection has ended by then. The client is
 * made with the first question, in *zap. Errors: -ENOMEM, -EMFILE, -ENFILE, -EAGAIN (the handler is far behind). */
int kith_zap_ask(struct kith_zap **zap, struct kith_session *session, const struct kith_credentials_shown *shown);
/* Open questions are not answered any more. NULL is allowed. Always NULL. */
struct kith_zap *kith_zap_free(struct kith_zap *zap);

#endif

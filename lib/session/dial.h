/*
 * session/dial.h: from a host name to a connection: the name is looked up, and its addresses are tried in turn until one answers.
 *
 * Exists while a session whose place has a name is CONNECTING, one a try, so that each try sees the addresses of today. Freeing it gives
 * the look-up up.
 */
#ifndef KITH_SESSION_DIAL_H
#define KITH_SESSION_DIAL_H

#include <stdbool.h>
#include <stddef.h>

struct kith_dial;
struct kith_session;

/* Begins: session->dial. The outcome comes later, as of kith_link.connect. Errors: those of kith_resolve_new(). */
int kith_dial_begin(struct kith_session *session);
/* The connection that was being made has failed with `error`: goes on to the next address. False: that was the last, or there is no dial;
 * `text` then says how it ended. */
bool kith_dial_next(struct kith_session *session, int error, char *text, size_t text_size);
struct kith_dial *kith_dial_free(struct kith_dial *dial);

#endif

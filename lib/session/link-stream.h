/* session/link-stream.h: what the links over a stream connection share: all but what the octets mean. */
#ifndef KITH_SESSION_LINK_STREAM_H
#define KITH_SESSION_LINK_STREAM_H

#include "session/acceptor.h"

int kith_link_stream_connect(struct kith_session *session);
/* One try at one address, instead of the connection before. Errors: those of kith_conn_new_connect(). */
int kith_link_stream_try(struct kith_session *session, const struct kith_address *address);
/* How long it may take; 0: no limit of ours. */
uint64_t kith_link_stream_connect_ms(const struct kith_session *session);
void kith_link_stream_flush(struct kith_session *session);
void kith_link_stream_set_reading(struct kith_session *session, bool reading);
bool kith_link_stream_taken(const struct kith_session *session);
void kith_link_stream_end(struct kith_session *session);
void kith_link_stream_close(struct kith_session *session);
void kith_link_stream_drop(struct kith_session *session);

/* A batch came: who wrote it is session->origin from here on; its descriptors are kept for the commands that
 * announce them, or refused. False: the session is not to be fed with it. */
bool kith_link_stream_heard(struct kith_session *session, kith_conn *conn, struct kith_batch *batch);
/* Is this connection still the one that the batch came from, and worth going on with? */
bool kith_link_stream_alive(const struct kith_session *session, const kith_conn *conn);

/* The callbacks of each link's connections. */
extern const struct kith_conn_ops kith_link_zmtp_conn_ops;
extern const struct kith_conn_ops kith_link_raw_conn_ops;

/* For those tables. */
void kith_link_stream_on_connected(kith_conn *conn, void *userdata);
void kith_link_stream_on_writable(kith_conn *conn, void *userdata);
void kith_link_stream_on_closed(kith_conn *conn, int error, void *userdata);

#endif

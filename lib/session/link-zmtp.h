/* session/link-zmtp.h: the way out of the link zmtp, as the operations of link.h. */
#ifndef KITH_SESSION_LINK_ZMTP_H
#define KITH_SESSION_LINK_ZMTP_H

#include "session/session.h"

void kith_link_zmtp_speak(struct kith_session *session);
bool kith_link_zmtp_carries_fds(const struct kith_session *session, size_t count);
int kith_link_zmtp_write(struct kith_session *session, const kith_msg *msg);
int kith_link_zmtp_command(struct kith_session *session, enum kith_session_command command, const void *octets, size_t size);
void kith_link_zmtp_refuse(struct kith_session *session, const char *reason);
int kith_link_zmtp_ping(struct kith_session *session, unsigned ttl_ms);
bool kith_link_zmtp_spoken(const struct kith_session *session);

#endif

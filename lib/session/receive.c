/* session/receive.c: what a link received, on its way to the owner: who pays for it, is it time to stop reading? */
#include <errno.h>
#include <string.h>

#include "session/session.h"

void kith_session_heard(struct kith_session *session) {
    session->heard_at = kith_loop_now(session->host->loop);
}

void kith_session_deliver(struct kith_session *session, kith_msg *msg) {
    if (session->state != KITH_SESSION_READY) {
        kith_msg_free(msg);
        return;
    }
    msg->account = kith_account_ref(session->account);
    session->counters.messages_in++;
    session->counters.octets_in += msg->size;
    if (msg->fds)
        session->counters.fds_in += kith_msg_fd_count(msg);
    session->host->ops->message(session, msg, session->host->userdata);
}

void kith_session_pass_over(struct kith_session *session, kith_msg *msg) {
    kith_msg_free(msg);
    if (session->state == KITH_SESSION_READY && session->link->passed_over)
        session->link->passed_over(session);
}

/* May the peer have that? It is told if not, where it understands that. */
static bool session_may_ask(struct kith_session *session, enum kith_session_command command, const void *octets, size_t size) {
    const struct kith_matter topic = {
        .topic = size > 0 ? octets : "", .topic_size = size, .topic_is_prefix = command == KITH_COMMAND_SUBSCRIBE};
    if (command != KITH_COMMAND_SUBSCRIBE && command != KITH_COMMAND_JOIN)
        return true;
    if (kith_session_judge(session, KITH_VERB_SUBSCRIBE, &topic))
        return true;
    if (session->state == KITH_SESSION_READY && session->link->refuse)
        session->link->refuse(session, KITH_DENIED "subscribe");
    return false;
}

void kith_session_commanded(struct kith_session *session, enum kith_session_command command, const void *octets, size_t size) {
    if (session->state == KITH_SESSION_READY && session->host->ops->command && session_may_ask(session, command, octets, size) &&
        session->state == KITH_SESSION_READY)
        session->host->ops->command(session, command, octets, size, session->host->userdata);
}

void kith_session_refused(struct kith_session *session, const char *reason) {
    bool handshake = session->state == KITH_SESSION_HANDSHAKE;
    bool died = !handshake && strncmp(reason, KITH_NO_REPLY, strlen(KITH_NO_REPLY)) == 0;
    int error = died ? -ECONNRESET : -EACCES;
    kith_session_tell(session, KITH_EVENT_REFUSED, error, 1, "the peer refused %s: %s",
                      handshake ? "the connection"
                      : died    ? "a request"
                                : "a message",
                      reason);
    if (session->state == KITH_SESSION_CLOSED)
        return;
    session->host->ops->refused(session, error, session->host->userdata);
    if (handshake)
        kith_session_fail(session, -EACCES, "refused by the peer");
}

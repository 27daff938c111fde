/* session/receive.c: what a link received, on its way to the owner: may it be sent, who pays for it, is it time to stop reading? */
#include <errno.h>
#include <string.h>

#include "session/session.h"

void kith_session_heard(struct kith_session *session) {
    session->heard_at = kith_loop_now(session->host->loop);
}

/* Does the policy let this origin do this? Emits the event if not. */
static bool session_judge(struct kith_session *session, enum kith_verb verb) {
    struct kith_verdict verdict = kith_policy_decide(session->host->policy, verb, session->origin);
    if (!verdict.allow)
        kith_session_tell_rule(session, verb, &verdict, 1, NULL, 0);
    return verdict.allow;
}

bool kith_session_judge_connect(struct kith_session *session) {
    return !session->host->policy || session_judge(session, KITH_VERB_CONNECT);
}

/* Asked again only when the origin or the policy has changed, or to have a denial told. */
bool kith_session_judge_send(struct kith_session *session) {
    if (!session->host->policy)
        return true;
    if (session->judged_origin == session->origin && session->judged_generation == session->host->policy_generation &&
        session->judged_allow)
        return true;
    session->judged_allow = session_judge(session, KITH_VERB_SEND);
    if (session->state == KITH_SESSION_CLOSED)
        return false;
    session->judged_origin = session->origin;
    session->judged_generation = session->host->policy_generation;
    return session->judged_allow;
}

void kith_session_deliver(struct kith_session *session, kith_msg *msg) {
    if (session->state != KITH_SESSION_READY) {
        kith_msg_free(msg);
        return;
    }
    msg->account = kith_account_ref(session->account);
    session->counters.messages_in++;
    session->counters.octets_in += msg->size;
    session->counters.fds_in += kith_msg_fd_count(msg);
    session->host->ops->message(session, msg, session->host->userdata);
}

void kith_session_pass_over(struct kith_session *session, kith_msg *msg) {
    kith_msg_free(msg);
    if (session->state == KITH_SESSION_READY && session->link->passed_over)
        session->link->passed_over(session);
}

void kith_session_commanded(struct kith_session *session, enum kith_session_command command, const void *octets, size_t size) {
    if (session->state == KITH_SESSION_READY && session->host->ops->command)
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

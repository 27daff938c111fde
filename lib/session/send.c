/*
 * session/send.c: messages and commands on their way to the link.
 *
 * A message goes straight to the link as long as that has room, otherwise it waits in the session's queue; the first message of the queue
 * may be written in part, frame by frame; a link that takes messages as they are (link.h) has no such parts. Commands that have to
 * wait are queued in a row (commands.h), which counts as one message.
 */
#include <errno.h>

#include "session/commands.h"
#include "session/session.h"

KITH_DEFINE_CLEANUP(kith_msg *, kith_msg_free)

/* Nothing of the first message was written: it may go another way. */
static bool session_untouched(const struct kith_session *session) {
    return session->sending_frame == 0 && !session->sending_header && !session->sending_fds;
}

bool kith_session_has_room(const struct kith_session *session) {
    if (session->queued == 0) /* no limit is 0 */
        return session->state == KITH_SESSION_READY;
    if (session->profile->numbers[KITH_OPTION_CONFLATE] != 0)
        return session->state == KITH_SESSION_READY; /* what waits makes room */
    return session->state == KITH_SESSION_READY && session->queued < (size_t)session->profile->numbers[KITH_OPTION_SEND_HWM] &&
           session->queued_octets < (size_t)session->profile->numbers[KITH_OPTION_SEND_HWM_BYTES];
}

bool kith_session_taken(const struct kith_session *session) {
    if (session->queued > 0)
        return false;
    if (session->state != KITH_SESSION_READY && session->state != KITH_SESSION_DRAINING)
        return true; /* nothing was sent */
    return session->link->spoken(session) && (!session->link->taken || session->link->taken(session));
}

/* With conflate a newer message takes the place of those that wait, but not of one that is written in part. */
static void session_conflate(struct kith_session *session) {
    kith_list_foreach_safe (&session->queue, node) {
        kith_msg *msg = kith_list_entry(node, kith_msg, link);
        if (msg->command != KITH_COMMAND_NONE || (node->prev == &session->queue && !session_untouched(session)))
            continue;
        session->queued--;
        session->queued_octets -= kith_msg_cost(msg);
        kith_msg_free(msg);
    }
}

static void session_enqueue(struct kith_session *session, kith_msg *msg) {
    if (session->queued > 0 && session->profile->numbers[KITH_OPTION_CONFLATE] != 0 && msg->command == KITH_COMMAND_NONE)
        session_conflate(session);
    kith_list_push_back(&session->queue, &msg->link);
    session->queued++;
    session->queued_octets += kith_msg_cost(msg);
    kith_session_queue_grew(session);
}

static int session_check_room(struct kith_session *session) {
    if (session->state != KITH_SESSION_READY)
        return -EPIPE;
    if (kith_session_has_room(session))
        return 0;
    session->starved = true;
    return -EAGAIN;
}

/* Descriptors that the peer does not take are its own affair, not the connection's: it is asked before anything is queued. */
static int session_check_fds(const struct kith_session *session, const kith_msg *msg) {
    if (!msg->fds)
        return 0;
    size_t count = kith_fds_count_there(msg->fds);
    return count == 0 || (session->link->carries_fds && session->link->carries_fds(session, count)) ? 0 : -EOPNOTSUPP;
}

/* Writes past an empty queue. 0: whole; 1: what is left of it has to be queued. Errors: nothing was written. */
static int session_write_now(struct kith_session *session, const kith_msg *msg) {
    if (session->queued > 0)
        return 1;
    int r = session->link->write(session, msg);
    if (r >= 0) {
        kith_session_count_sent(session, msg->size, kith_msg_fd_count(msg));
        return 0;
    }
    if (r != -EAGAIN && session_untouched(session))
        return r;
    if (r != -EAGAIN)
        kith_session_break(session, r);
    return 1;
}

/* The same for a link that takes messages. 0: it has taken it. */
static int session_give_now(struct kith_session *session, kith_msg *msg) {
    size_t octets = msg->size, fds = kith_msg_fd_count(msg);
    int r = session->queued > 0 ? -EAGAIN : session->link->take(session, msg);
    if (r == -EAGAIN)
        session_enqueue(session, msg);
    else if (r >= 0)
        kith_session_count_sent(session, octets, fds);
    return r == -EAGAIN ? 0 : r;
}

/* May it be sent to this peer, and now? What the policy denies is counted. */
static int session_check(struct kith_session *session, const kith_msg *msg) {
    int r = session_check_room(session);
    if (r >= 0)
        r = session_check_fds(session, msg);
    if (r >= 0 && session->host->policy && !kith_session_judge_receive(session, msg))
        r = -EACCES;
    return r;
}

int kith_session_send(struct kith_session *session, kith_msg *msg) {
    int r = session_check(session, msg);
    if (r < 0)
        return r;
    kith_msg_refund(msg);
    if (session->link->take)
        return session_give_now(session, msg);
    r = session_write_now(session, msg);
    if (r < 0)
        return r;
    if (r == 0)
        kith_msg_free(msg);
    else
        session_enqueue(session, msg); /* written in part, or behind others: it is ours from here on */
    return 0;
}

static int session_give_copy(struct kith_session *session, const kith_msg *msg) {
    _cleanup_(kith_msg_freep) kith_msg *copy = NULL;
    int r = kith_msg_copy(msg, &copy);
    if (r >= 0)
        r = session_give_now(session, copy);
    if (r >= 0)
        KITH_STEAL(copy);
    return r;
}

int kith_session_publish(struct kith_session *session, kith_msg *msg) {
    int r = session_check(session, msg);
    if (r < 0)
        return r;
    msg->published += msg->published < KITH_MSG_MANY;
    if (session->link->take)
        return session_give_copy(session, msg);
    r = session_write_now(session, msg);
    if (r <= 0)
        return r;
    kith_msg *copy;
    r = kith_msg_copy(msg, &copy);
    if (r >= 0)
        session_enqueue(session, copy);
    else if (!session_untouched(session))
        kith_session_break(session, r);
    return r;
}

/* Behind commands that wait at the end of the queue. False: there are none. */
static bool session_add_command(struct kith_session *session, const struct kith_command *command) {
    if (kith_list_empty(&session->queue))
        return false;
    kith_msg *last = kith_list_entry(session->queue.prev, kith_msg, link);
    size_t cost = kith_msg_cost(last);
    if (!kith_commands_add(last, command))
        return false;
    session->queued_octets += kith_msg_cost(last) - cost;
    return true;
}

int kith_session_command(struct kith_session *session, enum kith_session_command command, const void *octets, size_t size) {
    if (session->state != KITH_SESSION_READY)
        return -EPIPE;
    int r = session->queued > 0 ? -EAGAIN : session->link->command(session, command, octets, size);
    if (r != -EAGAIN)
        return r;
    const struct kith_command waiting = {.command = command, .octets = octets, .size = size};
    if (session_add_command(session, &waiting))
        return 0;
    kith_msg *msg;
    r = kith_commands_new(&waiting, &msg);
    if (r >= 0)
        session_enqueue(session, msg);
    return r;
}

/* Says a row's commands; what is left of it stays. */
static int session_send_commands(struct kith_session *session, kith_msg *msg) {
    struct kith_command command;
    int r = 0;
    while (r >= 0 && kith_commands_first(msg, &command)) {
        r = session->link->command(session, command.command, command.octets, command.size);
        if (r >= 0)
            kith_commands_drop_first(msg);
    }
    return r;
}

/* The first of the queue. What went is not counted any more; on 0 that is all of it, and it is gone. */
static int session_send_queued(struct kith_session *session, kith_msg *msg) {
    size_t cost = kith_msg_cost(msg), octets = msg->size, fds = kith_msg_fd_count(msg);
    bool commands = msg->command != KITH_COMMAND_NONE, takes = !commands && session->link->take;
    int r = commands ? session_send_commands(session, msg) : takes ? session->link->take(session, msg) : session->link->write(session, msg);
    if (r < 0) {
        session->queued_octets -= commands ? cost - kith_msg_cost(msg) : 0;
        return r;
    }
    session->queued--;
    session->queued_octets -= cost;
    kith_session_queue_shrank(session);
    if (!commands)
        kith_session_count_sent(session, octets, fds);
    if (!takes)
        kith_msg_free(msg);
    return r;
}

void kith_session_pump(struct kith_session *session) {
    while (session->queued > 0) {
        kith_session_speak(session); /* a PING behind a queue that is never empty would never go */
        int r = session_send_queued(session, kith_list_first(&session->queue, kith_msg, link));
        if (r < 0) {
            if (r != -EAGAIN)
                kith_session_break(session, r);
            return;
        }
    }
    kith_session_speak(session);
}

void kith_session_on_room(struct kith_session *session) {
    kith_session_ref(session);
    if (session->state == KITH_SESSION_DRAINING)
        kith_session_finish_drain(session);
    else
        kith_session_pump(session);
    if (session->starved && kith_session_has_room(session)) {
        session->starved = false;
        session->host->ops->writable(session, session->host->userdata);
    }
    kith_session_unref(session);
}

/*
 * session/link-inproc.c: another socket of this process, by a pipe (inproc/pipe.h): messages are handed over as they are, commands as
 * messages that say so.
 *
 * The handshake is one message each way, HELLO: socket type, routing id, metadata; after it an end is ready. A REFUSAL says why not, or
 * which message was denied. Policy is asked as everywhere, about this process: it is who connects, and who writes.
 *
 * Limits: what the owner has not taken of what the pipe delivered counts for the peer (inproc_held), so recv-hwm is exact.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "inproc/listener.h"
#include "session/acceptor.h"

KITH_DEFINE_CLEANUP(kith_msg *, kith_msg_free)

/* Beside those of sessions (enum kith_session_command), in kith_msg.command. */
enum {
    COMMAND_HELLO = 64, /* the name of the socket type, by its address: it is the library's own; routing id; names and values */
    COMMAND_REFUSAL,    /* the reason */
};

/* Out ---------------------------------------------------------------------------------------------------------------------- */

static int inproc_take(struct kith_session *session, kith_msg *msg) {
    return kith_pipe_write(session->pipe, msg);
}

/* Nothing is passed: they stay in this process. */
static bool inproc_carries_fds(const struct kith_session *session, size_t count) {
    (void)session;
    (void)count;
    return true;
}

static int inproc_command(struct kith_session *session, enum kith_session_command command, const void *octets, size_t size) {
    _cleanup_(kith_msg_freep) kith_msg *msg = NULL;
    int r = kith_msg_new(&msg);
    if (r >= 0)
        r = kith_msg_add(msg, octets, size);
    if (r < 0)
        return r;
    msg->command = (uint8_t)command;
    r = kith_pipe_write(session->pipe, msg);
    if (r >= 0)
        KITH_STEAL(msg);
    return r;
}

static void inproc_refuse(struct kith_session *session, const char *reason) {
    _cleanup_(kith_msg_freep) kith_msg *msg = NULL;
    int r = kith_msg_new(&msg);
    if (r >= 0)
        r = kith_msg_add(msg, reason, strlen(reason) + 1);
    if (r < 0)
        return;
    msg->command = COMMAND_REFUSAL;
    if (kith_pipe_say(session->pipe, msg) >= 0)
        KITH_STEAL(msg);
}

static int add_hello(const struct kith_session *session, kith_msg *msg) {
    const struct kith_profile *profile = session->profile;
    const char *type = session->host->socket_type;
    const struct kith_octets *id = &profile->octets[KITH_OPTION_ROUTING_ID];
    int r = kith_msg_add(msg, &type, sizeof(type));
    if (r >= 0)
        r = kith_msg_add(msg, id->data, id->size);
    for (size_t i = 0; i < profile->metadata_count && r >= 0; i++) {
        const struct kith_zmtp_property *property = &profile->metadata[i];
        r = kith_msg_add(msg, property->name, strlen(property->name) + 1);
        if (r >= 0)
            r = kith_msg_add(msg, property->value, property->size);
    }
    return r;
}

static int say_hello(struct kith_session *session) {
    _cleanup_(kith_msg_freep) kith_msg *msg = NULL;
    int r = kith_msg_new(&msg);
    if (r >= 0)
        r = add_hello(session, msg);
    if (r < 0)
        return r;
    msg->command = COMMAND_HELLO;
    r = kith_pipe_say(session->pipe, msg);
    if (r >= 0)
        KITH_STEAL(msg);
    /* The other end has gone already: its last word, a refusal maybe, is still to be read. */
    return r == -EPIPE ? 0 : r;
}

/* Who is at the other end: we are, in the thread of the other end's loop. A pid cannot be recycled while it asks. */
static int identify_us(struct kith_session *session) {
    struct kith_credentials credentials = {.pid = getpid(), .uid = getuid(), .gid = getgid()};
    struct kith_watch *watch;
    int r = kith_watch_get(&session->host->watches, credentials.pid, (int)syscall(SYS_pidfd_open, credentials.pid, 0), &watch);
    if (r < 0)
        return r;
    session->peer_watch = watch;
    r = kith_origin_new_credentials(&credentials, KITH_WITNESS_KERNEL_CONNECT, kith_watch_process(watch), &session->peer_origin);
    if (r >= 0)
        r = kith_origin_set_number(session->peer_origin, KITH_FACT_THREAD, (uint64_t)kith_pipe_peer_thread(session->pipe),
                                   KITH_WITNESS_KERNEL_CONNECT);
    if (r >= 0)
        session->origin = kith_origin_ref(session->peer_origin);
    return r;
}

static int inproc_begin(struct kith_session *session) {
    int r = identify_us(session);
    if (r < 0)
        return r;
    if (session->profile->numbers[KITH_OPTION_CONFLATE] != 0)
        kith_pipe_narrow(session->pipe, 1);
    bool allow = kith_session_judge_connect(session);
    if (session->state == KITH_SESSION_CLOSED)
        return 0;
    if (allow)
        return say_hello(session);
    inproc_refuse(session, kith_session_peer_denial(session));
    kith_session_dismiss(session);
    return 0;
}

/* In ----------------------------------------------------------------------------------------------------------------------- */

static int keep_claims(struct kith_session *session, const kith_msg *msg) {
    size_t id_size;
    const uint8_t *id = kith_msg_frame(msg, 1, &id_size);
    int r = id_size > 0 ? kith_session_claim(session, "Identity", id, id_size) : 0;
    for (size_t i = 2; i + 1 < kith_msg_count(msg) && r >= 0; i += 2) {
        size_t size;
        const uint8_t *value = kith_msg_frame(msg, i + 1, &size);
        r = kith_session_claim(session, (const char *)kith_msg_frame(msg, i, NULL), value, size);
    }
    if (r < 0)
        return r;
    kith_session_share_claims(session);
    return kith_session_set_routing_id(session, id, id_size);
}

static void greeted(struct kith_session *session, const kith_msg *msg) {
    const char *type;
    memcpy(&type, kith_msg_frame(msg, 0, NULL), sizeof(type));
    if (session->state != KITH_SESSION_HANDSHAKE)
        return;
    if (!kith_zmtp_compatible(session->host->socket_type, type)) {
        char reason[64];
        (void)snprintf(reason, sizeof(reason), "a %s socket does not talk with a %s", type, session->host->socket_type);
        kith_session_fail(session, -EPROTOTYPE, reason);
        return;
    }
    if (keep_claims(session, msg) < 0) {
        kith_session_fail(session, -ENOMEM, "out of memory in the handshake");
        return;
    }
    session->peer_type = type;
    kith_session_reached_ready(session);
}

static void refused(struct kith_session *session, const kith_msg *msg) {
    if (session->state == KITH_SESSION_HANDSHAKE || session->state == KITH_SESSION_READY)
        kith_session_refused(session, (const char *)kith_msg_frame(msg, 0, NULL));
}

/* Takes the message. */
static void receive(struct kith_session *session, kith_msg *msg) {
    const struct kith_frame *first = kith_msg_at(msg, 0);
    if (!kith_session_judge_send(session, kith_frame_data(first), first->slice.size, msg->size, msg->fds)) {
        kith_msg_free(msg);
        if (session->state == KITH_SESSION_READY)
            inproc_refuse(session, KITH_DENIED "send");
        return;
    }
    if (kith_msg_cost(msg) > (uint64_t)session->profile->numbers[KITH_OPTION_MAX_MESSAGE]) {
        kith_msg_free(msg);
        kith_session_fail(session, -EMSGSIZE, "a message exceeds max-message; raise the option if it is legitimate");
        return;
    }
    msg->routing_id = 0; /* it said which peer of the sender's, and is our pattern's to give */
    msg->origin = kith_origin_ref(session->origin);
    kith_session_deliver(session, msg);
}

static void inproc_on_message(struct kith_pipe *pipe, kith_msg *msg, void *userdata) {
    (void)pipe;
    struct kith_session *session = kith_session_ref(userdata);
    uint8_t command = msg->command;
    size_t size;
    kith_session_heard(session);
    const uint8_t *octets = kith_msg_frame(msg, 0, &size);
    if (command == KITH_COMMAND_NONE && session->state == KITH_SESSION_READY)
        receive(session, KITH_STEAL(msg));
    else if (command == COMMAND_HELLO)
        greeted(session, msg);
    else if (command == COMMAND_REFUSAL)
        refused(session, msg);
    else if (command != KITH_COMMAND_NONE)
        kith_session_commanded(session, (enum kith_session_command)command, octets, size);
    kith_msg_free(msg);
    kith_session_unref(session);
}

static void inproc_held(const struct kith_pipe *pipe, size_t *ret_messages, size_t *ret_octets, void *userdata) {
    (void)pipe;
    const struct kith_session *session = userdata;
    /* With conflate what is held makes room for what comes. */
    if (!session->account || session->profile->numbers[KITH_OPTION_CONFLATE] != 0)
        return;
    *ret_messages = session->account->messages;
    *ret_octets = session->account->octets;
}

static void inproc_on_opened(struct kith_pipe *pipe, void *userdata) {
    (void)pipe;
    kith_session_connected(userdata);
}

static void inproc_on_writable(struct kith_pipe *pipe, void *userdata) {
    (void)pipe;
    kith_session_on_room(userdata);
}

static void inproc_on_closed(struct kith_pipe *pipe, int error, void *userdata) {
    (void)pipe;
    kith_session_fail(userdata, error, error == 0 ? "closed by the peer" : kith_error_name(error));
}

static const struct kith_pipe_ops inproc_pipe_ops = {
    .opened = inproc_on_opened,
    .message = inproc_on_message,
    .held = inproc_held,
    .writable = inproc_on_writable,
    .closed = inproc_on_closed,
};

/* Life ---------------------------------------------------------------------------------------------------------------------- */

static struct kith_pipe_limits pipe_limits(const struct kith_session *session) {
    return (struct kith_pipe_limits){
        .messages = (size_t)session->profile->numbers[KITH_OPTION_RECV_HWM],
        .octets = (size_t)session->profile->numbers[KITH_OPTION_RECV_HWM_BYTES],
    };
}

static int inproc_connect(struct kith_session *session) {
    struct kith_pipe_limits limits = pipe_limits(session);
    bool wait = (session->profile->numbers[KITH_OPTION_RECONNECT_STOP] & KITH_RECONNECT_STOP_REFUSED) == 0;
    int r = kith_pipe_connect(session->host->loop, session->place->endpoint.name, wait, &limits, &inproc_pipe_ops, session, &session->pipe);
    if (r != -ECONNREFUSED)
        return r;
    kith_session_break(session, r); /* that nobody listens is told later, as with the others */
    return 0;
}

static int inproc_on_accept(struct kith_inproc_listener *listener, struct kith_pipe *pipe, void *userdata) {
    (void)listener;
    struct kith_acceptor *acceptor = userdata;
    struct kith_session *session;
    int r = kith_acceptor_admit(acceptor);
    if (r < 0)
        return r;
    r = kith_session_new(acceptor->host, acceptor->place, true, &session);
    if (r < 0) {
        kith_acceptor_tell_lost(acceptor, r);
        return r;
    }
    struct kith_pipe_limits limits = pipe_limits(session);
    session->pipe = pipe;
    kith_pipe_open(pipe, &limits, &inproc_pipe_ops, session);
    kith_session_connected(session);
    return 0;
}

static int inproc_listen(struct kith_acceptor *acceptor, const struct kith_endpoint *endpoint, struct kith_error *ret_error) {
    static const struct kith_inproc_listener_ops ops = {.accept = inproc_on_accept};
    int r = kith_place_new(endpoint, &acceptor->place);
    if (r >= 0)
        r = kith_inproc_listener_new(acceptor->host->loop, endpoint->name, &ops, acceptor, &acceptor->named);
    if (r == -EADDRINUSE)
        return kith_error_set(ret_error, r, "inproc://%s: another socket of this process has the name", endpoint->name);
    return r < 0 ? kith_error_set(ret_error, r, "inproc://%s: %s", endpoint->name, kith_error_name(r)) : 0;
}

static void inproc_unlisten(struct kith_acceptor *acceptor) {
    acceptor->named = kith_inproc_listener_free(acceptor->named);
}

static void inproc_flush(struct kith_session *session) {
    if (session->pipe)
        kith_pipe_flush(session->pipe);
}

static void inproc_set_reading(struct kith_session *session, bool reading) {
    if (session->pipe)
        kith_pipe_set_reading(session->pipe, reading);
}

static bool inproc_spoken(const struct kith_session *session) {
    (void)session;
    return true;
}

static void inproc_end(struct kith_session *session) {
    kith_pipe_drain(session->pipe);
}

static void inproc_close(struct kith_session *session) {
    session->pipe = kith_pipe_free(session->pipe);
}

const struct kith_link kith_link_inproc = {
    .name = "inproc",
    .listen = inproc_listen,
    .unlisten = inproc_unlisten,
    .connect = inproc_connect,
    .begin = inproc_begin,
    .take = inproc_take,
    .carries_fds = inproc_carries_fds,
    .command = inproc_command,
    .refuse = inproc_refuse,
    .flush = inproc_flush,
    .set_reading = inproc_set_reading,
    .spoken = inproc_spoken,
    .end = inproc_end,
    .close = inproc_close,
    .drop = inproc_close,
};

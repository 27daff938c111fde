/*
 * session/link.h: how a session reaches its peer: one table of operations a kind of link, one file each.
 *
 *   zmtp     a stream connection that carries ZMTP
 *   raw      a stream connection that carries octets of any protocol: STREAM
 *   inproc   a pipe to another socket of this process
 *   udp      a UDP socket: RADIO, DISH
 *   kernel   a channel of a kernel module
 *
 * A session (session.h) has states, queue, limits, times, policy and owner; a link has the connection. Its operations are called by the
 * session only, in the states that each names, and never call up from inside, with the exceptions that say so. What happens to a link comes
 * from the loop and is told with the functions at the end.
 */
#ifndef KITH_SESSION_LINK_H
#define KITH_SESSION_LINK_H

#include <stdbool.h>
#include <stddef.h>

#include <kith/msg.h>

struct kith_acceptor;
struct kith_endpoint;
struct kith_error;
struct kith_session;

/* What a socket says to a peer beside messages. */
enum kith_session_command {
    KITH_COMMAND_NONE, /* a message */
    KITH_COMMAND_SUBSCRIBE,
    KITH_COMMAND_CANCEL,
    KITH_COMMAND_JOIN,
    KITH_COMMAND_LEAVE,
};

struct kith_link {
    const char *name;
    /* Listens at the acceptor's endpoint: who comes becomes a session. Sets its place, as the kernel named it. Errors: with text. */
    int (*listen)(struct kith_acceptor *acceptor, const struct kith_endpoint *endpoint, struct kith_error *ret_error);
    /* Ends that; of an acceptor that is half built too. */
    void (*unlisten)(struct kith_acceptor *acceptor);
    bool one_way; /* nothing is heard of the peer: no handshake, no commands */
    /* CONNECTING: one try. The outcome comes later: kith_session_connected() or kith_session_fail(). Errors: that it cannot be tried. */
    int (*connect)(struct kith_session *session);
    /* HANDSHAKE: the connection is there. Opens the handshake; without one: kith_session_reached_ready(), which calls up. */
    int (*begin)(struct kith_session *session);
    /* READY, DRAINING: hands a message's frames from session->sending_frame on to the connection; it stays the caller's. 0: whole, and
     * sending_frame is 0 again. -EAGAIN: full (writable comes); frames before sending_frame are out. -EPIPE, -ENOMEM. */
    int (*write)(struct kith_session *session, const kith_msg *msg);
    /* The same for a link that hands messages over as they are: it takes the message when it returns 0. A link has the one or the other. */
    int (*take)(struct kith_session *session, kith_msg *msg);
    /* READY: may a message for this peer have so many descriptors, at least one? NULL: none. */
    bool (*carries_fds)(const struct kith_session *session, size_t count);
    /* READY, DRAINING, between messages: says a command. Errors: -EAGAIN, -EPIPE, -ENOMEM, -ENOTSUP (the link has no such thing). */
    int (*command)(struct kith_session *session, enum kith_session_command command, const void *octets, size_t size);
    /* Writes what the link has to say by itself (handshake, PONG), as far as there is room. NULL: nothing ever. */
    void (*speak)(struct kith_session *session);
    /* READY: queues a word about why the peer is refused: the whole peer, or one message. NULL: it is not told. */
    void (*refuse)(struct kith_session *session, const char *reason);
    /* READY: asks for a sign of life. Errors: -EOPNOTSUPP (the peer knows no such thing). NULL: the link needs none. */
    int (*ping)(struct kith_session *session, unsigned ttl_ms);
    /* Hands on what is queued now instead of when the loop goes idle. */
    void (*flush)(struct kith_session *session);
    /* Backpressure: false: nothing more is received. */
    void (*set_reading)(struct kith_session *session, bool reading);
    /* READY: the peer may forget messages up to this one, which this connection brought. Errors: -ERANGE (it did not), -ENOMEM. NULL: its
     * peers do not wait for that, and session->connection is 0. */
    int (*acknowledge)(struct kith_session *session, uint64_t sequence);
    /* READY, inside kith_session_deliver(): the application is not handed that message. NULL: its peers do not wait to hear of it. */
    void (*passed_over)(struct kith_session *session);
    /* DRAINING: is all that was written and said out of the link's own hands? */
    bool (*spoken)(const struct kith_session *session);
    /* Has the peer's kernel all that was written and said (kith_socket_taken())? NULL: what is written is the peer's. */
    bool (*taken)(const struct kith_session *session);
    /* DRAINING: nothing more will be written: sees to it that the peer has it all, then kith_session_fail(session, 0, ...). */
    void (*end)(struct kith_session *session);
    /* Closes the connection: nothing is told after this. Its memory stays until drop(), as reasons may lie in it. */
    void (*close)(struct kith_session *session);
    /* Frees all that the connection had; in any state, twice too. */
    void (*drop)(struct kith_session *session);
};

extern const struct kith_link kith_link_zmtp;
extern const struct kith_link kith_link_raw;
extern const struct kith_link kith_link_inproc;
extern const struct kith_link kith_link_udp;
extern const struct kith_link kith_link_kernel;

/* What links tell their session -------------------------------------------------------------------------------------- */

/* CONNECTING -> HANDSHAKE. Calls up. */
void kith_session_connected(struct kith_session *session);
/* HANDSHAKE -> READY, or refused by policy. Calls up. */
void kith_session_reached_ready(struct kith_session *session);
/* There is room for octets again: sends on. Calls up. */
void kith_session_on_room(struct kith_session *session);
/* Octets came from the peer. */
void kith_session_heard(struct kith_session *session);
/* The handshake begins: may whoever is session->origin be a peer? Tells the event if not. Afterwards the session may be closed. What cannot
 * be known yet is asked when the session is ready. */
bool kith_session_judge_connect(struct kith_session *session);
/* A whole message (taken), with origin. Calls up. */
void kith_session_deliver(struct kith_session *session, kith_msg *msg);
/* What a pattern does with a message, inside of that, that the application did not ask for (taken). */
void kith_session_pass_over(struct kith_session *session, kith_msg *msg);
/* A command. Calls up. */
void kith_session_commanded(struct kith_session *session, enum kith_session_command command, const void *octets, size_t size);
/* The peer's ERROR says this (behind it may come why) of a request that was handed on to somebody who has died. */
#define KITH_NO_REPLY "no reply will come"
/* The peer has refused us, or a message, for this reason. Calls up. */
void kith_session_refused(struct kith_session *session, const char *reason);
/* The connection is of no more use: tells the owner, then reconnects or closes. `why` is for the event. Calls up. */
void kith_session_fail(struct kith_session *session, int error, const char *why);

#endif

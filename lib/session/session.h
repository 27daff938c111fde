/*
 * session/session.h: one peer of a message socket: a link to it, the peer's origin, policy, and what it may cost.
 *
 * States:  idle -> connecting -> handshake -> ready -> (connecting session: waiting -> connecting ...; accepted session: closed)
 *                                              `-> draining -> closed
 *
 * - The owner (the socket) learns of a peer with ops->ready() and of its end with ops->gone(); between the two, and only then, the session
 * is handed messages to send.
 * - A session is refcounted: it is one of its host's `peers` while it is open. kith_session_close() ends it: no upcall follows. Every
 * upcall may close any session, the calling one too, so code that calls up holds a reference and looks at `state` afterwards.
 * - Identity: each receive has one writer. A message whose octets come from two writers has no sender: the connection is closed, by name
 * (KITH_EVENT_SPLIT_MESSAGE). So is a handshake: otherwise whoever may not connect could have the end of its greeting written by somebody
 * who may (its filler takes any octets, such as what a set-user-id program prints).
 * - Policy: judge.h says when it is asked for what. Nothing of a denied message is kept.
 */
#ifndef KITH_SESSION_SESSION_H
#define KITH_SESSION_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include <kith/event.h>
#include <kith/loop.h>
#include <kith/peer.h>
#include <kith/policy.h>

#include "base/list.h"
#include "inproc/pipe.h"
#include "loop/internal.h"
#include "msg/internal.h"
#include "session/judge.h"
#include "session/link.h"
#include "session/passing.h"
#include "session/place.h"
#include "session/profile.h"
#include "session/watch.h"
#include "stream/internal.h"
#include "transport/transport.h"
#include "zmtp/zmtp.h"

struct kith_session;
struct kith_session_host;

/* Ids up to this size lie in the session: those that a pattern gives, and most of those that people give. */
#define KITH_SHORT_ID 15

/* What a peer has shown in its handshake, by its mechanism (RFC 27). Lent. */
struct kith_credentials_shown {
    const char *mechanism;              /* "NULL", "PLAIN", "CURVE" */
    const uint8_t *username, *password; /* PLAIN, else NULL */
    size_t username_size, password_size;
    const uint8_t *public_key; /* CURVE, KITH_CURVE_KEY_SIZE octets, proved; else NULL */
};

/* What a session tells its owner. `userdata` is the host's. */
struct kith_session_ops {
    /* The handshake is done: the peer may be sent to. A negative errno refuses it: the owner has emitted an event that says why, the
     * session tells the peer and ends. */
    int (*ready)(struct kith_session *session, void *userdata);
    /* A whole message, with origin and account; the owner takes it, and charges it to the account if it has to wait. */
    void (*message)(struct kith_session *session, kith_msg *msg, void *userdata);
    /* A subscription or a group, taken or given back. */
    void (*command)(struct kith_session *session, enum kith_session_command command, const void *octets, size_t size, void *userdata);
    /* The policy is another one, and the peer stays: what it has subscribed to may be denied now. NULL: nothing to do. */
    void (*review)(struct kith_session *session, void *userdata);
    /* The handshake waits for kith_session_authenticate(), called from here or later. NULL: whoever shows credentials is refused. */
    void (*credentials)(struct kith_session *session, const struct kith_credentials_shown *shown, void *userdata);
    /* There is room in the queue after kith_session_send() had said -EAGAIN. */
    void (*writable)(struct kith_session *session, void *userdata);
    /* A session that was ready is no more. Messages that it had queued and not sent are in session->queue; what the owner leaves there is
     * dropped, with an event. */
    void (*gone)(struct kith_session *session, void *userdata);
    /* The peer refused us: all of us (handshake), or a message. error: -EACCES, or -ECONNRESET: it will not answer, as who had to has died.
     */
    void (*refused)(struct kith_session *session, int error, void *userdata);
    void (*event)(const struct kith_event *event, void *userdata);
    /* The last session has closed, whoever closed it. */
    void (*emptied)(void *userdata);
};

/* What a socket has to do with a channel of a kernel module. */
enum kith_kernel_use {
    KITH_KERNEL_NO_USE,
    KITH_KERNEL_RECEIVES,
    KITH_KERNEL_ANSWERS, /* receives requests; the reply begins with what the request began with */
    KITH_KERNEL_SENDS,
    KITH_KERNEL_ASKS, /* sends requests behind an envelope that ends with an empty frame */
};

/* What all sessions of one socket share. Embedded in the socket. */
struct kith_session_host {
    kith_loop *loop;
    const struct kith_session_ops *ops;
    void *userdata;
    const char *socket_type; /* as in READY: "REQ" */
    bool raw;                /* speaks no ZMTP over streams, and nothing but octets: STREAM */
    enum kith_kernel_use kernel_use;
    struct kith_profile *profile; /* for sessions made from now on */
    kith_policy *policy;          /* referenced, or NULL */
    uint64_t policy_generation;   /* counts changes of policy, so that sessions ask again; 0: there never was one */
    struct kith_judge_host judge;
    struct kith_watch_table watches;
    bool tells;                /* somebody listens to events: without that none is put together */
    struct kith_list peers;    /* sessions, by host_link */
    size_t accepted_count;     /* of them: accepted */
    size_t connecting_count;   /* of them: made by connecting */
    uint64_t last_peer;        /* numbers of connections up to this one are given */
    struct kith_counters past; /* of connections that are no more */
    struct kith_list high;     /* sessions of which HIGH_WATER is to be told, by high_link */
    struct kith_defer tell_high;
    size_t ring_count;    /* of peers: with rings (rings.h), or about to have some */
    kith_buffer *scratch; /* what comes out of rings, while it is looked at; NULL at first */
};

void kith_session_host_init(struct kith_session_host *host, kith_loop *loop, const struct kith_session_ops *ops, void *userdata,
                            const char *socket_type, struct kith_profile *profile);
/* Closes all sessions. */
void kith_session_host_deinit(struct kith_session_host *host);
/* judge.c: from now on that policy is asked. Calls nobody up; kith_session_host_review() is for those who are peers already. */
void kith_session_host_set_policy(struct kith_session_host *host, kith_policy *policy);
/* judge.c: ends the connections of peers that the policy does not let in any more, and has the owner look at what the others have asked
 * for (ops->review). Calls up: the host must be held. */
void kith_session_host_review(struct kith_session_host *host);

enum kith_session_state {
    KITH_SESSION_IDLE,
    KITH_SESSION_CONNECTING,
    KITH_SESSION_HANDSHAKE,
    KITH_SESSION_READY,
    KITH_SESSION_DRAINING, /* all is being sent; what arrives is dropped */
    KITH_SESSION_WAITING,  /* for the next try to connect */
    KITH_SESSION_CLOSED,
};

/* Who wrote, as far as telling two writers apart goes. */
struct kith_writer {
    bool known;
    pid_t pid;
    uid_t uid;
    gid_t gid;
};

static inline bool kith_writer_equal(const struct kith_writer *a, const struct kith_writer *b) {
    if (!a->known || !b->known)
        return a->known == b->known;
    return a->pid == b->pid && a->uid == b->uid && a->gid == b->gid;
}

struct kith_session {
    unsigned refs;
    enum kith_session_state state;
    struct kith_session_host *host; /* not to be used once closed: it may be gone */
    struct kith_list host_link;
    struct kith_list pattern_link; /* of the pattern, among its ready peers */
    struct kith_map_node id_node;  /* of the pattern, by routing id */
    void *pattern_data;            /* of the pattern, which frees it when it forgets the peer */
    struct kith_profile *profile;
    struct kith_place *place;

    const struct kith_link *link;
    kith_conn *conn;                 /* of the links over streams */
    struct kith_dial *dial;          /* of these: connecting to a name, or NULL */
    struct kith_zmtp *engine;        /* of the link zmtp */
    struct kith_rings *rings;        /* of the link zmtp: octets go through shared memory, or will; or NULL */
    struct kith_pipe *pipe;          /* of the link inproc */
    struct kith_udp *udp;            /* of the link udp */
    struct kith_kernel_link *kernel; /* of the link kernel */
    uint64_t connection;             /* in the receipts of its messages; 0: none are given */
    kith_timer *timer;               /* handshake, then heartbeat; or the next try to connect */
    unsigned tries;                  /* to connect since the last success */
    bool accepted;
    bool peer_is_libzmq; /* or looks like it: kith_zmtp_peer_is_libzmq() */
    bool high;           /* HIGH_WATER was told, and not half of what waited then is gone */
    bool dismissed;      /* draining this connection only: a connecting session goes on to its next try */
    bool mapped;         /* id_node is in a map */
    bool pass_pidfd;
    bool asking;         /* inside of ops->credentials() */
    bool waiting;        /* for kith_session_authenticate(): nothing is read meanwhile */
    bool skipping;       /* the unfinished message was denied: its frames are dropped */
    bool sending_fds;    /* the descriptors of the first message in queue are written */
    bool sending_header; /* the header of sending_frame is written too */
    bool peer_memfd;     /* the peer takes frames in descriptors */
    uint8_t peer_fds;    /* descriptors that the peer takes with a message */
    bool starved;        /* said -EAGAIN: writable is due */
    int broken;          /* kith_session_break() */

    uint64_t peer;                 /* the number of this connection, or of the next one; another one after each */
    struct kith_counters counters; /* of this connection; what is now is not in it (kith_session_counters()) */
    struct kith_list high_link;

    /* who */
    const char *peer_type;           /* its socket type, or NULL */
    struct kith_watch *peer_watch;   /* who made the connection; holds its process in the table */
    struct kith_watch *writer_watch; /* who wrote last */
    uint64_t peer_asked_at;          /* whether it has exec()ed, where the connection is all that is known of who writes */
    kith_origin *peer_origin;        /* who made the connection */
    kith_origin *origin;             /* of `writer`: who wrote last */
    struct kith_judge judge;         /* what the policy says of it */
    struct kith_writer writer;
    struct kith_claims *claims;
    char *key;               /* the peer's public key in Z85, which it has proved; NULL: none */
    char *user;              /* its name, which its password or a ZAP handler proved; NULL: none */
    uint8_t *routing_id;     /* as the peer said, or as the pattern gave it: short_id, or on the heap */
    uint8_t routing_id_size; /* 0: none */
    uint8_t short_id[KITH_SHORT_ID];
    uint32_t number; /* of the pattern, which knows the peer by it; a connecting session's stays across connections. 0: none */

    /* in */
    struct kith_account *account; /* of this connection */
    uint64_t memfd_taken;         /* octets of frames in descriptors that we have taken and not said so */
    struct kith_passing *passing; /* NULL: no descriptors have come */
    struct kith_slice held;       /* what came behind the credentials, while the owner decides */
    kith_msg *incoming;           /* frames of an unfinished message */
    uint64_t incoming_cost;       /* what it announced so far, frames that have not arrived included */
    uint64_t heard_at;            /* ns: the last octets */
    uint64_t pinged_at;           /* ns: our last PING, 0: answered or none */
    uint64_t peer_ttl_ms;

    /* out */
    struct kith_list queue; /* messages and commands waiting for room in the connection */
    size_t queued, queued_octets;
    uint64_t memfd_sent;  /* octets of frames in descriptors that the peer has not said it took */
    size_t sending_frame; /* of the first message in queue: frames before this one are written */
};

/* One of the host's peers, IDLE, with its link and no connection. Errors: -ENOMEM, -ECHILD. */
int kith_session_new(struct kith_session_host *host, struct kith_place *place, bool accepted, struct kith_session **ret_session);
/* Takes over an accepted descriptor (the caller's still on failure). Calls up. Errors: -ENOMEM, -EMFILE. */
int kith_session_new_accepted(struct kith_session_host *host, struct kith_place *place, kith_listener *listener, int fd);
/* Begins to connect, and again after each loss. The reference is the caller's: a link that has no handshake calls up inside, which may have
 * closed it. Errors: those of the link, -ENOMEM, -ECHILD. */
int kith_session_new_connecting(struct kith_session_host *host, struct kith_place *place, struct kith_session **ret_session);
struct kith_session *kith_session_ref(struct kith_session *session);
struct kith_session *kith_session_unref(struct kith_session *session);

/* Ends it at once, without an upcall. Idempotent. */
void kith_session_close(struct kith_session *session);
/* Sends what is queued, then ends without another upcall (events excepted): the owner has let go of it. A session that is not ready has
 * nothing queued and ends at once. */
void kith_session_drain(struct kith_session *session, int64_t deadline_ms);

/* Queues a message: 0 takes it. Errors: -EAGAIN (full: `writable` comes), -EPIPE (not ready), -EACCES (policy: receive), -EOPNOTSUPP (it
 * has descriptors, and the peer takes none, or not so many), -ENOMEM. */
int kith_session_send(struct kith_session *session, kith_msg *msg);
/* The same for one of many peers: the message stays the caller's, a copy (which shares large frames) is made only when it has to wait. */
int kith_session_publish(struct kith_session *session, kith_msg *msg);
/* Says a command, in its place among the messages; what has to wait is queued whatever the limits say, for it is our own socket that asks.
 * Errors: -EPIPE, -ENOMEM, -ENOTSUP (the link has no such thing). */
int kith_session_command(struct kith_session *session, enum kith_session_command command, const void *octets, size_t size);
bool kith_session_has_room(const struct kith_session *session);
/* Does nothing wait here, and has the peer's kernel all that was sent? */
bool kith_session_taken(const struct kith_session *session);
/* Hands queued octets to the kernel now instead of when the loop goes idle. */
void kith_session_flush(struct kith_session *session);

/* What has passed this connection so far, and what waits. */
void kith_session_counters(const struct kith_session *session, struct kith_counters *ret_counters);
/* The same of all that the host has and had. */
void kith_session_host_counters(const struct kith_session_host *host, struct kith_counters *ret_counters);
/* Ends the connection by the owner's will: the peer is told; calls up, gone() included. Errors: -ENOENT (there is none), -EOPNOTSUPP. */
int kith_session_kick(struct kith_session *session, const char *reason);
/* The same for another reason: `why` is for the peer, `text` for the event. In HANDSHAKE or READY. */
void kith_session_expel(struct kith_session *session, int error, const char *why, const char *text);

/* The answer to ops->credentials(), as a ZAP handler's (RFC 27): 200 lets the peer in; 300, 400 and 500 do not, and `why` (NULL with 200)
 * is for the event. A session that waits for no answer (any more) is left alone. */
void kith_session_authenticate(struct kith_session *session, unsigned status, const char *why);
/* The peer has proved that this is its name, by its password, or a ZAP handler says so: a fact of every origin of this connection. One that
 * is no text (a NUL in it) or is longer than 255 octets is none. Before kith_session_authenticate(). Errors: -ENOMEM. */
int kith_session_set_user(struct kith_session *session, const void *name, size_t size);
/* Somebody who was asked says this of the peer: kept among its claims under a name that no peer can claim itself, "zap:NAME". Before
 * kith_session_authenticate(). Errors: -ENOMEM. */
int kith_session_vouch(struct kith_session *session, const char *name, const void *value, size_t size);

/* Emits an event; `text` is made by printf and gets the peer's name in front. */
void kith_session_tell(struct kith_session *session, enum kith_event_type type, int error, uint64_t count, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* The same of what the counters have already, as it happened earlier. */
void kith_session_tell_late(struct kith_session *session, enum kith_event_type type, int error, uint64_t count, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* SUBSCRIBED, UNSUBSCRIBED. */
void kith_session_tell_topic(struct kith_session *session, enum kith_event_type type, const void *topic, size_t size);
/* The policy's verdict on `who` (NULL: who wrote last) was no, so many times. `topic` (NULL: none) is what a subscription was for. */
void kith_session_tell_rule(struct kith_session *session, kith_origin *who, enum kith_verb verb, const struct kith_verdict *verdict,
                            uint64_t count, const void *topic, size_t size);
/* "pid 812 uid 1000 (/usr/bin/foo)", "127.0.0.1:4711" */
void kith_session_describe(struct kith_session *session, char *text, size_t size);

/* Between the files of this room ----------------------------------------------------------------------------------- */

/* send.c */
void kith_session_pump(struct kith_session *session);
/* secure.c: may descriptors come and go over this connection? Not with CURVE: what is not in a sealed frame is not proved. */
bool kith_session_passes(const struct kith_session *session);
/* secure.c: mechanism and role by the profile; what is not asked for stays 0. */
void kith_session_security(const struct kith_session *session, struct kith_zmtp_options *options);
/* secure.c: the peer has shown its credentials. Calls up. */
void kith_session_shown(struct kith_session *session, const struct kith_zmtp_event *event);
/* secure.c: the peer has proved that this public key is its own: a fact of every origin of this connection. Errors: -ENOMEM. */
int kith_session_set_key(struct kith_session *session, const uint8_t *public_key);
/* link-zmtp.c: the engine goes on with what was held. Calls up. */
void kith_link_zmtp_go_on(struct kith_session *session);
/* secure.c: will the peer have proved a key or a name when the handshake is done, if it is let in? */
bool kith_session_proves(const struct kith_session *session);
/* identify.c: sets origin (and writer) for this batch. Errors: -ENOMEM. */
int kith_session_identify(struct kith_session *session, struct kith_sender *sender);
int kith_session_identify_peer(struct kith_session *session);
/* identify.c: does the process of this watch run another program than the one that was looked at? Asked now and then (exec-check). */
bool kith_session_execed(const struct kith_session *session, struct kith_watch *watch);
/* identify.c: who wrote last is from here on whose octets come through rings, by the connection. Errors: -ENOMEM. */
int kith_session_identify_rings(struct kith_session *session);
/* identify.c: does who wrote last run another program by now? Then it has another origin; or its rings end, and false. Asks no more often
 * than exec-check says. */
bool kith_session_look_again(struct kith_session *session);
void kith_session_forget(struct kith_session *session);
/* The peer claims this of itself. When all is said the origins that are known have it. Errors: -ENOMEM. */
int kith_session_claim(struct kith_session *session, const char *name, const void *value, size_t size);
void kith_session_share_claims(struct kith_session *session);
/* At most 255 octets. Errors: -ENOMEM. */
int kith_session_set_routing_id(struct kith_session *session, const void *id, size_t size);
/* identify.c: READY says who the peer claims to be, kept apart from what is known of it, and what it can do. Errors: -ENOMEM. */
int kith_session_keep_properties(struct kith_session *session, const struct kith_zmtp_event *event);
/* passing.c: a property of the peer's READY that says what it can do beyond the protocol. False: it is another. */
bool kith_session_take_feature(struct kith_session *session, const struct kith_zmtp_property *property);
/* counters.c: the host is new; nothing is counted yet. */
void kith_session_host_count(struct kith_session_host *host);
/* counters.c: what an event says has happened. */
void kith_counters_note(struct kith_counters *counters, enum kith_event_type type, uint64_t count);
/* counters.c: a connection is over: what it counted is the host's, and the next one has another number. */
void kith_session_settle_counters(struct kith_session *session);
/* A message of so many octets was handed to the connection. */
static inline void kith_session_count_sent(struct kith_session *session, uint64_t octets, size_t fds) {
    session->counters.messages_out++;
    session->counters.octets_out += octets;
    session->counters.fds_out += fds;
}
/* counters.c: the queue has become longer, or shorter. */
void kith_session_queue_grew(struct kith_session *session);
void kith_session_queue_shrank(struct kith_session *session);
/* event.c */
void kith_session_host_tell(struct kith_session_host *host, enum kith_event_type type, const char *endpoint, int error, uint64_t count,
                            const char *format, ...) __attribute__((format(printf, 6, 7)));
/* life.c: the timer of each state */
void kith_session_on_timer(kith_timer *timer, void *userdata);
void kith_session_schedule_heartbeat(struct kith_session *session);
/* life.c: PING came, with how long the peer may be silent (0: for ever). */
void kith_session_pinged(struct kith_session *session, uint64_t ttl_ms);
/* session.c */
const struct kith_link *kith_session_choose_link(const struct kith_session_host *host, const struct kith_endpoint *endpoint);
/* session.c: begins one try to connect. Errors: those of the link. */
int kith_session_connect(struct kith_session *session);
/* The connection cannot be written to any more (half a message is out): it fails with `error` in the loop's next step, not inside the
 * caller's call. */
void kith_session_break(struct kith_session *session, int error);
/* Sends what the link has to say (an ERROR), then ends this connection: a connecting session tries again later. Its owner does not know
 * of it, or has let go of it. */
void kith_session_dismiss(struct kith_session *session);
/* While DRAINING: sends on; when all is written the connection ends. */
void kith_session_finish_drain(struct kith_session *session);
void kith_session_speak(struct kith_session *session);

#endif

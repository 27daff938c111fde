/*
 * pattern/pattern.h: what a socket of a type does with its peers: whom a message goes to, what its envelope is, whose turn it is.
 *
 * One table of operations a pattern; what they share (ready peers, round robin, the queue of received messages, messages waiting for a
 * first peer) is here, once. A pattern knows sessions and messages, nothing of sockets: it tells its socket through kith_pattern_host.
 *
 * Queues: a received message waits in `received` until the application takes it and is charged to its peer meanwhile. A message to be sent
 * when no peer is ready waits in `pending` (only when one is being connected to), as do the unsent messages of a peer that was lost.
 */
#ifndef KITH_PATTERN_PATTERN_H
#define KITH_PATTERN_PATTERN_H

#include "session/session.h"

struct kith_pattern;

struct kith_pattern_ops {
    const char *name; /* the Socket-Type */
    size_t size;      /* of the structure that begins with struct kith_pattern */
    bool raw;         /* its peers speak no ZMTP */
    bool sends_only;  /* its application receives nothing: -ENOTSUP */
    bool probes;      /* the option probe-router is for it */
    bool single;      /* its messages have one frame: others are not sent (-EINVAL), and dropped when they come */
    /* Over UDP, which carries nothing else: it is connected and sends; it is bound and receives. */
    bool sends_datagrams, receives_datagrams;
    enum kith_kernel_use kernel_use;
    /* NULL: all zero is right. Errors: -ENOMEM. */
    int (*init)(struct kith_pattern *pattern);
    void (*deinit)(struct kith_pattern *pattern);
    /* A peer is ready: take it in, or refuse it with a negative errno after an event. NULL: everybody is welcome. */
    int (*attach)(struct kith_pattern *pattern, struct kith_session *session);
    /* It was taken in, and may be sent to. NULL: nothing to do. */
    void (*attached)(struct kith_pattern *pattern, struct kith_session *session);
    /* It was lost. Its unsent messages are in session->queue: may be moved to `pending`. NULL: forget() is enough. */
    void (*detach)(struct kith_pattern *pattern, struct kith_session *session);
    /* Takes it out of what the pattern knows peers by. NULL: nothing to do. */
    void (*forget)(struct kith_pattern *pattern, struct kith_session *session);
    /* Sends what is pending, because a peer has come or has room. NULL: nothing ever is. */
    void (*pump)(struct kith_pattern *pattern);
    /* The peer refused a message of ours (or all of us: then detach follows), error as in kith_session_ops. NULL: nobody minds. */
    void (*refused)(struct kith_pattern *pattern, struct kith_session *session, int error);
    /* A message that waited was dropped: -EOPNOTSUPP: no peer takes its descriptors; -EACCES: none may have it. NULL: nobody minds, and
     * what none may have waits on. */
    void (*unsendable)(struct kith_pattern *pattern, int error);
    /* A peer is being connected to, which is known by a number from now on: gives session->number. NULL: -ENOTSUP. */
    void (*expect)(struct kith_pattern *pattern, struct kith_session *session);
    /* A message came: queue it with kith_pattern_received(), or free it. */
    void (*receive)(struct kith_pattern *pattern, struct kith_session *session, kith_msg *msg);
    /* The peer subscribed, cancelled, joined or left. NULL: it is ignored. */
    void (*command)(struct kith_pattern *pattern, struct kith_session *session, enum kith_session_command command, const void *octets,
                    size_t size);
    /* The policy is another one: takes back what the peer has subscribed to or joined and may not any more. NULL: nothing to do. */
    void (*review)(struct kith_pattern *pattern, struct kith_session *session);
    /* The application does. NULL: -ENOTSUP. Errors as kith_socket_subscribe(). */
    int (*ask)(struct kith_pattern *pattern, enum kith_session_command command, const void *octets, size_t size);
    /* May the application take a message now? Errors: -EPROTO (not its turn), or what became of
     * a request. NULL: always. */
    int (*may_take)(struct kith_pattern *pattern);
    /* The message is handed to the application: the last touch. NULL: as it is. */
    void (*taken)(struct kith_pattern *pattern, kith_msg *msg);
    /* Takes the message on 0. NULL: -ENOTSUP. Errors as kith_socket_send(). */
    int (*send)(struct kith_pattern *pattern, kith_msg *msg);
    /* How many peers are sent what has this topic, or group. NULL: -ENOTSUP. */
    size_t (*audience)(struct kith_pattern *pattern, const void *topic, size_t size);
    /* The peer with this routing id, or NULL. NULL: its peers are not known by one. */
    struct kith_session *(*find)(struct kith_pattern *pattern, const void *id, size_t size);
    /* Hands what the last message brought about to the kernel. NULL: it went to `last`. */
    void (*flush)(struct kith_pattern *pattern);
};

/* What a pattern tells its socket. */
struct kith_pattern_host {
    /* May take a message before it is queued: true: it did. Only when nothing waits in front of it. */
    bool (*take)(struct kith_pattern *pattern, kith_msg *msg);
    /* `received` has become longer, or what may be taken has changed. */
    void (*received)(struct kith_pattern *pattern);
};

struct kith_pattern {
    const struct kith_pattern_ops *ops;
    const struct kith_pattern_host *host;
    struct kith_session_host *sessions;
    struct kith_list peers; /* ready sessions, by pattern_link; the next to be sent to is the first */
    size_t peer_count;
    struct kith_list received; /* messages for the application */
    struct kith_list pending;  /* messages for a peer that is yet to come */
    size_t pending_count, pending_octets;
    struct kith_session *last; /* whom the last message was given to, or NULL: to be flushed by a blocking send */
};

extern const struct kith_pattern_ops kith_pattern_req;
extern const struct kith_pattern_ops kith_pattern_rep;
extern const struct kith_pattern_ops kith_pattern_dealer;
extern const struct kith_pattern_ops kith_pattern_router;
extern const struct kith_pattern_ops kith_pattern_pub;
extern const struct kith_pattern_ops kith_pattern_sub;
extern const struct kith_pattern_ops kith_pattern_xpub;
extern const struct kith_pattern_ops kith_pattern_xsub;
extern const struct kith_pattern_ops kith_pattern_push;
extern const struct kith_pattern_ops kith_pattern_pull;
extern const struct kith_pattern_ops kith_pattern_pair;
extern const struct kith_pattern_ops kith_pattern_stream;
extern const struct kith_pattern_ops kith_pattern_client;
extern const struct kith_pattern_ops kith_pattern_server;
extern const struct kith_pattern_ops kith_pattern_radio;
extern const struct kith_pattern_ops kith_pattern_dish;
extern const struct kith_pattern_ops kith_pattern_scatter;
extern const struct kith_pattern_ops kith_pattern_gather;
extern const struct kith_pattern_ops kith_pattern_peer;
extern const struct kith_pattern_ops kith_pattern_channel;

int kith_pattern_new(const struct kith_pattern_ops *ops, const struct kith_pattern_host *host, struct kith_session_host *sessions,
                     struct kith_pattern **ret_pattern);
struct kith_pattern *kith_pattern_free(struct kith_pattern *pattern);

/* Called by the socket for its sessions. */
int kith_pattern_attach(struct kith_pattern *pattern, struct kith_session *session);
void kith_pattern_detach(struct kith_pattern *pattern, struct kith_session *session);
/* The socket closes or drains this session itself: the pattern forgets it, without a word about its queue. */
void kith_pattern_let_go(struct kith_pattern *pattern, struct kith_session *session);
/* The next message for the application: 0, -EAGAIN (none), or what may_take() said. */
int kith_pattern_take(struct kith_pattern *pattern, kith_msg **ret_msg);
int kith_pattern_send(struct kith_pattern *pattern, kith_msg *msg);
/* Hands what the last message brought about to the kernel now instead of when the loop goes idle. */
void kith_pattern_flush(struct kith_pattern *pattern);
/* A message of a peer (taken). */
void kith_pattern_receive(struct kith_pattern *pattern, struct kith_session *session, kith_msg *msg);
/* Gives the peer that is being connected to its number. Errors: -ENOTSUP. */
int kith_pattern_expect(struct kith_pattern *pattern, struct kith_session *session);
void kith_pattern_command(struct kith_pattern *pattern, struct kith_session *session, enum kith_session_command command, const void *octets,
                          size_t size);
int kith_pattern_ask(struct kith_pattern *pattern, enum kith_session_command command, const void *octets, size_t size);

/* For the patterns ------------------------------------------------------------------------------------------------------ */

/* Hands it to the application, or queues it for it and charges it to its peer; with conflate the one before it of the same peer goes. */
void kith_pattern_received(struct kith_pattern *pattern, kith_msg *msg);
/* A message of one frame that says something of this peer, to be received. Errors: -ENOMEM. */
int kith_pattern_new_msg(struct kith_session *session, const void *data, size_t size, kith_msg **ret_msg);
/* Sends a message of one frame to this peer, if it has room. */
void kith_pattern_say(struct kith_session *session, const void *data, size_t size);
/* Frees a message that does not fit the pattern, with an event that says why. */
void kith_pattern_drop(struct kith_session *session, kith_msg *msg, const char *why);
/* May this peer (NULL: it has gone) be sent to now? Errors: -EHOSTUNREACH, -EAGAIN (`writable` comes). */
int kith_pattern_check_room(struct kith_session *session);
/* Sends to the next ready peer with room, round robin; without any ready peer, and while one is being connected to, keeps the message in
 * pending. *ret_session (may be NULL): whom it went to, NULL when pending. Errors: -EAGAIN, -ENOMEM. */
int kith_pattern_balance(struct kith_pattern *pattern, kith_msg *msg, struct kith_session **ret_session);
/* Moves a lost peer's unsent messages in front of pending. */
void kith_pattern_reclaim(struct kith_pattern *pattern, struct kith_session *session);
/* Sends pending messages to peers that have room now. The pattern is told of each by `sent` (may be NULL). */
void kith_pattern_pump(struct kith_pattern *pattern, void (*sent)(struct kith_pattern *pattern, struct kith_session *session));
/* Operations of patterns that do just that. */
void kith_pattern_balance_detach(struct kith_pattern *pattern, struct kith_session *session);
void kith_pattern_balance_pump(struct kith_pattern *pattern);
int kith_pattern_balance_send(struct kith_pattern *pattern, kith_msg *msg);
/* receive of patterns that only send. */
void kith_pattern_receives_nothing(struct kith_pattern *pattern, struct kith_session *session, kith_msg *msg);
/* receive of patterns that hand messages on as they come. */
void kith_pattern_receives_all(struct kith_pattern *pattern, struct kith_session *session, kith_msg *msg);

#endif

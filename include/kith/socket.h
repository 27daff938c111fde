/*
 * kith/socket.h: message sockets that speak ZMTP 3.1, so that every ZeroMQ program is a peer; every received message has its origin.
 *
 * A socket lives on a loop and makes progress while the loop runs: there is no hidden thread. Two styles:
 *  - callbacks: kith_socket_set_handler(), then run the loop;
 *  - blocking: kith_socket_send() and kith_socket_recv(), which drive the loop until they are done or timed out.
 *    kith_loop_stop(), which signal handlers and other threads may call, ends a blocking call with -ECANCELED; a signal handler alone
 *    does not.
 * Both may be mixed; with a message handler set, received messages go to it and kith_socket_recv() is -EINVAL.
 *
 * Threads: a socket belongs to its loop's thread, unless the loop has one of its own (kith_loop_thread()): then any thread may call any
 * function, several may send and receive on one socket, and received messages may be read and freed anywhere, also after the socket and the
 * loop. Each message goes to one of those that receive, to who waits longest first. Callbacks run in whichever thread drives the loop. A
 * socket may be freed while other threads wait on it: they return -ESHUTDOWN; that is the last that may be done with it.
 *
 * Patterns: ZeroMQ's, by their RFCs: 28 (REQ, REP, DEALER, ROUTER), 29 (PUB, SUB, XPUB, XSUB), 30 (PUSH, PULL), 31 (PAIR), 41 (CLIENT,
 * SERVER), 48 (RADIO, DISH), 49 (SCATTER, GATHER), 51 (PEER), 52 (CHANNEL); and STREAM, which speaks no ZMTP.
 *  - ROUTER: frame 0 of a received message is the peer's routing id; frame 0 of a sent one says whom to send to.
 *  - REQ: send and receive alternate (-EPROTO otherwise); when the peer that was asked goes away before it replied, receiving
 *    gives -ECONNRESET and the next request may be sent.
 *  - REP: receive and send alternate.
 *  - PUB, XPUB: to every peer with a subscription that the first frame begins with; a peer that is full loses the message, and an event
 *    says how many it lost. SUB receives what kith_socket_subscribe() asked for. XPUB receives its peers' subscriptions as messages of one
 *    frame, 01 and the topic, and cancels, 00 and the topic; XSUB subscribes and cancels by sending such. What else an XSUB sends, an XPUB
 *    receives.
 *  - PUSH, SCATTER, DEALER, CLIENT: to the next peer with room; PULL, GATHER, DEALER, CLIENT: from all, in turn.
 *  - PAIR, CHANNEL: one peer at a time; another one is refused.
 *  - SERVER, PEER: a received message has its peer's routing id (kith_msg_routing_id()), a sent one says with it whom it is for. A full
 *    peer, and one that a PEER connects to and that is away, is waited for (-EAGAIN).
 *  - RADIO: a message has a group (kith_msg_set_group(), "" at first) and goes to the peers that have joined it; sending never waits: a
 *    full peer loses the message, by an event. DISH: joins groups (kith_socket_join()) and receives.
 *  - Messages of CLIENT, SERVER, PEER, SCATTER, GATHER, CHANNEL, RADIO and DISH have one frame: others are -EINVAL, and dropped by an event
 *    when they come.
 *  - STREAM: octets of any stream peer: frame 0 is a routing id, frame 1 octets; an empty frame 1 received means that the peer came or
 *    went, sent it ends the connection.
 *
 * Endpoints:
 *  - ipc://PATH, ipc://@NAME (abstract); to bind, the path "*": an abstract name that the kernel makes up.
 *  - tcp://HOST:PORT. To connect, a host is a number or a name, which is looked up with each try (kith/resolve.h), and its addresses are
 *    tried in turn until one answers; connect-timeout is for each. To bind, it is a number, "*" (any IPv4 address), [::] (any address of
 *    both families, unless ipv6-only) or an interface, whose address is looked up once; and a port of 0 or * is any free one.
 *  - vsock://CID:PORT, between a virtual machine and its host; to bind, * is any context id that this machine has, and any free port.
 *  - inproc://NAME (1 to 255 octets): sockets of this process, on the same loop or on loops of other threads. Names are the process's, the
 *    one thing in libkith that is; a forked child has its own. Who connects first waits until the name is bound. The sender of a message
 *    is this process (witness kernel-connect); not for STREAM. Messages are handed over as they are; what a thread must not share is
 *    copied. A body of adopted memory (kith_buffer_new_take()) is let go of in the thread that sent it.
 *  - udp://HOST:PORT, udp://GROUP:PORT, udp://INTERFACE;GROUP:PORT, where a RADIO connects and a DISH binds: nothing is waited for or told
 *    between them, a message is one datagram to whoever is bound there, and everyone who sends is asked about at the policy, for both
 *    verbs, with each. INTERFACE is a name or an address of it. What does not fit into a datagram (65507 octets with the group and one
 *    more), and what the kernel says that it dropped or could not deliver, is KITH_EVENT_DROPPED.
 *  - kernel://CHANNEL, a channel of a module that uses kith.ko (docs/kernel.md), to connect to; that there is none yet is not an error.
 *    SUB, PULL and GATHER receive its messages, REP also answers what the module asks; PUSH and SCATTER send to the module, REQ gets its
 *    answer. Messages have one frame, of at most 61440 octets, and the kernel's word for which module sent them (KITH_FACT_MODULE). A
 *    message that the module refuses is KITH_EVENT_REFUSED with its reason. Sending runs the module's code in the calling thread.
 *  - kernel://bpf:PATH, a BPF ring buffer that is pinned at PATH: SUB, PULL and GATHER receive its records.
 */
#ifndef KITH_SOCKET_H
#define KITH_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kith/error.h>
#include <kith/event.h>
#include <kith/loop.h>
#include <kith/msg.h>
#include <kith/option.h>
#include <kith/origin.h>
#include <kith/peer.h>
#include <kith/policy.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kith_socket kith_socket;

enum kith_socket_type {
    KITH_REQ,
    KITH_REP,
    KITH_DEALER,
    KITH_ROUTER,
    KITH_PUB,
    KITH_SUB,
    KITH_XPUB,
    KITH_XSUB,
    KITH_PUSH,
    KITH_PULL,
    KITH_PAIR,
    KITH_STREAM,
    KITH_CLIENT,
    KITH_SERVER,
    KITH_RADIO,
    KITH_DISH,
    KITH_SCATTER,
    KITH_GATHER,
    KITH_PEER,
    KITH_CHANNEL,
};

/* "REQ", ...; NULL for an unknown one. */
KITH_PUBLIC const char *kith_socket_type_name(enum kith_socket_type type);
/* The type of that name, in any case. Errors: -EINVAL. */
KITH_PUBLIC int kith_socket_type_find(const char *name, enum kith_socket_type *ret_type);

/* May it send, may it receive, by its type (a SUB only receives)? */
KITH_PUBLIC enum kith_socket_type kith_socket_type_of(const kith_socket *socket);
KITH_PUBLIC bool kith_socket_sends(const kith_socket *socket);
KITH_PUBLIC bool kith_socket_receives(const kith_socket *socket);

/* Errors: -EINVAL, -ENOMEM, -ECHILD, -ESHUTDOWN. */
KITH_PUBLIC int kith_socket_new(kith_loop *loop, enum kith_socket_type type, kith_socket **ret_socket);
/* Closes at once: what is not sent yet is lost. No callback follows. NULL is allowed. Always NULL. */
KITH_PUBLIC kith_socket *kith_socket_free(kith_socket *socket);
/* Gives the socket up: no callback follows and the pointer is not to be used any more; what was accepted for sending is still sent, as the
 * loop runs, for at most the option linger (-1: as long as it takes), also to a peer that is yet to come at a connected endpoint. Then the
 * socket frees itself. To see it through, drive the loop, or use kith_socket_drain() before. NULL is allowed. Always NULL. */
KITH_PUBLIC kith_socket *kith_socket_close(kith_socket *socket);
/* Stops listening and reconnecting, drives the loop until all that was accepted for sending is handed to the kernel and the peers took it,
 * or timeout_ms passed (-1: no limit; 0: one step of the loop). That a peer took it is known by its closing when it has read our end, so a
 * peer that does not run its loop any more is waited for. Returns 0, -ETIMEDOUT, or -ENOTCONN (messages wait for a peer and none can
 * come any more). Errors: -EBUSY (inside a callback), -ECANCELED, -ECHILD, -ESHUTDOWN. The socket must still be freed. */
KITH_PUBLIC int kith_socket_drain(kith_socket *socket, int timeout_ms);

/* Listens at an endpoint. May be called several times. Errors: -EINVAL (malformed endpoint), -EPROTONOSUPPORT (unknown transport),
 * -EADDRINUSE, -EACCES, ...: with text. */
KITH_PUBLIC int kith_socket_bind(kith_socket *socket, const char *endpoint, struct kith_error *ret_error);
/* Connects to an endpoint, now and again after each loss, with backoff. That nobody listens yet is not an error. Errors as bind. */
KITH_PUBLIC int kith_socket_connect(kith_socket *socket, const char *endpoint, struct kith_error *ret_error);
/* PEER: the same, and says what the peer's messages will have as their routing id, and messages for it need: at once, and for as long as
 * the endpoint is connected to, however often the connection is lost. A message for a peer that is not there waits (-EAGAIN). Errors also:
 * -ENOTSUP (another type). */
KITH_PUBLIC int kith_socket_connect_peer(kith_socket *socket, const char *endpoint, uint32_t *ret_routing_id, struct kith_error *ret_error);
/* Ends what kith_socket_bind() began: stops listening; peers that are connected stay. The endpoint is as
 * kith_socket_last_endpoint() told it, or as it was given, if that had no wildcard in it. Errors: -ENOENT (not bound there), -ECHILD,
 * -ESHUTDOWN. */
KITH_PUBLIC int kith_socket_unbind(kith_socket *socket, const char *endpoint);
/* Ends what kith_socket_connect() began: what is queued for that peer is still sent within linger, then the connection is closed. Errors:
 * as kith_socket_unbind(). */
KITH_PUBLIC int kith_socket_disconnect(kith_socket *socket, const char *endpoint);
/* Is this an endpoint to bind (`listening`), or to connect to? Nothing is opened and no name looked up. Errors: -EINVAL, -EPROTONOSUPPORT,
 * -ENAMETOOLONG, with text. */
KITH_PUBLIC int kith_endpoint_check(const char *endpoint, bool listening, struct kith_error *ret_error);
/* Have the peers' kernels all that was accepted for sending? TCP: acknowledged it; ipc://: the peer has read it; inproc://: it is in the
 * peer's queue; vsock://, udp://: it is handed to the kernel. Nothing tells when it becomes so: ask again. What a peer that was lost did
 * not take is not waited for: KITH_EVENT_DISCONNECTED was told of it. */
KITH_PUBLIC bool kith_socket_taken(const kith_socket *socket);
/* The last endpoint bound, with the port that the kernel chose; or the last one connected to; NULL at first. Valid until the next bind or
 * connect. */
KITH_PUBLIC const char *kith_socket_last_endpoint(const kith_socket *socket);
/* Peers whose handshake is done. */
KITH_PUBLIC size_t kith_socket_peer_count(const kith_socket *socket);

/* Calls `fn` for every connection there is and is being made (kith/peer.h). It may do anything, also end peers and free the socket; who
 * comes meanwhile is not told, who has gone neither. A return value other than 0 ends the round and is returned. Errors: -ENOMEM, -ECHILD,
 * -ESHUTDOWN. */
KITH_PUBLIC int kith_socket_peers(kith_socket *socket, int (*fn)(kith_socket *socket, const struct kith_peer_info *info, void *userdata),
                                  void *userdata);
/* What all peers have cost, those that have gone included. */
KITH_PUBLIC void kith_socket_counters(const kith_socket *socket, struct kith_counters *ret_counters);
/* The number of the peer to whom the last message went that kith_socket_send() took; 0: to none yet, to many, or that peer has gone. */
KITH_PUBLIC uint64_t kith_socket_last_peer(const kith_socket *socket);
/* Ends this connection: the peer is told by an ERROR, "kicked: REASON" (reason: a line for a person; NULL: none), and has a second to read
 * it; DISCONNECTED, or HANDSHAKE_FAILED, is told inside, with -ECONNABORTED. Messages that wait for it go where those of a lost peer go.
 * That is no ban: who was kicked may come again (a policy says who may not), and an endpoint that we connect to is tried again as after any
 * loss (reconnect-min, reconnect-stop). Errors: -ENOENT (no such connection now), -EOPNOTSUPP (a datagram socket has no connections),
 * -ECHILD, -ESHUTDOWN. */
KITH_PUBLIC int kith_socket_kick(kith_socket *socket, uint64_t peer, const char *reason);
/* PUB, XPUB, RADIO: waits at most timeout_ms (as for kith_socket_send()) until at least `count` peers are sent what has this topic (or
 * group), and returns how many are: what is published from then on reaches them. Of a SUB there is no such thing: no publisher says that it
 * has taken a subscription. Errors: -EAGAIN (timed out), -ENOTSUP (another type), -EINVAL, -EBUSY, -ECANCELED, -ECHILD, -ESHUTDOWN. */
KITH_PUBLIC int kith_socket_wait_subscribed(kith_socket *socket, const void *topic, size_t size, size_t count, int timeout_ms);
/* ROUTER: tells the peer with this routing id that a request of its gets no reply, as who had it has died: by an ERROR, "no reply will
 * come: WHY". A REQ of libkith then fails with -ECONNRESET; others have KITH_EVENT_REFUSED; libzmq's sockets do not look at it. Errors:
 * -ENOTSUP (another type), -EHOSTUNREACH (it has gone), -EOPNOTSUPP (its protocol has no such thing), -EINVAL, -ECHILD, -ESHUTDOWN. */
KITH_PUBLIC int kith_socket_fail_request(kith_socket *socket, const void *routing_id, size_t size, const char *why);

/* Errors: -EINVAL (unknown, or not a number), -ERANGE; with text. */
KITH_PUBLIC int kith_socket_set_number(kith_socket *socket, enum kith_option option, int64_t value, struct kith_error *ret_error);
KITH_PUBLIC int kith_socket_set_octets(kith_socket *socket, enum kith_option option, const void *value, size_t size,
                                       struct kith_error *ret_error);
/* By name and text, as `kith --option NAME=VALUE` has it: numbers in base 10 (permissions in base 8), flags also as yes and no, octets as
 * they are, keys in Z85. Errors: -EINVAL, -ERANGE; with text. */
KITH_PUBLIC int kith_socket_set_option(kith_socket *socket, const char *name, const char *value, struct kith_error *ret_error);
KITH_PUBLIC int kith_socket_get_number(const kith_socket *socket, enum kith_option option, int64_t *ret_value);
/* Octets live until the option is set again. Errors: -EINVAL, -EACCES (secrets are not given back). */
KITH_PUBLIC int kith_socket_get_octets(const kith_socket *socket, enum kith_option option, const void **ret_value, size_t *ret_size);

/* SUB, XPUB with xpub-manual (for the peer whose subscription was received last): topics are prefixes of the first frame; the empty one is
 * of all. Subscriptions of a SUB count: as many are to be taken back. Errors: -ENOTSUP (another type), -ENOENT (to take back: there is
 * none), -ENOMEM, -ECHILD, -ESHUTDOWN; XPUB: -EHOSTUNREACH (no subscription was received, or the peer has gone), -ENOBUFS
 * (max-subscriptions). */
KITH_PUBLIC int kith_socket_subscribe(kith_socket *socket, const void *topic, size_t size);
KITH_PUBLIC int kith_socket_unsubscribe(kith_socket *socket, const void *topic, size_t size);
/* DISH: groups, of 1 to 255 octets (empty is allowed). Errors: -ENOTSUP, -EINVAL (too long), -EEXIST (joined already), -ENOENT, -ENOMEM,
 * -ECHILD, -ESHUTDOWN. */
KITH_PUBLIC int kith_socket_join(kith_socket *socket, const char *group);
KITH_PUBLIC int kith_socket_leave(kith_socket *socket, const char *group);

/* Adds a property to the metadata told to peers in READY ("X-Name"); a name of the protocol (Socket-Type, Identity) is -EINVAL. */
KITH_PUBLIC int kith_socket_add_metadata(kith_socket *socket, const char *name, const void *value, size_t size,
                                         struct kith_error *ret_error);

/* From now on asks `policy` (NULL: none, everything is allowed) about peers and their messages; kith-policy(5) says when for which verb.
 * Takes a reference. Who is a peer already is looked at from the loop: one that may not be (connect, serve) is told and goes, with
 * KITH_EVENT_DENIED_CONNECT and KITH_EVENT_DISCONNECTED (-EACCES); subscriptions and groups that are denied now are taken back, with
 * KITH_EVENT_DENIED_SUBSCRIBE; all others stay, with what is queued for them. A message that has begun to come is decided on by the policy
 * that there was. */
KITH_PUBLIC void kith_socket_set_policy(kith_socket *socket, kith_policy *policy);

/* timeout_ms of sending and receiving: as the options send-timeout and recv-timeout say. */
#define KITH_TIMEOUT_OPTION (-2)

/* Takes the message when it returns 0; otherwise it stays the caller's. Waits at most timeout_ms (-1: no limit, 0: not at all) for room,
 * driving the loop. Errors: -EAGAIN (timed out: no peer, or all are full), -EPROTO (REQ, REP: not its turn), -EHOSTUNREACH (REP,
 * SERVER, PEER, STREAM, and ROUTER with router-mandatory: the peer is unknown or gone), -ENOTSUP (the type only receives), -EINVAL (no
 * frame; a ROUTER message without id; several frames, where the type has but one; STREAM: other than two), -EOPNOTSUPP (the message has
 * descriptors, and no peer that it may go to takes so many: option max-fds there; PUB, XPUB and RADIO pass such peers over, with
 * KITH_EVENT_DROPPED), -EACCES (the policy lets nobody that it may go to have it: verb receive; PUB, XPUB and RADIO pass such peers over,
 * with KITH_EVENT_DENIED_RECEIVE; a REP may then take the next request), -EBUSY (timeout_ms is not 0 inside a callback), -ECANCELED,
 * -ECHILD, -ESHUTDOWN (its loop was freed), -ENOMEM. A reply of a REP never waits: when its peer does not read and has no room it is
 * dropped (0, and KITH_EVENT_DROPPED). Outside callbacks and with a timeout other than 0 what can be sent is handed to the kernel before
 * the return; with 0 it goes out when the loop next runs, together with what comes after it; a loop with a thread of its own runs at once.
 */
KITH_PUBLIC int kith_socket_send(kith_socket *socket, kith_msg *msg, int timeout_ms);
/* Waits at most timeout_ms for a message. Errors: -EAGAIN (timed out), -EPROTO, -ECONNRESET (REQ: the peer asked has gone, or says that who
 * had the request has), -EACCES (REQ: the peer asked refused us), -EOPNOTSUPP (REQ: the request waited for a peer, and none takes its
 * descriptors), -ENOTSUP (the type only sends), -EBUSY, -EINVAL, -ECANCELED, -ECHILD, -ESHUTDOWN. */
KITH_PUBLIC int kith_socket_recv(kith_socket *socket, kith_msg **ret_msg, int timeout_ms);

/* With the option manual-ack: this message and those before it, of its connection, are dealt with (stored, say): its sender may forget
 * them. Until then they come again, marked (kith_msg_again()), to the channel's next receiver should this one go. What the
 * application is not handed, of another topic say, goes with what it was handed before. Without the option a message is acknowledged when
 * the application takes it. Errors: -ENOENT (the connection has gone: they will come again), -ERANGE (it did
 * not bring such a message), -EINVAL, -ENOMEM, -ECHILD, -ESHUTDOWN. */
KITH_PUBLIC int kith_socket_acknowledge(kith_socket *socket, const struct kith_receipt *receipt);

struct kith_socket_handler {
    /* A message came; it belongs to the callback. */
    void (*message)(kith_socket *socket, kith_msg *msg, void *userdata);
    /* After kith_socket_send() said -EAGAIN: there is room again, or the full peer has gone: try again. */
    void (*writable)(kith_socket *socket, void *userdata);
    /* REQ, in callback style: the request that was asked failed: -ECONNRESET, -EACCES. */
    void (*failed)(kith_socket *socket, int error, void *userdata);
    /* Mostly from the loop; but what a call brings about is told inside it: an endpoint bound, a message that kith_socket_send() drops. */
    void (*event)(kith_socket *socket, const struct kith_event *event, void *userdata);
};

/* Copies the table; members may be NULL. NULL removes it. */
KITH_PUBLIC void kith_socket_set_handler(kith_socket *socket, const struct kith_socket_handler *handler, void *userdata);
KITH_PUBLIC kith_loop *kith_socket_loop(const kith_socket *socket);

#ifdef __cplusplus
}
#endif
#endif

/*
 * kith/proxy.h: joins two message sockets: what one receives the other sends, both ways, frames and origin's path untouched.
 *
 * For ROUTER and DEALER (requests and replies), XSUB and XPUB (subscriptions travel up, messages down), PULL and PUSH, and any two that
 * fit. A message that the other side has no room for waits, and its side is not received from meanwhile: nothing is dropped here, and
 * memory is bounded by the sockets' high-water marks.
 *
 * The sockets are of one loop and stay the caller's; the proxy takes their message and writable callbacks, and puts nothing in their place
 * when it is freed. Everything is called in the loop's thread; when the loop has one of its own (kith_loop_thread()), in any.
 */
#ifndef KITH_PROXY_H
#define KITH_PROXY_H

#include <stdbool.h>
#include <stdint.h>

#include <kith/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kith_proxy kith_proxy;

struct kith_proxy_options {
    kith_socket *frontend;
    kith_socket *backend;
    /* Gets a copy of every message (PUB, PUSH, DEALER, PAIR); one that it has no room for is dropped for it and counted. NULL: none. */
    kith_socket *capture;
    /* Is asked: a message of one frame: PAUSE, RESUME, TERMINATE, STATISTICS, KILL (as TERMINATE). REP answers each, PAIR and others answer
     * STATISTICS: eight frames, each a number of 8 octets in host order, as zmq_proxy_steerable(3) has it: messages and octets received
     * from the frontend, sent to it, received from the backend, sent to it. Other types of socket: NULL. */
    kith_socket *control;
    /* Events of frontend and backend; may be NULL. */
    void (*event)(kith_socket *socket, const struct kith_event *event, void *userdata);
    /* TERMINATE was asked; may be NULL. */
    void (*terminated)(kith_proxy *proxy, void *userdata);
    void *userdata;
};

struct kith_proxy_way {
    uint64_t messages, octets;
};

struct kith_proxy_stats {
    struct kith_proxy_way to_backend, to_frontend; /* handed on */
    uint64_t uncaptured;                           /* not captured, for want of room or memory */
    uint64_t dropped;                              /* a ROUTER's peer has gone, or there was no memory */
    size_t waiting;                                /* messages in the proxy's hands, for want of room: at most one a side */
    bool paused;
};

/* Errors: -EINVAL (a socket is missing, or one stands for two, or they are of several loops), -ENOTSUP (no message can go from one to the
 * other: the types only send, or only receive), -ENOMEM. */
KITH_PUBLIC int kith_proxy_new(const struct kith_proxy_options *options, kith_proxy **ret_proxy);
/* Hands on nothing more; messages in its hands are lost (at most one a side). NULL is allowed. Always NULL. */
KITH_PUBLIC kith_proxy *kith_proxy_free(kith_proxy *proxy);
/* While paused nothing is received: senders wait at their high-water marks. */
KITH_PUBLIC void kith_proxy_pause(kith_proxy *proxy);
KITH_PUBLIC void kith_proxy_resume(kith_proxy *proxy);
KITH_PUBLIC void kith_proxy_stats(const kith_proxy *proxy, struct kith_proxy_stats *ret_stats);

/* The same as one call, zmq_proxy_steerable(3)'s: runs the loop until TERMINATE comes (0) or kith_loop_stop() (-ECANCELED). capture and
 * control may be NULL. Errors: those of kith_proxy_new() and kith_loop_run(). */
KITH_PUBLIC int kith_proxy_run(kith_socket *frontend, kith_socket *backend, kith_socket *capture, kith_socket *control);

#ifdef __cplusplus
}
#endif
#endif

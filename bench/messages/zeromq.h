/*
 * bench/messages/zeromq.h: the packaged libzmq, loaded when it is asked for: so that neither the kith command nor its build needs it. What
 * is written here is of its ABI, libzmq.so.5, which is the same from 4.0 to 4.3.
 */
#ifndef KITH_BENCH_MESSAGES_ZEROMQ_H
#define KITH_BENCH_MESSAGES_ZEROMQ_H

#include <stddef.h>
#include <stdint.h>

enum {
    ZMQ_PAIR = 0,
    ZMQ_SUB = 2,
    ZMQ_REQ = 3,
    ZMQ_REP = 4,
    ZMQ_DEALER = 5,
    ZMQ_ROUTER = 6,
    ZMQ_PULL = 7,
    ZMQ_PUSH = 8,
    ZMQ_XPUB = 9,

    ZMQ_SUBSCRIBE = 6,
    ZMQ_BACKLOG = 19,
    ZMQ_SNDHWM = 23,
    ZMQ_RCVHWM = 24,
    ZMQ_XPUB_VERBOSE = 40,
    ZMQ_CURVE_SERVER = 47,
    ZMQ_CURVE_PUBLICKEY = 48,
    ZMQ_CURVE_SECRETKEY = 49,
    ZMQ_CURVE_SERVERKEY = 50,
    ZMQ_XPUB_NODROP = 69,

    ZMQ_MAX_SOCKETS = 2, /* of a context */
    ZMQ_SOCKET_LIMIT = 3,

    ZMQ_SNDMORE = 2, /* flag of a send */
};

struct zeromq_msg {
    _Alignas(void *) uint8_t octets[64];
};

/* Its functions, without their "zmq_"; their manual pages have the rest. */
struct zeromq {
    void *(*ctx_new)(void);
    int (*ctx_set)(void *context, int option, int value);
    int (*ctx_get)(void *context, int option);
    void *(*socket)(void *context, int type);
    int (*setsockopt)(void *socket, int option, const void *value, size_t size);
    int (*bind)(void *socket, const char *endpoint);
    int (*connect)(void *socket, const char *endpoint);
    int (*send)(void *socket, const void *data, size_t size, int flags);
    int (*recv)(void *socket, void *data, size_t size, int flags);
    int (*msg_init)(struct zeromq_msg *msg);
    int (*msg_send)(struct zeromq_msg *msg, void *socket, int flags);
    int (*msg_recv)(struct zeromq_msg *msg, void *socket, int flags);
    void *(*msg_data)(struct zeromq_msg *msg);
    size_t (*msg_size)(const struct zeromq_msg *msg);
    int (*msg_more)(const struct zeromq_msg *msg);
    void (*version)(int *major, int *minor, int *patch);
};

extern struct zeromq zeromq;

/* Loads it into `zeromq`, once. Errors: -ENOPKG, when it has said why on standard error. */
int zeromq_load(void);

#endif

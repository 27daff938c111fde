/* kith/option.h: the options of a message socket. */
#ifndef KITH_OPTION_H
#define KITH_OPTION_H

#include <stdint.h>

#include <kith/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Options. The table (kith_socket_options) gives name, unit, range and default of each. An option holds for endpoints bound or connected
 * and connections made after it was set. */
enum kith_option {
    KITH_OPTION_ROUTING_ID,         /* octets; the identity told to peers */
    KITH_OPTION_MAX_MESSAGE,        /* octets of all frames of a received message, with 128 counted for each frame */
    KITH_OPTION_HANDSHAKE_TIMEOUT,  /* ms, 0: none */
    KITH_OPTION_HEARTBEAT_INTERVAL, /* ms between PINGs of a silent peer, 0: off */
    KITH_OPTION_HEARTBEAT_TIMEOUT,  /* ms without an answer until the peer is given up; 0: the interval */
    KITH_OPTION_HEARTBEAT_TTL,      /* ms, told to the peer; 0: none */
    KITH_OPTION_RECONNECT_MIN,      /* ms before the first reconnect */
    KITH_OPTION_RECONNECT_MAX,      /* ms, the backoff doubles up to it */
    KITH_OPTION_SEND_HWM,           /* messages queued a peer */
    KITH_OPTION_SEND_HWM_BYTES,     /* octets queued a peer */
    KITH_OPTION_RECV_HWM,           /* messages received from a peer and not taken */
    KITH_OPTION_RECV_HWM_BYTES,     /* the same in octets */
    KITH_OPTION_BACKLOG,            /* connections the kernel keeps waiting */
    KITH_OPTION_MAX_PEERS,          /* accepted connections at a time */
    KITH_OPTION_ROUTER_MANDATORY,   /* 0, 1: sending to an unknown peer is -EHOSTUNREACH instead of a silent drop */
    KITH_OPTION_ROUTER_HANDOVER,    /* 0, 1: a routing id in use goes to the newcomer instead of being refused */
    KITH_OPTION_IDENTITY,           /* 0, 1: have the kernel name the sender of each message (AF_UNIX) */
    KITH_OPTION_IPC_MODE,           /* permission bits of bound paths, 0: by umask */
    KITH_OPTION_COUNT_,
};

struct kith_option_info {
    enum kith_option option;
    const char *name; /* "max-message" */
    const char *unit; /* "ms", "octets", "messages", "flag", "" */
    int64_t min, max; /* of a number; of ROUTING_ID the length */
    int64_t default_value;
    const char *summary;
};

#ifdef __cplusplus
}
#endif
#endif

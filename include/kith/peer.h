/*
 * kith/peer.h: who the peers of a message socket are, what they have cost, and sending one away. Of kith/socket.h, whose rules about
 * threads hold here too.
 */
#ifndef KITH_PEER_H
#define KITH_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kith/error.h>
#include <kith/origin.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What has passed a connection, or all connections of a socket that there are and were. Octets are those of frames' bodies. */
struct kith_counters {
    uint64_t messages_in, octets_in;   /* received whole, and let in by the policy */
    uint64_t messages_out, octets_out; /* handed to the connection whole */
    uint64_t dropped;                  /* messages, of both directions; what KITH_EVENT_DROPPED counts */
    uint64_t denied;                   /* what the policy said no to */
    uint64_t fds_in, fds_out;          /* descriptors in messages */
    uint64_t fds_refused;              /* descriptors that were closed, as nobody asked for them: at least so many */
    uint64_t queued, queued_octets;    /* now: messages that wait to be sent, and what they cost */
    uint64_t waiting, waiting_octets;  /* now: received messages that the application has not taken, and what they cost */
    uint64_t since; /* CLOCK_MONOTONIC nanoseconds: of the connection's begin (0: there is none yet), or of the socket's */
    uint64_t heard; /* the same: when octets came last; 0: never */
};

enum kith_peer_state {
    KITH_PEER_CONNECTING, /* one try to connect is under way */
    KITH_PEER_HANDSHAKE,  /* the connection is there */
    KITH_PEER_READY,      /* messages go both ways */
    KITH_PEER_LEAVING,    /* what is queued is still sent */
    KITH_PEER_WAITING,    /* for the next try to connect */
};

/* "ready", ...; "unknown" for another number. */
KITH_PUBLIC const char *kith_peer_state_name(enum kith_peer_state state);

/* All is lent until the callback that is handed it returns; the origin may be kept with a reference. */
struct kith_peer_info {
    uint64_t peer; /* as in struct kith_event; of a peer that is not connected, its next connection's */
    enum kith_peer_state state;
    bool accepted;         /* it connected to us */
    const char *endpoint;  /* ours: bound or connected to */
    const char *transport; /* "ipc", "tcp", ... */
    const char *mechanism; /* "NULL", "PLAIN", "CURVE"; NULL: the transport has none, or there is no connection */
    const char *type;      /* its socket type, as it says; NULL: not known (yet) */
    const void *routing_id;
    size_t routing_id_size; /* 0: none */
    kith_origin *origin;    /* who wrote last, else who made the connection; NULL: not known (yet) */
    struct kith_counters counters;
};

#ifdef __cplusplus
}
#endif
#endif

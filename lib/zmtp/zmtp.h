/*
 * zmtp/zmtp.h: one peer's ZMTP 3.1 engine (RFC 37; RFC 23 towards 3.0 peers). No I/O, no clock: octets in, events and octets out.
 *
 * States: greeting -> (decision of the owner) -> handshake -> traffic -> dead.
 *
 * Input: kith_zmtp_receive() eats octets until it has one event to tell. It never keeps more than a frame header, the greeting (64 octets)
 * and one command (bounded), and allocates nothing for octets that have not arrived: bodies of message frames are handed out in pieces that
 * point into the input. Output: what the engine has to say (greeting, READY, ERROR, PING, PONG) is queued in it, bounded, to be fetched
 * with kith_zmtp_output().
 *
 * Connect policy: after KITH_ZMTP_GREETED the engine stops (it eats no more) until the owner says kith_zmtp_accept() or kith_zmtp_refuse().
 */
#ifndef KITH_ZMTP_ZMTP_H
#define KITH_ZMTP_ZMTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kith/error.h>

struct kith_zmtp;

enum kith_zmtp_state {
    KITH_ZMTP_STATE_GREETING,
    KITH_ZMTP_STATE_DECISION,
    KITH_ZMTP_STATE_HANDSHAKE,
    KITH_ZMTP_STATE_TRAFFIC,
    KITH_ZMTP_STATE_REFUSED, /* our ERROR is queued: input is eaten and ignored */
    KITH_ZMTP_STATE_DEAD,
};

struct kith_zmtp_property {
    const char *name; /* NUL-terminated */
    const uint8_t *value;
    size_t size;
};

/* Borrowed until the engine is freed. */
struct kith_zmtp_options {
    const char *socket_type;                   /* "REQ" */
    const uint8_t *routing_id;                 /* told as Identity by REQ, DEALER, ROUTER when routing_id_size > 0 */
    size_t routing_id_size;                    /* at most 255 */
    const struct kith_zmtp_property *metadata; /* further properties for READY */
    size_t metadata_count;
    uint64_t max_frame; /* octets of one message frame; larger: FAILED -EMSGSIZE, at its header */
    bool as_server;
};

/* The greeting is queued at once. Errors: -EINVAL (socket type, routing id over 255 octets, a property's name empty, over 255 octets or one
 * of the protocol's), -EMSGSIZE (READY would exceed 64 KiB), -ENOMEM. */
int kith_zmtp_new(const struct kith_zmtp_options *options, struct kith_zmtp **ret_engine);
struct kith_zmtp *kith_zmtp_free(struct kith_zmtp *engine);

enum kith_zmtp_event_type {
    KITH_ZMTP_NONE,      /* all input is eaten */
    KITH_ZMTP_GREETED,   /* the peer's greeting is whole and fits: decide */
    KITH_ZMTP_READY,     /* handshake done on both sides: event.ready */
    KITH_ZMTP_FRAME,     /* a piece of a message frame: event.frame */
    KITH_ZMTP_PONG,      /* PONG came: event.pong */
    KITH_ZMTP_PINGED,    /* PING came: the PONG is queued, normally; event.ping */
    KITH_ZMTP_REFUSED,   /* ERROR came: event.refused */
    KITH_ZMTP_SUBSCRIBE, /* SUBSCRIBE command: event.subscription */
    KITH_ZMTP_CANCEL,
    KITH_ZMTP_COMMAND, /* a command in traffic that is unknown or malformed, ignored: event.command, for counters */
    KITH_ZMTP_FAILED,  /* the peer broke the protocol: event.failed; the engine is dead */
};

struct kith_zmtp_event {
    enum kith_zmtp_event_type type;
    union {
        struct {
            int major, minor;      /* of the peer */
            const char *mechanism; /* "NULL" */
            bool as_server;
        } greeted;
        struct {
            const char *socket_type;   /* of the peer, known to be compatible */
            const uint8_t *routing_id; /* NULL when none */
            size_t routing_id_size;
            size_t property_count; /* all properties of READY, Socket-Type and Identity among them: kith_zmtp_peer_property() */
        } ready;
        struct {
            const uint8_t *data; /* piece of the body, in the input; may be empty */
            size_t size;
            uint64_t frame_size; /* of the whole frame */
            uint64_t offset;     /* of this piece */
            bool last;           /* the frame is whole with this piece */
            bool more;           /* MORE flag of the frame */
        } frame;
        struct {
            unsigned ttl_ms; /* 0: none */
            bool answered;   /* false: the PONG was dropped, too much output waits to be fetched */
        } ping;
        struct {
            const uint8_t *context;
            size_t size;
        } pong;
        struct {
            const char *reason; /* printable, NUL-terminated; at most 255 characters */
            bool handshake;     /* it came instead of READY: the connection is of no more use */
        } refused;
        struct {
            const uint8_t *topic;
            size_t size;
        } subscription;
        struct {
            const char *name; /* printable; "" when it has none */
            bool malformed;   /* its name or, of a known command, its data did not fit */
        } command;
        struct {
            int error;          /* -EPROTO, -EMSGSIZE, -EPROTONOSUPPORT (version, mechanism), -EPROTOTYPE (socket type), -ENOMEM */
            const char *reason; /* names what, for a person and for the log; "frame of 99999999999 octets exceeds the limit of 67108864" */
        } failed;
    };
};

/* Eats octets from data[0, size), at most up to one event. Returns the number eaten (>= 0). *ret_event is always set; everything it points
 * to is valid until the next call or the end of the input, whichever comes first. Call again while octets remain or an event came; with
 * size 0 too (events may be waiting). In STATE_DECISION it eats nothing and says NONE; in REFUSED and DEAD it eats everything and says
 * NONE. */
size_t kith_zmtp_receive(struct kith_zmtp *engine, const uint8_t *data, size_t size, struct kith_zmtp_event *ret_event);

/* Decision after GREETED: go on with READY, or end with ERROR(reason) (reason is cut at 255 octets). Errors: -EINVAL (not asked), -ENOMEM.
 */
int kith_zmtp_accept(struct kith_zmtp *engine);
int kith_zmtp_refuse(struct kith_zmtp *engine, const char *reason);

/* Queues an ERROR command in the traffic phase (towards peers that may understand it; others ignore it). Errors: -EINVAL (state), -ENOBUFS
 * (too much output waits to be fetched), -ENOMEM. */
int kith_zmtp_tell_error(struct kith_zmtp *engine, const char *reason);
/* Queues a PING. ttl_ms goes out in tenths of a second, rounded up and cut at 65.5 s: deployed receivers overflow above. context is at most
 * 16 octets. Errors: -EINVAL (state, context), -EOPNOTSUPP (a 3.0 peer, which has no heartbeat), -ENOBUFS, -ENOMEM. */
int kith_zmtp_ping(struct kith_zmtp *engine, unsigned ttl_ms, const void *context, size_t size);

/* What is to be sent; size 0: nothing. Valid until the next call on the engine. A dead engine may still have something: ERROR for a socket
 * type that does not fit. Commands go between messages: write the output out before the next message, never inside one. */
const uint8_t *kith_zmtp_output(struct kith_zmtp *engine, size_t *ret_size);
void kith_zmtp_output_done(struct kith_zmtp *engine, size_t size);

enum kith_zmtp_state kith_zmtp_state(const struct kith_zmtp *engine);
/* True when octets of an unfinished message have been eaten: a frame header in part or whole, a body in part, or frames that said MORE. (An
 * unfinished command counts too; the greeting does not. False once refused or dead.) */
bool kith_zmtp_mid_message(const struct kith_zmtp *engine);
/* Property `index` of the peer's READY. Returns 1, or 0 beyond the last. Kept until the engine is freed. */
int kith_zmtp_peer_property(const struct kith_zmtp *engine, size_t index, struct kith_zmtp_property *ret_property);

/* Longest header of a frame. */
#define KITH_ZMTP_HEADER_MAX 9
/* Writes the header of a message frame; returns its length. */
size_t kith_zmtp_frame_header(uint64_t size, bool more, uint8_t header[static KITH_ZMTP_HEADER_MAX]);

/* May sockets of these types talk (RFC 28 and others)? Unknown types: false. */
bool kith_zmtp_compatible(const char *ours, const char *theirs);

#endif

/*
 * zmtp/zmtp.h: one peer's ZMTP 3.1 engine (RFC 37; RFC 23 towards 3.0 peers) with the mechanisms NULL, PLAIN (RFC 24) and CURVE (RFC 25 and
 * 26). No I/O, no clock: octets in, events and octets out.
 *
 * States: greeting -> (decision of the owner) -> handshake, in it (credentials: another decision) -> traffic -> dead.
 *
 * Input: kith_zmtp_receive() eats octets until it has one event to tell. It never keeps more than a frame header, the greeting (64 octets)
 * and one command (bounded), and allocates nothing for octets that have not arrived: bodies of message frames are handed out in pieces that
 * point into the input. A sealed frame (CURVE) can be opened only when it is whole: it is opened where it lies in the input, or gathered.
 * Output: what the engine has to say by itself (handshake, ERROR, PING, PONG) is queued in it, bounded, to be taken with
 * kith_zmtp_output_take(). What its owner says, messages and subscriptions, the engine puts in form straight into the owner's memory.
 *
 * Decisions: after KITH_ZMTP_GREETED the engine stops (it eats no more) until the owner says kith_zmtp_accept() or kith_zmtp_refuse();
 * after KITH_ZMTP_CREDENTIALS until it says kith_zmtp_authenticate(). Both may be said any time later. Who serves PLAIN or CURVE always has
 * to decide: the engine lets nobody in by itself, as it knows no passwords and no clients' keys.
 *
 * Sealed frames carry numbers that rise: what kith_zmtp_output_take() and kith_zmtp_write*() have written goes out in that order and whole,
 * or the connection is of no more use.
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
    KITH_ZMTP_STATE_CREDENTIALS,
    KITH_ZMTP_STATE_TRAFFIC,
    KITH_ZMTP_STATE_REFUSED, /* our ERROR is queued: input is eaten and ignored */
    KITH_ZMTP_STATE_DEAD,
};

struct kith_zmtp_property {
    const char *name; /* NUL-terminated */
    const uint8_t *value;
    size_t size;
};

enum kith_zmtp_security {
    KITH_ZMTP_SECURITY_NULL,
    KITH_ZMTP_SECURITY_PLAIN,
    KITH_ZMTP_SECURITY_CURVE,
};

#define KITH_ZMTP_KEY_SIZE 32

/* What it points to is borrowed until the call after KITH_ZMTP_READY, or until the engine is freed. */
struct kith_zmtp_options {
    const char *socket_type;                   /* "REQ" */
    const uint8_t *routing_id;                 /* told as Identity by REQ, DEALER, ROUTER when routing_id_size > 0 */
    size_t routing_id_size;                    /* at most 255 */
    const struct kith_zmtp_property *metadata; /* further properties for READY */
    size_t metadata_count;
    const struct kith_zmtp_property *features; /* the same, of what the owner can do beyond the protocol */
    size_t feature_count;
    uint64_t max_frame; /* octets of one message frame; larger: FAILED -EMSGSIZE, at its header (sealed: when that is sure) */

    enum kith_zmtp_security security;
    bool as_server; /* the role of PLAIN and CURVE, whoever bound or connected; NULL has none */
    bool ask;       /* NULL: let the owner decide once more, with KITH_ZMTP_CREDENTIALS, before READY */
    /* PLAIN, client: at most 255 octets each. */
    const uint8_t *username, *password;
    size_t username_size, password_size;
    /* CURVE: KITH_ZMTP_KEY_SIZE octets each. */
    const uint8_t *secret_key; /* ours */
    const uint8_t *public_key; /* ours; NULL: made from the secret one */
    const uint8_t *server_key; /* client: the public key that the server must have */
};

/* The greeting is queued at once. Errors: -EINVAL (socket type, routing id, user name or password over 255 octets, a key missing, a
 * property's name empty, over 255 octets or one of the protocol's), -EMSGSIZE (the command with our metadata would exceed 64 KiB),
 * -ENOMEM, -ENOSYS (no cryptography: libsodium found no source of randomness). */
int kith_zmtp_new(const struct kith_zmtp_options *options, struct kith_zmtp **ret_engine);
struct kith_zmtp *kith_zmtp_free(struct kith_zmtp *engine);

enum kith_zmtp_event_type {
    KITH_ZMTP_NONE,        /* all input is eaten */
    KITH_ZMTP_GREETED,     /* the peer's greeting is whole and fits: decide */
    KITH_ZMTP_CREDENTIALS, /* who the peer says it is, by its mechanism: event.credentials; decide */
    KITH_ZMTP_READY,       /* handshake done on both sides: event.ready */
    KITH_ZMTP_FRAME,       /* a piece of a message frame: event.frame */
    KITH_ZMTP_PONG,        /* PONG came: event.pong */
    KITH_ZMTP_PINGED,      /* PING came: the PONG is queued, normally; event.ping */
    KITH_ZMTP_REFUSED,     /* ERROR came: event.refused */
    KITH_ZMTP_SUBSCRIBE,   /* SUBSCRIBE command: event.subscription */
    KITH_ZMTP_CANCEL,
    KITH_ZMTP_JOIN, /* JOIN command (RFC 48): event.subscription, a group of at most 255 octets */
    KITH_ZMTP_LEAVE,
    KITH_ZMTP_FDS,     /* FDS command: descriptors of the message that follows: event.fds; between messages */
    KITH_ZMTP_MEMFD,   /* MEMFD command: a message frame that lies in a descriptor: event.memfd; where a frame would be */
    KITH_ZMTP_TAKEN,   /* TAKEN command: of what MEMFD commands of ours announced, so much was taken: event.taken */
    KITH_ZMTP_MEMORY,  /* MEMORY command: event.memory; only between peers that have both said so in READY (zmtp/command.c) */
    KITH_ZMTP_COMMAND, /* a command in traffic that is unknown or malformed, ignored: event.command, for counters */
    KITH_ZMTP_FAILED,  /* the peer broke the protocol: event.failed; the engine is dead */
};

struct kith_zmtp_event {
    enum kith_zmtp_event_type type;
    union {
        struct {
            int major, minor;      /* of the peer */
            const char *mechanism; /* "NULL" */
            bool as_server;        /* as it says; PLAIN and CURVE only. It decides nothing: a wrong role fails by what it sends. */
        } greeted;
        struct {
            const char *mechanism;   /* "NULL", "PLAIN", "CURVE" */
            const uint8_t *username; /* PLAIN: any octets, not proved */
            const uint8_t *password;
            size_t username_size, password_size; /* at most 255 */
            const uint8_t *public_key; /* CURVE: KITH_ZMTP_KEY_SIZE octets; the peer has proved that it has the secret key. Else NULL. */
        } credentials;
        struct {
            const char *socket_type;   /* of the peer, known to be compatible */
            const uint8_t *routing_id; /* NULL when none */
            size_t routing_id_size;
            size_t property_count; /* all properties of READY, Socket-Type and Identity among them: kith_zmtp_peer_property() */
        } ready;
        struct {
            const uint8_t *data; /* piece of the body; may be empty */
            size_t size;
            uint64_t frame_size; /* of the whole frame */
            uint64_t offset;     /* of this piece */
            bool last;           /* the frame is whole with this piece */
            bool more;           /* MORE flag of the frame */
            bool gathered;       /* data lies in the engine, not in the input */
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
            unsigned count; /* 1 to 255 */
        } fds;
        struct {
            uint64_t size; /* at most max_frame */
            bool more;     /* as the MORE flag of a frame */
        } memfd;
        struct {
            uint64_t octets;
        } taken;
        struct {
            bool offered; /* it was passed with this; or, as an answer: it is mapped */
        } memory;
        struct {
            const char *name; /* printable; "" when it has none */
            bool malformed;   /* its name or, of a known command, its data did not fit */
        } command;
        struct {
            /* -EPROTO, -EMSGSIZE, -EPROTONOSUPPORT (version, mechanism), -EPROTOTYPE (socket type), -EKEYREJECTED (CURVE: a box of the
             * handshake that our keys do not open), -EBADMSG (a sealed frame that was changed, replayed or made up), -ENOMEM */
            int error;
            const char *reason; /* names what, for a person and for the log; "frame of 99999999999 octets exceeds the limit of 67108864" */
        } failed;
    };
};

/* Eats octets from data[0, size), at most up to one event. Returns the number eaten (>= 0). *ret_event is always set; everything it points
 * to is valid until the next call or the end of the input, whichever comes first. Call again while octets remain or an event came; with
 * size 0 too (events may be waiting). In the states DECISION and CREDENTIALS it eats nothing and says NONE; in REFUSED and DEAD it eats
 * everything and says NONE. Sealed octets are opened where they lie: data is written to. */
size_t kith_zmtp_receive(struct kith_zmtp *engine, uint8_t *data, size_t size, struct kith_zmtp_event *ret_event);
/* A shorter way for what is most common: when a message of one short frame lies whole at the beginning of the input, returns how many
 * octets it takes, and its body, which need not go through kith_zmtp_receive() then. 0: something else is there, or something is not over
 * yet. */
size_t kith_zmtp_take_message(const struct kith_zmtp *engine, const uint8_t *data, size_t size, const uint8_t **ret_body, size_t *ret_size);

/* Decision after GREETED: go on with the handshake, or end with ERROR(reason) (reason is cut at 255 octets); the latter after CREDENTIALS
 * too. Errors: -EINVAL (not asked; a CURVE server's key that is none), -ENOMEM. */
int kith_zmtp_accept(struct kith_zmtp *engine);
int kith_zmtp_refuse(struct kith_zmtp *engine, const char *reason);

/* Decision after CREDENTIALS, in the terms of RFC 27: 200 goes on; 300 (try again later) ends the engine without a word; 400 (no) and 500
 * (something broke) end it with ERROR("400"), ERROR("500"), which is what deployed clients look for. Then receive() again: events may be
 * waiting. Errors: -EINVAL (not asked, another status), -ENOMEM (the engine may be dead). */
int kith_zmtp_authenticate(struct kith_zmtp *engine, unsigned status);

/* Queues an ERROR command in the traffic phase (towards peers that may understand it; others ignore it). Errors: -EINVAL (state), -ENOBUFS
 * (too much output waits to be fetched), -ENOMEM. */
int kith_zmtp_tell_error(struct kith_zmtp *engine, const char *reason);
/* Queues a PING. ttl_ms goes out in tenths of a second, rounded up and cut at 65.5 s: deployed receivers overflow above. context is at most
 * 16 octets. Errors: -EINVAL (state, context), -EOPNOTSUPP (a 3.0 peer, which has no heartbeat), -ENOBUFS, -ENOMEM. */
int kith_zmtp_ping(struct kith_zmtp *engine, unsigned ttl_ms, const void *context, size_t size);

/* Queues TAKEN: so many octets of frames announced by MEMFD commands have been taken. Errors: -EINVAL (state), -ENOBUFS, -ENOMEM. */
int kith_zmtp_tell_taken(struct kith_zmtp *engine, uint64_t octets);

/* Octets that wait to be sent. A dead engine may still have some: ERROR for a socket type that does not fit. */
size_t kith_zmtp_output_size(const struct kith_zmtp *engine);
/* Moves all of them to `to`, sealed where the mechanism seals. Commands go between messages: never inside one. */
void kith_zmtp_output_take(struct kith_zmtp *engine, uint8_t *to);

enum kith_zmtp_state kith_zmtp_state(const struct kith_zmtp *engine);
/* True when octets of an unfinished message have been eaten: a frame header in part or whole, a body in part, or frames that said MORE. (An
 * unfinished command counts too; the greeting does not. False once refused or dead.) */
bool kith_zmtp_mid_message(const struct kith_zmtp *engine);
/* Octets still to come of the body of a message's frame of which pieces have been told; 0 before the first and after the last. */
uint64_t kith_zmtp_body_left(const struct kith_zmtp *engine);
/* Does the peer's greeting look like that of libzmq and its kin (JeroMQ, NetMQ)? They write a length for peers of ZMTP 1 where RFC 37 has
 * padding that means nothing. Good for what they are known to do otherwise than the RFC, if a wrong answer does no harm. */
bool kith_zmtp_peer_is_libzmq(const struct kith_zmtp *engine);
/* Property `index` of the peer's metadata. Returns 1, or 0 beyond the last. Kept until the call of kith_zmtp_receive() after READY. */
int kith_zmtp_peer_property(const struct kith_zmtp *engine, size_t index, struct kith_zmtp_property *ret_property);

/* What the owner says, in traffic --------------------------------------------------------------------------------------- */

/* True when message frames are sealed: each has to be written as a whole, with kith_zmtp_write(). Else a header (kith_zmtp_frame_header())
 * and the octets as they are do as well. */
bool kith_zmtp_seals(const struct kith_zmtp *engine);
/* Octets that a message frame of `size` octets takes on the wire: at most KITH_ZMTP_WIRE_MAX more. */
size_t kith_zmtp_wire_size(const struct kith_zmtp *engine, size_t size);
#define KITH_ZMTP_WIRE_MAX (9 + 33)
/* Writes the frame: exactly so many octets. */
void kith_zmtp_write(struct kith_zmtp *engine, const void *data, size_t size, bool more, uint8_t *out);

enum kith_zmtp_word {
    KITH_ZMTP_WORD_SUBSCRIBE, /* a topic: as a command; to a 3.0 peer, which knows none, as the message 01 TOPIC */
    KITH_ZMTP_WORD_CANCEL,    /* the same with 00 */
    KITH_ZMTP_WORD_JOIN,      /* a group (RFC 48): at most 255 octets */
    KITH_ZMTP_WORD_LEAVE,
    KITH_ZMTP_WORD_FDS,    /* KITH_ZMTP_FDS_SIZE octets: kith_zmtp_fds_body(). To peers that announced Kith-Descriptors */
    KITH_ZMTP_WORD_MEMFD,  /* KITH_ZMTP_MEMFD_SIZE octets: kith_zmtp_memfd_body(). To peers that announced Kith-Memfd */
    KITH_ZMTP_WORD_MEMORY, /* one octet: 1 it is there, 0 it is not; to a peer that has said in READY that it knows this */
};

/* kith-zmtp(7), Descriptors: FDS has the number of descriptors; MEMFD flags (01: more frames follow) and the frame's octets, big endian. */
#define KITH_ZMTP_FDS_SIZE 1
#define KITH_ZMTP_MEMFD_SIZE 9
void kith_zmtp_fds_body(unsigned count, uint8_t body[static KITH_ZMTP_FDS_SIZE]);
void kith_zmtp_memfd_body(uint64_t size, bool more, uint8_t body[static KITH_ZMTP_MEMFD_SIZE]);

/* The same for a command about a topic or group of `size` octets. There is no limit to how many are said: they take room with the owner. */
size_t kith_zmtp_word_wire_size(const struct kith_zmtp *engine, enum kith_zmtp_word word, size_t size);
void kith_zmtp_word_write(struct kith_zmtp *engine, enum kith_zmtp_word word, const void *octets, size_t size, uint8_t *out);

/* Longest header of a frame. */
#define KITH_ZMTP_HEADER_MAX 9
/* Writes the header of a message frame; returns its length. */
size_t kith_zmtp_frame_header(uint64_t size, bool more, uint8_t header[static KITH_ZMTP_HEADER_MAX]);

/* May sockets of these types talk (RFC 28 and others)? Unknown types: false. */
bool kith_zmtp_compatible(const char *ours, const char *theirs);

#endif

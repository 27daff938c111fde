/*
 * gateway/output/output.h: where a route's messages go: one interface, a row of a table (types.c) for each kind of target.
 *
 * Delivery is at least once. The caller keeps every message until `done` says that it is delivered, as far as the kind of target can know;
 * what that means is in the row's `promise`, and no more is ever claimed:
 *
 *   raw+tcp://HOST:PORT  acknowledged by the peer's kernel (SIOCOUTQ); a peer that dies with octets unread loses them. With `acks`: the
 *                        peer itself said so.
 *   raw+ipc://PATH       read by the peer, which may not have done anything with it yet. With `acks`: the peer itself said so.
 *   exec:COMMAND         read by the command from its standard input. With `acks`: the command itself said so.
 *   file:PATH            on the disk (fdatasync(2)).
 *   tcp://, ipc://, ...  a ZMTP peer: see zmtp.c.
 *
 * After a far end was lost everything that was not done is the caller's again (`back`), and is to be sent once more when the output is
 * `ready`: so a message may arrive twice, with the same id, and never out of order within a connection. An output has one connection
 * (child, file) at a time, and keeps the order in which messages were sent.
 *
 * Memory is bounded: messages in flight (sent and not done) by number and octets; beyond, output_send() is -EAGAIN and the message stays
 * the caller's. The octets lie in the output once, until the kernel has taken them.
 *
 * Everything runs in the loop's thread. Callbacks come from the loop alone, never inside a call, but for `log`, which may come inside any;
 * all but `log` may free the output. SIGPIPE must be ignored in this process (exec).
 */
#ifndef KITH_GATEWAY_OUTPUT_H
#define KITH_GATEWAY_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kith/curve.h>
#include <kith/error.h>
#include <kith/loop.h>
#include <kith/policy.h>

#include "base/cleanup.h"

struct output;

struct output_message {
    uint64_t id;        /* for de-duplication; rises from message to message, but for those that came `back` */
    const char *source; /* name of where it came from: no control characters */
    const void *body;
    size_t size;
    const char *origin; /* the sender's origin: JSON without control characters; NULL: not known */
};

/* How a message is told from the next in a stream of octets. */
enum output_framing {
    OUTPUT_FRAMING_NEWLINE, /* a line each, ended by a newline */
    OUTPUT_FRAMING_LENGTH,  /* 4 octets of length, big-endian, before each; not for file: */
};

/* What is done with a newline in a body, under OUTPUT_FRAMING_NEWLINE. */
enum output_newline {
    OUTPUT_NEWLINE_REFUSE, /* output_send() is -EBADMSG */
    OUTPUT_NEWLINE_ESCAPE, /* it is written as \n, and a backslash as \\ (in every body, so that it can be undone) */
};

/* 0 and NULL: the default. */
struct output_options {
    size_t flight_messages; /* 4096 */
    size_t flight_octets;   /* 4 MiB, framing included; a larger message goes alone */
    uint64_t retry_min_ms;  /* 100: after a loss; doubles with each failure, less up to a half at random, until something was done again */
    uint64_t retry_max_ms;  /* 30 s */
    uint64_t connect_ms;    /* 10 s, for each address of a name */
    enum output_framing framing;
    enum output_newline newline;
    /* Each message has its id, source and origin with it. Newline framing: "ID<TAB>SOURCE<TAB>ORIGIN<TAB>BODY", ORIGIN empty when it is not
     * known. Length framing: within the length, before the body: 8 octets of id, 2 of the source's length, the source, 4 of the origin's
     * length, the origin; big-endian. ZMTP: frames before the body: the id (8 octets, big-endian) and the origin. */
    bool origin;
    /* raw, exec: the far end writes a line with an id, in decimal, when it has dealt with everything up to that message; `done` is then
     * what it said. Wants `origin`, so that it knows the ids. */
    bool acks;
    /* exec */
    bool shell;       /* COMMAND is for /bin/sh -c; else it is split at blanks, without quotes or anything else, and run as it is */
    uint64_t stop_ms; /* 5 s: from the end of its input to SIGTERM, and from there to SIGKILL */
    /* file */
    uint64_t rotate_octets; /* 0: never by size: a message that would make the file longer begins a new one */
    uint64_t rotate_ms;     /* 0: never by age: the first message when the file is so old (in whole seconds) begins a new one */
    unsigned keep;          /* 5: older files PATH.1 (the youngest) to PATH.5; what is older is removed */
    uint64_t sync_ms;       /* 20: at most so long after a message comes the fdatasync(2) for it and those before */
    /* zmtp */
    bool publish; /* PUB instead of PUSH */
    /* CURVE, as a client: the far end must have the first key, and knows us by the second; `anonymous`: by a new one each time. Other kinds
     * of target refuse it. */
    bool curve, anonymous;
    uint8_t curve_server_key[KITH_CURVE_KEY_SIZE], curve_secret_key[KITH_CURVE_KEY_SIZE];
    kith_policy *policy; /* who the far end has to be, and what may be handed to it; referenced. Other kinds of target refuse it */
    const char *service; /* what the policy's rules know us by; lives as long as the output */
};

enum output_state {
    OUTPUT_WAITING,  /* for the next try */
    OUTPUT_OPENING,  /* connecting */
    OUTPUT_UP,       /* messages can be sent */
    OUTPUT_DRAINING, /* output_drain(): nothing new */
    OUTPUT_ENDED,
};

struct output_callbacks {
    /* Every message up to this id is delivered. */
    void (*done)(struct output *output, uint64_t upto, void *userdata);
    /* The far end was lost: messages from this id on that were sent are the caller's again. */
    void (*back)(struct output *output, uint64_t from, void *userdata);
    /* output_send() can be tried: at first, when the far end is back, and when there is room after -EAGAIN. */
    void (*ready)(struct output *output, void *userdata);
    /* output_drain() is over: everything was done, or told `back` before. */
    void (*ended)(struct output *output, void *userdata);
    /* One line for a person, of a priority of syslog(3): losses, and what a command prints (at most OUTPUT_LOG_BURST lines a second, cut
     * at OUTPUT_LOG_LINE_MAX octets, fit for a terminal). Must not free the output. */
    void (*log)(struct output *output, int priority, const char *line, void *userdata);
};

#define OUTPUT_LOG_BURST 20
#define OUTPUT_LOG_LINE_MAX 512

struct output_stats {
    enum output_state state;
    uint64_t sent;    /* taken by output_send(), repetitions included */
    uint64_t done;    /* delivered */
    uint64_t retried; /* of `sent`: those that had been sent before */
    uint64_t refused; /* messages that this kind of target cannot carry */
    uint64_t reconnects;
    uint64_t failures; /* tries that failed, and losses */
    size_t flight_messages, flight_octets;
    uint64_t up_since_ns;                 /* CLOCK_MONOTONIC; 0: not up */
    char last_error[KITH_ERROR_TEXT_MAX]; /* "": none so far */
};

/* Makes an output for a target ("raw+tcp://127.0.0.1:5555") and begins to open it; that there is nobody yet is not an error. `options` may
 * be NULL; of `callbacks`, which is copied, any member may be NULL. Errors, with text: -EINVAL (malformed target, options that do not go
 * together), -EPROTONOSUPPORT (no such kind), -ENOMEM, -ECHILD. */
int output_new(kith_loop *loop, const char *target, const struct output_options *options, const struct output_callbacks *callbacks,
               void *userdata, struct output **ret_output, struct kith_error *ret_error);
/* Could output_new() make this one? Nothing is opened. Errors: as output_new(). */
int output_check(const char *target, const struct output_options *options, struct kith_error *ret_error);
/* Another policy, from now on: a far end that may not be one any more is lost. Not for a kind of target that refuses one. */
void output_set_policy(struct output *output, kith_policy *policy);
/* Takes a copy of a message when it returns 0. Errors: -EAGAIN (not up, or too much in flight: `ready` will come), -EBADMSG (a newline, or
 * a source or origin with control characters, that the framing has no room for), -EMSGSIZE (longer than the framing can say), -EACCES (the
 * policy denies it to the far end): these will never go; -EINVAL (the id does not rise), -EPIPE (draining), -ENOMEM. */
int output_send(struct output *output, const struct output_message *message);
/* Takes no more, waits until what is in flight is done, then ends the far end in its own way (SHUT_WR, end of input and SIGTERM...) and
 * calls `ended`. When deadline_ms (-1: none) has passed or the far end is lost, what is in flight is told `back` first. */
void output_drain(struct output *output, int64_t deadline_ms);
/* At once: connections are closed, a command and its process group are killed. No callback follows. NULL is allowed. Always NULL. */
struct output *output_free(struct output *output);

const char *output_target(const struct output *output);
void output_stats(const struct output *output, struct output_stats *ret_stats);
const char *output_state_name(enum output_state state);

/* A row of the table of kinds, for help and pages; NULL behind the last. */
struct output_kind {
    const char *prefix;  /* "raw+tcp://" */
    const char *summary; /* "octets over TCP" */
    const char *promise; /* what `done` means */
};
const struct output_kind *output_kind_at(size_t index);

KITH_DEFINE_CLEANUP(struct output *, output_free)

#endif

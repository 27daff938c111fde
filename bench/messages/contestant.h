/*
 * bench/messages/contestant.h: one way to move messages between two processes. A contestant is a row (contestants.c), a table of
 * functions and a file; int results are 0 or a negative errno.
 *
 * Messages are numbered (message.h): whoever receives checks each number and each size, so that a message which is lost, doubled or out of
 * order ends the run with -EBADMSG.
 */
#ifndef KITH_BENCH_MESSAGES_CONTESTANT_H
#define KITH_BENCH_MESSAGES_CONTESTANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which socket each side has; the serving side binds. */
enum pattern {
    PATTERN_REQREP,   /* REP serves REQ */
    PATTERN_PAIR,     /* PAIR and PAIR */
    PATTERN_PUSHPULL, /* PULL serves PUSH */
    PATTERN_PUBSUB,   /* XPUB that waits for slow subscribers serves SUB */
    PATTERN_ROUTER,   /* ROUTER serves clients that are no contestant's (crowd.h) */
    PATTERN_COUNT_,
};

/* Octets that may wait for one peer, where a library's own limit is larger: a longer queue is slower with all of them, because what waits
 * is fresh memory. */
#define QUEUE_OCTETS ((size_t)1024 * 1024)

/* What both sides are to agree on. */
struct setup {
    enum pattern pattern;
    bool tcp, curve;
    size_t size;     /* octets of a message, at least MESSAGE_MIN */
    unsigned topics; /* PUBSUB: a message begins with one of so many topics; 0: with its number */
    bool astray;     /* the topics of messages are such that nobody has subscribed to */
    /* "ipc://PATH" or "tcp://127.0.0.1:PORT"; at most 107 octets of path. */
    char endpoint[128];
};

/* A socket of a library with whatever it stands on; lives as long as its process. */
struct end;

struct contestant_ops {
    /* Makes the end, bound or connecting (which may still be under way). */
    int (*open)(const struct setup *setup, bool serving, struct end **ret_end);
    /* One message: blocking calls. What put() leaves behind for others to join goes out in wait(). */
    int (*put)(struct end *end, uint64_t number);
    int (*take)(struct end *end, uint64_t number);
    /* Many, where the library has more to offer than that: each asked when the answer to the one before has come, or all in a row. */
    int (*ask)(struct end *end, uint64_t first, uint64_t count);
    int (*send)(struct end *end, uint64_t first, uint64_t count);
    int (*receive)(struct end *end, uint64_t first, uint64_t count);
    /* REQREP, PAIR, ROUTER: sends back what it receives until it is killed. */
    int (*answer)(struct end *end);
    /* PUBSUB: subscribes to all of setup.topics, or to everything; waits until `count` subscriptions have come. */
    int (*subscribe)(struct end *end);
    int (*await)(struct end *end, uint64_t count);
    /* Makes progress until fd is readable. NULL: the library has a thread for that, or nothing is left to do. */
    int (*wait)(struct end *end, int fd);
};

struct contestant {
    const char *name;  /* one word */
    const char *title; /* for the table */
    unsigned patterns; /* a bit each */
    bool only_ipc;     /* it asks for credentials */
    bool curve;        /* has CURVE */
    bool octets;       /* ROUTER: takes any octets, and speaks no ZMTP */
    const struct contestant_ops *ops;
};

#define PATTERN_BIT(pattern) (1U << (pattern))

extern const struct contestant contestants[];
extern const size_t contestant_count;

/* NULL: there is no such name. */
const struct contestant *contestant_find(const char *name);

extern const struct contestant_ops contestant_kith, contestant_kith_epoll, contestant_kith_stream;
extern const struct contestant_ops contestant_libzmq, contestant_nng, contestant_nanomsg;
extern const struct contestant_ops contestant_raw, contestant_raw_creds, contestant_frames, contestant_frames_copied;

#endif

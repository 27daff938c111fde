/*
 * tests/interop/flood.h: a server that is attacked by peers that write by hand, while an honest libzmq client goes on using it. What the
 * server tells is counted and not kept, so that its memory can be measured; how long the honest client waits is measured too.
 */
#ifndef KITH_TESTS_FLOOD_H
#define KITH_TESTS_FLOOD_H

#include "interop/zpeer.h"
#include "support/raw.h"

#define FLOOD_MIB ((size_t)1024 * 1024)
/* What the loop may take beside: up to 32 MiB of slabs that are received into, blocks of them at a time, of which what was used is
 * resident.
 */
#define FLOOD_POOLS (36 * FLOOD_MIB)

struct flood {
    struct interop *interop;
    kith_socket *server;
    void *client; /* REQ of a ROUTER or REP, SUB of a PUB, PULL of a PUSH */
    size_t events[KITH_EVENT_COUNT_];
    uint64_t counts[KITH_EVENT_COUNT_]; /* sums of event->count */
    int errors[KITH_EVENT_COUNT_];      /* of the last of each kind */
    char texts[KITH_EVENT_COUNT_][256];
    size_t frames;                       /* of the largest message that came */
    size_t heap, most;                   /* octets that malloc had handed out before the attack, and at most in it */
    size_t rss_kb, most_kb;              /* and what was resident: the loop's pools too */
    char public_key[41], secret_key[41]; /* in Z85, the server's and all clients'; "": without CURVE */
    unsigned trips;                      /* of the honest client */
    unsigned slowest;                    /* of them, in ms */
};

/* A server; options, flood_seal() among them, may be set before flood_serve(). A ROUTER or REP answers each message of few frames with
 * itself. */
void flood_new(struct flood *flood, struct interop *interop, enum kith_socket_type type);
/* From now on CURVE is what the server asks for, and what a client of libzmq that is given to flood_unlock() can answer. */
void flood_seal(struct flood *flood);
void flood_unlock(const struct flood *flood, void *client);
/* Binds it, joins the honest client, and notes how much memory that takes. */
void flood_serve(struct flood *flood, const char *endpoint);
/* The honest client asks and is answered, or gets what is sent. */
void flood_trip(struct flood *flood);
/* Runs the loop until it rests, and measures. */
void flood_settle(struct flood *flood);
void flood_measure(struct flood *flood);
/* Waits until so many events of this kind have been told. */
void flood_until(struct flood *flood, enum kith_event_type type, size_t count);
/* Notes what memory is taken now, as flood_serve() does. */
void flood_note(struct flood *flood);
/* The proofs at the end: memory grew by `octets` at most beside the loop's, the honest client is served. Says the figures, and closes both
 * sockets. */
void flood_end(struct flood *flood, const char *what, size_t octets);

/* An attacker: connected; its handshake done (properties may be NULL). */
void flood_connect(struct flood *flood, struct raw *ret_raw);
void flood_join(struct flood *flood, struct raw *ret_raw, const char *type, const struct raw_property *properties);
/* Writes what the kernel takes at once and lets the server read. Returns how much that was (0: the server does not read), -EPIPE or
 * -ECONNRESET. */
ssize_t flood_push(struct flood *flood, struct raw *raw, const void *octets, size_t size);
/* All of it; false when the server closed the connection. */
bool flood_pour(struct flood *flood, struct raw *raw, const void *octets, size_t size);

#endif

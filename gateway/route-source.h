/*
 * gateway/route-source.h: one source of a route: a socket at one endpoint, whose messages go into the route's queue.
 *
 * - A message is one body: what has several frames is joined, cut to its last one, or refused and counted, as `frames` says.
 * - When the queue refuses a message it is held, and the socket is not read from until there is room: what has come meanwhile stays with
 *   the socket up to its receive mark, and the rest with the peers. Nothing is dropped.
 * - Where the transport acknowledges, a message is acknowledged when the queue says that it is safe, and one that was refused when all
 *   before it are.
 */
#ifndef KITH_GATEWAY_ROUTE_SOURCE_H
#define KITH_GATEWAY_ROUTE_SOURCE_H

#include "gateway/log.h"
#include "gateway/route-queue.h"

struct route_source;

struct route_source_options {
    kith_loop *loop;
    struct gateway_log *log;
    const char *who; /* "route syn", for log lines */
    const struct gateway_route_config *config;
    const char *endpoint; /* what its messages have as their source */
    bool bind;            /* it listens there; else it connects */
    bool with_origin;     /* a target wants to know the senders */
    struct route_queue *queue;
};

/* Its socket, which stays its own. */
kith_socket *route_source_socket(const struct route_source *source);
/* What the options point to must outlive it. Errors: those of kith_socket_bind() and kith_socket_connect(), with text. */
int route_source_new(const struct route_source_options *options, struct route_source **ret_source, struct kith_error *ret_error);
/* NULL is allowed. Always NULL. */
struct route_source *route_source_free(struct route_source *source);

void route_source_set_policy(struct route_source *source, kith_policy *policy);
/* There is room in the queue. */
void route_source_resume(struct route_source *source);
/* Everything up to this id is safe. */
void route_source_safe(struct route_source *source, uint64_t upto);
/* Reads no more. */
void route_source_stop(struct route_source *source);

struct route_source_counts {
    const char *endpoint;
    size_t peers;
    uint64_t received, queued, refused; /* refused: several frames, or too large */
    uint64_t again;                     /* of `received`: those that the source had sent before */
    uint64_t acknowledged;              /* acknowledgements, each of all messages before it */
    uint64_t waits;                     /* how often it had to wait for room */
    bool waiting;
};

void route_source_counts(const struct route_source *source, struct route_source_counts *ret_counts);

KITH_DEFINE_CLEANUP(struct route_source *, route_source_free)

#endif

/*
 * gateway/route.h: one route of the gateway: messages from sources through a queue to targets, each of which gets all.
 *
 *     peers --> [source socket]... --> queue: spool on disk, or memory --> cursor, output --> target
 *                                                                      `-> cursor, output --> target
 *
 * Backpressure goes the whole way: a target that is slow or away fills the queue, a queue that is full stops the sources, and they stop
 * their peers. What is in the spool survives the end of the process, by SIGKILL too.
 */
#ifndef KITH_GATEWAY_ROUTE_H
#define KITH_GATEWAY_ROUTE_H

#include "gateway/log.h"
#include "gateway/route-source.h"
#include "gateway/route-target.h"
#include "gateway/visit.h"

struct gateway_route;

/* `config` and `log` must outlive it. Errors: those of spool_open(), output_new() and of sockets, with text. */
int gateway_route_new(kith_loop *loop, struct gateway_log *log, const struct gateway_route_config *config, struct gateway_route **ret_route,
                      struct kith_error *ret_error);
/* Closes at once; what was appended to the spool is made durable, and what is lost is logged. NULL is allowed. Always NULL. */
struct gateway_route *gateway_route_free(struct gateway_route *route);
/* Of its sources; targets are not peers who speak. */
int gateway_route_visit(struct gateway_route *route, gateway_visit_fn fn, void *userdata);
const char *gateway_route_name(const struct gateway_route *route);

/* Takes over the policy. False when the rest differs, or the policy is gone: that needs a restart. */
bool gateway_route_reload(struct gateway_route *route, const struct gateway_route_config *config);

/* Sources are read no more; targets end when what was sent to them is delivered (and, without a spool, what waits), at most deadline_ms.
 * `changed` is called whenever gateway_route_busy() may have changed. */
void gateway_route_stop(struct gateway_route *route, uint64_t deadline_ms, void (*changed)(void *userdata), void *userdata);
bool gateway_route_busy(const struct gateway_route *route);

struct gateway_route_counts {
    const char *name, *spool; /* spool: NULL: in memory */
    size_t source_count, target_count;
    uint64_t received, queued, refused, again;
    bool waiting; /* a source waits for room */
    struct spool_statistics queue;
    char last_error[KITH_ERROR_TEXT_MAX]; /* of the disk; "": none so far */
};

/* To all its targets together. */
uint64_t gateway_route_delivered(const struct gateway_route *route);
/* May read from the disk. */
void gateway_route_counts(struct gateway_route *route, struct gateway_route_counts *ret_counts);
void gateway_route_source_counts(const struct gateway_route *route, size_t index, struct route_source_counts *ret_counts);
void gateway_route_target_counts(const struct gateway_route *route, size_t index, struct route_target_counts *ret_counts);

KITH_DEFINE_CLEANUP(struct gateway_route *, gateway_route_free)

#endif

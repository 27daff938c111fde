/*
 * gateway/route-target.h: one target of a route: its cursor in the queue, its output, and what goes from one to the other.
 *
 * - Messages are read from the queue in chunks, when the output takes some: a slow target costs room in the queue, not memory.
 * - The cursor moves when the output says that messages are delivered; what it gives back is read again. So delivery is at least once, in
 *   the queue's order.
 * - With `origin` each message says what a receiver needs to tell repetitions: in the JSON of its origin stands, first,
 *   "message":{"spool":ID,"source_sequence":N,"time":MS,"again":true|false}. (spool, id) names a message for ever; `again`: it may have
 *   been delivered before, by this process or by an earlier one, or its source has sent it before (then source and source_sequence are
 *   the same, and the id is another).
 * - What the output can never carry is counted as refused, and passed over.
 */
#ifndef KITH_GATEWAY_ROUTE_TARGET_H
#define KITH_GATEWAY_ROUTE_TARGET_H

#include "gateway/log.h"
#include "gateway/route-queue.h"

struct route_target;

struct route_target_options {
    kith_loop *loop;
    struct gateway_log *log;
    const char *who; /* "route syn", for log lines */
    const struct gateway_target_config *config;
    struct route_queue *queue;
    const char *service;           /* what its policy's rules know us by */
    unsigned index;                /* in the queue */
    void (*ended)(void *userdata); /* route_target_stop() is over */
    void *userdata;
};

/* What the options point to must outlive it. Errors: those of output_new(), with text. */
int route_target_new(const struct route_target_options *options, struct route_target **ret_target, struct kith_error *ret_error);
/* At once. NULL is allowed. Always NULL. */
struct route_target *route_target_free(struct route_target *target);
/* Takes over the policy of a target that is the same but for it. False: it is gone, or cannot be had: that needs a restart. */
bool route_target_reload(struct route_target *target, const struct gateway_target_config *config);

/* There is something to read. */
void route_target_pump(struct route_target *target);
/* Sends no more than what a queue would not keep, waits until what was sent is delivered, at most deadline_ms, and ends. */
void route_target_stop(struct route_target *target, uint64_t deadline_ms);
bool route_target_ended(const struct route_target *target);

struct route_target_counts {
    const char *name, *to, *state;
    uint64_t sent, delivered, retried, refused, reconnects, failures;
    uint64_t lag, lag_ms; /* messages that it does not have, and how old the oldest of them is */
    size_t in_flight, in_flight_bytes;
    uint64_t up_ms; /* for how long it has been up; 0: it is not */
    char last_error[KITH_ERROR_TEXT_MAX];
};

uint64_t route_target_delivered(const struct route_target *target);
/* May read from the disk. */
void route_target_counts(struct route_target *target, struct route_target_counts *ret_counts);

KITH_DEFINE_CLEANUP(struct route_target *, route_target_free)

#endif

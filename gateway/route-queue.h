/*
 * gateway/route-queue.h: what waits between a route's sources and its targets: on disk (gateway/spool) or in memory, with one interface.
 *
 * Invariants, of both:
 * - Ids rise without a gap in the order of appending, and each target reads with a cursor of its own.
 * - `safe` tells up to where the gateway answers for messages, so that sources may forget them: on disk what is durable, in memory what all
 *   targets have.
 * - Memory is bounded: what does not fit is refused, and `room` tells when to try again.
 *
 * Callbacks come from the loop, never inside a call. They may call everything but route_queue_close().
 */
#ifndef KITH_GATEWAY_ROUTE_QUEUE_H
#define KITH_GATEWAY_ROUTE_QUEUE_H

#include <kith/loop.h>

#include "gateway/config.h"

struct route_queue;

struct route_queue_ops {
    void (*safe)(uint64_t upto, void *userdata);
    void (*readable)(void *userdata); /* there are new messages for the targets, or what stood in the way of reading is gone */
    void (*room)(void *userdata);     /* after an append was refused with -EAGAIN or -ENOSPC */
    void (*failed)(const struct kith_error *error, void *userdata); /* the disk; it is tried again */
    void (*notice)(const char *text, void *userdata);
};

/* Opens the route's spool, or makes a queue in memory. `route` must outlive it; `ops` is not copied. Errors: those of spool_open(), with
 * text. */
int route_queue_open(kith_loop *loop, const struct gateway_route_config *route, const struct route_queue_ops *ops, void *userdata,
                     struct route_queue **ret_queue, struct kith_error *ret_error);
/* What was appended is made durable. Errors: with text that says how many messages are lost; it is closed all the same. NULL: nothing. */
int route_queue_close(struct route_queue *queue, struct kith_error *ret_error);

/* As spool_append(). */
int route_queue_append(struct route_queue *queue, const char *source, uint64_t sequence, uint32_t flags, const void *data, size_t size);
/* As spool_read(). */
int route_queue_read(struct route_queue *queue, uint64_t after, size_t max_bytes, spool_message_fn *fn, void *userdata,
                     struct kith_error *ret_error);
/* As spool_done(); a target is its place in the route's. */
void route_queue_done(struct route_queue *queue, unsigned target, uint64_t id);
uint64_t route_queue_cursor(const struct route_queue *queue, unsigned target);

/* Does it keep messages when the gateway ends? */
bool route_queue_keeps(const struct route_queue *queue);
/* The last id appended, and the last one that `safe` was told of. */
uint64_t route_queue_last(const struct route_queue *queue);
uint64_t route_queue_safe(const struct route_queue *queue);
/* (this, id) names a message for ever. */
void route_queue_id(struct route_queue *queue, uint8_t ret_id[SPOOL_ID_SIZE]);
/* May read from the disk. */
void route_queue_statistics(struct route_queue *queue, struct spool_statistics *ret);

#endif

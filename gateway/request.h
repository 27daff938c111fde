/*
 * gateway/request.h: the requests a service has taken and not answered.
 *
 * A request is first waiting (for a worker), then in flight (a worker has it). It is known to workers only by an id of its own, 16 octets
 * of which 8 are random: so a worker can answer what it was given and nothing else, and never learns a client's routing id. The client's
 * envelope stays here.
 *
 * Invariants: a request is in exactly one of the two lists, each in order of arrival; it is in the map as long as it lives; while it waits
 * its octets are charged to the table. The table says when it is full; who fills it then stops reading.
 */
#ifndef KITH_GATEWAY_REQUEST_H
#define KITH_GATEWAY_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kith/msg.h>

#include "base/list.h"
#include "base/map.h"

#define GATEWAY_REQUEST_ID_SIZE 16

struct gateway_request {
    struct kith_list link;
    struct kith_map_node node;
    uint8_t id[GATEWAY_REQUEST_ID_SIZE];
    kith_msg *envelope; /* the client's: goes in front of the reply */
    kith_msg *body;     /* while waiting; NULL in flight */
    size_t size;        /* what both cost at arrival: gateway_request_cost() */
    uint64_t since;     /* arrival, CLOCK_MONOTONIC nanoseconds */
    void *worker;       /* what it was handed to; NULL while waiting */
    uint64_t peer;      /* of that, the connection it went to (kith_socket_last_peer()); 0: not known */
    bool doubtful;      /* it may have been lost with a worker */
};

struct gateway_request_limits {
    size_t waiting;        /* requests */
    size_t waiting_octets; /* of their frames, and what these cost */
    size_t in_flight;      /* requests for each worker */
};

struct gateway_requests {
    struct kith_list waiting;
    struct kith_list in_flight;
    size_t waiting_count;
    size_t waiting_octets;
    size_t in_flight_count;
    size_t doubtful_count; /* of those in flight */
    struct kith_map by_id;
    struct gateway_request_limits limits;
    uint64_t next; /* first half of the next id */
    uint8_t random[512];
    size_t random_left;
};

/* What a waiting message counts: its octets and KITH_FRAME_COST for each frame: a million empty frames are much memory too. */
size_t gateway_request_cost(const kith_msg *msg);

void gateway_requests_init(struct gateway_requests *requests, const struct gateway_request_limits *limits);
/* Frees all requests. */
void gateway_requests_deinit(struct gateway_requests *requests);

/* Takes a request as a ROUTER received it (consumed when 0 is returned) with an envelope of `envelope_frames` frames and lets it wait.
 * Full or not: what was received is kept. Errors: -ENOMEM. */
int gateway_requests_add(struct gateway_requests *requests, kith_msg *msg, size_t envelope_frames, uint64_t now);
/* Do as many wait as may (or as many octets)? Shall reading go on, as half of them are gone? */
bool gateway_requests_full(const struct gateway_requests *requests);
bool gateway_requests_low(const struct gateway_requests *requests);
/* The request that waits longest, if one may be in flight more with so many workers; NULL: none. Doubtful ones do not count: they must not
 * keep the worker that comes next from working. */
struct gateway_request *gateway_requests_next(struct gateway_requests *requests, size_t workers);
/* A worker has it now: moves it from waiting to in flight. */
void gateway_requests_sent(struct gateway_requests *requests, struct gateway_request *request, void *worker, uint64_t peer);
/* The connection `peer` of those behind `worker` has gone, and `unsent` messages that were for it go to others. Calls `lost` for each
 * request that it had for sure, which may free it. To whom those go that had not left is not known: they, and others of which that was
 * not known, are in doubt. Returns how many are. */
size_t gateway_requests_gone(struct gateway_requests *requests, const void *worker, uint64_t peer, uint64_t unsent,
                             void (*lost)(struct gateway_request *request, void *userdata), void *userdata);
/* The request in flight with this id, or NULL. */
struct gateway_request *gateway_requests_find(const struct gateway_requests *requests, const uint8_t *id, size_t size);
/* The one that arrived first of all, waiting or in flight; NULL: none. */
struct gateway_request *gateway_requests_oldest(const struct gateway_requests *requests);
void gateway_request_free(struct gateway_requests *requests, struct gateway_request *request);

#endif

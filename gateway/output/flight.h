/*
 * gateway/output/flight.h: messages that were sent and are not done: their ids and where each ends, first in, first out. The octets
 * themselves are not here: the caller has them.
 */
#ifndef KITH_GATEWAY_OUTPUT_FLIGHT_H
#define KITH_GATEWAY_OUTPUT_FLIGHT_H

#include <stddef.h>
#include <stdint.h>

struct output_flight_entry {
    uint64_t id;
    uint64_t end; /* octets since the opening, up to and with this message */
};

struct output_flight {
    struct output_flight_entry *entries; /* a ring of `room`, a power of two */
    size_t room, first, count;
    uint64_t begin; /* where the first one begins */
};

void output_flight_deinit(struct output_flight *flight);
/* Makes room for one more. Errors: -ENOMEM. */
int output_flight_reserve(struct output_flight *flight);
/* There is room. */
void output_flight_push(struct output_flight *flight, uint64_t id, uint64_t end);
/* Takes those that end at or before `octets`, or have an id up to `id`. Returns how many, the last one's id in *ret_id. */
size_t output_flight_take_octets(struct output_flight *flight, uint64_t octets, uint64_t *ret_id);
size_t output_flight_take_ids(struct output_flight *flight, uint64_t id, uint64_t *ret_id);
/* Takes all, and begins to count octets anew. */
void output_flight_clear(struct output_flight *flight);

/* Octets of all. */
uint64_t output_flight_octets(const struct output_flight *flight);
const struct output_flight_entry *output_flight_at(const struct output_flight *flight, size_t index);

#endif

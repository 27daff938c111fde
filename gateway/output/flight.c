/* gateway/output/flight.c: see flight.h. */
#include "gateway/output/flight.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

/* Grows up to what the output's bound needs, and stays. */
#define FLIGHT_ROOM_FIRST 64

const struct output_flight_entry *output_flight_at(const struct output_flight *flight, size_t index) {
    return &flight->entries[(flight->first + index) & (flight->room - 1)];
}

void output_flight_deinit(struct output_flight *flight) {
    free(flight->entries);
    *flight = (struct output_flight){0};
}

int output_flight_reserve(struct output_flight *flight) {
    if (flight->count < flight->room)
        return 0;
    size_t room = flight->room > 0 ? 2 * flight->room : FLIGHT_ROOM_FIRST;
    struct output_flight_entry *entries = calloc(room, sizeof(*entries));
    if (!entries)
        return -ENOMEM;
    for (size_t i = 0; i < flight->count; i++)
        entries[i] = *output_flight_at(flight, i);
    free(flight->entries);
    flight->entries = entries;
    flight->room = room;
    flight->first = 0;
    return 0;
}

void output_flight_push(struct output_flight *flight, uint64_t id, uint64_t end) {
    flight->entries[(flight->first + flight->count) & (flight->room - 1)] = (struct output_flight_entry){.id = id, .end = end};
    flight->count++;
}

static void take_first(struct output_flight *flight, uint64_t *ret_id) {
    const struct output_flight_entry *entry = output_flight_at(flight, 0);
    *ret_id = entry->id;
    flight->begin = entry->end;
    flight->first = (flight->first + 1) & (flight->room - 1);
    flight->count--;
}

size_t output_flight_take_octets(struct output_flight *flight, uint64_t octets, uint64_t *ret_id) {
    size_t taken = 0;
    for (; flight->count > 0 && output_flight_at(flight, 0)->end <= octets; taken++)
        take_first(flight, ret_id);
    return taken;
}

size_t output_flight_take_ids(struct output_flight *flight, uint64_t id, uint64_t *ret_id) {
    size_t taken = 0;
    for (; flight->count > 0 && output_flight_at(flight, 0)->id <= id; taken++)
        take_first(flight, ret_id);
    return taken;
}

void output_flight_clear(struct output_flight *flight) {
    flight->first = flight->count = 0;
    flight->begin = 0;
}

uint64_t output_flight_octets(const struct output_flight *flight) {
    return flight->count > 0 ? output_flight_at(flight, flight->count - 1)->end - flight->begin : 0;
}

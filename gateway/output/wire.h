/*
 * gateway/output/wire.h: messages as octets of a stream, and lines that come from a far end. No I/O.
 */
#ifndef KITH_GATEWAY_OUTPUT_WIRE_H
#define KITH_GATEWAY_OUTPUT_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "gateway/output/output.h"

/* Octets that grow at the end and are taken from the front. */
struct output_octets {
    uint8_t *data; /* those that count are [start, end) */
    size_t start, end, room;
};

void output_octets_deinit(struct output_octets *octets);
void output_octets_clear(struct output_octets *octets);
void output_octets_take(struct output_octets *octets, size_t size);
static inline size_t output_octets_size(const struct output_octets *octets) {
    return octets->end - octets->start;
}

/* Appends a message as the options frame it (output.h), whole or not at all. Errors: -EBADMSG, -EMSGSIZE, -ENOMEM. */
int output_wire_put(struct output_octets *octets, const struct output_options *options, const struct output_message *message);

/* Octets as they come -> lines, ended by a newline. A longer line is cut: what is behind OUTPUT_LOG_LINE_MAX is dropped. */
struct output_lines {
    char text[OUTPUT_LOG_LINE_MAX];
    size_t size;
};

/* Takes octets from *data up to and with a newline. True: a line is whole, in lines->text, ended by a NUL; call output_lines_next() when it
 * is dealt with. */
bool output_lines_take(struct output_lines *lines, const uint8_t **data, size_t *size);
void output_lines_next(struct output_lines *lines);
/* A line that is an id in decimal and nothing more (a carriage return may follow). */
bool output_line_id(const char *line, uint64_t *ret_id);

#endif

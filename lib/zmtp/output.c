/*
 * zmtp/output.c: what the engine has to say by itself, in one growing block until its owner takes it.
 *
 * The block is given back when it is taken: a peer in traffic has none, except while a PONG waits. What the peer can cause to be queued is
 * bounded by `limit`, asked before. Sealing is left to the moment of taking: the numbers of sealed frames rise in the order in which they
 * go out, and a message that is being written goes before a PONG that was queued meanwhile.
 */
#include <stdlib.h>
#include <string.h>

#include "zmtp/engine.h"

/* Greeting and an ordinary READY. */
#define OUTPUT_FIRST 128

uint8_t *kith_zmtp_output_extend(struct kith_zmtp_output *output, size_t size) {
    if (output->capacity - output->size < size) {
        size_t capacity = output->capacity ? output->capacity : OUTPUT_FIRST;
        while (capacity - output->size < size)
            capacity *= 2;
        uint8_t *data = realloc(output->data, capacity);
        if (!data)
            return NULL;
        output->data = data;
        output->capacity = (uint32_t)capacity; /* bounded: handshake and limit */
    }
    uint8_t *place = output->data + output->size;
    output->size += (uint32_t)size;
    return place;
}

bool kith_zmtp_output_has_room(const struct kith_zmtp_output *output, size_t size) {
    return output->size + KITH_ZMTP_HEADER_MAX + size <= output->limit;
}

/* The frame at data[at], which we wrote. Returns where the next one begins. */
static size_t read_frame(const struct kith_zmtp_output *output, size_t at, struct kith_zmtp_body *ret_body) {
    const uint8_t *header = output->data + at;
    size_t header_size = 2, size = header[1];
    if (header[0] & KITH_ZMTP_FLAG_LONG) {
        size = 0;
        for (header_size = 1; header_size < KITH_ZMTP_HEADER_MAX; header_size++)
            size = size << 8 | header[header_size];
    }
    *ret_body = (struct kith_zmtp_body){.flags = header[0] & ~KITH_ZMTP_FLAG_LONG, .data = header + header_size, .size = size};
    return at + header_size + size;
}

size_t kith_zmtp_output_size(const struct kith_zmtp *engine) {
    const struct kith_zmtp_output *output = &engine->output;
    if (!engine->seal)
        return output->size;
    size_t size = output->open;
    struct kith_zmtp_body body;
    for (size_t at = output->open; at < output->size;) {
        at = read_frame(output, at, &body);
        size += kith_zmtp_body_wire_size(engine, &body);
    }
    return size;
}

void kith_zmtp_output_take(struct kith_zmtp *engine, uint8_t *to) {
    struct kith_zmtp_output *output = &engine->output;
    const size_t open = engine->seal ? output->open : output->size;
    struct kith_zmtp_body body;
    if (open > 0)
        memcpy(to, output->data, open);
    to += open;
    for (size_t at = open; at < output->size;) {
        at = read_frame(output, at, &body);
        to = kith_zmtp_body_write(engine, &body, to);
    }
    free(output->data);
    *output = (struct kith_zmtp_output){.limit = output->limit};
}

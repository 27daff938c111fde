/*
 * zmtp/output.c: octets to be sent, in one growing block.
 *
 * data[begin, end) waits. The block is given back when it is empty: a peer in traffic has none, except while a PONG waits. What the peer
 * can cause to be queued is bounded by `limit`, asked before.
 */
#include <stdlib.h>
#include <string.h>

#include "zmtp/engine.h"

/* Greeting and an ordinary READY. */
#define OUTPUT_FIRST 128

static void compact(struct kith_zmtp_output *output) {
    if (output->begin == 0)
        return;
    memmove(output->data, output->data + output->begin, output->end - output->begin);
    output->end -= output->begin;
    output->begin = 0;
}

uint8_t *kith_zmtp_output_extend(struct kith_zmtp_output *output, size_t size) {
    if (output->capacity - output->end < size)
        compact(output);
    if (output->capacity - output->end < size) {
        size_t capacity = output->capacity ? output->capacity : OUTPUT_FIRST;
        while (capacity - output->end < size)
            capacity *= 2;
        uint8_t *data = realloc(output->data, capacity);
        if (!data)
            return NULL;
        output->data = data;
        output->capacity = capacity;
    }
    uint8_t *place = output->data + output->end;
    output->end += size;
    return place;
}

bool kith_zmtp_output_has_room(const struct kith_zmtp_output *output, size_t size) {
    return output->end - output->begin + KITH_ZMTP_HEADER_MAX + size <= output->limit;
}

const uint8_t *kith_zmtp_output(struct kith_zmtp *engine, size_t *ret_size) {
    const struct kith_zmtp_output *output = &engine->output;
    *ret_size = output->end - output->begin;
    return *ret_size > 0 ? output->data + output->begin : NULL;
}

void kith_zmtp_output_done(struct kith_zmtp *engine, size_t size) {
    struct kith_zmtp_output *output = &engine->output;
    const size_t waiting = output->end - output->begin;
    if (size < waiting) {
        output->begin += size;
        return;
    }
    free(output->data);
    *output = (struct kith_zmtp_output){.limit = output->limit};
}

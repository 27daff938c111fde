/* gateway/output/wire.c: see wire.h. */
#include "gateway/output/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A large message does not hold its memory for ever. */
#define OCTETS_KEPT ((size_t)256 << 10)

void output_octets_deinit(struct output_octets *octets) {
    free(octets->data);
    *octets = (struct output_octets){0};
}

void output_octets_clear(struct output_octets *octets) {
    octets->start = octets->end = 0;
    if (octets->room > OCTETS_KEPT)
        output_octets_deinit(octets);
}

void output_octets_take(struct output_octets *octets, size_t size) {
    octets->start += size;
    if (octets->start == octets->end)
        output_octets_clear(octets);
}

/* Room for `size` more: moves what is there to the front once half of the memory lies before it, else grows. */
static int octets_reserve(struct output_octets *octets, size_t size) {
    size_t used = octets->end - octets->start;
    if (octets->room - octets->end >= size)
        return 0;
    if (octets->start > octets->room / 2 && octets->room - used >= size) {
        memmove(octets->data, octets->data + octets->start, used);
    } else {
        size_t room = octets->room > 0 ? octets->room : 4096;
        while (room - used < size) {
            if (room > SIZE_MAX / 2)
                return -ENOMEM;
            room *= 2;
        }
        uint8_t *data = malloc(room);
        if (!data)
            return -ENOMEM;
        if (used > 0)
            memcpy(data, octets->data + octets->start, used);
        free(octets->data);
        octets->data = data;
        octets->room = room;
    }
    octets->start = 0;
    octets->end = used;
    return 0;
}

/* Room was reserved. */
static void put(struct output_octets *octets, const void *data, size_t size) {
    if (size > 0)
        memcpy(octets->data + octets->end, data, size);
    octets->end += size;
}

static void put_number(struct output_octets *octets, uint64_t number, size_t size) {
    for (size_t i = size; i > 0; i--)
        octets->data[octets->end++] = (uint8_t)(number >> (8 * (i - 1)));
}

static bool has_control(const char *text) {
    for (; *text; text++)
        if ((unsigned char)*text < 0x20)
            return true;
    return false;
}

/* Newline framing -------------------------------------------------------------------------------------------------- */

static size_t count_escaped(const uint8_t *body, size_t size) {
    size_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += body[i] == '\n' || body[i] == '\\';
    return count;
}

static void put_escaped(struct output_octets *octets, const uint8_t *body, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (body[i] == '\n' || body[i] == '\\')
            octets->data[octets->end++] = '\\';
        octets->data[octets->end++] = body[i] == '\n' ? 'n' : body[i];
    }
}

static int put_line(struct output_octets *octets, const struct output_options *options, const struct output_message *message) {
    char id[24];
    const char *origin = message->origin ? message->origin : "";
    bool escape = options->newline == OUTPUT_NEWLINE_ESCAPE;
    size_t more = escape ? count_escaped(message->body, message->size) : 0, size = message->size + 1;
    if (!escape && message->size > 0 && memchr(message->body, '\n', message->size))
        return -EBADMSG;
    if (__builtin_add_overflow(size, more, &size))
        return -EMSGSIZE;
    snprintf(id, sizeof(id), "%llu\t", (unsigned long long)message->id);
    if (options->origin && (has_control(message->source) || has_control(origin)))
        return -EBADMSG;
    if (options->origin)
        size += strlen(id) + strlen(message->source) + strlen(origin) + 2;
    int r = octets_reserve(octets, size);
    if (r < 0)
        return r;
    if (options->origin) {
        put(octets, id, strlen(id));
        put(octets, message->source, strlen(message->source));
        put(octets, "\t", 1);
        put(octets, origin, strlen(origin));
        put(octets, "\t", 1);
    }
    if (escape)
        put_escaped(octets, message->body, message->size);
    else
        put(octets, message->body, message->size);
    put(octets, "\n", 1);
    return 0;
}

/* Length framing --------------------------------------------------------------------------------------------------- */

static int put_length(struct output_octets *octets, const struct output_options *options, const struct output_message *message) {
    size_t source = options->origin ? strlen(message->source) : 0;
    size_t origin = options->origin && message->origin ? strlen(message->origin) : 0;
    size_t header = options->origin ? 8 + 2 + source + 4 + origin : 0;
    if (source > UINT16_MAX || header > UINT32_MAX || message->size > UINT32_MAX - header)
        return -EMSGSIZE;
    int r = octets_reserve(octets, 4 + header + message->size);
    if (r < 0)
        return r;
    put_number(octets, header + message->size, 4);
    if (options->origin) {
        put_number(octets, message->id, 8);
        put_number(octets, source, 2);
        put(octets, message->source, source);
        put_number(octets, origin, 4);
        put(octets, message->origin, origin);
    }
    put(octets, message->body, message->size);
    return 0;
}

int output_wire_put(struct output_octets *octets, const struct output_options *options, const struct output_message *message) {
    if (options->framing == OUTPUT_FRAMING_LENGTH)
        return put_length(octets, options, message);
    return put_line(octets, options, message);
}

/* Lines that come -------------------------------------------------------------------------------------------------- */

bool output_lines_take(struct output_lines *lines, const uint8_t **data, size_t *size) {
    while (*size > 0) {
        char c = (char)*(*data)++;
        (*size)--;
        if (c == '\n') {
            lines->text[lines->size] = '\0';
            return true;
        }
        if (lines->size < sizeof(lines->text) - 1)
            lines->text[lines->size++] = c;
    }
    return false;
}

void output_lines_next(struct output_lines *lines) {
    lines->size = 0;
}

bool output_line_id(const char *line, uint64_t *ret_id) {
    uint64_t id = 0;
    size_t i = 0;
    for (; line[i] >= '0' && line[i] <= '9'; i++)
        if (__builtin_mul_overflow(id, 10, &id) || __builtin_add_overflow(id, (uint64_t)(line[i] - '0'), &id))
            return false;
    if (i == 0 || (line[i] != '\0' && strcmp(line + i, "\r") != 0))
        return false;
    *ret_id = id;
    return true;
}

/* flow/decode/lines.h: text of a file, cut without copying. */
#ifndef KITH_FLOW_LINES_H
#define KITH_FLOW_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct flow_span {
    const char *text;
    size_t size;
};

/* Takes what is in front of the first of `stop` (or all), and the stop itself, off the rest. False: nothing was left. */
static inline bool flow_span_cut(struct flow_span *rest, char stop, struct flow_span *ret_part) {
    if (rest->size == 0)
        return false;
    const char *end = memchr(rest->text, stop, rest->size);
    size_t size = end ? (size_t)(end - rest->text) : rest->size;
    *ret_part = (struct flow_span){rest->text, size};
    size_t taken = end ? size + 1 : size;
    rest->text += taken;
    rest->size -= taken;
    return true;
}

static inline bool flow_span_is(struct flow_span span, const char *word) {
    return span.size == strlen(word) && memcmp(span.text, word, span.size) == 0;
}

static inline bool flow_span_begins(struct flow_span span, const char *word) {
    size_t size = strlen(word);
    return span.size >= size && memcmp(span.text, word, size) == 0;
}

/* A whole number in base 10 or 16, without sign, and nothing else. */
bool flow_span_number(struct flow_span span, unsigned base, uint64_t *ret_number);

#endif

/* flow/decode/texts.c: a list of blocks; the newest, which has room, is the first. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow/decode/texts.h"

#define BLOCK_OCTETS 65536
#define PRINTED_MAX 512

struct flow_texts {
    struct flow_texts *next;
    size_t room, used;
    char octets[];
};

char *flow_texts_add(struct flow_texts **texts, const char *text, size_t size) {
    struct flow_texts *block = *texts;

    if (!block || block->room - block->used <= size) {
        size_t room = size >= BLOCK_OCTETS ? size + 1 : BLOCK_OCTETS;
        block = malloc(sizeof(*block) + room);
        if (!block)
            return NULL;
        *block = (struct flow_texts){.next = *texts, .room = room};
        *texts = block;
    }
    char *copy = block->octets + block->used;
    if (size > 0)
        memcpy(copy, text, size);
    copy[size] = '\0';
    block->used += size + 1;
    return copy;
}

char *flow_texts_printf(struct flow_texts **texts, const char *format, ...) {
    char text[PRINTED_MAX];
    va_list args;

    va_start(args, format);
    int length = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (length < 0)
        return NULL;
    return flow_texts_add(texts, text, (size_t)length < sizeof(text) ? (size_t)length : sizeof(text) - 1);
}

struct flow_texts *flow_texts_free(struct flow_texts *texts) {
    while (texts) {
        struct flow_texts *next = texts->next;
        free(texts);
        texts = next;
    }
    return NULL;
}

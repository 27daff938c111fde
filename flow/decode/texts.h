/* flow/decode/texts.h: the texts of a model: copied one behind the other into blocks that are freed together. */
#ifndef KITH_FLOW_TEXTS_H
#define KITH_FLOW_TEXTS_H

#include <stddef.h>

struct flow_texts;

/* A copy with a NUL behind it, or NULL: no memory. `*texts` is NULL at first. */
char *flow_texts_add(struct flow_texts **texts, const char *text, size_t size);
char *flow_texts_printf(struct flow_texts **texts, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct flow_texts *flow_texts_free(struct flow_texts *texts);

#endif

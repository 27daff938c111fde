/*
 * base/text.h: text written into memory of the caller, as snprintf(3): what does not fit is counted and not written, and the
 * text always ends in a NUL. No allocation, so nothing can fail.
 */
#ifndef KITH_BASE_TEXT_H
#define KITH_BASE_TEXT_H

#include <stddef.h>

struct kith_text {
    char *text; /* may be NULL when size is 0: only counts */
    size_t size;
    size_t length; /* octets asked for so far, without the NUL; the text is whole while length < size */
};

/* Begins an empty text. */
struct kith_text kith_text_init(char *text, size_t size);

void kith_text_put(struct kith_text *text, const void *data, size_t size);
void kith_text_puts(struct kith_text *text, const char *string);
void kith_text_putc(struct kith_text *text, char c);
/* One conversion is cut at 255 octets: for numbers and short words. */
void kith_text_printf(struct kith_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Octets of somebody else, fit for a terminal and a log line: control characters and what is not UTF-8 become \xHH. */
void kith_text_put_printable(struct kith_text *text, const void *data, size_t size);

/* What snprintf(3) would return; INT_MAX beyond it. */
int kith_text_result(const struct kith_text *text);

#endif

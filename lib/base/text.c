/* base/text.c: see text.h. `length` runs on beyond the memory; every write is clipped against `size` at one place. */
#include "base/text.h"

#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

struct kith_text kith_text_init(char *text, size_t size) {
    if (size > 0)
        text[0] = '\0';
    return (struct kith_text){.text = text, .size = size, .length = 0};
}

void kith_text_put(struct kith_text *text, const void *data, size_t size) {
    if (text->length + 1 < text->size) {
        size_t room = text->size - text->length - 1;
        size_t part = size < room ? size : room;

        if (part > 0)
            memcpy(text->text + text->length, data, part);
        text->text[text->length + part] = '\0';
    }
    text->length += size;
}

void kith_text_puts(struct kith_text *text, const char *string) {
    kith_text_put(text, string, strlen(string));
}

void kith_text_putc(struct kith_text *text, char c) {
    kith_text_put(text, &c, 1);
}

void kith_text_printf(struct kith_text *text, const char *format, ...) {
    char piece[256];
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(piece, sizeof(piece), format, args);
    va_end(args);
    if (length < 0)
        return;
    kith_text_put(text, piece, (size_t)length < sizeof(piece) ? (size_t)length : sizeof(piece) - 1);
}

/* C0, DEL, and C1 (U+0080 to U+009F), which terminals obey too. */
static bool is_control(const uint8_t *character, size_t length) {
    if (length == 1)
        return character[0] < 0x20 || character[0] == 0x7f;
    return length == 2 && character[0] == 0xc2 && character[1] < 0xa0;
}

void kith_text_put_printable(struct kith_text *text, const void *data, size_t size) {
    const uint8_t *octets = data;

    for (size_t offset = 0; offset < size;) {
        size_t length = kith_utf8_character(octets + offset, size - offset);

        if (length > 0 && !is_control(octets + offset, length)) {
            kith_text_put(text, octets + offset, length);
            offset += length;
        } else {
            kith_text_printf(text, "\\x%02x", octets[offset]);
            offset++;
        }
    }
}

int kith_text_result(const struct kith_text *text) {
    return text->length > INT_MAX ? INT_MAX : (int)text->length;
}

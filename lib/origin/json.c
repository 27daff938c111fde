/* origin/json.c: see json.h. */
#include "origin/json.h"

#include <stdint.h>
#include <string.h>

#include "base/utf8.h"

static void put_character(struct kith_text *text, const uint8_t *character, size_t length) {
    if (*character == '"' || *character == '\\')
        kith_text_putc(text, '\\');
    if (*character < 0x20 || *character == 0x7f)
        kith_text_printf(text, "\\u%04x", *character);
    else
        kith_text_put(text, character, length);
}

void kith_json_string(struct kith_text *text, const void *data, size_t size) {
    const uint8_t *octets = data;

    kith_text_putc(text, '"');
    for (size_t offset = 0; offset < size;) {
        size_t length = kith_utf8_character(octets + offset, size - offset);

        if (length > 0)
            put_character(text, octets + offset, length);
        else
            kith_text_puts(text, "\\ufffd");
        offset += length > 0 ? length : 1;
    }
    kith_text_putc(text, '"');
}

void kith_json_base64(struct kith_text *text, const void *data, size_t size) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *octets = data;

    kith_text_putc(text, '"');
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t bits = (uint32_t)octets[i] << 16 | (left > 1 ? (uint32_t)octets[i + 1] << 8 : 0) | (left > 2 ? octets[i + 2] : 0);
        char group[4] = {
            digits[bits >> 18],
            digits[bits >> 12 & 63],
            left > 1 ? digits[bits >> 6 & 63] : '=',
            left > 2 ? digits[bits & 63] : '=',
        };

        kith_text_put(text, group, sizeof(group));
    }
    kith_text_putc(text, '"');
}

void kith_json_key(struct kith_text *text, bool *first, const char *name) {
    if (!*first)
        kith_text_putc(text, ',');
    *first = false;
    kith_json_string(text, name, strlen(name));
    kith_text_putc(text, ':');
}

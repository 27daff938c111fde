/* gateway/printable.c: see printable.h. */
#include "gateway/printable.h"

#include <stdbool.h>
#include <stdint.h>

#include "base/utf8.h"

/* A request line names at most this many frames and octets of each: it stays one line of a terminal or a journal. */
#define FRAMES_SHOWN 4
#define OCTETS_SHOWN 64

/* The code point of a character that kith_utf8_character() found to be `length` octets long. */
static uint32_t code_point(const uint8_t *octets, size_t length) {
    uint32_t c = length == 1 ? octets[0] : octets[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++)
        c = c << 6 | (octets[i] & 0x3f);
    return c;
}

/* Visible, and without power over the text around it: no C0 and C1 controls, no marks that turn the reading order (Unicode Bidi_Control),
 * no line and paragraph separators, no invisible joiners, no private-use or unassigned planes' tags. */
static bool visible(uint32_t c) {
    if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x61c || c == 0xfeff)
        return false;
    if ((c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f))
        return false;
    return c < 0xe0000;
}

static void put_octets(struct kith_text *text, const uint8_t *octets, size_t size) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        const char escape[] = {'\\', 'x', digits[octets[i] >> 4], digits[octets[i] & 15]};
        kith_text_put(text, escape, sizeof(escape));
    }
}

void gateway_put_printable(struct kith_text *text, const void *data, size_t size, size_t max, char quote) {
    const uint8_t *octets = data;
    for (size_t i = 0, length; i < size && i < max; i += length) {
        length = kith_utf8_character(octets + i, size - i);
        if (length == 1 && (octets[i] == '\\' || (quote && octets[i] == (uint8_t)quote))) {
            kith_text_putc(text, '\\');
            kith_text_putc(text, (char)octets[i]);
        } else if (length > 0 && visible(code_point(octets + i, length))) {
            kith_text_put(text, octets + i, length);
        } else if (octets[i] == '\n' || octets[i] == '\t') {
            kith_text_puts(text, octets[i] == '\n' ? "\\n" : "\\t");
        } else {
            length = length ? length : 1;
            put_octets(text, octets + i, length);
        }
    }
}

void gateway_put_lines(struct kith_text *text, const void *data, size_t size) {
    const uint8_t *octets = data;
    for (size_t i = 0, length; i < size; i += length) {
        length = kith_utf8_character(octets + i, size - i);
        if (octets[i] == '\n' || octets[i] == '\t' || (length > 0 && visible(code_point(octets + i, length)))) {
            kith_text_put(text, octets + i, length);
        } else {
            length = length ? length : 1;
            put_octets(text, octets + i, length);
        }
    }
}

void gateway_put_frames(struct kith_text *text, const kith_msg *msg, size_t first) {
    size_t count = kith_msg_count(msg);
    for (size_t i = first; i < count && i < first + FRAMES_SHOWN; i++) {
        size_t size;
        const uint8_t *frame = kith_msg_frame(msg, i, &size);
        kith_text_puts(text, i > first ? " \"" : "\"");
        gateway_put_printable(text, frame, size, OCTETS_SHOWN, '"');
        kith_text_putc(text, '"');
        if (size > OCTETS_SHOWN)
            kith_text_printf(text, "... (%zu octets)", size);
    }
    if (count > first + FRAMES_SHOWN)
        kith_text_printf(text, " and %zu more frames", count - first - FRAMES_SHOWN);
}

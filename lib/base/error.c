/*
 * base/error.c: texts of errors.
 *
 * Invariants: a text is one line without control characters, whatever names and values of a peer went into it, and it never ends inside a
 * UTF-8 character. The arguments may point into the very error that is being set: the text is built aside and copied at the end.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

static const char ellipsis[] = "...";

static bool is_continuation(char octet) {
    return ((unsigned char)octet & 0xc0) == 0x80;
}

/* Ends a text that fills its whole block in "...", at a character border. Octets that are not UTF-8 are cut where they are. */
static void cut(char text[static KITH_ERROR_TEXT_MAX]) {
    const size_t longest = KITH_ERROR_TEXT_MAX - sizeof(ellipsis);
    size_t end = longest;

    /* A character has at most three continuation octets. */
    while (end > longest - 3 && is_continuation(text[end]))
        end--;
    if (is_continuation(text[end]))
        end = longest;
    memcpy(text + end, ellipsis, sizeof(ellipsis));
}

static void make_one_line(char *text) {
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = '?';
}

int kith_error_vset(struct kith_error *error, int code, const char *format, va_list args) {
    char text[KITH_ERROR_TEXT_MAX];

    if (!error)
        return code;
    int length = vsnprintf(text, sizeof(text), format, args);
    if (length < 0)
        snprintf(text, sizeof(text), "%s", kith_error_name(code));
    else if ((size_t)length >= sizeof(text))
        cut(text);
    make_one_line(text);

    error->code = code;
    memcpy(error->text, text, strlen(text) + 1);
    return code;
}

int kith_error_set(struct kith_error *error, int code, const char *format, ...) {
    va_list args;

    va_start(args, format);
    kith_error_vset(error, code, format, args);
    va_end(args);
    return code;
}

const char *kith_error_name(int code) {
    /* Unlike strerror(3), thread safe and never translated: logs of one service read the same on every host. */
    const char *name = code <= 0 && code >= -4095 ? strerrordesc_np(-code) : NULL;
    return name ? name : "Unknown error";
}

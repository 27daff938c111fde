/* view/out.c: a buffer in front of the caller's function. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "view/out.h"

#define PRINTED_MAX 1024
#define NAME_MAX_ 1024

void view_out_init(struct view_out *out, view_out_fn write, void *userdata) {
    out->write = write;
    out->userdata = userdata;
    out->error = 0;
    out->used = 0;
}

static void flush(struct view_out *out) {
    if (out->used > 0 && out->error == 0)
        out->error = out->write(out->userdata, out->octets, out->used);
    out->used = 0;
}

void view_out_put(struct view_out *out, const void *data, size_t size) {
    const char *octets = data;

    while (size > 0) {
        if (out->used == sizeof(out->octets))
            flush(out);
        size_t part = sizeof(out->octets) - out->used;
        if (part > size)
            part = size;
        memcpy(out->octets + out->used, octets, part);
        out->used += part;
        octets += part;
        size -= part;
    }
}

void view_out_puts(struct view_out *out, const char *text) {
    view_out_put(out, text, strlen(text));
}

void view_out_printf(struct view_out *out, const char *format, ...) {
    char text[PRINTED_MAX];
    va_list args;

    va_start(args, format);
    int length = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (length > 0)
        view_out_put(out, text, (size_t)length < sizeof(text) ? (size_t)length : sizeof(text) - 1);
}

void view_out_name(struct view_out *out, const char *name) {
    char printable[NAME_MAX_];
    struct kith_text text = kith_text_init(printable, sizeof(printable));

    kith_text_put_printable(&text, name, strnlen(name, sizeof(printable) / 4 - 1));
    view_out_puts(out, printable);
}

int view_out_finish(struct view_out *out) {
    flush(out);
    return out->error;
}

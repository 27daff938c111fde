/* view/out.h: where a view's text goes: a function of the caller's, given large pieces. */
#ifndef KITH_VIEW_OUT_H
#define KITH_VIEW_OUT_H

#include <stddef.h>

/* 0, or negative errno: the view then ends with it. */
typedef int (*view_out_fn)(void *userdata, const void *data, size_t size);

struct view_out {
    view_out_fn write;
    void *userdata;
    int error; /* the first one; what comes after is dropped */
    size_t used;
    char octets[8192];
};

void view_out_init(struct view_out *out, view_out_fn write, void *userdata);
void view_out_put(struct view_out *out, const void *data, size_t size);
void view_out_puts(struct view_out *out, const char *text);
/* At most 1023 octets at once. */
void view_out_printf(struct view_out *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A name out of a file, fit for a terminal: base/text.h. */
void view_out_name(struct view_out *out, const char *name);
/* At the end. 0, or the error. */
int view_out_finish(struct view_out *out);

#endif

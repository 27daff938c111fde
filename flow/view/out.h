/* flow/view/out.h: where a view's text goes: a function of the caller's, given large pieces. */
#ifndef KITH_FLOW_OUT_H
#define KITH_FLOW_OUT_H

#include <stddef.h>

/* 0, or negative errno: the view then ends with it. */
typedef int (*flow_out_fn)(void *userdata, const void *data, size_t size);

struct flow_out {
    flow_out_fn write;
    void *userdata;
    int error; /* the first one; what comes after is dropped */
    size_t used;
    char octets[8192];
};

void flow_out_init(struct flow_out *out, flow_out_fn write, void *userdata);
void flow_out_put(struct flow_out *out, const void *data, size_t size);
void flow_out_puts(struct flow_out *out, const char *text);
/* At most 1023 octets at once. */
void flow_out_printf(struct flow_out *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A name out of a file, fit for a terminal: base/text.h. */
void flow_out_name(struct flow_out *out, const char *name);
/* At the end. 0, or the error. */
int flow_out_finish(struct flow_out *out);

#endif

/* flow/diff/names.h: functions of two recordings under one number each, by name without what a compiler appends to it (".isra.0"). */
#ifndef KITH_FLOW_DIFF_NAMES_H
#define KITH_FLOW_DIFF_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "flow/decode/model.h"

struct flow_name {
    const char *text; /* a model's */
    size_t size;      /* without ".isra.0" */
};

/* Numbers are in the order of names. */
struct flow_names {
    struct flow_name *names;
    size_t count;
    uint32_t *number_of[2]; /* a function of a model -> the number of its name */
};

/* Errors: -ENOMEM; to be deinitialized then too. */
int flow_names_init(struct flow_names *names, const struct flow_model *const models[2]);
void flow_names_deinit(struct flow_names *names);
KITH_DEFINE_CLEANUP(struct flow_names *, flow_names_deinit)

#endif

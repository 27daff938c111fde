/*
 * flow/diff/diff.h: what is different between two recordings: two kernels, or one before and after a setting.
 *
 * Functions are compared by name, without what a compiler appends to it (".isra.0"). Only what occurred is known: a function is gone when
 * it was called in the first recording and not in the second. Ways are compared call by call (merge.h).
 */
#ifndef KITH_FLOW_DIFF_H
#define KITH_FLOW_DIFF_H

#include "flow/decode/model.h"
#include "flow/diff/merge.h"
#include "view/out.h"

enum flow_difference {
    FLOW_GONE,
    FLOW_NEW,
    FLOW_PROTOTYPE, /* `before` and `after` are the prototypes */
    FLOW_MOVED,     /* no caller in common; `before` and `after` are a caller of each, or where it was called by none: "nobody (softirq)" */
    FLOW_LAYER,     /* `before` and `after` are the layers */
};

struct flow_diff_item {
    const char *function;
    enum flow_difference difference;
    const char *before, *after; /* or NULL */
};

/* Texts are the models': these must live as long. Items are in the order of names. */
struct flow_diff {
    const struct flow_model *models[2]; /* the second is NULL when it is only known by its types */
    const char *types;                  /* then: what these are of */
    struct flow_diff_item *items;
    size_t count, room;
    struct flow_merge merge;      /* none in that case */
    size_t compared, undecided;   /* functions, in that case: with a prototype, and without one, */
    const char **undecided_names; /* which are these, in the order of names */
    void *memory;                 /* of texts */
};

/* Errors: -ENOMEM. */
int flow_diff_new(const struct flow_model *before, const struct flow_model *after, struct flow_diff **ret_diff);
struct flow_diff *flow_diff_free(struct flow_diff *diff);
KITH_DEFINE_CLEANUP(struct flow_diff *, flow_diff_free)
/* No function differs, and no ways part. */
bool flow_diff_is_none(const struct flow_diff *diff);
/* For who makes one. Errors: -ENOMEM. */
int flow_diff_add(struct flow_diff *diff, const struct flow_diff_item *item);

/* Is this where the ways part: the outermost of calls that only one recording has, and no repetition? */
bool flow_diff_is_parting(const struct flow_merge *merge, size_t index);

/* Both end with both models' notes. 0, -ENOMEM, or the error of out's function. */
int flow_view_diff(const struct flow_diff *diff, struct view_out *out);
int flow_view_diff_json(const struct flow_diff *diff, struct view_out *out);

#endif

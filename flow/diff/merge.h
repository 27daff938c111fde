/*
 * flow/diff/merge.h: two recordings as one forest of calls: what both have, what only one has.
 *
 * A call of one recording belongs to one of the other when their callers do, their functions have one name, and they are in the same order
 * among their callers' calls. A packet's way up counts as called by the call that it was handed over from.
 */
#ifndef KITH_FLOW_MERGE_H
#define KITH_FLOW_MERGE_H

#include "flow/decode/model.h"
#include "flow/diff/names.h"

struct flow_merged {
    uint32_t call[2]; /* in each model; FLOW_NONE: not there */
    uint32_t parent;  /* FLOW_NONE, or one that is before this one */
    uint32_t below;   /* how many are below it: those that follow */
    bool repeats;     /* only one side has it, and the call before it, or behind it, is of the same function: a loop that ran more often */
};

/* Callers come before what they call. */
struct flow_merge {
    const struct flow_model *models[2];
    struct flow_merged *calls;
    size_t count;
};

/* Errors: -ENOMEM; to be deinitialized then too. */
int flow_merge_init(struct flow_merge *merge, const struct flow_model *const models[2], const struct flow_names *names);
void flow_merge_deinit(struct flow_merge *merge);
KITH_DEFINE_CLEANUP(struct flow_merge *, flow_merge_deinit)

static inline bool flow_merged_is_both(const struct flow_merged *merged) {
    return merged->call[0] != FLOW_NONE && merged->call[1] != FLOW_NONE;
}

static inline const struct flow_function *flow_merged_function(const struct flow_merge *merge, const struct flow_merged *merged) {
    size_t side = merged->call[1] != FLOW_NONE;
    return &merge->models[side]->functions[merge->models[side]->calls[merged->call[side]].function];
}

/*
 * The forest as a model that charts can be made of, and in *ret_tags what each of its calls is: enum flow_tag. Times are places in the
 * order, nothing else. Texts are the models', which must live as long. To free: flow_model_free(), free(). Errors: -ENOMEM.
 */
int flow_merge_model(const struct flow_merge *merge, struct flow_model **ret_model, uint8_t **ret_tags);

#endif

/*
 * policy/condition.h: the kinds of condition a rule may have. One table, a row a kind: its name, how its values are read and how they
 * are held against an origin. Rows are in the order of enum kith_condition, which is the order in which a rule's conditions are asked:
 * facts that came with the message first, those to be looked up last.
 */
#ifndef KITH_POLICY_CONDITION_H
#define KITH_POLICY_CONDITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kith/error.h>
#include <kith/origin.h>
#include <kith/policy.h>

#include "base/text.h"
#include "policy/glob.h"

/* Which member it is follows from the condition's row. */
struct kith_condition_value {
    union {
        struct {
            uint64_t low, high; /* both included */
        } range;
        struct kith_glob *glob;
    };
};

struct kith_condition_values {
    struct kith_condition_value *values;
    size_t count;
    size_t capacity;
};

struct kith_condition_type {
    const char *name;
    enum kith_fact fact;
    uint64_t low, high; /* ranges: what a value may be */
    bool path;          /* globs: '/' is special */

    /* Errors: -EINVAL (with text), -ENOMEM. */
    int (*parse)(const struct kith_condition_type *type, const char *text, struct kith_condition_value *ret_value,
                 struct kith_error *ret_error);
    /* NULL: a value owns nothing. */
    void (*deinit)(struct kith_condition_value *value);
    /* True when the fact is known by a witness not weaker than `least` and one of the values accepts it; else, when why is not NULL, why
     * not is put there. */
    bool (*match)(const struct kith_condition_type *type, const struct kith_condition_values *values, enum kith_witness least,
                  kith_origin *origin, struct kith_text *why);
};

extern const struct kith_condition_type kith_condition_types[KITH_CONDITION_COUNT_];

/* Reads one more value. Errors: -EINVAL (with text), -E2BIG (more than 1024), -ENOMEM; the values are then unchanged. */
int kith_condition_values_add(struct kith_condition_values *values, const struct kith_condition_type *type, const char *text,
                              struct kith_error *ret_error);
void kith_condition_values_deinit(struct kith_condition_values *values, const struct kith_condition_type *type);

#endif

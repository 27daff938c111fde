/*
 * flow/diff/types.h: a recording against a kernel that was not run, of which only the type information (BTF) is there.
 *
 * BTF has the prototypes of functions, but no ways: whether a function is there and what it takes can be told, not who calls it. A function
 * that the recorded kernel's own BTF does not have, such as what a compiler made of one (".isra", ".constprop", ".part"), cannot be judged.
 */
#ifndef KITH_FLOW_TYPES_H
#define KITH_FLOW_TYPES_H

#include "flow/btf/btf.h"
#include "flow/diff/diff.h"

/* Functions that occur in the recording and are FLOW_GONE or of another FLOW_PROTOTYPE there. `name`: of the BTF, for people; it and
 * the model must live as long. Errors: -ENOMEM. */
int flow_diff_new_types(const struct flow_model *model, const struct flow_btf *btf, const char *name, struct flow_diff **ret_diff);

#endif

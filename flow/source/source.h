/* flow/source/source.h: the lines of functions, from the source tree of the kernel. */
#ifndef KITH_FLOW_SOURCE_H
#define KITH_FLOW_SOURCE_H

#include <kith/error.h>

#include "flow/decode/model.h"

/* Sets the line of each function that its file in the tree defines, and adds a note that says which version the tree is of and how many
 * were found. Errors, with text: -EINVAL (no source tree, or that of another series of versions), -ENOMEM. A file that is not there has no
 * functions. */
int flow_source_add_lines(struct flow_model *model, const char *directory, struct kith_error *ret_error);

#endif

/* flow/source/source.h: the lines of functions, from the kernel's source tree or its debug symbols. */
#ifndef KITH_FLOW_SOURCE_H
#define KITH_FLOW_SOURCE_H

#include <kith/error.h>

#include "flow/decode/model.h"

/* Sets the line of each function that its file in the tree defines, and adds a note that says which version the tree is of and how many
 * were found. Errors, with text: -EINVAL (no source tree, or that of another series of versions), -ENOMEM. A file that is not there has no
 * functions. */
int flow_source_add_lines(struct flow_model *model, const char *directory, struct kith_error *ret_error);

/* The same from DWARF: vmlinux with debug symbols, or a module's file for the functions of modules. Files are set too, which decides for
 * those that the name alone did not tell. Errors, with text: those of open(2), -EINVAL (no debug symbols, or those of another kernel, whose
 * functions lie elsewhere: some lines may be set then, and the model is not to be shown), -ENOMEM. */
int flow_source_add_debug(struct flow_model *model, const char *path, struct kith_error *ret_error);

#endif

/* flow/btf/internal.h: what the files of this room share. */
#ifndef KITH_FLOW_BTF_INTERNAL_H
#define KITH_FLOW_BTF_INTERNAL_H

#include <bpf/btf.h>

#include "flow/btf/btf.h"

struct flow_btf_function {
    const char *name; /* of the types' memory */
    unsigned type;    /* BTF_KIND_FUNC */
};

struct flow_btf {
    struct btf *types;
    struct flow_btf_function *functions; /* by name */
    size_t count;
};

/* The functions of this name: *ret_begin up to what is returned. */
size_t flow_btf_find_all(const struct flow_btf *btf, const char *name, size_t *ret_begin);
/* NULL: not there, or the types are broken. */
const struct btf_type *flow_btf_proto_of(const struct flow_btf *btf, const struct flow_btf_function *function);
/* Of the first of this name. */
const struct btf_type *flow_btf_find_proto(const struct flow_btf *btf, const char *name);

#endif

/* flow/btf/btf.c: types from the kernel, and its functions by name. libbpf reads them: anything may lie in the file. */
#include "flow/btf/btf.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "flow/btf/internal.h"

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct flow_btf_function *)a)->name, ((const struct flow_btf_function *)b)->name);
}

/* Without `functions`: only counts. */
static size_t collect(const struct btf *types, struct flow_btf_function *functions) {
    unsigned count = btf__type_cnt(types);
    size_t found = 0;

    for (unsigned id = 1; id < count; id++) {
        const struct btf_type *type = btf__type_by_id(types, id);
        if (!type || !btf_is_func(type))
            continue;
        const char *name = btf__name_by_offset(types, type->name_off);
        if (!name || !*name)
            continue;
        if (functions)
            functions[found] = (struct flow_btf_function){name, id};
        found++;
    }
    return found;
}

/* Takes `types` over, an error of libbpf's included. */
static int take(struct btf *types, const char *what, struct flow_btf **ret_btf, struct kith_error *error) {
    int r = (int)libbpf_get_error(types);
    if (r < 0)
        return kith_error_set(error, r, "%s: no type information (BTF) can be read: %s", what, kith_error_name(r));
    _cleanup_(flow_btf_freep) struct flow_btf *btf = calloc(1, sizeof(*btf));
    if (!btf) {
        btf__free(types);
        return kith_error_set(error, -ENOMEM, "%s: no memory", what);
    }
    btf->types = types;
    btf->count = collect(types, NULL);
    btf->functions = calloc(btf->count + 1, sizeof(*btf->functions));
    if (!btf->functions)
        return kith_error_set(error, -ENOMEM, "%s: no memory for %zu functions", what, btf->count);
    collect(types, btf->functions);
    qsort(btf->functions, btf->count, sizeof(*btf->functions), by_name);
    *ret_btf = KITH_STEAL(btf);
    return 0;
}

static int print_nothing(enum libbpf_print_level level, const char *format, va_list args) {
    return 0;
}

int flow_btf_open(const char *path, struct flow_btf **ret_btf, struct kith_error *ret_error) {
    libbpf_set_print(print_nothing);
    return take(btf__parse(path, NULL), path, ret_btf, ret_error);
}

int flow_btf_from_memory(const void *data, size_t size, struct flow_btf **ret_btf, struct kith_error *ret_error) {
    libbpf_set_print(print_nothing);
    if (size > UINT32_MAX)
        return kith_error_set(ret_error, -EINVAL, "BTF: %zu octets are too many", size);
    return take(btf__new(data, (unsigned)size), "BTF", ret_btf, ret_error);
}

struct flow_btf *flow_btf_free(struct flow_btf *btf) {
    if (btf) {
        btf__free(btf->types);
        free(btf->functions);
    }
    free(btf);
    return NULL;
}

/* "tcp_v4_rcv.isra.0" is tcp_v4_rcv with arguments that the compiler left out: it is no function of BTF's. */
size_t flow_btf_find_all(const struct flow_btf *btf, const char *name, size_t *ret_begin) {
    size_t low = 0, high = btf->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(btf->functions[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_begin = low;
    while (low < btf->count && strcmp(btf->functions[low].name, name) == 0)
        low++;
    return low;
}

const struct btf_type *flow_btf_proto_of(const struct flow_btf *btf, const struct flow_btf_function *function) {
    const struct btf_type *type = btf__type_by_id(btf->types, function->type);
    const struct btf_type *proto = type ? btf__type_by_id(btf->types, type->type) : NULL;

    return proto && btf_is_func_proto(proto) ? proto : NULL;
}

const struct btf_type *flow_btf_find_proto(const struct flow_btf *btf, const char *name) {
    size_t begin, end = flow_btf_find_all(btf, name, &begin);

    return begin < end ? flow_btf_proto_of(btf, &btf->functions[begin]) : NULL;
}

bool flow_btf_has_function(const struct flow_btf *btf, const char *name) {
    size_t begin;

    return flow_btf_find_all(btf, name, &begin) > begin;
}

size_t flow_btf_function_count(const struct flow_btf *btf) {
    return btf->count;
}

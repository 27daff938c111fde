/* gateway/output/types.c: the table of kinds of targets. */
#include <string.h>

#include "gateway/output/type.h"

/* A prefix that another begins with comes behind it. */
static const struct output_type *const types[] = {
    &output_type_raw_tcp,
    &output_type_raw_ipc,
    &output_type_exec,
    &output_type_file,
};

const struct output_type *output_type_find(const char *target) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(types); i++)
        if (strncmp(target, types[i]->kind.prefix, strlen(types[i]->kind.prefix)) == 0)
            return types[i];
    return NULL;
}

const struct output_kind *output_kind_at(size_t index) {
    return index < KITH_ARRAY_SIZE(types) ? &types[index]->kind : NULL;
}

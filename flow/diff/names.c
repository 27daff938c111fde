/* flow/diff/names.c: all names, sorted, each once. */
#include "flow/diff/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b) {
    const struct flow_name *x = a, *y = b;
    int r = memcmp(x->text, y->text, x->size < y->size ? x->size : y->size);
    return r != 0 ? r : x->size < y->size ? -1 : x->size > y->size;
}

static struct flow_name name_of(const struct flow_function *function) {
    size_t size = strcspn(function->name, ".");
    return (struct flow_name){function->name, size > 0 ? size : strlen(function->name)};
}

static int collect(struct flow_names *names, const struct flow_model *const models[2]) {
    size_t unique = 0;

    names->names = calloc(models[0]->function_count + models[1]->function_count + 1, sizeof(*names->names));
    if (!names->names)
        return -ENOMEM;
    for (size_t s = 0; s < 2; s++)
        for (size_t i = 0; i < models[s]->function_count; i++)
            names->names[names->count++] = name_of(&models[s]->functions[i]);
    qsort(names->names, names->count, sizeof(*names->names), compare);
    for (size_t i = 0; i < names->count; i++)
        if (unique == 0 || compare(&names->names[unique - 1], &names->names[i]) != 0)
            names->names[unique++] = names->names[i];
    names->count = unique;
    return 0;
}

int flow_names_init(struct flow_names *names, const struct flow_model *const models[2]) {
    *names = (struct flow_names){0};
    int r = collect(names, models);

    for (size_t s = 0; r == 0 && s < 2; s++) {
        names->number_of[s] = calloc(models[s]->function_count + 1, sizeof(uint32_t));
        if (!names->number_of[s])
            return -ENOMEM;
        for (size_t i = 0; i < models[s]->function_count; i++) {
            struct flow_name name = name_of(&models[s]->functions[i]);
            const struct flow_name *found = bsearch(&name, names->names, names->count, sizeof(name), compare);
            names->number_of[s][i] = (uint32_t)(found - names->names); /* all were collected */
        }
    }
    return r;
}

void flow_names_deinit(struct flow_names *names) {
    free(names->names);
    free(names->number_of[0]);
    free(names->number_of[1]);
    *names = (struct flow_names){0};
}

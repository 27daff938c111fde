/* flow/diff/types.c: see types.h. */
#include "flow/diff/types.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "flow/decode/texts.h"
#include "flow/diff/prototype.h"

#define PROTOTYPE_MAX 1024

/* What the other kernel says of one function; *ret_item as far as it goes. True: there is a difference. */
static bool compare(struct flow_diff *diff, const struct flow_function *function, const struct flow_btf *btf,
                    struct flow_diff_item *ret_item, int *error) {
    char octets[PROTOTYPE_MAX], first[PROTOTYPE_MAX] = "";
    struct kith_text text = kith_text_init(octets, sizeof(octets));

    *ret_item = (struct flow_diff_item){.function = function->name, .before = function->prototype, .difference = FLOW_GONE};
    for (size_t i = 0; flow_btf_prototype(btf, function->name, i, &text); i++, text = kith_text_init(octets, sizeof(octets))) {
        if (flow_prototype_is_same(function->prototype, octets))
            return false;
        if (i == 0)
            memcpy(first, octets, sizeof(first));
    }
    if (*first == '\0')
        return true;
    ret_item->difference = FLOW_PROTOTYPE;
    ret_item->after = flow_texts_add((struct flow_texts **)&diff->memory, first, strlen(first));
    if (!ret_item->after)
        *error = -ENOMEM;
    return true;
}

static int by_function(const void *a, const void *b) {
    const struct flow_diff_item *x = a, *y = b;
    return strcmp(x->function, y->function);
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int flow_diff_new_types(const struct flow_model *model, const struct flow_btf *btf, const char *name, struct flow_diff **ret_diff) {
    _cleanup_(flow_diff_freep) struct flow_diff *diff = calloc(1, sizeof(*diff));

    if (!diff || !(diff->undecided_names = calloc(model->function_count + 1, sizeof(*diff->undecided_names))))
        return -ENOMEM;
    int r = 0;
    for (size_t i = 0; r == 0 && i < model->function_count; i++) {
        const struct flow_function *function = &model->functions[i];
        struct flow_diff_item item;
        if (function->calls == 0)
            continue;
        if (!function->prototype) {
            diff->undecided_names[diff->undecided++] = function->name;
            continue;
        }
        diff->compared++;
        if (compare(diff, function, btf, &item, &r) && r == 0)
            r = flow_diff_add(diff, &item);
    }
    if (r < 0)
        return r;
    if (diff->count > 0)
        qsort(diff->items, diff->count, sizeof(*diff->items), by_function);
    qsort(diff->undecided_names, diff->undecided, sizeof(*diff->undecided_names), by_text);
    diff->models[0] = model;
    diff->types = name;
    *ret_diff = KITH_STEAL(diff);
    return 0;
}

/* flow/diff/diff.c: names have numbers; what a recording knows of callers is a set of pairs of numbers, and functions differ when their
 * parts of two sorted arrays do. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "flow/decode/texts.h"
#include "flow/diff/diff.h"
#include "flow/diff/prototype.h"

struct pairs {
    uint64_t *keys; /* first << 32 | second; ascending, each once */
    size_t count;
};

struct side {
    const struct flow_model *model;
    const uint32_t *number_of;
    const char **prototypes; /* of a name; NULL: not known */
    uint8_t *occurs;         /* a name */
    uint8_t *layers;         /* of a name that occurs */
    struct pairs callers;    /* behind the names are those of who is called by nobody, a lane each */
};

struct comparison {
    struct flow_names names;
    struct side sides[2];
    struct flow_diff *diff;
};

static int compare_keys(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void make_unique(struct pairs *pairs) {
    size_t unique = 0;

    qsort(pairs->keys, pairs->count, sizeof(*pairs->keys), compare_keys);
    for (size_t i = 0; i < pairs->count; i++)
        if (unique == 0 || pairs->keys[unique - 1] != pairs->keys[i])
            pairs->keys[unique++] = pairs->keys[i];
    pairs->count = unique;
}

static void fill_functions(struct side *side) {
    for (size_t i = 0; i < side->model->function_count; i++) {
        const struct flow_function *function = &side->model->functions[i];
        side->occurs[side->number_of[i]] |= function->calls > 0;
        if (function->calls > 0)
            side->layers[side->number_of[i]] = (uint8_t)function->layer;
        if (function->prototype)
            side->prototypes[side->number_of[i]] = function->prototype;
    }
}

static void fill_callers(struct side *side, uint32_t names) {
    const struct flow_model *model = side->model;

    for (size_t i = 0; i < model->call_count; i++) {
        const struct flow_call *call = &model->calls[i];
        uint32_t caller = call->parent != FLOW_NONE ? side->number_of[model->calls[call->parent].function] : names + call->lane;
        side->callers.keys[side->callers.count++] = (uint64_t)side->number_of[call->function] << 32 | caller;
    }
    make_unique(&side->callers);
}

static int side_init(struct side *side, const struct flow_model *model, const struct flow_names *names, const uint32_t *number_of) {
    *side = (struct side){.model = model, .number_of = number_of};
    side->prototypes = calloc(names->count + 1, sizeof(*side->prototypes));
    side->occurs = calloc(names->count + 1, 1);
    side->layers = calloc(names->count + 1, 1);
    side->callers.keys = malloc((model->call_count + 1) * sizeof(uint64_t));
    if (!side->prototypes || !side->occurs || !side->layers || !side->callers.keys)
        return -ENOMEM;
    fill_functions(side);
    fill_callers(side, (uint32_t)names->count);
    return 0;
}

static void side_deinit(struct side *side) {
    free(side->prototypes);
    free(side->occurs);
    free(side->layers);
    free(side->callers.keys);
}

int flow_diff_add(struct flow_diff *diff, const struct flow_diff_item *item) {
    if (diff->count == diff->room) {
        size_t room = diff->room > 0 ? diff->room * 2 : 64;
        struct flow_diff_item *items = reallocarray(diff->items, room, sizeof(*items));
        if (!items)
            return -ENOMEM;
        diff->items = items;
        diff->room = room;
    }
    diff->items[diff->count++] = *item;
    return 0;
}

/* The keys whose first number is this one: *ret_begin..returned end. */
static size_t range_of(const struct pairs *pairs, uint32_t first, size_t *ret_begin) {
    size_t ends[2];

    for (unsigned e = 0; e < 2; e++) {
        uint64_t bound = ((uint64_t)first + e) << 32;
        size_t low = 0, high = pairs->count;
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            if (pairs->keys[middle] < bound)
                low = middle + 1;
            else
                high = middle;
        }
        ends[e] = low;
    }
    *ret_begin = ends[0];
    return ends[1];
}

static const char *caller_name(const struct comparison *comparison, uint32_t number) {
    static const char *const nobody[FLOW_LANES_] = {[FLOW_CLIENT] = "nobody (client)",
                                                    [FLOW_SOFTIRQ] = "nobody (softirq)",
                                                    [FLOW_SERVER] = "nobody (server)",
                                                    [FLOW_OTHER] = "nobody (other)"};

    return number < comparison->names.count ? comparison->names.names[number].text : nobody[number - comparison->names.count];
}

static bool has_moved(const struct comparison *comparison, uint32_t number, struct flow_diff_item *item) {
    const struct pairs *before = &comparison->sides[0].callers, *after = &comparison->sides[1].callers;
    size_t b, a, b_end = range_of(before, number, &b), a_end = range_of(after, number, &a);

    if (b == b_end || a == a_end)
        return false;
    item->before = caller_name(comparison, (uint32_t)before->keys[b]);
    item->after = caller_name(comparison, (uint32_t)after->keys[a]);
    while (b < b_end && a < a_end) {
        if (before->keys[b] == after->keys[a])
            return false;
        if (before->keys[b] < after->keys[a])
            b++;
        else
            a++;
    }
    return true;
}

static int compare_functions(struct comparison *comparison) {
    const struct side *before = &comparison->sides[0], *after = &comparison->sides[1];
    struct flow_diff *diff = comparison->diff;
    int r = 0;

    for (uint32_t i = 0; r == 0 && i < comparison->names.count; i++) {
        struct flow_diff_item item = {.function = comparison->names.names[i].text};
        if (before->occurs[i] != after->occurs[i]) {
            item.difference = before->occurs[i] ? FLOW_GONE : FLOW_NEW;
            r = flow_diff_add(diff, &item);
            continue;
        }
        if (!before->occurs[i])
            continue;
        if (has_moved(comparison, i, &item)) {
            item.difference = FLOW_MOVED;
            r = flow_diff_add(diff, &item);
        }
        if (r == 0 && before->layers[i] != after->layers[i])
            r = flow_diff_add(diff, &(struct flow_diff_item){item.function, FLOW_LAYER, flow_layer_name(before->layers[i]),
                                                             flow_layer_name(after->layers[i])});
        if (r == 0 && before->prototypes[i] && after->prototypes[i] && !flow_prototype_is_same(before->prototypes[i], after->prototypes[i]))
            r = flow_diff_add(diff, &(struct flow_diff_item){item.function, FLOW_PROTOTYPE, before->prototypes[i], after->prototypes[i]});
    }
    return r;
}

bool flow_diff_is_parting(const struct flow_merge *merge, size_t index) {
    const struct flow_merged *merged = &merge->calls[index];

    return !flow_merged_is_both(merged) && !merged->repeats &&
           (merged->parent == FLOW_NONE || flow_merged_is_both(&merge->calls[merged->parent]));
}

int flow_diff_new(const struct flow_model *before, const struct flow_model *after, struct flow_diff **ret_diff) {
    const struct flow_model *const models[] = {before, after};
    _cleanup_(flow_diff_freep) struct flow_diff *diff = calloc(1, sizeof(*diff));
    struct comparison comparison = {.diff = diff};
    int r = diff ? flow_names_init(&comparison.names, models) : -ENOMEM;

    for (size_t s = 0; r == 0 && s < 2; s++) {
        diff->models[s] = models[s];
        r = side_init(&comparison.sides[s], models[s], &comparison.names, comparison.names.number_of[s]);
    }
    if (r == 0)
        r = compare_functions(&comparison);
    if (r == 0)
        r = flow_merge_init(&diff->merge, models, &comparison.names);
    side_deinit(&comparison.sides[0]);
    side_deinit(&comparison.sides[1]);
    flow_names_deinit(&comparison.names);
    if (r == 0)
        *ret_diff = KITH_STEAL(diff);
    return r;
}

bool flow_diff_is_none(const struct flow_diff *diff) {
    for (size_t i = 0; i < diff->merge.count; i++)
        if (flow_diff_is_parting(&diff->merge, i))
            return false;
    return diff->count == 0;
}

struct flow_diff *flow_diff_free(struct flow_diff *diff) {
    if (!diff)
        return NULL;
    flow_merge_deinit(&diff->merge);
    flow_texts_free(diff->memory);
    free(diff->items);
    free(diff->undecided_names);
    free(diff);
    return NULL;
}

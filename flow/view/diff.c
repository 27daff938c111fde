/*
 * flow/view/diff.c: names get numbers in their order; what a recording knows is then sets of pairs of numbers (a function below an
 * outermost one, a function called by another), and a difference is a merge of two sorted arrays.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "flow/view/diff.h"

struct name {
    const char *text;
    size_t size; /* without ".isra.0" */
};

struct pairs {
    uint64_t *keys; /* first << 32 | second; ascending, each once */
    size_t count;
};

struct side {
    const struct flow_model *model;
    uint32_t *number_of;     /* a function -> its name's number */
    const char **prototypes; /* of a name; NULL: not known */
    uint8_t *occurs;         /* a name */
    struct pairs below, callers;
};

struct comparison {
    struct name *names;
    size_t count;
    struct side sides[2];
    struct flow_diff *diff;
};

static int compare_names(const void *a, const void *b) {
    const struct name *x = a, *y = b;
    int r = memcmp(x->text, y->text, x->size < y->size ? x->size : y->size);
    return r != 0 ? r : x->size < y->size ? -1 : x->size > y->size;
}

static int compare_keys(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static struct name name_of(const struct flow_function *function) {
    size_t size = strcspn(function->name, ".");
    return (struct name){function->name, size > 0 ? size : strlen(function->name)};
}

static int collect_names(struct comparison *comparison) {
    size_t room = comparison->sides[0].model->function_count + comparison->sides[1].model->function_count, unique = 0;

    comparison->names = calloc(room + 1, sizeof(*comparison->names));
    if (!comparison->names)
        return -ENOMEM;
    for (size_t s = 0; s < 2; s++)
        for (size_t i = 0; i < comparison->sides[s].model->function_count; i++)
            comparison->names[comparison->count++] = name_of(&comparison->sides[s].model->functions[i]);
    qsort(comparison->names, comparison->count, sizeof(*comparison->names), compare_names);
    for (size_t i = 0; i < comparison->count; i++)
        if (unique == 0 || compare_names(&comparison->names[unique - 1], &comparison->names[i]) != 0)
            comparison->names[unique++] = comparison->names[i];
    comparison->count = unique;
    return 0;
}

static void make_unique(struct pairs *pairs) {
    size_t unique = 0;

    qsort(pairs->keys, pairs->count, sizeof(*pairs->keys), compare_keys);
    for (size_t i = 0; i < pairs->count; i++)
        if (unique == 0 || pairs->keys[unique - 1] != pairs->keys[i])
            pairs->keys[unique++] = pairs->keys[i];
    pairs->count = unique;
}

static void fill_functions(const struct comparison *comparison, struct side *side) {
    for (size_t i = 0; i < side->model->function_count; i++) {
        const struct flow_function *function = &side->model->functions[i];
        struct name name = name_of(function);
        const struct name *found = bsearch(&name, comparison->names, comparison->count, sizeof(name), compare_names);
        uint32_t number = (uint32_t)(found - comparison->names); /* all were collected */
        side->number_of[i] = number;
        side->occurs[number] |= function->calls > 0;
        if (function->prototype)
            side->prototypes[number] = function->prototype;
    }
}

/* A packet's way up belongs to the call that it was handed over from. */
static void fill_pairs(struct side *side, uint32_t *outermost) {
    const struct flow_model *model = side->model;

    for (size_t i = 0; i < model->call_count; i++) {
        const struct flow_call *call = &model->calls[i];
        uint32_t caller = call->parent != FLOW_NONE ? call->parent : call->handed_from, number = side->number_of[call->function];
        outermost[i] = caller == FLOW_NONE ? number : outermost[caller];
        side->below.keys[side->below.count++] = (uint64_t)outermost[i] << 32 | number;
        if (call->parent != FLOW_NONE)
            side->callers.keys[side->callers.count++] = (uint64_t)number << 32 | side->number_of[model->calls[call->parent].function];
    }
    make_unique(&side->below);
    make_unique(&side->callers);
}

static int fill_side(const struct comparison *comparison, struct side *side) {
    size_t calls = side->model->call_count + 1, names = comparison->count + 1;
    uint32_t *outermost = malloc(calls * sizeof(*outermost));

    side->number_of = calloc(side->model->function_count + 1, sizeof(*side->number_of));
    side->prototypes = calloc(names, sizeof(*side->prototypes));
    side->occurs = calloc(names, 1);
    side->below.keys = malloc(calls * sizeof(uint64_t));
    side->callers.keys = malloc(calls * sizeof(uint64_t));
    int r = outermost && side->number_of && side->prototypes && side->occurs && side->below.keys && side->callers.keys ? 0 : -ENOMEM;
    if (r == 0) {
        fill_functions(comparison, side);
        fill_pairs(side, outermost);
    }
    free(outermost);
    return r;
}

static void side_deinit(struct side *side) {
    free(side->number_of);
    free(side->prototypes);
    free(side->occurs);
    free(side->below.keys);
    free(side->callers.keys);
}

static int add(struct flow_diff *diff, const struct flow_diff_item *item) {
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

static bool has_moved(const struct comparison *comparison, uint32_t number, struct flow_diff_item *item) {
    const struct pairs *before = &comparison->sides[0].callers, *after = &comparison->sides[1].callers;
    size_t b, a, b_end = range_of(before, number, &b), a_end = range_of(after, number, &a);

    if (b == b_end || a == a_end)
        return false;
    item->before = comparison->names[(uint32_t)before->keys[b]].text;
    item->after = comparison->names[(uint32_t)after->keys[a]].text;
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
    int r = 0;

    for (uint32_t i = 0; r == 0 && i < comparison->count; i++) {
        struct flow_diff_item item = {.function = comparison->names[i].text};
        if (before->occurs[i] != after->occurs[i]) {
            item.difference = before->occurs[i] ? FLOW_GONE : FLOW_NEW;
            r = add(comparison->diff, &item);
            continue;
        }
        if (!before->occurs[i])
            continue;
        if (has_moved(comparison, i, &item)) {
            item.difference = FLOW_MOVED;
            r = add(comparison->diff, &item);
        }
        if (r == 0 && before->prototypes[i] && after->prototypes[i] && strcmp(before->prototypes[i], after->prototypes[i]) != 0)
            r = add(comparison->diff,
                    &(struct flow_diff_item){NULL, item.function, FLOW_PROTOTYPE, before->prototypes[i], after->prototypes[i]});
    }
    return r;
}

/* What is below one outermost function in one recording and not in the other. */
static int compare_call(struct comparison *comparison, uint32_t outermost) {
    const struct pairs *before = &comparison->sides[0].below, *after = &comparison->sides[1].below;
    size_t b, a, b_end = range_of(before, outermost, &b), a_end = range_of(after, outermost, &a);
    int r = 0;

    if (b == b_end || a == a_end)
        return 0; /* is gone or new itself */
    while (r == 0 && (b < b_end || a < a_end)) {
        uint64_t left = b < b_end ? before->keys[b] : UINT64_MAX, right = a < a_end ? after->keys[a] : UINT64_MAX;
        uint64_t least = left < right ? left : right;
        b += left == least;
        a += right == least;
        if (left != right)
            r = add(comparison->diff, &(struct flow_diff_item){.call = comparison->names[outermost].text,
                                                               .function = comparison->names[(uint32_t)least].text,
                                                               .difference = left < right ? FLOW_GONE : FLOW_NEW});
    }
    return r;
}

int flow_diff_new(const struct flow_model *before, const struct flow_model *after, struct flow_diff **ret_diff) {
    _cleanup_(flow_diff_freep) struct flow_diff *diff = calloc(1, sizeof(*diff));
    struct comparison comparison = {.diff = diff, .sides = {{.model = before}, {.model = after}}};
    int r = diff ? collect_names(&comparison) : -ENOMEM;

    for (size_t s = 0; r == 0 && s < 2; s++)
        r = fill_side(&comparison, &comparison.sides[s]);
    if (r == 0) {
        diff->models[0] = before;
        diff->models[1] = after;
        r = compare_functions(&comparison);
    }
    for (uint32_t i = 0; r == 0 && i < comparison.count; i++)
        r = compare_call(&comparison, i);
    side_deinit(&comparison.sides[0]);
    side_deinit(&comparison.sides[1]);
    free(comparison.names);
    if (r == 0)
        *ret_diff = KITH_STEAL(diff);
    return r;
}

struct flow_diff *flow_diff_free(struct flow_diff *diff) {
    if (!diff)
        return NULL;
    free(diff->items);
    free(diff);
    return NULL;
}

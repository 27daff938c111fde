/*
 * flow/decode/order.c: calls in the order in which they began, and what follows from it.
 *
 * Calls come in that order already, but for those whose beginning was not recorded: they are found when they end.
 */
#include <errno.h>
#include <stdlib.h>

#include "flow/decode/build.h"

static uint32_t placed(const uint32_t *place, uint32_t index) {
    return index == FLOW_NONE ? FLOW_NONE : place[index];
}

int flow_build_move_calls(struct flow_build *build, const uint32_t *place, const uint32_t *instead, size_t count) {
    struct flow_model *model = build->model;
    struct flow_call *moved = calloc(count + 1, sizeof(*moved));

    if (!moved)
        return -ENOMEM;
    for (size_t i = 0; i < model->call_count; i++) {
        if (place[i] == FLOW_NONE)
            continue;
        struct flow_call *call = &moved[place[i]];
        *call = model->calls[i];
        call->parent = placed(place, call->parent);
        call->handed_from = placed(place, call->handed_from);
    }
    for (size_t i = 0; i < model->mark_count; i++) {
        uint32_t call = model->marks[i].call;
        if (call != FLOW_NONE && place[call] == FLOW_NONE)
            call = instead[call];
        model->marks[i].call = placed(place, call);
    }
    free(model->calls);
    model->calls = moved;
    model->call_count = count;
    build->call_room = count + 1;
    return 0;
}

struct unbegun {
    uint32_t position, index; /* it belongs in front of the call at the position, or is that */
};

/* What was found later is the outer one. */
static int compare_unbegun(const void *a, const void *b) {
    const struct unbegun *x = a, *y = b;
    if (x->position != y->position)
        return x->position < y->position ? -1 : 1;
    return x->index > y->index ? -1 : x->index < y->index;
}

/* Merges the calls that began unseen (sorted) into the others. */
static void merge(const struct flow_model *model, const struct unbegun *unbegun, size_t count, uint32_t *place) {
    uint32_t next = 0;
    size_t u = 0;

    for (size_t i = 0; i < model->call_count; i++) {
        while (u < count && unbegun[u].position == i)
            place[unbegun[u++].index] = next++;
        if (!(model->calls[i].flags & FLOW_UNBEGUN))
            place[i] = next++;
    }
}

int flow_build_order(struct flow_build *build) {
    struct flow_model *model = build->model;
    size_t count = 0;

    if (build->unbegun == 0)
        return 0;
    struct unbegun *unbegun = malloc(build->unbegun * sizeof(*unbegun));
    uint32_t *place = malloc(model->call_count * sizeof(*place));
    int r = -ENOMEM;
    if (unbegun && place) {
        for (size_t i = 0; i < model->call_count; i++)
            if (model->calls[i].flags & FLOW_UNBEGUN)
                unbegun[count++] = (struct unbegun){model->calls[i].first_child, (uint32_t)i};
        qsort(unbegun, count, sizeof(*unbegun), compare_unbegun);
        merge(model, unbegun, count, place);
        r = flow_build_move_calls(build, place, NULL, model->call_count);
    }
    free(unbegun);
    free(place);
    return r;
}

/* flow/diff/union.c: a forest of two recordings as one model, for charts. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "flow/decode/texts.h"
#include "flow/diff/merge.h"
#include "flow/view/select.h"

#define STEP_NS 1000

struct joining {
    const struct flow_merge *merge;
    struct flow_model *model;
    uint32_t *merged_of[2]; /* a call of each model -> where it is in the forest */
    struct flow_texts *texts;
};

/* Both tables, one behind the other. */
static void join_tables(struct joining *joining) {
    struct flow_model *model = joining->model;

    for (size_t s = 0; s < 2; s++) {
        const struct flow_model *part = joining->merge->models[s];
        if (part->function_count > 0)
            memcpy(model->functions + model->function_count, part->functions, part->function_count * sizeof(*part->functions));
        if (part->task_count > 0)
            memcpy(model->tasks + model->task_count, part->tasks, part->task_count * sizeof(*part->tasks));
        model->function_count += part->function_count;
        model->task_count += part->task_count;
    }
    for (size_t i = 0; i < model->function_count; i++)
        model->functions[i].calls = 0;
}

static void link_child(struct flow_model *model, uint32_t *last, uint32_t index) {
    uint32_t parent = model->calls[index].parent;

    if (parent == FLOW_NONE)
        return;
    if (last[parent] == FLOW_NONE)
        model->calls[parent].first_child = index;
    else
        model->calls[last[parent]].next = index;
    last[parent] = index;
}

static void join_calls(struct joining *joining, uint32_t *last, uint8_t *tags) {
    const struct flow_merge *merge = joining->merge;
    struct flow_model *model = joining->model;

    for (size_t i = 0; i < merge->count; i++) {
        const struct flow_merged *merged = &merge->calls[i];
        size_t side = merged->call[1] != FLOW_NONE;
        struct flow_call *call = &model->calls[i];
        *call = merge->models[side]->calls[merged->call[side]];
        call->function += side == 0 ? 0 : (uint32_t)merge->models[0]->function_count;
        call->task += side == 0 ? 0 : (uint32_t)merge->models[0]->task_count;
        bool handed = call->parent == FLOW_NONE;
        call->parent = handed ? FLOW_NONE : merged->parent;
        call->handed_from = handed ? merged->parent : FLOW_NONE;
        call->first_child = call->next = last[i] = FLOW_NONE;
        call->depth = (uint16_t)(call->parent == FLOW_NONE ? 0 : model->calls[call->parent].depth + 1);
        call->begin_ns = (i + 1) * STEP_NS;
        call->end_ns = (i + merged->below + 2) * STEP_NS - 1;
        model->functions[call->function].calls++;
        link_child(model, last, (uint32_t)i);
        tags[i] = flow_merged_is_both(merged) ? FLOW_TAG_BOTH : side == 0 ? FLOW_TAG_BEFORE : FLOW_TAG_AFTER;
        for (size_t s = 0; s < 2; s++)
            if (merged->call[s] != FLOW_NONE)
                joining->merged_of[s][merged->call[s]] = (uint32_t)i;
    }
    model->call_count = merge->count;
}

/* What a call of both did is taken from the second recording. It happened behind the last call below it that had begun. */
static void join_marks(struct joining *joining, size_t s, const uint8_t *tags) {
    const struct flow_model *part = joining->merge->models[s];
    struct flow_model *model = joining->model;
    size_t begun = 0;

    for (size_t i = 0; i < part->mark_count; i++) {
        struct flow_mark mark = part->marks[i];
        while (begun < part->call_count && part->calls[begun].begin_ns <= mark.time_ns)
            begun++;
        if (mark.call == FLOW_NONE || (s == 0 && tags[joining->merged_of[s][mark.call]] != FLOW_TAG_BEFORE))
            continue;
        uint32_t call = joining->merged_of[s][mark.call], behind = begun > 0 ? joining->merged_of[s][begun - 1] : call;
        if (behind < call || behind > call + joining->merge->calls[call].below)
            behind = call;
        mark.call = call;
        mark.task += s == 0 ? 0 : (uint32_t)joining->merge->models[0]->task_count;
        mark.time_ns = (uint64_t)(behind + 1) * STEP_NS + 1;
        model->marks[model->mark_count++] = mark;
    }
}

static int by_time(const void *a, const void *b) {
    const struct flow_mark *x = a, *y = b;
    return x->time_ns < y->time_ns ? -1 : x->time_ns > y->time_ns;
}

/* Equal times stay in order: each is a little later than the one before it. */
static void sort_marks(struct flow_model *model) {
    for (size_t i = 0; i < model->mark_count; i++)
        model->marks[i].time_ns = model->marks[i].time_ns * (model->mark_count + 1) + i;
    if (model->mark_count > 0)
        qsort(model->marks, model->mark_count, sizeof(*model->marks), by_time);
    for (size_t i = 0; i < model->mark_count; i++)
        model->marks[i].time_ns /= model->mark_count + 1;
}

static int join_texts(struct joining *joining) {
    static const char *const sides[] = {"before", "after"};
    const struct flow_model *const *parts = joining->merge->models;
    struct flow_model *model = joining->model;

    for (size_t s = 0; s < 2; s++) {
        for (size_t i = 0; i < parts[s]->note_count; i++) {
            const char *text = flow_texts_printf(&joining->texts, "%s: %s", sides[s], parts[s]->notes[i].text);
            if (!text)
                return -ENOMEM;
            model->notes[model->note_count++] = (struct flow_note){parts[s]->notes[i].is_loss, text};
        }
        model->lost_events += parts[s]->lost_events;
        model->seen_events += parts[s]->seen_events;
    }
    model->kernel = flow_texts_printf(&joining->texts, "%s and %s", parts[0]->kernel ? parts[0]->kernel : "?",
                                      parts[1]->kernel ? parts[1]->kernel : "?");
    model->scenario = parts[1]->scenario;
    model->command = parts[1]->command;
    model->machine = parts[1]->machine;
    model->whole = parts[0]->whole && parts[1]->whole;
    return model->kernel ? 0 : -ENOMEM;
}

static int reserve(struct joining *joining) {
    const struct flow_model *const *parts = joining->merge->models;
    struct flow_model *model = joining->model = calloc(1, sizeof(*model));

    if (!model)
        return -ENOMEM;
    model->functions = calloc(parts[0]->function_count + parts[1]->function_count + 1, sizeof(*model->functions));
    model->tasks = calloc(parts[0]->task_count + parts[1]->task_count + 1, sizeof(*model->tasks));
    model->calls = calloc(joining->merge->count + 1, sizeof(*model->calls));
    model->marks = calloc(parts[0]->mark_count + parts[1]->mark_count + 1, sizeof(*model->marks));
    model->notes = calloc(parts[0]->note_count + parts[1]->note_count + 1, sizeof(*model->notes));
    for (size_t s = 0; s < 2; s++)
        joining->merged_of[s] = calloc(parts[s]->call_count + 1, sizeof(uint32_t));
    return model->functions && model->tasks && model->calls && model->marks && model->notes && joining->merged_of[0] &&
                   joining->merged_of[1]
               ? 0
               : -ENOMEM;
}

int flow_merge_model(const struct flow_merge *merge, struct flow_model **ret_model, uint8_t **ret_tags) {
    struct joining joining = {.merge = merge};
    uint32_t *last = calloc(merge->count + 1, sizeof(*last));
    uint8_t *tags = calloc(merge->count + 1, 1);
    int r = reserve(&joining);

    if (!last || !tags)
        r = -ENOMEM;
    if (r == 0) {
        join_tables(&joining);
        join_calls(&joining, last, tags);
        join_marks(&joining, 0, tags);
        join_marks(&joining, 1, tags);
        sort_marks(joining.model);
        r = join_texts(&joining);
    }
    if (joining.model)
        joining.model->memory = joining.texts;
    free(last);
    free(joining.merged_of[0]);
    free(joining.merged_of[1]);
    if (r == 0) {
        *ret_model = joining.model;
        *ret_tags = tags;
        return 0;
    }
    free(tags);
    flow_model_free(joining.model);
    return r;
}

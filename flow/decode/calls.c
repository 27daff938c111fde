/*
 * flow/decode/calls.c: events of function_graph -> calls.
 *
 * A task's open calls are a chain by `parent`. `depth` is ftrace's until flow_build_link(): with it, calls whose end was lost are known
 * when the next one begins at their depth, and calls whose beginning was lost (or before the recording began) are put above what they
 * called.
 */
#include <errno.h>
#include <stdlib.h>

#include "flow/decode/build.h"

bool flow_build_room(void **items, size_t *room, size_t count, size_t item_size) {
    if (count < *room)
        return true;
    size_t larger = *room > 0 ? *room * 2 : 64;
    void *grown = reallocarray(*items, larger, item_size);
    if (!grown)
        return false;
    *items = grown;
    *room = larger;
    return true;
}

static int add_function(struct flow_build *build, uint64_t address, size_t symbol, uint32_t *ret_function) {
    struct flow_model *model = build->model;
    struct flow_function function = {.address = address, .layer = FLOW_ELSEWHERE};
    size_t room = build->function_room;

    if (!FLOW_ROOM(model->functions, build->function_room, model->function_count))
        return -ENOMEM;
    if (!FLOW_ROOM(build->symbol_of, room, model->function_count))
        return -ENOMEM;
    if (symbol == SIZE_MAX) {
        function.name = flow_texts_printf(&build->texts, "0x%llx", (unsigned long long)address);
    } else {
        const struct flow_symbol *found = &build->symbols.items[symbol];
        function.address = found->address;
        function.name = flow_texts_add(&build->texts, found->name.text, found->name.size);
        if (found->module.size > 0 && !(function.module = flow_texts_add(&build->texts, found->module.text, found->module.size)))
            return -ENOMEM;
    }
    if (!function.name || model->function_count >= FLOW_NONE)
        return -ENOMEM;
    build->symbol_of[model->function_count] = symbol + 1; /* SIZE_MAX becomes 0 */
    model->functions[model->function_count] = function;
    *ret_function = (uint32_t)model->function_count++;
    return 0;
}

int flow_build_function(struct flow_build *build, uint64_t address, uint32_t *ret_function) {
    size_t symbol = flow_symbols_find(&build->symbols, address);
    uint32_t found = symbol == SIZE_MAX ? flow_table_find(&build->strangers, address) : build->function_of[symbol];

    if (found != FLOW_NONE) {
        *ret_function = found;
        return 0;
    }
    int r = add_function(build, address, symbol, ret_function);
    if (r < 0)
        return r;
    if (symbol == SIZE_MAX)
        return flow_table_insert(&build->strangers, address, *ret_function);
    build->function_of[symbol] = *ret_function;
    return 0;
}

int flow_build_task(struct flow_build *build, int32_t pid, uint16_t cpu, uint32_t *ret_task) {
    struct flow_model *model = build->model;
    /* Each processor has an idle task of its own, all with number 0. */
    uint64_t key = pid != 0 ? (uint32_t)pid : (uint64_t)1 << 32 | cpu;
    uint32_t found = flow_table_find(&build->tasks, key);
    size_t room = build->task_room;

    if (found != FLOW_NONE) {
        *ret_task = found;
        return 0;
    }
    if (!FLOW_ROOM(model->tasks, build->task_room, model->task_count) || !FLOW_ROOM(build->stacks, room, model->task_count))
        return -ENOMEM;
    *ret_task = (uint32_t)model->task_count;
    model->tasks[*ret_task] = (struct flow_task){.pid = pid, .name = pid != 0 ? "" : "idle", .lane = FLOW_OTHER};
    build->stacks[*ret_task] = (struct flow_stack){.top = FLOW_NONE, .orphans = FLOW_NONE, .mark = FLOW_NONE};
    model->task_count++;
    return flow_table_insert(&build->tasks, key, *ret_task);
}

static int32_t event_depth(const struct flow_format *format, const struct flow_event *event) {
    int64_t depth = (int32_t)flow_format_get(format, event->data, FLOW_FIELD_DEPTH);

    return depth < 0 ? 0 : depth > UINT16_MAX ? UINT16_MAX : (int32_t)depth;
}

/* Ends the innermost open call. */
static void close_top(struct flow_build *build, struct flow_stack *stack, uint64_t time, bool told) {
    struct flow_call *call = &build->model->calls[stack->top];

    call->end_ns = time;
    if (!told) {
        call->flags |= FLOW_UNFINISHED;
        build->unfinished++;
    }
    /* What lacks callers within this call will not find them any more. */
    while (stack->orphans != FLOW_NONE && stack->orphans > stack->top)
        stack->orphans = build->model->calls[stack->orphans].next;
    stack->top = call->parent;
}

static void close_from_depth(struct flow_build *build, struct flow_stack *stack, int32_t depth, uint64_t time) {
    while (stack->top != FLOW_NONE && build->model->calls[stack->top].depth >= depth)
        close_top(build, stack, time, false);
}

static int add_call(struct flow_build *build, const struct flow_call *call, struct flow_stack *stack, uint32_t *ret_index) {
    struct flow_model *model = build->model;

    if (model->call_count >= FLOW_NONE || !FLOW_ROOM(model->calls, build->call_room, model->call_count))
        return -ENOMEM;
    *ret_index = (uint32_t)model->call_count;
    struct flow_call *added = &model->calls[model->call_count++];
    *added = *call;
    int32_t expected = call->parent == FLOW_NONE ? 0 : model->calls[call->parent].depth + 1;
    if (call->depth > expected) {
        added->next = stack->orphans;
        stack->orphans = *ret_index;
    }
    return 0;
}

int flow_build_entry(struct flow_build *build, const struct flow_format *format, const struct flow_event *event) {
    struct flow_call call = {.parent = FLOW_NONE, .first_child = FLOW_NONE, .next = FLOW_NONE, .handed_from = FLOW_NONE};
    uint32_t index;
    int r = flow_build_task(build, (int32_t)flow_format_get(format, event->data, FLOW_FIELD_PID), event->cpu, &call.task);

    if (r == 0)
        r = flow_build_function(build, flow_format_get(format, event->data, FLOW_FIELD_FUNC), &call.function);
    if (r < 0)
        return r;
    struct flow_stack *stack = &build->stacks[call.task];
    int32_t depth = event_depth(format, event);
    close_from_depth(build, stack, depth, event->time);
    call.parent = stack->top;
    call.depth = (uint16_t)depth;
    call.cpu = event->cpu;
    call.begin_ns = call.end_ns = event->time;
    r = add_call(build, &call, stack, &index);
    if (r < 0)
        return r;
    stack->top = index;
    if (stack->mark != FLOW_NONE && stack->mark_function == call.function)
        build->model->marks[stack->mark].call = index;
    stack->mark = FLOW_NONE;
    return 0;
}

/* A call whose beginning was not recorded: it began at the latest with the first that it is known to have called. */
static int add_unbegun(struct flow_build *build, struct flow_stack *stack, struct flow_call *call) {
    struct flow_call *calls = build->model->calls;
    uint32_t index, adopted = stack->orphans, oldest = FLOW_NONE;

    call->parent = stack->top;
    call->flags = FLOW_UNBEGUN;
    build->unbegun++;
    while (adopted != FLOW_NONE && calls[adopted].parent == stack->top && calls[adopted].depth > call->depth) {
        oldest = adopted;
        adopted = calls[adopted].next;
    }
    if (oldest != FLOW_NONE)
        call->begin_ns = calls[oldest].begin_ns;
    uint32_t newest = stack->orphans;
    stack->orphans = adopted;
    /* Where it belongs, for flow_build_order(). */
    call->first_child = oldest == FLOW_NONE                  ? (uint32_t)build->model->call_count
                        : calls[oldest].flags & FLOW_UNBEGUN ? calls[oldest].first_child
                                                             : oldest;
    int r = add_call(build, call, stack, &index);
    if (r < 0)
        return r;
    calls = build->model->calls;
    for (uint32_t i = newest; i != adopted; i = calls[i].next)
        calls[i].parent = index;
    return 0;
}

int flow_build_exit(struct flow_build *build, const struct flow_format *format, const struct flow_event *event) {
    struct flow_call call = {.first_child = FLOW_NONE, .next = FLOW_NONE, .handed_from = FLOW_NONE, .cpu = event->cpu};
    int r = flow_build_task(build, (int32_t)flow_format_get(format, event->data, FLOW_FIELD_PID), event->cpu, &call.task);

    if (r == 0)
        r = flow_build_function(build, flow_format_get(format, event->data, FLOW_FIELD_FUNC), &call.function);
    if (r < 0)
        return r;
    struct flow_stack *stack = &build->stacks[call.task];
    int32_t depth = event_depth(format, event);
    stack->mark = FLOW_NONE;
    close_from_depth(build, stack, depth + 1, event->time);
    if (stack->top != FLOW_NONE && build->model->calls[stack->top].depth == depth) {
        bool same = build->model->calls[stack->top].function == call.function;
        close_top(build, stack, event->time, same);
        if (same)
            return 0;
    }
    call.depth = (uint16_t)depth;
    call.begin_ns = call.end_ns = event->time;
    return add_unbegun(build, stack, &call);
}

void flow_build_end_calls(struct flow_build *build) {
    for (size_t i = 0; i < build->model->task_count; i++)
        close_from_depth(build, &build->stacks[i], 0, build->last_ns);
}

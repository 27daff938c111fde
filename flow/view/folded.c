/*
 * flow/view/folded.c: a line for each call that took time itself: "client;__x64_sys_connect;...;tcp_connect 1234" (ns), as flame graph
 * programs read them. A packet's way up is a stack of its own, below the lane "softirq"; its time is not its caller's. Lines of the same
 * stack are not added up: the programs do.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "flow/view/text.h"

/* A file from anybody can hold stacks that are deeper than any kernel's. */
#define FRAMES_MAX 256

static void put_frame(struct view_out *out, const char *name) {
    view_out_puts(out, ";");
    for (; *name; name++) /* what separates frames and counts is no part of a name */
        view_out_put(out, *name == ';' || *name == ' ' || (unsigned char)*name < ' ' ? "_" : name, 1);
}

static void put_stack(const struct flow_model *model, uint32_t index, struct view_out *out) {
    uint32_t frames[FRAMES_MAX];
    size_t count = 0;

    for (uint32_t i = index; i != FLOW_NONE && count < FRAMES_MAX; i = model->calls[i].parent)
        frames[count++] = model->calls[i].function;
    view_out_puts(out, flow_lane_name(model->calls[index].lane));
    while (count > 0)
        put_frame(out, model->functions[frames[--count]].name);
}

int flow_view_folded(const struct flow_model *model, const struct flow_selection *selection, struct view_out *out) {
    uint64_t *others = calloc(model->call_count + 1, sizeof(*others)); /* time of what a call called or was interrupted by */

    if (!others)
        return -ENOMEM;
    for (size_t i = 0; i < model->call_count; i++) {
        const struct flow_call *call = &model->calls[i];
        uint32_t caller = call->parent != FLOW_NONE ? call->parent : call->handed_from;
        if (caller != FLOW_NONE)
            others[caller] += call->end_ns - call->begin_ns;
    }
    for (size_t i = 0; i < model->call_count && out->error == 0; i++) {
        uint64_t took = model->calls[i].end_ns - model->calls[i].begin_ns;
        if (!selection->shown[i] || took <= others[i])
            continue;
        put_stack(model, (uint32_t)i, out);
        view_out_printf(out, " %" PRIu64 "\n", took - others[i]);
    }
    free(others);
    for (size_t i = 0; i < model->note_count; i++) {
        view_out_puts(out, "# ");
        view_out_name(out, model->notes[i].text);
        view_out_puts(out, "\n");
    }
    return view_out_finish(out);
}

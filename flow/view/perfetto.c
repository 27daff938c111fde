/*
 * flow/view/perfetto.c: the Trace Event Format: a process a lane, a thread a task, or a processor in the softirq lane. Times are
 * microseconds. An arrow leads from the call that a packet was handed over from to the packet's.
 */
#include <errno.h>

#include "flow/view/text.h"
#include "flow/view/words.h"
#include "view/jsontext.h"

static json_int_t lane_pid(unsigned lane) {
    return (json_int_t)lane + 1; /* 0 is the idle process */
}

static json_int_t call_tid(const struct flow_model *model, const struct flow_call *call) {
    return call->lane == FLOW_SOFTIRQ ? call->cpu : model->tasks[call->task].pid;
}

static double microseconds(uint64_t ns) {
    return (double)ns / 1e3;
}

static json_t *call_event(const struct flow_model *model, const struct flow_call *call) {
    const struct flow_function *function = &model->functions[call->function];

    return json_pack("{s:s, s:o, s:s, s:f, s:f, s:I, s:I, s:{s:o, s:i}}", "ph", "X", "name", view_json_text(function->name), "cat",
                     flow_layer_name(function->layer), "ts", microseconds(call->begin_ns), "dur",
                     microseconds(call->end_ns - call->begin_ns), "pid", lane_pid(call->lane), "tid", call_tid(model, call), "args",
                     "prototype", view_json_text(function->prototype), "cpu", (int)call->cpu);
}

static json_t *arrow_event(const struct flow_model *model, const char *phase, const struct flow_call *call, uint64_t ns, uint32_t id) {
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:f, s:I, s:I}", "ph", phase, "bp", "e", "name", "handed over (inferred)", "cat", "softirq",
                     "id", (json_int_t)id, "ts", microseconds(ns), "pid", lane_pid(call->lane), "tid", call_tid(model, call));
}

static json_t *mark_event(const struct flow_model *model, const struct flow_mark *mark) {
    const struct flow_call *call = mark->call != FLOW_NONE ? &model->calls[mark->call] : NULL;
    char words[FLOW_WORDS_MAX];

    flow_words_mark(mark, words);
    return json_pack("{s:s, s:s, s:s, s:s, s:f, s:I, s:I}", "ph", "i", "s", call ? "t" : "g", "name", words, "cat", "mark", "ts",
                     microseconds(mark->time_ns), "pid", call ? lane_pid(call->lane) : lane_pid(FLOW_OTHER), "tid",
                     call ? call_tid(model, call) : (json_int_t)0);
}

static int put_names(const struct flow_model *model, struct view_out *out, bool *first) {
    int r = 0;

    for (unsigned lane = 0; r == 0 && lane < FLOW_LANES_; lane++)
        r = view_json_put(out,
                          json_pack("{s:s, s:s, s:I, s:{s:s}}", "ph", "M", "name", "process_name", "pid", lane_pid(lane), "args", "name",
                                    flow_lane_name(lane)),
                          first);
    for (size_t i = 0; r == 0 && i < model->task_count; i++)
        r = view_json_put(out,
                          json_pack("{s:s, s:s, s:I, s:I, s:{s:o}}", "ph", "M", "name", "thread_name", "pid",
                                    lane_pid(model->tasks[i].lane), "tid", (json_int_t)model->tasks[i].pid, "args", "name",
                                    view_json_text(model->tasks[i].name)),
                          first);
    return r;
}

static int put_call(const struct flow_model *model, const struct flow_selection *selection, uint32_t index, struct view_out *out,
                    bool *first) {
    const struct flow_call *call = &model->calls[index];
    int r = view_json_put(out, call_event(model, call), first);

    if (r < 0 || call->handed_from == FLOW_NONE || !selection->shown[call->handed_from])
        return r;
    r = view_json_put(out, arrow_event(model, "s", &model->calls[call->handed_from], call->begin_ns, index), first);
    return r == 0 ? view_json_put(out, arrow_event(model, "f", call, call->begin_ns, index), first) : r;
}

int flow_view_perfetto(const struct flow_model *model, const struct flow_selection *selection, struct view_out *out) {
    bool first = true;

    view_out_puts(out, "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[");
    int r = put_names(model, out, &first);
    for (size_t i = 0; r == 0 && i < model->call_count; i++)
        if (selection->shown[i])
            r = put_call(model, selection, (uint32_t)i, out, &first);
    for (size_t i = 0; r == 0 && i < model->mark_count; i++)
        if (flow_selection_has_mark(selection, &model->marks[i]))
            r = view_json_put(out, mark_event(model, &model->marks[i]), &first);
    view_out_puts(out, "],\n\"otherData\":{\"notes\":[");
    first = true;
    for (size_t i = 0; r == 0 && i < model->note_count; i++)
        r = view_json_put(out, view_json_text(model->notes[i].text), &first);
    view_out_puts(out, "]}}\n");
    int end = view_out_finish(out);
    return r < 0 ? r : end;
}

/*
 * flow/view/json.c: everything that a model knows, as one JSON object: functions, tasks, calls, marks, notes. Indices are those of the
 * arrays; addresses are hexadecimal texts, because JSON's numbers end at 2^53.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "flow/view/text.h"
#include "flow/view/words.h"
#include "view/jsontext.h"

static json_t *index_or_null(uint32_t index) {
    return index == FLOW_NONE ? json_null() : json_integer(index);
}

static json_t *address_text(uint64_t address) {
    char text[24];

    snprintf(text, sizeof(text), "%" PRIx64, address);
    return address != 0 ? json_string(text) : json_null();
}

static json_t *function_json(const struct flow_function *function) {
    return json_pack("{s:o, s:o, s:o, s:o, s:I, s:o, s:s, s:I, s:b, s:b}", "name", view_json_text(function->name), "module",
                     view_json_text(function->module), "prototype", view_json_text(function->prototype), "file",
                     view_json_text(function->file), "line", (json_int_t)function->line, "address", address_text(function->address),
                     "layer", flow_layer_name(function->layer), "calls", (json_int_t)function->calls, "landmark", function->landmark,
                     "helper", function->helper);
}

static json_t *task_json(const struct flow_task *task) {
    return json_pack("{s:i, s:o, s:s}", "pid", task->pid, "name", view_json_text(task->name), "lane", flow_lane_name(task->lane));
}

static json_t *call_json(const struct flow_call *call, uint32_t index) {
    return json_pack("{s:I, s:I, s:I, s:o, s:o, s:s, s:i, s:i, s:I, s:I, s:b, s:b, s:b}", "index", (json_int_t)index, "function",
                     (json_int_t)call->function, "task", (json_int_t)call->task, "parent", index_or_null(call->parent), "handed_from",
                     index_or_null(call->handed_from), "lane", flow_lane_name(call->lane), "depth", (int)call->depth, "cpu", (int)call->cpu,
                     "begin_ns", (json_int_t)call->begin_ns, "end_ns", (json_int_t)call->end_ns, "unfinished",
                     call->flags & FLOW_UNFINISHED, "unbegun", call->flags & FLOW_UNBEGUN, "backlog", call->flags & FLOW_BACKLOG);
}

static json_t *mark_details(const struct flow_mark *mark) {
    char local[FLOW_WORDS_MAX] = "", remote[FLOW_WORDS_MAX] = "", flags[FLOW_WORDS_MAX];

    switch (mark->type) {
    case FLOW_MARK_STATE:
        flow_words_address(&mark->state.local, local, sizeof(local));
        flow_words_address(&mark->state.remote, remote, sizeof(remote));
        return json_pack("{s:s, s:s, s:s, s:s, s:s}", "type", "state", "before", flow_state_name(mark->state.before), "after",
                         flow_state_name(mark->state.after), "local", local, "remote", remote);
    case FLOW_MARK_PACKET:
        flow_words_flags(mark->packet.flags, flags, sizeof(flags));
        return json_pack("{s:s, s:b, s:s, s:i, s:i, s:I, s:I, s:I}", "type", "packet", "sent", mark->packet.sent, "flags", flags, "source",
                         (int)mark->packet.source, "destination", (int)mark->packet.destination, "sequence",
                         (json_int_t)mark->packet.sequence, "acknowledged", (json_int_t)mark->packet.acknowledged, "octets",
                         (json_int_t)mark->packet.octets);
    case FLOW_MARK_DATAGRAM:
        return json_pack("{s:s, s:b, s:i, s:i, s:I}", "type", "datagram", "sent", mark->packet.sent, "source", (int)mark->packet.source,
                         "destination", (int)mark->packet.destination, "octets", (json_int_t)mark->packet.octets);
    case FLOW_MARK_LINK:
        return json_pack("{s:s, s:o}", "type", "link", "child", address_text(mark->link.child));
    case FLOW_MARK_LOST:
        return json_pack("{s:s, s:I}", "type", "lost", "events", (json_int_t)mark->lost.events);
    case FLOW_MARK_ACCEPT:
        return json_pack("{s:s}", "type", "accept");
    case FLOW_MARK_SOCKET:
        return json_pack("{s:s}", "type", "socket");
    }
    return NULL;
}

static json_t *mark_json(const struct flow_mark *mark) {
    json_t *json = mark_details(mark);

    if (!json)
        return NULL;
    int r = json_object_set_new(json, "time_ns", json_integer((json_int_t)mark->time_ns));
    r |= json_object_set_new(json, "call", index_or_null(mark->call));
    r |= json_object_set_new(json, "task", index_or_null(mark->task));
    r |= json_object_set_new(json, "cpu", json_integer(mark->cpu));
    r |= json_object_set_new(json, "socket", address_text(mark->socket));
    if (r == 0)
        return json;
    json_decref(json);
    return NULL;
}

static int put_member(struct view_out *out, const char *name, json_t *value) {
    if (!value)
        return -ENOMEM;
    view_out_printf(out, ",\n\"%s\":", name);
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    json_decref(value);
    if (!text)
        return -ENOMEM;
    view_out_puts(out, text);
    free(text);
    return out->error;
}

static int put_head(const struct flow_model *model, struct view_out *out) {
    const struct {
        const char *name, *text;
    } texts[] = {{"kernel", model->kernel},
                 {"machine", model->machine},
                 {"scenario", model->scenario},
                 {"command", model->command},
                 {"recorded_at", model->recorded_at}};
    int r = 0;

    view_out_puts(out, "{\"format\":\"kith-flow\"");
    for (size_t i = 0; r == 0 && i < KITH_ARRAY_SIZE(texts); i++)
        r = put_member(out, texts[i].name, view_json_text(texts[i].text));
    if (r == 0)
        r = put_member(out, "whole", json_boolean(model->whole));
    if (r == 0)
        r = put_member(out, "probes_only", json_boolean(model->probes_only));
    if (r == 0)
        r = put_member(out, "duration_ns", json_integer((json_int_t)model->duration_ns));
    if (r == 0)
        r = put_member(out, "seen_events", json_integer((json_int_t)model->seen_events));
    return r == 0 ? put_member(out, "lost_events", json_integer((json_int_t)model->lost_events)) : r;
}

static int put_arrays(const struct flow_model *model, const struct flow_selection *selection, struct view_out *out) {
    bool first = true;
    int r = 0;

    view_out_puts(out, ",\n\"functions\":[");
    for (size_t i = 0; r == 0 && i < model->function_count; i++)
        r = view_json_put(out, function_json(&model->functions[i]), &first);
    view_out_puts(out, "],\n\"tasks\":[");
    first = true;
    for (size_t i = 0; r == 0 && i < model->task_count; i++)
        r = view_json_put(out, task_json(&model->tasks[i]), &first);
    view_out_puts(out, "],\n\"calls\":[");
    first = true;
    for (size_t i = 0; r == 0 && i < model->call_count; i++)
        if (selection->shown[i])
            r = view_json_put(out, call_json(&model->calls[i], (uint32_t)i), &first);
    view_out_puts(out, "],\n\"marks\":[");
    first = true;
    for (size_t i = 0; r == 0 && i < model->mark_count; i++)
        if (flow_selection_has_mark(selection, &model->marks[i]))
            r = view_json_put(out, mark_json(&model->marks[i]), &first);
    view_out_puts(out, "],\n\"notes\":[");
    first = true;
    for (size_t i = 0; r == 0 && i < model->note_count; i++)
        r = view_json_put(out, json_pack("{s:o, s:b}", "text", view_json_text(model->notes[i].text), "loss", model->notes[i].is_loss),
                          &first);
    view_out_puts(out, "]}\n");
    return r;
}

int flow_view_json(const struct flow_model *model, const struct flow_selection *selection, struct view_out *out) {
    int r = put_head(model, out);

    if (r == 0)
        r = put_arrays(model, selection, out);
    int end = view_out_finish(out);
    return r < 0 ? r : end;
}

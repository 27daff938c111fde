/* flow/view/diff-text.c: differences for people, and as one JSON object. */
#include <string.h>

#include "flow/view/diff.h"
#include "flow/view/jsontext.h"

static const char *const sides[] = {"before", "after"};
static const char *const signs[] = {[FLOW_GONE] = "-", [FLOW_NEW] = "+", [FLOW_PROTOTYPE] = "!", [FLOW_MOVED] = "~"};
static const char *const words[] = {[FLOW_GONE] = "gone", [FLOW_NEW] = "new", [FLOW_PROTOTYPE] = "prototype", [FLOW_MOVED] = "moved"};

static void put_item(const struct flow_diff_item *item, struct flow_out *out) {
    flow_out_printf(out, "  %s ", signs[item->difference]);
    flow_out_name(out, item->function);
    if (item->before && item->after) {
        flow_out_puts(out, item->difference == FLOW_MOVED ? "  called by " : "  ");
        flow_out_name(out, item->before);
        flow_out_puts(out, item->difference == FLOW_MOVED ? ", now by " : "  =>  ");
        flow_out_name(out, item->after);
    }
    flow_out_puts(out, "\n");
}

static void put_model(const struct flow_model *model, const char *side, struct flow_out *out) {
    flow_out_printf(out, "%s: Linux ", side);
    flow_out_name(out, model->kernel ? model->kernel : "?");
    flow_out_puts(out, ", ");
    flow_out_name(out, model->scenario ? model->scenario : model->command ? model->command : "?");
    flow_out_printf(out, ", %zu calls\n", model->call_count);
}

static bool same_call(const char *a, const char *b) {
    return a && b ? strcmp(a, b) == 0 : a == b;
}

int flow_view_diff(const struct flow_diff *diff, struct flow_out *out) {
    for (size_t s = 0; s < 2; s++)
        put_model(diff->models[s], sides[s], out);
    if (diff->count == 0)
        flow_out_puts(out, "\nno difference\n");
    for (size_t i = 0; i < diff->count && out->error == 0; i++) {
        const struct flow_diff_item *item = &diff->items[i];
        if (i == 0 || !same_call(item->call, item[-1].call)) {
            flow_out_puts(out, "\n");
            flow_out_name(out, item->call ? item->call : "everywhere");
            flow_out_puts(out, "\n");
        }
        put_item(item, out);
    }
    flow_out_puts(
        out, "\n- gone, + new, ~ moved (no caller in common), ! prototype changed. A function is gone when it was not called again.\n");
    for (size_t s = 0; s < 2; s++) {
        for (size_t i = 0; i < diff->models[s]->note_count; i++) {
            flow_out_printf(out, "%s: ", sides[s]);
            flow_out_name(out, diff->models[s]->notes[i].text);
            flow_out_puts(out, "\n");
        }
    }
    return flow_out_finish(out);
}

static int put_model_json(const struct flow_model *model, const char *side, struct flow_out *out) {
    bool first = true;

    flow_out_printf(out, "%s\"%s\":", side == sides[0] ? "{" : ",\n", side);
    int r = flow_json_put(out,
                          json_pack("{s:o, s:o, s:I}", "kernel", flow_json_text(model->kernel), "scenario", flow_json_text(model->scenario),
                                    "calls", (json_int_t)model->call_count),
                          &first);
    first = true;
    flow_out_printf(out, ",\n\"notes_%s\":[", side);
    for (size_t i = 0; r == 0 && i < model->note_count; i++)
        r = flow_json_put(out, flow_json_text(model->notes[i].text), &first);
    flow_out_puts(out, "]");
    return r;
}

int flow_view_diff_json(const struct flow_diff *diff, struct flow_out *out) {
    bool first = true;
    int r = 0;

    for (size_t s = 0; r == 0 && s < 2; s++)
        r = put_model_json(diff->models[s], sides[s], out);
    flow_out_puts(out, ",\n\"differences\":[");
    for (size_t i = 0; r == 0 && i < diff->count; i++) {
        const struct flow_diff_item *item = &diff->items[i];
        r = flow_json_put(out,
                          json_pack("{s:s, s:o, s:o, s:o, s:o}", "difference", words[item->difference], "call", flow_json_text(item->call),
                                    "function", flow_json_text(item->function), "before", flow_json_text(item->before), "after",
                                    flow_json_text(item->after)),
                          &first);
    }
    flow_out_puts(out, "]}\n");
    int end = flow_out_finish(out);
    return r < 0 ? r : end;
}

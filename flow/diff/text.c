/* flow/diff/text.c: differences for people, and as one JSON object. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "flow/diff/diff.h"
#include "view/jsontext.h"

/* Of a way, at both of its ends: the rest is "...". */
#define NAMES_SHOWN 3

static const char *const sides[] = {"before", "after"};
static const char *const signs[] = {[FLOW_GONE] = "-", [FLOW_NEW] = "+", [FLOW_PROTOTYPE] = "!", [FLOW_MOVED] = "~", [FLOW_LAYER] = "~"};
static const char *const words[] = {
    [FLOW_GONE] = "gone", [FLOW_NEW] = "new", [FLOW_PROTOTYPE] = "prototype", [FLOW_MOVED] = "moved", [FLOW_LAYER] = "layer"};
/* What stands before and between the two texts. */
static const char *const leads[][2] = {
    [FLOW_PROTOTYPE] = {"  ", "  =>  "}, [FLOW_MOVED] = {"  called by ", ", now by "}, [FLOW_LAYER] = {"  in the layer ", ", now in "}};

static void put_item(const struct flow_diff_item *item, struct view_out *out) {
    view_out_printf(out, "  %s ", signs[item->difference]);
    view_out_name(out, item->function);
    if (item->before && item->after) {
        view_out_puts(out, leads[item->difference][0]);
        view_out_name(out, item->before);
        view_out_puts(out, leads[item->difference][1]);
        view_out_name(out, item->after);
    }
    view_out_puts(out, "\n");
}

static void put_model(const struct flow_model *model, const char *side, struct view_out *out) {
    view_out_printf(out, "%s: Linux ", side);
    view_out_name(out, model->kernel ? model->kernel : "?");
    view_out_puts(out, ", ");
    view_out_name(out, model->scenario ? model->scenario : model->command ? model->command : "?");
    view_out_printf(out, ", %zu calls\n", model->call_count);
}

static void put_notes(const struct flow_model *model, const char *side, struct view_out *out) {
    for (size_t i = 0; i < model->note_count; i++) {
        view_out_printf(out, "%s: ", side);
        view_out_name(out, model->notes[i].text);
        view_out_puts(out, "\n");
    }
}

/* Ways ------------------------------------------------------------------------------------------------------------------ */

static const char *name_of(const struct flow_merge *merge, uint32_t index) {
    return flow_merged_function(merge, &merge->calls[index])->name;
}

/* From the outermost call down to this one: indices, in *ret_way, which has room for as many as there are calls. Returns how many. */
static size_t way_to(const struct flow_merge *merge, uint32_t index, uint32_t *way) {
    size_t count = 0;

    for (; index != FLOW_NONE; index = merge->calls[index].parent)
        way[count++] = index;
    for (size_t i = 0; i < count / 2; i++) {
        uint32_t kept = way[i];
        way[i] = way[count - 1 - i];
        way[count - 1 - i] = kept;
    }
    return count;
}

static void put_way(const struct flow_merge *merge, uint32_t parent, uint32_t *way, struct view_out *out) {
    size_t count = way_to(merge, parent, way);

    view_out_puts(out, "\n");
    for (size_t i = 0; i < count; i++) {
        if (i == NAMES_SHOWN && count > 2 * NAMES_SHOWN) {
            view_out_puts(out, " > ...");
            i = count - NAMES_SHOWN;
        }
        view_out_puts(out, i > 0 ? " > " : "");
        view_out_name(out, name_of(merge, way[i]));
    }
    view_out_puts(out, count > 0 ? "\n" : "the program's calls\n");
}

static void put_ways(const struct flow_merge *merge, uint32_t *way, struct view_out *out) {
    uint32_t parent = FLOW_NONE;
    bool first = true;

    for (size_t i = 0; i < merge->count && out->error == 0; i++) {
        const struct flow_merged *merged = &merge->calls[i];
        if (!flow_diff_is_parting(merge, i))
            continue;
        if (first || merged->parent != parent)
            put_way(merge, merged->parent, way, out);
        first = false;
        parent = merged->parent;
        view_out_printf(out, "  %s ", merged->call[1] == FLOW_NONE ? "-" : "+");
        view_out_name(out, name_of(merge, (uint32_t)i));
        if (merged->below > 0)
            view_out_printf(out, "  (%u below it)", merged->below);
        view_out_puts(out, "\n");
    }
}

/* Text --------------------------------------------------------------------------------------------------------------------- */

static void put_types(const struct flow_diff *diff, struct view_out *out) {
    view_out_puts(out, "after: types of ");
    view_out_name(out, diff->types);
    view_out_printf(out, "\n%zu functions are compared by their prototypes; %zu have none, and cannot be judged.\n", diff->compared,
                    diff->undecided);
}

/* Mostly what a compiler has made of a function: types.h. */
static void put_undecided(const struct flow_diff *diff, struct view_out *out) {
    view_out_puts(out, diff->undecided > 0 ? "\nnot judged\n" : "");
    for (size_t i = 0; i < diff->undecided; i++) {
        view_out_puts(out, "  ? ");
        view_out_name(out, diff->undecided_names[i]);
        view_out_puts(out, "\n");
    }
}

int flow_view_diff(const struct flow_diff *diff, struct view_out *out) {
    uint32_t *way = calloc(diff->merge.count + 1, sizeof(*way));

    if (!way)
        return -ENOMEM;
    put_model(diff->models[0], sides[0], out);
    if (diff->models[1])
        put_model(diff->models[1], sides[1], out);
    else
        put_types(diff, out);
    view_out_puts(out, diff->count > 0 ? "\nfunctions\n" : "\nno function differs\n");
    for (size_t i = 0; i < diff->count && out->error == 0; i++)
        put_item(&diff->items[i], out);
    put_undecided(diff, out);
    put_ways(&diff->merge, way, out);
    free(way);
    view_out_puts(out, diff->models[1]
                           ? "\n- gone, + new, ~ moved (no caller in common), ! prototype changed. A function is gone when it was "
                             "not called again.\n"
                           : "\n- gone: not there, always inlined, or changed by the compiler (.isra, .constprop); ! prototype changed;\n"
                             "? without a prototype in the recorded kernel's types. Types do not tell who calls whom.\n");
    for (size_t s = 0; s < 2 && diff->models[s]; s++)
        put_notes(diff->models[s], sides[s], out);
    return view_out_finish(out);
}

/* JSON ---------------------------------------------------------------------------------------------------------------------- */

static int put_model_json(const struct flow_model *model, const char *side, struct view_out *out) {
    bool first = true;

    view_out_printf(out, "\"%s\":", side);
    int r = view_json_put(out,
                          json_pack("{s:o, s:o, s:I}", "kernel", view_json_text(model->kernel), "scenario", view_json_text(model->scenario),
                                    "calls", (json_int_t)model->call_count),
                          &first);
    first = true;
    view_out_printf(out, ",\n\"notes_%s\":[", side);
    for (size_t i = 0; r == 0 && i < model->note_count; i++)
        r = view_json_put(out, view_json_text(model->notes[i].text), &first);
    view_out_puts(out, "],\n");
    return r;
}

static int put_types_json(const struct flow_diff *diff, struct view_out *out) {
    json_t *names = json_array();
    bool first = true;

    for (size_t i = 0; names && i < diff->undecided; i++)
        if (json_array_append_new(names, view_json_text(diff->undecided_names[i])) < 0) {
            json_decref(names);
            names = NULL;
        }
    if (!names)
        return -ENOMEM;
    view_out_puts(out, "\"types\":");
    int r = view_json_put(
        out, json_pack("{s:o, s:I, s:o}", "of", view_json_text(diff->types), "compared", (json_int_t)diff->compared, "undecided", names),
        &first);
    view_out_puts(out, ",\n");
    return r;
}

static json_t *way_json(const struct flow_merge *merge, size_t index, uint32_t *way) {
    const struct flow_merged *merged = &merge->calls[index];
    size_t count = way_to(merge, merged->parent, way);
    json_t *names = json_array();

    for (size_t i = 0; names && i < count; i++) {
        if (json_array_append_new(names, view_json_text(name_of(merge, way[i]))) == 0)
            continue;
        json_decref(names);
        names = NULL;
    }
    if (!names)
        return NULL;
    return json_pack("{s:s, s:o, s:o, s:I}", "difference", merged->call[1] == FLOW_NONE ? "gone" : "new", "below", names, "function",
                     view_json_text(name_of(merge, (uint32_t)index)), "calls", (json_int_t)merged->below + 1);
}

static int put_ways_json(const struct flow_merge *merge, struct view_out *out) {
    uint32_t *way = calloc(merge->count + 1, sizeof(*way));
    bool first = true;
    int r = way ? 0 : -ENOMEM;

    view_out_puts(out, "],\n\"ways\":[");
    for (size_t i = 0; r == 0 && i < merge->count; i++)
        if (flow_diff_is_parting(merge, i))
            r = view_json_put(out, way_json(merge, i, way), &first);
    free(way);
    return r;
}

int flow_view_diff_json(const struct flow_diff *diff, struct view_out *out) {
    bool first = true;
    int r = 0;

    view_out_puts(out, "{");
    for (size_t s = 0; r == 0 && s < 2 && diff->models[s]; s++)
        r = put_model_json(diff->models[s], sides[s], out);
    if (r == 0 && !diff->models[1])
        r = put_types_json(diff, out);
    view_out_puts(out, "\"differences\":[");
    for (size_t i = 0; r == 0 && i < diff->count; i++) {
        const struct flow_diff_item *item = &diff->items[i];
        r = view_json_put(out,
                          json_pack("{s:s, s:o, s:o, s:o}", "difference", words[item->difference], "function",
                                    view_json_text(item->function), "before", view_json_text(item->before), "after",
                                    view_json_text(item->after)),
                          &first);
    }
    if (r == 0)
        r = put_ways_json(&diff->merge, out);
    view_out_puts(out, "]}\n");
    int end = view_out_finish(out);
    return r < 0 ? r : end;
}

/* What cannot be seen is said below every view there is: what was lost, cut off, inlined, filtered out, and tail calls. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/btf.h>
#include <cmocka.h>

#include "flow/decode/testing-file.h"
#include "flow/diff/types.h"
#include "flow/view/chart.h"
#include "flow/view/page.h"
#include "flow/view/text.h"
#include "view/testing-out.h"

#define LOST "0\t4711\n"

static const char *const said[] = {"4711 of ", " events were lost", "ends early", "inlined", "recorder filtered out", "(tail call)"};

/* A real recording, that has lost events and its end. */
static struct flow_model *load(void) {
    _cleanup_(flow_recording_freep) struct flow_recording *recording = test_recording("tcp.kflow");
    bool changed = false;

    for (size_t i = 0; i < recording->count; i++) {
        if (recording->sections[i].type != FLOW_LOST)
            continue;
        recording->sections[i] = (struct flow_section){FLOW_LOST, (const uint8_t *)LOST, strlen(LOST)};
        changed = true;
    }
    assert_true(changed);
    recording->whole = false;
    return test_model(recording);
}

/* Each view, of a model; `diff` is of the model and itself. ------------------------------------------------------------------ */

struct what {
    const struct flow_model *model;
    const struct flow_selection *selection;
    struct flow_diff *diff;
};

static int tree(const struct what *what, struct view_out *out) {
    return flow_view_tree(what->model, what->selection, &(struct flow_tree_options){0}, out);
}

static int json(const struct what *what, struct view_out *out) {
    return flow_view_json(what->model, what->selection, out);
}

static int folded(const struct what *what, struct view_out *out) {
    return flow_view_folded(what->model, what->selection, out);
}

static int perfetto(const struct what *what, struct view_out *out) {
    return flow_view_perfetto(what->model, what->selection, out);
}

static int chart(const struct flow_model *model, const struct flow_selection *selection, struct view_out *out,
                 int (*view)(const struct flow_chart *chart, struct view_out *out)) {
    _cleanup_(flow_chart_freep) struct flow_chart *made = NULL;

    assert_int_equal(flow_chart_new(model, selection, FLOW_LEVEL_OUTLINE, &made, NULL), 0);
    return view(made, out);
}

static int dot(const struct what *what, struct view_out *out) {
    return chart(what->model, what->selection, out, flow_view_dot);
}

/* What Mermaid draws: comments are not seen. */
static int mermaid(const struct what *what, struct view_out *out) {
    return chart(what->model, what->selection, out, flow_view_mermaid);
}

static int page(const struct what *what, struct view_out *out) {
    char *html = NULL;
    size_t size = 0;
    int r = flow_view_page(what->model, NULL, NULL, 0, &html, &size);

    view_out_put(out, html, size);
    free(html);
    return r == 0 ? view_out_finish(out) : r;
}

static int diff_text(const struct what *what, struct view_out *out) {
    return flow_view_diff(what->diff, out);
}

static int diff_json(const struct what *what, struct view_out *out) {
    return flow_view_diff_json(what->diff, out);
}

static int diff_chart(const struct what *what, struct view_out *out) {
    _cleanup_(flow_selection_deinitp) struct flow_selection *selection = &(struct flow_selection){0};
    _cleanup_(flow_model_freep) struct flow_model *model = NULL;
    uint8_t *tags = NULL;

    assert_int_equal(flow_merge_model(&what->diff->merge, &model, &tags), 0);
    assert_int_equal(flow_select(model, &(struct flow_select){0}, selection, NULL), 0);
    selection->tags = tags;
    int r = chart(model, selection, out, flow_view_dot);
    free(tags);
    return r;
}

static int with_types(const struct what *what, struct view_out *out, int (*view)(const struct flow_diff *diff, struct view_out *out)) {
    _cleanup_(flow_btf_freep) struct flow_btf *btf = NULL;
    _cleanup_(flow_diff_freep) struct flow_diff *diff = NULL;
    struct btf *types = btf__new_empty();
    unsigned size;

    assert_true(btf__add_int(types, "int", 4, BTF_INT_SIGNED) > 0);
    const void *data = btf__raw_data(types, &size);
    assert_int_equal(flow_btf_from_memory(data, size, &btf, NULL), 0);
    btf__free(types);
    assert_int_equal(flow_diff_new_types(what->model, btf, "vmlinux", &diff), 0);
    return view(diff, out);
}

static int types_text(const struct what *what, struct view_out *out) {
    return with_types(what, out, flow_view_diff);
}

static int types_json(const struct what *what, struct view_out *out) {
    return with_types(what, out, flow_view_diff_json);
}

static const struct {
    const char *name;
    int (*view)(const struct what *what, struct view_out *out);
    const char *comment; /* a line that begins so is not shown by what reads the view, or NULL */
} views[] = {
    {"tree", tree, NULL},
    {"JSON", json, NULL},
    {"folded", folded, NULL},
    {"perfetto", perfetto, NULL},
    {"DOT", dot, "//"},
    {"Mermaid", mermaid, "%%"},
    {"page", page, NULL},
    {"diff", diff_text, NULL},
    {"diff as JSON", diff_json, NULL},
    {"diff as chart", diff_chart, "//"},
    {"diff with types", types_text, NULL},
    {"diff with types as JSON", types_json, NULL},
};

static bool is_shown(const char *text, const char *part, const char *comment) {
    for (const char *at = text; (at = strstr(at, part)); at++) {
        const char *line = at;
        while (line > text && line[-1] != '\n')
            line--;
        if (!comment || strncmp(line, comment, strlen(comment)) != 0)
            return true;
    }
    return false;
}

/* Also of a part of the recording. */
static void test_every_view_says_what_cannot_be_seen(void **state) {
    _cleanup_(flow_model_freep) struct flow_model *model = load();
    _cleanup_(flow_diff_freep) struct flow_diff *diff = NULL;
    static const struct flow_select parts[] = {{0}, {.call = "connect"}};

    assert_int_equal(flow_diff_new(model, model, &diff), 0);
    for (size_t p = 0; p < KITH_ARRAY_SIZE(parts); p++) {
        _cleanup_(flow_selection_deinitp) struct flow_selection *selection = &(struct flow_selection){0};
        assert_int_equal(flow_select(model, &parts[p], selection, NULL), 0);
        for (size_t v = 0; v < KITH_ARRAY_SIZE(views); v++) {
            const struct what what = {model, selection, diff};
            char *text = TEST_OUT(views[v].view(&what, &out));
            for (size_t i = 0; i < KITH_ARRAY_SIZE(said); i++)
                if (!is_shown(text, said[i], views[v].comment))
                    fail_msg("%s: does not say '%s'", views[v].name, said[i]);
            free(text);
        }
    }
}

/* The order of the notes is the same everywhere: what was lost comes first. */
static void test_losses_are_said_first(void **state) {
    _cleanup_(flow_model_freep) struct flow_model *model = load();

    assert_true(model->notes[0].is_loss);
    assert_non_null(strstr(model->notes[0].text, "4711"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_view_says_what_cannot_be_seen),
        cmocka_unit_test(test_losses_are_said_first),
    };
    return cmocka_run_group_tests_name("flow: footers", tests, NULL, NULL);
}

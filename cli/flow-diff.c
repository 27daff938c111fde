/* cli/flow-diff.c: kith flow diff: what is different between two recordings, or between one and a kernel's types. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "cli/flow-chart.h"
#include "cli/flow.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/view.h"
#include "flow/diff/types.h"
#include "flow/recording/recording.h"

enum view { TEXT, JSON, CHART };
enum { KEY_JSON, KEY_SVG, KEY_PNG, KEY_PDF, KEY_DOT, KEY_MERMAID, KEY_LEVEL };

struct compare {
    enum view view;
    enum cli_flow_form form;
    const char *file; /* of a picture */
    int level;
    struct flow_select select;
    bool narrowed;
};

static const struct cli_option options[] = {
    {KEY_JSON, "json", 0, NULL, "print a JSON object"},
    {KEY_SVG, "svg", 0, "OUT", "draw one chart of both, with Graphviz: what only one has is marked and coloured"},
    {KEY_PNG, "png", 0, "OUT", NULL},
    {KEY_PDF, "pdf", 0, "OUT", NULL},
    {KEY_DOT, "dot", 0, NULL, "print that chart for Graphviz"},
    {KEY_MERMAID, "mermaid", 0, NULL, "print that chart for Mermaid"},
    {KEY_LEVEL, "level", 0, "N", "chart: 0 to 4, or page, as of flow draw; where ways part is always shown"},
    CLI_FLOW_NARROW_OPTIONS,
    {0},
};

static int take_chart(struct compare *compare, enum cli_flow_form form, const char *file) {
    compare->view = CHART;
    compare->form = form;
    compare->file = file;
    return 0;
}

static int take_option(void *state, int key, const char *value) {
    struct compare *compare = state;

    switch (key) {
    case KEY_JSON:
        compare->view = JSON;
        return 0;
    case KEY_SVG:
        return take_chart(compare, CLI_FLOW_SVG, value);
    case KEY_PNG:
        return take_chart(compare, CLI_FLOW_PNG, value);
    case KEY_PDF:
        return take_chart(compare, CLI_FLOW_PDF, value);
    case KEY_DOT:
        return take_chart(compare, CLI_FLOW_DOT, NULL);
    case KEY_MERMAID:
        return take_chart(compare, CLI_FLOW_MERMAID, NULL);
    case KEY_LEVEL:
        return cli_flow_level(value, &compare->level);
    default:
        compare->narrowed = true;
        return cli_flow_narrow(&compare->select, key, value);
    }
}

/* As diff(1) has it. */
enum { DIFF_SAME = 0, DIFF_OTHER = 1, DIFF_ERROR = 2 };

struct shown {
    const struct compare *compare;
    const struct flow_diff *diff;
};

static int write_view(void *userdata, struct view_out *out) {
    const struct shown *shown = userdata;
    return shown->compare->view == JSON ? flow_view_diff_json(shown->diff, out) : flow_view_diff(shown->diff, out);
}

static int print(const struct compare *compare, const struct flow_diff *diff) {
    return cli_view_print(write_view, &(struct shown){compare, diff});
}

static int draw(const struct compare *compare, const struct flow_diff *diff, struct kith_error *error) {
    _cleanup_(flow_selection_deinitp) struct flow_selection *selection = &(struct flow_selection){0};
    _cleanup_(flow_model_freep) struct flow_model *model = NULL;
    uint8_t *tags = NULL;
    int r = flow_merge_model(&diff->merge, &model, &tags);

    if (r == 0)
        r = flow_select(model, &compare->select, selection, error);
    if (r == 0) {
        selection->tags = tags;
        r = cli_flow_chart(model, selection, compare->level, compare->form, compare->file, error);
    }
    free(tags);
    return r;
}

/* Is it a recording? What cannot be read is taken for one, and said then. */
static bool is_recording(const char *path) {
    char octets[sizeof(FLOW_MAGIC) - 1] = "";
    _cleanup_(kith_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);

    return fd < 0 || (read(fd, octets, sizeof(octets)) == sizeof(octets) && memcmp(octets, FLOW_MAGIC, sizeof(octets)) == 0);
}

/* Returns DIFF_SAME, DIFF_OTHER, or a negative errno. */
static int with_recording(const struct compare *compare, const struct flow_model *before, const char *path, struct kith_error *error) {
    _cleanup_(flow_model_freep) struct flow_model *after = NULL;
    _cleanup_(flow_diff_freep) struct flow_diff *diff = NULL;
    int r = cli_flow_load(path, &after, error);

    if (r == 0)
        r = flow_diff_new(before, after, &diff);
    if (r == 0)
        r = compare->view == CHART ? draw(compare, diff, error) : print(compare, diff);
    return r == 0 && !flow_diff_is_none(diff) ? DIFF_OTHER : r;
}

static int with_types(const struct compare *compare, const struct flow_model *before, const char *path, struct kith_error *error) {
    _cleanup_(flow_btf_freep) struct flow_btf *btf = NULL;
    _cleanup_(flow_diff_freep) struct flow_diff *diff = NULL;
    int r = flow_btf_open(path, &btf, error);

    if (r == 0)
        r = flow_diff_new_types(before, btf, path, &diff);
    if (r == 0)
        r = print(compare, diff);
    return r == 0 && !flow_diff_is_none(diff) ? DIFF_OTHER : r;
}

static int run(const struct cli_verb *verb, int argc, char **argv) {
    _cleanup_(flow_model_freep) struct flow_model *before = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    struct compare compare = {.level = CLI_FLOW_LEVEL_PAGE};
    char **words;
    int count, status = cli_options_parse(verb, argc, argv, take_option, &compare, &words, &count);

    if (status != CLI_GO_ON)
        return status;
    if (count != 2)
        return cli_usage(verb, "which two recordings?");
    if (compare.narrowed && compare.view != CHART)
        return cli_usage(verb, "only a chart is narrowed: --svg, --png, --pdf, --dot or --mermaid");
    bool recording = is_recording(words[1]);
    if (!recording && compare.view == CHART)
        return cli_usage(verb, "%s: is no recording, and types alone make no chart", words[1]);
    int r = cli_flow_load(words[0], &before, &error);
    if (r == 0)
        r = recording ? with_recording(&compare, before, words[1], &error) : with_types(&compare, before, words[1], &error);
    if (r < 0 && error.code == 0)
        kith_error_set(&error, r, "%s", kith_error_name(r));
    return r < 0 ? (cli_fail(&error), DIFF_ERROR) : r;
}

const struct cli_verb cli_flow_diff = {
    .name = "flow diff",
    .summary = "compare two recordings, or one with another kernel's types",
    .usage = "BEFORE AFTER [--json | --svg OUT | --png OUT | --pdf OUT | --dot | --mermaid] [OPTION...]",
    .details =
        "Says which functions are gone, new, called from elsewhere or of another prototype, and where the ways of calls part.\n"
        "AFTER may be a kernel's type information instead, a file of raw BTF or a vmlinux: then it is said which functions are gone\n"
        "there, or of another prototype.",
    .options = options,
    .run = run,
};

/* cli/flow-draw.c: kith flow draw: a recording as a tree, or in a form that other programs read. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "cli/flow-chart.h"
#include "cli/flow.h"
#include "cli/graphviz.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/view.h"
#include "flow/source/source.h"
#include "flow/view/page.h"
#include "flow/view/text.h"

enum view { TREE, JSON, FOLDED, PERFETTO, CHART, PAGE };
enum {
    KEY_TREE,
    KEY_JSON,
    KEY_FOLDED,
    KEY_PERFETTO,
    KEY_DOT,
    KEY_MERMAID,
    KEY_SVG,
    KEY_PNG,
    KEY_PDF,
    KEY_HTML,
    KEY_LEVEL,
    KEY_SOURCE,
    KEY_DEBUG,
    KEY_ASCII,
    KEY_UNFOLD,
    KEY_COLOUR
};

struct draw {
    enum view view;
    const char *source, *debug; /* a kernel's tree and debug symbols, or NULL */
    const char *file;           /* NULL: standard output */
    struct flow_select select;
    struct flow_tree_options tree;
    bool colour_given;
    int level;               /* enum flow_level, or CLI_FLOW_LEVEL_PAGE */
    enum cli_flow_form form; /* of a chart */
};

static const struct cli_option options[] = {
    {KEY_TREE, "tree", 0, NULL, "a tree for each system call and each packet (the default)"},
    {KEY_JSON, "json", 0, NULL, "print a JSON object with all that is known"},
    {KEY_FOLDED, "folded", 0, NULL, "print stacks with the time that each took itself (ns), for flame graphs"},
    {KEY_PERFETTO, "perfetto", 0, "OUT", "write a trace that Perfetto and Chrome show; -: standard output"},
    {KEY_SVG, "svg", 0, "OUT", "draw the chart, with Graphviz"},
    {KEY_PNG, "png", 0, "OUT", NULL},
    {KEY_PDF, "pdf", 0, "OUT", NULL},
    {KEY_HTML, "html", 0, "OUT", "write a page that needs nothing else: the chart beside a tree, with search"},
    {KEY_DOT, "dot", 0, NULL, "print the chart for Graphviz, with places: dot -Kneato -n2 -Tsvg draws it"},
    {KEY_MERMAID, "mermaid", 0, NULL, "print the chart for Mermaid"},
    {KEY_LEVEL, "level", 0, "N",
     "chart: 0: system calls, packets, states; 1: layers; 2: borders of source files; 3: all of net/; 4: everything; page: the most of 0 "
     "to 2 "
     "that "
     "is a page (the default)"},
    {KEY_SOURCE, "source", 0, "DIR", "lines of functions (page, tree, JSON), from this source tree of the kernel"},
    {KEY_DEBUG, "debug-symbols", 0, "FILE", "files and lines of functions, from the kernel's debug symbols"},
    CLI_FLOW_NARROW_OPTIONS,
    {KEY_UNFOLD, "unfold", 0, NULL, "tree: helpers as well, which many call and which call nothing"},
    {KEY_ASCII, "ascii", 0, NULL, "tree: no line drawing characters"},
    {KEY_COLOUR, "colour", 0, "WHEN", "tree: always or never; on a terminal unless told otherwise"},
    {0},
};

static int take_colour(struct draw *draw, const char *value) {
    if (strcmp(value, "always") != 0 && strcmp(value, "never") != 0) {
        cli_error("--colour: '%s' is neither always nor never", value);
        return CLI_USAGE;
    }
    draw->tree.colour = strcmp(value, "always") == 0;
    draw->colour_given = true;
    return 0;
}

static int take_chart(struct draw *draw, enum cli_flow_form form, const char *file) {
    draw->view = CHART;
    draw->form = form;
    draw->file = file;
    return 0;
}

static int take_option(void *state, int key, const char *value) {
    struct draw *draw = state;

    switch (key) {
    case KEY_TREE:
        draw->view = TREE;
        return 0;
    case KEY_JSON:
        draw->view = JSON;
        return 0;
    case KEY_FOLDED:
        draw->view = FOLDED;
        return 0;
    case KEY_PERFETTO:
        draw->view = PERFETTO;
        draw->file = strcmp(value, "-") == 0 ? NULL : value;
        return 0;
    case KEY_SVG:
        return take_chart(draw, CLI_FLOW_SVG, value);
    case KEY_PNG:
        return take_chart(draw, CLI_FLOW_PNG, value);
    case KEY_PDF:
        return take_chart(draw, CLI_FLOW_PDF, value);
    case KEY_DOT:
        return take_chart(draw, CLI_FLOW_DOT, NULL);
    case KEY_MERMAID:
        return take_chart(draw, CLI_FLOW_MERMAID, NULL);
    case KEY_HTML:
        draw->view = PAGE;
        draw->file = value;
        return 0;
    case KEY_LEVEL:
        return cli_flow_level(value, &draw->level);
    case KEY_SOURCE:
        draw->source = value;
        return 0;
    case KEY_DEBUG:
        draw->debug = value;
        return 0;
    case KEY_ASCII:
        draw->tree.ascii = true;
        return 0;
    case KEY_UNFOLD:
        draw->tree.unfold = true;
        return 0;
    case KEY_COLOUR:
        return take_colour(draw, value);
    default:
        return cli_flow_narrow(&draw->select, key, value);
    }
}

static int view(const struct draw *draw, const struct flow_model *model, const struct flow_selection *selection, struct view_out *out) {
    switch (draw->view) {
    case TREE:
        return flow_view_tree(model, selection, &draw->tree, out);
    case JSON:
        return flow_view_json(model, selection, out);
    case FOLDED:
        return flow_view_folded(model, selection, out);
    case PERFETTO:
        return flow_view_perfetto(model, selection, out);
    case CHART:
    case PAGE:
        break;
    }
    return -EINVAL;
}

struct shown {
    const struct draw *draw;
    const struct flow_model *model;
    const struct flow_selection *selection;
};

static int write_view(void *userdata, struct view_out *out) {
    const struct shown *shown = userdata;
    return view(shown->draw, shown->model, shown->selection, out);
}

static int draw_tree(struct draw *draw, const struct flow_model *model, const struct flow_selection *selection) {
    if (!draw->colour_given)
        draw->tree.colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
    return cli_view_page(write_view, &(struct shown){draw, model, selection});
}

static int draw_file(const struct draw *draw, const struct flow_model *model, const struct flow_selection *selection) {
    _cleanup_(kith_closep) int fd = open(draw->file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

    int r = fd < 0 ? -errno : cli_view_write(fd, write_view, &(struct shown){draw, model, selection});
    return r == 0 && close(KITH_STEAL_FD(fd)) < 0 ? -errno : r;
}

/* The chart is what was asked for. The page has everything, and begins with what was asked for. */
static int draw_page(const struct draw *draw, const struct flow_model *model, const struct flow_selection *selection,
                     struct kith_error *ret_error) {
    enum flow_level level = draw->level == CLI_FLOW_LEVEL_PAGE ? FLOW_LEVEL_ALL : (enum flow_level)draw->level;
    const struct flow_page_first first = {draw->select, level};
    char *dot = NULL, *svg = NULL, *html = NULL;
    size_t dot_size = 0, svg_size = 0, html_size = 0;

    int r = cli_flow_chart_text(model, selection, draw->level, CLI_FLOW_DOT, &dot, &dot_size, ret_error);
    if (r == 0)
        r = cli_graphviz_text(dot, dot_size, CLI_GRAPHVIZ_PLACED, "svg", &svg, &svg_size, ret_error);
    if (r == 0) {
        r = flow_view_page(model, &first, svg, svg_size, &html, &html_size);
        if (r == -E2BIG)
            kith_error_set(ret_error, r, "a page of more than %d calls, which a browser does not cope with", FLOW_PAGE_CALLS_MAX);
    }
    if (r == 0)
        r = cli_write_file(draw->file, html, html_size);
    free(dot);
    free(svg);
    free(html);
    return r;
}

static int draw_model(struct draw *draw, const struct flow_model *model) {
    _cleanup_(flow_selection_deinitp) struct flow_selection *selection = &(struct flow_selection){0};
    struct kith_error error = KITH_ERROR_NONE;
    int r = flow_select(model, &draw->select, selection, &error);

    if (r == 0 && draw->view == TREE)
        r = draw_tree(draw, model, selection);
    else if (r == 0 && draw->view == CHART)
        r = cli_flow_chart(model, selection, draw->level, draw->form, draw->file, &error);
    else if (r == 0 && draw->view == PAGE)
        r = draw_page(draw, model, selection, &error);
    else if (r == 0 && draw->file)
        r = draw_file(draw, model, selection);
    else if (r == 0)
        r = cli_view_print(write_view, &(struct shown){draw, model, selection});
    if (r < 0 && error.code == 0 && draw->file)
        kith_error_set(&error, r, "%s: %s", draw->file, kith_error_name(r));
    else if (r < 0 && error.code == 0 && r == -ENOMEM)
        kith_error_set(&error, r, "%s", kith_error_name(r));
    return r < 0 && error.code < 0 ? cli_fail(&error) : CLI_OK; /* what standard output says is said at the end */
}

static int run(const struct cli_verb *verb, int argc, char **argv) {
    _cleanup_(flow_model_freep) struct flow_model *model = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    struct draw draw = {.level = CLI_FLOW_LEVEL_PAGE};
    char **words;
    int count, status = cli_options_parse(verb, argc, argv, take_option, &draw, &words, &count);

    if (status != CLI_GO_ON)
        return status;
    if (count != 1)
        return cli_usage(verb, "which recording?");
    if (cli_flow_load(words[0], &model, &error) < 0)
        return cli_fail(&error);
    if (draw.debug && flow_source_add_debug(model, draw.debug, &error) < 0)
        return cli_fail(&error);
    if (draw.source && flow_source_add_lines(model, draw.source, &error) < 0)
        return cli_fail(&error);
    return draw_model(&draw, model);
}

const struct cli_verb cli_flow_draw = {
    .name = "flow draw",
    .summary = "show a recording",
    .usage = "FILE [--tree | --svg OUT | --png OUT | --pdf OUT | --html OUT | --dot | --mermaid | --json | --folded | --perfetto OUT] "
             "[OPTION...]",
    .details =
        "Shows the functions that were called, as a tree for each system call and for each packet that was received, with sockets' states\n"
        "and packets where they happened. What was lost, left out or cannot be seen is said at the end.",
    .options = options,
    .run = run,
};

/*
 * flow/view/dot.c: a chart as DOT, with a place for each box.
 *
 * Time goes down: a row a box. Each lane is a column; a box is set in below the one that called it, so that calls are lines down the left
 * side that cross nothing. Graphviz is not to lay this out, only to draw it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "flow/view/chart.h"
#include "flow/view/words.h"

/* Points. */
#define LINE 11.0
#define GAP 4.0
#define SIDE 8.0
#define INDENT 11.0
#define INDENTS_MAX 24
#define CHARACTER 4.7       /* of 8 points, on average */
#define TITLE_CHARACTER 9.0 /* of 13 points, bold */
#define BOX_MIN 60.0
#define LANE_GAP 26.0
#define HEADER 34.0
#define INCH 72.0

struct place {
    double left, width, top, height;
};

struct dot {
    const struct flow_chart *chart;
    struct view_out *out;
    struct place *places; /* a box each */
    double lane_left[FLOW_LANES_], lane_width[FLOW_LANES_];
    double width, height;
};

static const struct {
    const char *fill, *line;
} colours[FLOW_LAYERS_] = {
    [FLOW_SYSCALL] = {"#ffffff", "#222222"},   [FLOW_SOCKET] = {"#d6e6fa", "#2b5f9e"}, [FLOW_TRANSPORT] = {"#d9f0d3", "#35763a"},
    [FLOW_IP] = {"#fdeec2", "#8a6a10"},        [FLOW_DEVICE] = {"#f9dccf", "#a0492a"}, [FLOW_RECEIVE] = {"#e7ddf5", "#6a4a9c"},
    [FLOW_ELSEWHERE] = {"#eeeeee", "#666666"},
};

/* Of charts of two recordings; they differ in grey and for who sees no red or green. */
static const struct {
    const char *fill, *line, *sign, *words;
} tags[] = {
    [FLOW_TAG_BOTH] = {"#ffffff", "#888888", "", "both"},
    [FLOW_TAG_BEFORE] = {"#fbd9b5", "#b35900", "\u2212 ", "only before"},
    [FLOW_TAG_AFTER] = {"#cfe3f7", "#1f5fa8", "+ ", "only after"},
};

static const char *const lane_titles[FLOW_LANES_] = {[FLOW_CLIENT] = "client (process)",
                                                     [FLOW_SOFTIRQ] = "softirq: what was received",
                                                     [FLOW_SERVER] = "server (process)",
                                                     [FLOW_OTHER] = "others"};

/* Places --------------------------------------------------------------------------------------------------------------- */

static size_t longest_line(const char *text) {
    size_t longest = 0;

    while (*text) {
        size_t line = 0, octets = strcspn(text, "\n");
        for (size_t i = 0; i < octets; i++)
            line += (text[i] & 0xc0) != 0x80; /* UTF-8: not in the middle of a character */
        longest = line > longest ? line : longest;
        text += octets;
        text += *text == '\n';
    }
    return longest;
}

static double indent_of(const struct flow_box *box) {
    unsigned depth = box->depth < INDENTS_MAX ? box->depth : INDENTS_MAX;
    return SIDE + depth * INDENT;
}

/* An outline is to be a page. */
static double gap_of(const struct flow_chart *chart) {
    return chart->level == FLOW_LEVEL_OUTLINE ? GAP / 2 : GAP;
}

static double height_of(const struct flow_chart *chart, const struct flow_box *box) {
    return box->lines * LINE + gap_of(chart);
}

/* Below a box: what begins anew stands apart. */
static double gap_below(const struct flow_chart *chart, size_t index) {
    bool apart = index + 1 < chart->box_count && chart->boxes[index + 1].parent == FLOW_NONE;
    return gap_of(chart) * (apart ? 3 : 1);
}

double flow_chart_height(const struct flow_chart *chart) {
    double height = HEADER;

    for (size_t i = 0; i < chart->box_count; i++)
        height += height_of(chart, &chart->boxes[i]) + gap_below(chart, i);
    return height + GAP;
}

/* Columns as wide as their boxes, rows as high. */
static void place_boxes(struct dot *dot) {
    const struct flow_chart *chart = dot->chart;
    double top = HEADER, left = 0;

    for (size_t i = 0; i < chart->box_count; i++) {
        const struct flow_box *box = &chart->boxes[i];
        struct place *place = &dot->places[i];
        place->width = (double)(longest_line(flow_box_text(chart, box)) + 2 * (box->tag != FLOW_TAG_BOTH)) * CHARACTER + 10;
        place->width = place->width < BOX_MIN ? BOX_MIN : place->width;
        place->height = height_of(chart, box);
        place->top = top;
        top += place->height + gap_below(chart, i);
        double width = indent_of(box) + place->width + SIDE;
        dot->lane_width[box->lane] = width > dot->lane_width[box->lane] ? width : dot->lane_width[box->lane];
    }
    for (size_t lane = 0; lane < FLOW_LANES_; lane++) {
        if (!chart->has_lane[lane])
            continue;
        double title = (double)strlen(lane_titles[lane]) * (CHARACTER + 1.5) + 2 * SIDE;
        dot->lane_width[lane] = dot->lane_width[lane] < title ? title : dot->lane_width[lane];
        dot->lane_left[lane] = left;
        left += dot->lane_width[lane] + LANE_GAP;
    }
    for (size_t i = 0; i < chart->box_count; i++)
        dot->places[i].left = dot->lane_left[chart->boxes[i].lane] + indent_of(&chart->boxes[i]);
    dot->width = left > LANE_GAP ? left - LANE_GAP : left;
    dot->height = flow_chart_height(chart);
}

/* Text -------------------------------------------------------------------------------------------------------------------- */

/* Inside of quotes: names come out of a file. */
static void put_quoted(struct view_out *out, const char *text, const char *line_end) {
    for (; *text; text++) {
        if (*text == '\n')
            view_out_puts(out, line_end);
        else if (*text == '"' || *text == '\\')
            view_out_printf(out, "\\%c", *text);
        else if ((unsigned char)*text >= ' ' && *text != 0x7f)
            view_out_put(out, text, 1);
    }
}

static void put_place(const struct dot *dot, double left, double top, double width, double height) {
    view_out_printf(dot->out, "pos=\"%.1f,%.1f\" width=%.3f height=%.3f", left + width / 2, dot->height - top - height / 2, width / INCH,
                    height / INCH);
}

static void put_lane(const struct dot *dot, enum flow_lane lane) {
    view_out_printf(dot->out, "  lane%d [shape=box style=filled fillcolor=\"#f7f7f5\" color=\"#dddddd\" label=\"\" ", lane);
    put_place(dot, dot->lane_left[lane], 0, dot->lane_width[lane], dot->height);
    view_out_printf(dot->out, "]\n  title%d [shape=plaintext style=\"\" fontsize=11 fontname=\"Helvetica-Bold\" label=\"%s\" ", lane,
                    lane_titles[lane]);
    put_place(dot, dot->lane_left[lane], 4, dot->lane_width[lane], 20);
    view_out_puts(dot->out, "]\n");
}

static void put_box(const struct dot *dot, size_t index) {
    const struct flow_box *box = &dot->chart->boxes[index];
    const struct place *place = &dot->places[index];

    /* By this class page.h finds the call. */
    view_out_printf(dot->out, "  b%zu [class=\"call-%u\" ", index, box->call);
    put_place(dot, place->left, place->top, place->width, place->height);
    view_out_printf(dot->out, " label=\"%s", tags[box->tag].sign);
    put_quoted(dot->out, flow_box_text(dot->chart, box), "\\n");
    view_out_puts(dot->out, "\" ");
    switch (box->kind) {
    case FLOW_BOX_CALL:
        view_out_printf(dot->out, "fillcolor=\"%s\" color=\"%s\"%s%s]\n",
                        dot->chart->compares ? tags[box->tag].fill : colours[box->layer].fill,
                        dot->chart->compares ? tags[box->tag].line : colours[box->layer].line,
                        box->backlog ? " style=\"filled,dashed\"" : "", box->parent == FLOW_NONE ? " penwidth=1.8" : "");
        break;
    case FLOW_BOX_STATE:
        view_out_puts(dot->out, "style=\"filled,rounded\" fillcolor=\"#333333\" color=\"#333333\" fontcolor=\"#ffffff\"]\n");
        break;
    case FLOW_BOX_PACKET:
        view_out_puts(dot->out, "shape=cds fillcolor=\"#ffffff\" color=\"#b3261e\" fontcolor=\"#8c1d18\"]\n");
        break;
    case FLOW_BOX_RECEIVED:
        view_out_puts(dot->out, "fillcolor=\"#ffffff\" color=\"#b3261e\" fontcolor=\"#8c1d18\" style=\"filled,dotted\"]\n");
        break;
    case FLOW_BOX_LINK:
        view_out_puts(dot->out, "style=\"filled,rounded\" fillcolor=\"#ffffff\" color=\"#333333\" penwidth=1.5]\n");
        break;
    }
}

struct point {
    double x, y;
};

/* Straight from point to point, with a head at the last one; as the spline that DOT wants: two control points a line. */
static void put_route(const struct dot *dot, const struct flow_arrow *arrow, const struct point *points, size_t count, double head,
                      const char *look) {
    const struct point *last = &points[count - 1], *before = &points[count - 2];
    double to_right = last->x > before->x ? head : -head;

    view_out_printf(dot->out, "  b%u -> b%u [%s pos=\"e,%.1f,%.1f %.1f,%.1f", arrow->from, arrow->to, look, last->x, dot->height - last->y,
                    points[0].x, dot->height - points[0].y);
    for (size_t i = 1; i < count; i++) {
        double x = points[i].x - (i + 1 == count ? to_right : 0), y = dot->height - points[i].y;
        view_out_printf(dot->out, " %.1f,%.1f %.1f,%.1f %.1f,%.1f", points[i - 1].x, dot->height - points[i - 1].y, x, y, x, y);
    }
    view_out_puts(dot->out, "\"]\n");
}

static double middle(const struct place *place) {
    return place->top + place->height / 2;
}

/* Down the caller's left side, then to the right. */
static void put_call(const struct dot *dot, const struct flow_arrow *arrow) {
    const struct place *from = &dot->places[arrow->from], *to = &dot->places[arrow->to];
    const struct point points[] = {{from->left + 5, from->top + from->height}, {from->left + 5, middle(to)}, {to->left, middle(to)}};

    put_route(dot, arrow, points, 3, 4, "color=\"#777777\" arrowsize=0.4");
}

/* From side to side, so that no arrow goes through its own boxes; within a lane along its right border. */
static void put_across(const struct dot *dot, const struct flow_arrow *arrow, const char *look) {
    const struct place *from = &dot->places[arrow->from], *to = &dot->places[arrow->to];
    enum flow_lane lane = dot->chart->boxes[arrow->from].lane;
    double border = dot->lane_left[lane] + dot->lane_width[lane] + LANE_GAP / 3;

    if (lane == dot->chart->boxes[arrow->to].lane) {
        const struct point points[] = {
            {from->left + from->width, middle(from)}, {border, middle(from)}, {border, middle(to)}, {to->left + to->width, middle(to)}};
        put_route(dot, arrow, points, 4, 7, look);
        return;
    }
    bool right = to->left > from->left;
    view_out_printf(dot->out, "  b%u:%c -> b%u:%c [%s]\n", arrow->from, right ? 'e' : 'w', arrow->to, right ? 'w' : 'e', look);
}

static void put_arrow(const struct dot *dot, const struct flow_arrow *arrow) {
    switch (arrow->kind) {
    case FLOW_ARROW_CALL:
        put_call(dot, arrow);
        break;
    case FLOW_ARROW_HANDED:
        put_across(dot, arrow, "style=dashed color=\"#6a4a9c\" arrowsize=0.7");
        break;
    case FLOW_ARROW_PACKET:
        put_across(dot, arrow, "color=\"#b3261e\" penwidth=1.4 arrowsize=0.8");
        break;
    case FLOW_ARROW_SOCKET:
        put_across(dot, arrow, "color=\"#333333\" penwidth=1.4 style=dotted arrowsize=0.8");
        break;
    case FLOW_ARROWS_:
        break;
    }
}

/* What surrounds the chart ------------------------------------------------------------------------------------------------ */

/* At the left side, as wide as it is: a chart may be narrower. */
static void put_title(const struct dot *dot) {
    const struct flow_model *model = dot->chart->model;
    const char *part = dot->chart->what, *what = model->scenario ? model->scenario : model->command ? model->command : "recording";
    const char *kernel = model->kernel ? model->kernel : "?";
    size_t size = longest_line(what) + longest_line(kernel) + longest_line(part) + strlen(":  - Linux ");

    view_out_printf(dot->out, "  title [shape=plaintext style=\"\" fontsize=13 fontname=\"Helvetica-Bold\" label=\"");
    put_quoted(dot->out, what, " ");
    view_out_puts(dot->out, *part ? ": " : "");
    put_quoted(dot->out, part, " ");
    view_out_puts(dot->out, " \u2013 Linux ");
    put_quoted(dot->out, kernel, " ");
    view_out_puts(dot->out, "\\l\" ");
    put_place(dot, 0, -26, (double)size * TITLE_CHARACTER, 20);
    view_out_puts(dot->out, "]\n");
}

/* One box of the legend; returns where the next one begins. */
static double put_sample(const struct dot *dot, unsigned number, double left, double top, const char *words, const char *fill,
                         const char *line) {
    double width = (double)longest_line(words) * CHARACTER + 14;

    view_out_printf(dot->out, "  legend%u [label=\"%s\" fillcolor=\"%s\" color=\"%s\" ", number, words, fill, line);
    put_place(dot, left, top, width, 14);
    view_out_puts(dot->out, "]\n");
    return left + width + 6;
}

static double put_samples(const struct dot *dot, double top) {
    double left = 0;

    for (unsigned tag = 0; tag < KITH_ARRAY_SIZE(tags) && dot->chart->compares; tag++)
        left = put_sample(dot, tag, left, top, tags[tag].words, tags[tag].fill, tags[tag].line);
    for (unsigned layer = 0; layer < FLOW_LAYERS_ && !dot->chart->compares; layer++)
        if (dot->chart->has_layer[layer])
            left = put_sample(dot, layer, left, top, flow_layer_name(layer), colours[layer].fill, colours[layer].line);
    return top + 20;
}

/* A line of small text at the left side. */
static double put_line(const struct dot *dot, unsigned number, double top, const char *text) {
    view_out_printf(dot->out, "  note%u [shape=plaintext style=\"\" fontsize=7 label=\"", number);
    put_quoted(dot->out, text, " ");
    view_out_puts(dot->out, "\\l\" ");
    put_place(dot, 0, top, (double)strlen(text) * CHARACTER, 9);
    view_out_puts(dot->out, "]\n");
    return top + 9;
}

static void put_legend(const struct dot *dot) {
    static const char *const words[] = {
        [FLOW_ARROW_CALL] = "Grey line: called (recorded).",
        [FLOW_ARROW_HANDED] = "Dashed violet line: the packet's way up ran when this call let softirqs run (inferred).",
        [FLOW_ARROW_PACKET] =
            "Red line: one packet, where it was sent and where it was received (ports, and flags and sequence number, or the size, agree).",
        [FLOW_ARROW_SOCKET] =
            "Dotted line: the child that the handshake made of its listener is the one that accept() gave out (recorded).",
    };
    const struct flow_chart *chart = dot->chart;
    double top = put_samples(dot, dot->height + 8);
    unsigned number = 0;

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (chart->has_arrow[i])
            top = put_line(dot, number++, top, words[i]);
    if (chart->has_backlog)
        top = put_line(dot, number++, top, "Dashed box: put off while the socket was locked, done by release_sock() (backlog).");
    if (chart->has_received)
        top = put_line(dot, number++, top, "Dotted red box: received, and not seen being sent.");
    for (size_t i = 0; i < chart->model->note_count; i++)
        top = put_line(dot, number++, top, chart->model->notes[i].text);
}

int flow_view_dot(const struct flow_chart *chart, struct view_out *out) {
    struct dot dot = {.chart = chart, .out = out, .places = calloc(chart->box_count + 1, sizeof(struct place))};

    if (!dot.places)
        return -ENOMEM;
    place_boxes(&dot);
    view_out_puts(out, "// dot -Kneato -n2 -Tsvg\n"
                       "digraph flow {\n"
                       "  graph [splines=line outputorder=nodesfirst bgcolor=white fontname=\"Helvetica\"]\n"
                       "  node [shape=box style=filled fixedsize=true fontsize=8 fontname=\"Helvetica\" margin=0]\n"
                       "  edge [fontname=\"Helvetica\" fontsize=8]\n");
    put_title(&dot);
    for (unsigned lane = 0; lane < FLOW_LANES_; lane++)
        if (chart->has_lane[lane])
            put_lane(&dot, lane);
    for (size_t i = 0; i < chart->box_count; i++)
        put_box(&dot, i);
    for (size_t i = 0; i < chart->arrow_count; i++)
        put_arrow(&dot, &chart->arrows[i]);
    put_legend(&dot);
    view_out_puts(out, "}\n");
    free(dot.places);
    return view_out_finish(out);
}

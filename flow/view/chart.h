/*
 * flow/view/chart.h: what a chart shows, before it is drawn: boxes in lanes, in the order of time, and the arrows between them.
 *
 * A box is a call, or at the lowest level of detail a chain of calls of one layer; or it says what happened: a state, a packet, a child of
 * a listener. A call that is not shown is stood for by the nearest shown one that leads to it.
 */
#ifndef KITH_FLOW_CHART_H
#define KITH_FLOW_CHART_H

#include <kith/error.h>

#include "flow/decode/model.h"
#include "flow/view/select.h"
#include "view/out.h"

/* More is no chart any more: narrow it, or take a lower level. */
#define FLOW_BOXES_MAX 5000
/* In points: what fits on one sheet. On A4 the text of the highest is 4.8 points then, on A3 7. */
#define FLOW_PAGE_HEIGHT 1250.0

enum flow_level {
    FLOW_LEVEL_OUTLINE, /* system calls, packets, states; the transport's landmarks, a chain a line: the life of a connection on a page */
    FLOW_LEVEL_LAYERS,  /* chains of landmarks, a box a layer: a system call on a page */
    FLOW_LEVEL_BORDERS, /* landmarks, and calls that cross from one source file into another */
    FLOW_LEVEL_NET,     /* all but what is outside of net/ */
    FLOW_LEVEL_ALL,
};

enum flow_box_kind {
    FLOW_BOX_CALL,
    FLOW_BOX_STATE,
    FLOW_BOX_PACKET,   /* sent here */
    FLOW_BOX_RECEIVED, /* received, and nobody saw it sent */
    FLOW_BOX_LINK,
};

struct flow_box {
    enum flow_box_kind kind;
    enum flow_lane lane;
    enum flow_layer layer;
    uint32_t call;   /* the first one that it stands for */
    uint32_t parent; /* the box that called it, or in which it happened; FLOW_NONE */
    unsigned depth;  /* below the box that began it */
    unsigned lines;  /* of its text */
    size_t text;     /* in flow_chart.texts, lines separated by '\n' */
    bool backlog;    /* work that had been put off */
    enum flow_tag tag;
    uint64_t time_ns; /* when it began */
};

enum flow_arrow_kind {
    FLOW_ARROW_CALL,   /* recorded: one called the other */
    FLOW_ARROW_HANDED, /* inferred: the packet's way up ran where this call had raised the softirq, or let it run */
    FLOW_ARROW_PACKET, /* matched: what was sent and what was received have the same ports, flags and numbers, or ports and size */
    FLOW_ARROW_SOCKET, /* recorded: the listener's child that one made, and accept() gave out */
    FLOW_ARROWS_
};

struct flow_arrow {
    enum flow_arrow_kind kind;
    uint32_t from, to;
};

struct flow_chart {
    const struct flow_model *model;
    enum flow_level level;
    char what[96]; /* of the model is shown; "": everything */
    struct flow_box *boxes;
    struct flow_arrow *arrows;
    char *texts;
    size_t box_count, arrow_count, texts_size;
    bool has_lane[FLOW_LANES_], has_layer[FLOW_LAYERS_], has_arrow[FLOW_ARROWS_], has_backlog, has_received;
    bool compares; /* boxes have tags */
};

/* Errors, with text: -E2BIG (more than FLOW_BOXES_MAX boxes), -ENOMEM. */
int flow_chart_new(const struct flow_model *model, const struct flow_selection *selection, enum flow_level level,
                   struct flow_chart **ret_chart, struct kith_error *ret_error);
/* The most detailed chart up to FLOW_LEVEL_BORDERS that is a page; an outline, when none is. */
int flow_chart_new_page(const struct flow_model *model, const struct flow_selection *selection, struct flow_chart **ret_chart,
                        struct kith_error *ret_error);
struct flow_chart *flow_chart_free(struct flow_chart *chart);
KITH_DEFINE_CLEANUP(struct flow_chart *, flow_chart_free)

static inline const char *flow_box_text(const struct flow_chart *chart, const struct flow_box *box) {
    return chart->texts + box->text;
}

/* In points, without title and legend, as flow_view_dot() places it. */
double flow_chart_height(const struct flow_chart *chart);

/* DOT with a place for each box: `dot -Kneato -n2 -Tsvg` draws it. Errors: -ENOMEM, those of out's function. */
int flow_view_dot(const struct flow_chart *chart, struct view_out *out);
/* Mermaid's flowchart: the same boxes and arrows, placed by whoever draws it. */
int flow_view_mermaid(const struct flow_chart *chart, struct view_out *out);

#endif

/* flow/view/mermaid.c: a chart as Mermaid's flowchart: a subgraph a lane. */
#include "flow/view/chart.h"

/* Names come out of a file; Mermaid takes HTML's entities by number. */
static void put_label(struct view_out *out, const char *text) {
    for (; *text; text++) {
        if (*text == '\n')
            view_out_puts(out, "<br/>");
        else if (*text == '"' || *text == '<' || *text == '>' || *text == '&' || *text == '#' || *text == ';' || *text == '`')
            view_out_printf(out, "#%d;", *text);
        else if ((unsigned char)*text >= ' ' && *text != 0x7f)
            view_out_put(out, text, 1);
    }
}

static void put_box(const struct flow_chart *chart, size_t index, struct view_out *out) {
    static const char *const shapes[][2] = {[FLOW_BOX_CALL] = {"[\"", "\"]"},
                                            [FLOW_BOX_STATE] = {"([\"", "\"])"},
                                            [FLOW_BOX_PACKET] = {"[/\"", "\"/]"},
                                            [FLOW_BOX_RECEIVED] = {"[\\\"", "\"\\]"},
                                            [FLOW_BOX_LINK] = {"([\"", "\"])"}};
    const struct flow_box *box = &chart->boxes[index];

    view_out_printf(out, "    b%zu%s%s", index, shapes[box->kind][0],
                    box->tag == FLOW_TAG_BEFORE  ? "\u2212 "
                    : box->tag == FLOW_TAG_AFTER ? "+ "
                                                 : "");
    put_label(out, flow_box_text(chart, box));
    view_out_printf(out, "%s\n", shapes[box->kind][1]);
}

static void put_arrow(const struct flow_arrow *arrow, struct view_out *out) {
    static const char *const lines[FLOW_ARROWS_] = {[FLOW_ARROW_CALL] = "-->",
                                                    [FLOW_ARROW_HANDED] = "-. softirq .->",
                                                    [FLOW_ARROW_PACKET] = "== segment ==>",
                                                    [FLOW_ARROW_SOCKET] = "-. same socket .->"};
    view_out_printf(out, "  b%u %s b%u\n", arrow->from, lines[arrow->kind], arrow->to);
}

/* A box, because what reads Mermaid does not show comments. */
static void put_notes(const struct flow_model *model, struct view_out *out) {
    for (size_t i = 0; i < model->note_count; i++) {
        view_out_puts(out, i == 0 ? "  notes[\"" : "<br/>");
        put_label(out, model->notes[i].text);
    }
    view_out_puts(out, model->note_count > 0 ? "\"]\n  style notes fill:none,stroke:none,text-align:left\n" : "");
}

int flow_view_mermaid(const struct flow_chart *chart, struct view_out *out) {
    view_out_puts(out, "flowchart TB\n");
    for (unsigned lane = 0; lane < FLOW_LANES_; lane++) {
        if (!chart->has_lane[lane])
            continue;
        view_out_printf(out, "  subgraph %s\n", flow_lane_name(lane));
        for (size_t i = 0; i < chart->box_count; i++)
            if (chart->boxes[i].lane == lane)
                put_box(chart, i, out);
        view_out_puts(out, "  end\n");
    }
    for (size_t i = 0; i < chart->arrow_count; i++)
        put_arrow(&chart->arrows[i], out);
    put_notes(chart->model, out);
    return view_out_finish(out);
}

/* map/view/dot.c: a graph as DOT: who connects stands left of who is connected to, a line is as thick as it has connections. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "map/view/graph.h"
#include "map/view/words.h"

#define WIDTH_MAX 6.0

static const struct {
    const char *shape, *fill, *line;
} looks[] = {
    [MAP_NODE_HERE] = {"box", "#d6e6fa", "#2b5f9e"},
    [MAP_NODE_REMOTE] = {"ellipse", "#f3f0ea", "#8a7a5a"},
    [MAP_NODE_KERNEL] = {"box", "#eeeeee", "#666666"},
    [MAP_NODE_REST] = {"box", "#ffffff", "#888888"},
};

/* Within a DOT string. */
static void put_escaped(struct view_out *out, const char *text) {
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            view_out_puts(out, "\\");
        view_out_put(out, text, 1);
    }
}

static void put_services(struct view_out *out, const char *const *services, uint32_t count) {
    for (uint32_t i = 0; i < count && i < MAP_SERVICES_MAX; i++) {
        view_out_puts(out, i ? ", " : "");
        put_escaped(out, services[i]);
    }
    if (count > MAP_SERVICES_MAX)
        view_out_puts(out, ", ...");
}

static void put_octets(struct view_out *out, uint64_t octets) {
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double value = (double)octets;
    size_t unit = 0;

    while (value >= 1000 && unit + 1 < KITH_ARRAY_SIZE(units)) {
        value /= 1000;
        unit++;
    }
    view_out_printf(out, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
}

static void put_node(const struct map_node *node, size_t number, struct view_out *out) {
    view_out_printf(out, "  n%zu [shape=%s, fillcolor=\"%s\", color=\"%s\", style=\"filled,rounded%s\", label=\"", number,
                    looks[node->kind].shape, looks[node->kind].fill, looks[node->kind].line, node->merged > 1 ? ",dashed" : "");
    if (node->merged > 1)
        view_out_printf(out, "%u ", node->merged);
    put_escaped(out, node->name);
    if (node->service_count > 0) {
        view_out_puts(out, "\\nlistens: ");
        put_services(out, node->services, node->service_count);
    }
    if (node->inside > 0)
        view_out_printf(out, "\\n%u within", node->inside);
    view_out_puts(out, "\"];\n");
}

static void put_edge(const struct map_edge *edge, struct view_out *out) {
    double width = 1; /* and a half for each doubling */

    for (uint32_t connections = edge->connections; connections > 1; connections /= 2)
        width += 0.5;

    view_out_printf(out, "  n%u -> n%u [penwidth=%.2f, weight=%u%s, label=\" ", edge->from, edge->to, width < WIDTH_MAX ? width : WIDTH_MAX,
                    edge->connections < 100 ? edge->connections : 100, edge->unsure == edge->connections ? ", style=dashed" : "");
    put_services(out, edge->services, edge->service_count);
    if (edge->connections > 1)
        view_out_printf(out, edge->service_count > 0 ? "\\n%u connections" : "%u connections", edge->connections);
    if (edge->octets > 0) {
        view_out_puts(out, "\\n");
        put_octets(out, edge->octets);
    }
    view_out_puts(out, "\"];\n");
}

int map_view_graph(const struct map_view *view, const struct map_graph_options *options, struct view_out *out) {
    _cleanup_(map_graph_freep) struct map_graph *graph = NULL;
    int r = map_graph_new(view, options, &graph);

    if (r < 0)
        return r;
    view_out_puts(out, "digraph map {\n  rankdir=LR; ranksep=0.9; nodesep=0.25; bgcolor=white;\n"
                       "  node [fontname=\"Helvetica\", fontsize=11, margin=\"0.12,0.06\"];\n"
                       "  edge [fontname=\"Helvetica\", fontsize=9, color=\"#555555\", fontcolor=\"#333333\", arrowsize=0.7];\n");
    for (size_t i = 0; i < graph->node_count; i++)
        put_node(&graph->nodes[i], i, out);
    for (size_t i = 0; i < graph->edge_count; i++)
        put_edge(&graph->edges[i], out);
    view_out_puts(out, "}\n");
    return out->error;
}

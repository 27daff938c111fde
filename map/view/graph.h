/*
 * map/view/graph.h: who is connected to whom: boxes of sockets, and lines with their weight.
 *
 * A line goes from the end that connected to the end that was connected to, as far as that is known. What is not on this host is a box an
 * address. When there are more boxes than wanted, those with the fewest connections become one, and so do remote hosts.
 */
#ifndef KITH_MAP_GRAPH_H
#define KITH_MAP_GRAPH_H

#include "map/view/view.h"

enum map_by { MAP_BY_PROCESS, MAP_BY_UNIT, MAP_BY_CONTAINER, MAP_BY_USER };

struct map_graph_options {
    enum map_by by;
    size_t nodes; /* the most boxes */
};

enum map_node_kind { MAP_NODE_HERE, MAP_NODE_REMOTE, MAP_NODE_KERNEL, MAP_NODE_REST };

#define MAP_SERVICES_MAX 4

struct map_node {
    const char *name; /* of the graph's memory, as all texts here */
    enum map_node_kind kind;
    uint32_t sockets, inside; /* connections among themselves */
    uint64_t weight;          /* connections with others */
    uint32_t merged;          /* how many it stands for */
    uint32_t service_count;   /* that it listens for; the first few of them: */
    const char *services[MAP_SERVICES_MAX];
};

struct map_edge {
    uint32_t from, to;
    uint32_t connections, unsure;
    uint64_t octets; /* of TCP, both ways */
    uint32_t service_count;
    const char *services[MAP_SERVICES_MAX];
};

struct map_graph {
    struct map_node *nodes;
    struct map_edge *edges;
    size_t node_count, edge_count;
    void *memory;
};

/* Errors: -ENOMEM. */
int map_graph_new(const struct map_view *view, const struct map_graph_options *options, struct map_graph **ret_graph);
struct map_graph *map_graph_free(struct map_graph *graph);
KITH_DEFINE_CLEANUP(struct map_graph *, map_graph_free)

/* As DOT, for dot(1) to lay out. */
int map_view_graph(const struct map_view *view, const struct map_graph_options *options, struct view_out *out);

#endif

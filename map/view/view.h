/*
 * map/view/view.h: what a map looks like as text. Each ends with what the map is missing. All: 0, -ENOMEM, or the error of out's function.
 */
#ifndef KITH_MAP_VIEW_H
#define KITH_MAP_VIEW_H

#include <jansson.h>

#include "map/model/map.h"
#include "view/out.h"

/* JSON's form, and its version: it grows when a member changes its meaning or goes, not when one comes. */
#define MAP_JSON_FORMAT "kith-map"
#define MAP_JSON_VERSION 1

struct map_view {
    const struct map *map;
    const uint32_t *sockets; /* those to show, in order */
    size_t count;
};

/* A line a socket. */
int map_view_table(const struct map_view *view, struct view_out *out);
/* The same in parts, for several maps in one table. `marks`: what map_diff() found stands in front of each line. */
#define MAP_TABLE_COLUMNS 8
struct map_table {
    bool marks;
    size_t widths[MAP_TABLE_COLUMNS];
    char *text; /* cells, each with a NUL behind, row by row */
    size_t used, room, rows;
};
void map_table_begin(struct map_table *table, bool marks);
/* Errors: -ENOMEM: the rows so far are there. */
int map_table_add(struct map_table *table, const struct map_view *view);
/* Writes the table and frees its memory. */
void map_table_put(struct map_table *table, bool heading, struct view_out *out);
/* Units, their processes, their sockets; what came from a listener below it. */
int map_view_tree(const struct map_view *view, struct view_out *out);
/* One object; docs/map.md says what is in it. */
int map_view_json(const struct map_view *view, struct view_out *out);
/* One socket as it is there. NULL: no memory. */
json_t *map_json_socket(const struct map *map, uint32_t socket);

/* Listeners, each with its request sockets, its accept queue and what was accepted, and how each is known. */
int map_view_listeners(const struct map_view *view, struct view_out *out);

/* One socket in full. */
int map_view_socket(const struct map *map, uint32_t socket, struct view_out *out);

/* What is missing, a line each. */
void map_view_missing(const struct map *map, struct view_out *out);

#endif

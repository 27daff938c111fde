/* map/view/cells.h: what the views for people share. */
#ifndef KITH_MAP_CELLS_H
#define KITH_MAP_CELLS_H

#include "base/text.h"
#include "map/model/map.h"
#include "view/out.h"

/* "tcp6", "unix stream", "netlink generic". */
void map_cell_socket(const struct map_socket *socket, struct kith_text *text);
/* "0 of 128": an accept queue and its limit; "12/0": octets received and not read, sent and not acknowledged; "". */
void map_cell_queues(const struct map_socket *socket, struct kith_text *text);
/* The address of the other end: of unix its name or "#INODE"; of netlink the groups that it listens to. */
void map_cell_remote(const struct map *map, const struct map_socket *socket, struct kith_text *text);

/* Columns of a terminal: characters, not octets. */
size_t map_cell_width(const char *text);
/* A line of cells: spaces between them are written when something follows. All zero but `out` to begin. */
struct map_cells {
    struct view_out *out;
    size_t spaces;
};
void map_cells_put(struct map_cells *cells, const char *text, size_t width);
void map_cells_end(struct map_cells *cells);

#endif

/* map/model/diff.h: what changed between two maps of one host. */
#ifndef KITH_MAP_MODEL_DIFF_H
#define KITH_MAP_MODEL_DIFF_H

#include "map/model/map.h"

/* Marks sockets: in `after` MAP_IS_BORN and MAP_IS_CHANGED (in another state, or held by others), in `before` MAP_IS_GONE. Both are joined.
 * A socket is the same by its cookie; without one, by its inode and kind. */
void map_diff(struct map *before, struct map *after);

#endif

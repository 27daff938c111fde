/* map/model/array.h: arrays that grow, and texts that live as long as their map. */
#ifndef KITH_MAP_MODEL_ARRAY_H
#define KITH_MAP_MODEL_ARRAY_H

#include <stddef.h>

#include "map/model/map.h"

/* Room for one more element of an array of `count`, which doubles: its size is a power of two times 16. Errors: -ENOMEM. */
int map_array_grow(void **items, size_t count, size_t size);
#define MAP_ARRAY_GROW(items, count) map_array_grow((void **)(items), (count), sizeof(**(items)))

/* Copies into the map's memory, with a NUL behind. NULL: no memory. */
void *map_arena_copy(struct map *map, const void *data, size_t size);
/* 0 or -ENOMEM; NULL stays NULL. */
int map_arena_text(struct map *map, const char **text);
void map_arena_free(struct map_arena_chunk *chunk);

#endif

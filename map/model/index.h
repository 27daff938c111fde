/* map/model/index.h: sockets by a number, or by a hash of what names them: sorted once, found by bisection. */
#ifndef KITH_MAP_MODEL_INDEX_H
#define KITH_MAP_MODEL_INDEX_H

#include <stddef.h>
#include <stdint.h>

struct map_index_entry {
    uint64_t key;
    uint32_t value;
};

struct map_index {
    struct map_index_entry *entries;
    size_t count;
};

/* Errors: -ENOMEM. */
int map_index_add(struct map_index *index, uint64_t key, uint32_t value);
/* By key, of equal keys by value. */
void map_index_sort(struct map_index *index);
/* The first entry with this key, and *ret_count of them; NULL and 0: none. */
const struct map_index_entry *map_index_find(const struct map_index *index, uint64_t key, size_t *ret_count);
void map_index_deinit(struct map_index *index);

#endif

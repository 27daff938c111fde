/* map/model/index.c: see index.h. */
#include "map/model/index.h"

#include <stdlib.h>

#include "map/model/array.h"

int map_index_add(struct map_index *index, uint64_t key, uint32_t value) {
    int r = MAP_ARRAY_GROW(&index->entries, index->count);
    if (r < 0)
        return r;
    index->entries[index->count++] = (struct map_index_entry){.key = key, .value = value};
    return 0;
}

static int compare(const void *a, const void *b) {
    const struct map_index_entry *x = a, *y = b;
    return x->key != y->key ? (x->key < y->key ? -1 : 1) : (x->value > y->value) - (x->value < y->value);
}

void map_index_sort(struct map_index *index) {
    if (index->count > 1)
        qsort(index->entries, index->count, sizeof(*index->entries), compare);
}

const struct map_index_entry *map_index_find(const struct map_index *index, uint64_t key, size_t *ret_count) {
    size_t low = 0, high = index->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (index->entries[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    for (high = low; high < index->count && index->entries[high].key == key;)
        high++;
    *ret_count = high - low;
    return high > low ? &index->entries[low] : NULL;
}

void map_index_deinit(struct map_index *index) {
    free(index->entries);
    *index = (struct map_index){0};
}

/*
 * map/model/order.c: who came first into a bind bucket, by the kernel's own lists.
 *
 * Whoever binds, or is made by a listener, is put in front of its bucket's list; nobody changes places. So each "next" is older, whenever
 * it was read: walking them from the front gives every socket its place. Lists were read while they changed: one may be torn into several,
 * and then nothing is known of sockets of different parts.
 */
#include <errno.h>
#include <stdlib.h>

#include "map/model/join.h"

/* Is anybody's next? Then it is no front. */
static void find_fronts(const struct map *map, const struct map_index *nodes, bool *is_next) {
    for (size_t i = 0; i < map->kernel_fact_count; i++) {
        size_t count;
        const struct map_index_entry *next =
            map->kernel_facts[i].bind_next == 0 ? NULL : map_index_find(nodes, map->kernel_facts[i].bind_next, &count);
        if (next)
            is_next[next->value] = true;
    }
}

/* A part that was reached before belongs to another list as well (it was torn): its places stay. So a ring ends too. */
static void walk(struct map *map, const struct map_index *nodes, uint32_t front) {
    uint32_t place = 0;
    size_t count;

    for (uint32_t at = front; map->kernel_facts[at].bind_list == MAP_NONE;) {
        struct map_kernel_fact *fact = &map->kernel_facts[at];
        fact->bind_list = front;
        fact->bind_place = place++;
        const struct map_index_entry *next = fact->bind_next == 0 ? NULL : map_index_find(nodes, fact->bind_next, &count);
        if (!next)
            return;
        at = next->value;
    }
}

int map_join_order(struct map *map) {
    _cleanup_(freep) bool *is_next = calloc(map->kernel_fact_count + 1, sizeof(*is_next));
    struct map_index nodes = {0};
    int r = is_next ? 0 : -ENOMEM;

    for (uint32_t i = 0; r == 0 && i < map->kernel_fact_count; i++) {
        map->kernel_facts[i].bind_list = MAP_NONE;
        if (map->kernel_facts[i].bind_node != 0)
            r = map_index_add(&nodes, map->kernel_facts[i].bind_node, i);
    }
    map_index_sort(&nodes);
    if (r == 0)
        find_fronts(map, &nodes, is_next);
    for (uint32_t i = 0; r == 0 && i < map->kernel_fact_count; i++)
        if (map->kernel_facts[i].bind_node != 0 && !is_next[i])
            walk(map, &nodes, i);
    map_index_deinit(&nodes);
    return r;
}

/*
 * base/map.h: intrusive hash map from octets to nodes.
 *
 * Keys may be chosen by a peer: hashing is SipHash-1-3 with a random key a map. The node holds its hash; the key's octets stay in the
 * object (the map keeps a pointer into it). Grows by doubling; never shrinks below 16 buckets.
 */
#ifndef KITH_BASE_MAP_H
#define KITH_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kith_map_node {
    struct kith_map_node *next;
    const void *key;
    size_t key_size;
    uint64_t hash;
};

struct kith_map {
    struct kith_map_node **buckets;
    size_t bucket_count; /* a power of two, or 0 while empty */
    size_t count;
    uint64_t seed[2];
};

/* An all-zero map is valid and empty; its seed is drawn with the first insertion. */
#define KITH_MAP_INIT ((struct kith_map){0})

/* Frees the buckets; the nodes are their owners'. */
void kith_map_deinit(struct kith_map *map);

/* Inserts node under key, whose octets must live as long as the node is in. Errors: -EEXIST, -ENOMEM. */
int kith_map_insert(struct kith_map *map, struct kith_map_node *node, const void *key, size_t key_size);
struct kith_map_node *kith_map_find(const struct kith_map *map, const void *key, size_t key_size);
/* Removes a node that is in the map. */
void kith_map_remove(struct kith_map *map, struct kith_map_node *node);
/* Walk: NULL to begin, then the last node; removing the node returned last is allowed only before asking for the next via the saved next.
 * NULL at the end. */
struct kith_map_node *kith_map_next(const struct kith_map *map, const struct kith_map_node *node);

#endif

/*
 * base/map.h: intrusive hash map from octets to nodes.
 *
 * Keys may be chosen by a peer: hashing is SipHash-1-3 with a random key a map. The node holds its hash; the key's octets stay in the
 * object (the map keeps a pointer into it). Only an insertion changes the number of buckets (both ways, never below 16): a walk may remove.
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

/* Inserts node under key, whose octets must live as long as the node is in. Errors: -EEXIST (nothing is changed), -ENOMEM. */
int kith_map_insert(struct kith_map *map, struct kith_map_node *node, const void *key, size_t key_size);
struct kith_map_node *kith_map_find(const struct kith_map *map, const void *key, size_t key_size);
/* Removes a node that is in the map. */
void kith_map_remove(struct kith_map *map, struct kith_map_node *node);
/* Walk: NULL to begin, then the last node; NULL at the end. Each node comes once, in no order. Nothing may be inserted meanwhile; to remove
 * nodes, use kith_map_foreach_safe(). */
struct kith_map_node *kith_map_next(const struct kith_map *map, const struct kith_map_node *node);

/* Allows the current node (and no other) to be removed in the body. */
#define kith_map_foreach_safe(map, node)                                                                                                   \
    for (struct kith_map_node *node = kith_map_next((map), NULL), *node##_next = node ? kith_map_next((map), node) : NULL; node;           \
         node = node##_next, node##_next = node ? kith_map_next((map), node) : NULL)

#endif

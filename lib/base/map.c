/*
 * base/map.c: chained hash map.
 *
 * Invariants: bucket_count is 0 or a power of two of at least 16; a node is in bucket (hash & (bucket_count - 1)); no two nodes have equal
 * keys. Only kith_map_insert() moves nodes between buckets, so that a walk survives removals.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/random.h>

#include "base/map.h"
#include "base/siphash.h"
#include "base/time.h"

#define BUCKETS_MIN 16
/* Below one node in so many buckets the next insertion shrinks the map. */
#define BUCKETS_A_NODE_MAX 8

static void draw_seed(struct kith_map *map) {
    if (getrandom(map->seed, sizeof(map->seed), 0) == (ssize_t)sizeof(map->seed))
        return;

    /* A sandbox that forbids getrandom(2) is no reason to have no map: the kernel gave every process 16 random octets at exec. They serve
     * as a key only and never show. */
    uint64_t key[2] = {0}, unique[2] = {(uintptr_t)map, kith_time_now()};
    const void *random = (const void *)getauxval(AT_RANDOM); // NOLINT: the auxiliary vector holds addresses as numbers
    if (random)
        memcpy(key, random, sizeof(key));
    map->seed[0] = kith_siphash13(key, unique, sizeof(unique));
    map->seed[1] = kith_siphash13(key, map->seed, sizeof(map->seed[0]));
}

static struct kith_map_node **bucket_of(const struct kith_map *map, uint64_t hash) {
    return &map->buckets[hash & (map->bucket_count - 1)];
}

static int resize(struct kith_map *map, size_t bucket_count) {
    struct kith_map old = *map;

    struct kith_map_node **buckets = calloc(bucket_count, sizeof(*buckets));
    if (!buckets)
        return -ENOMEM;
    map->buckets = buckets;
    map->bucket_count = bucket_count;
    for (size_t i = 0; i < old.bucket_count; i++) {
        struct kith_map_node *next;
        for (struct kith_map_node *node = old.buckets[i]; node; node = next) {
            struct kith_map_node **bucket = bucket_of(map, node->hash);
            next = node->next;
            node->next = *bucket;
            *bucket = node;
        }
    }
    free(old.buckets);
    return 0;
}

/* Makes the number of buckets fit one node more. Once there are buckets it cannot fail: without memory the chains are longer. */
static int make_room(struct kith_map *map) {
    size_t count = map->bucket_count;

    if (count == 0) {
        draw_seed(map);
        return resize(map, BUCKETS_MIN);
    }
    if (map->count >= count)
        resize(map, count * 2);
    else if (count > BUCKETS_MIN && map->count < count / BUCKETS_A_NODE_MAX) {
        while (count > BUCKETS_MIN && map->count < count / 4)
            count /= 2;
        resize(map, count);
    }
    return 0;
}

static struct kith_map_node *find_hashed(const struct kith_map *map, const void *key, size_t key_size, uint64_t hash) {
    for (struct kith_map_node *node = *bucket_of(map, hash); node; node = node->next)
        if (node->hash == hash && node->key_size == key_size && (key_size == 0 || memcmp(node->key, key, key_size) == 0))
            return node;
    return NULL;
}

void kith_map_deinit(struct kith_map *map) {
    free(map->buckets);
    *map = KITH_MAP_INIT;
}

int kith_map_insert(struct kith_map *map, struct kith_map_node *node, const void *key, size_t key_size) {
    int r = make_room(map);
    if (r < 0)
        return r;
    uint64_t hash = kith_siphash13(map->seed, key, key_size);
    if (find_hashed(map, key, key_size, hash))
        return -EEXIST;
    struct kith_map_node **bucket = bucket_of(map, hash);
    *node = (struct kith_map_node){.next = *bucket, .key = key, .key_size = key_size, .hash = hash};
    *bucket = node;
    map->count++;
    return 0;
}

struct kith_map_node *kith_map_find(const struct kith_map *map, const void *key, size_t key_size) {
    if (map->count == 0)
        return NULL;
    return find_hashed(map, key, key_size, kith_siphash13(map->seed, key, key_size));
}

void kith_map_remove(struct kith_map *map, struct kith_map_node *node) {
    struct kith_map_node **link = bucket_of(map, node->hash);

    while (*link != node)
        link = &(*link)->next;
    *link = node->next;
    node->next = NULL;
    map->count--;
}

struct kith_map_node *kith_map_next(const struct kith_map *map, const struct kith_map_node *node) {
    size_t bucket = 0;

    if (node) {
        if (node->next)
            return node->next;
        bucket = (node->hash & (map->bucket_count - 1)) + 1;
    }
    for (; bucket < map->bucket_count; bucket++)
        if (map->buckets[bucket])
            return map->buckets[bucket];
    return NULL;
}

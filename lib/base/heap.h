/*
 * base/heap.h: intrusive priority queue: nodes by a number, least first, any of which can be moved or taken out.
 *
 * A heap with four children a node. Numbers lie in the heap beside the node's address, so that sifting touches no node that stays; `tie`
 * orders equal keys. To have the greatest first, store ~key. Only kith_heap_reserve() takes memory: what was reserved is set without fail.
 */
#ifndef KITH_BASE_HEAP_H
#define KITH_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KITH_HEAP_OUT SIZE_MAX

struct kith_heap_node {
    size_t index; /* KITH_HEAP_OUT: in no heap */
};

#define KITH_HEAP_NODE_INIT ((struct kith_heap_node){.index = KITH_HEAP_OUT})

struct kith_heap_slot {
    uint64_t key, tie;
    struct kith_heap_node *node;
};

/* An all-zero heap is valid and empty. */
struct kith_heap {
    struct kith_heap_slot *slots;
    size_t count, room;
};

/* Frees the slots; the nodes are their owners'. */
void kith_heap_deinit(struct kith_heap *heap);

/* Takes memory for `count` nodes in all. Errors: -ENOMEM (nothing is changed). */
int kith_heap_reserve(struct kith_heap *heap, size_t count);
/* Puts node in, for whom there must be room, or moves it. */
void kith_heap_set(struct kith_heap *heap, struct kith_heap_node *node, uint64_t key, uint64_t tie);
/* A node that is out stays out. */
void kith_heap_remove(struct kith_heap *heap, struct kith_heap_node *node);

/* The node with the least key, of these the one with the least tie; NULL when empty. */
static inline struct kith_heap_node *kith_heap_first(const struct kith_heap *heap) {
    return heap->count > 0 ? heap->slots[0].node : NULL;
}

/* Its key; UINT64_MAX when empty. */
static inline uint64_t kith_heap_first_key(const struct kith_heap *heap) {
    return heap->count > 0 ? heap->slots[0].key : UINT64_MAX;
}

#endif

/*
 * base/heap.c: see heap.h.
 *
 * Invariants: slots[i] is not later than its children slots[4i + 1 .. 4i + 4]; slots[node->index].node == node for every node that is in;
 * count <= room.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/heap.h"

#define CHILDREN 4
#define ROOM_MIN 16

static bool earlier(const struct kith_heap_slot *a, const struct kith_heap_slot *b) {
    return a->key != b->key ? a->key < b->key : a->tie < b->tie;
}

static void place(struct kith_heap *heap, size_t index, struct kith_heap_slot slot) {
    heap->slots[index] = slot;
    slot.node->index = index;
}

/* Puts slot where it belongs, at the free place `index` or above it. */
static void sift_up(struct kith_heap *heap, size_t index, struct kith_heap_slot slot) {
    while (index > 0) {
        size_t parent = (index - 1) / CHILDREN;
        if (!earlier(&slot, &heap->slots[parent]))
            break;
        place(heap, index, heap->slots[parent]);
        index = parent;
    }
    place(heap, index, slot);
}

/* The same, at `index` or below it. */
static void sift_down(struct kith_heap *heap, size_t index, struct kith_heap_slot slot) {
    for (;;) {
        size_t first = index * CHILDREN + 1, least = first;
        if (first >= heap->count)
            break;
        for (size_t child = first + 1; child < first + CHILDREN && child < heap->count; child++)
            if (earlier(&heap->slots[child], &heap->slots[least]))
                least = child;
        if (!earlier(&heap->slots[least], &slot))
            break;
        place(heap, index, heap->slots[least]);
        index = least;
    }
    place(heap, index, slot);
}

static void put(struct kith_heap *heap, size_t index, struct kith_heap_slot slot) {
    if (index > 0 && earlier(&slot, &heap->slots[(index - 1) / CHILDREN]))
        sift_up(heap, index, slot);
    else
        sift_down(heap, index, slot);
}

void kith_heap_deinit(struct kith_heap *heap) {
    free(heap->slots);
    *heap = (struct kith_heap){0};
}

int kith_heap_reserve(struct kith_heap *heap, size_t count) {
    if (count <= heap->room)
        return 0;
    if (count > PTRDIFF_MAX / 2 / sizeof(struct kith_heap_slot))
        return -ENOMEM;
    size_t room = heap->room ? heap->room : ROOM_MIN;
    while (room < count)
        room *= 2;
    struct kith_heap_slot *slots = reallocarray(heap->slots, room, sizeof(*slots));
    if (!slots)
        return -ENOMEM;
    heap->slots = slots;
    heap->room = room;
    return 0;
}

void kith_heap_set(struct kith_heap *heap, struct kith_heap_node *node, uint64_t key, uint64_t tie) {
    struct kith_heap_slot slot = {.key = key, .tie = tie, .node = node};

    if (node->index == KITH_HEAP_OUT)
        sift_up(heap, heap->count++, slot);
    else
        put(heap, node->index, slot);
}

void kith_heap_remove(struct kith_heap *heap, struct kith_heap_node *node) {
    size_t index = node->index;

    if (index == KITH_HEAP_OUT)
        return;
    node->index = KITH_HEAP_OUT;
    struct kith_heap_slot last = heap->slots[--heap->count];
    if (last.node != node)
        put(heap, index, last);
}

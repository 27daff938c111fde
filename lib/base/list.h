/* base/list.h: intrusive, circular, doubly linked list. A detached node points to itself, so that unlinking twice is harmless. */
#ifndef KITH_BASE_LIST_H
#define KITH_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

struct kith_list {
    struct kith_list *prev, *next;
};

#define KITH_LIST_INIT(list)                                                                                                               \
    { .prev = &(list), .next = &(list) }

static inline void kith_list_init(struct kith_list *list) {
    list->prev = list->next = list;
}

static inline bool kith_list_empty(const struct kith_list *list) {
    return list->next == list;
}

/* Inserts node in front of `where`; with the head: at the tail. */
static inline void kith_list_insert(struct kith_list *where, struct kith_list *node) {
    node->prev = where->prev;
    node->next = where;
    where->prev->next = node;
    where->prev = node;
}

static inline void kith_list_push_back(struct kith_list *head, struct kith_list *node) {
    kith_list_insert(head, node);
}

static inline void kith_list_push_front(struct kith_list *head, struct kith_list *node) {
    kith_list_insert(head->next, node);
}

static inline void kith_list_unlink(struct kith_list *node) {
    node->prev->next = node->next;
    node->next->prev = node->prev;
    kith_list_init(node);
}

/* Moves all nodes of `from` behind those of `to`. */
static inline void kith_list_splice(struct kith_list *to, struct kith_list *from) {
    if (kith_list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    kith_list_init(from);
}

#define kith_list_entry(node, type, member) KITH_CONTAINER_OF(node, type, member)
#define kith_list_first(head, type, member) (kith_list_empty(head) ? NULL : kith_list_entry((head)->next, type, member))
#define kith_list_foreach(head, node) for (struct kith_list *node = (head)->next; node != (head); node = node->next)
/* Allows the current node (and no other) to be unlinked in the body. */
#define kith_list_foreach_safe(head, node)                                                                                                 \
    for (struct kith_list *node = (head)->next, *node##_next = node->next; node != (head); node = node##_next, node##_next = node->next)

#endif

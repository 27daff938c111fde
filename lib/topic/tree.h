/*
 * topic/tree.h: topics as a tree of octets, in which a way without branches is one node; and who holds each.
 *
 * A node's topic is that of its parent followed by its label: the octet that leads from the parent to it, and the rest, at most
 * KITH_TOPIC_REST_MAX octets. A topic that is longer is a way of several nodes. Nodes know their holders by address and place, and holders
 * know nodes in the same way (topics.h): whoever moves an entry of the one sets the place in the other.
 *
 * Invariants: a node that is neither the root nor held has two children at least; it may have only one when their labels do not fit
 * into one, when the child has more than KITH_TOPIC_MOVABLE holders, or after there was no memory to join them. No node that is not held is
 * without children.
 */
#ifndef KITH_TOPIC_TREE_H
#define KITH_TOPIC_TREE_H

#include <stddef.h>
#include <stdint.h>

/* What cutting and joining copies. */
#define KITH_TOPIC_REST_MAX UINT8_MAX
/* A node with more holders keeps its address: each would have to be told the new one, which peers could bring about again and again. */
#define KITH_TOPIC_MOVABLE 256

struct kith_subscriber;

struct kith_holder {
    struct kith_subscriber *subscriber;
    uint32_t place; /* of the topic among the subscriber's subscriptions */
};

/* Of a topic that several hold. */
struct kith_holders {
    uint32_t count, room;
    struct kith_holder all[];
};

enum kith_topic_held { KITH_TOPIC_HELD_BY_NONE, KITH_TOPIC_HELD_BY_ONE, KITH_TOPIC_HELD_BY_MANY };

/* A node's children; none: it has no such block. Behind the octets, at the next multiple of 8, are `room` children in the same order. */
struct kith_branches {
    uint16_t count;   /* of children */
    uint16_t room;    /* for so many; 256: no octets, each child is at the place of its own */
    uint8_t octets[]; /* the first of each child's label, in no order */
};

/* A node. Behind it lie rest_room octets; the rest of the label is the last of them, so that cutting its front off moves nothing, and
 * putting that back needs no memory. Most nodes have one holder, no children and a short label: for them there is nothing else. */
struct kith_topic {
    struct kith_topic *parent; /* NULL: the root */
    union {
        struct kith_subscriber *one;
        struct kith_holders *many;
    } holders;
    struct kith_branches *branches;
    uint32_t place;        /* of one holder: struct kith_holder */
    uint8_t held : 7;      /* enum kith_topic_held */
    uint8_t has_table : 1; /* its branches have room for 256: said here because a match need not look there then */
    uint8_t octet;         /* the first of the label; the root has none */
    uint8_t rest_size, rest_room;
};

/* How far some octets lead down the tree. */
struct kith_topic_end {
    struct kith_topic *node; /* the last one whose label they enter */
    size_t offset;           /* how many octets were followed */
    uint8_t common;          /* of these, how many in the rest of that label */
};

/* Octets of the whole topic, and a copy of them. Each costs the way up to the root. */
size_t kith_topic_size(const struct kith_topic *topic);
void kith_topic_copy(const struct kith_topic *topic, uint8_t *octets);

/* The child whose whole label the octets begin with, or NULL. */
const struct kith_topic *kith_topic_step(const struct kith_topic *node, const uint8_t *octets, size_t size);
/* Label octets of a node: how many a step to it uses. */
static inline size_t kith_topic_label_size(const struct kith_topic *node) {
    return 1 + (size_t)node->rest_size;
}

struct kith_topic_end kith_topic_descend(struct kith_topic *root, const uint8_t *octets, size_t size);
/* The node of the topic that was followed; NULL: there is none. */
struct kith_topic *kith_topic_at(const struct kith_topic_end *end, size_t size);
/* Makes it, where the octets ended: it has no holder then, and has to get one. Errors: -ENOMEM (nothing is changed). */
int kith_topic_make(const struct kith_topic_end *end, const uint8_t *octets, size_t size, struct kith_topic **ret_node);
/* To be called when a node has lost a holder: restores the invariants here and above. Nodes may be freed or move, this one as well. */
void kith_topic_tidy(struct kith_topic *node);
/* The next node in a walk over all, parents first; NULL at the end. */
const struct kith_topic *kith_topic_next(const struct kith_topic *node);

#endif

/* topic/tree.c: the nodes, their labels and branches. See tree.h. */
#include "topic/tree.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "topic/holder.h"

/* Of branches that are searched; more are a table. */
#define SMALL_ROOM 64
#define DIRECT_ROOM 256
#define WORD sizeof(uint64_t)

/* Labels ------------------------------------------------------------------------------------------------------------------ */

static size_t node_size(size_t rest_room) {
    return sizeof(struct kith_topic) + rest_room;
}

static const uint8_t *rest_of(const struct kith_topic *node) {
    return (const uint8_t *)(node + 1) + (node->rest_room - node->rest_size);
}

static uint8_t *rest_room_of(struct kith_topic *node) {
    return (uint8_t *)(node + 1);
}

static struct kith_topic *new_node(uint8_t octet, const uint8_t *rest, size_t rest_size) {
    struct kith_topic *node = malloc(node_size(rest_size));
    if (!node)
        return NULL;
    *node = (struct kith_topic){.octet = octet, .rest_size = (uint8_t)rest_size, .rest_room = (uint8_t)rest_size};
    if (rest_size > 0)
        memcpy(rest_room_of(node), rest, rest_size);
    return node;
}

size_t kith_topic_size(const struct kith_topic *topic) {
    size_t size = 0;

    for (; topic->parent; topic = topic->parent)
        size += kith_topic_label_size(topic);
    return size;
}

void kith_topic_copy(const struct kith_topic *topic, uint8_t *octets) {
    uint8_t *end = octets + kith_topic_size(topic);

    for (; topic->parent; topic = topic->parent) {
        end -= topic->rest_size;
        memcpy(end, rest_of(topic), topic->rest_size);
        *--end = topic->octet;
    }
}

/* Branches ---------------------------------------------------------------------------------------------------------------- */

static size_t children_offset(size_t room) {
    size_t octets = room == DIRECT_ROOM ? 0 : room;
    return (offsetof(struct kith_branches, octets) + octets + 7) & ~(size_t)7;
}

/* Two words of octets can always be read, see find_octet(). */
static size_t branches_size(size_t room) {
    size_t size = children_offset(room) + room * sizeof(struct kith_topic *), least = offsetof(struct kith_branches, octets) + 2 * WORD;
    return size > least ? size : least;
}

static struct kith_topic **children_behind(const struct kith_branches *branches, size_t room) {
    return (struct kith_topic **)((uint8_t *)branches + children_offset(room)); // NOLINT: aligned to 8
}

static struct kith_topic **children_of(const struct kith_branches *branches) {
    return children_behind(branches, branches->room);
}

/* Of eight octets the first that is this one; 8: none. */
static inline size_t find_in_word(const uint8_t *octets, uint8_t octet) {
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t word;
    memcpy(&word, octets, WORD);
    word = le64toh(word) ^ ones * octet;
    uint64_t zeroes = (word - ones) & ~word & ones << 7; /* the lowest bit of it is that of the first octet that is 0 now */
    return zeroes ? (size_t)__builtin_ctzll(zeroes) / 8 : WORD;
}

/* Where the octet is; `count` or more: nowhere. Most nodes have no more children than two words have octets: that needs no call. */
static size_t find_octet(const struct kith_branches *branches, uint8_t octet) {
    if (branches->count > 2 * WORD) {
        const uint8_t *found = memchr(branches->octets, octet, branches->count);
        return found ? (size_t)(found - branches->octets) : branches->count;
    }
    size_t place = find_in_word(branches->octets, octet);
    return place < WORD ? place : WORD + find_in_word(branches->octets + WORD, octet);
}

/* Where the child is, or NULL. */
static struct kith_topic **child_at(const struct kith_topic *node, uint8_t octet) {
    const struct kith_branches *branches = node->branches;
    if (!branches)
        return NULL;
    if (node->has_table) {
        struct kith_topic **children = children_behind(branches, DIRECT_ROOM);
        return children[octet] ? &children[octet] : NULL;
    }
    size_t place = find_octet(branches, octet);
    return place < branches->count ? &children_of(branches)[place] : NULL;
}

/* There is room. */
static void put(struct kith_branches *branches, uint8_t octet, struct kith_topic *child) {
    size_t place = branches->room == DIRECT_ROOM ? octet : branches->count;

    if (branches->room != DIRECT_ROOM)
        branches->octets[place] = octet;
    children_of(branches)[place] = child;
    branches->count++;
}

static void put_child(struct kith_topic *node, struct kith_topic *child) {
    put(node->branches, child->octet, child);
    child->parent = node;
}

/* The next child at `*place` or behind it, or NULL; leaves its place in *place. */
static struct kith_topic *child_from(const struct kith_branches *branches, size_t *place) {
    if (!branches)
        return NULL;
    struct kith_topic **children = children_of(branches);
    if (branches->room != DIRECT_ROOM)
        return *place < branches->count ? children[*place] : NULL;
    while (*place < DIRECT_ROOM && !children[*place])
        (*place)++;
    return *place < DIRECT_ROOM ? children[*place] : NULL;
}

/* Touches no child. */
static int resize_branches(struct kith_topic *node, size_t room) {
    struct kith_branches *old = node->branches;
    struct kith_topic *child;

    struct kith_branches *branches = calloc(1, branches_size(room));
    if (!branches)
        return -ENOMEM;
    branches->room = (uint16_t)room;
    for (size_t place = 0; (child = child_from(old, &place)); place++)
        put(branches, old->room == DIRECT_ROOM ? (uint8_t)place : old->octets[place], child);
    node->branches = branches;
    node->has_table = room == DIRECT_ROOM;
    free(old);
    return 0;
}

/* Room for one child more at least, when there are so many: two, later half as many. Of nodes with children most have few, or ten. */
static size_t larger(size_t count) {
    size_t room = (count + (count < 10 ? 2 : count / 2)) & ~(size_t)1;
    return room <= SMALL_ROOM ? room : count < SMALL_ROOM ? SMALL_ROOM : DIRECT_ROOM;
}

static int reserve_child(struct kith_topic *node) {
    const struct kith_branches *branches = node->branches;
    if (branches && branches->count < branches->room)
        return 0;
    return resize_branches(node, larger(branches ? branches->count : 0));
}

static void remove_child(struct kith_topic *node, const struct kith_topic *child) {
    struct kith_branches *branches = node->branches;
    struct kith_topic **children = children_of(branches), **at = child_at(node, child->octet);

    size_t count = --branches->count;
    if (branches->room == DIRECT_ROOM) {
        *at = NULL;
    } else {
        branches->octets[at - children] = branches->octets[count];
        *at = children[count];
    }
    if (count == 0) {
        free(branches);
        node->branches = NULL;
        return;
    }
    size_t few = (branches->room == DIRECT_ROOM ? SMALL_ROOM : branches->room) / 2;
    if (count <= few && larger(count) < branches->room)
        (void)resize_branches(node, larger(count)); /* without memory it stays as large as it is */
}

/* The way down ------------------------------------------------------------------------------------------------------------ */

const struct kith_topic *kith_topic_step(const struct kith_topic *node, const uint8_t *octets, size_t size) {
    if (size == 0)
        return NULL;
    struct kith_topic **at = child_at(node, octets[0]);
    if (!at)
        return NULL;
    const struct kith_topic *child = *at;
    if (child->rest_size == 0)
        return child;
    return child->rest_size < size && memcmp(rest_of(child), octets + 1, child->rest_size) == 0 ? child : NULL;
}

struct kith_topic_end kith_topic_descend(struct kith_topic *root, const uint8_t *octets, size_t size) {
    struct kith_topic_end end = {.node = root};

    while (end.offset < size && end.common == end.node->rest_size) {
        struct kith_topic **at = child_at(end.node, octets[end.offset]);
        if (!at)
            break;
        const uint8_t *rest = rest_of(*at);
        end = (struct kith_topic_end){.node = *at, .offset = end.offset + 1};
        while (end.common < end.node->rest_size && end.offset < size && rest[end.common] == octets[end.offset]) {
            end.common++;
            end.offset++;
        }
    }
    return end;
}

struct kith_topic *kith_topic_at(const struct kith_topic_end *end, size_t size) {
    return end->offset == size && end->common == end->node->rest_size ? end->node : NULL;
}

const struct kith_topic *kith_topic_next(const struct kith_topic *node) {
    const struct kith_topic *child;
    size_t place = 0;

    while (!(child = child_from(node->branches, &place))) {
        if (!node->parent)
            return NULL;
        struct kith_topic *const *at = child_at(node->parent, node->octet);
        place = (size_t)(at - children_of(node->parent->branches)) + 1;
        node = node->parent;
    }
    return child;
}

/* Making and tidying ------------------------------------------------------------------------------------------------------ */

static void free_way(struct kith_topic *first) {
    for (struct kith_topic *node = first, *next; node; node = next) {
        next = node->branches && node->branches->count > 0 ? *children_of(node->branches) : NULL;
        free(node->branches);
        free(node);
    }
}

/* A way of new nodes along the octets, of which there is one at least. */
static int make_way(const uint8_t *octets, size_t size, struct kith_topic **ret_first, struct kith_topic **ret_last) {
    struct kith_topic *first = NULL, *last = NULL;

    while (size > 0) {
        size_t rest_size = size - 1 < KITH_TOPIC_REST_MAX ? size - 1 : KITH_TOPIC_REST_MAX;
        struct kith_topic *node = new_node(octets[0], octets + 1, rest_size);
        if (!node || (last && reserve_child(last) < 0)) {
            free(node);
            free_way(first);
            return -ENOMEM;
        }
        if (last)
            put_child(last, node);
        else
            first = node;
        last = node;
        octets += kith_topic_label_size(node);
        size -= kith_topic_label_size(node);
    }
    *ret_first = first;
    *ret_last = last;
    return 0;
}

/* A node has moved: tells its children and holders. */
static void announce(struct kith_topic *node) {
    struct kith_topic *child;

    for (size_t place = 0; (child = child_from(node->branches, &place)); place++)
        child->parent = node;
    for (uint32_t i = 0; i < kith_topic_holder_count(node); i++) {
        struct kith_holder holder = kith_topic_holder(node, i);
        holder.subscriber->subscriptions[holder.place].topic = node;
    }
}

/* Makes room for `size` octets, more than there is, as the rest of the label. Errors: -ENOMEM. */
static int enlarge_label(struct kith_topic **node, size_t size) {
    struct kith_topic *larger = realloc(*node, node_size(size));
    if (!larger)
        return -ENOMEM;
    uint8_t *room = rest_room_of(larger);
    size_t old_front = larger->rest_room - larger->rest_size;
    memmove(room + (size - larger->rest_size), room + old_front, larger->rest_size);
    larger->rest_room = (uint8_t)size;
    *node = larger;
    return 0;
}

/* Joins a node that is neither held nor branches with its child, if that can be. Returns what they are then, or NULL. */
static struct kith_topic *join(struct kith_topic *node) {
    if (!node->parent || node->held || !node->branches || node->branches->count != 1)
        return NULL;
    size_t place = 0;
    struct kith_topic *child = child_from(node->branches, &place);
    size_t front = kith_topic_label_size(node), size = front + child->rest_size;
    bool moves = size > child->rest_room;
    if (size > KITH_TOPIC_REST_MAX || (moves && (kith_topic_holder_count(child) > KITH_TOPIC_MOVABLE || enlarge_label(&child, size) < 0)))
        return NULL;
    uint8_t *rest = rest_room_of(child) + (child->rest_room - size);
    memcpy(rest, rest_of(node), node->rest_size);
    rest[node->rest_size] = child->octet;
    child->rest_size = (uint8_t)size;
    child->octet = node->octet;
    child->parent = node->parent;
    *child_at(child->parent, child->octet) = child;
    if (moves)
        announce(child);
    free(node->branches);
    free(node);
    return child;
}

/* Cuts a label behind `common` octets of its rest: what is before the cut becomes a node of its own, with room for a second child. */
static struct kith_topic *cut(struct kith_topic *node, uint8_t common) {
    const uint8_t *rest = rest_of(node);

    _cleanup_(freep) struct kith_topic *upper = new_node(node->octet, rest, common);
    if (!upper || reserve_child(upper) < 0)
        return NULL;
    upper->parent = node->parent;
    *child_at(node->parent, node->octet) = upper;
    node->octet = rest[common];
    node->rest_size -= common + 1;
    put_child(upper, node);
    return KITH_STEAL(upper);
}

int kith_topic_make(const struct kith_topic_end *end, const uint8_t *octets, size_t size, struct kith_topic **ret_node) {
    struct kith_topic *node = end->node, *first = NULL, *last = NULL;

    if (end->offset < size && make_way(octets + end->offset, size - end->offset, &first, &last) < 0)
        return -ENOMEM;
    bool cuts = end->common < node->rest_size;
    if (cuts)
        node = cut(node, end->common);
    else if (reserve_child(node) < 0)
        node = NULL;
    if (!node) {
        free_way(first);
        return -ENOMEM;
    }
    if (cuts) { /* of a long topic's labels, those at both sides of the cut may fit into their neighbours now */
        (void)join(end->node);
        struct kith_topic *joined = join(node->parent);
        node = joined ? joined : node;
    }
    if (first)
        put_child(node, first);
    *ret_node = last ? last : node;
    return 0;
}

void kith_topic_tidy(struct kith_topic *node) {
    while (node->parent && !node->held && !node->branches) {
        struct kith_topic *parent = node->parent;
        remove_child(parent, node);
        free(node);
        node = parent;
    }
    struct kith_topic *joined = join(node);
    node = joined ? joined : node;
    if (node->parent)
        (void)join(node->parent);
}

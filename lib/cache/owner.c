/*
 * cache/owner.c: see owner.h.
 *
 * Invariants: an owner with shares is in both heaps with its counts and the stamp of its oldest share; the shares' stamps rise along
 * `used`.
 */
#include "cache/owner.h"

#include <errno.h>
#include <stdlib.h>

void kith_owners_deinit(struct kith_owners *owners) {
    kith_map_deinit(&owners->by_id);
    kith_heap_deinit(&owners->by_sessions);
    kith_heap_deinit(&owners->by_octets);
}

struct kith_owner *kith_owner_find(const struct kith_owners *owners, uint64_t id) {
    struct kith_map_node *node = kith_map_find(&owners->by_id, &id, sizeof(id));
    return node ? KITH_CONTAINER_OF(node, struct kith_owner, node) : NULL;
}

static int make(struct kith_owners *owners, uint64_t id, struct kith_owner **ret_owner) {
    struct kith_owner *owner = calloc(1, sizeof(*owner));
    if (!owner)
        return -ENOMEM;
    owner->id = id;
    owner->by_sessions = owner->by_octets = KITH_HEAP_NODE_INIT;
    kith_list_init(&owner->used);
    int r = kith_heap_reserve(&owners->by_sessions, owners->by_id.count + 1);
    if (r >= 0)
        r = kith_heap_reserve(&owners->by_octets, owners->by_id.count + 1);
    if (r >= 0)
        r = kith_map_insert(&owners->by_id, &owner->node, &owner->id, sizeof(owner->id));
    if (r < 0)
        free(owner);
    else
        *ret_owner = owner;
    return r;
}

int kith_owner_get(struct kith_owners *owners, uint64_t id, struct kith_owner **ret_owner) {
    struct kith_owner *owner = kith_owner_find(owners, id);

    if (!owner)
        return make(owners, id, ret_owner);
    *ret_owner = owner;
    return 0;
}

/* Puts the owner where its shares place it now. */
static void sort(struct kith_owners *owners, struct kith_owner *owner) {
    uint64_t stamp = kith_owner_oldest(owner)->stamp;

    kith_heap_set(&owners->by_sessions, &owner->by_sessions, ~(uint64_t)owner->sessions, stamp);
    kith_heap_set(&owners->by_octets, &owner->by_octets, ~(uint64_t)owner->octets, stamp);
}

void kith_owner_settle(struct kith_owners *owners, struct kith_owner *owner) {
    if (owner->sessions > 0)
        return;
    kith_heap_remove(&owners->by_sessions, &owner->by_sessions);
    kith_heap_remove(&owners->by_octets, &owner->by_octets);
    kith_map_remove(&owners->by_id, &owner->node);
    free(owner);
}

void kith_owner_add(struct kith_owners *owners, struct kith_owner *owner, struct kith_share *share, size_t octets) {
    share->stamp = ++owners->stamp;
    share->octets = octets;
    kith_list_push_back(&owner->used, &share->used);
    owner->sessions++;
    owners->sessions++;
    owner->octets += octets;
    owners->octets += octets;
    sort(owners, owner);
}

void kith_owner_take(struct kith_owners *owners, struct kith_owner *owner, struct kith_share *share) {
    kith_list_unlink(&share->used);
    owner->sessions--;
    owners->sessions--;
    owner->octets -= share->octets;
    owners->octets -= share->octets;
    if (owner->sessions > 0)
        sort(owners, owner);
    else
        kith_owner_settle(owners, owner);
}

void kith_owner_use(struct kith_owners *owners, struct kith_owner *owner, struct kith_share *share) {
    bool oldest = kith_owner_oldest(owner) == share;

    share->stamp = ++owners->stamp;
    kith_list_unlink(&share->used);
    kith_list_push_back(&owner->used, &share->used);
    if (oldest)
        sort(owners, owner);
}

void kith_owner_resize(struct kith_owners *owners, struct kith_owner *owner, struct kith_share *share, size_t octets) {
    owner->octets += octets - share->octets; /* may wrap round twice: the sum is right */
    owners->octets += octets - share->octets;
    share->octets = octets;
    sort(owners, owner);
}

struct kith_share *kith_owner_oldest(const struct kith_owner *owner) {
    return kith_list_entry(owner->used.next, struct kith_share, used);
}

struct kith_owner *kith_owner_most_sessions(const struct kith_owners *owners) {
    struct kith_heap_node *node = kith_heap_first(&owners->by_sessions);
    return node ? KITH_CONTAINER_OF(node, struct kith_owner, by_sessions) : NULL;
}

struct kith_owner *kith_owner_most_octets(const struct kith_owners *owners) {
    struct kith_heap_node *node = kith_heap_first(&owners->by_octets);
    return node ? KITH_CONTAINER_OF(node, struct kith_owner, by_octets) : NULL;
}

/*
 * cache/owner.h: who holds how much of a cache, and whose turn it is to give something up.
 *
 * An owner is a uid, or all clients without one together (KITH_CACHE_NOBODY). Owners are in two heaps, by sessions and by octets, each with
 * the greatest first; among equals comes the one whose least recently used session was used longest ago.
 */
#ifndef KITH_CACHE_OWNER_H
#define KITH_CACHE_OWNER_H

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"

/* A session, as its owner sees it. */
struct kith_share {
    struct kith_list used; /* in the owner's `used` */
    uint64_t stamp;        /* of its last use: greater is later */
    size_t octets;
};

struct kith_owner {
    struct kith_map_node node;
    uint64_t id;
    size_t sessions, octets;
    struct kith_list used; /* least recently used first */
    struct kith_heap_node by_sessions, by_octets;
};

struct kith_owners {
    struct kith_map by_id;
    struct kith_heap by_sessions, by_octets;
    size_t sessions, octets; /* of all */
    uint64_t stamp;          /* the last one given */
};

/* An all-zero struct is valid and empty. All owners must be gone. */
void kith_owners_deinit(struct kith_owners *owners);

struct kith_owner *kith_owner_find(const struct kith_owners *owners, uint64_t id);
/* The owner, made when it is not there; it goes with its last share. Errors: -ENOMEM. */
int kith_owner_get(struct kith_owners *owners, uint64_t id, struct kith_owner **ret_owner);
/* Frees an owner that has no share. */
void kith_owner_settle(struct kith_owners *owners, struct kith_owner *owner);

/* The owner has this share more, the most recently used; kith_owner_take() takes it off again, and may free the owner. */
void kith_owner_add(struct kith_owners *owners, struct kith_owner *owner, struct kith_share *share, size_t octets);
void kith_owner_take(struct kith_owners *owners, struct kith_owner *owner, struct kith_share *share);
/* The share is used now. */
void kith_owner_use(struct kith_owners *owners, struct kith_owner *owner, struct kith_share *share);
void kith_owner_resize(struct kith_owners *owners, struct kith_owner *owner, struct kith_share *share, size_t octets);

/* The least recently used share; the owner has one. */
struct kith_share *kith_owner_oldest(const struct kith_owner *owner);
/* The owner that holds the most sessions, or octets; NULL without any. */
struct kith_owner *kith_owner_most_sessions(const struct kith_owners *owners);
struct kith_owner *kith_owner_most_octets(const struct kith_owners *owners);

#endif

/*
 * cache/store.h: the sessions of a cache, by name and client, by age, and by owner.
 *
 * Knows no loop, no clock and no callback: the time comes in with each call, and what leaves on its own account (or is replaced) is put on
 * the list `dead`, from which the caller takes it when the store is in order again. So nothing can change under the store's feet.
 */
#ifndef KITH_CACHE_STORE_H
#define KITH_CACHE_STORE_H

#include "cache/atom.h"
#include "cache/key.h"
#include "cache/owner.h"

struct kith_session_id {
    const struct kith_atom *name;
    const struct kith_owner *owner;
    const struct kith_atom *exe; /* NULL: does not matter */
};

/* Sessions are distinguished by what they are made of: names and programs are atoms, so that addresses do. */
struct kith_session {
    struct kith_map_node node; /* in the store's `by_id` */
    struct kith_session_id id;
    struct kith_atom *name, *exe; /* references; name NULL: not in the store any more */
    struct kith_owner *owner;
    struct kith_share share;
    enum kith_witness uid_witness, exe_witness;
    struct kith_list all; /* in the store's `all`, oldest first; later in its `dead` */
    uint64_t serial;      /* rises along `all` */
    struct kith_heap_node expiry;
    uint64_t ttl_ns, until; /* UINT64_MAX: never */
    void *state;
    size_t size;
    enum kith_cache_reason why; /* of the dead */
};

/* Somebody who walks over `all`: follows when the session under it or the next one leaves. */
struct kith_store_walk {
    struct kith_list link;
    struct kith_session *current, *next; /* NULL: left; none */
};

struct kith_store {
    size_t max_sessions, max_octets, max_uid_sessions;
    struct kith_map by_id, names, programs;
    struct kith_owners owners;
    struct kith_heap expiry;
    struct kith_list all, dead, walks;
    uint64_t serial; /* the last one given */
    uint64_t expired, evicted, replaced;
};

/* What is put: the state, the octets that it takes, and for how long. */
struct kith_store_item {
    void *state;
    size_t size;
    uint64_t ttl_ns; /* UINT64_MAX: for ever */
};

/* Bounds of 0 have no meaning here. */
void kith_store_init(struct kith_store *store, size_t max_sessions, size_t max_octets, size_t max_uid_sessions);
/* The store must be empty, `dead` as well. */
void kith_store_deinit(struct kith_store *store);

/* Makes dead what is over at `now`; all other functions take it that this was done. */
void kith_store_expire(struct kith_store *store, uint64_t now);
/* When the next session is over; UINT64_MAX: never. */
uint64_t kith_store_next(const struct kith_store *store);

/* The client's session. `who` NULL: nobody that this kind of name could do with. Errors: -ENOENT (nobody has one under this name), -EACCES
 * (others have, or the client with a stronger witness). */
int kith_store_find(const struct kith_store *store, const struct kith_cache_name *name, const struct kith_cache_who *who,
                    struct kith_session **ret_session);
/* Errors: -EACCES (as above), -E2BIG, -EDQUOT, -ENOMEM: kith/cache.h. */
int kith_store_put(struct kith_store *store, const struct kith_cache_name *name, const struct kith_cache_who *who,
                   const struct kith_store_item *item, uint64_t now);
/* The session is used: it goes last among its owner's; `renew`: its time begins anew. */
void kith_store_use(struct kith_store *store, struct kith_session *session, bool renew, uint64_t now);
/* Takes the session out and frees it; its state is the caller's. */
void *kith_store_take(struct kith_store *store, struct kith_session *session);
/* The same, but it becomes one of the dead. */
void kith_store_kill(struct kith_store *store, struct kith_session *session, enum kith_cache_reason why);
void kith_store_kill_all(struct kith_store *store, enum kith_cache_reason why);

/* Takes the first of the dead; false without any. */
bool kith_store_bury(struct kith_store *store, void **ret_state, enum kith_cache_reason *ret_why);

/* Begins, goes on (sets `current`; NULL at the end) and ends. */
void kith_store_walk_begin(struct kith_store *store, struct kith_store_walk *walk);
struct kith_session *kith_store_walk_next(struct kith_store *store, struct kith_store_walk *walk);
void kith_store_walk_end(struct kith_store_walk *walk);

#endif

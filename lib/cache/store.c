/*
 * cache/store.c: see store.h.
 *
 * Invariants: a session is in all of by_id, all, expiry and its owner's shares, or in none; the bounds hold when a call returns; a walk's
 * `current` and `next` are in `all`.
 */
#include "cache/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

_Static_assert(sizeof(struct kith_session_id) == 3 * sizeof(void *), "an id is hashed as octets: it has no padding");

void kith_store_init(struct kith_store *store, size_t max_sessions, size_t max_octets, size_t max_uid_sessions) {
    *store = (struct kith_store){.max_sessions = max_sessions, .max_octets = max_octets, .max_uid_sessions = max_uid_sessions};
    kith_list_init(&store->all);
    kith_list_init(&store->dead);
    kith_list_init(&store->walks);
}

void kith_store_deinit(struct kith_store *store) {
    kith_map_deinit(&store->by_id);
    kith_map_deinit(&store->names);
    kith_map_deinit(&store->programs);
    kith_heap_deinit(&store->expiry);
    kith_owners_deinit(&store->owners);
}

/* Times beyond the clock are never reached rather than long past. */
static uint64_t after(uint64_t now, uint64_t ttl_ns) {
    return ttl_ns > UINT64_MAX - now ? UINT64_MAX : now + ttl_ns;
}

static void set_until(struct kith_store *store, struct kith_session *session, uint64_t now) {
    session->until = after(now, session->ttl_ns);
    kith_heap_set(&store->expiry, &session->expiry, session->until, session->serial);
}

static struct kith_session *after_in_all(const struct kith_store *store, const struct kith_session *session) {
    return session->all.next == &store->all ? NULL : kith_list_entry(session->all.next, struct kith_session, all);
}

/* Takes the session out of everything, however much of it was in. */
static void detach(struct kith_store *store, struct kith_session *session) {
    kith_list_foreach (&store->walks, link) {
        struct kith_store_walk *walk = kith_list_entry(link, struct kith_store_walk, link);
        if (walk->current == session)
            walk->current = NULL;
        if (walk->next == session)
            walk->next = after_in_all(store, session);
    }
    if (session->node.key)
        kith_map_remove(&store->by_id, &session->node);
    session->node.key = NULL;
    kith_heap_remove(&store->expiry, &session->expiry);
    if (!kith_list_empty(&session->all))
        kith_owner_take(&store->owners, session->owner, &session->share);
    else if (session->owner)
        kith_owner_settle(&store->owners, session->owner);
    session->owner = NULL;
    kith_list_unlink(&session->all);
    session->name = kith_atom_unref(&store->names, session->name);
    session->exe = kith_atom_unref(&store->programs, session->exe);
}

void *kith_store_take(struct kith_store *store, struct kith_session *session) {
    void *state = session->state;

    detach(store, session);
    free(session);
    return state;
}

/* The session is in nothing any more, but its state must be dropped. */
static void mourn(struct kith_store *store, struct kith_session *session, enum kith_cache_reason why) {
    session->why = why;
    kith_list_push_back(&store->dead, &session->all);
}

void kith_store_kill(struct kith_store *store, struct kith_session *session, enum kith_cache_reason why) {
    detach(store, session);
    mourn(store, session, why);
}

void kith_store_kill_all(struct kith_store *store, enum kith_cache_reason why) {
    struct kith_session *session;

    while ((session = kith_list_first(&store->all, struct kith_session, all)))
        kith_store_kill(store, session, why);
}

bool kith_store_bury(struct kith_store *store, void **ret_state, enum kith_cache_reason *ret_why) {
    struct kith_session *session = kith_list_first(&store->dead, struct kith_session, all);

    if (!session)
        return false;
    *ret_state = session->state;
    *ret_why = session->why;
    kith_list_unlink(&session->all);
    free(session);
    return true;
}

uint64_t kith_store_next(const struct kith_store *store) {
    return kith_heap_first_key(&store->expiry);
}

void kith_store_expire(struct kith_store *store, uint64_t now) {
    while (kith_store_next(store) <= now) {
        struct kith_session *session = KITH_CONTAINER_OF(kith_heap_first(&store->expiry), struct kith_session, expiry);
        kith_store_kill(store, session, KITH_CACHE_EXPIRED);
        store->expired++;
    }
}

/* Finding ---------------------------------------------------------------------------------------------------------- */

/* The session that this client has under this name, whatever the witnesses; NULL: none. */
static struct kith_session *lookup(const struct kith_store *store, const struct kith_atom *name, const struct kith_cache_who *who) {
    struct kith_session_id id = {.name = name, .owner = kith_owner_find(&store->owners, who->owner)};

    if (who->exe)
        id.exe = kith_atom_find(&store->programs, who->exe, strlen(who->exe));
    if (!id.name || !id.owner || (who->exe && !id.exe))
        return NULL;
    struct kith_map_node *node = kith_map_find(&store->by_id, &id, sizeof(id));
    return node ? KITH_CONTAINER_OF(node, struct kith_session, node) : NULL;
}

static bool certain_enough(const struct kith_session *session, const struct kith_cache_who *who) {
    return who->uid_witness >= session->uid_witness && who->exe_witness >= session->exe_witness;
}

int kith_store_find(const struct kith_store *store, const struct kith_cache_name *name, const struct kith_cache_who *who,
                    struct kith_session **ret_session) {
    struct kith_atom *atom = kith_atom_find(&store->names, name->octets, name->size);

    if (!atom)
        return -ENOENT;
    struct kith_session *session = who ? lookup(store, atom, who) : NULL;
    if (!session || !certain_enough(session, who))
        return -EACCES;
    *ret_session = session;
    return 0;
}

void kith_store_use(struct kith_store *store, struct kith_session *session, bool renew, uint64_t now) {
    kith_owner_use(&store->owners, session->owner, &session->share);
    if (renew)
        set_until(store, session, now);
}

/* Putting ---------------------------------------------------------------------------------------------------------- */

static const struct kith_owner *who_gives_up(const struct kith_store *store, const struct kith_owner *putting) {
    if (putting->id != KITH_CACHE_NOBODY && putting->sessions > store->max_uid_sessions)
        return putting;
    if (store->owners.sessions > store->max_sessions)
        return kith_owner_most_sessions(&store->owners);
    if (store->owners.octets > store->max_octets)
        return kith_owner_most_octets(&store->owners);
    return NULL;
}

/* Evicts until the bounds hold. The session that was put is its owner's most recently used; when its turn comes all the same, its owner
 * would have to take room from those who hold less. */
static int make_room(struct kith_store *store, struct kith_session *put) {
    const struct kith_owner *owner;

    while ((owner = who_gives_up(store, put->owner))) {
        struct kith_session *session = KITH_CONTAINER_OF(kith_owner_oldest(owner), struct kith_session, share);
        if (session == put)
            return -EDQUOT;
        kith_store_kill(store, session, KITH_CACHE_EVICTED);
        store->evicted++;
    }
    return 0;
}

/* Exchanges what belongs to the state and not to the place. */
static void exchange(struct kith_session *a, struct kith_session *b) {
    struct kith_store_item item = {.state = a->state, .size = a->size, .ttl_ns = a->ttl_ns};

    a->state = b->state;
    a->size = b->size;
    a->ttl_ns = b->ttl_ns;
    b->state = item.state;
    b->size = item.size;
    b->ttl_ns = item.ttl_ns;
}

static void set_witnesses(struct kith_session *session, const struct kith_cache_who *who) {
    session->uid_witness = who->uid_witness;
    session->exe_witness = who->exe_witness;
}

/* `fresh` brings the new state in and carries the old one out. */
static int replace(struct kith_store *store, struct kith_session *session, struct kith_session *fresh, const struct kith_cache_who *who,
                   size_t octets, uint64_t now) {
    size_t before = session->share.octets;

    kith_owner_use(&store->owners, session->owner, &session->share);
    kith_owner_resize(&store->owners, session->owner, &session->share, octets);
    int r = make_room(store, session);
    if (r < 0) {
        kith_owner_resize(&store->owners, session->owner, &session->share, before);
        return r;
    }
    exchange(session, fresh);
    set_witnesses(session, who);
    set_until(store, session, now);
    mourn(store, fresh, KITH_CACHE_REPLACED);
    store->replaced++;
    return 0;
}

/* Everything that can fail for want of memory; detach() undoes it. */
static int attach(struct kith_store *store, struct kith_session *session, const struct kith_cache_name *name,
                  const struct kith_cache_who *who) {
    int r = kith_atom_get(&store->names, name->octets, name->size, &session->name);
    if (r >= 0 && who->exe)
        r = kith_atom_get(&store->programs, who->exe, strlen(who->exe), &session->exe);
    if (r >= 0)
        r = kith_owner_get(&store->owners, who->owner, &session->owner);
    if (r >= 0)
        r = kith_heap_reserve(&store->expiry, store->owners.sessions + 1);
    if (r < 0)
        return r;
    session->id = (struct kith_session_id){.name = session->name, .owner = session->owner, .exe = session->exe};
    return kith_map_insert(&store->by_id, &session->node, &session->id, sizeof(session->id));
}

static int add(struct kith_store *store, struct kith_session *session, const struct kith_cache_name *name, const struct kith_cache_who *who,
               size_t octets, uint64_t now) {
    int r = attach(store, session, name, who);
    if (r >= 0) {
        set_witnesses(session, who);
        session->serial = ++store->serial;
        kith_list_push_back(&store->all, &session->all);
        kith_owner_add(&store->owners, session->owner, &session->share, octets);
        set_until(store, session, now);
        r = make_room(store, session);
    }
    if (r < 0)
        detach(store, session);
    return r;
}

/* In nothing yet. */
static struct kith_session *session_new(const struct kith_store_item *item) {
    struct kith_session *session = calloc(1, sizeof(*session));

    if (!session)
        return NULL;
    session->state = item->state;
    session->size = item->size;
    session->ttl_ns = item->ttl_ns;
    session->expiry = KITH_HEAP_NODE_INIT;
    kith_list_init(&session->all);
    kith_list_init(&session->share.used);
    return session;
}

int kith_store_put(struct kith_store *store, const struct kith_cache_name *name, const struct kith_cache_who *who,
                   const struct kith_store_item *item, uint64_t now) {
    struct kith_atom *atom = kith_atom_find(&store->names, name->octets, name->size);
    struct kith_session *session = atom ? lookup(store, atom, who) : NULL;
    size_t cost = KITH_CACHE_SESSION_COST + name->size;

    if (session && !certain_enough(session, who))
        return -EACCES;
    if (cost > store->max_octets || item->size > store->max_octets - cost)
        return -E2BIG;
    struct kith_session *fresh = session_new(item);
    if (!fresh)
        return -ENOMEM;
    size_t octets = cost + item->size;
    int r = session ? replace(store, session, fresh, who, octets, now) : add(store, fresh, name, who, octets, now);
    if (r < 0)
        free(fresh);
    return r;
}

/* Walking ---------------------------------------------------------------------------------------------------------- */

void kith_store_walk_begin(struct kith_store *store, struct kith_store_walk *walk) {
    *walk = (struct kith_store_walk){.next = kith_list_first(&store->all, struct kith_session, all)};
    kith_list_push_back(&store->walks, &walk->link);
}

struct kith_session *kith_store_walk_next(struct kith_store *store, struct kith_store_walk *walk) {
    walk->current = walk->next;
    if (walk->next)
        walk->next = after_in_all(store, walk->next);
    return walk->current;
}

void kith_store_walk_end(struct kith_store_walk *walk) {
    kith_list_unlink(&walk->link);
}

/*
 * cache/cache.c: the public object: a store, a loop with its clock and one timer, and the callback.
 *
 * `drop` may do anything, so it is called only when a call has done its work: what leaves the store waits in its list of the dead. A call
 * made inside `drop` leaves its own dead to the one that is calling already, so that calls are never nested; only the end of the cache does
 * not wait.
 *
 * Invariants: the timer is armed for `armed_for` or not at all (UINT64_MAX), and no session is over before `armed_for` is; nobody but
 * bury() calls `drop`.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/time.h"
#include "cache/store.h"
#include "loop/internal.h"

#define SESSIONS_DEFAULT 65536
#define OCTETS_DEFAULT ((size_t)64 << 20)
/* A put adds before it makes room: the sum must not wrap round. */
#define OCTETS_MAX (SIZE_MAX / 2)
#define TTL_MS_DEFAULT UINT64_C(3600000)

struct kith_cache {
    unsigned refs;
    kith_loop *loop; /* not to be touched when the timer is inert */
    kith_timer *timer;
    uint64_t armed_for;
    struct kith_store store;
    uint64_t ttl_ms;
    bool renew;
    enum kith_witness exe;
    bool burying, freed;
    uint64_t hits, misses, refused;
    kith_cache_drop_fn drop;
    void *userdata;
};

KITH_DEFINE_CLEANUP(kith_cache *, kith_cache_free)

static void release(kith_cache *cache) {
    if (--cache->refs > 0)
        return;
    kith_store_deinit(&cache->store);
    free(cache);
}

static int check_usable(const kith_cache *cache) {
    if (cache->freed || kith_timer_inert(cache->timer))
        return -ESHUTDOWN;
    return kith_loop_check_fork(cache->loop);
}

/* Calls `drop` for the dead. */
static void bury(kith_cache *cache) {
    enum kith_cache_reason why;
    void *state;

    if (cache->burying && !cache->freed)
        return;
    cache->refs++;
    cache->burying = true;
    while (kith_store_bury(&cache->store, &state, &why))
        cache->drop(state, why, cache->userdata);
    cache->burying = false;
    release(cache);
}

/* Has the timer fire when the next session is over. An earlier one is let be: it finds nothing and arms again, which is cheaper than to
 * move it with each session that leaves. */
static void arm(kith_cache *cache, uint64_t now) {
    uint64_t next = kith_store_next(&cache->store);

    if (next >= cache->armed_for)
        return;
    cache->armed_for = next;
    uint64_t after_ms = next > now ? (next - now - 1) / KITH_NS_PER_MS + 1 : 0;
    (void)kith_timer_arm(cache->timer, after_ms, 0); /* the loop is there: it cannot fail */
}

static void on_timer(kith_timer *timer, void *userdata) {
    kith_cache *cache = userdata;
    uint64_t now = kith_loop_now(cache->loop);

    cache->armed_for = UINT64_MAX;
    kith_store_expire(&cache->store, now);
    arm(cache, now);
    bury(cache);
}

/* Every call begins so: what is over goes first, and only what may be used is touched after the callbacks. */
static int begin(kith_cache *cache, uint64_t *ret_now) {
    int r = check_usable(cache);
    if (r < 0)
        return r;
    *ret_now = kith_loop_now(cache->loop);
    kith_store_expire(&cache->store, *ret_now);
    cache->refs++;
    bury(cache);
    r = check_usable(cache);
    release(cache);
    return r;
}

/* Life ------------------------------------------------------------------------------------------------------------- */

static size_t or_default(size_t value, size_t otherwise) {
    return value > 0 ? value : otherwise;
}

int kith_cache_new(kith_loop *loop, const struct kith_cache_options *options, kith_cache_drop_fn drop, void *userdata,
                   kith_cache **ret_cache) {
    static const struct kith_cache_options none = {0};

    if (!options)
        options = &none;
    if (!loop || !drop || !ret_cache || options->exe == KITH_WITNESS_CLAIMED || options->exe > KITH_WITNESS_KERNEL_MESSAGE)
        return -EINVAL;
    _cleanup_(kith_cache_freep) kith_cache *cache = calloc(1, sizeof(*cache));
    if (!cache)
        return -ENOMEM;
    *cache = (kith_cache){.refs = 1, .loop = loop, .armed_for = UINT64_MAX, .renew = options->renew, .exe = options->exe};
    cache->ttl_ms = options->ttl_ms > 0 ? options->ttl_ms : TTL_MS_DEFAULT;
    cache->drop = drop;
    cache->userdata = userdata;
    size_t max_octets = or_default(options->max_octets, OCTETS_DEFAULT);
    kith_store_init(&cache->store, or_default(options->max_sessions, SESSIONS_DEFAULT), max_octets < OCTETS_MAX ? max_octets : OCTETS_MAX,
                    or_default(options->max_uid_sessions, SIZE_MAX));
    int r = kith_timer_new(loop, on_timer, cache, &cache->timer);
    if (r < 0)
        return r;
    *ret_cache = KITH_STEAL(cache);
    return 0;
}

kith_cache *kith_cache_free(kith_cache *cache) {
    if (!cache || cache->freed)
        return NULL;
    cache->freed = true;
    cache->timer = kith_timer_free(cache->timer);
    kith_store_kill_all(&cache->store, KITH_CACHE_FREED);
    bury(cache);
    release(cache);
    return NULL;
}

/* Sessions --------------------------------------------------------------------------------------------------------- */

static uint64_t to_ns(uint64_t ms) {
    return ms > UINT64_MAX / KITH_NS_PER_MS ? UINT64_MAX : ms * KITH_NS_PER_MS;
}

int kith_cache_put(kith_cache *cache, const struct kith_cache_key *key, kith_origin *origin, void *state, size_t size, uint64_t ttl_ms) {
    struct kith_cache_name name;
    struct kith_cache_who who;
    uint64_t now = 0;

    if (!cache || !state)
        return -EINVAL;
    int r = kith_cache_name_of(key, &name);
    if (r >= 0)
        r = begin(cache, &now);
    if (r < 0)
        return r;
    struct kith_store_item item = {.state = state, .size = size, .ttl_ns = to_ns(ttl_ms > 0 ? ttl_ms : cache->ttl_ms)};
    r = kith_cache_who_is(origin, key, cache->exe, &who);
    if (r >= 0)
        r = kith_store_put(&cache->store, &name, &who, &item, now);
    if (r == -ENODATA || r == -EACCES)
        cache->refused++;
    arm(cache, now);
    bury(cache);
    return r;
}

static void count(kith_cache *cache, int r) {
    cache->hits += r == 0;
    cache->misses += r == -ENOENT;
    cache->refused += r == -EACCES;
}

/* The session that is there for this client; nothing is called after it was found. */
static int find(kith_cache *cache, const struct kith_cache_key *key, kith_origin *origin, struct kith_session **ret_session,
                uint64_t *ret_now) {
    struct kith_cache_name name;
    struct kith_cache_who who;

    if (!cache)
        return -EINVAL;
    int r = kith_cache_name_of(key, &name);
    if (r >= 0)
        r = begin(cache, ret_now);
    if (r < 0)
        return r;
    r = kith_cache_who_is(origin, key, cache->exe, &who);
    if (r < 0 && r != -ENODATA)
        return r;
    r = kith_store_find(&cache->store, &name, r < 0 ? NULL : &who, ret_session);
    count(cache, r);
    return r;
}

int kith_cache_take(kith_cache *cache, const struct kith_cache_key *key, kith_origin *origin, void **ret_state) {
    struct kith_session *session = NULL;
    uint64_t now;

    int r = ret_state ? find(cache, key, origin, &session, &now) : -EINVAL;
    if (r >= 0)
        *ret_state = kith_store_take(&cache->store, session);
    return r;
}

int kith_cache_get(kith_cache *cache, const struct kith_cache_key *key, kith_origin *origin, void **ret_state) {
    struct kith_session *session = NULL;
    uint64_t now = 0;

    int r = ret_state ? find(cache, key, origin, &session, &now) : -EINVAL;
    if (r < 0)
        return r;
    kith_store_use(&cache->store, session, cache->renew, now);
    *ret_state = session->state;
    return 0;
}

int kith_cache_remove(kith_cache *cache, const struct kith_cache_key *key, kith_origin *origin) {
    struct kith_session *session = NULL;
    uint64_t now;

    int r = find(cache, key, origin, &session, &now);
    if (r < 0)
        return r;
    kith_store_kill(&cache->store, session, KITH_CACHE_REMOVED);
    bury(cache);
    return 0;
}

/* The server's own view ---------------------------------------------------------------------------------------------- */

static struct kith_cache_session describe(const struct kith_session *session, uint64_t now) {
    struct kith_cache_session view = {
        .key = kith_cache_key_of(session->name->octets, session->name->size),
        .uid_known = session->owner->id != KITH_CACHE_NOBODY,
        .exe = session->exe ? (const char *)session->exe->octets : NULL,
        .state = session->state,
        .size = session->size,
        .left_ms = session->until == UINT64_MAX ? KITH_CACHE_NEVER : (session->until - now - 1) / KITH_NS_PER_MS + 1,
    };

    if (view.uid_known)
        view.uid = (uid_t)session->owner->id;
    return view;
}

int64_t kith_cache_walk(kith_cache *cache, kith_cache_walk_fn fn, void *userdata) {
    struct kith_store_walk walk;
    struct kith_session *session;
    enum kith_cache_step step = KITH_CACHE_KEEP;
    uint64_t now = 0, last;
    int64_t calls = 0;

    int r = cache && fn ? begin(cache, &now) : -EINVAL;
    if (r < 0)
        return r;
    cache->refs++;
    last = cache->store.serial;
    kith_store_walk_begin(&cache->store, &walk);
    while (step != KITH_CACHE_STOP && (session = kith_store_walk_next(&cache->store, &walk)) && session->serial <= last) {
        struct kith_cache_session view = describe(session, now);
        calls++;
        step = fn(&view, userdata);
        if (step == KITH_CACHE_REMOVE && walk.current) {
            kith_store_kill(&cache->store, walk.current, KITH_CACHE_REMOVED);
            bury(cache);
        }
    }
    kith_store_walk_end(&walk);
    release(cache);
    return calls;
}

void kith_cache_stats(const kith_cache *cache, struct kith_cache_stats *ret_stats) {
    if (!cache || !ret_stats)
        return;
    const struct kith_store *store = &cache->store;
    *ret_stats = (struct kith_cache_stats){
        .sessions = store->owners.sessions,
        .octets = store->owners.octets,
        .owners = store->owners.by_id.count,
        .hits = cache->hits,
        .misses = cache->misses,
        .refused = cache->refused,
        .expired = store->expired,
        .evicted = store->evicted,
        .replaced = store->replaced,
    };
}

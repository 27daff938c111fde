/*
 * pool/pool.c: slabs and their free list.
 *
 * Invariants: every slab that is out counts in `used`; the free list holds `kept` slabs, at most `keep`, last returned first (its cache is
 * warm). A pool freed while slabs are out stays in memory, closed and without free slabs, until the last of them returns. A shared pool has
 * a lock for all of this.
 */
#include <pthread.h>
#include <stdlib.h>

#include "pool/internal.h"

/* A free slab is memory that nobody may touch: tell the sanitizer, which sees no free(). */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN 1
#endif
#ifdef HAVE_ASAN
#include <sanitizer/asan_interface.h>
#define FORBID(slab) ASAN_POISON_MEMORY_REGION((slab)->octets, (slab)->size)
#define ALLOW(slab) ASAN_UNPOISON_MEMORY_REGION((slab)->octets, (slab)->size)
#else
#define FORBID(slab) ((void)(slab))
#define ALLOW(slab) ((void)(slab))
#endif

struct kith_pool {
    kith_buffer *free_list;
    size_t kept, keep;
    size_t used, limit;
    bool closed;
    bool wanted;
    pthread_mutex_t *mutex; /* of a shared pool: own_mutex; else NULL */
    pthread_mutex_t own_mutex;
    void (*room)(void *userdata);
    void *userdata;
};

int kith_pool_new(size_t keep, size_t limit, struct kith_pool **ret_pool) {
    struct kith_pool *pool = calloc(1, sizeof(*pool));
    if (!pool)
        return -ENOMEM;
    pool->keep = keep;
    pool->limit = limit;
    *ret_pool = pool;
    return 0;
}

static void lock(const struct kith_pool *pool) {
    if (pool->mutex)
        pthread_mutex_lock(pool->mutex);
}

static void unlock(const struct kith_pool *pool) {
    if (pool->mutex)
        pthread_mutex_unlock(pool->mutex);
}

static void destroy(struct kith_pool *pool) {
    if (pool->mutex)
        pthread_mutex_destroy(pool->mutex);
    free(pool);
}

int kith_pool_share(struct kith_pool *pool) {
    int r = -pthread_mutex_init(&pool->own_mutex, NULL);
    if (r == 0)
        pool->mutex = &pool->own_mutex;
    return r;
}

bool kith_buffer_may_be_shared(const kith_buffer *buffer) {
    return !buffer->pool || buffer->pool->mutex;
}

static kith_buffer *pop(struct kith_pool *pool) {
    kith_buffer *slab = pool->free_list;

    pool->free_list = slab->next_free;
    slab->next_free = NULL;
    pool->kept--;
    ALLOW(slab);
    return slab;
}

struct kith_pool *kith_pool_free(struct kith_pool *pool) {
    if (!pool)
        return NULL;
    lock(pool);
    while (pool->free_list)
        free(pop(pool));
    pool->closed = true;
    pool->room = NULL;
    bool last = pool->used == 0;
    unlock(pool);
    if (last)
        destroy(pool);
    return NULL;
}

static bool has_room(const struct kith_pool *pool) {
    return pool->used < pool->limit;
}

bool kith_pool_has_room(const struct kith_pool *pool) {
    lock(pool);
    bool has = has_room(pool);
    unlock(pool);
    return has;
}

static int get(struct kith_pool *pool, kith_buffer **ret_buffer) {
    if (!has_room(pool))
        return -ENOBUFS;
    if (pool->free_list) {
        *ret_buffer = pop(pool);
        kith_refs_init(&(*ret_buffer)->refs);
    } else {
        int r = kith_buffer_new_inline(KITH_SLAB_SIZE, pool, ret_buffer);
        if (r < 0)
            return r;
    }
    if (pool->mutex)
        kith_buffer_share(*ret_buffer);
    pool->used++;
    return 0;
}

int kith_pool_get(struct kith_pool *pool, kith_buffer **ret_buffer) {
    lock(pool);
    int r = get(pool, ret_buffer);
    unlock(pool);
    return r;
}

void kith_pool_on_room(struct kith_pool *pool, void (*fn)(void *userdata), void *userdata) {
    pool->room = fn;
    pool->userdata = userdata;
}

void kith_pool_want(struct kith_pool *pool) {
    lock(pool);
    pool->wanted = true;
    unlock(pool);
}

/* Not for each slab: all who wait are woken, and would find one slab among them. */
static void tell_room(struct kith_pool *pool) {
    if (!pool->wanted || !pool->room || pool->used > pool->limit - (pool->limit + 7) / 8)
        return;
    pool->wanted = false;
    pool->room(pool->userdata);
}

void kith_pool_put(struct kith_pool *pool, kith_buffer *slab) {
    lock(pool);
    pool->used--;
    if (!pool->closed && pool->kept < pool->keep) {
        FORBID(slab);
        slab->next_free = pool->free_list;
        pool->free_list = slab;
        pool->kept++;
    } else {
        free(slab);
    }
    bool last = pool->closed && pool->used == 0;
    tell_room(pool);
    unlock(pool);
    if (last)
        destroy(pool);
}

size_t kith_pool_used(const struct kith_pool *pool) {
    lock(pool);
    size_t used = pool->used;
    unlock(pool);
    return used;
}

size_t kith_pool_kept(const struct kith_pool *pool) {
    return pool->kept;
}

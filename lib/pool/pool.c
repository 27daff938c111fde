/*
 * pool/pool.c: slabs and their free list.
 *
 * Invariants: every slab that is out counts in `used`; the free list holds `kept` slabs, at most `keep`, last returned first (its cache is
 * warm). A pool freed while slabs are out stays in memory, closed and without free slabs, until the last of them returns.
 */
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
    while (pool->free_list)
        free(pop(pool));
    pool->closed = true;
    pool->room = NULL;
    if (pool->used == 0)
        free(pool);
    return NULL;
}

bool kith_pool_has_room(const struct kith_pool *pool) {
    return pool->used < pool->limit;
}

int kith_pool_get(struct kith_pool *pool, kith_buffer **ret_buffer) {
    kith_buffer *slab = NULL;

    if (!kith_pool_has_room(pool))
        return -ENOBUFS;
    if (pool->free_list) {
        slab = pop(pool);
        slab->refs = 1;
    } else {
        int r = kith_buffer_new_inline(KITH_SLAB_SIZE, pool, &slab);
        if (r < 0)
            return r;
    }
    pool->used++;
    *ret_buffer = slab;
    return 0;
}

void kith_pool_on_room(struct kith_pool *pool, void (*fn)(void *userdata), void *userdata) {
    pool->room = fn;
    pool->userdata = userdata;
}

void kith_pool_want(struct kith_pool *pool) {
    pool->wanted = true;
}

/* Not for each slab: all who wait are woken, and would find one slab among them. */
static void tell_room(struct kith_pool *pool) {
    if (!pool->wanted || !pool->room || pool->used > pool->limit - (pool->limit + 7) / 8)
        return;
    pool->wanted = false;
    pool->room(pool->userdata);
}

void kith_pool_put(struct kith_pool *pool, kith_buffer *slab) {
    pool->used--;
    if (!pool->closed && pool->kept < pool->keep) {
        FORBID(slab);
        slab->next_free = pool->free_list;
        pool->free_list = slab;
        pool->kept++;
    } else {
        free(slab);
    }
    if (pool->closed && pool->used == 0)
        free(pool);
    else
        tell_room(pool);
}

size_t kith_pool_used(const struct kith_pool *pool) {
    return pool->used;
}

size_t kith_pool_kept(const struct kith_pool *pool) {
    return pool->kept;
}

/* pool/spare.c: see spare.h. */
#include "pool/spare.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/cleanup.h"

_Static_assert(KITH_SPARE_HEADER + (KITH_SPARE_FIRST << (KITH_SPARE_CLASSES - 1)) == KITH_SPARE_MAX, "the last class is the largest");

/* Tools that watch memory are to see each block come and go. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define KEPT_OCTETS 0
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define KEPT_OCTETS 0
#endif
#ifndef KEPT_OCTETS
#define KEPT_OCTETS KITH_SPARE_OCTETS
#endif

#define BATCH_OCTETS (KEPT_OCTETS / 2)
_Static_assert(KEPT_OCTETS == 0 || BATCH_OCTETS >= KITH_SPARE_MAX, "an empty shelf has room for a block of any size");
/* Full batches of one class that lie in the depot. */
#define DEPOT_MAX 4

__thread struct kith_shelf kith_spare_shelves[KITH_SPARE_CLASSES];

/* Above KITH_SPARE_MAX: few, each of its own size. */
struct large {
    struct large *next;
    size_t size;
};

/* What one thread has too much of and another one lacks. Whoever finds the lock taken goes to malloc(3), so that nobody waits, and a child
 * that was forked in the middle of something does not hang. */
static struct depot {
    pthread_mutex_t lock;
    struct kith_spare *batches;
    atomic_uint count; /* to be looked at without the lock */
} depots[KITH_SPARE_CLASSES];

static __thread __attribute__((tls_model("initial-exec"))) struct {
    struct large *large; /* the one that was freed last comes first */
    size_t large_octets;
    bool registered; /* the key's destructor runs when this thread ends */
} mine;

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool key_made;

static void free_all(struct kith_spare *first) {
    while (first) {
        struct kith_spare *next = first->next;
        free(first);
        first = next;
    }
}

/* The first of those that were freed longest ago is let go of, and all behind it, so that at most `octets` stay. */
static void shorten(size_t octets) {
    struct large **end = &mine.large;
    size_t kept = 0;
    while (*end && kept + (*end)->size <= octets) {
        kept += (*end)->size;
        end = &(*end)->next;
    }
    struct large *rest = *end;
    *end = NULL;
    mine.large_octets = kept;
    while (rest) {
        struct large *next = rest->next;
        free(rest);
        rest = next;
    }
}

/* One that is not much larger than what is asked for. */
static void *large_alloc(size_t size) {
    for (struct large **place = &mine.large; *place; place = &(*place)->next) {
        struct large *block = *place;
        if (block->size < size || block->size - size > size / 2)
            continue;
        *place = block->next;
        mine.large_octets -= block->size;
        return block;
    }
    return malloc(size);
}

static void large_free(void *block, size_t size) {
    if (mine.large_octets + size > KITH_SPARE_LARGE_OCTETS)
        shorten(KITH_SPARE_LARGE_OCTETS - size);
    struct large *large = block;
    *large = (struct large){.next = mine.large, .size = size};
    mine.large = large;
    mine.large_octets += size;
}

static void clear(void *unused) {
    (void)unused;
    shorten(0);
    for (size_t i = 0; i < KITH_SPARE_CLASSES; i++) {
        free_all(kith_spare_shelves[i].first);
        free_all(kith_spare_shelves[i].batch);
        kith_spare_shelves[i] = (struct kith_shelf){0};
    }
    mine.registered = false;
}

static void make_key(void) {
    for (size_t i = 0; i < KITH_SPARE_CLASSES; i++)
        pthread_mutex_init(&depots[i].lock, NULL);
    key_made = pthread_key_create(&key, clear) == 0;
}

static size_t batch_blocks(size_t class) {
    return BATCH_OCTETS / kith_spare_class_size(class);
}

/* This thread keeps what it frees from now on. */
static void begin_keeping(void) {
    pthread_once(&once, make_key);
    mine.registered = key_made && pthread_setspecific(key, &mine) == 0;
    for (size_t i = 0; i < KITH_SPARE_CLASSES && mine.registered; i++)
        kith_spare_shelves[i].room = batch_blocks(i);
}

static bool may_keep(void) {
    if (KEPT_OCTETS > 0 && !mine.registered)
        begin_keeping();
    return mine.registered;
}

/* A full batch, or NULL. */
static struct kith_spare *depot_take(struct depot *depot) {
    if (atomic_load_explicit(&depot->count, memory_order_relaxed) == 0 || pthread_mutex_trylock(&depot->lock) != 0)
        return NULL;
    struct kith_spare *batch = depot->batches;
    if (batch) {
        depot->batches = batch->next_batch;
        atomic_fetch_sub_explicit(&depot->count, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&depot->lock);
    return batch;
}

/* False: it stays the caller's. */
static bool depot_put(struct depot *depot, struct kith_spare *batch) {
    if (atomic_load_explicit(&depot->count, memory_order_relaxed) >= DEPOT_MAX || pthread_mutex_trylock(&depot->lock) != 0)
        return false;
    bool room = atomic_load_explicit(&depot->count, memory_order_relaxed) < DEPOT_MAX;
    if (room) {
        batch->next_batch = depot->batches;
        depot->batches = batch;
        atomic_fetch_add_explicit(&depot->count, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&depot->lock);
    return room;
}

/* Brings a full batch to the front of an empty shelf. */
static bool shelf_fill(struct kith_shelf *shelf, size_t class) {
    struct kith_spare *batch = KITH_STEAL(shelf->batch);
    if (!batch)
        batch = depot_take(&depots[class]);
    if (!batch)
        return false;
    shelf->first = batch;
    shelf->room = 0;
    return true;
}

/* Puts the full batch at the front away. False: there is no room for it. */
static bool shelf_clear(struct kith_shelf *shelf, size_t class) {
    if (shelf->batch && !depot_put(&depots[class], shelf->batch))
        return false;
    shelf->batch = KITH_STEAL(shelf->first);
    shelf->room = batch_blocks(class);
    return true;
}

void *kith_spare_alloc_slowly(size_t size) {
    size_t class = kith_spare_class(size);
    if (class == KITH_SPARE_CLASSES)
        return size > KITH_SPARE_MAX && mine.large ? large_alloc(size) : malloc(size);
    if (may_keep() && shelf_fill(&kith_spare_shelves[class], class))
        return kith_spare_alloc(size);
    return malloc(KEPT_OCTETS > 0 ? kith_spare_class_size(class) : size);
}

void kith_spare_free_slowly(void *block, size_t size) {
    size_t class = kith_spare_class(size);
    bool large = size > KITH_SPARE_MAX && size <= KITH_SPARE_LARGE_OCTETS;
    if ((class == KITH_SPARE_CLASSES && !large) || !may_keep()) {
        free(block);
        return;
    }
    if (large) {
        large_free(block, size);
        return;
    }
    struct kith_shelf *shelf = &kith_spare_shelves[class];
    if (shelf->room > 0 || shelf_clear(shelf, class))
        kith_spare_free(block, size);
    else
        free(block);
}

/*
 * pool/spare.c: see spare.h. Sizes are 64 octets for a header and a power of two; the first word of a kept block links it to the next.
 */
#include "pool/spare.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define HEADER ((size_t)64)
#define CLASS_FIRST ((size_t)64)
#define CLASS_COUNT 12
/* Up to this size a block may be twice as large as what was asked for, above it by a third. */
#define SMALL_MAX ((size_t)4096 + HEADER)

_Static_assert(HEADER + (CLASS_FIRST << (CLASS_COUNT - 1)) == KITH_SPARE_MAX, "the last class is the largest");

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

/* A shelf is two batches at most: one that is taken from and added to, and a full one. */
#define BATCH_OCTETS (KEPT_OCTETS / 2)
/* Full batches of one class that lie in the depot. */
#define DEPOT_MAX 4

struct spare {
    struct spare *next;
    struct spare *next_batch; /* of a batch's first block, in the depot */
};

/* Above KITH_SPARE_MAX: few, each of its own size. */
struct large {
    struct large *next;
    size_t size;
};

struct shelf {
    struct spare *first;
    size_t octets;
    struct spare *batch; /* a full one, or NULL */
};

/* What one thread has too much of and another one lacks. Whoever finds the lock taken goes to malloc(3), so that nobody waits, and a child
 * that was forked in the middle of something does not hang. */
static struct depot {
    pthread_mutex_t lock;
    struct spare *batches;
    atomic_uint count; /* to be looked at without the lock */
} depots[CLASS_COUNT];

/* Found without a call: it is small enough for what the program's threads set aside for libraries that are loaded late. */
static __thread __attribute__((tls_model("initial-exec"))) struct {
    struct shelf shelves[CLASS_COUNT];
    struct large *large; /* the one that was freed last comes first */
    size_t large_octets;
    bool registered; /* the key's destructor runs when this thread ends */
} mine;

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool key_made;

static void free_all(struct spare *first) {
    while (first) {
        struct spare *next = first->next;
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
    for (size_t i = 0; i < CLASS_COUNT; i++) {
        free_all(mine.shelves[i].first);
        free_all(mine.shelves[i].batch);
        mine.shelves[i] = (struct shelf){0};
    }
    mine.registered = false;
}

static void make_key(void) {
    for (size_t i = 0; i < CLASS_COUNT; i++)
        pthread_mutex_init(&depots[i].lock, NULL);
    key_made = pthread_key_create(&key, clear) == 0;
}

static bool may_keep(void) {
    if (mine.registered)
        return true;
    pthread_once(&once, make_key);
    mine.registered = key_made && pthread_setspecific(key, &mine) == 0;
    return mine.registered;
}

static size_t class_size(size_t class) {
    return HEADER + (CLASS_FIRST << class);
}

/* The class that `size` belongs to, or CLASS_COUNT: none. */
static size_t class_of(size_t size) {
    if (size <= HEADER + CLASS_FIRST)
        return 0;
    if (size > KITH_SPARE_MAX)
        return CLASS_COUNT;
    size_t class = (size_t)(64 - __builtin_clzl((size - HEADER - 1) / CLASS_FIRST));
    return size <= SMALL_MAX || size >= class_size(class) / 4 * 3 ? class : CLASS_COUNT;
}

/* A full batch, or NULL. */
static struct spare *depot_take(struct depot *depot) {
    if (atomic_load_explicit(&depot->count, memory_order_relaxed) == 0 || pthread_mutex_trylock(&depot->lock) != 0)
        return NULL;
    struct spare *batch = depot->batches;
    if (batch) {
        depot->batches = batch->next_batch;
        atomic_fetch_sub_explicit(&depot->count, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&depot->lock);
    return batch;
}

/* False: it stays the caller's. */
static bool depot_put(struct depot *depot, struct spare *batch) {
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
static bool shelf_fill(struct shelf *shelf, size_t class) {
    struct spare *batch = shelf->batch;
    shelf->batch = NULL;
    if (!batch)
        batch = depot_take(&depots[class]);
    if (!batch)
        return false;
    shelf->first = batch;
    shelf->octets = BATCH_OCTETS / class_size(class) * class_size(class);
    return true;
}

/* Puts the full batch at the front away. False: there is no room for it. */
static bool shelf_clear(struct shelf *shelf, size_t class) {
    if (shelf->batch && !depot_put(&depots[class], shelf->batch))
        return false;
    shelf->batch = shelf->first;
    shelf->first = NULL;
    shelf->octets = 0;
    return true;
}

void *kith_spare_alloc(size_t size) {
    size_t class = class_of(size);
    if (class == CLASS_COUNT)
        return size > KITH_SPARE_MAX && mine.large ? large_alloc(size) : malloc(size);
    struct shelf *shelf = &mine.shelves[class];
    if (!shelf->first && !(KEPT_OCTETS > 0 && may_keep() && shelf_fill(shelf, class)))
        return malloc(KEPT_OCTETS > 0 ? class_size(class) : size);
    struct spare *spare = shelf->first;
    shelf->first = spare->next;
    shelf->octets -= class_size(class);
    return spare;
}

void kith_spare_free(void *block, size_t size) {
    if (!block)
        return;
    size_t class = class_of(size);
    bool large = size > KITH_SPARE_MAX && size <= KITH_SPARE_LARGE_OCTETS;
    if ((class == CLASS_COUNT && !large) || KEPT_OCTETS == 0 || !may_keep()) {
        free(block);
        return;
    }
    if (large) {
        large_free(block, size);
        return;
    }
    struct shelf *shelf = &mine.shelves[class];
    if (shelf->octets + class_size(class) > BATCH_OCTETS && !shelf_clear(shelf, class)) {
        free(block);
        return;
    }
    struct spare *spare = block;
    spare->next = shelf->first;
    shelf->first = spare;
    shelf->octets += class_size(class);
}

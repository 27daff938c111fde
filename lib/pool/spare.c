/*
 * pool/spare.c: see spare.h. Sizes are 64 octets for a header and a power of two; the first word of a kept block links it to the next.
 */
#include "pool/spare.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define HEADER ((size_t)64)
#define CLASS_FIRST ((size_t)64)
#define CLASS_COUNT 7

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

struct spare {
    struct spare *next;
};

struct shelf {
    struct spare *first;
    size_t octets;
};

/* Found without a call: it is small enough for what the program's threads set aside for libraries that are loaded late. */
static __thread __attribute__((tls_model("initial-exec"))) struct {
    struct shelf shelves[CLASS_COUNT];
    bool registered; /* the key's destructor runs when this thread ends */
} mine;

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool key_made;

static void clear(void *unused) {
    (void)unused;
    for (size_t i = 0; i < CLASS_COUNT; i++) {
        struct shelf *shelf = &mine.shelves[i];
        while (shelf->first) {
            struct spare *next = shelf->first->next;
            free(shelf->first);
            shelf->first = next;
        }
        shelf->octets = 0;
    }
    mine.registered = false;
}

static void make_key(void) {
    key_made = pthread_key_create(&key, clear) == 0;
}

static bool may_keep(void) {
    if (mine.registered)
        return true;
    pthread_once(&once, make_key);
    mine.registered = key_made && pthread_setspecific(key, &mine) == 0;
    return mine.registered;
}

/* The class that `size`, at most KITH_SPARE_MAX, belongs to. */
static size_t class_of(size_t size) {
    if (size <= HEADER + CLASS_FIRST)
        return 0;
    size_t units = (size - HEADER - 1) / CLASS_FIRST;
    return (size_t)(64 - __builtin_clzl(units));
}

static size_t class_size(size_t class) {
    return HEADER + (CLASS_FIRST << class);
}

void *kith_spare_alloc(size_t size) {
    if (size > KITH_SPARE_MAX)
        return malloc(size);
    size_t class = class_of(size);
    struct shelf *shelf = &mine.shelves[class];
    struct spare *spare = shelf->first;
    if (!spare)
        return malloc(KEPT_OCTETS > 0 ? class_size(class) : size);
    shelf->first = spare->next;
    shelf->octets -= class_size(class);
    return spare;
}

void kith_spare_free(void *block, size_t size) {
    if (!block)
        return;
    size_t class = size <= KITH_SPARE_MAX ? class_of(size) : CLASS_COUNT;
    if (class == CLASS_COUNT || mine.shelves[class].octets + class_size(class) > KEPT_OCTETS || !may_keep()) {
        free(block);
        return;
    }
    struct shelf *shelf = &mine.shelves[class];
    struct spare *spare = block;
    spare->next = shelf->first;
    shelf->first = spare;
    shelf->octets += class_size(class);
}

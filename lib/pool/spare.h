/*
 * pool/spare.h: memory of messages and their bodies that a thread has freed and keeps for the next ones.
 *
 * A queue of a thousand messages that fills and empties in turn is what malloc(3) is slowest at: its own caches hold seven blocks of a
 * size, up to a kibibyte (measured: a third of the time of sending 1 KiB messages), and a large block at the heap's end goes back to the
 * kernel each time and is had anew, page by page. So blocks come in twelve sizes, and each thread keeps at most KITH_SPARE_OCTETS of each;
 * it gives them back when it ends. Messages that go from thread to thread (inproc) are freed where they are
 * not allocated: what a thread has too much of it leaves in a depot of the process, in batches and without waiting, for one that lacks it
 * (measured: 64 B messages between two threads, 1,100 -> 240 ns of CPU each). Of larger blocks a thread keeps
 * KITH_SPARE_LARGE_OCTETS, those that it freed last, of whatever size (a message of 1 MiB touches 256 pages: as much as is saved by
 * receiving it without a copy). Those larger still, and ones up to KITH_SPARE_MAX that no size fits well, are malloc(3)'s alone. The caller
 * remembers a block's size.
 */
#ifndef KITH_POOL_SPARE_H
#define KITH_POOL_SPARE_H

#include <stddef.h>

#define KITH_SPARE_OCTETS ((size_t)512 * 1024)
/* The largest size that is kept: 128 KiB and a header. */
#define KITH_SPARE_MAX ((size_t)128 * 1024 + 64)
#define KITH_SPARE_LARGE_OCTETS ((size_t)4 * 1024 * 1024)

/* Sizes are 64 octets for a header and a power of two; the first word of a kept block links it to the next. */
#define KITH_SPARE_HEADER ((size_t)64)
#define KITH_SPARE_FIRST ((size_t)64)
#define KITH_SPARE_CLASSES 12
/* Up to this size a block may be twice as large as what was asked for, above it by a third. */
#define KITH_SPARE_SMALL_MAX ((size_t)4096 + KITH_SPARE_HEADER)

struct kith_spare {
    struct kith_spare *next;
    struct kith_spare *next_batch; /* of a batch's first block, in the depot */
};

/* Two batches at most: one that is taken from and added to, and a full one. */
struct kith_shelf {
    struct kith_spare *first;
    size_t room;              /* blocks that the first batch lacks; 0 as long as this thread keeps nothing */
    struct kith_spare *batch; /* a full one, or NULL */
};

/* Of this thread. Found without a call: it is small enough for what the program's threads set aside for libraries that are loaded late. */
extern __thread struct kith_shelf kith_spare_shelves[KITH_SPARE_CLASSES] __attribute__((tls_model("initial-exec")));

static inline size_t kith_spare_class_size(size_t class) {
    return KITH_SPARE_HEADER + (KITH_SPARE_FIRST << class);
}

/* The class that `size` belongs to, or KITH_SPARE_CLASSES: none. */
static inline size_t kith_spare_class(size_t size) {
    if (size <= KITH_SPARE_HEADER + KITH_SPARE_FIRST)
        return 0;
    if (size > KITH_SPARE_MAX)
        return KITH_SPARE_CLASSES;
    size_t class = (size_t)(64 - __builtin_clzl((size - KITH_SPARE_HEADER - 1) / KITH_SPARE_FIRST));
    return size <= KITH_SPARE_SMALL_MAX || size >= kith_spare_class_size(class) / 4 * 3 ? class : KITH_SPARE_CLASSES;
}

/* Where the shelf does not help. */
void *kith_spare_alloc_slowly(size_t size);
void kith_spare_free_slowly(void *block, size_t size);

/* NULL without memory. In the usual case a few instructions, all the more for a size that is known beforehand. */
static inline void *kith_spare_alloc(size_t size) {
    size_t class = kith_spare_class(size);
    struct kith_shelf *shelf = &kith_spare_shelves[class];
    if (class == KITH_SPARE_CLASSES || !shelf->first)
        return kith_spare_alloc_slowly(size);
    struct kith_spare *spare = shelf->first;
    shelf->first = spare->next;
    shelf->room++;
    return spare;
}

/* size: as it was asked for. NULL is allowed. */
static inline void kith_spare_free(void *block, size_t size) {
    size_t class = kith_spare_class(size);
    struct kith_shelf *shelf = &kith_spare_shelves[class];
    if (!block)
        return;
    if (class == KITH_SPARE_CLASSES || shelf->room == 0) {
        kith_spare_free_slowly(block, size);
        return;
    }
    struct kith_spare *spare = block;
    spare->next = shelf->first;
    shelf->first = spare;
    shelf->room--;
}

#endif

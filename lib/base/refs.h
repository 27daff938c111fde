/*
 * base/refs.h: a count of references.
 *
 * Most objects belong to one thread, and counting with a locked instruction would cost them a good part of what they are used for. So a
 * count is shared on demand, before a second thread can hold a reference, by whoever hands the first one out; from then on it is atomic.
 */
#ifndef KITH_BASE_REFS_H
#define KITH_BASE_REFS_H

#include <stdatomic.h>
#include <stdbool.h>

/* Twice the references, and whether it is shared: one word, so that looking costs nothing. */
struct kith_refs {
    atomic_uint word;
};

#define KITH_REFS_SHARED 1U
#define KITH_REFS_ONE 2U

static inline unsigned kith_refs_word(const struct kith_refs *refs) {
    return atomic_load_explicit(&refs->word, memory_order_relaxed);
}

/* One reference, of this thread. */
static inline void kith_refs_init(struct kith_refs *refs) {
    atomic_init(&refs->word, KITH_REFS_ONE);
}

static inline bool kith_refs_is_shared(const struct kith_refs *refs) {
    return kith_refs_word(refs) & KITH_REFS_SHARED;
}

/* Several threads may hold references from now on. To be called by the only thread that does. */
static inline void kith_refs_share(struct kith_refs *refs) {
    unsigned word = kith_refs_word(refs);
    if (!(word & KITH_REFS_SHARED))
        atomic_store_explicit(&refs->word, word | KITH_REFS_SHARED, memory_order_relaxed);
}

static inline void kith_refs_take(struct kith_refs *refs) {
    unsigned word = kith_refs_word(refs);
    if (word & KITH_REFS_SHARED)
        atomic_fetch_add_explicit(&refs->word, KITH_REFS_ONE, memory_order_relaxed);
    else
        atomic_store_explicit(&refs->word, word + KITH_REFS_ONE, memory_order_relaxed);
}

/* True when that was the last: everything that the others did with the object has happened before. */
static inline bool kith_refs_drop(struct kith_refs *refs) {
    unsigned word = kith_refs_word(refs);
    if (word & KITH_REFS_SHARED)
        return atomic_fetch_sub_explicit(&refs->word, KITH_REFS_ONE, memory_order_acq_rel) < 2 * KITH_REFS_ONE;
    atomic_store_explicit(&refs->word, word - KITH_REFS_ONE, memory_order_relaxed);
    return word < 2 * KITH_REFS_ONE;
}

/* True while somebody else holds one too. When not, nobody else's use of the object is still to be seen. */
static inline bool kith_refs_others(const struct kith_refs *refs) {
    return atomic_load_explicit(&refs->word, memory_order_acquire) >= 2 * KITH_REFS_ONE;
}

#endif

/*
 * cache/key.h: what a session is found by: the name that a key stands for, and who comes for it.
 *
 * A name is octets that say the kind first, so that keys of different kinds have different names. Who comes is told by the origin alone.
 */
#ifndef KITH_CACHE_KEY_H
#define KITH_CACHE_KEY_H

#include <kith/cache.h>

struct kith_cache_name {
    size_t size;
    uint8_t octets[1 + sizeof(uid_t) + KITH_CACHE_KEY_MAX];
};

/* Errors: -EINVAL (not a key that the public functions made). */
int kith_cache_name_of(const struct kith_cache_key *key, struct kith_cache_name *ret_name);
/* The key of a name, whose octets it points into. */
struct kith_cache_key kith_cache_key_of(const uint8_t *octets, size_t size);

/* The owner of the sessions of all clients without a uid; no uid_t is. */
#define KITH_CACHE_NOBODY UINT64_MAX

struct kith_cache_who {
    uint64_t owner;  /* uid, or KITH_CACHE_NOBODY */
    const char *exe; /* NULL: does not matter. Lives as long as the origin */
    enum kith_witness uid_witness, exe_witness;
};

/* Who the origin is, as far as the key and the cache (its option `exe`) ask. Errors: -ENODATA: not known well enough for this key,
 * -ENAMETOOLONG. */
int kith_cache_who_is(kith_origin *origin, const struct kith_cache_key *key, enum kith_witness exe_least, struct kith_cache_who *ret_who);

#endif

/* cache/testing.h: what the tests of the session cache share: origins made by hand, and a cache whose callback keeps a record. */
#ifndef KITH_CACHE_TESTING_H
#define KITH_CACHE_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <kith/cache.h>

#include "base/cleanup.h"
#include "base/testing.h"
#include "base/time.h"

/* Longer than anything here takes, even under valgrind on a busy machine. */
#define PATIENCE_NS (20 * KITH_NS_PER_S)
#define REASONS (KITH_CACHE_FREED + 1)

/* A state is a pointer; numbers will do. */
static inline void *number(uintptr_t n) {
    return (void *)n; // NOLINT: never dereferenced
}

struct world {
    kith_loop *loop;
    kith_cache *cache;
    size_t fds_before;
    unsigned dropped[REASONS];
    void *last; /* state */
    void (*on_drop)(struct world *world, void *state, enum kith_cache_reason reason);
    void *extra;
    bool over; /* the cache was freed: no callback may follow */
};

static inline void world_drop(void *state, enum kith_cache_reason reason, void *userdata) {
    struct world *world = userdata;
    assert_false(world->over);
    world->dropped[reason]++;
    world->last = state;
    if (world->on_drop)
        world->on_drop(world, state, reason);
}

static inline int world_setup(void **state) {
    struct world *world = calloc(1, sizeof(*world));
    if (!world)
        return -1;
    world->fds_before = testing_fd_count();
    *state = world;
    return kith_loop_new(&world->loop);
}

static inline int world_teardown(void **state) {
    struct world *world = *state;
    kith_cache_free(world->cache);
    kith_loop_free(world->loop);
    int r = testing_fd_count() == world->fds_before ? 0 : -1;
    free(world);
    return r;
}

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

static inline void make_cache(struct world *world, const struct kith_cache_options *options) {
    assert_int_equal(kith_cache_new(world->loop, options, world_drop, world, &world->cache), 0);
}

static inline struct kith_cache_stats stats_of(const struct world *world) {
    struct kith_cache_stats stats;
    kith_cache_stats(world->cache, &stats);
    return stats;
}

/* Somebody of whom the kernel said these facts; exe NULL: not known. */
static inline kith_origin *origin_with(uid_t uid, enum kith_witness uid_witness, const char *exe, enum kith_witness exe_witness) {
    kith_origin *origin = NULL;
    assert_int_equal(kith_origin_new(&origin), 0);
    if (uid_witness != KITH_WITNESS_NONE)
        assert_int_equal(kith_origin_set_number(origin, KITH_FACT_UID, uid, uid_witness), 0);
    if (exe && exe_witness != KITH_WITNESS_NONE)
        assert_int_equal(kith_origin_set_text(origin, KITH_FACT_EXE, exe, exe_witness), 0);
    return origin;
}

/* As the messages of a process are. */
static inline kith_origin *origin_of(uid_t uid, const char *exe) {
    return origin_with(uid, KITH_WITNESS_KERNEL_MESSAGE, exe, KITH_WITNESS_KERNEL_CONNECT);
}

static inline struct kith_cache_key routing_id(const char *text) {
    struct kith_cache_key key;
    assert_int_equal(kith_cache_key_routing_id(text, strlen(text), &key), 0);
    return key;
}

static inline struct kith_cache_key proven(const char *text) {
    struct kith_cache_key key;
    assert_int_equal(kith_cache_key_proven(text, strlen(text), &key), 0);
    return key;
}

/* 0, or the error; what was taken must be n. */
static inline int take(struct world *world, struct kith_cache_key key, kith_origin *origin, uintptr_t n) {
    void *state = NULL;
    int r = kith_cache_take(world->cache, &key, origin, &state);
    assert_ptr_equal(state, r == 0 ? number(n) : NULL);
    return r;
}

static inline int put(struct world *world, struct kith_cache_key key, kith_origin *origin, uintptr_t n) {
    return kith_cache_put(world->cache, &key, origin, number(n), 100, 0);
}

KITH_DEFINE_CLEANUP(kith_origin *, kith_origin_unref)
#define _origin_ _cleanup_(kith_origin_unrefp) kith_origin *

#endif

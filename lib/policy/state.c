/* policy/state.c: see state.h. A bucket that is made is full; it is filled up when it is asked for, and at no other time. */
#include "policy/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/map.h"

struct bucket {
    struct kith_map_node node;
    struct kith_list order; /* in the state's: the first is the one asked for last */
    int64_t level;          /* tokens times KITH_RATE_TICKS, at most the burst; below 0: owed, no more than the largest burst */
    uint64_t ticks;         /* when it was filled up last */
    char key[];
};

struct kith_policy_state {
    struct kith_map buckets;
    struct kith_list order;
};

int kith_policy_state_new(kith_policy_state **ret_state) {
    if (!ret_state)
        return -EINVAL;
    kith_policy_state *state = (kith_policy_state *)calloc(1, sizeof(*state));
    if (!state)
        return -ENOMEM;
    kith_list_init(&state->order);
    *ret_state = state;
    return 0;
}

static void bucket_free(kith_policy_state *state, struct bucket *bucket) {
    kith_map_remove(&state->buckets, &bucket->node);
    kith_list_unlink(&bucket->order);
    free(bucket);
}

kith_policy_state *kith_policy_state_free(kith_policy_state *state) {
    if (!state)
        return NULL;
    while (!kith_list_empty(&state->order))
        bucket_free(state, kith_list_first(&state->order, struct bucket, order));
    kith_map_deinit(&state->buckets);
    free(state);
    return NULL;
}

static struct bucket *find(kith_policy_state *state, const void *key, size_t key_size) {
    struct kith_map_node *node = kith_map_find(&state->buckets, key, key_size);
    return node ? KITH_CONTAINER_OF(node, struct bucket, node) : NULL;
}

static int64_t full(const struct kith_bucket_shape *shape) {
    return (int64_t)(shape->burst * KITH_RATE_TICKS);
}

static struct bucket *make(kith_policy_state *state, const struct kith_bucket_shape *shape, const void *key, size_t key_size,
                           uint64_t ticks) {
    struct bucket *bucket = (struct bucket *)malloc(sizeof(*bucket) + key_size);
    if (!bucket)
        return NULL;
    *bucket = (struct bucket){.level = full(shape), .ticks = ticks};
    memcpy(bucket->key, key, key_size);
    if (kith_map_insert(&state->buckets, &bucket->node, bucket->key, key_size) < 0) {
        free(bucket);
        return NULL;
    }
    kith_list_push_front(&state->order, &bucket->order);
    if (state->buckets.count > KITH_BUCKETS_MAX)
        bucket_free(state, kith_list_entry(state->order.prev, struct bucket, order));
    return bucket;
}

/* What came since it was filled up last. */
static void fill(struct bucket *bucket, const struct kith_bucket_shape *shape, uint64_t ticks) {
    uint64_t passed = ticks > bucket->ticks ? ticks - bucket->ticks : 0;
    uint64_t missing = bucket->level < full(shape) ? (uint64_t)(full(shape) - bucket->level) : 0;

    bucket->ticks = ticks;
    if (passed > missing / shape->tokens)
        bucket->level = full(shape);
    else
        bucket->level += (int64_t)(passed * shape->tokens);
}

bool kith_bucket_has(kith_policy_state *state, const struct kith_bucket_shape *shape, const void *key, size_t key_size, uint64_t now,
                     bool any_rest) {
    uint64_t ticks = now / (shape->period_ns / KITH_RATE_TICKS);
    struct bucket *bucket = find(state, key, key_size);

    if (bucket) {
        fill(bucket, shape, ticks);
        kith_list_unlink(&bucket->order);
        kith_list_push_front(&state->order, &bucket->order);
    } else {
        bucket = make(state, shape, key, key_size, ticks);
    }
    return bucket && bucket->level >= (any_rest ? 1 : KITH_RATE_TICKS);
}

void kith_bucket_take(kith_policy_state *state, const void *key, size_t key_size, uint64_t tokens) {
    const int64_t least = -(int64_t)(KITH_RATE_TOKENS_MAX * KITH_RATE_TICKS);
    struct bucket *bucket = find(state, key, key_size);

    if (!bucket)
        return;
    /* Both are at most 2^40 * 10^6 < 2^60. */
    bucket->level -= (int64_t)((tokens < KITH_RATE_TOKENS_MAX ? tokens : KITH_RATE_TOKENS_MAX) * KITH_RATE_TICKS);
    if (bucket->level < least)
        bucket->level = least;
}

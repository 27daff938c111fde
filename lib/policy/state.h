/*
 * policy/state.h: what rates have counted, a token bucket each.
 *
 * A bucket is known by its key: the name of the rule, the rate as it was written, and the fact's value that it counts apart; so the
 * next policy finds those of rules that it has too. One that is not there is full. There are at most KITH_BUCKETS_MAX, in the order in
 * which they were last asked for; the one longest ago goes, which is the likeliest to be full again.
 *
 * A bucket's level is in tokens times KITH_RATE_TICKS, its time in ticks, KITH_RATE_TICKS to a period: so no part of a token is lost and
 * nothing overflows for tokens below 2^40.
 */
#ifndef KITH_POLICY_STATE_H
#define KITH_POLICY_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kith/policy.h>

#define KITH_BUCKETS_MAX 4096
#define KITH_RATE_TICKS 1000000
#define KITH_RATE_TOKENS_MAX (UINT64_C(1) << 40)

struct kith_bucket_shape {
    uint64_t tokens;    /* that come in a period, 1 to KITH_RATE_TOKENS_MAX */
    uint64_t burst;     /* that the bucket holds, likewise */
    uint64_t period_ns; /* a multiple of KITH_RATE_TICKS */
};

/* True when the bucket has at least one token, or, with any_rest, any part of one; false too when memory ran out for it. A clock that was
 * set back brings nothing. */
bool kith_bucket_has(kith_policy_state *state, const struct kith_bucket_shape *shape, const void *key, size_t key_size, uint64_t now,
                     bool any_rest);
/* Takes tokens from the bucket that has just been asked, more than there are as a debt. */
void kith_bucket_take(kith_policy_state *state, const void *key, size_t key_size, uint64_t tokens);

#endif

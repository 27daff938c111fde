/*
 * base/siphash.h: SipHash-1-3, a keyed hash for tables whose keys a peer may choose (Aumasson and Bernstein, "SipHash: a fast short-input
 * PRF", 2012; one round a word and three at the end, as tables need no more).
 */
#ifndef KITH_BASE_SIPHASH_H
#define KITH_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

/* data may be NULL when size is 0. */
uint64_t kith_siphash13(const uint64_t key[2], const void *data, size_t size);

#endif

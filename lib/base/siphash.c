/* base/siphash.c: SipHash-1-3. The state is four words; input enters as little-endian words, the last one holding the length. */
#include <endian.h>
#include <string.h>

#include "base/siphash.h"

static inline uint64_t rotate(uint64_t word, unsigned bits) {
    return word << bits | word >> (64 - bits);
}

static inline void sip_round(uint64_t v[4]) {
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static inline void absorb(uint64_t v[4], uint64_t word) {
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

uint64_t kith_siphash13(const uint64_t key[2], const void *data, size_t size) {
    const uint8_t *octets = data;
    /* "somepseudorandomlygeneratedbytes", the paper's constants */
    uint64_t v[4] = {key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d), key[0] ^ UINT64_C(0x6c7967656e657261),
                     key[1] ^ UINT64_C(0x7465646279746573)};
    uint64_t last = (uint64_t)size << 56;
    size_t rest = size;

    for (; rest >= 8; rest -= 8, octets += 8) {
        uint64_t word;
        memcpy(&word, octets, sizeof(word));
        absorb(v, le64toh(word));
    }
    for (size_t i = 0; i < rest; i++)
        last |= (uint64_t)octets[i] << (8 * i);
    absorb(v, last);

    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/*
 * zmtp/box.c: see box.h. The key stream of a box: 32 octets are the authenticator's key, those behind them are for the octets.
 */
#include "zmtp/box.h"

#include <sodium.h>
#include <string.h>

#define BLOCK 64
/* So much at a time: the least that libsodium computes with full vectors everywhere. */
#define STRIDE ((size_t)4 * BLOCK)
#define MAC_KEY_SIZE crypto_onetimeauth_poly1305_KEYBYTES

_Static_assert(KITH_ZMTP_BOX_KEY_SIZE == crypto_core_hsalsa20_KEYBYTES && KITH_ZMTP_BOX_KEY_SIZE == crypto_core_hsalsa20_OUTPUTBYTES &&
                   KITH_ZMTP_BOX_KEY_SIZE == crypto_stream_salsa20_KEYBYTES && KITH_ZMTP_BOX_KEY_SIZE == crypto_box_BEFORENMBYTES &&
                   KITH_ZMTP_BOX_PREFIX_SIZE == crypto_core_hsalsa20_INPUTBYTES &&
                   KITH_ZMTP_BOX_NONCE_SIZE == crypto_stream_salsa20_NONCEBYTES &&
                   KITH_ZMTP_BOX_MAC_SIZE == crypto_onetimeauth_poly1305_BYTES && KITH_ZMTP_BOX_MAC_SIZE == crypto_box_MACBYTES,
               "a box is made of these");

void kith_zmtp_box_key(uint8_t key[static KITH_ZMTP_BOX_KEY_SIZE], const uint8_t common[static KITH_ZMTP_BOX_KEY_SIZE],
                       const uint8_t prefix[static KITH_ZMTP_BOX_PREFIX_SIZE]) {
    crypto_core_hsalsa20(key, prefix, common, NULL);
}

/* The key stream from this block on. */
static void stream_fill(uint8_t stream[static STRIDE], const uint8_t *key, const uint8_t *nonce, uint64_t block) {
    memset(stream, 0, STRIDE);
    crypto_stream_salsa20_xor_ic(stream, stream, STRIDE, nonce, block, key);
}

static void add(uint8_t *octets, const uint8_t *stream, size_t size) {
    size_t i = 0;
    for (; size - i >= sizeof(uint64_t); i += sizeof(uint64_t)) {
        uint64_t a, b;
        memcpy(&a, octets + i, sizeof(a));
        memcpy(&b, stream + i, sizeof(b));
        a ^= b;
        memcpy(octets + i, &a, sizeof(a));
    }
    for (; i < size; i++)
        octets[i] ^= stream[i];
}

/* stream: its first STRIDE octets. */
static void crypt(const uint8_t *key, const uint8_t *nonce, uint8_t *octets, size_t size, const uint8_t stream[static STRIDE]) {
    const size_t front = size < STRIDE - MAC_KEY_SIZE ? size : STRIDE - MAC_KEY_SIZE;
    add(octets, stream + MAC_KEY_SIZE, front);
    const size_t rest = (size - front) % STRIDE, middle = size - front - rest;
    const uint64_t block = STRIDE / BLOCK;
    if (middle > 0)
        crypto_stream_salsa20_xor_ic(octets + front, octets + front, middle, nonce, block, key);
    if (rest > 0) {
        uint8_t last[STRIDE];
        stream_fill(last, key, nonce, block + middle / BLOCK);
        add(octets + front + middle, last, rest);
        sodium_memzero(last, sizeof(last));
    }
}

void kith_zmtp_box_close(const uint8_t key[static KITH_ZMTP_BOX_KEY_SIZE], const uint8_t nonce[static KITH_ZMTP_BOX_NONCE_SIZE],
                         uint8_t *octets, size_t size, uint8_t mac[static KITH_ZMTP_BOX_MAC_SIZE]) {
    uint8_t stream[STRIDE];
    stream_fill(stream, key, nonce, 0);
    crypt(key, nonce, octets, size, stream);
    crypto_onetimeauth_poly1305(mac, octets, size, stream);
    sodium_memzero(stream, sizeof(stream));
}

bool kith_zmtp_box_open(const uint8_t key[static KITH_ZMTP_BOX_KEY_SIZE], const uint8_t nonce[static KITH_ZMTP_BOX_NONCE_SIZE],
                        uint8_t *octets, size_t size, const uint8_t mac[static KITH_ZMTP_BOX_MAC_SIZE]) {
    uint8_t stream[STRIDE];
    stream_fill(stream, key, nonce, 0);
    const bool right = crypto_onetimeauth_poly1305_verify(mac, octets, size, stream) == 0;
    if (right)
        crypt(key, nonce, octets, size, stream);
    sodium_memzero(stream, sizeof(stream));
    return right;
}

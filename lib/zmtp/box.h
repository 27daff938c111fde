/*
 * zmtp/box.h: the boxes of CURVE's traffic (RFC 26: crypto_box, which is XSalsa20 and Poly1305), put together of libsodium's parts.
 *
 * Of a box's nonce the first 16 octets are the same for all frames of a direction. XSalsa20 makes a key of them and of the common key, and
 * goes on with that and the last 8 octets as Salsa20: so that key is computed once. And libsodium's Salsa20 computes 4 or 8 blocks of 64
 * octets at a time, or else each block by itself for the price of 4: what is no multiple of that takes the way round by a key stream in
 * memory of our own. Octet for octet what crypto_box_detached_afternm() makes, in less time: 65 octets 0.71 -> 0.38 us, 1,025 octets 2.1 ->
 * 1.4, opening them 0.94 -> 0.39 and 2.3 -> 1.5; from some KiB on it makes no difference.
 */
#ifndef KITH_ZMTP_BOX_H
#define KITH_ZMTP_BOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KITH_ZMTP_BOX_KEY_SIZE 32
#define KITH_ZMTP_BOX_PREFIX_SIZE 16
#define KITH_ZMTP_BOX_NONCE_SIZE 8
#define KITH_ZMTP_BOX_MAC_SIZE 16

/* common: of crypto_box_beforenm(); prefix: the part of the nonces that stays. */
void kith_zmtp_box_key(uint8_t key[static KITH_ZMTP_BOX_KEY_SIZE], const uint8_t common[static KITH_ZMTP_BOX_KEY_SIZE],
                       const uint8_t prefix[static KITH_ZMTP_BOX_PREFIX_SIZE]);
/* Encrypts octets where they lie. nonce: the part that changes, never the same twice with one key. */
void kith_zmtp_box_close(const uint8_t key[static KITH_ZMTP_BOX_KEY_SIZE], const uint8_t nonce[static KITH_ZMTP_BOX_NONCE_SIZE],
                         uint8_t *octets, size_t size, uint8_t mac[static KITH_ZMTP_BOX_MAC_SIZE]);
/* Decrypts them where they lie. False: the authenticator is wrong; the octets are as they were. */
bool kith_zmtp_box_open(const uint8_t key[static KITH_ZMTP_BOX_KEY_SIZE], const uint8_t nonce[static KITH_ZMTP_BOX_NONCE_SIZE],
                        uint8_t *octets, size_t size, const uint8_t mac[static KITH_ZMTP_BOX_MAC_SIZE]);

#endif

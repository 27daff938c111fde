/* zmtp/curve.h: what CURVE's handshake (curve.c) and its traffic (seal.c) share. */
#ifndef KITH_ZMTP_CURVE_H
#define KITH_ZMTP_CURVE_H

#include <stdint.h>

/* RFC 26: the end of a nonce that is sent, big endian; its beginning is fixed by the kind of box. */
#define KITH_ZMTP_SHORT_NONCE_SIZE 8

static inline void kith_zmtp_short_nonce_write(uint64_t number, uint8_t *to) {
    for (int i = 0; i < KITH_ZMTP_SHORT_NONCE_SIZE; i++)
        to[i] = (uint8_t)(number >> (56 - 8 * i));
}

static inline uint64_t kith_zmtp_short_nonce_read(const uint8_t *from) {
    uint64_t number = 0;
    for (int i = 0; i < KITH_ZMTP_SHORT_NONCE_SIZE; i++)
        number = number << 8 | from[i];
    return number;
}

#endif

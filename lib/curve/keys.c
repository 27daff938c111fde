/* curve/keys.c: pairs of keys, by libsodium. */
#include <errno.h>
#include <sodium.h>

#include <kith/curve.h>

_Static_assert(KITH_CURVE_KEY_SIZE == crypto_box_PUBLICKEYBYTES && KITH_CURVE_KEY_SIZE == crypto_box_SECRETKEYBYTES, "RFC 26");

int kith_curve_keypair(uint8_t ret_public[KITH_CURVE_KEY_SIZE], uint8_t ret_secret[KITH_CURVE_KEY_SIZE]) {
    if (sodium_init() < 0)
        return -ENOSYS;
    crypto_box_keypair(ret_public, ret_secret);
    return 0;
}

void kith_curve_public_key(const uint8_t secret[KITH_CURVE_KEY_SIZE], uint8_t ret_public[KITH_CURVE_KEY_SIZE]) {
    crypto_scalarmult_base(ret_public, secret);
}

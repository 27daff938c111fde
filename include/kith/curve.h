/*
 * kith/curve.h: keys of the security mechanism CURVE (RFC 26) and their form as text, Z85 (RFC 32).
 *
 * A key pair is 32 octets that are told and 32 that are kept. Whoever has the secret key is who the public key stands for, so wipe copies
 * of it when they are of no more use (explicit_bzero(3)). As text each half is 40 characters, none of which is a quote, a backslash or a
 * blank.
 *
 * All functions may be called from any thread.
 */
#ifndef KITH_CURVE_H
#define KITH_CURVE_H

#include <stddef.h>
#include <stdint.h>

#include <kith/error.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KITH_CURVE_KEY_SIZE 32
/* A key in Z85, with its NUL. */
#define KITH_CURVE_TEXT_SIZE 41

/* Makes a pair from the kernel's randomness (getrandom(2)); waits for it on a host that has just booted. Errors: -ENOSYS (there is none).
 */
KITH_PUBLIC int kith_curve_keypair(uint8_t ret_public[KITH_CURVE_KEY_SIZE], uint8_t ret_secret[KITH_CURVE_KEY_SIZE]);
/* The public key that belongs to a secret one. Any 32 octets are a secret key. */
KITH_PUBLIC void kith_curve_public_key(const uint8_t secret[KITH_CURVE_KEY_SIZE], uint8_t ret_public[KITH_CURVE_KEY_SIZE]);

/* Writes `size` octets as size / 4 * 5 characters and a NUL: text has room for `room` octets. Errors: -EINVAL (size is no multiple of 4),
 * -ENOBUFS. */
KITH_PUBLIC int kith_z85_encode(const void *data, size_t size, char *text, size_t room);
/* Reads `length` characters as length / 5 * 4 octets. Errors: -EINVAL (length is no multiple of 5, a character that is none of Z85's, five
 * that stand for more than 32 bits), -ENOBUFS. What was written by then is not to be used. */
KITH_PUBLIC int kith_z85_decode(const char *text, size_t length, void *data, size_t room);

#ifdef __cplusplus
}
#endif
#endif

/*
 * cli/wiretest/curve.h: the client's side of CurveZMQ (RFC 26) by hand, each command made apart, so that a case can spoil one field of it.
 *
 * The boxes are libsodium's (crypto_box, as the RFC wants). Keys are 32 octets.
 */
#ifndef KITH_CLI_WIRETEST_CURVE_H
#define KITH_CLI_WIRETEST_CURVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CURVE_KEY 32
#define CURVE_HELLO 200
#define CURVE_WELCOME 168
#define CURVE_INITIATE_LEAST 257
#define CURVE_READY_LEAST 30

struct wire_frame;
struct wire_metadata;
struct wire_curve;

/* A connection's keys: the server's permanent public key, and ours: a secret one, or NULL for a pair of this connection only. Errors:
 * -ENOMEM, -EIO (no random octets). */
int wire_curve_new(const uint8_t server_key[static CURVE_KEY], const uint8_t *secret_key, struct wire_curve **ret_curve);
struct wire_curve *wire_curve_free(struct wire_curve *curve);

void wire_curve_hello(struct wire_curve *curve, uint8_t body[static CURVE_HELLO]);
/* Errors: -EPROTO (not a WELCOME that the server's key has sealed). */
int wire_curve_welcome(struct wire_curve *curve, const uint8_t *body, size_t size);
/* Returns the size. `room` holds at least CURVE_INITIATE_LEAST and the metadata. */
size_t wire_curve_initiate(struct wire_curve *curve, const struct wire_metadata *metadata, uint8_t *body);
/* Unseals READY's metadata in place: *ret_metadata points into body. Errors: -EPROTO. */
int wire_curve_ready(struct wire_curve *curve, uint8_t *body, size_t size, const uint8_t **ret_metadata, size_t *ret_size);

/* A MESSAGE's body. Errors: -EMSGSIZE (*size, the room, is too small). */
int wire_curve_seal(struct wire_curve *curve, unsigned flags, const void *data, size_t data_size, uint8_t *body, size_t *size);
/* The frame's MESSAGE becomes what is in it. Errors: -EPROTO. */
int wire_curve_unseal(struct wire_curve *curve, struct wire_frame *frame);
/* The next MESSAGE is sealed with the nonce of the last one. */
void wire_curve_repeat_nonce(struct wire_curve *curve);
/* Claims another permanent key than the one whose secret is known: the vouch does not fit. */
void wire_curve_claim(struct wire_curve *curve, const uint8_t public_key[static CURVE_KEY]);
/* The cookie that the server gave. */
const uint8_t *wire_curve_cookie(const struct wire_curve *curve, size_t *ret_size);

#endif

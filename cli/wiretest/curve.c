/* cli/wiretest/curve.c: see curve.h. */
#include "cli/wiretest/curve.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/wiretest/wire.h"

#define MAC crypto_box_MACBYTES
#define NONCE crypto_box_NONCEBYTES
#define SHORT_NONCE 8
#define LONG_NONCE 16
#define COOKIE 96

struct wire_curve {
    uint8_t server[CURVE_KEY];                                 /* S */
    uint8_t public_key[CURVE_KEY], secret_key[CURVE_KEY];      /* C, c */
    uint8_t transient[CURVE_KEY], transient_secret[CURVE_KEY]; /* C', c' */
    uint8_t server_transient[CURVE_KEY];                       /* S' */
    uint8_t cookie[COOKIE];
    uint64_t nonce; /* the last one that we used */
};

KITH_DEFINE_CLEANUP(struct wire_curve *, wire_curve_free)

/* Keys and nonces ----------------------------------------------------------------------------------------------------------- */

int wire_curve_new(const uint8_t server_key[static CURVE_KEY], const uint8_t *secret_key, struct wire_curve **ret_curve) {
    if (sodium_init() < 0)
        return -EIO;
    _cleanup_(wire_curve_freep) struct wire_curve *curve = calloc(1, sizeof(*curve));
    if (!curve)
        return -ENOMEM;
    memcpy(curve->server, server_key, CURVE_KEY);
    if (secret_key)
        memcpy(curve->secret_key, secret_key, CURVE_KEY);
    else
        randombytes_buf(curve->secret_key, CURVE_KEY);
    crypto_scalarmult_base(curve->public_key, curve->secret_key);
    crypto_box_keypair(curve->transient, curve->transient_secret);
    *ret_curve = KITH_STEAL(curve);
    return 0;
}

struct wire_curve *wire_curve_free(struct wire_curve *curve) {
    if (curve)
        sodium_memzero(curve, sizeof(*curve));
    free(curve);
    return NULL;
}

/* A whole nonce is a prefix and what was sent of it: 8 octets after 16 characters, or 16 after 8. */
static void make_nonce(uint8_t nonce[static NONCE], const char *prefix, const uint8_t *sent) {
    const size_t size = strlen(prefix);
    memcpy(nonce, prefix, size);
    memcpy(nonce + size, sent, NONCE - size);
}

/* Writes our next short nonce to `place` and makes the whole one of it. */
static void next_nonce(struct wire_curve *curve, const char *prefix, uint8_t *place, uint8_t nonce[static NONCE]) {
    curve->nonce++;
    for (size_t i = 0; i < SHORT_NONCE; i++)
        place[i] = (uint8_t)(curve->nonce >> (56 - 8 * i));
    make_nonce(nonce, prefix, place);
}

/* A peer may have told a key with which nothing can be sealed. It gets zeros then, which it cannot open: the case fails as it should. */
static void seal(uint8_t *box, const uint8_t *data, size_t size, const uint8_t *nonce, const uint8_t *to, const uint8_t *from) {
    if (crypto_box_easy(box, data, size, nonce, to, from) != 0)
        memset(box, 0, size + MAC);
}

void wire_curve_repeat_nonce(struct wire_curve *curve) {
    curve->nonce--;
}

void wire_curve_claim(struct wire_curve *curve, const uint8_t public_key[static CURVE_KEY]) {
    memcpy(curve->public_key, public_key, CURVE_KEY);
}

const uint8_t *wire_curve_cookie(const struct wire_curve *curve, size_t *ret_size) {
    *ret_size = sizeof(curve->cookie);
    return curve->cookie;
}

/* Handshake ------------------------------------------------------------------------------------------------------------------ */

void wire_curve_hello(struct wire_curve *curve, uint8_t body[static CURVE_HELLO]) {
    static const uint8_t zeros[64];
    uint8_t nonce[NONCE];
    memset(body, 0, CURVE_HELLO);
    memcpy(body, "\x05HELLO\x01", 7);
    memcpy(body + 80, curve->transient, CURVE_KEY);
    next_nonce(curve, "CurveZMQHELLO---", body + 112, nonce);
    seal(body + 120, zeros, sizeof(zeros), nonce, curve->server, curve->transient_secret);
}

int wire_curve_welcome(struct wire_curve *curve, const uint8_t *body, size_t size) {
    uint8_t nonce[NONCE], inside[CURVE_KEY + COOKIE];
    if (size != CURVE_WELCOME || memcmp(body, "\x07WELCOME", 8) != 0)
        return -EPROTO;
    make_nonce(nonce, "WELCOME-", body + 8);
    if (crypto_box_open_easy(inside, body + 8 + LONG_NONCE, sizeof(inside) + MAC, nonce, curve->server, curve->transient_secret) != 0)
        return -EPROTO;
    memcpy(curve->server_transient, inside, CURVE_KEY);
    memcpy(curve->cookie, inside + CURVE_KEY, COOKIE);
    return 0;
}

size_t wire_curve_initiate(struct wire_curve *curve, const struct wire_metadata *metadata, uint8_t *body) {
    uint8_t nonce[NONCE], vouch[2 * CURVE_KEY], inside[CURVE_KEY + LONG_NONCE + sizeof(vouch) + MAC + sizeof(metadata->data)];
    memcpy(body, "\x08INITIATE", 9);
    memcpy(body + 9, curve->cookie, COOKIE);

    memcpy(inside, curve->public_key, CURVE_KEY);
    randombytes_buf(inside + CURVE_KEY, LONG_NONCE);
    make_nonce(nonce, "VOUCH---", inside + CURVE_KEY);
    memcpy(vouch, curve->transient, CURVE_KEY);
    memcpy(vouch + CURVE_KEY, curve->server, CURVE_KEY);
    seal(inside + CURVE_KEY + LONG_NONCE, vouch, sizeof(vouch), nonce, curve->server_transient, curve->secret_key);
    const size_t vouched = CURVE_KEY + LONG_NONCE + sizeof(vouch) + MAC;
    memcpy(inside + vouched, metadata->data, metadata->size);

    next_nonce(curve, "CurveZMQINITIATE", body + 9 + COOKIE, nonce);
    seal(body + 9 + COOKIE + SHORT_NONCE, inside, vouched + metadata->size, nonce, curve->server_transient, curve->transient_secret);
    return 9 + COOKIE + SHORT_NONCE + MAC + vouched + metadata->size;
}

int wire_curve_ready(struct wire_curve *curve, uint8_t *body, size_t size, const uint8_t **ret_metadata, size_t *ret_size) {
    uint8_t nonce[NONCE];
    if (size < CURVE_READY_LEAST || memcmp(body, "\x05READY", 6) != 0)
        return -EPROTO;
    make_nonce(nonce, "CurveZMQREADY---", body + 6);
    uint8_t *box = body + 6 + SHORT_NONCE;
    const size_t box_size = size - 6 - SHORT_NONCE;
    if (crypto_box_open_easy(box, box, box_size, nonce, curve->server_transient, curve->transient_secret) != 0)
        return -EPROTO;
    *ret_metadata = box;
    *ret_size = box_size - MAC;
    return 0;
}

/* Traffic -------------------------------------------------------------------------------------------------------------------- */

#define MESSAGE_NAME 8
#define MESSAGE_BEFORE (MESSAGE_NAME + SHORT_NONCE)
/* Flags within the box (RFC 26): MORE as on the wire, COMMAND one bit lower. */
#define INNER_COMMAND 2

int wire_curve_seal(struct wire_curve *curve, unsigned flags, const void *data, size_t data_size, uint8_t *body, size_t *size) {
    uint8_t nonce[NONCE];
    if (*size < MESSAGE_BEFORE + MAC + 1 || *size - MESSAGE_BEFORE - MAC - 1 < data_size)
        return -EMSGSIZE;
    uint8_t *inside = body + MESSAGE_BEFORE;
    memcpy(body, "\x07MESSAGE", MESSAGE_NAME);
    next_nonce(curve, "CurveZMQMESSAGEC", body + MESSAGE_NAME, nonce);
    inside[0] = (uint8_t)((flags & WIRE_MORE) | (flags & WIRE_COMMAND ? INNER_COMMAND : 0));
    if (data_size > 0)
        memcpy(inside + 1, data, data_size);
    seal(inside, inside, 1 + data_size, nonce, curve->server_transient, curve->transient_secret);
    *size = MESSAGE_BEFORE + MAC + 1 + data_size;
    return 0;
}

int wire_curve_unseal(struct wire_curve *curve, struct wire_frame *frame) {
    uint8_t nonce[NONCE];
    if (frame->size < MESSAGE_BEFORE + MAC + 1 || memcmp(frame->body, "\x07MESSAGE", MESSAGE_NAME) != 0)
        return -EPROTO;
    make_nonce(nonce, "CurveZMQMESSAGES", frame->body + MESSAGE_NAME);
    uint8_t *inside = frame->body + MESSAGE_BEFORE;
    const size_t size = frame->size - MESSAGE_BEFORE;
    if (crypto_box_open_easy(inside, inside, size, nonce, curve->server_transient, curve->transient_secret) != 0)
        return -EPROTO;
    frame->flags = (inside[0] & WIRE_MORE) | (inside[0] & INNER_COMMAND ? WIRE_COMMAND : 0);
    frame->size = size - MAC - 1;
    memmove(frame->body, inside + 1, frame->size);
    return 0;
}

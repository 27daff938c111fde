/*
 * zmtp/test-curve.h: a CURVE peer made by hand from RFC 26, with NaCl's first interface (crypto_box() and its 32 zeros), so that engine and
 * test share neither code nor reading. It can do wrong what a hostile peer does.
 */
#ifndef KITH_ZMTP_TEST_CURVE_H
#define KITH_ZMTP_TEST_CURVE_H

#include <sodium.h>

#include "zmtp/test-transcript.h"

#define GREETING_CURVE GREETING_WITH("0301", MECHANISM_CURVE)
#define TYPE_DEALER                                                                                                                        \
    "\x0bSocket-Type\0\0\0\x06"                                                                                                            \
    "DEALER"

struct pair {
    uint8_t public_key[32], secret_key[32];
};

static struct pair pair_client, pair_server, pair_other;

static inline int curve_keys(void **state) {
    CHECK(sodium_init() >= 0);
    crypto_box_keypair(pair_client.public_key, pair_client.secret_key);
    crypto_box_keypair(pair_server.public_key, pair_server.secret_key);
    crypto_box_keypair(pair_other.public_key, pair_other.secret_key);
    return 0;
}

static inline struct kith_zmtp_options curve_client(void) {
    return (struct kith_zmtp_options){.socket_type = "DEALER",
                                      .max_frame = 1024 * 1024,
                                      .security = KITH_ZMTP_SECURITY_CURVE,
                                      .secret_key = pair_client.secret_key,
                                      .public_key = pair_client.public_key,
                                      .server_key = pair_server.public_key};
}

/* It makes its public key from the secret one. */
static inline struct kith_zmtp_options curve_server(void) {
    return (struct kith_zmtp_options){.socket_type = "DEALER",
                                      .max_frame = 1024 * 1024,
                                      .security = KITH_ZMTP_SECURITY_CURVE,
                                      .as_server = true,
                                      .secret_key = pair_server.secret_key};
}

/* By hand ---------------------------------------------------------------------------------------------------------------- */

static inline void hand_nonce(uint8_t nonce[24], const char *prefix, const void *rest) {
    memcpy(nonce, prefix, strlen(prefix));
    memcpy(nonce + strlen(prefix), rest, 24 - strlen(prefix));
}

/* Adds Box[plain](secret_key -> public_key). */
static inline void hand_box(struct octets *to, const char *prefix, const void *rest, const void *plain, size_t size,
                            const uint8_t *public_key, const uint8_t *secret_key) {
    uint8_t nonce[24], *m = calloc(1, 32 + size), *c = calloc(1, 32 + size);
    CHECK(m && c);
    hand_nonce(nonce, prefix, rest);
    memcpy(m + 32, plain, size);
    CHECK(crypto_box(c, m, 32 + size, nonce, public_key, secret_key) == 0);
    octets_add(to, c + 16, 16 + size);
    free(m);
    free(c);
}

/* Opens Box[plain] of `size` octets with its authenticator; plain has room for size - 16. */
static inline bool hand_open(void *plain, const char *prefix, const void *rest, const void *box, size_t size, const uint8_t *public_key,
                             const uint8_t *secret_key) {
    uint8_t nonce[24], *m = calloc(1, 16 + size), *c = calloc(1, 16 + size);
    CHECK(m && c);
    hand_nonce(nonce, prefix, rest);
    memcpy(c + 16, box, size);
    bool opened = crypto_box_open(m, c, 16 + size, nonce, public_key, secret_key) == 0;
    if (opened)
        memcpy(plain, m + 32, size - 16);
    free(m);
    free(c);
    return opened;
}

static inline void hand_number(uint8_t to[8], uint64_t number) {
    for (int i = 7; i >= 0; i--, number >>= 8)
        to[i] = (uint8_t)number;
}

static inline void hand_frame(struct octets *to, uint8_t flags, const void *body, size_t size) {
    uint8_t header[9] = {flags, (uint8_t)size};
    if (size > 255)
        header[0] |= 2;
    if (size > 255)
        hand_number(header + 1, size);
    octets_add(to, header, size > 255 ? 9 : 2);
    octets_add(to, body, size);
}

struct hand {
    struct pair transient;
    uint8_t peer_transient[32];
    uint8_t cookie[96];
    uint64_t number;
};

/* What is done wrong. */
enum fault {
    FAULT_NONE,
    FAULT_OTHER_SERVER_KEY, /* HELLO for another server */
    FAULT_OTHER_SIGNATURE,  /* HELLO's box holds other octets than zeros */
    FAULT_VERSION,
    FAULT_SHORT_HELLO,
    FAULT_COOKIE,    /* changed */
    FAULT_NUMBER,    /* that of HELLO once more */
    FAULT_TRANSIENT, /* INITIATE by another transient key */
    FAULT_VOUCH_FOR_ANOTHER_TRANSIENT,
    FAULT_VOUCH_FOR_ANOTHER_SERVER,
    FAULT_VOUCH_BY_ANOTHER_KEY, /* a client's public key, without its secret one */
    FAULT_SHORT_INITIATE,
    FAULT_METADATA,
    FAULT_TYPE,
};

static inline void hand_hello(struct hand *hand, enum fault fault, struct octets *to) {
    static const uint8_t zeros[72], ones[64] = {1};
    struct octets body = {0};
    uint8_t number[8];
    crypto_box_keypair(hand->transient.public_key, hand->transient.secret_key);
    hand_number(number, hand->number = 7);
    octets_add(&body, "\x05HELLO", 6);
    octets_add(&body, fault == FAULT_VERSION ? "\x02\0" : "\x01\0", 2);
    octets_add(&body, zeros, 72);
    octets_add(&body, hand->transient.public_key, 32);
    octets_add(&body, number, 8);
    hand_box(&body, "CurveZMQHELLO---", number, fault == FAULT_OTHER_SIGNATURE ? ones : zeros, 64,
             fault == FAULT_OTHER_SERVER_KEY ? pair_other.public_key : pair_server.public_key, hand->transient.secret_key);
    CHECK(body.size == 200);
    hand_frame(to, 4, body.data, fault == FAULT_SHORT_HELLO ? 199 : 200);
    octets_clear(&body);
}

/* The body of WELCOME. */
static inline void hand_take_welcome(struct hand *hand, const uint8_t *body, size_t size) {
    uint8_t inside[128];
    CHECK(size == 168 && memcmp(body, "\x07WELCOME", 8) == 0);
    CHECK(hand_open(inside, "WELCOME-", body + 8, body + 24, 144, pair_server.public_key, hand->transient.secret_key));
    memcpy(hand->peer_transient, inside, 32);
    memcpy(hand->cookie, inside + 32, 96);
}

static inline void hand_vouch(const struct hand *hand, enum fault fault, struct octets *to) {
    uint8_t plain[64], nonce[16];
    memcpy(plain, fault == FAULT_VOUCH_FOR_ANOTHER_TRANSIENT ? pair_other.public_key : hand->transient.public_key, 32);
    memcpy(plain + 32, fault == FAULT_VOUCH_FOR_ANOTHER_SERVER ? pair_other.public_key : pair_server.public_key, 32);
    randombytes_buf(nonce, sizeof(nonce));
    octets_add(to, nonce, 16);
    hand_box(to, "VOUCH---", nonce, plain, 64, hand->peer_transient,
             fault == FAULT_VOUCH_BY_ANOTHER_KEY ? pair_other.secret_key : pair_client.secret_key);
}

static inline void hand_initiate(struct hand *hand, enum fault fault, struct octets *to) {
    struct octets body = {0}, inside = {0};
    uint8_t number[8];
    hand_number(number, fault == FAULT_NUMBER ? hand->number : ++hand->number);
    octets_add(&body, "\x08INITIATE", 9);
    octets_add(&body, hand->cookie, 96);
    if (fault == FAULT_COOKIE)
        body.data[9 + 50] ^= 1;
    octets_add(&body, number, 8);
    octets_add(&inside, pair_client.public_key, 32);
    hand_vouch(hand, fault, &inside);
    octets_add(&inside,
               fault == FAULT_TYPE ? "\x0bSocket-Type\0\0\0\x03"
                                     "PUB"
                                   : TYPE_DEALER,
               fault == FAULT_TYPE ? 19 : 22);
    hand_box(&body, "CurveZMQINITIATE", number, inside.data, inside.size - (fault == FAULT_METADATA), hand->peer_transient,
             fault == FAULT_TRANSIENT ? pair_other.secret_key : hand->transient.secret_key);
    hand_frame(to, 4, body.data, fault == FAULT_SHORT_INITIATE ? 256 : body.size);
    octets_clear(&inside);
    octets_clear(&body);
}

/* READY's body; its metadata go to *to. */
static inline void hand_take_ready(const struct hand *hand, const uint8_t *body, size_t size, struct octets *to) {
    uint8_t metadata[256];
    CHECK(size >= 30 && size < sizeof(metadata) && memcmp(body, "\x05READY", 6) == 0);
    CHECK(hand_open(metadata, "CurveZMQREADY---", body + 6, body + 14, size - 14, hand->peer_transient, hand->transient.secret_key));
    octets_add(to, metadata, size - 30);
}

/* MESSAGE with any octets inside, the flags first. */
static inline void hand_message(struct hand *hand, bool from_server, const void *inside, size_t size, struct octets *to) {
    struct octets body = {0};
    uint8_t number[8];
    hand_number(number, ++hand->number);
    octets_add(&body, "\x07MESSAGE", 8);
    octets_add(&body, number, 8);
    hand_box(&body, from_server ? "CurveZMQMESSAGES" : "CurveZMQMESSAGEC", number, inside, size, hand->peer_transient,
             hand->transient.secret_key);
    hand_frame(to, 0, body.data, body.size);
    octets_clear(&body);
}

/* Feeds a server's engine with a client's handshake up to INITIATE, made with one fault. */
static inline void hand_connect(struct hand *hand, struct subject *server, enum fault fault) {
    struct octets octets = {0};
    *hand = (struct hand){0};
    octets_add_hex(&octets, GREETING_CURVE);
    hand_hello(hand, fault, &octets);
    subject_feed(server, octets.data, octets.size);
    octets.size = 0;
    if (kith_zmtp_state(server->engine) == KITH_ZMTP_STATE_HANDSHAKE) {
        CHECK(server->sent.size == 64 + 2 + 168);
        hand_take_welcome(hand, server->sent.data + 66, 168);
        hand_initiate(hand, fault, &octets);
        subject_feed(server, octets.data, octets.size);
    }
    octets_clear(&octets);
}

#endif

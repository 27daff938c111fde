/*
 * fuzz-zmtp-secure.c: PLAIN and CURVE, both roles, in the handshake and behind it. As in fuzz-zmtp.c two engines get the same octets in
 * different pieces and must tell the same; every call is checked against the contract by zmtp/test-transcript.h.
 *
 * Input: a setup octet, one that says where the peer's handshake is damaged, a seed of the pieces, then what the peer sends.
 *     setup, bit 0: CURVE   1: the engine is the server   2: the peer's handshake is whole   3: what follows is sealed by the peer
 *            4: the owner says 400   5: the owner says nothing   6: output is never taken
 *
 * Random octets are the same for both engines, so that all that they send can be compared too.
 */
#include <sodium.h>

#include "zmtp/engine.h"
#include "zmtp/test-transcript.h"

#include "fuzz.h"

#define SETUP_SIZE 3
#define SETUP_CURVE 0x01
#define SETUP_SERVER 0x02
#define SETUP_WHOLE 0x04
#define SETUP_SEALED 0x08
#define SETUP_REFUSE 0x10
#define SETUP_SILENT 0x20
#define SETUP_UNREAD 0x40

#define MAX_FRAME 4096

static uint32_t dice;

static const char *dice_name(void) {
    return "dice";
}

static uint32_t dice_random(void) {
    return dice = dice * 1103515245 + 12345;
}

static void dice_buf(void *buffer, const size_t size) {
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)buffer)[i] = (uint8_t)(dice_random() >> 16);
}

static struct randombytes_implementation dice_implementation = {.implementation_name = dice_name, .random = dice_random, .buf = dice_buf};

static struct { uint8_t public_key[32], secret_key[32]; } client_pair, server_pair;

static void make_keys(void) {
    static bool made;
    if (made)
        return;
    CHECK(randombytes_set_implementation(&dice_implementation) == 0 && sodium_init() >= 0);
    crypto_box_keypair(client_pair.public_key, client_pair.secret_key);
    crypto_box_keypair(server_pair.public_key, server_pair.secret_key);
    made = true;
}

static struct kith_zmtp_options side(uint8_t setup, bool server) {
    struct kith_zmtp_options options = {.socket_type = "DEALER", .max_frame = MAX_FRAME, .as_server = server};
    if (setup & SETUP_CURVE) {
        options.security = KITH_ZMTP_SECURITY_CURVE;
        options.secret_key = server ? server_pair.secret_key : client_pair.secret_key;
        options.server_key = server_pair.public_key;
    } else {
        options.security = KITH_ZMTP_SECURITY_PLAIN;
        options.username = options.password = client_pair.public_key;
        options.username_size = options.password_size = 9;
    }
    return options;
}

/* Pieces of 1 to 8 octets mostly, at times up to 512: as a seed says; whole with 0. */
static void feed(struct subject *subject, const uint8_t *data, size_t size, uint32_t seed) {
    while (size > 0) {
        size_t piece = size;
        if (seed != 0) {
            seed = seed * 1103515245 + 12345;
            piece = 1 + ((seed >> 16 & 15) == 0 ? seed >> 20 & 511 : seed >> 20 & 7);
            piece = piece < size ? piece : size;
        }
        subject_feed(subject, data, piece);
        data += piece;
        size -= piece;
    }
}

/* The peer and the engine greet each other and go through the handshake, in which one octet of the peer's may be changed. */
static void shake_hands(struct subject *subject, struct subject *peer, const uint8_t *setup, uint32_t seed) {
    size_t fed = 0, heard = 0;
    const size_t damaged = setup[0] & SETUP_WHOLE ? SIZE_MAX : (size_t)setup[1] * 2;
    subject_fetch(peer);
    subject_fetch(subject);
    for (int round = 0; round < 4; round++) {
        if (damaged >= fed && damaged < peer->sent.size)
            peer->sent.data[damaged] ^= (uint8_t)(setup[2] | 1);
        feed(subject, peer->sent.data + fed, peer->sent.size - fed, seed);
        fed = peer->sent.size;
        subject_feed(peer, subject->sent.data + heard, subject->sent.size - heard);
        heard = subject->sent.size;
    }
}

/* Chunks of the input, each with its size in front, in seals of the peer's: its first octet are the flags inside. */
static void seal(struct kith_zmtp *peer, const uint8_t *data, size_t size, struct octets *to) {
    while (peer->seal && size > 1) {
        uint8_t frame[KITH_ZMTP_HEADER_MAX + KITH_ZMTP_SEAL_SIZE + 255];
        size_t chunk = data[0] < size - 1 ? data[0] : size - 1;
        const uint8_t *inside = data + 1;
        data += 1 + chunk;
        size -= 1 + chunk;
        if (chunk == 0)
            continue;
        uint8_t *room = frame + kith_zmtp_header_write(frame, KITH_ZMTP_SEAL_SIZE - 1 + chunk, 0);
        memcpy(room + KITH_ZMTP_SEAL_SIZE, inside + 1, chunk - 1);
        kith_zmtp_seal_close(peer->seal, room, inside[0], chunk - 1);
        octets_add(to, frame, (size_t)(room - frame) + KITH_ZMTP_SEAL_SIZE - 1 + chunk);
    }
}

static void run(struct subject *subject, const uint8_t *data, size_t size, uint32_t seed) {
    const bool server = data[0] & SETUP_SERVER;
    struct kith_zmtp_options ours = side(data[0], server), theirs = side(data[0], !server);
    struct subject peer;
    struct octets octets = {0};
    dice = 1;
    subject_init(subject, &ours, DECISION_ACCEPT);
    subject_init(&peer, &theirs, DECISION_ACCEPT);
    subject->status = data[0] & SETUP_SILENT ? 0 : data[0] & SETUP_REFUSE ? 400 : 200;
    shake_hands(subject, &peer, data, seed);
    subject->unread = data[0] & SETUP_UNREAD;
    if (data[0] & SETUP_SEALED)
        seal(peer.engine, data + SETUP_SIZE, size - SETUP_SIZE, &octets);
    else
        octets_add(&octets, data + SETUP_SIZE, size - SETUP_SIZE);
    feed(subject, octets.data, octets.size, seed);
    octets_clear(&octets);
    subject_deinit(&peer);
}

static void compare(const struct octets *a, const struct octets *b) {
    CHECK(a->size == b->size);
    CHECK(a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < SETUP_SIZE)
        return 0;
    make_keys();
    struct subject whole, pieces;
    run(&whole, data, size, 0);
    run(&pieces, data, size, data[2] + 1U);
    compare(&whole.text, &pieces.text);
    compare(&whole.sent, &pieces.sent);
    compare(&whole.body, &pieces.body);
    CHECK(kith_zmtp_state(whole.engine) == kith_zmtp_state(pieces.engine));
    CHECK(kith_zmtp_mid_message(whole.engine) == kith_zmtp_mid_message(pieces.engine));
    kith_zmtp_ping(whole.engine, data[1], data, SETUP_SIZE);
    kith_zmtp_authenticate(whole.engine, 200);
    subject_feed(&whole, data, size);
    subject_deinit(&whole);
    subject_deinit(&pieces);
    return 0;
}

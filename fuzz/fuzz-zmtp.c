/*
 * fuzz-zmtp.c: two engines get the same octets in different pieces and must tell the same; every call is checked against the contract by
 * zmtp/test-transcript.h.
 *
 * Input: a setup octet, an octet of the frame limit, a seed of the pieces, then what the peer sends.
 *     setup, bits 0 to 2: our socket type   3: the peer is refused   4: output is never fetched   5: a greeting and a READY come first
 */
#include "zmtp/test-transcript.h"

#include "fuzz.h"

#define SETUP_SIZE 3
#define SETUP_REFUSE 0x08
#define SETUP_UNREAD 0x10
#define SETUP_BEGUN 0x20

/* A type, and the READY of a peer that may talk to it. */
static const struct {
    const char *type;
    const char *ready;
} sides[] = {
    {"REQ", READY_REP}, {"REP", READY_REQ},  {"DEALER", READY_REP}, {"ROUTER", READY_REQ},
    {"PUB", READY_SUB}, {"XPUB", READY_SUB}, {"XPUB", READY_SUB},   {"ROUTER", READY_REQ},
};

static void start(struct subject *subject, const uint8_t *setup, const struct kith_zmtp_property *property) {
    const struct kith_zmtp_options options = {
        .socket_type = sides[setup[0] & 7].type,
        .routing_id = setup,
        .routing_id_size = setup[0] & 1,
        .metadata = property,
        .metadata_count = 1,
        .max_frame = (uint64_t)setup[1] << (setup[1] & 31),
    };
    struct octets octets = {0};
    subject_init(subject, &options, setup[0] & SETUP_REFUSE ? DECISION_REFUSE : DECISION_ACCEPT);
    subject->unread = setup[0] & SETUP_UNREAD;
    if (setup[0] & SETUP_BEGUN) {
        octets_add_hex(&octets, GREETING);
        octets_add_hex(&octets, sides[setup[0] & 7].ready);
    }
    subject_feed(subject, octets.data, octets.size);
    octets_clear(&octets);
}

/* Pieces of 1 to 8 octets mostly, at times up to 512: as a seed says. */
static void feed_in_pieces(struct subject *subject, const uint8_t *data, size_t size, uint32_t seed) {
    while (size > 0) {
        seed = seed * 1103515245 + 12345;
        size_t piece = (seed >> 16 & 15) == 0 ? seed >> 20 & 511 : seed >> 20 & 7;
        piece = piece + 1 < size ? piece + 1 : size;
        subject_feed(subject, data, piece);
        data += piece;
        size -= piece;
    }
}

static void compare(const struct octets *a, const struct octets *b) {
    CHECK(a->size == b->size);
    CHECK(a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < SETUP_SIZE)
        return 0;
    const struct kith_zmtp_property property = {.name = "X-Fuzz", .value = data, .size = SETUP_SIZE};
    struct subject whole, pieces;
    start(&whole, data, &property);
    start(&pieces, data, &property);
    subject_feed(&whole, data + SETUP_SIZE, size - SETUP_SIZE);
    feed_in_pieces(&pieces, data + SETUP_SIZE, size - SETUP_SIZE, data[2]);

    compare(&whole.text, &pieces.text);
    compare(&whole.sent, &pieces.sent);
    compare(&whole.body, &pieces.body);
    CHECK(kith_zmtp_state(whole.engine) == kith_zmtp_state(pieces.engine));
    CHECK(kith_zmtp_mid_message(whole.engine) == kith_zmtp_mid_message(pieces.engine));
    CHECK(!whole.in_frame || whole.dead || kith_zmtp_mid_message(whole.engine));

    /* Dead is for good; otherwise our own commands still go out, or say why not. */
    kith_zmtp_ping(whole.engine, data[1], data, data[2] & 31 ? SETUP_SIZE : 0);
    kith_zmtp_tell_error(whole.engine, "fuzz");
    subject_feed(&whole, data, size);
    subject_deinit(&whole);
    subject_deinit(&pieces);
    return 0;
}

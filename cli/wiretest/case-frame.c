/*
 * cli/wiretest/case-frame.c: cases about frames and messages in clear (RFC 37, "Framing").
 *
 * They go to peers that take messages. What the message holds is made for the peer: a REP gets a request that its application may answer.
 */
#include <stdio.h>
#include <string.h>

#include "cli/wiretest/suite.h"

#define FRAMING "RFC 37, Framing"
#define GRAMMAR "RFC 37, Formal Grammar"
#define NEEDS (SUITE_TALK | SUITE_CLEAR | SUITE_MESSAGES)
/* They take messages of several frames. */
#define TAKERS "REP ROUTER DEALER PULL PAIR SUB XSUB"

/* REP wants an envelope: an empty frame. */
static void envelope(struct suite *suite, struct wire *wire) {
    if (strcmp(suite->peer.type, "REP") == 0)
        suite_send(suite, wire, WIRE_MORE, NULL, 0);
}

static void long_small(struct suite *suite) {
    struct wire *wire = suite_talk(suite);
    envelope(suite, wire);
    suite_header(suite, wire, WIRE_LONG, 13);
    suite_write(suite, wire, "kith-wiretest", 13);
    suite_must_live(suite, wire, "a small frame with a size of 8 octets");
}

static void empty(struct suite *suite) {
    struct wire *wire = suite_talk(suite);
    envelope(suite, wire);
    suite_send(suite, wire, 0, NULL, 0);
    suite_must_live(suite, wire, "an empty frame");
}

static void size_255(struct suite *suite) {
    static const uint8_t body[256];
    struct wire *wire = suite_talk(suite);
    envelope(suite, wire);
    suite_send(suite, wire, WIRE_MORE, body, 255);
    suite_send(suite, wire, 0, body, 256);
    suite_must_live(suite, wire, "frames of 255 and 256 octets");
}

static void octet_by_octet(struct suite *suite) {
    struct wire *wire = suite_talk(suite);
    envelope(suite, wire);
    suite_drip(suite, wire, "\x01\x04kith\x00\x08wiretest", 16);
    suite_drip(suite, wire, "\x04\x07\x04PING\0\0", suite->peer.pongs ? 9 : 0);
    if (suite->peer.pongs)
        suite_expect(suite, wire, "PONG", NULL, NULL);
    suite_must_live(suite, wire, "a message octet by octet");
}

static void many_frames(struct suite *suite) {
    struct wire *wire = suite_talk(suite);
    uint8_t octets[3 * 500];
    for (size_t i = 0; i < sizeof(octets); i += 3)
        memcpy(octets + i, "\x01\x01k", 3);
    envelope(suite, wire);
    suite_write(suite, wire, octets, sizeof(octets));
    suite_send(suite, wire, 0, NULL, 0);
    suite_must_live(suite, wire, "a message of 500 frames of one octet");
}

/* A message of which the last frame never comes must not stay in the way of others. */
static void more_then_end(struct suite *suite) {
    struct wire *wire = suite_talk(suite);
    envelope(suite, wire);
    suite_send(suite, wire, WIRE_MORE, "half", 4);
    suite_close(suite, wire);
    suite_must_live(suite, suite_talk(suite), "a peer that ended in a message");
}

static void cut_frame(struct suite *suite) {
    struct wire *wire = suite_talk(suite);
    envelope(suite, wire);
    suite_header(suite, wire, 0, 100);
    suite_write(suite, wire, "cut", 3);
    suite_close(suite, wire);
    suite_must_live(suite, suite_talk(suite), "a peer that ended in a frame");
}

static void reserved_bits(struct suite *suite) {
    char what[64];
    for (unsigned bit = 8; bit <= 0x80 && !suite->decided; bit <<= 1) {
        struct wire *wire = suite_talk(suite);
        snprintf(what, sizeof(what), "flags %02x", bit);
        suite_header(suite, wire, bit, 1);
        suite_write(suite, wire, "k", 1);
        suite_tell_reaction(suite, wire, what);
        suite_close(suite, wire);
    }
}

static void announce(struct suite *suite, uint64_t size, const char *what) {
    struct wire *wire = suite_talk(suite);
    envelope(suite, wire);
    suite_header(suite, wire, WIRE_LONG, size);
    suite_write(suite, wire, "begin", 5);
    if (suite->decided)
        return;
    suite_note(suite, "after %s the peer %s", what, wire_until_closed(wire, suite->config->quiet) == 0 ? "closes" : "waits for it");
    suite_close(suite, wire);
    suite_must_live(suite, suite_talk(suite), what);
}

static void huge(struct suite *suite) {
    announce(suite, UINT64_C(1) << 40, "a frame of a tebioctet that is only announced");
}

static void largest(struct suite *suite) {
    announce(suite, INT64_MAX, "a frame of 2^63-1 octets");
}

static void top_bit(struct suite *suite) {
    announce(suite, UINT64_C(1) << 63, "a frame of 2^63 octets");
}

static void all_ones(struct suite *suite) {
    announce(suite, UINT64_MAX, "a frame of 2^64-1 octets");
}

const struct suite_case suite_cases_frame[] = {
    {"frame/long-small", FRAMING, SUITE_MUST, "a small frame may have the long size", NEEDS, NULL, TAKERS, long_small},
    {"frame/empty", FRAMING, SUITE_MUST, "a frame may be empty", NEEDS, NULL, TAKERS, empty},
    {"frame/size-255", FRAMING, SUITE_MUST, "255 octets are short, 256 are long", NEEDS, NULL, TAKERS, size_255},
    {"frame/octet-by-octet", FRAMING, SUITE_MUST, "frames may come in any pieces", NEEDS, NULL, TAKERS, octet_by_octet},
    {"frame/many-frames", GRAMMAR, SUITE_MUST, "a message may have many frames", NEEDS, NULL, TAKERS, many_frames},
    {"frame/more-then-end", FRAMING, SUITE_MUST, "a message that is never whole is not delivered and disturbs nobody", NEEDS, NULL, TAKERS,
     more_then_end},
    {"frame/cut", FRAMING, SUITE_MUST, "a frame that is never whole disturbs nobody", NEEDS, NULL, TAKERS, cut_frame},
    {"frame/reserved-bits", FRAMING, SUITE_OPEN, "bits 3 to 7 are zero; what follows else is open", NEEDS, NULL, TAKERS, reserved_bits},
    {"frame/huge", FRAMING, SUITE_MUST, "an announced size disturbs nobody", NEEDS | SUITE_HOSTILE, NULL, TAKERS, huge},
    {"frame/largest", FRAMING, SUITE_MUST, "the largest size disturbs nobody", NEEDS | SUITE_HOSTILE, NULL, TAKERS, largest},
    {"frame/top-bit", FRAMING, SUITE_MUST, "a size above 2^63-1 disturbs nobody", NEEDS | SUITE_HOSTILE, NULL, TAKERS, top_bit},
    {"frame/all-ones", FRAMING, SUITE_MUST, "a size above 2^63-1 disturbs nobody", NEEDS | SUITE_HOSTILE, NULL, TAKERS, all_ones},
    {0},
};

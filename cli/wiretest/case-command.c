/* cli/wiretest/case-command.c: cases about commands in the traffic (RFC 37, "Framing"). */
#include <string.h>

#include "cli/wiretest/suite.h"

#define GRAMMAR "RFC 37, Formal Grammar"
#define FRAMING "RFC 37, Framing"

static void unknown(struct suite *suite) {
    struct wire *wire = suite_talk(suite);
    suite_command(suite, wire, "FROBNICATE", "data", 4);
    suite_tell_reaction(suite, wire, "an unknown command");
}

static void empty(struct suite *suite) {
    struct wire *wire = suite_talk(suite);
    suite_send(suite, wire, WIRE_COMMAND, NULL, 0);
    suite_tell_reaction(suite, wire, "an empty command");
}

static void name_empty(struct suite *suite) {
    struct wire *wire = suite_talk(suite);
    suite_send(suite, wire, WIRE_COMMAND, "\0data", 5);
    suite_tell_reaction(suite, wire, "a command without name");
}

static void name_cut(struct suite *suite) {
    struct wire *wire = suite_talk(suite);
    suite_send(suite, wire, WIRE_COMMAND, "\xc8PING", 5);
    suite_tell_reaction(suite, wire, "a command whose name is longer than its body");
}

static void name_case(struct suite *suite) {
    struct wire *wire = suite_talk(suite);
    suite_command(suite, wire, "ping", "\0\0", 2);
    suite_tell_reaction(suite, wire, "a ping in small letters");
}

static void long_small(struct suite *suite) {
    struct wire *wire = suite_talk(suite);
    suite_header(suite, wire, WIRE_COMMAND | WIRE_LONG, 7);
    suite_write(suite, wire, "\x04PING\0\0", 7);
    suite_expect(suite, wire, "PONG", NULL, NULL);
}

static void octet_by_octet(struct suite *suite) {
    struct wire *wire = suite_talk(suite);
    suite_drip(suite, wire, "\x04\x07\x04PING\0\0", 9);
    suite_expect(suite, wire, "PONG", NULL, NULL);
}

static void large(struct suite *suite) {
    static const uint8_t data[60000];
    struct wire *wire = suite_talk(suite);
    suite_command(suite, wire, "FROBNICATE", data, strcmp(suite->peer.mechanism, "CURVE") == 0 ? 8000 : sizeof(data));
    suite_tell_reaction(suite, wire, "an unknown command of many thousand octets");
}

static void error(struct suite *suite) {
    struct wire *wire = suite_talk(suite);
    suite_command(suite, wire, "ERROR", "\x0dkith wiretest", 14);
    suite_tell_reaction(suite, wire, "an ERROR in the traffic");
}

static void within_message(struct suite *suite) {
    struct wire *wire = suite_talk(suite);
    suite_send(suite, wire, WIRE_MORE, NULL, 0);
    suite_command(suite, wire, "PING", "\0\0", 2);
    suite_send(suite, wire, 0, "kith-wiretest", 13);
    suite_tell_reaction(suite, wire, "a command between the frames of a message");
}

static void reserved_bits(struct suite *suite) {
    struct wire *wire = suite_talk(suite);
    suite_write(suite, wire, "\x0c\x07\x04PING\0\0", 9);
    suite_tell_reaction(suite, wire, "a command with a reserved flag bit");
}

static void more_flag(struct suite *suite) {
    struct wire *wire = suite_talk(suite);
    suite_write(suite, wire, "\x05\x07\x04PING\0\0", 9);
    suite_tell_reaction(suite, wire, "a command with the MORE flag");
}

/* Nothing of it comes: a peer may wait or refuse; others are served. */
static void announce(struct suite *suite, uint64_t size, const char *what) {
    struct wire *wire = suite_talk(suite);
    suite_header(suite, wire, WIRE_COMMAND | WIRE_LONG, size);
    if (suite->decided)
        return;
    suite_note(suite, "after %s the peer %s", what, wire_until_closed(wire, suite->config->quiet) == 0 ? "closes" : "waits for it");
    suite_close(suite, wire);
    suite_must_live(suite, suite_talk(suite), what);
}

static void huge(struct suite *suite) {
    announce(suite, UINT64_C(1) << 40, "a command of a tebioctet that is only announced");
}

static void top_bit(struct suite *suite) {
    announce(suite, UINT64_C(1) << 63, "a command of 2^63 octets");
}

const struct suite_case suite_cases_command[] = {
    {"command/unknown", GRAMMAR, SUITE_OPEN, "what an unknown command brings is open", SUITE_TALK, NULL, NULL, unknown},
    {"command/empty", GRAMMAR, SUITE_OPEN, "a command has a name; what follows else is open", SUITE_TALK, NULL, NULL, empty},
    {"command/name-empty", GRAMMAR, SUITE_OPEN, "a name has 1 to 255 characters; what follows else is open", SUITE_TALK, NULL, NULL,
     name_empty},
    {"command/name-cut", GRAMMAR, SUITE_OPEN, "a name ends within the body; what follows else is open", SUITE_TALK, NULL, NULL, name_cut},
    {"command/name-case", GRAMMAR, SUITE_OPEN, "whether case counts in a command's name is open", SUITE_TALK, NULL, NULL, name_case},
    {"command/long-small", FRAMING, SUITE_MUST, "a small command may have the long size", SUITE_TALK | SUITE_CLEAR | SUITE_PONG, NULL, NULL,
     long_small},
    {"command/octet-by-octet", FRAMING, SUITE_MUST, "a command may come in any pieces", SUITE_TALK | SUITE_CLEAR | SUITE_PONG, NULL, NULL,
     octet_by_octet},
    {"command/large", FRAMING, SUITE_OPEN, "how large a command may be is open", SUITE_TALK, NULL, NULL, large},
    {"command/error", "RFC 37, Error Handling", SUITE_OPEN, "ERROR belongs to the handshake; what it brings later is open", SUITE_TALK,
     NULL, NULL, error},
    {"command/within-message", GRAMMAR, SUITE_OPEN, "commands come between messages; what follows else is open",
     SUITE_TALK | SUITE_MESSAGES, NULL, "REP ROUTER DEALER PULL PAIR", within_message},
    {"command/reserved-bits", FRAMING, SUITE_OPEN, "reserved bits are zero; what follows else is open", SUITE_TALK | SUITE_CLEAR, NULL,
     NULL, reserved_bits},
    {"command/more-flag", FRAMING, SUITE_OPEN, "MORE is zero on commands; what follows else is open", SUITE_TALK | SUITE_CLEAR, NULL, NULL,
     more_flag},
    {"command/huge", FRAMING, SUITE_MUST, "an announced size disturbs nobody", SUITE_TALK | SUITE_CLEAR | SUITE_HOSTILE, NULL, NULL, huge},
    {"command/top-bit", FRAMING, SUITE_MUST, "a size above 2^63-1 disturbs nobody", SUITE_TALK | SUITE_CLEAR | SUITE_HOSTILE, NULL, NULL,
     top_bit},
    {0},
};

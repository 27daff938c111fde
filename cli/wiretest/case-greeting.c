/* cli/wiretest/case-greeting.c: cases about the 64 octets of the greeting and what they negotiate (RFC 37, "Version Negotiation"). */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "cli/wiretest/suite.h"

#define GRAMMAR "RFC 37, Formal Grammar"
#define VERSION "RFC 37, Version Negotiation"
#define SECURITY "RFC 37, Authentication"
#define BACKWARDS "RFC 37, Backwards Interoperability"

/* After our greeting: the peer's comes, and then the handshake, where we can have one. */
static void must_go_on(struct suite *suite, struct wire *wire, const char *after) {
    uint8_t greeting[WIRE_GREETING];
    struct wire_metadata metadata = {.size = 0};
    char why[SUITE_TEXT];
    suite_read(suite, wire, greeting, sizeof(greeting), "greeting of 64 octets");
    if (suite->decided || suite->peer.why[0])
        return;
    const char *type = suite_partner(suite->peer.type);
    wire_metadata_add(&metadata, "Socket-Type", type, strlen(type));
    int r = suite_handshake(suite->config, suite->peer.mechanism, wire, &metadata, &suite->frame, why);
    if (r < 0)
        suite_not_ok(suite, wire, "no handshake after %s: %s", after, r == -ECONNRESET ? "the peer closed" : kith_error_name(r));
    suite_must_live(suite, wire, after);
}

static void ours(const struct suite *suite, uint8_t greeting[static WIRE_GREETING]) {
    wire_greeting(greeting, 1, suite->peer.mechanism, false);
}

static void send_and_go_on(struct suite *suite, const uint8_t greeting[static WIRE_GREETING], const char *after) {
    struct wire *wire = suite_open(suite);
    suite_write(suite, wire, greeting, WIRE_GREETING);
    must_go_on(suite, wire, after);
}

static bool is_mechanism_char(uint8_t c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-_.+", c));
}

static void check_mechanism(struct suite *suite, const uint8_t *mechanism) {
    size_t i = 0;
    while (i < WIRE_MECHANISM && is_mechanism_char(mechanism[i]))
        i++;
    if (i == 0)
        suite_not_ok(suite, NULL, "the mechanism begins with %02x", mechanism[0]);
    for (; i < WIRE_MECHANISM; i++)
        if (mechanism[i])
            suite_not_ok(suite, NULL, "octet %zu of the mechanism is %02x", i, mechanism[i]);
}

static void whole(struct suite *suite) {
    const uint8_t *greeting = suite->peer.greeting;
    if (greeting[0] != 0xff || greeting[9] != 0x7f)
        suite_not_ok(suite, NULL, "the signature is %02x...%02x", greeting[0], greeting[9]);
    if (greeting[32] > 1)
        suite_not_ok(suite, NULL, "as-server is %02x", greeting[32]);
    check_mechanism(suite, greeting + 12);
    for (size_t i = 33; i < WIRE_GREETING; i++)
        if (greeting[i])
            suite_not_ok(suite, NULL, "octet %zu, of the filler, is %02x", i, greeting[i]);
    if (greeting[10] != 3 || greeting[11] > 1)
        suite_note(suite, "it says version %u.%u", greeting[10], greeting[11]);
}

static void unasked(struct suite *suite) {
    uint8_t greeting[WIRE_GREETING];
    struct wire *wire = suite_open(suite);
    suite_read(suite, wire, greeting, WIRE_SIGNATURE, "signature of 10 octets");
    if (suite->decided)
        return;
    size_t size = WIRE_SIGNATURE;
    while (size < WIRE_GREETING && wire_read_within(wire, greeting + size, 1, suite->config->quiet) == 0)
        size++;
    if (size < WIRE_SIGNATURE + 1)
        suite_not_ok(suite, wire, "only %zu octets come unasked: not the major version", size);
    suite_note(suite, "%zu octets come unasked", size);
}

static void first_ten(struct suite *suite) {
    uint8_t greeting[WIRE_GREETING], theirs[WIRE_SIGNATURE];
    ours(suite, greeting);
    struct wire *wire = suite_open(suite);
    suite_write(suite, wire, greeting, WIRE_SIGNATURE);
    suite_read(suite, wire, theirs, sizeof(theirs), "signature for our first 10 octets");
    suite_write(suite, wire, greeting + WIRE_SIGNATURE, 1);
    suite_write(suite, wire, greeting + WIRE_SIGNATURE + 1, WIRE_GREETING - WIRE_SIGNATURE - 1);
    uint8_t rest[WIRE_GREETING - WIRE_SIGNATURE];
    suite_read(suite, wire, rest, sizeof(rest), "rest of the greeting for the rest of ours");
}

static void octet_by_octet(struct suite *suite) {
    uint8_t greeting[WIRE_GREETING];
    ours(suite, greeting);
    struct wire *wire = suite_open(suite);
    suite_drip(suite, wire, greeting, sizeof(greeting));
    must_go_on(suite, wire, "a greeting octet by octet");
}

static void padding(struct suite *suite) {
    uint8_t greeting[WIRE_GREETING];
    ours(suite, greeting);
    memset(greeting + 1, 0xaa, 8);
    send_and_go_on(suite, greeting, "a padding of aa octets");
}

static void filler(struct suite *suite) {
    uint8_t greeting[WIRE_GREETING], theirs[WIRE_GREETING];
    ours(suite, greeting);
    memset(greeting + 33, 0x55, 31);
    struct wire *wire = suite_open(suite);
    suite_write(suite, wire, greeting, sizeof(greeting));
    suite_read(suite, wire, theirs, sizeof(theirs), "greeting");
    if (!suite->decided)
        suite_note(suite, "after a filler of 55 octets the peer %s",
                   wire_until_closed(wire, suite->config->quiet) == 0 ? "closes" : "goes on");
}

static void higher(struct suite *suite, uint8_t major, uint8_t minor, const char *after) {
    uint8_t greeting[WIRE_GREETING];
    ours(suite, greeting);
    greeting[10] = major;
    greeting[11] = minor;
    send_and_go_on(suite, greeting, after);
}

static void higher_major(struct suite *suite) {
    higher(suite, 4, 9, "version 4.9");
}

static void higher_minor(struct suite *suite) {
    higher(suite, 3, 9, "version 3.9");
}

static void version_30(struct suite *suite) {
    struct wire *wire = suite_talk_as(suite, 0, NULL);
    if (suite->decided && !suite->gone) {
        suite->decided = false; /* a peer need not downgrade; then it has to close */
        suite->verdict = SUITE_OK;
        suite_must_close(suite, wire, "version 3.0 and no handshake");
        suite_note(suite, "the peer does not speak 3.0");
        return;
    }
    suite_note(suite, "the peer speaks 3.0 with one that does");
}

/* What an older or foreign peer is told is not ours to judge, but others have to be served meanwhile and after. */
static void tell_older(struct suite *suite, const void *data, size_t size, const char *what) {
    struct wire *wire = suite_open(suite);
    suite_write(suite, wire, data, size);
    if (suite->decided)
        return;
    const bool closes = wire_until_closed(wire, suite->config->quiet) == 0;
    suite_note(suite, "after %s the peer %s; it sent %zu octets", what, closes ? "closes" : "keeps the connection open", wire->received);
    if (suite_has_word("PAIR CHANNEL", suite->peer.type))
        suite_close(suite, wire);
    uint8_t greeting[WIRE_GREETING];
    ours(suite, greeting);
    send_and_go_on(suite, greeting, what);
}

static void zmtp_2(struct suite *suite) {
    /* signature, revision 1, socket type 5 (DEALER), an empty identity as a final short frame: RFC 15 */
    static const uint8_t octets[] = {0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 1, 5, 0, 0};
    tell_older(suite, octets, sizeof(octets), "a ZMTP 2.0 greeting");
}

static void zmtp_1(struct suite *suite) {
    static const uint8_t octets[] = {1, 0}; /* an anonymous identity: RFC 13 */
    tell_older(suite, octets, sizeof(octets), "a ZMTP 1.0 greeting");
}

static void http(struct suite *suite) {
    static const char text[] = "GET / HTTP/1.1\r\nHost: kith-wiretest\r\n\r\n";
    tell_older(suite, text, sizeof(text) - 1, "an HTTP request");
}

static void mechanism(struct suite *suite, const char *name) {
    uint8_t greeting[WIRE_GREETING];
    wire_greeting(greeting, 1, name, false);
    struct wire *wire = suite_open(suite);
    suite_write(suite, wire, greeting, sizeof(greeting));
    suite_must_close(suite, wire, "another mechanism");
}

static void mechanism_unknown(struct suite *suite) {
    mechanism(suite, "XYZZY");
}

static void mechanism_other(struct suite *suite) {
    mechanism(suite, strcmp(suite->peer.mechanism, "NULL") == 0 ? "PLAIN" : "NULL");
}

static void mechanism_empty(struct suite *suite) {
    mechanism(suite, "");
}

static void mechanism_case(struct suite *suite) {
    char name[WIRE_MECHANISM + 1];
    memcpy(name, suite->peer.mechanism, sizeof(name));
    for (char *at = name; *at; at++)
        *at |= *at >= 'A' && *at <= 'Z' ? 0x20 : 0;
    mechanism(suite, name);
}

static void mechanism_after_nul(struct suite *suite) {
    uint8_t greeting[WIRE_GREETING];
    ours(suite, greeting);
    greeting[31] = 'X';
    struct wire *wire = suite_open(suite);
    suite_write(suite, wire, greeting, sizeof(greeting));
    if (!suite->decided)
        suite_note(suite, "after an X behind the mechanism's NULs the peer %s",
                   wire_until_closed(wire, suite->config->quiet) == 0 ? "closes" : "goes on");
}

static void mechanism_told(struct suite *suite) {
    uint8_t greeting[WIRE_GREETING];
    wire_greeting(greeting, 1, "XYZZY", false);
    struct wire *wire = suite_open(suite);
    suite_write(suite, wire, greeting, sizeof(greeting));
    suite_read(suite, wire, greeting, sizeof(greeting), "whole greeting for a whole greeting of another mechanism");
}

static void as_server(struct suite *suite) {
    uint8_t greeting[WIRE_GREETING];
    wire_greeting(greeting, 1, suite->peer.mechanism, true);
    send_and_go_on(suite, greeting, "as-server 1");
}

static void half_open(struct suite *suite) {
    uint8_t greeting[WIRE_GREETING];
    ours(suite, greeting);
    for (size_t i = 0; i < 4; i++)
        suite_write(suite, suite_open(suite), greeting, 11 * i);
    send_and_go_on(suite, greeting, "four connections that stay in the greeting");
}

static void early_end(struct suite *suite) {
    uint8_t greeting[WIRE_GREETING];
    ours(suite, greeting);
    struct wire *wire = suite_open(suite);
    suite_write(suite, wire, greeting, 20);
    suite_close(suite, wire);
    send_and_go_on(suite, greeting, "a connection that ended in the greeting");
}

const struct suite_case suite_cases_greeting[] = {
    {"greeting/whole", GRAMMAR, SUITE_MUST, "the peer's 64 octets fit the grammar", 0, NULL, NULL, whole},
    {"greeting/unasked", VERSION, SUITE_MUST, "at least the signature and the major version come unasked", 0, NULL, NULL, unasked},
    {"greeting/first-ten", BACKWARDS, SUITE_MUST, "one that sends 10 octets, then waits, then sends the rest is greeted", 0, NULL, NULL,
     first_ten},
    {"greeting/octet-by-octet", GRAMMAR, SUITE_MUST, "the greeting may come in any pieces", 0, NULL, NULL, octet_by_octet},
    {"greeting/padding", VERSION, SUITE_MUST, "the padding is not validated", 0, NULL, NULL, padding},
    {"greeting/filler", GRAMMAR, SUITE_OPEN, "the filler is zero; whether it is looked at is open", 0, NULL, NULL, filler},
    {"greeting/higher-major", VERSION, SUITE_MUST, "a higher major version is accepted", 0, NULL, NULL, higher_major},
    {"greeting/higher-minor", VERSION, SUITE_MUST, "a higher minor version is accepted", 0, NULL, NULL, higher_minor},
    {"greeting/version-3.0", VERSION, SUITE_OPEN, "a peer may downgrade to 3.0; else it closes", SUITE_TALK, NULL, NULL, version_30},
    {"greeting/zmtp-2.0", BACKWARDS, SUITE_OPEN, "an older peer is spoken to or refused, and others are served", 0, NULL, NULL, zmtp_2},
    {"greeting/zmtp-1.0", BACKWARDS, SUITE_OPEN, "an older peer is spoken to or refused, and others are served", 0, NULL, NULL, zmtp_1},
    {"greeting/http", VERSION, SUITE_OPEN, "what is no ZMTP at all disturbs nobody", 0, NULL, NULL, http},
    {"greeting/mechanism-unknown", SECURITY, SUITE_MUST, "an unknown mechanism ends the connection", 0, NULL, NULL, mechanism_unknown},
    {"greeting/mechanism-other", SECURITY, SUITE_MUST, "another mechanism ends the connection", 0, NULL, NULL, mechanism_other},
    {"greeting/mechanism-empty", SECURITY, SUITE_MUST, "an empty mechanism ends the connection", 0, NULL, NULL, mechanism_empty},
    {"greeting/mechanism-case", SECURITY, SUITE_MUST, "the mechanism in small letters is another one", 0, NULL, NULL, mechanism_case},
    {"greeting/mechanism-after-nul", SECURITY, SUITE_OPEN, "whether octets behind the name's NUL count is open", 0, NULL, NULL,
     mechanism_after_nul},
    {"greeting/mechanism-told", SECURITY, SUITE_MUST, "a whole greeting is answered by a whole one, also when the mechanisms differ", 0,
     NULL, NULL, mechanism_told},
    {"greeting/as-server", "RFC 37, Topology", SUITE_MUST, "as-server has no significance where the mechanism has no roles", 0, "NULL",
     NULL, as_server},
    {"greeting/half-open", VERSION, SUITE_MUST, "connections that stay in the greeting hold up nobody", SUITE_SHARED, NULL, NULL,
     half_open},
    {"greeting/early-end", VERSION, SUITE_MUST, "a connection that ends in the greeting disturbs nobody", 0, NULL, NULL, early_end},
    {0},
};

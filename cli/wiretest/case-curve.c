/*
 * cli/wiretest/case-curve.c: cases about CURVE (RFC 26; RFC 25 says how ZMTP carries it), from the client's side.
 *
 * Each case spoils one thing of a handshake or of traffic that is right else: what a server lets pass here, it lets pass from anybody.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "cli/wiretest/suite.h"

#define HELLO "RFC 26, The HELLO Command"
#define WELCOME "RFC 26, The WELCOME Command"
#define INITIATE "RFC 26, The INITIATE Command"
#define MESSAGE "RFC 26, The MESSAGE Command"
#define INITIATE_MAX (CURVE_INITIATE_LEAST + 2048)

KITH_DEFINE_CLEANUP(struct wire_curve *, wire_curve_free)

/* HELLO --------------------------------------------------------------------------------------------------------------------- */

static struct wire_curve *new_keys(struct suite *suite) {
    struct wire_curve *curve = NULL;
    if (!suite->config->has_server_key)
        suite_skip(suite, "the server's key is not given");
    else if (wire_curve_new(suite->config->server_key, NULL, &curve) < 0)
        suite_skip(suite, "no keys can be made here");
    return curve;
}

/* A right HELLO with one octet changed, and so many of its octets sent. */
static void hello(struct suite *suite, size_t at, uint8_t change, size_t size, const char *what) {
    _cleanup_(wire_curve_freep) struct wire_curve *curve = new_keys(suite);
    uint8_t body[CURVE_HELLO + 1] = {0};
    if (!curve)
        return;
    wire_curve_hello(curve, body);
    body[at] ^= change;
    struct wire *wire = suite_greet(suite, 1);
    suite_send(suite, wire, WIRE_COMMAND, body, size);
    suite_must_close(suite, wire, what);
    if (memmem(wire->seen, wire->seen_size, "\x07WELCOME", 8))
        suite_not_ok(suite, wire, "WELCOME came for %s", what);
}

static void hello_version(struct suite *suite) {
    hello(suite, 6, 3, CURVE_HELLO, "version 2 in HELLO");
}

static void hello_padding(struct suite *suite) {
    hello(suite, 40, 1, CURVE_HELLO, "a padding of HELLO that is not zero");
}

static void hello_short(struct suite *suite) {
    hello(suite, 0, 0, CURVE_HELLO - 1, "a HELLO of 199 octets");
}

static void hello_long(struct suite *suite) {
    hello(suite, 0, 0, CURVE_HELLO + 1, "a HELLO of 201 octets");
}

static void hello_box(struct suite *suite) {
    hello(suite, CURVE_HELLO - 1, 1, CURVE_HELLO, "a HELLO whose box is broken");
}

static void hello_key(struct suite *suite) {
    hello(suite, 81, 1, CURVE_HELLO, "a HELLO of another transient key");
}

static void no_hello(struct suite *suite) {
    static const uint8_t body[CURVE_INITIATE_LEAST] = "\x08INITIATE";
    struct wire *wire = suite_greet(suite, 1);
    suite_send(suite, wire, WIRE_COMMAND, body, sizeof(body));
    suite_must_close(suite, wire, "an INITIATE before HELLO");
}

static void ready_first(struct suite *suite) {
    struct wire *wire = suite_greet(suite, 1);
    suite_command(suite, wire, "READY", "\x0bSocket-Type\0\0\0\x03REQ", 19);
    suite_must_close(suite, wire, "a READY as in NULL");
}

/* WELCOME and INITIATE ---------------------------------------------------------------------------------------------------- */

static struct wire *begin(struct suite *suite, struct wire_curve **ret_curve) {
    struct wire *wire = suite_greet(suite, 1);
    *ret_curve = NULL;
    if (suite->decided)
        return wire;
    int r = suite_curve_begin(suite->config, wire, &suite->frame, ret_curve);
    if (r < 0)
        suite_not_ok(suite, wire, "no WELCOME of 168 octets that the server's key has sealed came for HELLO: %s", kith_error_name(r));
    return wire;
}

static void welcome(struct suite *suite) {
    _cleanup_(wire_curve_freep) struct wire_curve *curve;
    begin(suite, &curve);
}

static void cookies_differ(struct suite *suite) {
    _cleanup_(wire_curve_freep) struct wire_curve *one, *two = NULL;
    size_t size;
    begin(suite, &one);
    begin(suite, &two);
    if (!suite->decided && memcmp(wire_curve_cookie(one, &size), wire_curve_cookie(two, &size), size) == 0)
        suite_not_ok(suite, NULL, "two WELCOMEs have one cookie");
}

static size_t make_initiate(const struct suite *suite, struct wire_curve *curve, uint8_t body[static INITIATE_MAX]) {
    struct wire_metadata metadata = {.size = 0};
    const char *type = suite_partner(suite->peer.type);
    wire_metadata_add(&metadata, "Socket-Type", type, strlen(type));
    return wire_curve_initiate(curve, &metadata, body);
}

static void must_refuse(struct suite *suite, struct wire *wire, const char *what) {
    suite_must_close(suite, wire, what);
    if (memmem(wire->seen, wire->seen_size, "\x05READY", 6))
        suite_not_ok(suite, wire, "READY came for %s", what);
}

/* An INITIATE with one octet changed. */
static void initiate(struct suite *suite, size_t at, const char *what) {
    _cleanup_(wire_curve_freep) struct wire_curve *curve;
    uint8_t body[INITIATE_MAX];
    struct wire *wire = begin(suite, &curve);
    if (!curve)
        return;
    const size_t size = make_initiate(suite, curve, body);
    body[at] ^= 1;
    suite_send(suite, wire, WIRE_COMMAND, body, size);
    must_refuse(suite, wire, what);
}

static void initiate_cookie(struct suite *suite) {
    initiate(suite, 30, "an INITIATE whose cookie is broken");
}

static void initiate_box(struct suite *suite) {
    initiate(suite, 150, "an INITIATE whose box is broken");
}

static void initiate_short(struct suite *suite) {
    _cleanup_(wire_curve_freep) struct wire_curve *curve;
    uint8_t body[INITIATE_MAX];
    struct wire *wire = begin(suite, &curve);
    if (!curve)
        return;
    make_initiate(suite, curve, body);
    suite_send(suite, wire, WIRE_COMMAND, body, CURVE_INITIATE_LEAST - 1);
    must_refuse(suite, wire, "an INITIATE of 256 octets");
}

/* Who holds no secret key of C must not be taken for C. */
static void vouch(struct suite *suite) {
    _cleanup_(wire_curve_freep) struct wire_curve *curve;
    uint8_t body[INITIATE_MAX];
    struct wire *wire = begin(suite, &curve);
    if (!curve)
        return;
    wire_curve_claim(curve, suite->config->server_key);
    suite_send(suite, wire, WIRE_COMMAND, body, make_initiate(suite, curve, body));
    must_refuse(suite, wire, "a vouch for a key that is not ours");
}

/* The INITIATE of a connection that came about, again on a new one. */
static void initiate_replayed(struct suite *suite) {
    _cleanup_(wire_curve_freep) struct wire_curve *curve, *other = NULL;
    uint8_t body[INITIATE_MAX];
    struct wire *wire = begin(suite, &curve);
    if (!curve)
        return;
    const size_t size = make_initiate(suite, curve, body);
    suite_send(suite, wire, WIRE_COMMAND, body, size);
    suite_expect(suite, wire, "READY", NULL, NULL);
    wire = begin(suite, &other);
    suite_send(suite, wire, WIRE_COMMAND, body, size);
    must_refuse(suite, wire, "an INITIATE of another connection");
}

static void hello_twice(struct suite *suite) {
    _cleanup_(wire_curve_freep) struct wire_curve *curve;
    uint8_t body[CURVE_HELLO];
    struct wire *wire = begin(suite, &curve);
    if (!curve)
        return;
    wire_curve_hello(curve, body);
    suite_send(suite, wire, WIRE_COMMAND, body, sizeof(body));
    suite_must_close(suite, wire, "a second HELLO");
}

/* Traffic -------------------------------------------------------------------------------------------------------------------------- */

static void traffic(struct suite *suite) {
    suite_must_live(suite, suite_talk(suite), "the handshake");
}

static void nonce_repeated(struct suite *suite) {
    struct wire *wire = suite_talk(suite);
    suite_command(suite, wire, "PONG", NULL, 0);
    if (suite->decided)
        return;
    wire_curve_repeat_nonce(wire->curve);
    suite_command(suite, wire, "PONG", "x", 1);
    suite_must_close(suite, wire, "a MESSAGE with the nonce of the last one");
}

/* A sealed PONG, changed. */
static void message(struct suite *suite, size_t at, size_t left_out, unsigned flags, void (*then)(struct suite *, struct wire *)) {
    uint8_t body[128];
    size_t size = sizeof(body);
    struct wire *wire = suite_talk(suite);
    if (suite->decided)
        return;
    wire_curve_seal(wire->curve, WIRE_COMMAND, "\x04PONG", 5, body, &size);
    if (at)
        body[at] ^= 1;
    /* As it is, sealed once. */
    uint8_t header[9];
    suite_write(suite, wire, header, wire_header(header, flags, size - left_out));
    suite_write(suite, wire, body, size - left_out);
    then(suite, wire);
}

static void closes(struct suite *suite, struct wire *wire) {
    suite_must_close(suite, wire, "a malformed MESSAGE");
}

static void is_told(struct suite *suite, struct wire *wire) {
    suite_tell_reaction(suite, wire, "a MESSAGE with the COMMAND flag on the wire");
}

static void message_box(struct suite *suite) {
    message(suite, 20, 0, 0, closes);
}

static void message_short(struct suite *suite) {
    message(suite, 0, 6, 0, closes); /* 33 octets are the least: a flag octet in a box */
}

static void message_name(struct suite *suite) {
    message(suite, 3, 0, 0, closes);
}

static void message_flag(struct suite *suite) {
    message(suite, 0, 0, WIRE_COMMAND, is_told);
}

static void message_clear(struct suite *suite) {
    struct wire *wire = suite_talk(suite);
    suite_header(suite, wire, 0, 5);
    suite_write(suite, wire, "clear", 5);
    suite_must_close(suite, wire, "a message in clear");
}

static void command_clear(struct suite *suite) {
    struct wire *wire = suite_talk(suite);
    suite_write(suite, wire, "\x04\x07\x04PING\0\0", 9);
    suite_must_close(suite, wire, "a command in clear");
}

const struct suite_case suite_cases_curve[] = {
    {"curve/hello-version", HELLO, SUITE_MUST, "another version is refused", 0, "CURVE", NULL, hello_version},
    {"curve/hello-padding", HELLO, SUITE_MUST, "the padding is zero, and all fields are validated", 0, "CURVE", NULL, hello_padding},
    {"curve/hello-short", HELLO, SUITE_MUST, "HELLO has 200 octets", 0, "CURVE", NULL, hello_short},
    {"curve/hello-long", HELLO, SUITE_MUST, "HELLO has 200 octets", 0, "CURVE", NULL, hello_long},
    {"curve/hello-box", HELLO, SUITE_MUST, "who does not hold the server's key is refused", 0, "CURVE", NULL, hello_box},
    {"curve/hello-key", HELLO, SUITE_MUST, "the box is of the transient key that is told", 0, "CURVE", NULL, hello_key},
    {"curve/no-hello", HELLO, SUITE_MUST, "nobody gets by without HELLO", 0, "CURVE", NULL, no_hello},
    {"curve/ready-first", HELLO, SUITE_MUST, "nobody gets by without HELLO", 0, "CURVE", NULL, ready_first},
    {"curve/welcome", WELCOME, SUITE_MUST, "HELLO is answered by a sealed WELCOME of 168 octets", SUITE_TALK, "CURVE", NULL, welcome},
    {"curve/cookies-differ", WELCOME, SUITE_MUST, "every WELCOME has a cookie of its own", SUITE_TALK, "CURVE", NULL, cookies_differ},
    {"curve/hello-twice", HELLO, SUITE_MUST, "HELLO comes once", SUITE_TALK, "CURVE", NULL, hello_twice},
    {"curve/initiate-cookie", INITIATE, SUITE_MUST, "a broken cookie is refused", SUITE_TALK, "CURVE", NULL, initiate_cookie},
    {"curve/initiate-box", INITIATE, SUITE_MUST, "a broken box is refused", SUITE_TALK, "CURVE", NULL, initiate_box},
    {"curve/initiate-short", INITIATE, SUITE_MUST, "INITIATE has at least 257 octets", SUITE_TALK, "CURVE", NULL, initiate_short},
    {"curve/initiate-replayed", WELCOME, SUITE_MUST, "a cookie opens one connection", SUITE_TALK | SUITE_SHARED, "CURVE", NULL,
     initiate_replayed},
    {"curve/vouch", INITIATE, SUITE_MUST, "a client holds the secret of the key it names", SUITE_TALK, "CURVE", NULL, vouch},
    {"curve/traffic", MESSAGE, SUITE_MUST, "READY and MESSAGE are sealed as the RFC has it", SUITE_TALK, "CURVE", NULL, traffic},
    {"curve/nonce-repeated", MESSAGE, SUITE_MUST, "nonces only grow", SUITE_TALK, "CURVE", NULL, nonce_repeated},
    {"curve/message-box", MESSAGE, SUITE_MUST, "a broken box is refused", SUITE_TALK, "CURVE", NULL, message_box},
    {"curve/message-short", MESSAGE, SUITE_MUST, "MESSAGE has at least 33 octets", SUITE_TALK, "CURVE", NULL, message_short},
    {"curve/message-name", MESSAGE, SUITE_MUST, "traffic is MESSAGEs", SUITE_TALK, "CURVE", NULL, message_name},
    {"curve/message-flag", "RFC 25", SUITE_OPEN, "whether MESSAGE is a command frame is open: deployed peers send 00", SUITE_TALK, "CURVE",
     NULL, message_flag},
    {"curve/message-clear", MESSAGE, SUITE_MUST, "nothing in clear is taken", SUITE_TALK, "CURVE", NULL, message_clear},
    {"curve/command-clear", MESSAGE, SUITE_MUST, "nothing in clear is taken", SUITE_TALK, "CURVE", NULL, command_clear},
    {0},
};

/* cli/wiretest/case-ready.c: cases about the handshake's metadata, whatever mechanism carries it, and about READY itself (RFC 37). */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "cli/wiretest/suite.h"

#define NULL_MECHANISM "RFC 37, The NULL Security Mechanism"
#define METADATA "RFC 37, Connection Metadata"
#define TYPE "RFC 37, The Socket-Type Property"
#define IDENTITY "RFC 37, The Identity Property"
#define ERRORS "RFC 37, Error Handling"
#define FRAMING "RFC 37, Framing"

/* Metadata -------------------------------------------------------------------------------------------------------------------- */

/* Socket-Type, and room for what a case adds. */
static struct wire_metadata begin(const struct suite *suite) {
    struct wire_metadata metadata = {.size = 0};
    const char *type = suite_partner(suite->peer.type);
    wire_metadata_add(&metadata, "Socket-Type", type, strlen(type));
    return metadata;
}

static void must_fit(struct suite *suite, const struct wire_metadata *metadata, const char *what) {
    suite_must_live(suite, suite_talk_as(suite, 1, metadata), what);
}

/* The greetings, then a handshake that may end anywhere: with READY, with ERROR, with an end. */
static struct wire *try(struct suite *suite, const struct wire_metadata *metadata, int *ret_error) {
    char why[SUITE_TEXT];
    struct wire *wire = suite_greet(suite, 1);
    *ret_error = -EINVAL;
    if (!suite->decided)
        *ret_error = suite_handshake(suite->config, suite->peer.mechanism, wire, metadata, &suite->frame, why);
    return wire;
}

static void must_refuse(struct suite *suite, const struct wire_metadata *metadata, const char *what) {
    int r;
    struct wire *wire = try(suite, metadata, &r);
    suite_must_close(suite, wire, what);
}

static void tell(struct suite *suite, const struct wire_metadata *metadata, const char *what) {
    int r;
    struct wire *wire = try(suite, metadata, &r);
    if (suite->decided)
        return;
    if (r == 0)
        suite_tell_reaction(suite, wire, what);
    else
        suite_note(suite, "after %s the peer ends the handshake (%s)", what, r == -EACCES ? "ERROR" : kith_error_name(r));
}

static void socket_type(struct suite *suite) {
    size_t size;
    suite_talk(suite);
    if (!suite->decided && !wire_metadata_find(suite->frame.body, suite->frame.size, "Socket-Type", &size))
        suite_not_ok(suite, NULL, "the peer's metadata has no Socket-Type");
}

static void names_any_case(struct suite *suite) {
    struct wire_metadata metadata = {.size = 0};
    const char *type = suite_partner(suite->peer.type);
    wire_metadata_add(&metadata, "sOCKET-tYPE", type, strlen(type));
    must_fit(suite, &metadata, "a property named sOCKET-tYPE");
}

static void unknown_properties(struct suite *suite) {
    struct wire_metadata metadata = begin(suite);
    wire_metadata_add(&metadata, "X-Kith-Wiretest", "some value", 10);
    wire_metadata_add(&metadata, "User-Id", "root", 4);
    wire_metadata_add(&metadata, "X-Empty", NULL, 0);
    must_fit(suite, &metadata, "unknown properties, one of them empty");
}

static void long_metadata(struct suite *suite) {
    static const char value[1500];
    struct wire_metadata metadata = begin(suite);
    wire_metadata_add(&metadata, "X-Long", value, sizeof(value));
    must_fit(suite, &metadata, "a property of 1500 octets");
}

static void no_socket_type(struct suite *suite) {
    const struct wire_metadata metadata = {.size = 0};
    tell(suite, &metadata, "metadata without Socket-Type");
}

static void duplicate_type(struct suite *suite) {
    struct wire_metadata metadata = begin(suite);
    wire_metadata_add(&metadata, "Socket-Type", "FROB", 4);
    tell(suite, &metadata, "two Socket-Types, the second one unknown");
}

static void name_empty(struct suite *suite) {
    struct wire_metadata metadata = begin(suite);
    wire_metadata_add(&metadata, "", "x", 1);
    must_refuse(suite, &metadata, "a property without name");
}

static void name_cut(struct suite *suite) {
    struct wire_metadata metadata = begin(suite);
    wire_metadata_add(&metadata, "X-Cut", NULL, 0);
    metadata.size -= 4 + 2; /* the value's size, and two octets of the name */
    must_refuse(suite, &metadata, "a property that is cut off in its name");
}

static void value_cut(struct suite *suite) {
    struct wire_metadata metadata = begin(suite);
    wire_metadata_add_size(&metadata, "X-Cut", "abc", 3, 4);
    must_refuse(suite, &metadata, "a value that says one octet more than there are");
}

static void value_huge(struct suite *suite) {
    struct wire_metadata metadata = begin(suite);
    wire_metadata_add_size(&metadata, "X-Huge", "abc", 3, UINT32_MAX);
    must_refuse(suite, &metadata, "a value of 4 GiB that is not there");
}

static void name_grammar(struct suite *suite) {
    struct wire_metadata metadata = begin(suite);
    wire_metadata_add(&metadata, "X Space\n", "x", 1);
    tell(suite, &metadata, "a property whose name has a space and a newline");
}

/* Socket types ----------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *type, *partners;
} legal[] = {
    {"REQ", "REP ROUTER"},
    {"REP", "REQ DEALER"},
    {"DEALER", "REP DEALER ROUTER"},
    {"ROUTER", "REQ DEALER ROUTER"},
    {"PUB", "SUB XSUB"},
    {"XPUB", "SUB XSUB"},
    {"SUB", "PUB XPUB"},
    {"XSUB", "PUB XPUB"},
    {"PUSH", "PULL"},
    {"PULL", "PUSH"},
    {"PAIR", "PAIR"},
    {"CLIENT", "SERVER"},
    {"SERVER", "CLIENT"},
    {"RADIO", "DISH"},
    {"DISH", "RADIO"},
    {"SCATTER", "GATHER"},
    {"GATHER", "SCATTER"},
    {"PEER", "PEER"},
    {"CHANNEL", "CHANNEL"},
};
#define TYPES (sizeof(legal) / sizeof(legal[0]))

static const char *legal_partners(const char *type) {
    for (size_t i = 0; i < TYPES; i++)
        if (strcmp(legal[i].type, type) == 0)
            return legal[i].partners;
    return "";
}

/* Each type in turn that is, or is not, a legal partner of the peer's. */
static void each_type(struct suite *suite, bool wanted, void (*look)(struct suite *, const struct wire_metadata *, const char *)) {
    for (size_t i = 0; i < TYPES && !suite->decided; i++) {
        if (suite_has_word(legal_partners(suite->peer.type), legal[i].type) != wanted)
            continue;
        struct wire_metadata metadata = {.size = 0};
        wire_metadata_add(&metadata, "Socket-Type", legal[i].type, strlen(legal[i].type));
        look(suite, &metadata, legal[i].type);
        suite_close(suite, &suite->wires[0]);
        suite->wire_count = 0;
    }
}

static void legal_types(struct suite *suite) {
    each_type(suite, true, must_fit);
}

static void illegal_types(struct suite *suite) {
    each_type(suite, false, must_refuse);
}

static void type_unknown(struct suite *suite) {
    struct wire_metadata metadata = {.size = 0};
    wire_metadata_add(&metadata, "Socket-Type", "FROB", 4);
    must_refuse(suite, &metadata, "the socket type FROB");
}

static void type_case(struct suite *suite) {
    struct wire_metadata metadata = begin(suite);
    uint8_t *type = metadata.data + metadata.size - strlen(suite_partner(suite->peer.type));
    for (; type < metadata.data + metadata.size; type++)
        *type |= 0x20;
    must_refuse(suite, &metadata, "a socket type in small letters");
}

static void type_told(struct suite *suite) {
    struct wire_metadata metadata = {.size = 0};
    const char *stranger = suite_stranger(suite->peer.type);
    wire_metadata_add(&metadata, "Socket-Type", stranger, strlen(stranger));
    int r;
    struct wire *wire = try(suite, &metadata, &r);
    if (r == 0)
        r = suite_expect(suite, wire, "ERROR", NULL, NULL) ? -EACCES : 0;
    if (r != -EACCES)
        suite_not_ok(suite, wire, "no ERROR came for the socket type %s", stranger);
}

/* Identities ---------------------------------------------------------------------------------------------------------------------- */

static struct wire_metadata with_identity(const struct suite *suite, const void *identity, size_t size) {
    struct wire_metadata metadata = begin(suite);
    wire_metadata_add(&metadata, "Identity", identity, size);
    return metadata;
}

static void identity_empty(struct suite *suite) {
    const struct wire_metadata metadata = with_identity(suite, NULL, 0);
    must_fit(suite, &metadata, "an empty Identity");
}

static void identity_255(struct suite *suite) {
    uint8_t identity[255];
    memset(identity, 'k', sizeof(identity));
    const struct wire_metadata metadata = with_identity(suite, identity, sizeof(identity));
    must_fit(suite, &metadata, "an Identity of 255 octets");
}

static void identity_256(struct suite *suite) {
    uint8_t identity[256];
    memset(identity, 'K', sizeof(identity));
    const struct wire_metadata metadata = with_identity(suite, identity, sizeof(identity));
    tell(suite, &metadata, "an Identity of 256 octets");
}

static void identity_zero(struct suite *suite) {
    const struct wire_metadata metadata = with_identity(suite, "\0kith", 5);
    tell(suite, &metadata, "an Identity that begins with a zero octet");
}

static void identity_twice(struct suite *suite) {
    struct wire_metadata metadata = with_identity(suite, "kith-a", 6);
    wire_metadata_add(&metadata, "Identity", "kith-b", 6);
    tell(suite, &metadata, "two Identities");
}

static void identity_in_use(struct suite *suite) {
    const struct wire_metadata metadata = with_identity(suite, "kith-wiretest", 13);
    struct wire *first = suite_talk_as(suite, 1, &metadata);
    if (suite->decided)
        return;
    tell(suite, &metadata, "an Identity that another connection has");
    suite_tell_reaction(suite, first, "that, to the first one,");
}

/* READY itself ----------------------------------------------------------------------------------------------------------------------- */

/* A READY frame with these flags. */
static size_t make_ready(const struct suite *suite, unsigned flags, uint8_t frame[static 128]) {
    const struct wire_metadata metadata = begin(suite);
    const size_t body = 6 + metadata.size, header = wire_header(frame, flags, body);
    memcpy(frame + header, "\x05READY", 6);
    memcpy(frame + header + 6, metadata.data, metadata.size);
    return header + body;
}

static void octet_by_octet(struct suite *suite) {
    uint8_t frame[128];
    struct wire *wire = suite_greet(suite, 1);
    suite_drip(suite, wire, frame, make_ready(suite, WIRE_COMMAND, frame));
    suite_expect(suite, wire, "READY", NULL, NULL);
    suite_must_live(suite, wire, "a READY octet by octet");
}

static void long_small(struct suite *suite) {
    uint8_t frame[128];
    struct wire *wire = suite_greet(suite, 1);
    suite_write(suite, wire, frame, make_ready(suite, WIRE_COMMAND | WIRE_LONG, frame));
    suite_expect(suite, wire, "READY", NULL, NULL);
    suite_must_live(suite, wire, "a READY with a size of 8 octets");
}

static void more_flag(struct suite *suite) {
    uint8_t frame[128];
    struct wire *wire = suite_greet(suite, 1);
    suite_write(suite, wire, frame, make_ready(suite, WIRE_COMMAND | WIRE_MORE, frame));
    suite_tell_reaction(suite, wire, "a READY with the MORE flag");
}

static void together(struct suite *suite) {
    uint8_t octets[WIRE_GREETING + 128];
    wire_greeting(octets, 1, "NULL", false);
    struct wire *wire = suite_open(suite);
    suite_write(suite, wire, octets, WIRE_GREETING + make_ready(suite, WIRE_COMMAND, octets + WIRE_GREETING));
    suite_read(suite, wire, octets, WIRE_GREETING, "greeting");
    suite_expect(suite, wire, "READY", NULL, NULL);
    suite_must_live(suite, wire, "a greeting and a READY in one piece");
}

static void message_first(struct suite *suite) {
    struct wire *wire = suite_greet(suite, 1);
    suite_send(suite, wire, 0, "early", 5);
    suite_must_close(suite, wire, "a message before READY");
}

static void command_first(struct suite *suite) {
    struct wire *wire = suite_greet(suite, 1);
    suite_command(suite, wire, "PING", "\0\0", 2);
    suite_must_close(suite, wire, "a PING before READY");
}

static void twice(struct suite *suite) {
    uint8_t frame[128];
    struct wire *wire = suite_talk(suite);
    suite_write(suite, wire, frame, make_ready(suite, WIRE_COMMAND, frame));
    suite_tell_reaction(suite, wire, "a second READY");
}

static void error(struct suite *suite) {
    struct wire *wire = suite_greet(suite, 1);
    suite_command(suite, wire, "ERROR", "\x0dkith wiretest", 14);
    suite_must_close(suite, wire, "an ERROR");
}

static void error_cut(struct suite *suite) {
    struct wire *wire = suite_greet(suite, 1);
    suite_command(suite, wire, "ERROR", "\xffshort", 6);
    suite_must_close(suite, wire, "an ERROR whose reason is cut off");
}

static void error_empty(struct suite *suite) {
    struct wire *wire = suite_greet(suite, 1);
    suite_command(suite, wire, "ERROR", NULL, 0);
    suite_must_close(suite, wire, "an ERROR without a reason");
}

const struct suite_case suite_cases_ready[] = {
    {"ready/socket-type", METADATA, SUITE_SHOULD, "the peer tells its Socket-Type", SUITE_TALK, NULL, NULL, socket_type},
    {"ready/names-any-case", METADATA, SUITE_MUST, "case has no significance in names", SUITE_TALK, NULL, NULL, names_any_case},
    {"ready/unknown-properties", METADATA, SUITE_MUST, "other properties do no harm", SUITE_TALK, NULL, NULL, unknown_properties},
    {"ready/long", FRAMING, SUITE_MUST, "metadata may need a long command", SUITE_TALK, NULL, NULL, long_metadata},
    {"ready/no-socket-type", TYPE, SUITE_OPEN, "Socket-Type is one that the sender SHOULD tell", SUITE_TALK, NULL, NULL, no_socket_type},
    {"ready/duplicate-type", TYPE, SUITE_OPEN, "which of two counts is open", SUITE_TALK, NULL, NULL, duplicate_type},
    {"ready/name-empty", NULL_MECHANISM, SUITE_SHOULD, "names without octets are not valid", SUITE_TALK, NULL, NULL, name_empty},
    {"ready/name-cut", NULL_MECHANISM, SUITE_SHOULD, "a name that goes beyond the command is refused", SUITE_TALK, NULL, NULL, name_cut},
    {"ready/value-cut", NULL_MECHANISM, SUITE_SHOULD, "a value that goes beyond the command is refused", SUITE_TALK, NULL, NULL, value_cut},
    {"ready/value-huge", NULL_MECHANISM, SUITE_SHOULD, "a value above 2^31-1 octets is refused", SUITE_TALK, NULL, NULL, value_huge},
    {"ready/name-grammar", NULL_MECHANISM, SUITE_OPEN, "names have few characters; whether that is checked is open", SUITE_TALK, NULL, NULL,
     name_grammar},
    {"ready/legal-types", TYPE, SUITE_MUST, "every legal peer type is accepted", SUITE_TALK, NULL, NULL, legal_types},
    {"ready/illegal-types", TYPE, SUITE_SHOULD, "every other type is refused", SUITE_TALK, NULL, NULL, illegal_types},
    {"ready/type-unknown", TYPE, SUITE_SHOULD, "a type that no RFC knows is refused", SUITE_TALK, NULL, NULL, type_unknown},
    {"ready/type-case", TYPE, SUITE_SHOULD, "types are written in capitals", SUITE_TALK, NULL, NULL, type_case},
    {"ready/type-told", TYPE, SUITE_SHOULD, "a wrong type is told by ERROR before the end", SUITE_TALK, NULL, NULL, type_told},
    {"ready/identity-empty", IDENTITY, SUITE_MUST, "an Identity may be empty", SUITE_TALK, NULL, NULL, identity_empty},
    {"ready/identity-255", IDENTITY, SUITE_MUST, "an Identity may have 255 octets", SUITE_TALK, NULL, NULL, identity_255},
    {"ready/identity-256", IDENTITY, SUITE_OPEN, "an Identity has at most 255 octets; what follows else is open", SUITE_TALK, NULL, NULL,
     identity_256},
    {"ready/identity-zero-led", IDENTITY, SUITE_OPEN, "zero-led ones are reserved; what follows is open", SUITE_TALK, NULL, NULL,
     identity_zero},
    {"ready/identity-twice", IDENTITY, SUITE_OPEN, "which of two counts is open", SUITE_TALK, NULL, NULL, identity_twice},
    {"ready/identity-in-use", "RFC 28, The ROUTER Socket Type", SUITE_OPEN, "an identity names one peer; who wins is open",
     SUITE_TALK | SUITE_SHARED, NULL, "ROUTER", identity_in_use},
    {"ready/octet-by-octet", FRAMING, SUITE_MUST, "READY may come in any pieces", SUITE_TALK, "NULL", NULL, octet_by_octet},
    {"ready/together", NULL_MECHANISM, SUITE_MUST, "greeting and READY may come in one piece", SUITE_TALK, "NULL", NULL, together},
    {"ready/long-small", FRAMING, SUITE_MUST, "a small command may have the long size", SUITE_TALK, "NULL", NULL, long_small},
    {"ready/more-flag", FRAMING, SUITE_OPEN, "MORE is zero on commands; what follows else is open", SUITE_TALK, "NULL", NULL, more_flag},
    {"ready/message-first", NULL_MECHANISM, SUITE_SHOULD, "messages come after READY", SUITE_TALK, "NULL", NULL, message_first},
    {"ready/command-first", NULL_MECHANISM, SUITE_SHOULD, "other commands come after READY", SUITE_TALK, "NULL", NULL, command_first},
    {"ready/twice", NULL_MECHANISM, SUITE_OPEN, "READY comes once; what follows else is open", SUITE_TALK, "NULL", NULL, twice},
    {"ready/error", ERRORS, SUITE_MUST, "ERROR in the handshake ends the connection", 0, "NULL", NULL, error},
    {"ready/error-cut", ERRORS, SUITE_MUST, "a malformed ERROR ends the connection too", 0, "NULL", NULL, error_cut},
    {"ready/error-empty", ERRORS, SUITE_MUST, "a malformed ERROR ends the connection too", 0, "NULL", NULL, error_empty},
    {0},
};

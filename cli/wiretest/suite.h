/*
 * cli/wiretest/suite.h: cases, and what a case can do.
 *
 * A case is a row of a table: which rule of which RFC it looks at, which peers it fits, and a function that talks to the peer. It reads
 * like a transcript, because every step is sticky: once a step has decided the case (not ok, skipped), all later ones do nothing. A case
 * that comes to its end undecided is ok. Connections belong to the case and are closed behind it.
 *
 * What the RFCs leave open has the level OPEN: such a case tells what the peer does in a note, and fails only where no answer is right.
 */
#ifndef KITH_CLI_WIRETEST_SUITE_H
#define KITH_CLI_WIRETEST_SUITE_H

#include "cli/wiretest/curve.h"
#include "cli/wiretest/wire.h"

/* Connections of one case, open at once or one after another. */
#define SUITE_WIRES 8
#define SUITE_TEXT 512
#define SUITE_TYPE 16

enum suite_level {
    SUITE_MUST,
    SUITE_SHOULD,
    SUITE_OPEN,
};

enum suite_verdict {
    SUITE_OK,
    SUITE_NOT_OK,
    SUITE_SKIP,
};

enum suite_need {
    SUITE_TALK = 1,     /* a whole handshake: the peer's type and, for its mechanism, credentials are known */
    SUITE_CLEAR = 2,    /* frames as they are: not under CURVE */
    SUITE_PONG = 4,     /* a peer that answers PING: else nothing tells whether it understood */
    SUITE_MESSAGES = 8, /* messages to the peer's application, or from it */
    SUITE_HOSTILE = 16, /* only with --hostile: odd enough to end a weak peer */
    SUITE_SHARED = 32,  /* several connections at once: not for exclusive pairs */
};

struct suite;

struct suite_case {
    const char *name;   /* "group/what-is-done" */
    const char *source; /* "RFC 37, Framing" */
    enum suite_level level;
    const char *rule;      /* what is expected, in a line */
    unsigned needs;        /* enum suite_need */
    const char *mechanism; /* only for peers of this one; NULL: of any */
    const char *types;     /* only for peers of these, "REP ROUTER"; NULL: of any */
    void (*run)(struct suite *suite);
};

/* One table a file, ended by a case without name. */
extern const struct suite_case suite_cases_greeting[], suite_cases_ready[], suite_cases_command[], suite_cases_frame[],
    suite_cases_heartbeat[], suite_cases_subscription[], suite_cases_plain[], suite_cases_curve[], suite_cases_pattern[],
    suite_cases_group[];

struct suite_config {
    const char *endpoint;
    uint64_t timeout;             /* ns: for what has to come */
    uint64_t quiet;               /* ns: for what must not come */
    const char *type, *mechanism; /* NULL: found out */
    const char *username, *password;
    bool has_server_key, has_secret_key;
    uint8_t server_key[CURVE_KEY], secret_key[CURVE_KEY];
    bool hostile, no_messages;
};

/* What was found out before the first case. */
struct suite_peer {
    uint8_t greeting[WIRE_GREETING];
    char mechanism[WIRE_MECHANISM + 1];
    char type[SUITE_TYPE]; /* "": not known */
    char why[SUITE_TEXT];  /* why a handshake does not come about; "" when it does */
    bool pongs;
};

struct suite {
    const struct suite_config *config;
    struct suite_peer peer;
    struct wire_framing framing;
    /* Of the case that runs. */
    enum suite_verdict verdict;
    bool decided;
    bool gone; /* nobody listens any more: the suite ends */
    char reason[SUITE_TEXT], note[SUITE_TEXT];
    char seen[3 * WIRE_SEEN_MAX + 1];
    struct wire wires[SUITE_WIRES];
    size_t wire_count;
    struct wire_frame frame; /* the last one that a step received */
};

/* suite.c: deciding ------------------------------------------------------------------------------------------------------- */

/* The first decision stays. `wire` (may be NULL) is whose octets are shown. */
void suite_not_ok(struct suite *suite, const struct wire *wire, const char *format, ...) __attribute__((format(printf, 3, 4)));
void suite_skip(struct suite *suite, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Adds to the case's note. */
void suite_note(struct suite *suite, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* step.c: connections. Each returns one, also when it has decided the case: steps on that one do nothing. ----------------- */

struct wire *suite_open(struct suite *suite);
/* Greetings both ways; ours says 3.minor and the peer's mechanism. */
struct wire *suite_greet(struct suite *suite, unsigned minor);
/* The whole handshake, as a type that fits the peer's. */
struct wire *suite_talk(struct suite *suite);
/* The same, as ZMTP 3.minor and with these properties; NULL: only Socket-Type. */
struct wire *suite_talk_as(struct suite *suite, unsigned minor, const struct wire_metadata *metadata);
/* Ends the connection; the peer has seen it when it closes too. */
void suite_close(struct suite *suite, struct wire *wire);

/* step.c: sending. A peer that has closed meanwhile decides nothing: what must follow does. ----------------------------- */

void suite_write(struct suite *suite, struct wire *wire, const void *data, size_t size);
/* One octet a write, so that the peer may read them so. */
void suite_drip(struct suite *suite, struct wire *wire, const void *data, size_t size);
void suite_header(struct suite *suite, struct wire *wire, unsigned flags, uint64_t size);
void suite_send(struct suite *suite, struct wire *wire, unsigned flags, const void *body, size_t size);
void suite_command(struct suite *suite, struct wire *wire, const char *name, const void *data, size_t size);

/* step.c: what must come ------------------------------------------------------------------------------------------------ */

enum suite_reaction {
    SUITE_LIVES, /* it answers a PING; or, when it never does, it keeps the connection open */
    SUITE_CLOSES,
    SUITE_SILENT, /* open, and no answer to a PING */
};

enum suite_reaction suite_reaction(struct suite *suite, struct wire *wire);
void suite_must_live(struct suite *suite, struct wire *wire, const char *after);
void suite_must_close(struct suite *suite, struct wire *wire, const char *after);
/* Open cases: tells in the note which of both. */
void suite_tell_reaction(struct suite *suite, struct wire *wire, const char *after);
/* Reads so many octets of the peer. */
void suite_read(struct suite *suite, struct wire *wire, void *data, size_t size, const char *what);
/* suite->frame is that command, whatever came before; *ret_data and *ret_size may be NULL. False: it did not come (decided). */
bool suite_expect(struct suite *suite, struct wire *wire, const char *name, const uint8_t **ret_data, size_t *ret_size);

/* message.c: messages ------------------------------------------------------------------------------------------------------ */

#define SUITE_FRAMES 16

struct suite_message {
    size_t count;
    size_t size[SUITE_FRAMES];
    const uint8_t *frame[SUITE_FRAMES];
    size_t used;
    uint8_t octets[WIRE_BODY_MAX];
};

/* Frames of text, ended by NULL. */
void suite_send_message(struct suite *suite, struct wire *wire, const char *const *frames);
/* The next whole message, commands skipped. False: none came in that time; the case is undecided then, unless the peer closed. */
bool suite_receive(struct suite *suite, struct wire *wire, struct suite_message *message, uint64_t patience);
/* Reads until nothing has come for the quiet time: true; false when messages still came at the deadline. */
bool suite_goes_quiet(struct suite *suite, struct wire *wire);
bool suite_frame_is(const struct suite_message *message, size_t index, const char *text);

/* mechanism.c: handshakes ---------------------------------------------------------------------------------------------------- */

/* The mechanism's whole handshake after the greetings, READY's metadata left in *ready (body and size). Errors: those of wire.h, -EPROTO
 * (something else came), -EACCES (ERROR came, its reason in why), -ENOKEY (credentials are missing), -EPROTONOSUPPORT (a mechanism that
 * this suite does not speak). */
int suite_handshake(const struct suite_config *config, const char *mechanism, struct wire *wire, const struct wire_metadata *metadata,
                    struct wire_frame *ready, char why[static SUITE_TEXT]);
/* The steps of CURVE apart: the HELLO is sent and the WELCOME is read; the keys are the caller's. */
int suite_curve_begin(const struct suite_config *config, struct wire *wire, struct wire_frame *frame, struct wire_curve **ret_curve);
/* What PLAIN's HELLO carries. */
size_t suite_plain_hello(uint8_t data[static 512], const char *username, const char *password);

/* probe.c -------------------------------------------------------------------------------------------------------------------- */

/* Fills suite->peer. Errors: those of wire_open(); -EPROTO: the peer does not speak ZMTP 3; -EPROTOTYPE: it is not what was asked for. */
int suite_probe(struct suite *suite, struct kith_error *ret_error);
/* A type that may talk to `type`; NULL: none known. */
const char *suite_partner(const char *type);
/* One that may not. */
const char *suite_stranger(const char *type);
bool suite_has_word(const char *words, const char *word);

#endif

/* cli/wiretest/step.c: the steps of a case: connections, octets, and what must come of them. See suite.h. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "cli/wiretest/suite.h"

/* An exclusive pair lets the next one in when it has noticed that the last one left: nothing tells when. */
#define PAIR_TRIES 20

static bool is_over(const struct suite *suite, const struct wire *wire) {
    return suite->decided || wire->fd < 0;
}

/* Connections -------------------------------------------------------------------------------------------------------------- */

struct wire *suite_open(struct suite *suite) {
    struct kith_error error = KITH_ERROR_NONE;
    struct wire *wire = &suite->wires[suite->wire_count < SUITE_WIRES ? suite->wire_count++ : SUITE_WIRES - 1];
    wire_close(wire);
    if (suite->decided)
        return wire;
    int r = wire_open(wire, suite->config->endpoint, suite->config->timeout, &suite->framing, &error);
    if (r < 0) {
        suite_not_ok(suite, NULL, "%s", error.text);
        suite->gone = r == -ECONNREFUSED || r == -ENOENT;
    }
    return wire;
}

static int greet(struct suite *suite, struct wire *wire, unsigned minor) {
    uint8_t greeting[WIRE_GREETING];
    wire_greeting(greeting, minor, suite->peer.mechanism, false);
    int r = wire_write(wire, greeting, sizeof(greeting));
    return r < 0 ? r : wire_read(wire, greeting, sizeof(greeting));
}

struct wire *suite_greet(struct suite *suite, unsigned minor) {
    struct wire *wire = suite_open(suite);
    if (is_over(suite, wire))
        return wire;
    int r = greet(suite, wire, minor);
    if (r < 0)
        suite_not_ok(suite, wire, "no greeting of 64 octets came for ours: %s", kith_error_name(r));
    return wire;
}

static struct wire *talk_once(struct suite *suite, unsigned minor, const struct wire_metadata *metadata, int *ret_error) {
    char why[SUITE_TEXT] = "";
    struct wire *wire = suite_open(suite);
    if (is_over(suite, wire))
        return wire;
    int r = greet(suite, wire, minor);
    if (r == 0)
        r = suite_handshake(suite->config, suite->peer.mechanism, wire, metadata, &suite->frame, why);
    *ret_error = r;
    if (r < 0 && r != -ECONNRESET)
        suite_not_ok(suite, wire, "the handshake failed: %s%s%s", kith_error_name(r), why[0] ? ": " : "", why);
    return wire;
}

struct wire *suite_talk_as(struct suite *suite, unsigned minor, const struct wire_metadata *metadata) {
    struct wire_metadata plain = {.size = 0};
    const char *type = suite_partner(suite->peer.type);
    if (!metadata && type)
        wire_metadata_add(&plain, "Socket-Type", type, strlen(type));
    const int tries = suite_has_word("PAIR CHANNEL", suite->peer.type) ? PAIR_TRIES : 1;
    for (int try = 1;; try++) {
        int error = 0;
        const size_t count = suite->wire_count;
        struct wire *wire = talk_once(suite, minor, metadata ? metadata : &plain, &error);
        if (error == 0 || suite->decided)
            return wire;
        if (try == tries) {
            suite_not_ok(suite, wire, "the peer closed in the handshake");
            return wire;
        }
        wire_until_closed(wire, suite->config->quiet / PAIR_TRIES);
        wire_close(wire);
        suite->wire_count = count;
    }
}

struct wire *suite_talk(struct suite *suite) {
    return suite_talk_as(suite, 1, NULL);
}

void suite_close(struct suite *suite, struct wire *wire) {
    if (wire->fd >= 0 && wire_shut(wire) == 0)
        wire_until_closed(wire, suite->config->quiet);
    wire_close(wire);
}

/* Sending ---------------------------------------------------------------------------------------------------------------------- */

static void sent(struct suite *suite, const struct wire *wire, int r) {
    if (r < 0 && r != -ECONNRESET)
        suite_not_ok(suite, wire, "the peer takes no octets: %s", kith_error_name(r));
}

void suite_write(struct suite *suite, struct wire *wire, const void *data, size_t size) {
    if (!is_over(suite, wire))
        sent(suite, wire, wire_write(wire, data, size));
}

void suite_drip(struct suite *suite, struct wire *wire, const void *data, size_t size) {
    for (size_t i = 0; i < size; i++)
        suite_write(suite, wire, (const uint8_t *)data + i, 1);
}

void suite_header(struct suite *suite, struct wire *wire, unsigned flags, uint64_t size) {
    uint8_t header[9];
    suite_write(suite, wire, header, wire_header(header, flags, size));
}

void suite_send(struct suite *suite, struct wire *wire, unsigned flags, const void *body, size_t size) {
    if (!is_over(suite, wire))
        sent(suite, wire, wire_send(wire, flags, body, size));
}

void suite_command(struct suite *suite, struct wire *wire, const char *name, const void *data, size_t size) {
    if (!is_over(suite, wire))
        sent(suite, wire, wire_send_command(wire, name, data, size));
}

/* What must come ------------------------------------------------------------------------------------------------------------------ */

/* Other frames than the awaited command pass by; all of them in one timeout, so that a busy publisher does not keep us. */
static int await(struct suite *suite, struct wire *wire, const char *name, const uint8_t **ret_data, size_t *ret_size) {
    const uint64_t deadline = kith_time_now() + suite->config->timeout;
    for (;;) {
        const uint64_t now = kith_time_now();
        int r = now < deadline ? wire_recv(wire, &suite->frame, deadline - now) : -ETIMEDOUT;
        if (r < 0 || wire_is_command(&suite->frame, name, ret_data, ret_size))
            return r;
    }
}

bool suite_expect(struct suite *suite, struct wire *wire, const char *name, const uint8_t **ret_data, size_t *ret_size) {
    if (is_over(suite, wire))
        return false;
    int r = await(suite, wire, name, ret_data, ret_size);
    if (r < 0)
        suite_not_ok(suite, wire, "no %s came: %s", name, r == -ECONNRESET ? "the peer closed" : kith_error_name(r));
    return r == 0;
}

void suite_read(struct suite *suite, struct wire *wire, void *data, size_t size, const char *what) {
    memset(data, 0, size);
    if (is_over(suite, wire))
        return;
    int r = wire_read(wire, data, size);
    if (r < 0)
        suite_not_ok(suite, wire, "no %s came: %s", what, r == -ECONNRESET ? "the peer closed" : kith_error_name(r));
}

static enum suite_reaction ping(struct suite *suite, struct wire *wire) {
    static const char mark[] = "\0\0kith-wiretest";
    const uint8_t *data;
    size_t size;
    int r = wire_send_command(wire, "PING", mark, sizeof(mark) - 1);
    if (r == 0 || r == -ECONNRESET) {
        do
            r = await(suite, wire, "PONG", &data, &size);
        while (r == 0 && (size != sizeof(mark) - 3 || memcmp(data, mark + 2, size) != 0));
    }
    return r == 0 ? SUITE_LIVES : r == -ECONNRESET ? SUITE_CLOSES : SUITE_SILENT;
}

enum suite_reaction suite_reaction(struct suite *suite, struct wire *wire) {
    if (is_over(suite, wire))
        return SUITE_CLOSES;
    if (suite->peer.pongs)
        return ping(suite, wire);
    return wire_until_closed(wire, suite->config->quiet) == 0 ? SUITE_CLOSES : SUITE_LIVES;
}

void suite_must_live(struct suite *suite, struct wire *wire, const char *after) {
    if (is_over(suite, wire))
        return;
    const enum suite_reaction reaction = suite_reaction(suite, wire);
    if (reaction == SUITE_CLOSES)
        suite_not_ok(suite, wire, "the peer closed the connection after %s", after);
    else if (reaction == SUITE_SILENT)
        suite_not_ok(suite, wire, "after %s the peer answers no PING", after);
}

static void note_error(struct suite *suite, const struct wire *wire) {
    static const char told[] = "it told an ERROR first";
    if (!strstr(suite->note, told) && memmem(wire->seen, wire->seen_size,
                                             "\x05"
                                             "ERROR",
                                             6))
        suite_note(suite, "%s", told);
}

void suite_must_close(struct suite *suite, struct wire *wire, const char *after) {
    if (is_over(suite, wire))
        return;
    if (wire_until_closed(wire, suite->config->timeout) < 0)
        suite_not_ok(suite, wire, "the peer kept the connection open after %s", after);
    else
        note_error(suite, wire);
}

void suite_tell_reaction(struct suite *suite, struct wire *wire, const char *after) {
    static const char *const words[] = {
        [SUITE_LIVES] = "goes on",
        [SUITE_CLOSES] = "closes",
        [SUITE_SILENT] = "keeps the connection open and answers nothing more",
    };
    if (is_over(suite, wire))
        return;
    const enum suite_reaction reaction = suite_reaction(suite, wire);
    suite_note(suite, "after %s the peer %s", after, words[reaction]);
    note_error(suite, wire);
}

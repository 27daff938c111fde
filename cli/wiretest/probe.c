/*
 * cli/wiretest/probe.c: what the peer is, found out before the first case: its greeting, its socket type, whether it answers a PING.
 *
 * The type is what its READY says. A peer that tells it only to one that fits is asked as every type in turn, most frequent ones first.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "cli/wiretest/suite.h"

/* RFC 37, "The Socket-Type Property": as what to talk to it, and as what it does not let us. */
static const struct {
    const char *type, *partner;
} pairs[] = {
    {"REP", "DEALER"},     {"ROUTER", "DEALER"},  {"DEALER", "DEALER"}, {"REQ", "ROUTER"},      {"PUB", "SUB"},
    {"XPUB", "SUB"},       {"PULL", "PUSH"},      {"PUSH", "PULL"},     {"SUB", "PUB"},         {"XSUB", "PUB"},
    {"PAIR", "PAIR"},      {"SERVER", "CLIENT"},  {"CLIENT", "SERVER"}, {"RADIO", "DISH"},      {"DISH", "RADIO"},
    {"GATHER", "SCATTER"}, {"SCATTER", "GATHER"}, {"PEER", "PEER"},     {"CHANNEL", "CHANNEL"},
};

const char *suite_partner(const char *type) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(pairs); i++)
        if (strcmp(pairs[i].type, type) == 0)
            return pairs[i].partner;
    return NULL;
}

const char *suite_stranger(const char *type) {
    return strcmp(type, "PULL") == 0 ? "SUB" : "PUSH";
}

bool suite_has_word(const char *words, const char *word) {
    const size_t size = strlen(word);
    for (const char *at = words; size > 0 && (at = strstr(at, word)); at += size)
        if ((at == words || at[-1] == ' ') && (at[size] == ' ' || at[size] == '\0'))
            return true;
    return false;
}

/* All of our greeting but what comes behind the version: many a peer tells its mechanism before it knows ours, and closes when it does not
 * like it. One that waits for the rest gets NULL. */
static int read_greeting(struct suite *suite, struct wire *wire) {
    uint8_t ours[WIRE_GREETING], *theirs = suite->peer.greeting;
    const size_t begin = WIRE_SIGNATURE + 2;
    size_t size = 0;
    wire_greeting(ours, 1, "NULL", false);
    int r = wire_write(wire, ours, begin);
    while (r == 0 && size < WIRE_GREETING) {
        r = wire_read_within(wire, theirs + size, 1, suite->config->quiet);
        size += r == 0;
    }
    if (r != -ETIMEDOUT)
        return r;
    r = wire_write(wire, ours + begin, WIRE_GREETING - begin);
    return r < 0 ? r : wire_read(wire, theirs + size, WIRE_GREETING - size);
}

static int probe_greeting(struct suite *suite, struct kith_error *error) {
    _cleanup_(wire_close) struct wire wire = {.fd = -1};
    const uint8_t *greeting = suite->peer.greeting;
    int r = wire_open(&wire, suite->config->endpoint, suite->config->timeout, &suite->framing, error);
    if (r < 0)
        return r;
    r = read_greeting(suite, &wire);
    if (r < 0)
        return kith_error_set(error, r, "%s: no ZMTP greeting came: %s", suite->config->endpoint, kith_error_name(r));
    if (greeting[0] != 0xff || !(greeting[9] & 1) || greeting[10] < 3)
        return kith_error_set(error, -EPROTO, "%s: the peer does not speak ZMTP 3: its greeting begins %02x...%02x%02x%02x",
                              suite->config->endpoint, greeting[0], greeting[9], greeting[10], greeting[11]);
    memcpy(suite->peer.mechanism, greeting + 12, WIRE_MECHANISM);
    const char *asked = suite->config->mechanism;
    if (asked && strcmp(asked, suite->peer.mechanism) != 0)
        return kith_error_set(error, -EPROTOTYPE, "%s: the peer's mechanism is %s, not %s", suite->config->endpoint, suite->peer.mechanism,
                              asked);
    return 0;
}

/* A handshake as this type: 0 when READY told the peer's. */
static int ask_as(struct suite *suite, const char *type, struct wire *wire) {
    struct wire_metadata metadata = {.size = 0};
    struct kith_error error = KITH_ERROR_NONE;
    struct suite_peer *peer = &suite->peer;
    wire_metadata_add(&metadata, "Socket-Type", type, strlen(type));
    uint8_t greeting[WIRE_GREETING];
    wire_greeting(greeting, 1, peer->mechanism, false);
    int r = wire_open(wire, suite->config->endpoint, suite->config->timeout, &suite->framing, &error);
    if (r == 0)
        r = wire_write(wire, greeting, sizeof(greeting));
    if (r == 0)
        r = wire_read(wire, greeting, sizeof(greeting));
    if (r == 0)
        r = suite_handshake(suite->config, peer->mechanism, wire, &metadata, &suite->frame, peer->why);
    if (r < 0)
        return r;
    size_t size;
    const uint8_t *value = wire_metadata_find(suite->frame.body, suite->frame.size, "Socket-Type", &size);
    if (!value || size >= sizeof(peer->type))
        return -EPROTO;
    memcpy(peer->type, value, size);
    peer->type[size] = '\0';
    return 0;
}

static void probe_type(struct suite *suite) {
    struct suite_peer *peer = &suite->peer;
    int r = -EPROTO;
    if (suite->config->type)
        snprintf(peer->type, sizeof(peer->type), "%s", suite->config->type);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(pairs) && r < 0 && r != -ENOKEY && r != -EPROTONOSUPPORT; i++) {
        _cleanup_(wire_close) struct wire wire = {.fd = -1};
        r = ask_as(suite, suite->config->type && suite_partner(peer->type) ? suite_partner(peer->type) : pairs[i].partner, &wire);
        if (suite->config->type)
            break;
    }
    if (r == -ENOKEY)
        snprintf(peer->why, sizeof(peer->why), "no credentials for %s are given", peer->mechanism);
    else if (r == -EPROTONOSUPPORT)
        snprintf(peer->why, sizeof(peer->why), "this suite does not speak the mechanism %s", peer->mechanism);
    else if (r < 0 && !peer->why[0])
        snprintf(peer->why, sizeof(peer->why), "no handshake comes about: %s", kith_error_name(r));
    else if (r == 0)
        peer->why[0] = '\0';
}

static void probe_pong(struct suite *suite) {
    suite->peer.pongs = true;
    struct wire *wire = suite_talk(suite);
    suite->peer.pongs = !suite->decided && suite_reaction(suite, wire) == SUITE_LIVES;
    suite_close(suite, wire);
    suite->wire_count = 0;
    suite->decided = false;
}

int suite_probe(struct suite *suite, struct kith_error *ret_error) {
    int r = probe_greeting(suite, ret_error);
    if (r < 0)
        return r;
    probe_type(suite);
    if (!suite->peer.why[0] && !suite_partner(suite->peer.type))
        snprintf(suite->peer.why, sizeof(suite->peer.why), "the peer says that it is a %s, which no RFC knows", suite->peer.type);
    if (!suite->peer.why[0])
        probe_pong(suite);
    return 0;
}

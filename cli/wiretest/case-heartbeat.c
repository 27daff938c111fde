/* cli/wiretest/case-heartbeat.c: cases about PING and PONG (RFC 37, "Connection Heartbeating"). */
#include <string.h>

#include "base/time.h"
#include "cli/wiretest/suite.h"

#define HEARTBEAT "RFC 37, Connection Heartbeating"
#define TTL_SIZE 2
#define CONTEXT_MAX 16
/* Enough to find a queue of answers that loses some, and nothing to a server that answers. No more at once than a peer that answers one by
 * one, and reads nothing meanwhile, gets rid of before we read: a unix socket's buffer holds some 270 small writes. */
#define STORM 100
#define STORMS 3

static void echo(struct suite *suite, const char *ping, size_t size) {
    const uint8_t *context;
    size_t context_size;
    struct wire *wire = suite_talk(suite);
    suite_command(suite, wire, "PING", ping, size);
    if (!suite_expect(suite, wire, "PONG", &context, &context_size))
        return;
    if (context_size != size - TTL_SIZE || memcmp(context, ping + TTL_SIZE, context_size) != 0)
        suite_not_ok(suite, wire, "the PONG has %zu octets of context: not the %zu of the PING", context_size, size - TTL_SIZE);
}

static void no_context(struct suite *suite) {
    echo(suite, "\0\0", 2);
}

static void short_context(struct suite *suite) {
    echo(suite, "\0\0\0", 3);
}

static void whole_context(struct suite *suite) {
    echo(suite, "\0\0kith wiretest \xff\0", 18);
}

static void ttl_largest(struct suite *suite) {
    struct wire *wire = suite_talk(suite);
    suite_command(suite, wire, "PING", "\xff\xff", 2);
    suite_expect(suite, wire, "PONG", NULL, NULL);
    if (!suite->decided && wire_until_closed(wire, suite->config->quiet) == 0)
        suite_not_ok(suite, wire, "the peer closed long before a TTL of 6553.5 s was over");
}

/* Only what came may go back: more would be memory of the peer. */
static void too_long(struct suite *suite) {
    const uint8_t *context;
    size_t size;
    struct wire *wire = suite_talk(suite);
    suite_command(suite, wire, "PING", "\0\0kith wiretest 123", 2 + CONTEXT_MAX + 1);
    suite_command(suite, wire, "PING", "\0\0end", 5);
    while (suite_expect(suite, wire, "PONG", &context, &size)) {
        if (size == 3 && memcmp(context, "end", 3) == 0)
            break;
        suite_note(suite, "a PING with 17 octets of context is answered with %zu", size);
        if (size > CONTEXT_MAX)
            suite_not_ok(suite, wire, "a PONG has %zu octets of context", size);
    }
}

static void too_short(struct suite *suite) {
    const uint8_t *context;
    size_t size;
    struct wire *wire = suite_talk(suite);
    suite_command(suite, wire, "PING", "\0", 1);
    if (suite->decided)
        return;
    suite_command(suite, wire, "PING", "\0\0end", 5);
    const uint64_t deadline = kith_time_now() + suite->config->timeout;
    for (uint64_t now; (now = kith_time_now()) < deadline;) {
        if (wire_recv(wire, &suite->frame, deadline - now) < 0) {
            suite_note(suite, "the peer ends the connection");
            return;
        }
        if (!wire_is_command(&suite->frame, "PONG", &context, &size) || (size == 3 && memcmp(context, "end", 3) == 0)) {
            if (size == 3)
                return;
            continue;
        }
        if (size > 0)
            suite_not_ok(suite, wire, "a PING without a whole TTL is answered with %zu octets that were never sent", size);
        else
            suite_note(suite, "the peer answers");
        return;
    }
}

static void pong_unasked(struct suite *suite) {
    struct wire *wire = suite_talk(suite);
    suite_command(suite, wire, "PONG", "nobody asked", 12);
    suite_must_live(suite, wire, "a PONG that nobody asked for");
}

static void pong_long(struct suite *suite) {
    struct wire *wire = suite_talk(suite);
    suite_command(suite, wire, "PONG", "0123456789abcdef+", 17);
    suite_tell_reaction(suite, wire, "a PONG with 17 octets of context");
}

static void storm(struct suite *suite) {
    struct wire *wire = suite_talk(suite);
    for (size_t round = 0; round < STORMS; round++) {
        for (size_t i = 0; i < STORM; i++)
            suite_command(suite, wire, "PING", "\0\0", 2);
        for (size_t i = 0; i < STORM; i++)
            suite_expect(suite, wire, "PONG", NULL, NULL);
    }
}

static void expiry(struct suite *suite) {
    struct wire *wire = suite_talk(suite);
    suite_command(suite, wire, "PING", "\0\x01", 2);
    suite_must_close(suite, wire, "a TTL of 0.1 s without further traffic");
}

static void to_30(struct suite *suite) {
    struct wire *wire = suite_talk_as(suite, 0, NULL);
    suite_tell_reaction(suite, wire, "a PING of a 3.0 peer");
}

const struct suite_case suite_cases_heartbeat[] = {
    {"heartbeat/pong", HEARTBEAT, SUITE_MUST, "PING is answered with PONG", SUITE_TALK, NULL, NULL, no_context},
    {"heartbeat/context-1", HEARTBEAT, SUITE_MUST, "PONG echoes the context", SUITE_TALK, NULL, NULL, short_context},
    {"heartbeat/context-16", HEARTBEAT, SUITE_MUST, "PONG echoes 16 octets of context", SUITE_TALK, NULL, NULL, whole_context},
    {"heartbeat/context-17", HEARTBEAT, SUITE_MUST, "PONG has at most 16 octets of context", SUITE_TALK | SUITE_PONG, NULL, NULL, too_long},
    {"heartbeat/ttl-cut", HEARTBEAT, SUITE_MUST, "PONG holds nothing that the PING did not", SUITE_TALK | SUITE_PONG, NULL, NULL,
     too_short},
    {"heartbeat/ttl-largest", HEARTBEAT, SUITE_MUST, "a TTL may be 6553.5 s", SUITE_TALK | SUITE_PONG, NULL, NULL, ttl_largest},
    {"heartbeat/ttl-over", HEARTBEAT, SUITE_SHOULD, "a peer that is silent for its TTL is considered dead", SUITE_TALK | SUITE_PONG, NULL,
     NULL, expiry},
    {"heartbeat/pong-unasked", HEARTBEAT, SUITE_SHOULD, "any traffic is a sign of life, also a PONG", SUITE_TALK, NULL, NULL, pong_unasked},
    {"heartbeat/pong-long", HEARTBEAT, SUITE_OPEN, "PONG has at most 16 octets; what follows else is open", SUITE_TALK, NULL, NULL,
     pong_long},
    {"heartbeat/storm", HEARTBEAT, SUITE_MUST, "a hundred PINGs are answered with a hundred PONGs", SUITE_TALK | SUITE_PONG, NULL, NULL,
     storm},
    {"heartbeat/version-3.0", HEARTBEAT, SUITE_OPEN, "3.0 has no PING; what follows is open", SUITE_TALK | SUITE_PONG, NULL, NULL, to_30},
    {0},
};

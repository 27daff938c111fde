/*
 * cli/wiretest/case-pattern.c: cases about patterns, as far as one sees them from outside (RFC 28, 30, 31).
 *
 * What a peer answers is its application's. A case that needs an answer is skipped when none comes in time; most fit any answer, some need
 * one that echoes.
 */
#include <string.h>

#include "cli/wiretest/suite.h"

#define REP "RFC 28, The REP Socket Type"
#define REQ "RFC 28, The REQ Socket Type"
#define DEALER "RFC 28, The DEALER Socket Type"
#define PULL "RFC 30, The PULL Socket Type"
#define PUSH "RFC 30, The PUSH Socket Type"
#define NEEDS (SUITE_TALK | SUITE_MESSAGES)

/* A reply; without one the case is skipped: no rule says that applications answer. */
static bool reply(struct suite *suite, struct wire *wire, struct suite_message *message) {
    if (suite_receive(suite, wire, message, suite->config->timeout))
        return true;
    suite_skip(suite, "the application does not answer");
    return false;
}

static void rep_envelope(struct suite *suite) {
    static const char *const request[] = {"first hop", "second hop", "", "kith-wiretest", NULL};
    struct suite_message message;
    struct wire *wire = suite_talk(suite);
    suite_send_message(suite, wire, request);
    if (!reply(suite, wire, &message))
        return;
    for (size_t i = 0; i < 3; i++)
        if (!suite_frame_is(&message, i, request[i]))
            suite_not_ok(suite, wire, "frame %zu of the reply is not that of the request's envelope", i);
    if (message.count < 4)
        suite_not_ok(suite, wire, "the reply has no frame behind its envelope");
}

static void rep_delimiter(struct suite *suite) {
    static const char *const request[] = {"", "kith-wiretest", NULL};
    struct suite_message message;
    struct wire *wire = suite_talk(suite);
    suite_send_message(suite, wire, request);
    if (reply(suite, wire, &message) && (message.count < 2 || message.size[0] != 0))
        suite_not_ok(suite, wire, "the reply does not begin with an empty frame");
}

static void rep_malformed(struct suite *suite) {
    static const char *const malformed[] = {"no", "delimiter", NULL}, *const request[] = {"", "kith-wiretest", NULL};
    struct suite_message message;
    struct wire *wire = suite_talk(suite);
    suite_send_message(suite, wire, malformed);
    suite_send_message(suite, wire, request);
    if (reply(suite, wire, &message) && (message.count < 2 || message.size[0] != 0))
        suite_not_ok(suite, wire, "a request without delimiter was replied to");
}

static void rep_order(struct suite *suite) {
    static const char *const one[] = {"1", "", "kith-wiretest", NULL}, *const two[] = {"2", "", "kith-wiretest", NULL};
    struct suite_message message;
    struct wire *wire = suite_talk(suite);
    suite_send_message(suite, wire, one);
    suite_send_message(suite, wire, two);
    if (!reply(suite, wire, &message))
        return;
    if (!suite_frame_is(&message, 0, "1"))
        suite_not_ok(suite, wire, "the first reply is not to the first request");
    if (reply(suite, wire, &message) && !suite_frame_is(&message, 0, "2"))
        suite_not_ok(suite, wire, "the second reply is not to the second request");
}

static void rep_partial(struct suite *suite) {
    static const char *const request[] = {"whole", "", "kith-wiretest", NULL};
    struct suite_message message;
    struct wire *wire = suite_talk(suite);
    suite_send(suite, wire, WIRE_MORE, NULL, 0);
    suite_send(suite, wire, WIRE_MORE, "half", 4);
    suite_close(suite, wire);
    wire = suite_talk(suite);
    suite_send_message(suite, wire, request);
    if (reply(suite, wire, &message) && !suite_frame_is(&message, 0, "whole"))
        suite_not_ok(suite, wire, "the reply is not to the whole request");
}

static void rep_only_us(struct suite *suite) {
    static const char *const request[] = {"", "kith-wiretest", NULL};
    struct suite_message message;
    struct wire *other = suite_talk(suite), *wire = suite_talk(suite);
    suite_send_message(suite, wire, request);
    if (reply(suite, wire, &message) && suite_receive(suite, other, &message, suite->config->quiet))
        suite_not_ok(suite, other, "a reply came to one that did not ask");
}

static void rep_asker_gone(struct suite *suite) {
    static const char *const request[] = {"", "kith-wiretest", NULL};
    struct suite_message message;
    struct wire *wire = suite_talk(suite);
    suite_send_message(suite, wire, request);
    wire_close(wire);
    wire = suite_talk(suite);
    suite_send_message(suite, wire, request);
    reply(suite, wire, &message);
    suite_must_live(suite, wire, "a request whose asker went away");
}

/* A REQ has not asked us: what we send is no reply. */
static void req_unasked(struct suite *suite) {
    static const char *const message[] = {"", "nobody asked", NULL};
    struct wire *wire = suite_talk(suite);
    suite_send_message(suite, wire, message);
    suite_must_live(suite, wire, "a reply that was not asked for");
}

static void echo(struct suite *suite) {
    static const char *const frames[] = {"kith-wiretest", "", "two", "", NULL};
    struct suite_message message;
    struct wire *wire = suite_talk(suite);
    suite_send_message(suite, wire, frames);
    if (!reply(suite, wire, &message))
        return;
    if (!suite_frame_is(&message, 0, frames[0])) {
        suite_skip(suite, "the application does not echo");
        return;
    }
    for (size_t i = 0; i < 4; i++)
        if (!suite_frame_is(&message, i, frames[i]))
            suite_not_ok(suite, wire, "frame %zu came back changed", i);
    if (message.count != 4)
        suite_not_ok(suite, wire, "of 4 frames %zu came back", message.count);
}

static void echo_order(struct suite *suite) {
    char text[] = "kith-wiretest .";
    struct suite_message message;
    struct wire *wire = suite_talk(suite);
    for (char i = 'a'; i < 'k'; i++) {
        text[14] = i;
        suite_send_message(suite, wire, (const char *const[]){"", text, NULL}); /* a server like REP wants the delimiter */
    }
    for (char i = 'a'; i < 'k' && reply(suite, wire, &message); i++) {
        text[14] = i;
        if (i == 'a' && !suite_frame_is(&message, 1, text))
            suite_skip(suite, "the application does not echo");
        else if (!suite_frame_is(&message, 1, text))
            suite_not_ok(suite, wire, "messages came back in another order, or not all of them");
    }
}

static void pull_takes(struct suite *suite) {
    static const char *const message[] = {"kith-wiretest", "", "three frames", NULL};
    struct wire *wire = suite_talk(suite);
    for (size_t i = 0; i < 10; i++)
        suite_send_message(suite, wire, message);
    suite_must_live(suite, wire, "ten messages");
}

static void sends_whole(struct suite *suite) {
    struct suite_message message;
    struct wire *wire = suite_talk(suite);
    if (!suite_receive(suite, wire, &message, suite->config->timeout))
        suite_skip(suite, "the application sends nothing");
}

/* Last of all: what has been seen of the peer's frames in the whole run. */
static void framing(struct suite *suite) {
    const struct wire_framing *seen = &suite->framing;
    if (seen->frames == 0)
        suite_skip(suite, "no frame came");
    if (seen->reserved > 0)
        suite_not_ok(suite, NULL, "%zu of %zu frames have reserved bits", seen->reserved, seen->frames);
    if (seen->more_on_command > 0)
        suite_not_ok(suite, NULL, "%zu of %zu frames are commands with MORE", seen->more_on_command, seen->frames);
    if (seen->long_small > 0)
        suite_note(suite, "%zu of %zu frames have the long size without need", seen->long_small, seen->frames);
}

const struct suite_case suite_cases_pattern[] = {
    {"pattern/rep-delimiter", REP, SUITE_MUST, "a reply has the request's delimiter", NEEDS, NULL, "REP", rep_delimiter},
    {"pattern/rep-envelope", REP, SUITE_MUST, "a reply has the whole envelope of its request", NEEDS, NULL, "REP", rep_envelope},
    {"pattern/rep-malformed", REP, SUITE_SHOULD, "a request without delimiter is dropped, and others are replied to", NEEDS, NULL, "REP",
     rep_malformed},
    {"pattern/rep-order", REP, SUITE_MUST, "one request at a time, in order", NEEDS, NULL, "REP", rep_order},
    {"pattern/rep-partial", "RFC 37, Socket Semantics", SUITE_MUST, "half a request is not delivered", NEEDS, NULL, "REP", rep_partial},
    {"pattern/rep-only-us", REP, SUITE_MUST, "a reply goes to the originating peer", NEEDS | SUITE_SHARED, NULL, "REP", rep_only_us},
    {"pattern/rep-asker-gone", REP, SUITE_MUST, "a reply to one that is gone is discarded", NEEDS, NULL, "REP", rep_asker_gone},
    {"pattern/req-unasked", REQ, SUITE_MUST, "a reply that was not asked for is discarded", NEEDS, NULL, "REQ", req_unasked},
    {"pattern/echo", DEALER, SUITE_MUST, "messages are not filtered or modified", NEEDS, NULL, "ROUTER DEALER PAIR", echo},
    {"pattern/echo-order", "RFC 37, Socket Semantics", SUITE_MUST, "messages between two peers stay in order", NEEDS, NULL,
     "ROUTER DEALER PAIR", echo_order},
    {"pattern/pull-takes", PULL, SUITE_MUST, "messages are taken", NEEDS, NULL, "PULL", pull_takes},
    {"pattern/sends-whole", PUSH, SUITE_MUST, "a message is sent with all its frames", NEEDS, NULL, "PUSH SCATTER", sends_whole},
    {"frame/of-the-peer", "RFC 37, Framing", SUITE_MUST, "in all frames of the peer reserved bits are zero", 0, NULL, NULL, framing},
    {0},
};

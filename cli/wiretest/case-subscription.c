/*
 * cli/wiretest/case-subscription.c: cases about subscriptions (RFC 37, "The Publish-Subscribe Pattern"; RFC 29; RFC 23 towards 3.0).
 *
 * What a publisher sends is its application's. Cases that need messages first wait for one; a publisher that sends none, or too rarely for
 * a silence to mean anything, is skipped.
 */
#include <string.h>

#include "base/time.h"
#include "cli/wiretest/suite.h"

#define PUBSUB "RFC 37, The Publish-Subscribe Pattern"
#define PUBSUB_30 "RFC 23, The Publish-Subscribe Pattern"
#define FILTER "RFC 29, The PUB Socket Type"
#define PUBLISHERS "PUB XPUB"
#define SUBSCRIBERS "SUB XSUB"
#define FLOW (SUITE_TALK | SUITE_MESSAGES)
/*
 * The RFC has subscriptions counted. Deployed subscribers send every SUBSCRIBE but only the last CANCEL, and deployed publishers take the
 * one for all: a publisher that counted would send to such a subscriber for ever. So which of both a peer does is told, not judged.
 */
#define COUNTED "the RFC counts, deployed peers do not: which of both is told"
/* Messages that are looked at where one is not enough. */
#define SOME 8
/* A topic that no application publishes. */
#define NOBODYS "kith-wiretest: nobody publishes this"

static void subscribe(struct suite *suite, struct wire *wire, const void *topic, size_t size) {
    suite_command(suite, wire, "SUBSCRIBE", topic, size);
}

static void cancel(struct suite *suite, struct wire *wire, const void *topic, size_t size) {
    suite_command(suite, wire, "CANCEL", topic, size);
}

/* A message, and soon another: then a quiet time means that messages have stopped. False decides the case. */
static bool flows(struct suite *suite, struct wire *wire, struct suite_message *message) {
    const bool first = suite_receive(suite, wire, message, suite->config->timeout);
    if (first && suite_receive(suite, wire, message, suite->config->quiet / 2))
        return true;
    suite_skip(suite, first ? "the publisher sends too rarely for what is looked at" : "the publisher sends nothing");
    return false;
}

static void must_flow(struct suite *suite, struct wire *wire, const char *after) {
    struct suite_message message;
    for (size_t i = 0; i < SOME; i++)
        if (!suite_receive(suite, wire, &message, suite->config->timeout))
            suite_not_ok(suite, wire, "no message came after %s", after);
}

/* Reads and forgets for the quiet time. */
static void pass(struct suite *suite, struct wire *wire) {
    struct suite_message message;
    const uint64_t end = kith_time_now() + suite->config->quiet;
    for (uint64_t now; (now = kith_time_now()) < end;)
        suite_receive(suite, wire, &message, end - now);
}

static void must_stop(struct suite *suite, struct wire *wire, const char *after) {
    if (!suite->decided && !suite_goes_quiet(suite, wire))
        suite_not_ok(suite, wire, "messages still come after %s", after);
}

/* Commands ------------------------------------------------------------------------------------------------------------------- */

static void commands(struct suite *suite) {
    struct wire *wire = suite_talk(suite);
    subscribe(suite, wire, NOBODYS, strlen(NOBODYS));
    cancel(suite, wire, NOBODYS, strlen(NOBODYS));
    suite_must_live(suite, wire, "SUBSCRIBE and CANCEL");
}

static void cancel_unknown(struct suite *suite) {
    struct wire *wire = suite_talk(suite);
    cancel(suite, wire, NOBODYS, strlen(NOBODYS));
    suite_must_live(suite, wire, "a CANCEL of what was not subscribed");
}

static void long_topics(struct suite *suite) {
    static const size_t sizes[] = {245, 246, 255, 256, 1000, 8000};
    static uint8_t topic[8000];
    struct wire *wire = suite_talk(suite);
    memset(topic, 'k', sizeof(topic));
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        subscribe(suite, wire, topic, sizes[i]);
        cancel(suite, wire, topic, sizes[i]);
    }
    suite_must_live(suite, wire, "topics of up to 8000 octets");
}

static void many(struct suite *suite) {
    char topic[] = "kith-wiretest ...";
    struct wire *wire = suite_talk(suite);
    for (unsigned i = 0; i < 500; i++) {
        topic[14] = (char)('0' + i / 100);
        topic[15] = (char)('0' + i / 10 % 10);
        topic[16] = (char)('0' + i % 10);
        subscribe(suite, wire, topic, sizeof(topic) - 1);
    }
    suite_must_live(suite, wire, "500 subscriptions");
}

/* libzmq 4.3.3 and 4.3.4 send long SUBSCRIBEs so: the size has 8 octets and the flags do not say it. */
static void odd_long(struct suite *suite) {
    uint8_t frame[9 + 10 + 250];
    struct wire *wire = suite_talk(suite);
    wire_header(frame, WIRE_COMMAND | WIRE_LONG, 10 + 250);
    frame[0] = WIRE_COMMAND;
    memcpy(frame + 9, "\x09SUBSCRIBE", 10);
    memset(frame + 19, 'k', 250);
    suite_write(suite, wire, frame, sizeof(frame));
    suite_tell_reaction(suite, wire, "a SUBSCRIBE of 250 octets as libzmq 4.3.4 sends it");
}

static void message_form(struct suite *suite) {
    struct wire *wire = suite_talk(suite);
    suite_send(suite, wire, 0, "\x01" NOBODYS, 1 + strlen(NOBODYS));
    suite_send(suite, wire, 0, "\0" NOBODYS, 1 + strlen(NOBODYS));
    suite_tell_reaction(suite, wire, "a subscription as a 3.0 message");
}

static void message_form_30(struct suite *suite) {
    struct suite_message message;
    struct wire *wire = suite_talk_as(suite, 0, NULL);
    suite_send(suite, wire, 0, "\x01", 1);
    if (!flows(suite, wire, &message))
        return;
    suite_send(suite, wire, 0, "\0", 1);
    must_stop(suite, wire, "the cancelling message");
}

static void message_discarded(struct suite *suite) {
    static const char *const message[] = {"kith-wiretest", "is no subscriber that speaks", NULL};
    struct wire *wire = suite_talk(suite);
    suite_send_message(suite, wire, message);
    suite_must_live(suite, wire, "a message to a publisher");
}

/* Filters ----------------------------------------------------------------------------------------------------------------------- */

static void delivers(struct suite *suite) {
    struct suite_message message;
    struct wire *wire = suite_talk(suite);
    subscribe(suite, wire, NULL, 0);
    flows(suite, wire, &message);
}

static void unsubscribed(struct suite *suite) {
    struct suite_message message;
    struct wire *wire = suite_talk(suite);
    if (suite_receive(suite, wire, &message, suite->config->quiet))
        suite_not_ok(suite, wire, "a message of %zu frames came without a subscription", message.count);
    subscribe(suite, wire, NOBODYS, strlen(NOBODYS));
    if (suite_receive(suite, wire, &message, suite->config->quiet))
        suite_not_ok(suite, wire, "a message of %zu frames came that no subscription matches", message.count);
}

static void filters(struct suite *suite) {
    struct suite_message message;
    struct wire *wire = suite_talk(suite);
    subscribe(suite, wire, NULL, 0);
    if (!flows(suite, wire, &message))
        return;
    uint8_t topic[8];
    const size_t size = message.size[0] < sizeof(topic) ? message.size[0] : sizeof(topic);
    memcpy(topic, message.frame[0], size);
    cancel(suite, wire, NULL, 0);
    must_stop(suite, wire, "the CANCEL of everything");
    subscribe(suite, wire, topic, size);
    for (size_t i = 0; i < SOME && !suite->decided; i++) {
        if (!suite_receive(suite, wire, &message, suite->config->timeout))
            suite_skip(suite, "the publisher sends another topic each time");
        else if (message.size[0] < size || memcmp(message.frame[0], topic, size) != 0)
            suite_not_ok(suite, wire, "a message came whose first frame does not begin with the topic");
    }
}

static void cancels(struct suite *suite) {
    struct suite_message message;
    struct wire *wire = suite_talk(suite);
    subscribe(suite, wire, NULL, 0);
    if (!flows(suite, wire, &message))
        return;
    cancel(suite, wire, NULL, 0);
    must_stop(suite, wire, "CANCEL");
    subscribe(suite, wire, NULL, 0);
    must_flow(suite, wire, "a new SUBSCRIBE");
}

static void counted(struct suite *suite) {
    struct suite_message message;
    struct wire *wire = suite_talk(suite);
    subscribe(suite, wire, NULL, 0);
    subscribe(suite, wire, NULL, 0);
    if (!flows(suite, wire, &message))
        return;
    cancel(suite, wire, NULL, 0);
    suite_must_live(suite, wire, "one CANCEL of two");
    pass(suite, wire); /* what was queued before the CANCEL does not count */
    suite_note(suite, "of two SUBSCRIBEs one CANCEL undoes %s",
               suite_receive(suite, wire, &message, suite->config->quiet) ? "one" : "both");
    cancel(suite, wire, NULL, 0);
    must_stop(suite, wire, "two CANCELs of two SUBSCRIBEs");
}

static void additive(struct suite *suite) {
    struct suite_message message;
    struct wire *wire = suite_talk(suite);
    subscribe(suite, wire, NULL, 0);
    subscribe(suite, wire, NOBODYS, strlen(NOBODYS));
    if (!flows(suite, wire, &message))
        return;
    cancel(suite, wire, NOBODYS, strlen(NOBODYS));
    pass(suite, wire);
    must_flow(suite, wire, "the CANCEL of another topic");
}

/* Subscribers ------------------------------------------------------------------------------------------------------------------------ */

/* The first frame that it sends on its own. */
static bool first_frame(struct suite *suite, struct wire *wire) {
    if (suite->decided)
        return false;
    if (wire_recv(wire, &suite->frame, suite->config->quiet) == 0)
        return true;
    suite_skip(suite, "the subscriber subscribes to nothing");
    return false;
}

static void sent_as_commands(struct suite *suite) {
    struct wire *wire = suite_talk(suite);
    if (first_frame(suite, wire) && !wire_is_command(&suite->frame, "SUBSCRIBE", NULL, NULL))
        suite_not_ok(suite, wire, "the first frame of the subscriber is no SUBSCRIBE (flags %02x)", suite->frame.flags);
}

static void sent_as_messages(struct suite *suite) {
    struct wire *wire = suite_talk_as(suite, 0, NULL);
    if (first_frame(suite, wire) && (suite->frame.flags != 0 || suite->frame.size == 0 || suite->frame.body[0] != 1))
        suite_not_ok(suite, wire, "the first frame of the subscriber is no message 01 (flags %02x)", suite->frame.flags);
}

const struct suite_case suite_cases_subscription[] = {
    {"subscription/commands", PUBSUB, SUITE_MUST, "SUBSCRIBE and CANCEL are taken", SUITE_TALK, NULL, PUBLISHERS, commands},
    {"subscription/cancel-unknown", PUBSUB, SUITE_SHOULD, "a CANCEL of nothing does nothing", SUITE_TALK, NULL, PUBLISHERS, cancel_unknown},
    {"subscription/long-topics", PUBSUB, SUITE_MUST, "a topic may need a long command", SUITE_TALK, NULL, PUBLISHERS, long_topics},
    {"subscription/many", PUBSUB, SUITE_MUST, "a peer may have many subscriptions", SUITE_TALK, NULL, PUBLISHERS, many},
    {"subscription/odd-long", "RFC 37, Framing", SUITE_OPEN, "deployed peers send long SUBSCRIBEs without LONG; what follows is open",
     SUITE_TALK | SUITE_CLEAR, NULL, PUBLISHERS, odd_long},
    {"subscription/message-form", PUBSUB_30, SUITE_OPEN, "whether 3.0's messages are taken from a 3.1 peer is open", SUITE_TALK, NULL,
     PUBLISHERS, message_form},
    {"subscription/version-3.0", PUBSUB_30, SUITE_MUST, "a 3.0 peer subscribes and cancels by messages", FLOW, NULL, PUBLISHERS,
     message_form_30},
    {"subscription/discards", FILTER, SUITE_MUST, "messages of subscribers are discarded", FLOW, NULL, "PUB", message_discarded},
    {"subscription/delivers", PUBSUB, SUITE_MUST, "an empty subscription matches all messages", FLOW, NULL, PUBLISHERS, delivers},
    {"subscription/unsubscribed", PUBSUB, SUITE_MUST, "filtering is done by the publisher", FLOW, NULL, PUBLISHERS, unsubscribed},
    {"subscription/filters", FILTER, SUITE_MUST, "the start of the first frame decides", FLOW, NULL, PUBLISHERS, filters},
    {"subscription/cancels", PUBSUB, SUITE_MUST, "CANCEL undoes SUBSCRIBE", FLOW, NULL, PUBLISHERS, cancels},
    {"subscription/counted", PUBSUB, SUITE_OPEN, COUNTED, FLOW, NULL, PUBLISHERS, counted},
    {"subscription/additive", PUBSUB, SUITE_MUST, "the CANCEL of one topic leaves the others", FLOW, NULL, PUBLISHERS, additive},
    {"subscription/sent-as-commands", PUBSUB, SUITE_MUST, "a subscriber sends SUBSCRIBE to a 3.1 peer", SUITE_TALK, NULL, SUBSCRIBERS,
     sent_as_commands},
    {"subscription/sent-as-messages", PUBSUB_30, SUITE_MUST, "a subscriber sends messages to a 3.0 peer", SUITE_TALK, NULL, SUBSCRIBERS,
     sent_as_messages},
    {0},
};

/* cli/wiretest/case-group.c: cases about RADIO and DISH (RFC 48), and about the other types that know no multipart (RFC 41, 49, 51, 52). */
#include <string.h>

#include "cli/wiretest/suite.h"

#define RADIO_DISH "RFC 37, The Radio-Dish Pattern"
#define SINGLE "RFC 37, Thread-Safe Socket Types"

static void join_leave(struct suite *suite) {
    struct wire *wire = suite_talk(suite);
    suite_command(suite, wire, "JOIN", "kith-wiretest", 13);
    suite_command(suite, wire, "LEAVE", "kith-wiretest", 13);
    suite_must_live(suite, wire, "JOIN and LEAVE");
}

static void leave_unknown(struct suite *suite) {
    struct wire *wire = suite_talk(suite);
    suite_command(suite, wire, "LEAVE", "kith-wiretest", 13);
    suite_must_live(suite, wire, "a LEAVE of a group that was not joined");
}

static void group_long(struct suite *suite) {
    uint8_t group[256];
    struct wire *wire = suite_talk(suite);
    memset(group, 'g', sizeof(group));
    suite_command(suite, wire, "JOIN", group, 255);
    suite_must_live(suite, wire, "a JOIN of 255 octets");
}

static void group_too_long(struct suite *suite) {
    uint8_t group[256];
    struct wire *wire = suite_talk(suite);
    memset(group, 'g', sizeof(group));
    suite_command(suite, wire, "JOIN", group, sizeof(group));
    suite_tell_reaction(suite, wire, "a JOIN of 256 octets");
}

static void unjoined(struct suite *suite) {
    struct suite_message message;
    struct wire *wire = suite_talk(suite);
    if (suite_receive(suite, wire, &message, suite->config->quiet))
        suite_not_ok(suite, wire, "a message came without a JOIN");
}

static void dish_message(struct suite *suite) {
    static const char *const message[] = {"kith-wiretest", "body", NULL};
    struct wire *wire = suite_talk(suite);
    suite_send_message(suite, wire, message);
    suite_must_live(suite, wire, "a group and a body");
}

static void dish_malformed(struct suite *suite) {
    static const char *const one[] = {"no group", NULL}, *const three[] = {"kith-wiretest", "body", "more", NULL};
    struct wire *wire = suite_talk(suite);
    suite_send_message(suite, wire, one);
    suite_tell_reaction(suite, wire, "a message without a group");
    wire = suite_talk(suite);
    suite_send_message(suite, wire, three);
    suite_tell_reaction(suite, wire, "a message of three parts");
}

static void multipart(struct suite *suite) {
    static const char *const message[] = {"several", "parts", NULL};
    struct suite_message reply;
    struct wire *wire = suite_talk(suite);
    suite_send_message(suite, wire, message);
    suite_tell_reaction(suite, wire, "a message of two parts");
    suite_close(suite, wire);
    wire = suite_talk(suite);
    suite_send_message(suite, wire, message);
    if (suite_receive(suite, wire, &reply, suite->config->quiet) &&
        (suite_frame_is(&reply, 0, "several") || suite_frame_is(&reply, 0, "parts")))
        suite_not_ok(suite, wire, "a part of a multipart message was delivered and came back");
}

static void single(struct suite *suite) {
    struct wire *wire = suite_talk(suite);
    suite_send(suite, wire, 0, "kith-wiretest", 13);
    suite_must_live(suite, wire, "a message of one part");
}

const struct suite_case suite_cases_group[] = {
    {"group/join-leave", RADIO_DISH, SUITE_MUST, "JOIN and LEAVE are taken", SUITE_TALK, NULL, "RADIO", join_leave},
    {"group/leave-unknown", RADIO_DISH, SUITE_SHOULD, "a LEAVE of nothing does nothing", SUITE_TALK, NULL, "RADIO", leave_unknown},
    {"group/long", RADIO_DISH, SUITE_MUST, "a group may have 255 octets", SUITE_TALK, NULL, "RADIO", group_long},
    {"group/too-long", RADIO_DISH, SUITE_OPEN, "a group has at most 255 octets; what follows else is open", SUITE_TALK, NULL, "RADIO",
     group_too_long},
    {"group/unjoined", RADIO_DISH, SUITE_MUST, "membership is checked by the RADIO", SUITE_TALK | SUITE_MESSAGES, NULL, "RADIO", unjoined},
    {"group/message", RADIO_DISH, SUITE_MUST, "a message is a group and a body", SUITE_TALK | SUITE_MESSAGES, NULL, "DISH", dish_message},
    {"group/malformed", RADIO_DISH, SUITE_OPEN, "a message has two parts; what follows else is open", SUITE_TALK | SUITE_MESSAGES, NULL,
     "DISH", dish_malformed},
    {"single/message", SINGLE, SUITE_MUST, "a message of one part is taken", SUITE_TALK | SUITE_MESSAGES, NULL,
     "CLIENT SERVER GATHER PEER CHANNEL", single},
    {"single/multipart", SINGLE, SUITE_MUST, "a multipart message is discarded", SUITE_TALK | SUITE_MESSAGES, NULL,
     "CLIENT SERVER GATHER PEER CHANNEL", multipart},
    {0},
};

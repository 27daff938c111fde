/* cli/wiretest/case-plain.c: cases about PLAIN's handshake (RFC 24), from the client's side. */
#include <string.h>

#include "cli/wiretest/suite.h"

#define PLAIN "RFC 24, Implementation"

/* A HELLO with this data has to end the connection, and no WELCOME may come. */
static void must_refuse(struct suite *suite, const void *data, size_t size, const char *what) {
    struct wire *wire = suite_greet(suite, 1);
    suite_command(suite, wire, "HELLO", data, size);
    suite_must_close(suite, wire, what);
    if (memmem(wire->seen, wire->seen_size, "\x07WELCOME", 8))
        suite_not_ok(suite, wire, "WELCOME came for %s", what);
}

static void welcome(struct suite *suite) {
    uint8_t hello[512];
    size_t size = 1;
    struct wire *wire = suite_greet(suite, 1);
    suite_command(suite, wire, "HELLO", hello, suite_plain_hello(hello, suite->config->username, suite->config->password));
    if (suite_expect(suite, wire, "WELCOME", NULL, &size) && size != 0)
        suite_not_ok(suite, wire, "the WELCOME has %zu octets of data", size);
}

static void wrong_password(struct suite *suite) {
    uint8_t hello[512];
    struct wire *wire = suite_greet(suite, 1);
    suite_command(suite, wire, "HELLO", hello, suite_plain_hello(hello, "kith-wiretest", "no such word"));
    if (suite->decided)
        return;
    const bool closes = wire_until_closed(wire, suite->config->quiet) == 0;
    if (memmem(wire->seen, wire->seen_size, "\x07WELCOME", 8))
        suite_note(suite, "the peer welcomes a client with a wrong name and password");
    else
        suite_note(suite, "a wrong name and password are refused%s%s", wire->received > WIRE_GREETING ? " by ERROR" : "",
                   closes ? ", and the peer closes" : "");
}

static void empty_words(struct suite *suite) {
    struct wire *wire = suite_greet(suite, 1);
    suite_command(suite, wire, "HELLO", "\0\0", 2);
    if (suite->decided)
        return;
    const bool closes = wire_until_closed(wire, suite->config->quiet) == 0;
    suite_note(suite, "an empty name and password: the peer %s",
               memmem(wire->seen, wire->seen_size, "\x07WELCOME", 8) ? "says WELCOME"
               : closes                                              ? "closes"
                                                                     : "says nothing that welcomes");
}

static void hello_empty(struct suite *suite) {
    must_refuse(suite, NULL, 0, "a HELLO without data");
}

static void name_cut(struct suite *suite) {
    must_refuse(suite, "\x09name", 5, "a name that goes beyond the HELLO");
}

static void password_missing(struct suite *suite) {
    must_refuse(suite, "\x04name", 5, "a HELLO without password");
}

static void password_cut(struct suite *suite) {
    must_refuse(suite, "\x04name\x09word", 10, "a password that goes beyond the HELLO");
}

static void trailing(struct suite *suite) {
    must_refuse(suite, "\x04name\x04wordmore", 14, "octets behind the password");
}

static void initiate_first(struct suite *suite) {
    struct wire *wire = suite_greet(suite, 1);
    suite_command(suite, wire, "INITIATE", NULL, 0);
    suite_must_close(suite, wire, "an INITIATE before HELLO");
}

static void ready_first(struct suite *suite) {
    struct wire *wire = suite_greet(suite, 1);
    suite_command(suite, wire, "READY", "\x0bSocket-Type\0\0\0\x03REQ", 19);
    suite_must_close(suite, wire, "a READY as in NULL");
}

static void message_first(struct suite *suite) {
    struct wire *wire = suite_greet(suite, 1);
    suite_send(suite, wire, 0, "early", 5);
    suite_must_close(suite, wire, "a message before the handshake");
}

const struct suite_case suite_cases_plain[] = {
    {"plain/welcome", PLAIN, SUITE_MUST, "the right name and password are answered by an empty WELCOME", SUITE_TALK, "PLAIN", NULL,
     welcome},
    {"plain/wrong-password", PLAIN, SUITE_OPEN, "who is let in is the server's affair", 0, "PLAIN", NULL, wrong_password},
    {"plain/empty-words", PLAIN, SUITE_OPEN, "name and password may be empty; who is let in is the server's affair", 0, "PLAIN", NULL,
     empty_words},
    {"plain/hello-empty", PLAIN, SUITE_MUST, "a malformed HELLO is refused", 0, "PLAIN", NULL, hello_empty},
    {"plain/name-cut", PLAIN, SUITE_MUST, "a malformed HELLO is refused", 0, "PLAIN", NULL, name_cut},
    {"plain/password-missing", PLAIN, SUITE_MUST, "a malformed HELLO is refused", 0, "PLAIN", NULL, password_missing},
    {"plain/password-cut", PLAIN, SUITE_MUST, "a malformed HELLO is refused", 0, "PLAIN", NULL, password_cut},
    {"plain/hello-trailing", PLAIN, SUITE_MUST, "a malformed HELLO is refused", 0, "PLAIN", NULL, trailing},
    {"plain/initiate-first", PLAIN, SUITE_MUST, "HELLO comes first", 0, "PLAIN", NULL, initiate_first},
    {"plain/ready-first", PLAIN, SUITE_MUST, "nobody gets by without HELLO", 0, "PLAIN", NULL, ready_first},
    {"plain/message-first", PLAIN, SUITE_MUST, "nobody gets by without HELLO", 0, "PLAIN", NULL, message_first},
    {0},
};

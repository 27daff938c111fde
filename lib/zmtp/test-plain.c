/* zmtp/test-plain.c: the PLAIN mechanism, both roles: what we say, what peers say, what they should not; and decisions on credentials. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "zmtp/test-transcript.h"

#define GREETING_PLAIN GREETING_WITH("0301", MECHANISM_PLAIN)
#define HELLO_BOB "04 10 05 48454c4c4f 03 626f62 05 7331633374"
#define WELCOME "04 08 07 57454c434f4d45"
#define TYPE_REP "0b 536f636b65742d54797065 00000003 524550"
#define TYPE_REQ "0b 536f636b65742d54797065 00000003 524551"
#define INITIATE_REQ "04 1c 08 494e495449415445" TYPE_REQ

static const struct kith_zmtp_options server = {
    .socket_type = "REP", .max_frame = 1024, .security = KITH_ZMTP_SECURITY_PLAIN, .as_server = true};
static const struct kith_zmtp_options client = {
    .socket_type = "REQ",
    .max_frame = 1024,
    .security = KITH_ZMTP_SECURITY_PLAIN,
    .username = (const uint8_t *)"bob",
    .username_size = 3,
    .password = (const uint8_t *)"s1c3t",
    .password_size = 5,
};

/* What each role makes of octets that follow the greeting. */
struct handshake {
    const char *what;
    const char *octets;
    const char *transcript;
};

static const struct handshake to_server[] = {
    {"right", HELLO_BOB INITIATE_REQ, "CREDENTIALS PLAIN \"bob\" \"s1c3t\"\nREADY REQ\n  Socket-Type \"REQ\"\n"},
    {"nobody, without password", "04 08 05 48454c4c4f 00 00", "CREDENTIALS PLAIN \"\" \"\"\n"},
    {"octets of any kind", "04 0b 05 48454c4c4f 01 00 02 ff22", "CREDENTIALS PLAIN 00 ff22\n"},
    {"no words", "04 06 05 48454c4c4f", "FAILED EPROTO: HELLO: not a user name and a password\n"},
    {"one word", "04 0a 05 48454c4c4f 03 626f62", "FAILED EPROTO: HELLO: not a user name and a password\n"},
    {"name beyond the command", "04 0a 05 48454c4c4f 04 626f62", "FAILED EPROTO: HELLO: not a user name and a password\n"},
    {"password beyond the command", "04 0c 05 48454c4c4f 03 626f62 02 73", "FAILED EPROTO: HELLO: not a user name and a password\n"},
    {"a third word", "04 0c 05 48454c4c4f 01 62 01 73 01 74", "FAILED EPROTO: HELLO: not a user name and a password\n"},
    {"INITIATE at once", INITIATE_REQ, "FAILED EPROTO: command \"INITIATE\" came before HELLO\n"},
    {"READY of a NULL peer", READY_REQ, "FAILED EPROTO: command \"READY\" came before HELLO\n"},
    {"HELLO twice", HELLO_BOB HELLO_BOB, "CREDENTIALS PLAIN \"bob\" \"s1c3t\"\nFAILED EPROTO: command \"HELLO\" came before INITIATE\n"},
    {"a message instead of INITIATE", HELLO_BOB "00 01 61",
     "CREDENTIALS PLAIN \"bob\" \"s1c3t\"\nFAILED EPROTO: a message came before the handshake was done\n"},
    {"metadata cut off", HELLO_BOB "04 1b 08 494e495449415445 0b 536f636b65742d54797065 00000003 5245",
     "CREDENTIALS PLAIN \"bob\" \"s1c3t\"\nFAILED EPROTO: INITIATE: cut off in a property's value\n"},
    {"a type of no use", HELLO_BOB "04 1c 08 494e495449415445" TYPE_REP,
     "CREDENTIALS PLAIN \"bob\" \"s1c3t\"\nFAILED EPROTOTYPE: socket type REP of the peer cannot talk to REP\n"},
    {"ERROR of the client", HELLO_BOB "04 07 05 4552524f52 00", "CREDENTIALS PLAIN \"bob\" \"s1c3t\"\nREFUSED \"\" handshake\n"},
};

static const struct handshake to_client[] = {
    {"right", WELCOME "04 19 05 5245414459" TYPE_REP, "READY REP\n  Socket-Type \"REP\"\n"},
    {"refused", "04 0a 05 4552524f52 03 343030", "REFUSED \"400\" handshake\n"},
    {"refused by libzmq 4.3.4", "04 09 5e 52524f52 03 343030", "REFUSED \"400\" handshake\n"},
    {"refused by libzmq 4.3.4, cut off", "04 05 5e 52524f52", "FAILED EPROTO: a malformed command of 5 octets came in the handshake\n"},
    {"refused late", WELCOME "04 0a 05 4552524f52 03 343030", "REFUSED \"400\" handshake\n"},
    {"WELCOME with more", "04 09 07 57454c434f4d45 00", "FAILED EPROTO: WELCOME: 1 octets that do not belong there\n"},
    {"READY at once", "04 19 05 5245414459" TYPE_REP, "FAILED EPROTO: command \"READY\" came before WELCOME\n"},
    {"another client", HELLO_BOB, "FAILED EPROTO: command \"HELLO\" came before WELCOME\n"},
    {"a type of no use", WELCOME "04 19 05 5245414459" TYPE_REQ, "FAILED EPROTOTYPE: socket type REQ of the peer cannot talk to REQ\n"},
};

static void assert_handshake(const struct kith_zmtp_options *options, const struct handshake *handshake, size_t piece) {
    struct subject subject;
    struct octets octets = {0};
    octets_add_hex(&octets, GREETING_PLAIN);
    octets_add_hex(&octets, handshake->octets);
    subject_init(&subject, options, DECISION_ACCEPT);
    for (size_t at = 0; at < octets.size; at += piece)
        subject_feed(&subject, octets.data + at, octets.size - at < piece ? octets.size - at : piece);
    const char *text = subject_text(&subject);
    assert_memory_equal(text, "GREETED 3.1 PLAIN\n", 18);
    if (strcmp(text + 18, handshake->transcript) != 0)
        fail_msg("%s, in pieces of %zu: %s", handshake->what, piece, text + 18);
    octets_clear(&octets);
    subject_deinit(&subject);
}

static void test_handshakes(void **state) {
    for (size_t piece = 1; piece < 200; piece += piece < 12 ? 1 : 90) {
        for (size_t i = 0; i < KITH_ARRAY_SIZE(to_server); i++)
            assert_handshake(&server, &to_server[i], piece);
        for (size_t i = 0; i < KITH_ARRAY_SIZE(to_client); i++)
            assert_handshake(&client, &to_client[i], piece);
    }
}

/* Everything that was sent behind the greeting. */
static void assert_sent(const struct subject *subject, const char *hex) {
    struct octets expected = {0};
    octets_add_hex(&expected, hex);
    assert_int_equal(subject->sent.size, 64 + expected.size);
    assert_memory_equal(subject->sent.data + 64, expected.data, expected.size);
    octets_clear(&expected);
}

static void feed_hex(struct subject *subject, const char *hex) {
    struct octets octets = {0};
    octets_add_hex(&octets, hex);
    subject_feed(subject, octets.data, octets.size);
    octets_clear(&octets);
}

static void test_the_client_says_its_name_and_its_role(void **state) {
    struct subject subject;
    subject_init(&subject, &client, DECISION_ACCEPT);
    feed_hex(&subject, GREETING_PLAIN);
    assert_int_equal(subject.sent.data[32], 0);
    assert_sent(&subject, HELLO_BOB);
    feed_hex(&subject, WELCOME);
    assert_sent(&subject, HELLO_BOB INITIATE_REQ);
    subject_deinit(&subject);
}

static void test_the_server_speaks_when_it_is_spoken_to(void **state) {
    struct subject subject;
    subject_init(&subject, &server, DECISION_ACCEPT);
    feed_hex(&subject, GREETING_PLAIN);
    assert_int_equal(subject.sent.data[32], 1);
    assert_sent(&subject, "");
    feed_hex(&subject, HELLO_BOB);
    assert_sent(&subject, WELCOME);
    feed_hex(&subject, INITIATE_REQ);
    assert_sent(&subject, WELCOME "04 19 05 5245414459" TYPE_REP);
    subject_deinit(&subject);
}

static void test_words_of_256_octets_are_refused_at_once(void **state) {
    static const uint8_t word[256];
    struct kith_zmtp *engine = NULL;
    struct kith_zmtp_options options = client;
    options.username = options.password = word;
    options.username_size = options.password_size = 255;
    assert_int_equal(kith_zmtp_new(&options, &engine), 0);
    engine = kith_zmtp_free(engine);
    options.username_size = 256;
    assert_int_equal(kith_zmtp_new(&options, &engine), -EINVAL);
    options.username_size = 0;
    options.password_size = 256;
    assert_int_equal(kith_zmtp_new(&options, &engine), -EINVAL);
    options.security = (enum kith_zmtp_security)3;
    assert_int_equal(kith_zmtp_new(&options, &engine), -EINVAL);
}

/* Decisions ------------------------------------------------------------------------------------------------------------ */

static void test_each_status_has_its_end(void **state) {
    static const struct {
        unsigned status;
        const char *sent;
        enum kith_zmtp_state state;
    } table[] = {
        {200, WELCOME, KITH_ZMTP_STATE_HANDSHAKE},
        {300, "", KITH_ZMTP_STATE_DEAD},
        {400, "04 0a 05 4552524f52 03 343030", KITH_ZMTP_STATE_REFUSED},
        {500, "04 0a 05 4552524f52 03 353030", KITH_ZMTP_STATE_REFUSED},
    };
    for (size_t i = 0; i < KITH_ARRAY_SIZE(table); i++) {
        struct subject subject;
        subject_init(&subject, &server, DECISION_ACCEPT);
        subject.status = 0;
        feed_hex(&subject, GREETING_PLAIN HELLO_BOB);
        assert_int_equal(kith_zmtp_state(subject.engine), KITH_ZMTP_STATE_CREDENTIALS);
        assert_false(kith_zmtp_mid_message(subject.engine));
        assert_int_equal(subject_feed(&subject, "\0", 1), 0); /* nothing is eaten while the decision is open */
        assert_int_equal(kith_zmtp_authenticate(subject.engine, 201), -EINVAL);
        assert_int_equal(kith_zmtp_authenticate(subject.engine, 0), -EINVAL);
        assert_int_equal(kith_zmtp_authenticate(subject.engine, table[i].status), 0);
        assert_int_equal(kith_zmtp_authenticate(subject.engine, table[i].status), -EINVAL);
        assert_int_equal(kith_zmtp_state(subject.engine), table[i].state);
        subject_fetch(&subject);
        assert_sent(&subject, table[i].sent);
        subject_deinit(&subject);
    }
}

static void test_nobody_is_let_in_without_a_decision(void **state) {
    struct subject subject;
    subject_init(&subject, &server, DECISION_ACCEPT);
    subject.status = 0;
    feed_hex(&subject, GREETING_PLAIN HELLO_BOB INITIATE_REQ "00 01 61");
    assert_string_equal(subject_text(&subject), "GREETED 3.1 PLAIN\nCREDENTIALS PLAIN \"bob\" \"s1c3t\"\n");
    assert_sent(&subject, "");
    subject_deinit(&subject);
}

/* A peer of NULL may have said all before anybody could decide. */
static void test_null_asks_when_its_owner_wants_to_be_asked(void **state) {
    const struct kith_zmtp_options rep = {.socket_type = "REP", .max_frame = 1024, .ask = true};
    struct octets octets = {0};
    octets_add_hex(&octets, GREETING READY_REQ "00 01 61");
    for (unsigned status = 200; status <= 400; status += 200)
        for (size_t piece = 1; piece <= octets.size; piece += piece < 60 ? 1 : 13) {
            struct subject subject;
            subject_init(&subject, &rep, DECISION_ACCEPT);
            subject.status = status;
            for (size_t at = 0; at < octets.size; at += piece)
                subject_feed(&subject, octets.data + at, octets.size - at < piece ? octets.size - at : piece);
            assert_string_equal(subject_text(&subject), status == 200 ? "GREETED 3.1 NULL\nCREDENTIALS NULL\nREADY REQ\n"
                                                                        "  Socket-Type \"REQ\"\nFRAME \"a\"\n"
                                                                      : "GREETED 3.1 NULL\nCREDENTIALS NULL\n");
            assert_sent(&subject, status == 200 ? READY_REP : "04 0a 05 4552524f52 03 343030");
            subject_deinit(&subject);
        }
    octets_clear(&octets);
}

/* Kith with kith --------------------------------------------------------------------------------------------------------- */

static void test_kith_with_kith(void **state) {
    for (size_t piece = 1; piece < 100; piece++) {
        struct subject a, b;
        subject_init(&a, &client, DECISION_ACCEPT);
        subject_init(&b, &server, DECISION_ACCEPT);
        carry(&a, &b, piece);
        assert_string_equal(subject_text(&a), "GREETED 3.1 PLAIN server\nREADY REP\n  Socket-Type \"REP\"\n");
        assert_string_equal(subject_text(&b), "GREETED 3.1 PLAIN\nCREDENTIALS PLAIN \"bob\" \"s1c3t\"\nREADY REQ\n  Socket-Type \"REQ\"\n");
        a.text.size = b.text.size = 0;
        subject_write(&a, "ask", 3, false);
        subject_write(&b, "say", 3, false);
        carry(&a, &b, piece);
        assert_string_equal(subject_text(&a), "FRAME \"say\"\n");
        assert_string_equal(subject_text(&b), "FRAME \"ask\"\n");
        subject_deinit(&a);
        subject_deinit(&b);
    }
}

static void test_a_refused_client_hears_the_status(void **state) {
    struct subject a, b;
    subject_init(&a, &client, DECISION_ACCEPT);
    subject_init(&b, &server, DECISION_ACCEPT);
    b.status = 400;
    carry(&a, &b, 7);
    assert_string_equal(subject_text(&a), "GREETED 3.1 PLAIN server\nREFUSED \"400\" handshake\n");
    subject_deinit(&a);
    subject_deinit(&b);
}

static void test_another_mechanism_is_refused_by_both(void **state) {
    const struct kith_zmtp_options null = {.socket_type = "REQ"};
    struct subject a, b;
    subject_init(&a, &null, DECISION_ACCEPT);
    subject_init(&b, &server, DECISION_ACCEPT);
    carry(&a, &b, 64);
    assert_string_equal(subject_text(&a), "FAILED EPROTONOSUPPORT: its security mechanism is \"PLAIN\", ours is \"NULL\"\n");
    assert_string_equal(subject_text(&b), "FAILED EPROTONOSUPPORT: its security mechanism is \"NULL\", ours is \"PLAIN\"\n");
    subject_deinit(&a);
    subject_deinit(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handshakes),
        cmocka_unit_test(test_the_client_says_its_name_and_its_role),
        cmocka_unit_test(test_the_server_speaks_when_it_is_spoken_to),
        cmocka_unit_test(test_words_of_256_octets_are_refused_at_once),
        cmocka_unit_test(test_each_status_has_its_end),
        cmocka_unit_test(test_nobody_is_let_in_without_a_decision),
        cmocka_unit_test(test_null_asks_when_its_owner_wants_to_be_asked),
        cmocka_unit_test(test_kith_with_kith),
        cmocka_unit_test(test_a_refused_client_hears_the_status),
        cmocka_unit_test(test_another_mechanism_is_refused_by_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

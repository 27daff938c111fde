/* zmtp/test-greeting.c: the greeting, in pieces of every size, from peers old, new, foreign and wrong; and the owner's decision. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "zmtp/test-transcript.h"

static const struct kith_zmtp_options rep = {.socket_type = "REP", .max_frame = 1024};

static void test_the_whole_greeting_is_sent_unasked(void **state) {
    struct kith_zmtp *engine;
    struct octets expected = {0};
    uint8_t greeting[64];
    octets_add_hex(&expected, GREETING);
    assert_int_equal(kith_zmtp_new(&rep, &engine), 0);
    assert_int_equal(kith_zmtp_output_size(engine), 64);
    kith_zmtp_output_take(engine, greeting);
    assert_memory_equal(greeting, expected.data, 64);
    assert_int_equal(kith_zmtp_output_size(engine), 0);
    octets_clear(&expected);
    kith_zmtp_free(engine);
}

static void test_a_greeting_may_come_in_pieces_of_every_size(void **state) {
    struct octets greeting = {0};
    octets_add_hex(&greeting, GREETING);
    for (size_t piece = 1; piece <= 64; piece++) {
        struct subject subject;
        subject_init(&subject, &rep, DECISION_WAIT);
        for (size_t at = 0; at < 64; at += piece) {
            assert_string_equal(subject_text(&subject), "");
            assert_int_equal(kith_zmtp_state(subject.engine), KITH_ZMTP_STATE_GREETING);
            size_t size = 64 - at < piece ? 64 - at : piece;
            assert_int_equal(subject_feed(&subject, greeting.data + at, size), size);
        }
        assert_string_equal(subject_text(&subject), "GREETED 3.1 NULL\n");
        subject_deinit(&subject);
    }
    octets_clear(&greeting);
}

static const struct {
    const char *what;
    const char *octets;
    size_t eaten; /* 0: all */
    const char *transcript;
} greetings[] = {
    {"3.0", GREETING_30, 0, "GREETED 3.0 NULL\n"},
    {"3.7", GREETING_WITH("0307", MECHANISM_NULL), 0, "GREETED 3.7 NULL\n"},
    {"higher major", GREETING_WITH("0400", MECHANISM_NULL), 0, "GREETED 4.0 NULL\n"},
    {"padding and filler have no meaning",
     "ff0123456789abcdef 7f 0301" MECHANISM_NULL "00 ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", 0,
     "GREETED 3.1 NULL\n"},
    {"as-server is told and not judged",
     "ff0000000000000000 7f 0301" MECHANISM_NULL "01 00000000000000000000000000000000000000000000000000000000000000", 0,
     "GREETED 3.1 NULL server\n"},
    {"ZMTP 1", "0100 0001", 1, "FAILED EPROTONOSUPPORT: its first octet is 01, not ff: ZMTP 1 or another protocol; ZMTP 3 is needed\n"},
    {"ZMTP 1, long identity", "ff0000000000000105 00 61", 10,
     "FAILED EPROTONOSUPPORT: octet 9 of its greeting is 00, not 7f: ZMTP 1 or another protocol; ZMTP 3 is needed\n"},
    {"ZMTP 2", "ff0000000000000001 7f 01 03 00 00", 11,
     "FAILED EPROTONOSUPPORT: it speaks an older protocol (greeting version 1, ZMTP 1 or 2); ZMTP 3 is needed\n"},
    {"version 0", "ff0000000000000001 7f 00", 11,
     "FAILED EPROTONOSUPPORT: it speaks an older protocol (greeting version 0, ZMTP 1 or 2); ZMTP 3 is needed\n"},
    {"HTTP", "474554202f20485454502f312e310d0a", 1,
     "FAILED EPROTONOSUPPORT: its first octet is 47, not ff: ZMTP 1 or another protocol; ZMTP 3 is needed\n"},
    {"PLAIN", GREETING_WITH("0301", "504c41494e 000000000000000000000000000000"), 0,
     "FAILED EPROTONOSUPPORT: its security mechanism is \"PLAIN\", ours is \"NULL\"\n"},
    {"NULL and more behind it", GREETING_WITH("0301", "4e554c4c 00000000000000000000000000000058"), 0,
     "FAILED EPROTONOSUPPORT: its security mechanism is \"NULL???????????????X\", ours is \"NULL\"\n"},
    {"no mechanism", GREETING_WITH("0301", "0000000000000000000000000000000000000000"), 0,
     "FAILED EPROTONOSUPPORT: its security mechanism is \"\", ours is \"NULL\"\n"},
    {"a mechanism for the terminal", GREETING_WITH("0301", "1b5b324a0d0a7f80ff00000000000000000000 41"), 0,
     "FAILED EPROTONOSUPPORT: its security mechanism is \"?[2J???????????????A\", ours is \"NULL\"\n"},
};

static void test_greetings_are_judged_as_early_as_they_can_be(void **state) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(greetings); i++) {
        struct octets octets = {0};
        octets_add_hex(&octets, greetings[i].octets);
        for (int whole = 0; whole < 2; whole++) {
            struct subject subject;
            subject_init(&subject, &rep, DECISION_WAIT);
            size_t verdict = 0;
            if (whole) {
                subject_feed(&subject, octets.data, octets.size);
            } else {
                while (verdict < octets.size && subject.text.size == 0)
                    subject_feed(&subject, octets.data + verdict++, 1);
                assert_int_equal(verdict, greetings[i].eaten ? greetings[i].eaten : 64);
            }
            if (strcmp(subject_text(&subject), greetings[i].transcript) != 0)
                fail_msg("%s: %s", greetings[i].what, subject_text(&subject));
            subject_deinit(&subject);
        }
        octets_clear(&octets);
    }
}

/* The length that libzmq writes for peers of ZMTP 1: that of its identity, and one. */
static void test_libzmq_is_told_by_its_padding(void **state) {
    static const struct {
        const char *signature;
        bool is_libzmq;
    } rows[] = {{"ff0000000000000000 7f", false}, {"ff0000000000000001 7f", true}, {"ff0000000000000005 7f", true}};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(rows); i++) {
        struct subject subject;
        struct octets octets = {0};
        octets_add_hex(&octets, rows[i].signature);
        octets_add_hex(&octets, "0301" MECHANISM_NULL "00 00000000000000000000000000000000000000000000000000000000000000");
        subject_init(&subject, &rep, DECISION_WAIT);
        assert_false(kith_zmtp_peer_is_libzmq(subject.engine));
        assert_int_equal(subject_feed(&subject, octets.data, octets.size), 64);
        assert_int_equal(kith_zmtp_peer_is_libzmq(subject.engine), rows[i].is_libzmq);
        octets_clear(&octets);
        subject_deinit(&subject);
    }
}

static void test_nothing_is_eaten_before_the_decision(void **state) {
    struct subject subject;
    struct octets octets = {0};
    octets_add_hex(&octets, GREETING READY_REQ "00 01 61");
    subject_init(&subject, &rep, DECISION_WAIT);
    assert_int_equal(subject_feed(&subject, octets.data, octets.size), 64);
    assert_int_equal(kith_zmtp_state(subject.engine), KITH_ZMTP_STATE_DECISION);
    assert_int_equal(subject.sent.size, 64);
    assert_int_equal(subject_feed(&subject, octets.data + 64, octets.size - 64), 0);
    assert_int_equal(kith_zmtp_tell_error(subject.engine, "x"), -EINVAL);
    assert_int_equal(kith_zmtp_ping(subject.engine, 0, NULL, 0), -EINVAL);

    assert_int_equal(kith_zmtp_accept(subject.engine), 0);
    assert_int_equal(kith_zmtp_accept(subject.engine), -EINVAL);
    assert_int_equal(kith_zmtp_refuse(subject.engine, "late"), -EINVAL);
    subject_feed(&subject, octets.data + 64, octets.size - 64);
    assert_string_equal(subject_text(&subject), "GREETED 3.1 NULL\nREADY REQ\n  Socket-Type \"REQ\"\nFRAME \"a\"\n");
    octets_clear(&octets);
    subject_deinit(&subject);
}

static void test_the_decision_is_not_asked_before_the_greeting(void **state) {
    struct subject subject;
    subject_init(&subject, &rep, DECISION_ACCEPT);
    assert_int_equal(kith_zmtp_accept(subject.engine), -EINVAL);
    assert_int_equal(kith_zmtp_refuse(subject.engine, "early"), -EINVAL);
    subject_deinit(&subject);
}

static void test_a_refused_peer_gets_the_reason_and_is_not_heard(void **state) {
    struct subject subject;
    struct octets octets = {0}, expected = {0};
    octets_add_hex(&octets, GREETING READY_REQ "00 01 61 ff ff ff");
    octets_add_hex(&expected, GREETING "04 10 05 4552524f52 09 6e6f7420746f646179");
    subject_init(&subject, &rep, DECISION_REFUSE);
    assert_int_equal(subject_feed(&subject, octets.data, octets.size), octets.size);
    assert_string_equal(subject_text(&subject), "GREETED 3.1 NULL\n");
    assert_int_equal(kith_zmtp_state(subject.engine), KITH_ZMTP_STATE_REFUSED);
    assert_false(kith_zmtp_mid_message(subject.engine));
    assert_int_equal(subject.sent.size, expected.size);
    assert_memory_equal(subject.sent.data, expected.data, expected.size);
    octets_clear(&octets);
    octets_clear(&expected);
    subject_deinit(&subject);
}

static void test_a_reason_is_cut_and_made_printable(void **state) {
    struct subject subject;
    struct octets octets = {0};
    char reason[300];
    memset(reason, 'r', sizeof(reason));
    reason[0] = '\n';
    reason[1] = (char)0xc3;
    reason[sizeof(reason) - 1] = 0;
    octets_add_hex(&octets, GREETING);
    subject_init(&subject, &rep, DECISION_WAIT);
    subject_feed(&subject, octets.data, octets.size);
    assert_int_equal(kith_zmtp_refuse(subject.engine, reason), 0);
    subject_fetch(&subject);
    /* 06, 8 octets of size: 262 = "\x05ERROR", a length, 255 octets. */
    assert_int_equal(subject.sent.size, 64 + 9 + 6 + 1 + 255);
    assert_memory_equal(subject.sent.data + 64,
                        "\x06\0\0\0\0\0\0\x01\x06\x05"
                        "ERROR\xff??rrr",
                        21);
    octets_clear(&octets);
    subject_deinit(&subject);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_whole_greeting_is_sent_unasked),
        cmocka_unit_test(test_a_greeting_may_come_in_pieces_of_every_size),
        cmocka_unit_test(test_greetings_are_judged_as_early_as_they_can_be),
        cmocka_unit_test(test_libzmq_is_told_by_its_padding),
        cmocka_unit_test(test_nothing_is_eaten_before_the_decision),
        cmocka_unit_test(test_the_decision_is_not_asked_before_the_greeting),
        cmocka_unit_test(test_a_refused_peer_gets_the_reason_and_is_not_heard),
        cmocka_unit_test(test_a_reason_is_cut_and_made_printable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

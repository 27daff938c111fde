/*
 * zmtp/test-conversation.c: whole conversations: what libzmq 4.3.4 sends, recorded from its sockets, and kith with kith.
 *
 * The octets were taken from the connecting libzmq socket by a listener that answered with a greeting and a READY of its own. Each is fed
 * whole, octet by octet, in two pieces at every point, in three around the handshake, and cut off at every point.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "zmtp/engine.h"
#include "zmtp/test-transcript.h"

#define TIMES_5(x) x x x x x
#define TIMES_10(x) TIMES_5(x) TIMES_5(x)
#define TIMES_50(x) TIMES_5(TIMES_10(x))

/* libzmq puts the size of its routing id and 1 into the padding, for ZMTP 1 peers. */
#define ZMQ_GREETING(padding)                                                                                                              \
    "ff00000000000000" padding                                                                                                             \
    "7f 03014e554c4c00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"                          \
    "0000"

static const struct conversation {
    const char *what;
    const char *ours;
    const char *octets;
    const char *transcript;
} conversations[] = {
    {"REQ: zmq_send(\"hello\")", "ROUTER",
     ZMQ_GREETING("01") "04260552454144590b536f636b65742d5479706500000003524551084964656e7469747900000000"
                        "0100000568656c6c6f",
     "GREETED 3.1 NULL\nREADY REQ\n  Socket-Type \"REQ\"\n  Identity \"\"\nFRAME \"\" more\nFRAME \"hello\"\n"},
    {"DEALER with ZMQ_ROUTING_ID worker-7: an empty frame, \"a\", 300 octets", "ROUTER",
     ZMQ_GREETING("09") "04310552454144590b536f636b65742d54797065000000064445414c4552084964656e7469747900000008776f726b65722d37"
                        "010001016102000000000000012c" TIMES_50("78 78 78 78 78 78"),
     "GREETED 3.1 NULL\nREADY DEALER \"worker-7\"\n  Socket-Type \"DEALER\"\n  Identity \"worker-7\"\n"
     "FRAME \"\" more\nFRAME \"a\" more\nFRAME 300:e78ddf9f1ba85555\n"},
    {"REP: the answer \"world\"", "REQ",
     ZMQ_GREETING("01") "04190552454144590b536f636b65742d5479706500000003524550"
                        "01000005776f726c64",
     "GREETED 3.1 NULL\nREADY REP\n  Socket-Type \"REP\"\nFRAME \"\" more\nFRAME \"world\"\n"},
    {"ROUTER: an answer to a DEALER", "DEALER",
     ZMQ_GREETING("01") "04290552454144590b536f636b65742d5479706500000006524f55544552084964656e7469747900000000"
                        "010000026f6b",
     "GREETED 3.1 NULL\nREADY ROUTER\n  Socket-Type \"ROUTER\"\n  Identity \"\"\nFRAME \"\" more\nFRAME \"ok\"\n"},
    {"SUB: A, everything, not A, 246 times t, 255 times u, not these, 256 times v", "XPUB",
     ZMQ_GREETING("01") "04190552454144590b536f636b65742d5479706500000003535542"
                        "040b09535542534352494245 41 040a09535542534352494245 04080643414e43454c 41"
                        "04000000000000010009535542534352494245" TIMES_50("74747474") TIMES_5(
                            "74747474 74747474 74") "74"
                                                    "04000000000000010909535542534352494245" TIMES_50("7575757575")
                                                        TIMES_5("75") "04000000000000010606 43414e43454c" TIMES_50("7575757575")
                                                            TIMES_5("75") "04fd0643414e43454c" TIMES_50("74747474") TIMES_5(
                                                                "74747474 74747474 74") "74"
                                                                                        "06000000000000010a09535542534352494245" TIMES_50(
                                                                                            "7676767676") TIMES_5("76") "76",
     "GREETED 3.1 NULL\nREADY SUB\n  Socket-Type \"SUB\"\nSUBSCRIBE \"A\"\nSUBSCRIBE \"\"\nCANCEL \"A\"\n"
     "SUBSCRIBE 246:35e644a5ce9d56b5\nSUBSCRIBE 255:0b90885673e272b2\nCANCEL 255:0b90885673e272b2\nCANCEL 246:35e644a5ce9d56b5\nSUBSCRIBE "
     "256:d11dba120ca8e725\n"},
    {"SUB towards a 3.0 peer: A, everything, not A", "PUB",
     ZMQ_GREETING("01") "04190552454144590b536f636b65742d5479706500000003535542"
                        "0002014100010100020041",
     "GREETED 3.1 NULL\nREADY SUB\n  Socket-Type \"SUB\"\nFRAME 0141\nFRAME 01\nFRAME 0041\n"},
    {"PUB: zmq_send(\"Anews\")", "SUB",
     ZMQ_GREETING("01") "04190552454144590b536f636b65742d5479706500000003505542"
                        "0005416e657773",
     "GREETED 3.1 NULL\nREADY PUB\n  Socket-Type \"PUB\"\nFRAME \"Anews\"\n"},
    {"DEALER with ZMQ_HEARTBEAT_TTL of a second, then its answer to our PING with context ctxx", "ROUTER",
     ZMQ_GREETING("01") "04290552454144590b536f636b65742d54797065000000064445414c4552084964656e7469747900000000"
                        "04070450494e47000a 040904504f4e4763747878",
     "GREETED 3.1 NULL\nREADY DEALER\n  Socket-Type \"DEALER\"\n  Identity \"\"\nPINGED 1000\nPONG \"ctxx\"\n"},
    {"DEALER with ZMQ_METADATA X-Shoe-Size:44", "DEALER",
     ZMQ_GREETING(
         "01") "043b0552454144590b536f636b65742d54797065000000064445414c4552084964656e74697479000000000b582d53686f652d53697a65000000023434",
     "GREETED 3.1 NULL\nREADY DEALER\n  Socket-Type \"DEALER\"\n  Identity \"\"\n  X-Shoe-Size \"44\"\n"},
};

/* Feeds octets[0, size) in pieces that end at the given points, and compares. */
static void assert_split(const struct conversation *conversation, const struct octets *octets, size_t first, size_t second) {
    const struct kith_zmtp_options options = {.socket_type = conversation->ours, .max_frame = 4096};
    struct subject subject;
    subject_init(&subject, &options, DECISION_ACCEPT);
    subject_feed(&subject, octets->data, first);
    subject_feed(&subject, octets->data + first, second - first);
    subject_feed(&subject, octets->data + second, octets->size - second);
    if (strcmp(subject_text(&subject), conversation->transcript) != 0)
        fail_msg("%s, split at %zu and %zu: %s", conversation->what, first, second, subject_text(&subject));
    assert_false(kith_zmtp_mid_message(subject.engine));
    subject_deinit(&subject);
}

static void test_every_split_of_a_recorded_conversation_tells_the_same(void **state) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(conversations); i++) {
        struct octets octets = {0};
        octets_add_hex(&octets, conversations[i].octets);
        for (size_t at = 0; at <= octets.size; at++)
            assert_split(&conversations[i], &octets, at, octets.size);
        for (size_t first = 60; first < 98; first++)
            for (size_t second = first; second < 98; second++)
                assert_split(&conversations[i], &octets, first, second);
        octets_clear(&octets);
    }
}

/* The transcript of a part is the beginning of that of the whole, and a part leaves nothing behind. */
static void test_a_conversation_may_end_after_every_octet(void **state) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(conversations); i++) {
        const struct kith_zmtp_options options = {.socket_type = conversations[i].ours, .max_frame = 4096};
        struct octets octets = {0};
        struct subject slow;
        octets_add_hex(&octets, conversations[i].octets);
        subject_init(&slow, &options, DECISION_ACCEPT);
        for (size_t size = 1; size <= octets.size; size++) {
            struct subject cut;
            subject_init(&cut, &options, DECISION_ACCEPT);
            subject_feed(&cut, octets.data, size);
            subject_feed(&slow, octets.data + size - 1, 1);
            assert_string_equal(subject_text(&cut), subject_text(&slow));
            assert_int_equal(cut.sent.size, slow.sent.size);
            assert_memory_equal(cut.sent.data, slow.sent.data, cut.sent.size);
            assert_int_equal(kith_zmtp_mid_message(cut.engine), kith_zmtp_mid_message(slow.engine));
            subject_deinit(&cut);
        }
        assert_string_equal(subject_text(&slow), conversations[i].transcript);
        octets_clear(&octets);
        subject_deinit(&slow);
    }
}

/* Every octet of every conversation turned into each of some others: the engine may refuse, never break (subject_feed() checks). */
static void test_damaged_conversations_do_no_harm(void **state) {
    static const uint8_t damage[] = {0x00, 0x01, 0x02, 0x04, 0x05, 0x06, 0x07, 0x08, 0x7f, 0x80, 0xff};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(conversations); i++) {
        const struct kith_zmtp_options options = {.socket_type = conversations[i].ours, .max_frame = 4096};
        struct octets octets = {0};
        octets_add_hex(&octets, conversations[i].octets);
        for (size_t at = 0; at < octets.size; at++)
            for (size_t k = 0; k < sizeof(damage); k++) {
                struct subject whole, split;
                const uint8_t good = octets.data[at];
                octets.data[at] = damage[k];
                subject_init(&whole, &options, DECISION_ACCEPT);
                subject_init(&split, &options, DECISION_ACCEPT);
                subject_feed(&whole, octets.data, octets.size);
                subject_feed(&split, octets.data, at);
                subject_feed(&split, octets.data + at, 1);
                subject_feed(&split, octets.data + at + 1, octets.size - at - 1);
                assert_string_equal(subject_text(&whole), subject_text(&split));
                assert_int_equal(kith_zmtp_state(whole.engine), kith_zmtp_state(split.engine));
                octets.data[at] = good;
                subject_deinit(&whole);
                subject_deinit(&split);
            }
        octets_clear(&octets);
    }
}

/* Memory ------------------------------------------------------------------------------------------------------------ */

static void test_nothing_is_reserved_for_octets_that_have_not_come(void **state) {
    static const struct kith_zmtp_options options = {.socket_type = "XPUB", .max_frame = UINT64_MAX};
    struct octets octets = {0};
    struct subject subject;
    octets_add_hex(&octets, ZMQ_GREETING("01") READY_SUB "06 0000000000010000 09 535542534352494245");
    subject_init(&subject, &options, DECISION_ACCEPT);
    subject_feed(&subject, octets.data, octets.size);
    for (size_t gathered = 10; gathered < 65536; gathered++) {
        assert_in_range(subject.engine->gathered_capacity, gathered, gathered < 64 ? 64 : 2 * gathered);
        subject_feed(&subject, "t", 1);
    }
    assert_non_null(strstr(subject_text(&subject), "SUBSCRIBE 65526:"));
    assert_null(subject.engine->gathered);
    octets_clear(&octets);
    subject_deinit(&subject);
}

static void test_an_idle_peer_keeps_one_small_block(void **state) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(conversations); i++) {
        const struct kith_zmtp_options options = {.socket_type = conversations[i].ours, .max_frame = 4096};
        struct octets octets = {0};
        struct subject subject;
        octets_add_hex(&octets, conversations[i].octets);
        subject_init(&subject, &options, DECISION_ACCEPT);
        for (size_t at = 0; at < octets.size; at++)
            subject_feed(&subject, octets.data + at, 1);
        assert_null(subject.engine->gathered);
        assert_null(subject.engine->output.data);
        assert_null(subject.engine->text);
        assert_null(subject.engine->handshake);
        assert_null(subject.engine->seal);
        assert_true(sizeof(*subject.engine) <= 200);
        octets_clear(&octets);
        subject_deinit(&subject);
    }
}

/* Kith with kith ---------------------------------------------------------------------------------------------------- */

static void test_kith_with_kith(void **state) {
    static const uint8_t id[] = "me";
    static const struct kith_zmtp_property property = {.name = "X-Room", .value = (const uint8_t *)"12", .size = 2};
    const struct kith_zmtp_options dealer = {.socket_type = "DEALER", .routing_id = id, .routing_id_size = 2, .max_frame = 100};
    const struct kith_zmtp_options router = {.socket_type = "ROUTER", .metadata = &property, .metadata_count = 1, .max_frame = 100};
    for (size_t piece = 1; piece < 200; piece++) {
        struct subject a, b;
        subject_init(&a, &dealer, DECISION_ACCEPT);
        subject_init(&b, &router, DECISION_ACCEPT);
        carry(&a, &b, piece);
        assert_string_equal(subject_text(&a), "GREETED 3.1 NULL\nREADY ROUTER\n  Socket-Type \"ROUTER\"\n  X-Room \"12\"\n");
        assert_string_equal(subject_text(&b), "GREETED 3.1 NULL\nREADY DEALER \"me\"\n  Socket-Type \"DEALER\"\n  Identity \"me\"\n");

        a.text.size = b.text.size = 0;
        assert_int_equal(kith_zmtp_ping(a.engine, 5000, "abc", 3), 0);
        assert_int_equal(kith_zmtp_tell_error(b.engine, "denied by rule 3"), 0);
        carry(&a, &b, piece);
        assert_string_equal(subject_text(&a), "REFUSED \"denied by rule 3\"\nPONG \"abc\"\n");
        assert_string_equal(subject_text(&b), "PINGED 5000\n");
        subject_deinit(&a);
        subject_deinit(&b);
    }
}

static void test_kith_refuses_kith(void **state) {
    static const struct kith_zmtp_options dealer = {.socket_type = "DEALER"}, router = {.socket_type = "ROUTER"};
    struct subject a, b;
    subject_init(&a, &dealer, DECISION_ACCEPT);
    subject_init(&b, &router, DECISION_REFUSE);
    carry(&a, &b, 7);
    assert_string_equal(subject_text(&a), "GREETED 3.1 NULL\nREFUSED \"not today\" handshake\n");
    assert_string_equal(subject_text(&b), "GREETED 3.1 NULL\n");
    assert_int_equal(kith_zmtp_state(a.engine), KITH_ZMTP_STATE_DEAD);
    subject_deinit(&a);
    subject_deinit(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_split_of_a_recorded_conversation_tells_the_same),
        cmocka_unit_test(test_a_conversation_may_end_after_every_octet),
        cmocka_unit_test(test_damaged_conversations_do_no_harm),
        cmocka_unit_test(test_nothing_is_reserved_for_octets_that_have_not_come),
        cmocka_unit_test(test_an_idle_peer_keeps_one_small_block),
        cmocka_unit_test(test_kith_with_kith),
        cmocka_unit_test(test_kith_refuses_kith),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

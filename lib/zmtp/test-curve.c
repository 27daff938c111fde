/* zmtp/test-curve.c: the CURVE mechanism as it should be: against a peer made by hand from the RFC, and engine against engine. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "zmtp/engine.h"
#include "zmtp/test-curve.h"

/* By hand ---------------------------------------------------------------------------------------------------------------- */

static void test_a_client_made_by_hand_is_served(void **state) {
    struct kith_zmtp_options options = curve_server();
    struct subject server;
    struct hand hand;
    struct octets octets = {0};
    subject_init(&server, &options, DECISION_ACCEPT);
    hand_connect(&hand, &server, FAULT_NONE);
    assert_non_null(strstr(subject_text(&server), "GREETED 3.1 CURVE\nCREDENTIALS CURVE "));
    assert_non_null(strstr(subject_text(&server), "READY DEALER\n  Socket-Type \"DEALER\"\n"));

    /* 64 greeting, 2 + 168 WELCOME, 2 + 30 + 22 READY */
    assert_int_equal(server.sent.size, 64 + 170 + 54);
    assert_int_equal(server.sent.data[32], 1);
    hand_take_ready(&hand, server.sent.data + 64 + 170 + 2, 52, &octets);
    assert_int_equal(octets.size, 22);
    assert_memory_equal(octets.data, TYPE_DEALER, 22);

    octets.size = server.text.size = server.sent.size = 0;
    hand_message(&hand, false, "\x01hello", 6, &octets);
    hand_message(&hand, false, "\0world", 6, &octets);
    hand_message(&hand, false, "\x02\x09SUBSCRIBEabc", 14, &octets);
    hand_message(&hand, false, "\x02\x04PING\0\x0axyz", 11, &octets);
    subject_feed(&server, octets.data, octets.size);
    assert_string_equal(subject_text(&server), "FRAME \"hello\" more\nFRAME \"world\"\nSUBSCRIBE \"abc\"\nPINGED 1000\n");

    /* The answer: 00, size, "\x07MESSAGE", number 2, box of 02 "\x04PONG" "xyz" */
    uint8_t inside[9];
    assert_int_equal(server.sent.size, 2 + 32 + sizeof(inside));
    assert_memory_equal(server.sent.data, "\0\x29\x07MESSAGE\0\0\0\0\0\0\0\x02", 18);
    assert_true(hand_open(inside, "CurveZMQMESSAGES", server.sent.data + 10, server.sent.data + 18, 16 + sizeof(inside),
                          hand.peer_transient, hand.transient.secret_key));
    assert_memory_equal(inside, "\x02\x04PONGxyz", 9);
    octets_clear(&octets);
    subject_deinit(&server);
}

/* WELCOME, then READY with a cookie of any octets: what a server made by hand says. */
static void hand_serve(struct hand *hand, struct subject *client, struct octets *to) {
    uint8_t zeros[64], inside[128 + 64], nonce[16] = {3}, number[8] = {0};
    const uint8_t *hello = client->sent.data + 66;
    assert_int_equal(client->sent.size, 64 + 2 + 200);
    assert_memory_equal(hello, "\x05HELLO\x01\0", 8);
    assert_true(sodium_is_zero(hello + 8, 72));
    memcpy(hand->peer_transient, hello + 80, 32);
    assert_true(hand_open(zeros, "CurveZMQHELLO---", hello + 112, hello + 120, 80, hand->peer_transient, pair_server.secret_key));
    assert_true(sodium_is_zero(zeros, 64));

    struct octets body = {0};
    crypto_box_keypair(hand->transient.public_key, hand->transient.secret_key);
    memcpy(inside, hand->transient.public_key, 32);
    memset(inside + 32, 0xc0, 96);
    octets_add(&body, "\x07WELCOME", 8);
    octets_add(&body, nonce, 16);
    hand_box(&body, "WELCOME-", nonce, inside, 128, hand->peer_transient, pair_server.secret_key);
    hand_frame(to, 4, body.data, body.size);
    client->sent.size = 0;
    subject_feed(client, to->data, to->size);
    to->size = body.size = 0;

    /* INITIATE: the cookie, number 2, C, vouch, metadata. */
    const uint8_t *initiate = client->sent.data + 9, *vouch = inside + 32;
    assert_int_equal(client->sent.size, 9 + 257 + 22);
    assert_memory_equal(initiate, "\x08INITIATE", 9);
    for (int i = 0; i < 96; i++)
        assert_int_equal(initiate[9 + i], 0xc0);
    assert_memory_equal(initiate + 105, "\0\0\0\0\0\0\0\x02", 8);
    assert_true(
        hand_open(inside, "CurveZMQINITIATE", initiate + 105, initiate + 113, 144 + 22, hand->peer_transient, hand->transient.secret_key));
    assert_memory_equal(inside, pair_client.public_key, 32);
    assert_memory_equal(inside + 128, TYPE_DEALER, 22);
    uint8_t vouched[64];
    assert_true(hand_open(vouched, "VOUCH---", vouch, vouch + 16, 80, pair_client.public_key, hand->transient.secret_key));
    assert_memory_equal(vouched, hand->peer_transient, 32);
    assert_memory_equal(vouched + 32, pair_server.public_key, 32);

    hand_number(number, hand->number = 1);
    octets_add(&body, "\x05READY", 6);
    octets_add(&body, number, 8);
    hand_box(&body, "CurveZMQREADY---", number, TYPE_DEALER, 22, hand->peer_transient, hand->transient.secret_key);
    hand_frame(to, 4, body.data, body.size);
    octets_clear(&body);
}

static void test_a_server_made_by_hand_is_understood(void **state) {
    struct kith_zmtp_options options = curve_client();
    struct subject client;
    struct hand hand = {0};
    struct octets octets = {0};
    octets_add_hex(&octets, GREETING_CURVE);
    subject_init(&client, &options, DECISION_ACCEPT);
    subject_feed(&client, octets.data, octets.size);
    octets.size = 0;
    hand_serve(&hand, &client, &octets);
    hand_message(&hand, true, "\0hello", 6, &octets);
    subject_feed(&client, octets.data, octets.size);
    assert_string_equal(subject_text(&client), "GREETED 3.1 CURVE\nREADY DEALER\n  Socket-Type \"DEALER\"\nFRAME \"hello\"\n");

    uint8_t inside[6];
    client.sent.size = 0;
    subject_write(&client, "world", 5, true);
    assert_int_equal(client.sent.size, 2 + 33 + 5);
    assert_memory_equal(client.sent.data, "\0\x26\x07MESSAGE\0\0\0\0\0\0\0\x03", 18);
    assert_true(hand_open(inside, "CurveZMQMESSAGEC", client.sent.data + 10, client.sent.data + 18, 22, hand.peer_transient,
                          hand.transient.secret_key));
    assert_memory_equal(inside, "\x01world", 6);
    octets_clear(&octets);
    subject_deinit(&client);
}

/* A peer may put its MESSAGEs into commands (RFC 26) or into messages (libzmq), with long headers or short ones. */
static void test_a_sealed_frame_may_have_any_of_four_flags(void **state) {
    static const uint8_t flags[] = {0, 2, 4, 6};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(flags); i++) {
        struct kith_zmtp_options options = curve_server();
        struct subject server;
        struct hand hand;
        struct octets octets = {0}, again = {0};
        subject_init(&server, &options, DECISION_ACCEPT);
        hand_connect(&hand, &server, FAULT_NONE);
        hand_message(&hand, false, "\0a", 2, &octets);
        if (flags[i] & 2) {
            uint8_t header[9] = {flags[i], 0, 0, 0, 0, 0, 0, 0, 34};
            octets_add(&again, header, 9);
        } else {
            octets_add(&again, (uint8_t[]){flags[i], 34}, 2);
        }
        octets_add(&again, octets.data + 2, octets.size - 2);
        server.text.size = 0;
        subject_feed(&server, again.data, again.size);
        assert_string_equal(subject_text(&server), "FRAME \"a\"\n");
        octets_clear(&octets);
        octets_clear(&again);
        subject_deinit(&server);
    }
}

/* Kith with kith ----------------------------------------------------------------------------------------------------------- */

static void begin(struct subject *client, struct subject *server, size_t piece) {
    struct kith_zmtp_options to = curve_client(), at = curve_server();
    subject_init(client, &to, DECISION_ACCEPT);
    subject_init(server, &at, DECISION_ACCEPT);
    carry(client, server, piece);
    assert_int_equal(kith_zmtp_state(client->engine), KITH_ZMTP_STATE_TRAFFIC);
    assert_int_equal(kith_zmtp_state(server->engine), KITH_ZMTP_STATE_TRAFFIC);
    client->text.size = server->text.size = 0;
}

static void say_all(struct subject *subject) {
    subject_write(subject, "a", 1, true);
    subject_write(subject, "", 0, false);
    subject_say(subject, KITH_ZMTP_WORD_SUBSCRIBE, "topic", 5);
    subject_say(subject, KITH_ZMTP_WORD_CANCEL, "", 0);
    subject_say(subject, KITH_ZMTP_WORD_JOIN, "g", 1);
    subject_say(subject, KITH_ZMTP_WORD_LEAVE, "g", 1);
    assert_int_equal(kith_zmtp_ping(subject->engine, 5000, "abc", 3), 0);
    assert_int_equal(kith_zmtp_tell_error(subject->engine, "no"), 0);
    subject_write(subject, "bb", 2, false);
}

#define ALL                                                                                                                                \
    "FRAME \"a\" more\nFRAME \"\"\nSUBSCRIBE \"topic\"\nCANCEL \"\"\nJOIN \"g\"\nLEAVE \"g\"\nPINGED 5000\nREFUSED \"no\"\nFRAME \"bb\"\n"

static void test_all_that_can_be_said_is_understood_in_every_split(void **state) {
    for (size_t piece = 1; piece < 1000; piece += piece < 60 ? 1 : 170) {
        struct subject a, b;
        begin(&a, &b, piece);
        assert_true(kith_zmtp_seals(a.engine) && kith_zmtp_seals(b.engine));
        say_all(&a);
        say_all(&b);
        carry(&a, &b, piece);
        assert_string_equal(subject_text(&a), ALL "PONG \"abc\"\n");
        assert_string_equal(subject_text(&b), ALL "PONG \"abc\"\n");
        subject_deinit(&a);
        subject_deinit(&b);
    }
}

static void test_frames_of_every_size_arrive(void **state) {
    static const size_t sizes[] = {0, 1, 221, 222, 223, 1000, 65535, 65536, 300000};
    static uint8_t body[300000];
    randombytes_buf(body, sizeof(body));
    for (size_t i = 0; i < KITH_ARRAY_SIZE(sizes); i++) {
        struct subject a, b;
        begin(&a, &b, 4096);
        subject_write(&a, body, sizes[i], false);
        assert_int_equal(a.sent.size, (33 + sizes[i] > 255 ? 9 : 2) + 33 + sizes[i]);
        subject_feed(&b, a.sent.data, a.sent.size);
        char text[128];
        struct subject expected = {0};
        say_octets(&expected, body, sizes[i]);
        snprintf(text, sizeof(text), "FRAME%s\n", subject_text(&expected));
        assert_string_equal(subject_text(&b), text);
        octets_clear(&expected.text);
        subject_deinit(&a);
        subject_deinit(&b);
    }
}

/* What the engine has queued is numbered when it is taken: a message may be written before. */
static void test_a_pong_may_wait_behind_a_message(void **state) {
    struct subject a, b;
    begin(&a, &b, 4096);
    assert_int_equal(kith_zmtp_ping(a.engine, 0, "abc", 3), 0);
    subject_fetch(&a);
    b.unread = true;
    subject_feed(&b, a.sent.data, a.sent.size);
    assert_int_equal(kith_zmtp_output_size(b.engine), 2 + 33 + 8);
    uint8_t out[2 + 33 + 1];
    assert_int_equal(kith_zmtp_wire_size(b.engine, 1), sizeof(out));
    kith_zmtp_write(b.engine, "m", 1, false, out);
    octets_add(&b.sent, out, sizeof(out));
    b.unread = false;
    subject_fetch(&b);
    subject_feed(&a, b.sent.data, b.sent.size);
    assert_string_equal(subject_text(&a), "FRAME \"m\"\nPONG \"abc\"\n");
    subject_deinit(&a);
    subject_deinit(&b);
}

static void test_the_client_key_is_told_to_the_servers_owner(void **state) {
    struct kith_zmtp_options to = curve_client(), at = curve_server();
    struct subject a, b;
    char text[256];
    struct subject expected = {0};
    to.public_key = NULL; /* made from the secret one */
    subject_init(&a, &to, DECISION_ACCEPT);
    subject_init(&b, &at, DECISION_ACCEPT);
    carry(&a, &b, 4096);
    say_octets(&expected, pair_client.public_key, 32);
    snprintf(text, sizeof(text), "GREETED 3.1 CURVE\nCREDENTIALS CURVE%s\nREADY DEALER\n  Socket-Type \"DEALER\"\n",
             subject_text(&expected));
    assert_string_equal(subject_text(&b), text);
    assert_string_equal(subject_text(&a), "GREETED 3.1 CURVE server\nREADY DEALER\n  Socket-Type \"DEALER\"\n");
    octets_clear(&expected.text);
    subject_deinit(&a);
    subject_deinit(&b);
}

static void test_a_refused_client_hears_the_status(void **state) {
    struct kith_zmtp_options to = curve_client(), at = curve_server();
    struct subject a, b;
    subject_init(&a, &to, DECISION_ACCEPT);
    subject_init(&b, &at, DECISION_ACCEPT);
    b.status = 400;
    carry(&a, &b, 100);
    assert_string_equal(subject_text(&a), "GREETED 3.1 CURVE server\nREFUSED \"400\" handshake\n");
    assert_int_equal(kith_zmtp_state(b.engine), KITH_ZMTP_STATE_REFUSED);
    subject_deinit(&a);
    subject_deinit(&b);
}

static void test_keys_that_are_missing_or_none_are_refused(void **state) {
    static const uint8_t no_key[32]; /* of low order: agrees with every key on the same secret */
    struct kith_zmtp_options options = curve_client();
    struct kith_zmtp *engine = NULL;
    options.server_key = NULL;
    assert_int_equal(kith_zmtp_new(&options, &engine), -EINVAL);
    options = curve_server();
    options.secret_key = NULL;
    assert_int_equal(kith_zmtp_new(&options, &engine), -EINVAL);

    struct octets octets = {0};
    struct subject client;
    options = curve_client();
    options.server_key = no_key;
    octets_add_hex(&octets, GREETING_CURVE);
    subject_init(&client, &options, DECISION_WAIT);
    subject_feed(&client, octets.data, octets.size);
    assert_int_equal(kith_zmtp_accept(client.engine), -EINVAL);
    octets_clear(&octets);
    subject_deinit(&client);
}

/* Memory --------------------------------------------------------------------------------------------------------------------- */

static void test_an_idle_peer_keeps_two_small_blocks(void **state) {
    struct subject a, b;
    begin(&a, &b, 1);
    assert_null(b.engine->handshake);
    assert_null(b.engine->gathered);
    assert_null(b.engine->output.data);
    assert_null(b.engine->text);
    assert_true(sizeof(*b.engine) + sizeof(*b.engine->seal) <= 256);
    subject_deinit(&a);
    subject_deinit(&b);
}

/* Between WELCOME and INITIATE: the transient secret is in the client's hands, and only there. */
static void test_the_server_keeps_nothing_of_a_client_but_the_cookies_key(void **state) {
    struct kith_zmtp_options options = curve_server();
    struct subject server;
    struct hand hand = {0};
    struct octets octets = {0};
    octets_add_hex(&octets, GREETING_CURVE);
    hand_hello(&hand, FAULT_NONE, &octets);
    subject_init(&server, &options, DECISION_ACCEPT);
    subject_feed(&server, octets.data, octets.size);
    assert_null(server.engine->gathered);
    assert_null(server.engine->output.data);
    assert_null(memmem(server.engine->handshake, sizeof(*server.engine->handshake), hand.transient.public_key, 32));
    octets_clear(&octets);
    subject_deinit(&server);
}

/* A sealed frame that lies whole in the input is opened there; otherwise memory follows what has come. */
static void test_sealed_frames_are_opened_where_they_lie_or_gathered(void **state) {
    static uint8_t body[100000];
    struct subject a, b;
    struct kith_zmtp_event event;
    begin(&a, &b, 4096);
    subject_write(&a, body, sizeof(body), false);
    assert_int_equal(kith_zmtp_receive(b.engine, a.sent.data, a.sent.size, &event), a.sent.size);
    assert_int_equal(event.type, KITH_ZMTP_FRAME);
    assert_ptr_equal(event.frame.data, a.sent.data + 9 + 33);
    assert_false(event.frame.gathered);
    assert_null(b.engine->gathered);

    a.sent.size = 0;
    subject_write(&a, body, sizeof(body), false);
    for (size_t at = 0; at < a.sent.size; at += 1000) {
        size_t size = a.sent.size - at < 1000 ? a.sent.size - at : 1000;
        assert_int_equal(kith_zmtp_receive(b.engine, a.sent.data + at, size, &event), size);
        assert_true(b.engine->gathered_capacity <= 2 * (at + size));
        assert_int_equal(kith_zmtp_mid_message(b.engine), at + size < a.sent.size);
    }
    assert_int_equal(event.type, KITH_ZMTP_FRAME);
    assert_true(event.frame.gathered);
    assert_int_equal(event.frame.size, sizeof(body));
    kith_zmtp_receive(b.engine, NULL, 0, &event);
    assert_null(b.engine->gathered);
    subject_deinit(&a);
    subject_deinit(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_client_made_by_hand_is_served),
        cmocka_unit_test(test_a_server_made_by_hand_is_understood),
        cmocka_unit_test(test_a_sealed_frame_may_have_any_of_four_flags),
        cmocka_unit_test(test_all_that_can_be_said_is_understood_in_every_split),
        cmocka_unit_test(test_frames_of_every_size_arrive),
        cmocka_unit_test(test_a_pong_may_wait_behind_a_message),
        cmocka_unit_test(test_the_client_key_is_told_to_the_servers_owner),
        cmocka_unit_test(test_a_refused_client_hears_the_status),
        cmocka_unit_test(test_keys_that_are_missing_or_none_are_refused),
        cmocka_unit_test(test_an_idle_peer_keeps_two_small_blocks),
        cmocka_unit_test(test_the_server_keeps_nothing_of_a_client_but_the_cookies_key),
        cmocka_unit_test(test_sealed_frames_are_opened_where_they_lie_or_gathered),
    };
    return cmocka_run_group_tests(tests, curve_keys, NULL);
}

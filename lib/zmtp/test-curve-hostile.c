/* zmtp/test-curve-hostile.c: CURVE with keys that are wrong, octets that were changed, replayed, cut off or made up. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "zmtp/test-curve.h"

/* What the last line of a transcript says. */
static const char *last_line(struct subject *subject) {
    const char *text = subject_text(subject), *line = text;
    for (const char *c = text; *c; c++)
        if (*c == '\n' && c[1])
            line = c + 1;
    return line;
}

/* The handshake ------------------------------------------------------------------------------------------------------------ */

#define NO_VOUCH "FAILED EKEYREJECTED: INITIATE: its vouch is not of the client's key for this connection and this server\n"

static void test_whatever_a_client_does_wrong_has_its_name(void **state) {
    static const struct {
        enum fault fault;
        const char *line;
    } table[] = {
        {FAULT_NONE, "  Socket-Type \"DEALER\"\n"},
        {FAULT_OTHER_SERVER_KEY, "FAILED EKEYREJECTED: HELLO does not open with our secret key: it was made for another server's\n"},
        {FAULT_OTHER_SIGNATURE, "FAILED EKEYREJECTED: HELLO does not open with our secret key: it was made for another server's\n"},
        {FAULT_VERSION, "FAILED EPROTO: HELLO: 194 octets, not 194 of version 1\n"},
        {FAULT_SHORT_HELLO, "FAILED EPROTO: HELLO: 193 octets, not 194 of version 1\n"},
        {FAULT_COOKIE, "FAILED EKEYREJECTED: INITIATE: its cookie is not ours\n"},
        {FAULT_NUMBER, "FAILED EKEYREJECTED: INITIATE: its number does not rise above HELLO's\n"},
        {FAULT_TRANSIENT, "FAILED EKEYREJECTED: INITIATE does not open: the client is not the one that sent HELLO\n"},
        {FAULT_VOUCH_FOR_ANOTHER_TRANSIENT, NO_VOUCH},
        {FAULT_VOUCH_FOR_ANOTHER_SERVER, NO_VOUCH},
        {FAULT_VOUCH_BY_ANOTHER_KEY, NO_VOUCH},
        {FAULT_SHORT_INITIATE, "FAILED EPROTO: INITIATE: 247 octets, less than 248\n"},
        {FAULT_METADATA, "FAILED EPROTO: INITIATE: cut off in a property's value\n"},
        {FAULT_TYPE, "FAILED EPROTOTYPE: socket type PUB of the peer cannot talk to DEALER\n"},
    };
    for (size_t i = 0; i < KITH_ARRAY_SIZE(table); i++) {
        struct kith_zmtp_options options = curve_server();
        struct subject server;
        struct hand hand;
        subject_init(&server, &options, DECISION_ACCEPT);
        hand_connect(&hand, &server, table[i].fault);
        if (strcmp(last_line(&server), table[i].line) != 0)
            fail_msg("fault %d: %s", (int)table[i].fault, subject_text(&server));
        if (table[i].fault != FAULT_NONE)
            assert_null(strstr(subject_text(&server), "CREDENTIALS"));
        subject_deinit(&server);
    }
}

static void test_a_cookie_is_of_no_use_on_another_connection(void **state) {
    struct kith_zmtp_options options = curve_server();
    struct subject first, second;
    struct hand hand = {0}, other = {0};
    struct octets octets = {0};
    subject_init(&first, &options, DECISION_ACCEPT);
    subject_init(&second, &options, DECISION_ACCEPT);
    hand_connect(&hand, &first, FAULT_NONE);
    octets_add_hex(&octets, GREETING_CURVE);
    hand_hello(&other, FAULT_NONE, &octets);
    subject_feed(&second, octets.data, octets.size);
    octets.size = 0;
    hand_initiate(&hand, FAULT_NONE, &octets);
    subject_feed(&second, octets.data, octets.size);
    assert_string_equal(last_line(&second), "FAILED EKEYREJECTED: INITIATE: its cookie is not ours\n");
    octets_clear(&octets);
    subject_deinit(&first);
    subject_deinit(&second);
}

/* To open a HELLO costs more than to send one: a connection has one try. */
static void test_a_second_hello_ends_the_handshake(void **state) {
    struct kith_zmtp_options options = curve_server();
    struct subject server;
    struct hand hand = {0};
    struct octets octets = {0};
    subject_init(&server, &options, DECISION_ACCEPT);
    octets_add_hex(&octets, GREETING_CURVE);
    hand_hello(&hand, FAULT_NONE, &octets);
    subject_feed(&server, octets.data, octets.size);
    assert_null(strstr(subject_text(&server), "FAILED"));
    octets.size = 0;
    hand_hello(&hand, FAULT_NONE, &octets);
    subject_feed(&server, octets.data, octets.size);
    assert_string_equal(last_line(&server), "FAILED EPROTO: command \"HELLO\" came before INITIATE\n");
    octets_clear(&octets);
    subject_deinit(&server);
}

static void test_commands_out_of_order_end_the_handshake(void **state) {
    static const struct {
        bool server;
        const char *octets, *line;
    } table[] = {
        {true, READY_REQ, "FAILED EPROTO: command \"READY\" came before HELLO\n"},
        {true, "00 01 61", "FAILED EPROTO: a message came before the handshake was done\n"},
        {true, "04 06 05 48454c4c4f", "FAILED EPROTO: HELLO: 0 octets, not 194 of version 1\n"},
        {true, "04 09 08 494e495449415445", "FAILED EPROTO: command \"INITIATE\" came before HELLO\n"},
        {true, "04 08 07 4d455353414745", "FAILED EPROTO: command \"MESSAGE\" came before HELLO\n"},
        {false, "04 08 07 57454c434f4d45", "FAILED EPROTO: WELCOME: 0 octets, not 160\n"},
        {false, "04 06 05 5245414459", "FAILED EPROTO: command \"READY\" came before WELCOME\n"},
        {false, "04 06 05 48454c4c4f", "FAILED EPROTO: command \"HELLO\" came before WELCOME\n"},
        {false, "04 0a 05 4552524f52 03 343030", "REFUSED \"400\" handshake\n"},
    };
    for (size_t i = 0; i < KITH_ARRAY_SIZE(table); i++) {
        struct kith_zmtp_options options = table[i].server ? curve_server() : curve_client();
        struct subject subject;
        struct octets octets = {0};
        octets_add_hex(&octets, GREETING_CURVE);
        octets_add_hex(&octets, table[i].octets);
        subject_init(&subject, &options, DECISION_ACCEPT);
        subject_feed(&subject, octets.data, octets.size);
        assert_string_equal(last_line(&subject), table[i].line);
        octets_clear(&octets);
        subject_deinit(&subject);
    }
}

static void test_a_server_without_the_secret_key_is_found_out(void **state) {
    struct kith_zmtp_options to = curve_client(), at = curve_server();
    struct subject a, b;
    to.server_key = pair_other.public_key;
    subject_init(&a, &to, DECISION_ACCEPT);
    subject_init(&b, &at, DECISION_ACCEPT);
    carry(&a, &b, 50);
    assert_string_equal(last_line(&b), "FAILED EKEYREJECTED: HELLO does not open with our secret key: it was made for another server's\n");
    assert_string_equal(last_line(&a), "GREETED 3.1 CURVE server\n");
    subject_deinit(&a);
    subject_deinit(&b);

    /* One that opens HELLO, for it has stolen nothing but octets, has no WELCOME to show. */
    struct octets welcome = {0};
    uint8_t body[168] = "\x07WELCOME";
    to = curve_client();
    octets_add_hex(&welcome, GREETING_CURVE);
    hand_frame(&welcome, 4, body, sizeof(body));
    subject_init(&a, &to, DECISION_ACCEPT);
    subject_feed(&a, welcome.data, welcome.size);
    assert_string_equal(last_line(&a),
                        "FAILED EKEYREJECTED: WELCOME does not open with the server's key: the peer has not its secret half\n");
    octets_clear(&welcome);
    subject_deinit(&a);
}

/* Carries the handshake of two engines one by one, with one octet changed of what `from` sends. True: both are in traffic all the same. */
static bool handshake_with_change(size_t changed, bool of_server, size_t *ret_size) {
    struct kith_zmtp_options to = curve_client(), at = curve_server();
    struct subject sides[2];
    size_t carried[2] = {0, 0};
    subject_init(&sides[0], &to, DECISION_ACCEPT);
    subject_init(&sides[1], &at, DECISION_ACCEPT);
    subject_fetch(&sides[0]);
    subject_fetch(&sides[1]);
    for (int turn = 0; turn < 10; turn++) {
        struct subject *from = &sides[turn % 2], *peer = &sides[1 - turn % 2];
        if ((turn % 2 == 1) == of_server && changed >= carried[turn % 2] && changed < from->sent.size)
            from->sent.data[changed] ^= 0x10;
        subject_feed(peer, from->sent.data + carried[turn % 2], from->sent.size - carried[turn % 2]);
        carried[turn % 2] = from->sent.size;
    }
    bool both = kith_zmtp_state(sides[0].engine) == KITH_ZMTP_STATE_TRAFFIC && kith_zmtp_state(sides[1].engine) == KITH_ZMTP_STATE_TRAFFIC;
    *ret_size = sides[of_server].sent.size;
    subject_deinit(&sides[0]);
    subject_deinit(&sides[1]);
    return both;
}

static void test_no_octet_of_the_handshake_can_be_changed(void **state) {
    for (int of_server = 0; of_server < 2; of_server++) {
        size_t size, whole;
        assert_true(handshake_with_change(SIZE_MAX, of_server, &whole));
        assert_int_equal(whole, of_server ? 64 + 170 + 54 : 64 + 202 + 9 + 257 + 22);
        for (size_t at = 64; at < whole; at++)
            if (handshake_with_change(at, of_server, &size))
                fail_msg("octet %zu of %s", at, of_server ? "the server" : "the client");
    }
}

/* Traffic ----------------------------------------------------------------------------------------------------------------- */

static void begin(struct subject *client, struct subject *server, uint64_t max_frame) {
    struct kith_zmtp_options to = curve_client(), at = curve_server();
    at.max_frame = max_frame;
    subject_init(client, &to, DECISION_ACCEPT);
    subject_init(server, &at, DECISION_ACCEPT);
    carry(client, server, 4096);
    assert_int_equal(kith_zmtp_state(server->engine), KITH_ZMTP_STATE_TRAFFIC);
    client->text.size = server->text.size = 0;
}

static void test_no_octet_of_a_sealed_frame_can_be_changed(void **state) {
    for (size_t at = 0; at < 2 + 33 + 5; at++) {
        struct subject a, b;
        begin(&a, &b, 1024);
        subject_write(&a, "hello", 5, false);
        a.sent.data[at] ^= 0x40;
        subject_feed(&b, a.sent.data, a.sent.size);
        subject_feed(&b, a.sent.data, a.sent.size); /* should its size have grown */
        subject_feed(&b, a.sent.data, a.sent.size);
        assert_null(strstr(subject_text(&b), "FRAME"));
        assert_int_equal(kith_zmtp_state(b.engine), KITH_ZMTP_STATE_DEAD);
        subject_deinit(&a);
        subject_deinit(&b);
    }
}

static void assert_ends(struct subject *subject, const struct octets *octets, const char *text) {
    for (size_t at = 0; at < octets->size; at++)
        subject_feed(subject, octets->data + at, 1);
    assert_string_equal(subject_text(subject), text);
    assert_int_equal(kith_zmtp_state(subject->engine), KITH_ZMTP_STATE_DEAD);
}

static void test_a_replayed_frame_ends_the_connection(void **state) {
    struct subject a, b;
    begin(&a, &b, 1024);
    subject_write(&a, "pay", 3, false);
    octets_add(&a.sent, a.sent.data, a.sent.size);
    assert_ends(&b, &a.sent, "FRAME \"pay\"\nFAILED EBADMSG: a sealed frame was replayed: number 3 came after 3\n");
    subject_deinit(&a);
    subject_deinit(&b);
}

static void test_frames_cannot_be_swapped(void **state) {
    struct subject a, b;
    struct octets swapped = {0};
    begin(&a, &b, 1024);
    subject_write(&a, "1st", 3, false);
    subject_write(&a, "2nd", 3, false);
    octets_add(&swapped, a.sent.data + 38, 38);
    octets_add(&swapped, a.sent.data, 38);
    assert_ends(&b, &swapped, "FRAME \"2nd\"\nFAILED EBADMSG: a sealed frame was replayed: number 3 came after 4\n");
    octets_clear(&swapped);
    subject_deinit(&a);
    subject_deinit(&b);
}

/* The key is the same both ways: the direction is in the nonce. */
static void test_a_frame_that_is_sent_back_does_not_open(void **state) {
    struct subject a, b;
    begin(&a, &b, 1024);
    subject_write(&b, "mirror", 6, false);
    subject_write(&b, "mirror", 6, false);
    subject_write(&b, "mirror", 6, false);
    assert_ends(&b, &b.sent, "FAILED EBADMSG: a sealed frame was replayed: number 2 came after 2\n");
    subject_deinit(&a);
    subject_deinit(&b);
    begin(&a, &b, 1024);
    subject_write(&b, "mirror", 6, false);
    b.sent.size = 0;
    subject_write(&b, "mirror", 6, false);
    assert_ends(&b, &b.sent, "FAILED EBADMSG: a sealed frame does not open: it was changed, or is not of this connection\n");
    subject_deinit(&a);
    subject_deinit(&b);
}

static void test_what_is_not_sealed_ends_the_connection(void **state) {
    static const struct {
        const char *octets, *text;
    } table[] = {
        {"00 01 61", "FAILED EPROTO: a frame of 1 octets that is not sealed came in sealed traffic\n"},
        {"00 00", "FAILED EPROTO: a frame of 0 octets that is not sealed came in sealed traffic\n"},
        {"04 00", "FAILED EPROTO: a frame of 0 octets that is not sealed came in sealed traffic\n"},
        {"04 07 04 50494e47 0000", "FAILED EPROTO: a frame of 7 octets that is not sealed came in sealed traffic\n"},
        {"01", "FAILED EPROTO: frame flags 01: more frames follow, outside of the seal\n"},
        {"03 00000000", "FAILED EPROTO: frame flags 03: more frames follow, outside of the seal\n"},
        {"08", "FAILED EPROTO: frame flags 08 use reserved bits\n"},
        /* One octet less than an empty message has. */
        {"00 20 07 4d455353414745 00000000000000ff 00000000000000000000000000000000",
         "FAILED EPROTO: a frame of 32 octets that is not sealed came in sealed traffic\n"},
        {"00 21 07 4d455353414745 00000000000000ff 0000000000000000000000000000000000",
         "FAILED EBADMSG: a sealed frame does not open: it was changed, or is not of this connection\n"},
        {"02 ffffffffffffffff", "FAILED EPROTO: frame size ffffffffffffffff has its top bit set\n"},
        /* A command may be larger than a message of this owner's. */
        {"02 0000000000010022", "FAILED EMSGSIZE: frame of 65570 octets exceeds the limit of 65569\n"},
    };
    for (size_t i = 0; i < KITH_ARRAY_SIZE(table); i++) {
        struct subject a, b;
        struct octets octets = {0};
        begin(&a, &b, 1024);
        octets_add_hex(&octets, table[i].octets);
        assert_ends(&b, &octets, table[i].text);
        octets_clear(&octets);
        subject_deinit(&a);
        subject_deinit(&b);
    }
}

static void test_the_limits_hold_inside_of_the_seal(void **state) {
    static uint8_t inside[2 + 65536];
    static const struct {
        uint8_t flags;
        size_t size;
        const char *text;
    } table[] = {
        {0, 1024, NULL},
        {0, 1025, "FAILED EMSGSIZE: sealed frame of 1025 octets exceeds the limit of 1024\n"},
        {1, 1025, "FAILED EMSGSIZE: sealed frame of 1025 octets exceeds the limit of 1024\n"},
        {2, 65536, "COMMAND \"\" malformed\n"},
        {2, 0, "COMMAND \"\" malformed\n"},
        {3, 1, "FAILED EPROTO: sealed flags 03: a command that says more frames follow\n"},
        {4, 1, "FAILED EPROTO: sealed flags 04 use reserved bits\n"},
    };
    for (size_t i = 0; i < KITH_ARRAY_SIZE(table); i++) {
        struct kith_zmtp_options options = curve_server();
        struct subject server;
        struct hand hand;
        struct octets octets = {0};
        options.max_frame = 1024;
        subject_init(&server, &options, DECISION_ACCEPT);
        hand_connect(&hand, &server, FAULT_NONE);
        server.text.size = 0;
        inside[0] = table[i].flags;
        hand_message(&hand, false, inside, 1 + table[i].size, &octets);
        subject_feed(&server, octets.data, octets.size);
        if (table[i].text)
            assert_string_equal(subject_text(&server), table[i].text);
        else
            assert_memory_equal(subject_text(&server), "FRAME 1024:", 11);
        octets_clear(&octets);
        subject_deinit(&server);
    }
}

/* A storm of sealed PINGs is bounded as one in clear is. */
static void test_a_storm_of_pings_does_not_fill_memory(void **state) {
    struct subject a, b;
    begin(&a, &b, 1024);
    b.unread = true;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(kith_zmtp_ping(a.engine, 0, "0123456789abcdef", 16), 0);
        a.sent.size = 0;
        subject_fetch(&a);
        subject_feed(&b, a.sent.data, a.sent.size);
    }
    assert_non_null(strstr(subject_text(&b), "PINGED 0 not answered\n"));
    assert_in_range(kith_zmtp_output_size(b.engine), 4096, 4 * 4096);
    subject_deinit(&a);
    subject_deinit(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whatever_a_client_does_wrong_has_its_name),
        cmocka_unit_test(test_a_cookie_is_of_no_use_on_another_connection),
        cmocka_unit_test(test_a_second_hello_ends_the_handshake),
        cmocka_unit_test(test_commands_out_of_order_end_the_handshake),
        cmocka_unit_test(test_a_server_without_the_secret_key_is_found_out),
        cmocka_unit_test(test_no_octet_of_the_handshake_can_be_changed),
        cmocka_unit_test(test_no_octet_of_a_sealed_frame_can_be_changed),
        cmocka_unit_test(test_a_replayed_frame_ends_the_connection),
        cmocka_unit_test(test_frames_cannot_be_swapped),
        cmocka_unit_test(test_a_frame_that_is_sent_back_does_not_open),
        cmocka_unit_test(test_what_is_not_sealed_ends_the_connection),
        cmocka_unit_test(test_the_limits_hold_inside_of_the_seal),
        cmocka_unit_test(test_a_storm_of_pings_does_not_fill_memory),
    };
    return cmocka_run_group_tests(tests, curve_keys, NULL);
}

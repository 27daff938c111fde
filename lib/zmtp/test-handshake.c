/* zmtp/test-handshake.c: READY and ERROR of the NULL mechanism: what we say, what peers say, and what they should not. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "zmtp/test-transcript.h"

/* Ours ------------------------------------------------------------------------------------------------------------- */

static const struct kith_zmtp_property shoe = {.name = "X-Shoe", .value = (const uint8_t *)"44", .size = 2};

static void assert_ready_is(const struct kith_zmtp_options *options, const char *hex) {
    struct subject subject;
    struct octets octets = {0}, expected = {0};
    octets_add_hex(&octets, GREETING);
    octets_add_hex(&expected, hex);
    subject_init(&subject, options, DECISION_ACCEPT);
    subject_feed(&subject, octets.data, octets.size);
    assert_int_equal(subject.sent.size, 64 + expected.size);
    assert_memory_equal(subject.sent.data + 64, expected.data, expected.size);
    octets_clear(&octets);
    octets_clear(&expected);
    subject_deinit(&subject);
}

static void test_ready_names_the_socket_type(void **state) {
    assert_ready_is(&(struct kith_zmtp_options){.socket_type = "REP"}, READY_REP);
}

static void test_only_req_dealer_and_router_tell_their_routing_id(void **state) {
    static const uint8_t id[] = {'m', 'e'};
    struct kith_zmtp_options options = {.socket_type = "REQ", .routing_id = id, .routing_id_size = 2};
    assert_ready_is(&options, "04 28 05 5245414459 0b 536f636b65742d54797065 00000003 524551 08 4964656e74697479 00000002 6d65");
    options.socket_type = "DEALER";
    assert_ready_is(&options, "04 2b 05 5245414459 0b 536f636b65742d54797065 00000006 4445414c4552 08 4964656e74697479 00000002 6d65");
    options.socket_type = "ROUTER";
    assert_ready_is(&options, "04 2b 05 5245414459 0b 536f636b65742d54797065 00000006 524f55544552 08 4964656e74697479 00000002 6d65");
    options.socket_type = "REP";
    assert_ready_is(&options, READY_REP);
}

static void test_further_metadata_follow(void **state) {
    assert_ready_is(&(struct kith_zmtp_options){.socket_type = "REP", .metadata = &shoe, .metadata_count = 1},
                    "04 26 05 5245414459 0b 536f636b65742d54797065 00000003 524550 06 582d53686f65 00000002 3434");
}

static void test_a_ready_of_256_octets_is_long(void **state) {
    static const uint8_t value[256];
    static const uint8_t short_header[] = {4, 255, 5, 'R'}, long_header[] = {6, 0, 0, 0, 0, 0, 0, 1, 0, 5, 'R'};
    struct kith_zmtp_property property = {.name = "X-Shoe", .value = value};
    struct kith_zmtp_options options = {.socket_type = "REP", .metadata = &property, .metadata_count = 1};
    struct octets octets = {0};
    octets_add_hex(&octets, GREETING);
    for (int is_long = 0; is_long < 2; is_long++) {
        struct subject subject;
        property.size = (is_long ? 256 : 255) - 25 - 11; /* a REP's READY without it has 25 octets, its name and sizes 11 */
        subject_init(&subject, &options, DECISION_ACCEPT);
        subject_feed(&subject, octets.data, octets.size);
        assert_int_equal(subject.sent.size, 64 + (is_long ? 9 + 256 : 2 + 255));
        if (is_long)
            assert_memory_equal(subject.sent.data + 64, long_header, sizeof(long_header));
        else
            assert_memory_equal(subject.sent.data + 64, short_header, sizeof(short_header));
        subject_deinit(&subject);
    }
    octets_clear(&octets);
}

static void test_options_that_cannot_be_told_are_refused(void **state) {
    static uint8_t big[64 * 1024];
    char name[257];
    struct kith_zmtp *engine = (struct kith_zmtp *)&big;
    memset(name, 'n', sizeof(name));
    name[256] = 0;
    struct kith_zmtp_property property = shoe;
    struct kith_zmtp_options options = {.socket_type = "REQ", .routing_id = big, .metadata = &property, .metadata_count = 1};
    const struct {
        const char *type, *name;
        size_t id_size, size;
        int error;
    } table[] = {
        {NULL, "X", 0, 0, -EINVAL},           {"", "X", 0, 0, -EINVAL},
        {"req", "X", 0, 0, -EINVAL},          {"REQUEST", "X", 0, 0, -EINVAL},
        {"REQ", "X", 256, 0, -EINVAL},        {"REQ", "", 0, 0, -EINVAL},
        {"REQ", name, 0, 0, -EINVAL},         {"REQ", "socket-TYPE", 0, 0, -EINVAL},
        {"REQ", "identity", 0, 0, -EINVAL},   {"REQ", "X", 0, sizeof(big), -EMSGSIZE},
        {"REQ", "X", 0, SIZE_MAX, -EMSGSIZE}, {"REQ", "X", 0, sizeof(big) - 25 - 5, -EMSGSIZE},
    };
    for (size_t i = 0; i < KITH_ARRAY_SIZE(table); i++) {
        options.socket_type = table[i].type;
        options.routing_id_size = table[i].id_size;
        property = (struct kith_zmtp_property){.name = table[i].name, .value = big, .size = table[i].size};
        assert_int_equal(kith_zmtp_new(&options, &engine), table[i].error);
        assert_ptr_equal(engine, &big);
    }
}

static void test_the_largest_ready_is_one_that_we_would_take(void **state) {
    static uint8_t big[64 * 1024];
    struct kith_zmtp_property property = {.name = "X", .value = big};
    struct kith_zmtp_options options = {.socket_type = "PAIR", .metadata = &property, .metadata_count = 1};
    struct kith_zmtp *engine;
    struct subject writer, reader;
    struct octets greeting = {0};
    octets_add_hex(&greeting, GREETING);
    property.size = sizeof(big);
    while (kith_zmtp_new(&options, &engine) < 0)
        property.size--;
    kith_zmtp_free(engine);
    assert_in_range(property.size, sizeof(big) - 64, sizeof(big));
    subject_init(&writer, &options, DECISION_ACCEPT);
    subject_feed(&writer, greeting.data, greeting.size);
    subject_init(&reader, &(struct kith_zmtp_options){.socket_type = "PAIR"}, DECISION_ACCEPT);
    subject_feed(&reader, writer.sent.data, writer.sent.size);
    assert_int_equal(kith_zmtp_state(reader.engine), KITH_ZMTP_STATE_TRAFFIC);
    octets_clear(&greeting);
    subject_deinit(&writer);
    subject_deinit(&reader);
}

/* The peer's ------------------------------------------------------------------------------------------------------- */

#define READY_NAME "05 5245414459"
#define TYPE(size, type) "0b 536f636b65742d54797065" size type
#define TYPE_REQ TYPE("00000003", "524551")
#define IDENTITY(size, id) "08 4964656e74697479" size id

/* What a REP with max_frame 1024 makes of octets that follow the greeting. */
static const struct {
    const char *what;
    const char *octets;
    const char *transcript;
} handshakes[] = {
    {"plain", READY_REQ, "READY REQ\n  Socket-Type \"REQ\"\n"},
    {"long form of a small command", "06 0000000000000019" READY_NAME TYPE_REQ, "READY REQ\n  Socket-Type \"REQ\"\n"},
    {"names in any case", "04 19" READY_NAME "0b 534f434b45542d74797065 00000003 524551", "READY REQ\n  SOCKET-type \"REQ\"\n"},
    {"type is not in any case", "04 19" READY_NAME TYPE("00000003", "726571"),
     "FAILED EPROTOTYPE: socket type req of the peer cannot talk to REP\n"},
    {"identity", "04 29" READY_NAME IDENTITY("00000003", "6d6531") TYPE_REQ,
     "READY REQ \"me1\"\n  Identity \"me1\"\n  Socket-Type \"REQ\"\n"},
    {"empty identity", "04 26" READY_NAME TYPE_REQ IDENTITY("00000000", ""), "READY REQ\n  Socket-Type \"REQ\"\n  Identity \"\"\n"},
    {"zero-led identity", "04 28" READY_NAME TYPE_REQ IDENTITY("00000002", "0041"),
     "READY REQ 0041\n  Socket-Type \"REQ\"\n  Identity 0041\n"},
    {"a claim about the kernel's facts is a property like any other", "04 25" READY_NAME TYPE_REQ "03 756964 00000004 726f6f74",
     "READY REQ\n  Socket-Type \"REQ\"\n  uid \"root\"\n"},
    {"names are made printable, a terminator in one too", "04 2a" READY_NAME TYPE_REQ "0c 536f636b65742d547970 0a00 00000000",
     "READY REQ\n  Socket-Type \"REQ\"\n  Socket-Typ?? \"\"\n"},
    {"no type", "04 06" READY_NAME, "FAILED EPROTOTYPE: socket type (none) of the peer cannot talk to REP\n"},
    {"type of no use here", "04 19" READY_NAME TYPE("00000003", "505542"),
     "FAILED EPROTOTYPE: socket type PUB of the peer cannot talk to REP\n"},
    {"unknown type", "04 19" READY_NAME TYPE("00000003", "1b5b48"), "FAILED EPROTOTYPE: socket type ?[H of the peer cannot talk to REP\n"},
    {"empty type", "04 16" READY_NAME TYPE("00000000", ""), "FAILED EPROTOTYPE: socket type  of the peer cannot talk to REP\n"},
    {"type with a terminator", "04 1a" READY_NAME TYPE("00000004", "52455100"),
     "FAILED EPROTOTYPE: socket type REQ? of the peer cannot talk to REP\n"},
    {"two types", "04 2c" READY_NAME TYPE_REQ TYPE_REQ, "FAILED EPROTO: READY: Socket-Type comes twice\n"},
    {"two identities", "04 33" READY_NAME TYPE_REQ IDENTITY("00000000", "") IDENTITY("00000000", ""),
     "FAILED EPROTO: READY: Identity comes twice\n"},
    {"no name", "04 0b" READY_NAME "00 00000000", "FAILED EPROTO: READY: a property without name\n"},
    {"only a name's size", "04 07" READY_NAME "0b", "FAILED EPROTO: READY: cut off in a property's name\n"},
    {"cut in the value's size", "04 15" READY_NAME "0b 536f636b65742d54797065 000000",
     "FAILED EPROTO: READY: cut off in a property's name\n"},
    {"cut in the value", "04 18" READY_NAME TYPE("00000003", "5245"), "FAILED EPROTO: READY: cut off in a property's value\n"},
    {"value of 4 GiB", "04 18" READY_NAME TYPE("ffffffff", "5245"), "FAILED EPROTO: READY: cut off in a property's value\n"},
    {"error", "04 0a 05 4552524f52 03 343030", "REFUSED \"400\" handshake\n"},
    {"error without reason", "04 07 05 4552524f52 00", "REFUSED \"\" handshake\n"},
    {"error, cut off", "04 06 05 4552524f52", "REFUSED \"\" handshake\n"},
    {"error that claims more", "04 09 05 4552524f52 ff 6e6f", "REFUSED \"no\" handshake\n"},
    {"error with octets behind", "04 09 05 4552524f52 01 6e6f", "REFUSED \"n\" handshake\n"},
    {"error for a terminal", "04 0b 05 4552524f52 04 1b5d300a", "REFUSED \"?]0?\" handshake\n"},
    {"nothing is heard behind an error", "04 07 05 4552524f52 00" READY_REQ, "REFUSED \"\" handshake\n"},
    {"message before READY", "00 01 61", "FAILED EPROTO: a message came before the handshake was done\n"},
    {"long message before READY", "02", "FAILED EPROTO: a message came before the handshake was done\n"},
    {"ready as a message", "00 19" READY_NAME TYPE_REQ, "FAILED EPROTO: a message came before the handshake was done\n"},
    {"command that says more", "05", "FAILED EPROTO: frame flags 05: a command that says more frames follow\n"},
    {"reserved flags", "0c", "FAILED EPROTO: frame flags 0c use reserved bits\n"},
    {"another command", "04 07 04 50494e47 0000", "FAILED EPROTO: command \"PING\" came before READY\n"},
    {"ready in small letters", "04 06 05 7265616479", "FAILED EPROTO: command \"ready\" came before READY\n"},
    {"another mechanism's command", "04 06 05 48454c4c4f", "FAILED EPROTO: command \"HELLO\" came before READY\n"},
    {"empty command", "04 00", "FAILED EPROTO: a malformed command of 0 octets came in the handshake\n"},
    {"empty long command", "06 0000000000000000", "FAILED EPROTO: a malformed command of 0 octets came in the handshake\n"},
    {"no name", "04 01 00", "FAILED EPROTO: a malformed command of 1 octets came in the handshake\n"},
    {"name beyond the command", "04 05 05 52454144", "FAILED EPROTO: a malformed command of 5 octets came in the handshake\n"},
    {"command over the limit", "06 0000000000010001", "FAILED EMSGSIZE: command of 65537 octets exceeds the limit of 65536\n"},
    {"huge command", "06 7fffffffffffffff", "FAILED EMSGSIZE: command of 9223372036854775807 octets exceeds the limit of 65536\n"},
    {"top bit", "06 8000000000000019", "FAILED EPROTO: frame size 8000000000000019 has its top bit set\n"},
};

static void assert_handshake(const char *what, const struct octets *octets, size_t piece, const char *expected) {
    static const struct kith_zmtp_options rep = {.socket_type = "REP", .max_frame = 1024};
    struct subject subject;
    subject_init(&subject, &rep, DECISION_ACCEPT);
    for (size_t at = 0; at < octets->size; at += piece)
        subject_feed(&subject, octets->data + at, octets->size - at < piece ? octets->size - at : piece);
    const char *text = subject_text(&subject);
    assert_memory_equal(text, "GREETED 3.1 NULL\n", 17);
    if (strcmp(text + 17, expected) != 0)
        fail_msg("%s: %s", what, text + 17);
    subject_deinit(&subject);
}

static void test_handshakes(void **state) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(handshakes); i++) {
        struct octets octets = {0};
        octets_add_hex(&octets, GREETING);
        octets_add_hex(&octets, handshakes[i].octets);
        for (size_t piece = 1; piece < 12; piece++)
            assert_handshake(handshakes[i].what, &octets, piece, handshakes[i].transcript);
        assert_handshake(handshakes[i].what, &octets, octets.size, handshakes[i].transcript);
        octets_clear(&octets);
    }
}

/* Greeting and a READY of REQ with `count` further properties; the last has `size` octets of value. */
static void add_ready(struct octets *octets, size_t count, size_t size) {
    struct octets body = {0};
    octets_add_hex(octets, GREETING);
    octets_add_hex(&body, READY_NAME TYPE_REQ);
    for (size_t i = 0; i < count; i++) {
        const size_t value_size = i + 1 == count ? size : 0;
        const uint8_t value_header[4] = {0, (uint8_t)(value_size >> 16), (uint8_t)(value_size >> 8), (uint8_t)value_size};
        octets_add(&body, "\x01X", 2);
        octets_add(&body, value_header, 4);
        for (size_t k = 0; k < value_size; k++)
            octets_add(&body, "v", 1);
    }
    uint8_t header[9] = {
        6, 0, 0, 0, 0, (uint8_t)(body.size >> 24), (uint8_t)(body.size >> 16), (uint8_t)(body.size >> 8), (uint8_t)body.size};
    octets_add(octets, header, sizeof(header));
    octets_add(octets, body.data, body.size);
    octets_clear(&body);
}

static void test_properties_are_limited_in_number(void **state) {
    struct octets fits = {0}, exceeds = {0};
    char expected[64 * 16] = "READY REQ\n  Socket-Type \"REQ\"\n";
    for (int i = 0; i < 63; i++)
        strcat(expected, "  X \"\"\n");
    add_ready(&fits, 63, 0);
    add_ready(&exceeds, 64, 0);
    assert_handshake("64 properties", &fits, fits.size, expected);
    assert_handshake("64 properties", &fits, 100, expected);
    assert_handshake("65 properties", &exceeds, 7, "FAILED EPROTO: READY: too many properties\n");
    octets_clear(&fits);
    octets_clear(&exceeds);
}

static void test_an_identity_is_limited_to_255_octets(void **state) {
    struct octets octets = {0};
    for (size_t size = 255; size <= 256; size++) {
        const uint8_t header[] = {6, 0, 0, 0, 0, 0, 0, (uint8_t)((38 + size) >> 8), (uint8_t)(38 + size)};
        const uint8_t value_size[] = {0, 0, (uint8_t)(size >> 8), (uint8_t)size};
        octets_add_hex(&octets, GREETING);
        octets_add(&octets, header, sizeof(header));
        octets_add_hex(&octets, READY_NAME TYPE_REQ "08 4964656e74697479");
        octets_add(&octets, value_size, 4);
        for (size_t i = 0; i < size; i++)
            octets_add(&octets, "i", 1);
        assert_handshake("identity", &octets, 50,
                         size == 255 ? "READY REQ 255:f9a9a58197cf82ae\n  Socket-Type \"REQ\"\n  Identity 255:f9a9a58197cf82ae\n"
                                     : "FAILED EPROTO: READY: an Identity of more than 255 octets\n");
        octets_clear(&octets);
    }
}

static void test_a_wrong_type_is_told_to_the_peer_before_the_end(void **state) {
    struct subject subject;
    struct octets octets = {0};
    octets_add_hex(&octets, GREETING READY_SUB);
    subject_init(&subject, &(struct kith_zmtp_options){.socket_type = "REP"}, DECISION_ACCEPT);
    subject_feed(&subject, octets.data, octets.size);
    assert_int_equal(kith_zmtp_state(subject.engine), KITH_ZMTP_STATE_DEAD);
    static const char error[] = "\x04\x31\x05"
                                "ERROR\x2athe socket types cannot talk to each other";
    assert_memory_equal(subject.sent.data + subject.sent.size - (sizeof(error) - 1), error, sizeof(error) - 1);
    assert_int_equal(kith_zmtp_output_size(subject.engine), 0);
    octets_clear(&octets);
    subject_deinit(&subject);
}

/* Socket types ------------------------------------------------------------------------------------------------------ */

static void test_socket_types_that_may_talk(void **state) {
    static const char pairs[][2][8] = {
        {"REQ", "REP"},       {"REQ", "ROUTER"}, {"REP", "DEALER"},     {"DEALER", "DEALER"}, {"DEALER", "ROUTER"},   {"ROUTER", "ROUTER"},
        {"PUB", "SUB"},       {"PUB", "XSUB"},   {"XPUB", "SUB"},       {"XPUB", "XSUB"},     {"PUSH", "PULL"},       {"PAIR", "PAIR"},
        {"CLIENT", "SERVER"}, {"RADIO", "DISH"}, {"SCATTER", "GATHER"}, {"PEER", "PEER"},     {"CHANNEL", "CHANNEL"},
    };
    static const char types[][8] = {"REQ",  "REP",  "DEALER", "ROUTER", "PUB",   "XPUB", "SUB",     "XSUB",   "PUSH",   "PULL",
                                    "PAIR", "PEER", "CLIENT", "SERVER", "RADIO", "DISH", "SCATTER", "GATHER", "CHANNEL"};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(types); i++)
        for (size_t k = 0; k < KITH_ARRAY_SIZE(types); k++) {
            bool expected = false;
            for (size_t p = 0; p < KITH_ARRAY_SIZE(pairs); p++)
                expected |= (strcmp(pairs[p][0], types[i]) == 0 && strcmp(pairs[p][1], types[k]) == 0) ||
                            (strcmp(pairs[p][1], types[i]) == 0 && strcmp(pairs[p][0], types[k]) == 0);
            assert_int_equal(kith_zmtp_compatible(types[i], types[k]), expected);
        }
    assert_false(kith_zmtp_compatible("REQ", ""));
    assert_false(kith_zmtp_compatible("", "REQ"));
    assert_false(kith_zmtp_compatible("STREAM", "STREAM"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ready_names_the_socket_type),
        cmocka_unit_test(test_only_req_dealer_and_router_tell_their_routing_id),
        cmocka_unit_test(test_further_metadata_follow),
        cmocka_unit_test(test_a_ready_of_256_octets_is_long),
        cmocka_unit_test(test_options_that_cannot_be_told_are_refused),
        cmocka_unit_test(test_the_largest_ready_is_one_that_we_would_take),
        cmocka_unit_test(test_handshakes),
        cmocka_unit_test(test_properties_are_limited_in_number),
        cmocka_unit_test(test_an_identity_is_limited_to_255_octets),
        cmocka_unit_test(test_a_wrong_type_is_told_to_the_peer_before_the_end),
        cmocka_unit_test(test_socket_types_that_may_talk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* zmtp/test-traffic.c: frames and commands after the handshake, good, odd and hostile; what an engine says in traffic. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "zmtp/test-transcript.h"

#define FRAME_LIMIT 1024
#define SUBSCRIBE_NAME "09 535542534352494245"
#define CANCEL_NAME "06 43414e43454c"
#define FDS_NAME "03 464453"
#define MEMFD_NAME "05 4d454d4644"

static const struct kith_zmtp_options rep = {.socket_type = "REP", .max_frame = FRAME_LIMIT};

/* Through the handshake; transcript and output start empty. */
static void begin(struct subject *subject, const char *greeting) {
    struct octets octets = {0};
    octets_add_hex(&octets, greeting);
    octets_add_hex(&octets, READY_REQ);
    subject_init(subject, &rep, DECISION_ACCEPT);
    subject_feed(subject, octets.data, octets.size);
    assert_int_equal(kith_zmtp_state(subject->engine), KITH_ZMTP_STATE_TRAFFIC);
    subject->text.size = 0;
    subject->sent.size = 0;
    octets_clear(&octets);
}

static const struct {
    const char *what;
    const char *octets;
    const char *transcript;
} traffic[] = {
    {"frames", "00 01 61 01 00 00 02 6262", "FRAME \"a\"\nFRAME \"\" more\nFRAME \"bb\"\n"},
    {"long form of a small frame", "02 0000000000000001 61 03 0000000000000000 00 00", "FRAME \"a\"\nFRAME \"\" more\nFRAME \"\"\n"},
    {"a frame at the limit is none over it", "02 0000000000000401", "FAILED EMSGSIZE: frame of 1025 octets exceeds the limit of 1024\n"},
    {"huge frame", "03 7fffffffffffffff 00", "FAILED EMSGSIZE: frame of 9223372036854775807 octets exceeds the limit of 1024\n"},
    {"top bit", "02 8000000000000000", "FAILED EPROTO: frame size 8000000000000000 has its top bit set\n"},
    {"all bits", "02 ffffffffffffffff", "FAILED EPROTO: frame size ffffffffffffffff has its top bit set\n"},
    {"reserved flags", "08 00", "FAILED EPROTO: frame flags 08 use reserved bits\n"},
    {"reserved flags with others", "81 00", "FAILED EPROTO: frame flags 81 use reserved bits\n"},
    {"command that says more", "05 05", "FAILED EPROTO: frame flags 05: a command that says more frames follow\n"},
    {"long command that says more", "07", "FAILED EPROTO: frame flags 07: a command that says more frames follow\n"},
    {"nothing is heard behind a failure", "08 00 01 61 00 01 61", "FAILED EPROTO: frame flags 08 use reserved bits\n"},

    {"unknown command", "04 05 04 4a4f4f4e 00 01 61", "COMMAND \"JOON\"\nFRAME \"a\"\n"},
    {"join", "04 07 04 4a4f494e 6731", "JOIN \"g1\"\n"},
    {"join the nameless group", "04 05 04 4a4f494e", "JOIN \"\"\n"},
    {"leave", "04 08 05 4c45415645 6731", "LEAVE \"g1\"\n"},
    {"unknown command for a terminal", "04 05 03 1b5b48 78", "COMMAND \"?[H\"\n"},
    {"commands between the frames of a message", "01 01 61 04 07 04 50494e47 0000 00 01 62", "FRAME \"a\" more\nPINGED 0\nFRAME \"b\"\n"},
    {"READY again changes nothing", READY_SUB, "COMMAND \"READY\"\n"},
    {"long command of no octets", "06 0000000000000000 00 01 61", "COMMAND \"\" malformed\nFRAME \"a\"\n"},
    {"command without name", "04 01 00 04 03 00 6161", "COMMAND \"\" malformed\nCOMMAND \"\" malformed\n"},
    {"name beyond the command", "04 04 04 50494e 04 01 ff", "COMMAND \"\" malformed\nCOMMAND \"\" malformed\n"},
    {"command over the limit", "06 0000000000010001", "FAILED EMSGSIZE: command of 65537 octets exceeds the limit of 65536\n"},
    {"command with the top bit", "06 8000000000000001", "FAILED EPROTO: frame size 8000000000000001 has its top bit set\n"},

    {"empty command", "04 00", ""},
    {"empty command and a frame", "04 00 00 01 61", "COMMAND \"\" malformed\nFRAME \"a\"\n"},
    {"empty command and a message", "04 00 01 00 00 01 61", "COMMAND \"\" malformed\nFRAME \"\" more\nFRAME \"a\"\n"},
    {"empty command and empty frames", "04 00 0000 0000 01 00 00 01 61",
     "COMMAND \"\" malformed\nFRAME \"\"\nFRAME \"\"\nFRAME \"\" more\nFRAME \"a\"\n"},
    {"empty commands", "04 00 04 00 04 00 02", "COMMAND \"\" malformed\nCOMMAND \"\" malformed\nCOMMAND \"\" malformed\n"},
    {"empty command, then what is one octet short of the odd long one", "04 00 0000 0000 0001 04 04 05 04 4a4f494e",
     "COMMAND \"\" malformed\nFRAME \"\"\nFRAME \"\"\nFRAME 04\nJOIN \"\"\n"},
    {"no name of the odd long command", "04 00 000000000001 00 09 5355425343524942 58",
     "COMMAND \"\" malformed\nFRAME \"\"\nFRAME \"\"\nFRAME 00\nFAILED EPROTO: frame flags 09 use reserved bits\n"},
    {"the other name of the odd long command, cut", "04 00 000000000001 00 06 43414e4345 58 0000",
     "COMMAND \"\" malformed\nFRAME \"\"\nFRAME \"\"\nFRAME 00\n"
     "FAILED EMSGSIZE: command of 4846240724860534784 octets exceeds the limit of 65536\n"},

    {"subscriptions", "04 0b" SUBSCRIBE_NAME "41 04 0a" SUBSCRIBE_NAME "04 08" CANCEL_NAME "41",
     "SUBSCRIBE \"A\"\nSUBSCRIBE \"\"\nCANCEL \"A\"\n"},
    {"subscriptions as messages are the owner's", "00 02 0141 00 02 0041", "FRAME 0141\nFRAME 0041\n"},
    {"names of commands are exact", "04 0a 09 737562736372696265", "COMMAND \"subscribe\"\n"},

    {"ping", "04 07 04 50494e47 000a", "PINGED 1000\n"},
    {"ping with context", "04 0b 04 50494e47 ffff 63747878", "PINGED 6553500\n"},
    {"ping shorter than its TTL", "04 05 04 50494e47 04 06 04 50494e47 00", "COMMAND \"PING\" malformed\nCOMMAND \"PING\" malformed\n"},
    {"pong", "04 05 04 504f4e47 04 07 04 504f4e47 6162", "PONG \"\"\nPONG \"ab\"\n"},
    {"pong with 16 octets", "04 15 04 504f4e47 30313233343536373839616263646566", "PONG \"0123456789abcdef\"\n"},
    {"pong with 17 octets", "04 16 04 504f4e47 3031323334353637383961626364656667", "COMMAND \"PONG\" malformed\n"},
    {"memory", "04 08 06 4d454d4f5259 01", "MEMORY 1\n"},
    {"no memory", "04 08 06 4d454d4f5259 00", "MEMORY 0\n"},
    {"memory without a word", "04 07 06 4d454d4f5259", "COMMAND \"MEMORY\" malformed\n"},
    {"descriptors and their message", "04 05 " FDS_NAME "02 00 01 61", "FDS 2\nFRAME \"a\"\n"},
    {"as many descriptors as an octet says", "04 05 " FDS_NAME "ff", "FDS 255\n"},
    {"no descriptors", "04 05 " FDS_NAME "00", "FAILED EPROTO: FDS of 1 octets announces no descriptors\n"},
    {"descriptors without a number", "04 04 " FDS_NAME, "FAILED EPROTO: FDS of 0 octets announces no descriptors\n"},
    {"descriptors with two numbers", "04 06 " FDS_NAME "0101", "FAILED EPROTO: FDS of 2 octets announces no descriptors\n"},
    {"descriptors inside a message", "01 01 61 04 05 " FDS_NAME "01",
     "FRAME \"a\" more\nFAILED EPROTO: FDS came between the frames of a message\n"},
    {"a frame in a descriptor", "04 0f " MEMFD_NAME "00 0000000000000400", "MEMFD 1024\n"},
    {"frames in descriptors and others", "01 01 61 04 0f " MEMFD_NAME "01 0000000000000010 00 01 62",
     "FRAME \"a\" more\nMEMFD 16 more\nFRAME \"b\"\n"},
    {"a frame in a descriptor, then descriptors inside the message", "04 0f " MEMFD_NAME "01 0000000000000010 04 05 " FDS_NAME "01",
     "MEMFD 16 more\nFAILED EPROTO: FDS came between the frames of a message\n"},
    {"a frame in a descriptor that is too large", "04 0f " MEMFD_NAME "00 0000000000000401",
     "FAILED EMSGSIZE: frame of 1025 octets in a descriptor exceeds the limit of 1024\n"},
    {"a frame in a descriptor with odd flags", "04 0f " MEMFD_NAME "02 0000000000000001",
     "FAILED EPROTO: MEMFD of 9 octets does not say what frame it is\n"},
    {"a frame in a descriptor, cut", "04 0e " MEMFD_NAME "00 00000000000001",
     "FAILED EPROTO: MEMFD of 8 octets does not say what frame it is\n"},
    {"taken", "04 0e 05 54414b454e 0000000001000000 04 0d 05 54414b454e 00000000000001", "TAKEN 16777216\nCOMMAND \"TAKEN\" malformed\n"},

    {"error", "04 0a 05 4552524f52 03 343030 00 01 61", "REFUSED \"400\"\nFRAME \"a\"\n"},
    {"error, cut off", "04 06 05 4552524f52 04 08 05 4552524f52 09 61", "REFUSED \"\"\nREFUSED \"a\"\n"},
};

static void assert_traffic(const char *what, const struct octets *octets, size_t piece, const char *expected) {
    struct subject subject;
    begin(&subject, GREETING);
    for (size_t at = 0; at < octets->size; at += piece)
        subject_feed(&subject, octets->data + at, octets->size - at < piece ? octets->size - at : piece);
    if (strcmp(subject_text(&subject), expected) != 0)
        fail_msg("%s: %s", what, subject_text(&subject));
    subject_deinit(&subject);
}

static void test_traffic(void **state) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(traffic); i++) {
        struct octets octets = {0};
        octets_add_hex(&octets, traffic[i].octets);
        for (size_t piece = 1; piece <= octets.size; piece++)
            assert_traffic(traffic[i].what, &octets, piece, traffic[i].transcript);
        octets_clear(&octets);
    }
}

/* What one engine says of descriptors another one understands. */
static void test_words_about_descriptors_are_understood(void **state) {
    uint8_t fds[KITH_ZMTP_FDS_SIZE], memfd[KITH_ZMTP_MEMFD_SIZE];
    struct subject from, to;
    begin(&from, GREETING);
    begin(&to, GREETING);
    kith_zmtp_fds_body(253, fds);
    subject_say(&from, KITH_ZMTP_WORD_FDS, fds, sizeof(fds));
    kith_zmtp_memfd_body(1000, true, memfd);
    subject_say(&from, KITH_ZMTP_WORD_MEMFD, memfd, sizeof(memfd));
    kith_zmtp_memfd_body(0, false, memfd);
    subject_say(&from, KITH_ZMTP_WORD_MEMFD, memfd, sizeof(memfd));
    assert_int_equal(kith_zmtp_tell_taken(from.engine, UINT64_C(0x123456789)), 0);
    subject_fetch(&from);
    subject_feed(&to, from.sent.data, from.sent.size);
    assert_string_equal(subject_text(&to), "FDS 253\nMEMFD 1000 more\nMEMFD 0\nTAKEN 4886718345\n");
    subject_deinit(&from);
    subject_deinit(&to);
}

static void test_every_flags_octet_but_six_ends_the_connection(void **state) {
    for (unsigned flags = 0; flags < 256; flags++) {
        struct subject subject;
        const bool good = flags <= 4 || flags == 6;
        begin(&subject, GREETING);
        subject_feed(&subject, &(uint8_t){(uint8_t)flags}, 1);
        assert_int_equal(kith_zmtp_state(subject.engine), good ? KITH_ZMTP_STATE_TRAFFIC : KITH_ZMTP_STATE_DEAD);
        assert_int_equal(kith_zmtp_mid_message(subject.engine), good);
        subject_deinit(&subject);
    }
}

/* Frames of every length about the limits, their headers made by kith_zmtp_frame_header(). */
static void test_frames_up_to_the_limit_come_whole(void **state) {
    static uint8_t frame[KITH_ZMTP_HEADER_MAX + FRAME_LIMIT + 1];
    for (size_t size = 0; size <= FRAME_LIMIT + 1; size += size == 258 ? FRAME_LIMIT - 260 : 1) {
        struct subject subject;
        memset(frame, 'f', sizeof(frame));
        size_t header_size = kith_zmtp_frame_header(size, size % 2, frame);
        assert_int_equal(header_size, size < 256 ? 2 : 9);
        begin(&subject, GREETING);
        subject_feed(&subject, frame, header_size + size);
        if (size <= FRAME_LIMIT)
            assert_memory_equal(subject_text(&subject), "FRAME ", 6);
        else
            assert_string_equal(subject_text(&subject), "FAILED EMSGSIZE: frame of 1025 octets exceeds the limit of 1024\n");
        assert_int_equal(kith_zmtp_mid_message(subject.engine), size <= FRAME_LIMIT && size % 2);
        subject_deinit(&subject);
    }
}

static void test_a_short_frame_over_the_limit_fails_too(void **state) {
    static const struct kith_zmtp_options options = {.socket_type = "REP", .max_frame = 3};
    struct octets octets = {0};
    octets_add_hex(&octets, GREETING READY_REQ "00 03 616263 00 04 61626364");
    struct subject subject;
    subject_init(&subject, &options, DECISION_ACCEPT);
    subject_feed(&subject, octets.data, octets.size);
    assert_non_null(strstr(subject_text(&subject), "FRAME \"abc\"\nFAILED EMSGSIZE: frame of 4 octets exceeds the limit of 3\n"));
    octets_clear(&octets);
    subject_deinit(&subject);
}

/* A frame of the largest size there can be is handed out as it comes; nothing is kept of it. */
static void test_a_body_is_handed_out_in_pieces_that_lie_in_the_input(void **state) {
    static const struct kith_zmtp_options options = {.socket_type = "REP", .max_frame = UINT64_MAX};
    static const uint8_t header[] = {3, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    static uint8_t input[4096];
    struct kith_zmtp_event event;
    struct octets octets = {0};
    struct subject subject;
    octets_add_hex(&octets, GREETING READY_REQ);
    subject_init(&subject, &options, DECISION_ACCEPT);
    subject_feed(&subject, octets.data, octets.size);
    subject_feed(&subject, header, sizeof(header));
    for (uint64_t offset = 0; offset < 100 * sizeof(input); offset += sizeof(input)) {
        assert_int_equal(kith_zmtp_receive(subject.engine, input, sizeof(input), &event), sizeof(input));
        assert_int_equal(event.type, KITH_ZMTP_FRAME);
        assert_ptr_equal(event.frame.data, input);
        assert_int_equal(event.frame.size, sizeof(input));
        assert_int_equal(event.frame.frame_size, INT64_MAX);
        assert_int_equal(event.frame.offset, offset);
        assert_false(event.frame.last);
        assert_true(event.frame.more);
    }
    octets_clear(&octets);
    subject_deinit(&subject);
}

static void test_mid_message_is_true_exactly_inside_a_message(void **state) {
    static const struct {
        const char *octets;
        const char *mid; /* after each octet */
    } table[] = {
        {"00 01 61", "110"},
        {"00 00 00 00", "1010"},
        {"01 01 61 00 01 62", "111110"},
        {"01 00 00 00", "1110"},
        {"02 0000000000000002 6161", "11111111110"},
        {"04 05 04 4a4f494e", "1111110"},
        {"01 01 61 04 05 04 4a4f494e 00 00", "111111111110"},
        /* An empty command, while it can still be the odd long one. */
        {"04 00 04 05 04 4a4f494e", "111111110"},
        {"04 00 00 01 61", "11110"},
    };
    for (size_t i = 0; i < KITH_ARRAY_SIZE(table); i++) {
        struct octets octets = {0};
        struct subject subject;
        octets_add_hex(&octets, table[i].octets);
        assert_int_equal(octets.size, strlen(table[i].mid));
        begin(&subject, GREETING);
        assert_false(kith_zmtp_mid_message(subject.engine));
        for (size_t at = 0; at < octets.size; at++) {
            subject_feed(&subject, octets.data + at, 1);
            assert_int_equal(kith_zmtp_mid_message(subject.engine), table[i].mid[at] == '1');
        }
        octets_clear(&octets);
        subject_deinit(&subject);
    }
}

/* The odd long command of libzmq 4.3.4 (frame.c), for every topic that makes it, in every piece size around its header. */
static void test_long_topics_without_the_long_flag_are_understood(void **state) {
    for (unsigned size = 246; size <= 255; size++)
        for (int cancel = size < 249 ? 0 : 1; cancel >= 0; cancel--) {
            const char *name = cancel ? "\x06"
                                        "CANCEL"
                                      : "\x09SUBSCRIBE";
            const size_t body = strlen(name) + size;
            const uint8_t header[] = {4, 0, 0, 0, 0, 0, 0, (uint8_t)(body >> 8), (uint8_t)body};
            struct octets octets = {0};
            char expected[512];
            octets_add(&octets, header, sizeof(header));
            octets_add(&octets, name, strlen(name));
            memset(expected, 0, sizeof(expected));
            for (unsigned i = 0; i < size; i++)
                octets_add(&octets, "t", 1);
            octets_add(&octets,
                       "\0\x01"
                       "a",
                       3);
            uint64_t sum = 0xcbf29ce484222325;
            for (unsigned i = 0; i < size; i++)
                sum = (sum ^ 't') * 0x100000001b3;
            snprintf(expected, sizeof(expected), "%s %u:%016" PRIx64 "\nFRAME \"a\"\n", cancel ? "CANCEL" : "SUBSCRIBE", size, sum);
            for (size_t piece = 1; piece < 24; piece++)
                assert_traffic("odd", &octets, piece, expected);
            assert_traffic("odd", &octets, octets.size, expected);
            octets_clear(&octets);
        }
}

/* Long commands, gathered and whole, up to the limit. */
static void test_long_commands_are_gathered(void **state) {
    static const size_t sizes[] = {11, 255, 256, 257, 1000, 65535, 65536};
    static const size_t pieces[] = {1000, 1, 63, 64, 65, 65536 + 9};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(sizes); i++)
        for (size_t k = 0; k < KITH_ARRAY_SIZE(pieces); k++) {
            struct octets octets = {0};
            const uint8_t header[] = {6, 0, 0, 0, 0, 0, (uint8_t)(sizes[i] >> 16), (uint8_t)(sizes[i] >> 8), (uint8_t)sizes[i]};
            uint64_t sum = 0xcbf29ce484222325;
            char expected[64] = "SUBSCRIBE \"t\"\n";
            octets_add(&octets, header, sizeof(header));
            octets_add(&octets, "\x09SUBSCRIBE", 10);
            for (size_t n = 10; n < sizes[i]; n++) {
                octets_add(&octets, "t", 1);
                sum = (sum ^ 't') * 0x100000001b3;
            }
            if (sizes[i] > 11)
                snprintf(expected, sizeof(expected), "SUBSCRIBE %zu:%016" PRIx64 "\n", sizes[i] - 10, sum);
            assert_traffic("long", &octets, pieces[k], expected);
            octets_clear(&octets);
        }
}

static void test_a_group_has_at_most_255_octets(void **state) {
    for (int leave = 0; leave < 2; leave++)
        for (size_t size = 255; size <= 256; size++) {
            const char *name = leave ? "\x05LEAVE" : "\x04JOIN";
            const size_t body = strlen(name) + size;
            const uint8_t header[] = {6, 0, 0, 0, 0, 0, 0, (uint8_t)(body >> 8), (uint8_t)body};
            struct octets octets = {0};
            octets_add(&octets, header, sizeof(header));
            octets_add(&octets, name, strlen(name));
            for (size_t i = 0; i < size; i++)
                octets_add(&octets, "g", 1);
            struct subject expected = {0};
            say(&expected, size == 256 ? "COMMAND \"%s\" malformed" : "%s", name + 1);
            if (size == 255)
                say_octets(&expected, octets.data + octets.size - size, size);
            say(&expected, "\n");
            assert_traffic("group", &octets, 7, subject_text(&expected));
            octets_clear(&expected.text);
            octets_clear(&octets);
        }
}

/* Output ------------------------------------------------------------------------------------------------------------ */

static void assert_sent(struct subject *subject, const char *hex) {
    struct octets expected = {0};
    octets_add_hex(&expected, hex);
    subject_fetch(subject);
    assert_int_equal(subject->sent.size, expected.size);
    assert_memory_equal(subject->sent.data, expected.data, expected.size);
    subject->sent.size = 0;
    octets_clear(&expected);
}

static void test_a_ping_is_answered_with_its_context_and_no_more(void **state) {
    static const struct {
        const char *ping, *pong;
    } table[] = {
        {"04 07 04 50494e47 000a", "04 05 04 504f4e47"},
        {"04 0b 04 50494e47 0000 63747878", "04 09 04 504f4e47 63747878"},
        {"04 17 04 50494e47 0000 30313233343536373839616263646566", "04 15 04 504f4e47 30313233343536373839616263646566"},
        {"04 1b 04 50494e47 0000 3031323334353637383961626364656667686970", "04 15 04 504f4e47 30313233343536373839616263646566"},
        {"04 05 04 50494e47", ""},
        {"04 06 04 50494e47 00", ""},
    };
    for (int minor = 0; minor < 2; minor++)
        for (size_t i = 0; i < KITH_ARRAY_SIZE(table); i++) {
            struct subject subject;
            struct octets octets = {0};
            octets_add_hex(&octets, table[i].ping);
            begin(&subject, minor ? GREETING : GREETING_30);
            subject_feed(&subject, octets.data, octets.size);
            assert_sent(&subject, table[i].pong);
            octets_clear(&octets);
            subject_deinit(&subject);
        }
}

static void test_a_storm_of_pings_does_not_fill_memory(void **state) {
    static uint8_t ping[] = "\x04\x17\x04PING\0\0"
                            "0123456789abcdef";
    struct subject subject;
    struct kith_zmtp_event event;
    size_t size, answered = 0;
    begin(&subject, GREETING);
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(kith_zmtp_receive(subject.engine, ping, sizeof(ping) - 1, &event), sizeof(ping) - 1);
        assert_int_equal(event.type, KITH_ZMTP_PINGED);
        answered += event.ping.answered;
    }
    size = kith_zmtp_output_size(subject.engine);
    assert_int_equal(size, answered * 23);
    assert_in_range(size, 23, 4096 + 256);

    /* Ours do not get in either; room for them comes back with the fetching. */
    assert_int_equal(kith_zmtp_ping(subject.engine, 0, "0123456789abcdef", 16), -ENOBUFS);
    assert_int_equal(kith_zmtp_tell_error(subject.engine, "a reason longer than the rest"), -ENOBUFS);
    subject_fetch(&subject);
    assert_int_equal(kith_zmtp_ping(subject.engine, 0, NULL, 0), 0);
    subject_fetch(&subject);
    assert_int_equal(kith_zmtp_output_size(subject.engine), 0);
    kith_zmtp_receive(subject.engine, ping, sizeof(ping) - 1, &event);
    assert_true(event.ping.answered);
    subject_deinit(&subject);
}

static void test_pings_carry_a_ttl_that_deployed_receivers_can_hold(void **state) {
    static const struct {
        unsigned ttl_ms;
        const char *octets;
    } table[] = {
        {0, "04 07 04 50494e47 0000"},     {1, "04 07 04 50494e47 0001"},          {100, "04 07 04 50494e47 0001"},
        {101, "04 07 04 50494e47 0002"},   {25600, "04 07 04 50494e47 0100"},      {65500, "04 07 04 50494e47 028f"},
        {65501, "04 07 04 50494e47 028f"}, {UINT32_MAX, "04 07 04 50494e47 028f"},
    };
    struct subject subject;
    begin(&subject, GREETING);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(table); i++) {
        assert_int_equal(kith_zmtp_ping(subject.engine, table[i].ttl_ms, NULL, 0), 0);
        assert_sent(&subject, table[i].octets);
    }
    assert_int_equal(kith_zmtp_ping(subject.engine, 0, "0123456789abcdef", 16), 0);
    assert_sent(&subject, "04 17 04 50494e47 0000 30313233343536373839616263646566");
    assert_int_equal(kith_zmtp_ping(subject.engine, 0, "0123456789abcdefg", 17), -EINVAL);
    assert_sent(&subject, "");
    subject_deinit(&subject);
}

static void test_peers_of_3_0_are_not_pinged(void **state) {
    struct subject subject;
    begin(&subject, GREETING_30);
    assert_int_equal(kith_zmtp_ping(subject.engine, 0, NULL, 0), -EOPNOTSUPP);
    subject_deinit(&subject);
    begin(&subject, GREETING_WITH("0400", MECHANISM_NULL));
    assert_int_equal(kith_zmtp_ping(subject.engine, 0, NULL, 0), 0);
    subject_deinit(&subject);
}

static void test_an_error_can_be_told_in_traffic(void **state) {
    struct subject subject;
    begin(&subject, GREETING);
    assert_int_equal(kith_zmtp_tell_error(subject.engine, "no"), 0);
    assert_sent(&subject, "04 09 05 4552524f52 02 6e6f");
    assert_int_equal(kith_zmtp_tell_error(subject.engine, NULL), 0);
    assert_sent(&subject, "04 07 05 4552524f52 00");
    subject_feed(&subject, "\xff", 1);
    assert_int_equal(kith_zmtp_tell_error(subject.engine, "dead"), -EINVAL);
    subject_deinit(&subject);
}

/* Words: what they look like to peers of both versions. ----------------------------------------------------------------- */

static void test_words_are_commands_to_peers_of_3_1_and_topics_messages_to_those_of_3_0(void **state) {
    static const struct {
        enum kith_zmtp_word word;
        const char *to_31, *to_30;
    } table[] = {
        {KITH_ZMTP_WORD_SUBSCRIBE, "04 0c 09 535542534352494245 6162", "00 03 01 6162"},
        {KITH_ZMTP_WORD_CANCEL, "04 09 06 43414e43454c 6162", "00 03 00 6162"},
        {KITH_ZMTP_WORD_JOIN, "04 07 04 4a4f494e 6162", "04 07 04 4a4f494e 6162"},
        {KITH_ZMTP_WORD_LEAVE, "04 08 05 4c45415645 6162", "04 08 05 4c45415645 6162"},
    };
    for (int minor = 0; minor < 2; minor++) {
        struct subject subject;
        begin(&subject, minor ? GREETING : GREETING_30);
        for (size_t i = 0; i < KITH_ARRAY_SIZE(table); i++) {
            subject_say(&subject, table[i].word, "ab", 2);
            assert_sent(&subject, minor ? table[i].to_31 : table[i].to_30);
        }
        subject_say(&subject, KITH_ZMTP_WORD_SUBSCRIBE, NULL, 0);
        assert_sent(&subject, minor ? "04 0a 09 535542534352494245" : "00 01 01");
        subject_deinit(&subject);
    }
}

static void test_a_word_of_256_octets_is_long(void **state) {
    static const uint8_t topic[300];
    struct subject subject;
    begin(&subject, GREETING);
    for (size_t size = 240; size < sizeof(topic); size++) {
        const size_t body = 10 + size;
        subject_say(&subject, KITH_ZMTP_WORD_SUBSCRIBE, topic, size);
        assert_int_equal(subject.sent.size, (body > 255 ? 9 : 2) + body);
        assert_int_equal(subject.sent.data[0], body > 255 ? 6 : 4);
        assert_int_equal(subject.sent.data[body > 255 ? 8 : 1], (uint8_t)body);
        assert_memory_equal(subject.sent.data + (body > 255 ? 9 : 2), "\x09SUBSCRIBE", 10);
        subject.sent.size = 0;
    }
    subject_deinit(&subject);
}

static void test_frames_are_written_as_they_are_read(void **state) {
    static const size_t sizes[] = {0, 1, 255, 256, 1000, 100000};
    static uint8_t body[100000];
    memset(body, 'b', sizeof(body));
    for (size_t i = 0; i < KITH_ARRAY_SIZE(sizes); i++)
        for (int more = 0; more < 2; more++) {
            struct subject subject;
            uint8_t header[KITH_ZMTP_HEADER_MAX];
            begin(&subject, GREETING);
            assert_false(kith_zmtp_seals(subject.engine));
            size_t header_size = kith_zmtp_frame_header(sizes[i], more, header);
            subject_write(&subject, body, sizes[i], more);
            assert_int_equal(subject.sent.size, header_size + sizes[i]);
            assert_memory_equal(subject.sent.data, header, header_size);
            assert_memory_equal(subject.sent.data + header_size, body, sizes[i]);
            subject_deinit(&subject);
        }
}

static void test_destructors_take_null(void **state) {
    assert_null(kith_zmtp_free(NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_traffic),
        cmocka_unit_test(test_words_about_descriptors_are_understood),
        cmocka_unit_test(test_every_flags_octet_but_six_ends_the_connection),
        cmocka_unit_test(test_frames_up_to_the_limit_come_whole),
        cmocka_unit_test(test_a_short_frame_over_the_limit_fails_too),
        cmocka_unit_test(test_a_body_is_handed_out_in_pieces_that_lie_in_the_input),
        cmocka_unit_test(test_mid_message_is_true_exactly_inside_a_message),
        cmocka_unit_test(test_long_topics_without_the_long_flag_are_understood),
        cmocka_unit_test(test_long_commands_are_gathered),
        cmocka_unit_test(test_a_ping_is_answered_with_its_context_and_no_more),
        cmocka_unit_test(test_a_storm_of_pings_does_not_fill_memory),
        cmocka_unit_test(test_pings_carry_a_ttl_that_deployed_receivers_can_hold),
        cmocka_unit_test(test_peers_of_3_0_are_not_pinged),
        cmocka_unit_test(test_an_error_can_be_told_in_traffic),
        cmocka_unit_test(test_a_group_has_at_most_255_octets),
        cmocka_unit_test(test_words_are_commands_to_peers_of_3_1_and_topics_messages_to_those_of_3_0),
        cmocka_unit_test(test_a_word_of_256_octets_is_long),
        cmocka_unit_test(test_frames_are_written_as_they_are_read),
        cmocka_unit_test(test_destructors_take_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

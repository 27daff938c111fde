/* kernel/test-wire.c: requests are what the specification says; what the kernel says is read, and what is no such thing is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/genetlink.h>

#include "base/cleanup.h"
#include "kernel/wire.h"

#define FAMILY 30

/* Octets that say something, as the kernel would. */
struct said {
    _Alignas(8) uint8_t octets[1024];
    size_t size, head; /* where the last message begins */
};

static void say(struct said *said, const void *octets, size_t size) {
    assert_true(said->size + NLMSG_ALIGN(size) <= sizeof(said->octets));
    memcpy(said->octets + said->size, octets, size);
    said->size += NLMSG_ALIGN(size);
    uint32_t length = (uint32_t)(said->size - said->head);
    memcpy(said->octets + said->head, &length, sizeof(length));
}

static void say_head(struct said *said, uint16_t type, uint16_t flags, uint32_t number) {
    const struct nlmsghdr head = {.nlmsg_type = type, .nlmsg_flags = flags, .nlmsg_seq = number};
    said->head = said->size;
    say(said, &head, sizeof(head));
}

static void say_command(struct said *said, uint16_t type, uint8_t command, uint32_t number) {
    const struct genlmsghdr generic = {.cmd = command};
    say_head(said, type, 0, number);
    say(said, &generic, sizeof(generic));
}

static void say_attribute(struct said *said, uint16_t type, const void *data, size_t size) {
    uint8_t octets[512] = {0};
    const struct nlattr head = {.nla_len = (uint16_t)(NLA_HDRLEN + size), .nla_type = type};
    memcpy(octets, &head, sizeof(head));
    memcpy(octets + NLA_HDRLEN, data, size);
    say(said, octets, NLA_HDRLEN + size);
}

static void say_message(struct said *said, uint64_t sequence, uint32_t flags, const char *text, uint32_t claimed) {
    uint8_t octets[256] = {0};
    const struct kith_message_header header = {.sequence = sequence, .time = 7, .request = 5, .flags = flags, .size = claimed};
    memcpy(octets, &header, sizeof(header));
    memcpy(octets + sizeof(header), text, strlen(text));
    say_attribute(said, KITH_A_MESSAGE, octets, sizeof(header) + strlen(text));
}

static void say_result(struct said *said, int error, uint32_t number, const char *text, bool capped) {
    struct {
        struct nlmsgerr result;
        uint8_t request[12]; /* what follows its header, if it is not capped */
    } octets = {.result = {.error = error, .msg = {.nlmsg_len = sizeof(struct nlmsghdr) + 10}}};
    uint16_t flags = (uint16_t)((text ? NLM_F_ACK_TLVS : 0) | (capped ? NLM_F_CAPPED : 0));
    say_head(said, NLMSG_ERROR, flags, number);
    say(said, &octets, capped ? sizeof(octets.result) : sizeof(octets));
    if (text)
        say_attribute(said, NLMSGERR_ATTR_MSG, text, strlen(text) + 1);
}

static struct kith_kernel_word next(const struct said *said, const uint8_t **octets, size_t *size) {
    struct kith_kernel_word word;
    if (!*octets) {
        *octets = said->octets;
        *size = said->size;
    }
    assert_int_equal(kith_kernel_word_next(FAMILY, octets, size, &word), 1);
    return word;
}

static void test_a_request_is_what_the_specification_says(void **state) {
    static const uint8_t expected[] = {
        0,
        0,
        0,
        0,
        FAMILY,
        0,
        NLM_F_REQUEST | NLM_F_ACK,
        0,
        9,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        KITH_CMD_REPLY,
        KITH_GENL_VERSION,
        0,
        0,
        8,
        0,
        KITH_A_CHANNEL,
        0,
        'a',
        '.',
        'b',
        0,
        8,
        0,
        KITH_A_REQUEST,
        0,
        0x04,
        0x03,
        0x02,
        0x01,
        12,
        0,
        KITH_A_SEQUENCE,
        0,
        0x08,
        0x07,
        0x06,
        0x05,
        0x04,
        0x03,
        0x02,
        0x01,
        9,
        0,
        KITH_A_DATA,
        0,
    };
    struct kith_kernel_request request;
    size_t padding;
    (void)state;
    kith_kernel_request_init(&request, FAMILY, KITH_CMD_REPLY, NLM_F_ACK, 9);
    kith_kernel_request_put_text(&request, KITH_A_CHANNEL, "a.b");
    kith_kernel_request_put_u32(&request, KITH_A_REQUEST, 0x01020304);
    kith_kernel_request_put_u64(&request, KITH_A_SEQUENCE, 0x0102030405060708);
    kith_kernel_request_put_data(&request, 5, &padding);
    assert_int_equal(request.size, sizeof(expected));
    assert_int_equal(padding, 3);
    uint32_t length;
    memcpy(&length, request.octets, sizeof(length));
    assert_int_equal(length, sizeof(expected) + 8);
    assert_memory_equal(request.octets + 4, expected + 4, sizeof(expected) - 4);
}

static void test_messages_are_read_in_their_order(void **state) {
    struct said said = {0};
    const uint8_t *octets = NULL;
    size_t size;
    (void)state;
    say_command(&said, FAMILY, KITH_CMD_MESSAGES, 0);
    say_attribute(&said, KITH_A_CHANNEL, "demo", 5);
    say_message(&said, 41, 0, "first", 5);
    say_message(&said, 42, KITH_MESSAGE_AGAIN, "", 0);
    struct kith_kernel_word word = next(&said, &octets, &size);
    assert_int_equal(word.type, KITH_KERNEL_MESSAGES);
    assert_string_equal(word.channel, "demo");
    struct kith_kernel_message message;
    assert_int_equal(kith_kernel_message_next(&word, &message), 1);
    assert_int_equal(message.header.sequence, 41);
    assert_int_equal(message.header.time, 7);
    assert_int_equal(message.header.request, 5);
    assert_memory_equal(message.data, "first", 5);
    assert_int_equal(kith_kernel_message_next(&word, &message), 1);
    assert_int_equal(message.header.flags, KITH_MESSAGE_AGAIN);
    assert_int_equal(message.header.size, 0);
    assert_int_equal(kith_kernel_message_next(&word, &message), 0);
    assert_int_equal(kith_kernel_word_next(FAMILY, &octets, &size, &word), 0);
}

static void test_a_message_that_says_another_size_than_it_has_is_none(void **state) {
    (void)state;
    for (uint32_t claimed = 0; claimed < 12; claimed++) {
        struct said said = {0};
        const uint8_t *octets = NULL;
        size_t size;
        say_command(&said, FAMILY, KITH_CMD_MESSAGES, 0);
        say_message(&said, 1, 0, "seven..", claimed);
        struct kith_kernel_word word = next(&said, &octets, &size);
        struct kith_kernel_message message;
        assert_int_equal(kith_kernel_message_next(&word, &message), claimed == 7 ? 1 : -EBADMSG);
    }
}

static void test_results_have_their_text_behind_the_request_or_without_it(void **state) {
    (void)state;
    for (unsigned capped = 0; capped < 2; capped++) {
        struct said said = {0};
        const uint8_t *octets = NULL;
        size_t size;
        say_result(&said, -EPERM, 3, "kith: no", capped);
        say_result(&said, 0, 4, NULL, capped);
        struct kith_kernel_word word = next(&said, &octets, &size);
        assert_int_equal(word.type, KITH_KERNEL_RESULT);
        assert_int_equal(word.number, 3);
        assert_int_equal(word.error, -EPERM);
        assert_string_equal(word.text, "kith: no");
        word = next(&said, &octets, &size);
        assert_int_equal(word.number, 4);
        assert_int_equal(word.error, 0);
        assert_null(word.text);
    }
}

static void test_what_a_channel_and_the_controller_say(void **state) {
    struct said said = {0};
    const uint8_t *octets = NULL;
    size_t size;
    (void)state;
    say_command(&said, GENL_ID_CTRL, CTRL_CMD_NEWFAMILY, 1);
    say_attribute(&said, CTRL_ATTR_FAMILY_ID, &(uint16_t){FAMILY}, 2);
    say_command(&said, FAMILY, KITH_CMD_CHANNEL, 2);
    say_attribute(&said, KITH_A_CHANNEL, "demo", 5);
    say_attribute(&said, KITH_A_MODULE, "kith_demo", 10);
    say_attribute(&said, KITH_A_MODE, &(uint32_t){KITH_MODE_ALL}, 4);
    say_attribute(&said, KITH_A_RING, &(uint32_t){65536}, 4);
    say_attribute(&said, KITH_A_FD, &(int32_t){17}, 4);
    say_command(&said, FAMILY, KITH_CMD_REPLY, 3);
    say_attribute(&said, KITH_A_DATA, "yes", 3);
    say_command(&said, FAMILY, KITH_CMD_CLOSED, 0);
    say_command(&said, FAMILY + 1, KITH_CMD_CLOSED, 0);
    say_command(&said, FAMILY, 200, 0);
    struct kith_kernel_word word = next(&said, &octets, &size);
    assert_int_equal(word.type, KITH_KERNEL_FAMILY);
    assert_int_equal(word.family, FAMILY);
    word = next(&said, &octets, &size);
    assert_int_equal(word.type, KITH_KERNEL_CHANNEL);
    assert_string_equal(word.module, "kith_demo");
    assert_int_equal(word.mode, KITH_MODE_ALL);
    assert_int_equal(word.ring, 65536);
    assert_int_equal(word.fd, 17);
    word = next(&said, &octets, &size);
    assert_int_equal(word.type, KITH_KERNEL_REPLY);
    assert_int_equal(word.fd, -1);
    assert_int_equal(word.size, 3);
    assert_memory_equal(word.data, "yes", 3);
    assert_int_equal(next(&said, &octets, &size).type, KITH_KERNEL_CLOSED);
    assert_int_equal(next(&said, &octets, &size).type, KITH_KERNEL_OTHER);
    assert_int_equal(next(&said, &octets, &size).type, KITH_KERNEL_OTHER);
}

/* Texts without an end, numbers of another size, attributes and messages that reach beyond what there is. */
static void test_what_is_of_another_form_is_left_out_or_refused(void **state) {
    struct said said = {0};
    const uint8_t *octets = NULL;
    size_t size;
    (void)state;
    say_command(&said, FAMILY, KITH_CMD_CHANNEL, 2);
    say_attribute(&said, KITH_A_MODULE, "kith", 4);
    say_attribute(&said, KITH_A_MODE, &(uint64_t){KITH_MODE_ALL}, 8);
    struct kith_kernel_word word = next(&said, &octets, &size);
    assert_null(word.module);
    assert_int_equal(word.mode, 0);

    struct said cut = {0};
    say_command(&cut, FAMILY, KITH_CMD_MESSAGES, 0);
    say_message(&cut, 1, 0, "text", 4);
    cut.octets[NLMSG_HDRLEN + GENL_HDRLEN] = 200; /* the attribute's length */
    octets = NULL;
    word = next(&cut, &octets, &size);
    struct kith_kernel_message message;
    assert_int_equal(kith_kernel_message_next(&word, &message), -EBADMSG);
    cut.octets[0] = (uint8_t)(cut.size + 4); /* the message's */
    octets = cut.octets;
    size = cut.size;
    assert_int_equal(kith_kernel_word_next(FAMILY, &octets, &size, &word), -EBADMSG);
}

/* Cut anywhere, in memory that ends there: what is beyond is not read. */
static void test_nothing_beyond_the_end_is_read(void **state) {
    struct said said = {0};
    (void)state;
    say_command(&said, FAMILY, KITH_CMD_MESSAGES, 0);
    say_message(&said, 1, 0, "text", 4);
    say_result(&said, -EPERM, 3, "kith: no", true);
    for (size_t cut = 0; cut < said.size; cut++) {
        uint8_t *copy = malloc(cut > 0 ? cut : 1);
        assert_non_null(copy);
        memcpy(copy, said.octets, cut);
        const uint8_t *octets = copy;
        size_t size = cut;
        struct kith_kernel_word word;
        struct kith_kernel_message message;
        unsigned words = 0;
        while (kith_kernel_word_next(FAMILY, &octets, &size, &word) > 0) {
            words++;
            while (kith_kernel_message_next(&word, &message) > 0)
                assert_int_equal(message.header.size, 4);
        }
        assert_true(words < 2);
        free(copy);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request_is_what_the_specification_says),
        cmocka_unit_test(test_messages_are_read_in_their_order),
        cmocka_unit_test(test_a_message_that_says_another_size_than_it_has_is_none),
        cmocka_unit_test(test_results_have_their_text_behind_the_request_or_without_it),
        cmocka_unit_test(test_what_a_channel_and_the_controller_say),
        cmocka_unit_test(test_what_is_of_another_form_is_left_out_or_refused),
        cmocka_unit_test(test_nothing_beyond_the_end_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

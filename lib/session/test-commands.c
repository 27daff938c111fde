/* session/test-commands.c: commands in a row come out as they went in, and take little more than their octets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "session/commands.h"

static struct kith_command subscribe_to(const char *topic) {
    return (struct kith_command){.command = KITH_COMMAND_SUBSCRIBE, .octets = (const uint8_t *)topic, .size = strlen(topic)};
}

static void expect_first(kith_msg *msg, const struct kith_command *expected) {
    struct kith_command first;

    assert_true(kith_commands_first(msg, &first));
    assert_int_equal(first.command, expected->command);
    assert_int_equal(first.size, expected->size);
    assert_memory_equal(first.octets, expected->octets, expected->size);
    kith_commands_drop_first(msg);
}

static void test_commands_come_out_in_order_and_whole(void **state) {
    const struct kith_command commands[] = {
        {KITH_COMMAND_SUBSCRIBE, (const uint8_t *)"weather", 7}, {KITH_COMMAND_SUBSCRIBE, (const uint8_t *)"", 0},
        {KITH_COMMAND_CANCEL, (const uint8_t *)"a\0b", 3},       {KITH_COMMAND_JOIN, (const uint8_t *)"group", 5},
        {KITH_COMMAND_LEAVE, (const uint8_t *)"group", 5},
    };
    struct kith_command none;
    kith_msg *msg;

    assert_int_equal(kith_commands_new(&commands[0], &msg), 0);
    for (size_t i = 1; i < KITH_ARRAY_SIZE(commands); i++)
        assert_true(kith_commands_add(msg, &commands[i]));
    expect_first(msg, &commands[0]);
    assert_true(kith_commands_add(msg, &commands[0])); /* while others are being sent */
    for (size_t i = 1; i < KITH_ARRAY_SIZE(commands); i++)
        expect_first(msg, &commands[i]);
    expect_first(msg, &commands[0]);
    assert_false(kith_commands_first(msg, &none));
    assert_int_equal(msg->size, 0);
    kith_msg_free(msg);
}

static void test_a_row_takes_no_more_than_it_has_room_for(void **state) {
    static uint8_t octets[100000];
    const struct kith_command large = {KITH_COMMAND_SUBSCRIBE, octets, sizeof(octets)}, small = subscribe_to("");
    kith_msg *msg;

    memset(octets, 'x', sizeof(octets));
    assert_int_equal(kith_commands_new(&small, &msg), 0);
    assert_false(kith_commands_add(msg, &large));
    expect_first(msg, &small);
    kith_msg_free(msg);

    assert_int_equal(kith_commands_new(&large, &msg), 0);
    assert_false(kith_commands_add(msg, &small));
    expect_first(msg, &large);
    kith_msg_free(msg);
}

static void test_a_message_is_no_row(void **state) {
    const struct kith_command command = subscribe_to("a");
    kith_msg *msg;

    assert_int_equal(kith_msg_new(&msg), 0);
    assert_int_equal(kith_msg_add(msg, "body", 4), 0);
    assert_false(kith_commands_add(msg, &command));
    assert_int_equal(msg->size, 4);
    kith_msg_free(msg);
}

static void test_100000_commands_take_a_dozen_octets_each_beside_their_own(void **state) {
    enum { COUNT = 100000, TOPIC_SIZE = 20 };
    struct kith_list queue = KITH_LIST_INIT(queue);
    kith_msg *last = NULL;
    size_t taken = 0;
    char topic[TOPIC_SIZE + 1];

    for (unsigned i = 0; i < COUNT; i++) {
        assert_int_equal(snprintf(topic, sizeof(topic), "telemetry/%05u/rate", i), TOPIC_SIZE);
        const struct kith_command command = subscribe_to(topic);
        if (last && kith_commands_add(last, &command))
            continue;
        assert_int_equal(kith_commands_new(&command, &last), 0);
        kith_list_push_back(&queue, &last->link);
        taken += sizeof(*last) + kith_buffer_size(kith_msg_at(last, 0)->slice.buffer);
    }
    assert_in_range(taken / COUNT, TOPIC_SIZE, TOPIC_SIZE + 12);
    kith_msg_queue_free(&queue);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands_come_out_in_order_and_whole),
        cmocka_unit_test(test_a_row_takes_no_more_than_it_has_room_for),
        cmocka_unit_test(test_a_message_is_no_row),
        cmocka_unit_test(test_100000_commands_take_a_dozen_octets_each_beside_their_own),
    };
    return cmocka_run_group_tests_name("session/commands", tests, NULL, NULL);
}

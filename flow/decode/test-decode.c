/* Decoding recordings that were made for it: halves of calls, softirqs, lanes, losses, and files that are not what they say. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "flow/decode/decode.h"
#include "flow/decode/testing.h"

enum { CONNECT, QUEUE, SOFTIRQ, RECEIVE, RCV, TIMER, RELEASE, DO_RCV, LEAF, ACCEPT, ENABLE };
#define NAMES                                                                                                                              \
    "__x64_sys_connect __dev_queue_xmit net_rx_action __netif_receive_skb ip_rcv run_timer_softirq release_sock tcp_v4_do_rcv tcp_ack "    \
    "inet_csk_accept __local_bh_enable_ip"
#define META "{\"kernel\": \"6.1\", \"roles\": {\"7\": \"client\", \"8\": \"server\"}}"

static struct flow_model *decode(struct maker *maker) {
    struct flow_model *model = NULL;
    struct kith_error error = KITH_ERROR_NONE;

    maker_flush(maker);
    if (flow_model_new(&maker->recording, NULL, &model, &error) < 0)
        fail_msg("%s", error.text);
    const char *wrong = model_check(model);
    if (wrong)
        fail_msg("%s", wrong);
    return model;
}

static int setup(void **state) {
    struct maker *maker = malloc(sizeof(*maker));
    maker_init(maker, META, NAMES);
    *state = maker;
    return 0;
}

static int teardown(void **state) {
    maker_deinit(*state);
    free(*state);
    return 0;
}

static const char *name_of(const struct flow_model *model, uint32_t call) {
    assert_true(call < model->call_count);
    return model->functions[model->calls[call].function].name;
}

static bool has_note(const struct flow_model *model, const char *part, bool is_loss) {
    for (size_t i = 0; i < model->note_count; i++)
        if (strstr(model->notes[i].text, part) && model->notes[i].is_loss == is_loss)
            return true;
    return false;
}

static void test_entries_and_exits_become_calls(void **state) {
    struct maker *maker = *state;
    maker_entry(maker, 0, 1000, 7, CONNECT, 0);
    maker_entry(maker, 0, 1010, 7, QUEUE, 1);
    maker_exit(maker, 0, 1030, 7, QUEUE, 1);
    maker_entry(maker, 0, 1040, 7, LEAF, 1);
    maker_exit(maker, 0, 1050, 7, LEAF, 1);
    maker_exit(maker, 0, 1060, 7, CONNECT, 0);
    _cleanup_(flow_model_freep) struct flow_model *model = decode(maker);

    assert_int_equal(model->call_count, 3);
    assert_int_equal(model->seen_events, 6);
    assert_string_equal(name_of(model, 0), "__x64_sys_connect");
    assert_int_equal(model->calls[0].begin_ns, 0);
    assert_int_equal(model->calls[0].end_ns, 60);
    assert_int_equal(model->calls[0].first_child, 1);
    assert_int_equal(model->calls[1].next, 2);
    assert_int_equal(model->calls[2].next, FLOW_NONE);
    assert_int_equal(model->calls[2].depth, 1);
    assert_int_equal(model->calls[1].end_ns, 30);
    assert_int_equal(model->calls[0].lane, FLOW_CLIENT);
    assert_int_equal(model->calls[0].flags, 0);
}

static void test_processors_are_merged_by_time_and_a_task_may_move(void **state) {
    struct maker *maker = *state;
    maker_entry(maker, 0, 1000, 7, CONNECT, 0);
    maker_exit(maker, 0, 1300, 8, ACCEPT, 0);
    maker_entry(maker, 3, 1100, 8, ACCEPT, 0);
    maker_exit(maker, 3, 1200, 7, CONNECT, 0);
    _cleanup_(flow_model_freep) struct flow_model *model = decode(maker);

    assert_int_equal(model->call_count, 2);
    assert_int_equal(model->calls[0].end_ns, 200);
    assert_int_equal(model->calls[1].begin_ns, 100);
    assert_int_equal(model->calls[1].end_ns, 300);
    assert_int_equal(model->calls[1].lane, FLOW_SERVER);
    assert_int_equal(model->calls[1].cpu, 3);
}

static void test_a_call_without_its_end_ends_with_its_caller_or_the_next_call(void **state) {
    struct maker *maker = *state;
    maker_entry(maker, 0, 1000, 7, CONNECT, 0);
    maker_entry(maker, 0, 1010, 7, QUEUE, 1);
    maker_entry(maker, 0, 1020, 7, LEAF, 1); /* QUEUE's exit is missing */
    maker_exit(maker, 0, 1040, 7, CONNECT, 0);
    maker_entry(maker, 0, 1050, 7, ACCEPT, 0); /* and this one's */
    maker_entry(maker, 0, 1070, 8, ACCEPT, 0);
    maker_exit(maker, 0, 1080, 8, ACCEPT, 0);
    _cleanup_(flow_model_freep) struct flow_model *model = decode(maker);

    assert_int_equal(model->call_count, 5);
    assert_int_equal(model->calls[1].flags, FLOW_UNFINISHED);
    assert_int_equal(model->calls[1].end_ns, 20);
    assert_int_equal(model->calls[2].flags, FLOW_UNFINISHED);
    assert_int_equal(model->calls[2].end_ns, 40);
    assert_int_equal(model->calls[0].flags, 0);
    assert_int_equal(model->calls[3].flags, FLOW_UNFINISHED);
    assert_int_equal(model->calls[3].end_ns, 80);
    assert_true(has_note(model, "end of 3 calls", false));
}

static void test_calls_that_began_before_the_recording_hold_what_they_called(void **state) {
    struct maker *maker = *state;
    maker_entry(maker, 0, 1000, 7, LEAF, 2);
    maker_exit(maker, 0, 1010, 7, LEAF, 2);
    maker_entry(maker, 0, 1015, 8, ACCEPT, 0);
    maker_entry(maker, 0, 1020, 7, LEAF, 2);
    maker_exit(maker, 0, 1030, 7, LEAF, 2);
    maker_exit(maker, 0, 1040, 7, QUEUE, 1);
    maker_entry(maker, 0, 1050, 7, QUEUE, 1);
    maker_exit(maker, 0, 1060, 7, QUEUE, 1);
    maker_exit(maker, 0, 1070, 7, CONNECT, 0);
    maker_exit(maker, 0, 1080, 8, ACCEPT, 0);
    _cleanup_(flow_model_freep) struct flow_model *model = decode(maker);

    assert_int_equal(model->call_count, 6);
    assert_string_equal(name_of(model, 0), "__x64_sys_connect");
    assert_string_equal(name_of(model, 1), "__dev_queue_xmit");
    assert_int_equal(model->calls[0].flags, FLOW_UNBEGUN);
    assert_int_equal(model->calls[1].flags, FLOW_UNBEGUN);
    assert_int_equal(model->calls[1].parent, 0);
    assert_int_equal(model->calls[2].parent, 1);
    assert_string_equal(name_of(model, 3), "inet_csk_accept");
    assert_int_equal(model->calls[4].parent, 1);
    assert_int_equal(model->calls[5].parent, 0);
    assert_int_equal(model->calls[5].flags, 0);
    assert_int_equal(model->calls[0].end_ns, 70);
}

/* connect > __dev_queue_xmit > net_rx_action > two packets, a timer; then connect > release_sock > tcp_v4_do_rcv */
static void make_softirq(struct maker *maker) {
    maker_entry(maker, 0, 1000, 7, CONNECT, 0);
    maker_entry(maker, 0, 1010, 7, QUEUE, 1);
    maker_entry(maker, 0, 1020, 7, SOFTIRQ, 2);
    for (unsigned i = 0; i < 2; i++) {
        maker_entry(maker, 0, 1030 + 20 * i, 7, RECEIVE, 3);
        maker_probe(maker, MAKER_CONNECT, 0, 1031 + 20 * i, 7, RCV, 0xabc, 0);
        maker_entry(maker, 0, 1032 + 20 * i, 7, RCV, 4);
        maker_exit(maker, 0, 1038 + 20 * i, 7, RCV, 4);
        maker_exit(maker, 0, 1040 + 20 * i, 7, RECEIVE, 3);
    }
    maker_exit(maker, 0, 1080, 7, SOFTIRQ, 2);
    maker_entry(maker, 0, 1081, 7, TIMER, 2);
    maker_entry(maker, 0, 1082, 7, LEAF, 3);
    maker_probe(maker, MAKER_LINK, 0, 1083, 7, TIMER, 0x1, 0x2);
    maker_exit(maker, 0, 1084, 7, LEAF, 3);
    maker_exit(maker, 0, 1085, 7, TIMER, 2);
    maker_exit(maker, 0, 1090, 7, QUEUE, 1);
    maker_entry(maker, 0, 1100, 7, RELEASE, 1);
    maker_entry(maker, 0, 1110, 7, DO_RCV, 2);
    maker_entry(maker, 0, 1120, 7, LEAF, 3);
    maker_exit(maker, 0, 1130, 7, LEAF, 3);
    maker_exit(maker, 0, 1140, 7, DO_RCV, 2);
    maker_exit(maker, 0, 1150, 7, RELEASE, 1);
    maker_exit(maker, 0, 1160, 7, CONNECT, 0);
}

static void test_each_packet_is_a_root_in_the_softirq_lane(void **state) {
    struct maker *maker = *state;
    make_softirq(maker);
    _cleanup_(flow_model_freep) struct flow_model *model = decode(maker);

    assert_int_equal(model->call_count, 9);
    assert_string_equal(name_of(model, 1), "__dev_queue_xmit");
    assert_int_equal(model->calls[1].first_child, FLOW_NONE);
    for (uint32_t i = 2; i <= 4; i += 2) {
        assert_string_equal(name_of(model, i), "__netif_receive_skb");
        assert_int_equal(model->calls[i].parent, FLOW_NONE);
        assert_int_equal(model->calls[i].handed_from, 1);
        assert_int_equal(model->calls[i].flags, FLOW_HANDED);
        assert_int_equal(model->calls[i].lane, FLOW_SOFTIRQ);
        assert_int_equal(model->calls[i].depth, 0);
        assert_int_equal(model->calls[i + 1].parent, i);
        assert_int_equal(model->calls[i + 1].lane, FLOW_SOFTIRQ);
    }
    assert_true(has_note(model, "Left out: 1 calls that lead a softirq", false));
    assert_true(has_note(model, "2 of timers", false));
}

static void test_softirqs_that_could_have_run_and_did_not_are_left_out(void **state) {
    struct maker *maker = *state;
    maker_entry(maker, 0, 1000, 7, ENABLE, 0); /* nothing in it: gone */
    maker_exit(maker, 0, 1010, 7, ENABLE, 0);
    maker_entry(maker, 0, 1020, 7, ENABLE, 0); /* a packet in it */
    maker_entry(maker, 0, 1030, 7, RECEIVE, 1);
    maker_exit(maker, 0, 1040, 7, RECEIVE, 1);
    maker_exit(maker, 0, 1050, 7, ENABLE, 0);
    maker_entry(maker, 0, 1060, 7, CONNECT, 0); /* part of a call */
    maker_entry(maker, 0, 1070, 7, ENABLE, 1);
    maker_exit(maker, 0, 1080, 7, ENABLE, 1);
    maker_exit(maker, 0, 1090, 7, CONNECT, 0);
    _cleanup_(flow_model_freep) struct flow_model *model = decode(maker);
    static const char *const kept[] = {"__local_bh_enable_ip", "__netif_receive_skb", "__x64_sys_connect", "__local_bh_enable_ip"};

    assert_int_equal(model->call_count, KITH_ARRAY_SIZE(kept));
    for (uint32_t i = 0; i < model->call_count; i++)
        assert_string_equal(name_of(model, i), kept[i]);
    assert_true(has_note(model, "Left out: 1 calls that lead a softirq", false));
}

static void test_a_probe_belongs_to_the_function_that_it_is_at(void **state) {
    struct maker *maker = *state;
    make_softirq(maker);
    _cleanup_(flow_model_freep) struct flow_model *model = decode(maker);

    assert_int_equal(model->mark_count, 3);
    assert_int_equal(model->marks[0].type, FLOW_MARK_SOCKET);
    assert_int_equal(model->marks[0].socket, 0xabc);
    assert_string_equal(name_of(model, model->marks[0].call), "ip_rcv");
    assert_int_equal(model->marks[2].type, FLOW_MARK_LINK);
    assert_int_equal(model->marks[2].link.child, 2);
    /* In a timer, which is not kept: what it interrupted has the mark. */
    assert_string_equal(name_of(model, model->marks[2].call), "__dev_queue_xmit");
}

static void test_work_below_release_sock_was_put_off(void **state) {
    struct maker *maker = *state;
    make_softirq(maker);
    _cleanup_(flow_model_freep) struct flow_model *model = decode(maker);

    assert_string_equal(name_of(model, 6), "release_sock");
    assert_int_equal(model->calls[6].flags, 0);
    assert_int_equal(model->calls[7].flags, FLOW_BACKLOG);
    assert_int_equal(model->calls[8].flags, FLOW_BACKLOG);
}

static void test_without_roles_who_connects_is_the_client(void **state) {
    struct maker maker;
    maker_init(&maker, "{}", NAMES);
    maker_entry(&maker, 0, 1000, 20, ACCEPT, 0);
    maker_entry(&maker, 0, 1010, 21, CONNECT, 0);
    maker_exit(&maker, 0, 1020, 21, CONNECT, 0);
    maker_exit(&maker, 0, 1030, 20, ACCEPT, 0);
    _cleanup_(flow_model_freep) struct flow_model *model = decode(&maker);

    assert_int_equal(model->calls[0].lane, FLOW_SERVER);
    assert_int_equal(model->calls[1].lane, FLOW_CLIENT);
    maker_deinit(&maker);
}

static void test_losses_are_marked_counted_and_said_first(void **state) {
    struct maker *maker = *state;
    maker_entry(maker, 0, 1000, 7, CONNECT, 0);
    maker_flush(maker);
    maker->commit_flags = 1U << 31; /* events were lost in front of the next page */
    maker_exit(maker, 0, 1500, 7, CONNECT, 0);
    maker_text(maker, FLOW_LOST, "0\t98\n");
    maker->recording.whole = false;
    _cleanup_(flow_model_freep) struct flow_model *model = decode(maker);

    assert_int_equal(model->lost_events, 98);
    assert_int_equal(model->mark_count, 1);
    assert_int_equal(model->marks[0].type, FLOW_MARK_LOST);
    assert_int_equal(model->marks[0].time_ns, 500);
    assert_true(model->notes[0].is_loss);
    assert_string_equal(model->notes[0].text, "98 of 100 events were lost (98.00 %): calls are missing here.");
    assert_true(has_note(model, "ends early", true));
}

static void test_names_prototypes_and_tasks_are_taken_over(void **state) {
    struct maker *maker = *state;
    maker_entry(maker, 0, 1000, 7, ACCEPT, 0);
    maker_exit(maker, 0, 1010, 7, ACCEPT, 0);
    maker_entry(maker, 0, 1020, 7, 5000, 0); /* has no symbol */
    maker_exit(maker, 0, 1030, 7, 5000, 0);
    maker_text(maker, FLOW_PROTOTYPES, "inet_csk\tvoid no(void)\ninet_csk_accept\tstruct sock *(struct sock *sk)\ntcp_ack\tint (void)\n");
    maker_text(maker, FLOW_TASKS, "7\tnc\nx\ty\n9\tother\n");
    _cleanup_(flow_model_freep) struct flow_model *model = decode(maker);

    assert_int_equal(model->function_count, 2);
    assert_string_equal(model->functions[0].prototype, "struct sock *(struct sock *sk)");
    assert_null(model->functions[1].prototype);
    assert_string_equal(model->functions[1].name, "0x7a508");
    assert_int_equal(model->functions[0].calls, 1);
    assert_string_equal(model->tasks[0].name, "nc");
    assert_string_equal(model->kernel, "6.1");
}

static int decode_error(struct maker *maker, size_t events_max) {
    struct flow_decode_options options = {.events_max = events_max};
    struct flow_model *model = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    int r = flow_model_new(&maker->recording, &options, &model, &error);

    assert_int_equal(error.code, r);
    assert_true((r < 0) == (error.text[0] != '\0'));
    assert_true((r < 0) == (model == NULL));
    flow_model_free(model);
    return r;
}

static void test_what_is_no_recording_is_an_error(void **state) {
    struct maker maker;

    maker_init(&maker, "[]", NAMES);
    assert_int_equal(decode_error(&maker, 0), -EBADMSG);
    maker_deinit(&maker);
    maker_init(&maker, "{}", NAMES);
    maker_text(&maker, FLOW_EVENT, "name: funcgraph_entry\nID: 12\nformat:\n\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n");
    assert_int_equal(decode_error(&maker, 0), -EBADMSG);
    maker_deinit(&maker);
    maker_init(&maker, "{}", NAMES);
    maker_entry(&maker, 70000, 1000, 7, CONNECT, 0); /* no such processor */
    maker_flush(&maker);
    assert_int_equal(decode_error(&maker, 0), -EBADMSG);
    maker_deinit(&maker);
}

static void test_more_events_than_the_limit_are_an_error(void **state) {
    struct maker *maker = *state;
    make_softirq(maker);
    maker_flush(maker);
    assert_int_equal(decode_error(maker, 10), -E2BIG);
    assert_int_equal(decode_error(maker, 27), 0);
    assert_int_equal(decode_error(maker, 26), -E2BIG);
}

static void test_a_broken_page_is_left_out_and_said(void **state) {
    struct maker *maker = *state;
    static const uint8_t broken[4 + 16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    maker_entry(maker, 0, 1000, 7, CONNECT, 0);
    maker_exit(maker, 0, 1010, 7, CONNECT, 0);
    maker_flush(maker);
    struct flow_section section = {FLOW_PAGE, broken, sizeof(broken)};
    maker_section(maker, section.type, section.data, section.size);
    _cleanup_(flow_model_freep) struct flow_model *model = decode(maker);

    assert_int_equal(model->call_count, 1);
    assert_true(has_note(model, "1 pages of the recording are broken", true));
    maker->recording.count--; /* it is not the maker's to free */
}

/* A SYN-ACK's header, in network order; all zero where there was no memory to make one. */
static void test_a_synack_that_was_not_made_was_not_sent(void **state) {
    static const char format[] = "name: answer\nID: 1302\n" COMMON_FIELDS "\tfield:u64 head;\toffset:8;\tsize:8;\tsigned:0;\n"
                                 "\tfield:u64 rest;\toffset:16;\tsize:8;\tsigned:0;\n"
                                 "\tfield:u32 octets;\toffset:24;\tsize:4;\tsigned:0;\n\nprint fmt: \"\"\n";
    struct {
        uint16_t type;
        uint8_t flags, preempt;
        int32_t pid;
        uint8_t header[16];
        uint32_t octets, end;
    } event = {.type = 1302, .pid = 7};
    struct maker *maker = *state;

    maker_text(maker, FLOW_EVENT, format);
    maker_entry(maker, 0, 1000, 7, CONNECT, 0);
    maker_event(maker, 0, 1010, &event, sizeof(event));
    memcpy(event.header, "\x1f\x90\x9c\x40\0\0\0\x07\0\0\0\x65\xa0\x12\xff", 15);
    event.octets = 40;
    maker_event(maker, 0, 1020, &event, sizeof(event));
    maker_exit(maker, 0, 1030, 7, CONNECT, 0);
    _cleanup_(flow_model_freep) struct flow_model *model = decode(maker);

    assert_int_equal(model->mark_count, 1);
    const struct flow_mark *mark = &model->marks[0];
    assert_int_equal(mark->type, FLOW_MARK_PACKET);
    assert_true(mark->packet.sent);
    assert_int_equal(mark->packet.flags, 0x12);
    assert_int_equal(mark->packet.source, 8080);
    assert_int_equal(mark->packet.destination, 40000);
    assert_int_equal(mark->packet.sequence, 7);
    assert_int_equal(mark->packet.acknowledged, 101);
    assert_int_equal(mark->packet.octets, 0);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_a_synack_that_was_not_made_was_not_sent),
        TEST(test_entries_and_exits_become_calls),
        TEST(test_processors_are_merged_by_time_and_a_task_may_move),
        TEST(test_a_call_without_its_end_ends_with_its_caller_or_the_next_call),
        TEST(test_calls_that_began_before_the_recording_hold_what_they_called),
        TEST(test_each_packet_is_a_root_in_the_softirq_lane),
        TEST(test_softirqs_that_could_have_run_and_did_not_are_left_out),
        TEST(test_a_probe_belongs_to_the_function_that_it_is_at),
        TEST(test_work_below_release_sock_was_put_off),
        TEST(test_without_roles_who_connects_is_the_client),
        TEST(test_losses_are_marked_counted_and_said_first),
        TEST(test_names_prototypes_and_tasks_are_taken_over),
        TEST(test_what_is_no_recording_is_an_error),
        TEST(test_more_events_than_the_limit_are_an_error),
        TEST(test_a_broken_page_is_left_out_and_said),
    };
    return cmocka_run_group_tests_name("flow/decode", tests, NULL, NULL);
}

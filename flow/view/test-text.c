/* The text views, of a TCP connection that a real kernel recorded (tests/flow/tcp.kflow), and of a model with hostile names. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "flow/decode/testing-file.h"
#include "flow/decode/testing.h"
#include "flow/view/text.h"
#include "view/testing-out.h"

static struct flow_model *model;

static int setup(void **state) {
    model = test_model_of("tcp.kflow");
    return 0;
}

static int teardown(void **state) {
    model = flow_model_free(model);
    return 0;
}

typedef int (*view_fn)(const struct flow_model *model, const struct flow_selection *selection, struct view_out *out);

static int view_tree(const struct flow_model *from, const struct flow_selection *selection, struct view_out *out) {
    return flow_view_tree(from, selection, &(struct flow_tree_options){.ascii = true}, out);
}

static char *view(view_fn fn, const struct flow_model *from, struct flow_select select) {
    _cleanup_(flow_selection_deinitp) struct flow_selection *selection = &(struct flow_selection){0};
    struct kith_error error = KITH_ERROR_NONE;

    if (flow_select(from, &select, selection, &error) < 0)
        fail_msg("%s", error.text);
    return TEST_OUT(fn(from, selection, &out));
}

/* All of them, one behind the other, whatever is between. */
static void assert_in_order(const char *text, const char *const *parts) {
    for (; *parts; parts++) {
        const char *found = strstr(text, *parts);
        if (!found)
            fail_msg("'%s' is missing, or too early", *parts);
        text = found + strlen(*parts);
    }
}

static size_t count(const char *text, const char *part) {
    size_t found = 0;

    for (; (text = strstr(text, part)); text += strlen(part))
        found++;
    return found;
}

static void assert_ends_with_notes(const char *text) {
    for (size_t i = 0; i < model->note_count; i++)
        if (!strstr(text, model->notes[i].text))
            fail_msg("the note '%s' is missing", model->notes[i].text);
    assert_true(model->note_count > 0);
}

static void test_the_tree_tells_the_handshake_in_order(void **state) {
    _cleanup_(freep) char *text = view(view_tree, model, (struct flow_select){0});
    const char *const parts[] = {"Linux 6.1",
                                 "__x64_sys_listen",
                                 "CLOSED -> LISTEN",
                                 "client  +",
                                 "__x64_sys_connect",
                                 "tcp_v4_connect",
                                 "CLOSED -> SYN-SENT",
                                 "tcp_connect",
                                 "__tcp_transmit_skb",
                                 "* sent SYN ",
                                 "ip_queue_xmit",
                                 "~> softirq #1",
                                 "tcp_v4_do_rcv  [from the backlog",
                                 "SYN-SENT -> ESTABLISHED",
                                 "softirq #1  +",
                                 "* received SYN ",
                                 "tcp_conn_request",
                                 "* received SYN,ACK ",
                                 "has a child",
                                 "server  +",
                                 "__x64_sys_accept",
                                 "accept() gives out socket",
                                 NULL};

    assert_in_order(text, parts);
    assert_ends_with_notes(text);
    assert_null(strchr(text, '\033'));
}

static void test_a_call_brings_the_packets_that_it_caused(void **state) {
    _cleanup_(freep) char *text = view(view_tree, model, (struct flow_select){.call = "connect"});

    assert_non_null(strstr(text, "tcp_conn_request"));
    assert_int_equal(count(text, "\nclient"), 1);
    assert_int_equal(count(text, "\nserver"), 0);
    assert_null(strstr(text, "__x64_sys_bind"));
}

static void test_a_way_is_shown_from_its_beginning_to_its_end_only(void **state) {
    _cleanup_(freep) char *text = view(view_tree, model, (struct flow_select){.from = "tcp_v4_connect", .to = "loopback_xmit"});

    assert_in_order(text, (const char *const[]){"  tcp_v4_connect", "tcp_connect", "ip_output", "loopback_xmit", NULL});
    assert_null(strstr(text, "inet_hash_connect"));
    assert_null(strstr(text, "__sys_connect"));
}

static void test_depth_and_lane_narrow(void **state) {
    _cleanup_(freep) char *text = view(view_tree, model, (struct flow_select){.lane = "server", .depth = 2});

    assert_int_equal(count(text, "\nclient"), 0);
    assert_int_equal(count(text, "\nsoftirq"), 0);
    assert_non_null(strstr(text, "__sys_listen"));
    assert_null(strstr(text, "inet_listen"));
}

static void test_one_of_several_calls_is_shown_by_its_number(void **state) {
    _cleanup_(freep) char *both = view(view_tree, model, (struct flow_select){.call = "send"});
    _cleanup_(freep) char *first = view(view_tree, model, (struct flow_select){.call = "send", .nth = 1});
    _cleanup_(freep) char *second = view(view_tree, model, (struct flow_select){.call = "send", .nth = 2});

    assert_true(strncmp(strstr(first, "\n\n") + 2, "client", 6) == 0);
    assert_true(strncmp(strstr(second, "\n\n") + 2, "server", 6) == 0);
    assert_non_null(strstr(both, "\n\nclient"));
    assert_non_null(strstr(both, "\n\nserver"));
}

static size_t count_of(const char *text, const char *word) {
    size_t count = 0;

    for (const char *at = text; (at = strstr(at, word)); at++)
        count++;
    return count;
}

static void test_all_ways_to_a_function_are_shown(void **state) {
    _cleanup_(freep) char *whole = view(view_tree, model, (struct flow_select){0});
    _cleanup_(freep) char *ways = view(view_tree, model, (struct flow_select){.to = "ip_queue_xmit"});

    assert_true(count_of(whole, " ip_queue_xmit\n") > 3);
    assert_int_equal(count_of(ways, " ip_queue_xmit\n"), count_of(whole, " ip_queue_xmit\n"));
}

static void test_calls_have_the_names_of_the_c_library(void **state) {
    static const char *const pairs[][2] = {{"send", "__x64_sys_sendto"},    {"send", "__x64_sys_sendmsg"}, {"recv", "__x64_sys_recvfrom"},
                                           {"close", "sock_close"},         {"close", "__x64_sys_close"},  {"accept", "__x64_sys_accept4"},
                                           {"connect", "__x64_sys_connect"}};
    static const char *const others[][2] = {{"send", "__x64_sys_sendfile64"},
                                            {"send", "sock_sendmsg"},
                                            {"accept", "inet_accept"},
                                            {"recv", "tcp_recvmsg"},
                                            {"nd", "__x64_sys_sendto"}};

    for (size_t i = 0; i < KITH_ARRAY_SIZE(pairs); i++)
        assert_true(flow_select_is_call(pairs[i][1], pairs[i][0]));
    for (size_t i = 0; i < KITH_ARRAY_SIZE(others); i++)
        assert_false(flow_select_is_call(others[i][1], others[i][0]));
}

static void test_a_listener_brings_its_children(void **state) {
    uint64_t listener = 0;

    for (size_t i = 0; i < model->mark_count && listener == 0; i++)
        listener = model->marks[i].type == FLOW_MARK_LINK ? model->marks[i].socket : 0;
    assert_int_not_equal(listener, 0);
    _cleanup_(freep) char *text = view(view_tree, model, (struct flow_select){.socket = listener});
    assert_non_null(strstr(text, "__x64_sys_listen"));
    assert_non_null(strstr(text, "accept() gives out socket"));
    assert_null(strstr(text, "__x64_sys_bind"));
}

static void test_what_is_not_there_is_an_error(void **state) {
    const struct flow_select wrong[] = {{.call = "nothing"},
                                        {.from = "nothing"},
                                        {.socket = 1},
                                        {.lane = "left"},
                                        {.from = "tcp_v4_connect", .to = "inet_csk_accept"},
                                        {.call = "connect", .nth = 2}};

    for (size_t i = 0; i < KITH_ARRAY_SIZE(wrong); i++) {
        struct flow_selection selection = {0};
        struct kith_error error = KITH_ERROR_NONE;
        assert_int_equal(flow_select(model, &wrong[i], &selection, &error), wrong[i].lane ? -EINVAL : -ENOENT);
        assert_true(error.text[0] != '\0');
    }
}

static void test_json_has_every_call_and_mark(void **state) {
    _cleanup_(freep) char *text = view(flow_view_json, model, (struct flow_select){0});
    json_auto_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

    assert_non_null(json);
    assert_int_equal(json_array_size(json_object_get(json, "calls")), model->call_count);
    assert_int_equal(json_array_size(json_object_get(json, "marks")), model->mark_count);
    assert_int_equal(json_array_size(json_object_get(json, "functions")), model->function_count);
    assert_int_equal(json_array_size(json_object_get(json, "notes")), model->note_count);
}

static void test_a_trace_has_an_event_for_every_call(void **state) {
    _cleanup_(freep) char *text = view(flow_view_perfetto, model, (struct flow_select){0});
    json_auto_t *json = json_loads(text, 0, NULL);
    size_t complete = 0, index;
    json_t *event;

    assert_non_null(json);
    json_array_foreach(json_object_get(json, "traceEvents"), index, event) complete +=
        strcmp(json_string_value(json_object_get(event, "ph")), "X") == 0;
    assert_int_equal(complete, model->call_count);
    assert_int_equal(json_array_size(json_object_get(json_object_get(json, "otherData"), "notes")), model->note_count);
}

static void test_folded_times_add_up_to_the_roots(void **state) {
    _cleanup_(freep) char *text = view(flow_view_folded, model, (struct flow_select){0});
    unsigned long long roots = 0, folded = 0;

    for (size_t i = 0; i < model->call_count; i++)
        if (model->calls[i].parent == FLOW_NONE && model->calls[i].handed_from == FLOW_NONE)
            roots += model->calls[i].end_ns - model->calls[i].begin_ns;
    assert_ends_with_notes(text);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        folded += line[0] == '#' ? 0 : strtoull(strrchr(line, ' '), NULL, 10);
    assert_int_equal(folded, roots);
}

static void test_names_cannot_drive_a_terminal_or_break_a_document(void **state) {
    struct maker maker;
    struct flow_model *hostile = NULL;

    maker_init(&maker, "{\"kernel\": \"\\u001b[2J\", \"notes\": [\"\\u001b]0;x\\u0007\"]}", "evil\033[2J;\"\xff");
    maker_entry(&maker, 0, 1000, 7, 0, 0);
    maker_exit(&maker, 0, 1010, 7, 0, 0);
    maker_flush(&maker);
    maker_text(&maker, FLOW_TASKS, "7\t\033[31mred\n");
    assert_int_equal(flow_model_new(&maker.recording, NULL, &hostile, NULL), 0);
    const view_fn views[] = {view_tree, flow_view_json, flow_view_folded, flow_view_perfetto};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(views); i++) {
        _cleanup_(freep) char *text = view(views[i], hostile, (struct flow_select){0});
        assert_non_null(strstr(text, "evil"));
        assert_null(strchr(text, '\033'));
        if (views[i] == flow_view_json || views[i] == flow_view_perfetto) {
            json_auto_t *json = json_loads(text, 0, NULL);
            assert_non_null(json);
        }
    }
    flow_model_free(hostile);
    maker_deinit(&maker);
}

static int refuse(void *userdata, const void *data, size_t size) {
    return -EPIPE;
}

static void test_a_reader_that_has_gone_ends_a_view(void **state) {
    _cleanup_(flow_selection_deinitp) struct flow_selection *selection = &(struct flow_selection){0};
    const view_fn views[] = {view_tree, flow_view_json, flow_view_folded, flow_view_perfetto};
    struct view_out out;

    assert_int_equal(flow_select(model, &(struct flow_select){0}, selection, NULL), 0);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(views); i++) {
        view_out_init(&out, refuse, NULL);
        assert_int_equal(views[i](model, selection, &out), -EPIPE);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_tree_tells_the_handshake_in_order),
        cmocka_unit_test(test_a_call_brings_the_packets_that_it_caused),
        cmocka_unit_test(test_a_way_is_shown_from_its_beginning_to_its_end_only),
        cmocka_unit_test(test_depth_and_lane_narrow),
        cmocka_unit_test(test_one_of_several_calls_is_shown_by_its_number),
        cmocka_unit_test(test_all_ways_to_a_function_are_shown),
        cmocka_unit_test(test_calls_have_the_names_of_the_c_library),
        cmocka_unit_test(test_a_listener_brings_its_children),
        cmocka_unit_test(test_what_is_not_there_is_an_error),
        cmocka_unit_test(test_json_has_every_call_and_mark),
        cmocka_unit_test(test_a_trace_has_an_event_for_every_call),
        cmocka_unit_test(test_folded_times_add_up_to_the_roots),
        cmocka_unit_test(test_names_cannot_drive_a_terminal_or_break_a_document),
        cmocka_unit_test(test_a_reader_that_has_gone_ends_a_view),
    };
    return cmocka_run_group_tests_name("flow/view: text", tests, setup, teardown);
}

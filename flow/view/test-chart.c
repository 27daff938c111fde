/* The chart of a TCP connection that a real kernel recorded (tests/flow/tcp.kflow): what it shows, in which lane, and what its arrows say.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flow/decode/testing-file.h"
#include "flow/decode/testing.h"
#include "flow/view/chart.h"
#include "flow/view/testing.h"
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

static struct flow_chart *chart_of(const struct flow_model *from, const char *call, enum flow_level level) {
    _cleanup_(flow_selection_deinitp) struct flow_selection *selection = &(struct flow_selection){0};
    struct kith_error error = KITH_ERROR_NONE;
    struct flow_chart *chart = NULL;

    if (flow_select(from, &(struct flow_select){.call = call}, selection, &error) < 0 ||
        flow_chart_new(from, selection, level, &chart, &error) < 0)
        fail_msg("%s", error.text);
    return chart;
}

/* The first box in this lane whose text has that, from `after` on. */
static uint32_t find(const struct flow_chart *chart, enum flow_lane lane, const char *text, uint32_t after) {
    for (uint32_t i = after; i < chart->box_count; i++)
        if (chart->boxes[i].lane == lane && strstr(flow_box_text(chart, &chart->boxes[i]), text))
            return i;
    fail_msg("no box '%s' in lane %s from %u on", text, flow_lane_name(lane), after);
    return FLOW_NONE;
}

static bool has_arrow(const struct flow_chart *chart, enum flow_arrow_kind kind, uint32_t from, uint32_t to) {
    for (size_t i = 0; i < chart->arrow_count; i++)
        if (chart->arrows[i].kind == kind && chart->arrows[i].from == from && chart->arrows[i].to == to)
            return true;
    return false;
}

static void test_connect_goes_down_to_the_device_and_up_in_the_softirq(void **state) {
    _cleanup_(flow_chart_freep) struct flow_chart *chart = chart_of(model, "connect", FLOW_LEVEL_LAYERS);

    uint32_t at = find(chart, FLOW_CLIENT, "__x64_sys_connect", 0);
    at = find(chart, FLOW_CLIENT, "client: CLOSED \u2192 SYN-SENT", at);
    at = find(chart, FLOW_CLIENT, "tcp_connect\n__tcp_transmit_skb", at);
    uint32_t syn = find(chart, FLOW_CLIENT, "SYN  seq", at);
    at = find(chart, FLOW_CLIENT, "ip_queue_xmit", syn);
    uint32_t device = find(chart, FLOW_CLIENT, "loopback_xmit", at);
    uint32_t up = find(chart, FLOW_SOFTIRQ, "__netif_receive_skb", device);
    uint32_t received = find(chart, FLOW_SOFTIRQ, "tcp_v4_rcv", up);
    assert_non_null(strstr(flow_box_text(chart, &chart->boxes[received]), "tcp_conn_request"));
    uint32_t answer = find(chart, FLOW_SOFTIRQ, "SYN,ACK  seq", received);
    at = find(chart, FLOW_SOFTIRQ, "tcp_add_backlog", answer);
    assert_true(has_arrow(chart, FLOW_ARROW_PACKET, answer, at));
    uint32_t backlog = find(chart, FLOW_CLIENT, "tcp_v4_do_rcv", at);
    at = find(chart, FLOW_CLIENT, "client: SYN-SENT \u2192 ESTABLISHED", backlog);
    at = find(chart, FLOW_SOFTIRQ, "listener \u2192 child: a new socket", at);
    find(chart, FLOW_SOFTIRQ, "child: SYN-RECEIVED \u2192 ESTABLISHED", at);

    assert_true(chart->boxes[backlog].backlog);
    assert_true(has_arrow(chart, FLOW_ARROW_HANDED, device, up));
    assert_true(has_arrow(chart, FLOW_ARROW_PACKET, syn, received));
    assert_false(has_arrow(chart, FLOW_ARROW_CALL, device, up)); /* that was not recorded */
    assert_true(chart->box_count < 45);                          /* a page */
}

static struct flow_chart *page_of(struct flow_select select) {
    _cleanup_(flow_selection_deinitp) struct flow_selection *selection = &(struct flow_selection){0};
    struct kith_error error = KITH_ERROR_NONE;
    struct flow_chart *chart = NULL;

    if (flow_select(model, &select, selection, &error) < 0 || flow_chart_new_page(model, selection, &chart, &error) < 0)
        fail_msg("%s", error.text);
    assert_true(flow_chart_height(chart) <= FLOW_PAGE_HEIGHT);
    return chart;
}

static void test_a_page_has_as_much_as_goes_on_it(void **state) {
    static const struct {
        struct flow_select select;
        enum flow_level level;
    } pages[] = {
        {{0}, FLOW_LEVEL_OUTLINE},
        {{.call = "connect"}, FLOW_LEVEL_LAYERS},
        {{.call = "send", .nth = 2}, FLOW_LEVEL_LAYERS},
        {{.call = "close", .nth = 1}, FLOW_LEVEL_LAYERS},
        {{.call = "bind"}, FLOW_LEVEL_BORDERS},
    };

    for (size_t i = 0; i < KITH_ARRAY_SIZE(pages); i++) {
        _cleanup_(flow_chart_freep) struct flow_chart *chart = page_of(pages[i].select);
        assert_int_equal(chart->level, pages[i].level);
    }
}

static void test_the_life_of_a_connection_is_a_page(void **state) {
    _cleanup_(flow_chart_freep) struct flow_chart *chart = page_of((struct flow_select){0});

    uint32_t at = find(chart, FLOW_SERVER, "__x64_sys_bind", 0);
    at = find(chart, FLOW_SERVER, "listener: CLOSED \u2192 LISTEN", at);
    at = find(chart, FLOW_CLIENT, "__x64_sys_connect \u203a tcp_v4_connect", at);
    at = find(chart, FLOW_SOFTIRQ, "tcp_conn_request", at);
    uint32_t made = find(chart, FLOW_SOFTIRQ, "listener \u2192 child", at);
    uint32_t given = find(chart, FLOW_SERVER, "accept() gives the child out", made);
    at = find(chart, FLOW_CLIENT, "FIN,ACK", given);
    at = find(chart, FLOW_SOFTIRQ, "child: ESTABLISHED \u2192 CLOSE-WAIT", at);
    find(chart, FLOW_SERVER, "child: LAST-ACK \u2192 CLOSED", at);
    assert_true(has_arrow(chart, FLOW_ARROW_SOCKET, made, given));
}

/* Sent twice in ip_queue_xmit(), received twice in tcp_v4_rcv(): which one is which. */
static void expect_order(const struct flow_mark *packet, bool in_order) {
    _cleanup_(flow_model_freep) struct flow_model *small = test_model_new();
    uint32_t sent[2];
    size_t seen = 0;

    small->mark_count = 4;
    for (size_t i = 0; i < 4; i++) {
        small->marks[i] = *packet;
        small->marks[i].packet.sent = i < 2;
        small->marks[i].call = i < 2 ? 3 : 5;
        small->marks[i].time_ns = (i < 2 ? 4500 : 11500) + i;
    }
    _cleanup_(flow_chart_freep) struct flow_chart *chart = chart_of(small, NULL, FLOW_LEVEL_ALL);
    for (uint32_t i = 0; i < chart->box_count; i++)
        if (chart->boxes[i].kind == FLOW_BOX_PACKET)
            sent[seen++ % 2] = i;
    assert_int_equal(seen, 2);
    seen = 0;
    for (size_t i = 0; i < chart->arrow_count; i++)
        if (chart->arrows[i].kind == FLOW_ARROW_PACKET)
            assert_int_equal(chart->arrows[i].from, sent[in_order ? seen++ : 1 - seen++]);
    assert_int_equal(seen, 2);
}

static void test_packets_that_are_alike_come_in_order_but_those_sent_again(void **state) {
    expect_order(&(struct flow_mark){.type = FLOW_MARK_DATAGRAM, .packet = {.source = 1, .destination = 2, .octets = 4}}, true);
    expect_order(&(struct flow_mark){.type = FLOW_MARK_PACKET, .packet = {.flags = 16, .source = 1, .destination = 2, .sequence = 7}},
                 true);
    expect_order(&(struct flow_mark){.type = FLOW_MARK_PACKET, .packet = {.flags = 2, .source = 1, .destination = 2, .sequence = 7}},
                 false);
}

static void test_every_arrow_of_a_call_was_recorded(void **state) {
    for (enum flow_level level = FLOW_LEVEL_OUTLINE; level <= FLOW_LEVEL_ALL; level++) {
        _cleanup_(flow_chart_freep) struct flow_chart *chart = chart_of(model, NULL, level);
        for (size_t i = 0; i < chart->arrow_count; i++) {
            const struct flow_arrow *arrow = &chart->arrows[i];
            if (arrow->kind != FLOW_ARROW_CALL)
                continue;
            uint32_t call = chart->boxes[arrow->to].call, above = call;
            while (above != FLOW_NONE && above != chart->boxes[arrow->from].call)
                above = model->calls[above].parent;
            assert_int_equal(above, chart->boxes[arrow->from].call);
            assert_int_equal(chart->boxes[arrow->from].lane, chart->boxes[arrow->to].lane);
        }
    }
}

/* tcp_v4_connect() and tcp_connect() are of one layer, and of two files. */
static void test_a_call_into_another_source_file_is_shown_at_level_2(void **state) {
    _cleanup_(flow_model_freep) struct flow_model *small = test_model_new();

    for (unsigned same = 0; same < 2; same++) {
        size_t found = 0;
        small->functions[2].landmark = false;
        if (same)
            small->functions[2].file = small->functions[1].file;
        _cleanup_(flow_chart_freep) struct flow_chart *chart = chart_of(small, NULL, FLOW_LEVEL_BORDERS);
        for (size_t i = 0; i < chart->box_count; i++)
            found += strcmp(flow_box_text(chart, &chart->boxes[i]), "tcp_connect") == 0;
        assert_int_equal(found, !same);
    }
}

static void test_levels_show_more_and_the_last_one_everything(void **state) {
    size_t before = 0, calls = 0;

    for (enum flow_level level = FLOW_LEVEL_OUTLINE; level <= FLOW_LEVEL_ALL; level++) {
        _cleanup_(flow_chart_freep) struct flow_chart *chart = chart_of(model, NULL, level);
        assert_true(chart->box_count > before);
        before = chart->box_count;
        calls = 0;
        for (size_t i = 0; i < chart->box_count; i++)
            calls += chart->boxes[i].kind == FLOW_BOX_CALL;
    }
    assert_int_equal(calls, model->call_count);
}

static void test_texts_end_with_what_was_not_seen(void **state) {
    _cleanup_(flow_chart_freep) struct flow_chart *chart = chart_of(model, "connect", FLOW_LEVEL_BORDERS);
    char *texts[] = {TEST_OUT(flow_view_dot(chart, &out)), TEST_OUT(flow_view_mermaid(chart, &out))};

    for (size_t i = 0; i < KITH_ARRAY_SIZE(texts); i++) {
        for (size_t note = 0; note < model->note_count; note++)
            assert_non_null(strstr(texts[i], model->notes[note].text));
        assert_non_null(strstr(texts[i], "tcp_conn_request"));
        free(texts[i]);
    }
}

static void test_names_of_anybodys_stay_inside_of_their_quotes(void **state) {
    struct maker maker;
    struct flow_model *hostile = NULL;

    maker_init(&maker, "{\"kernel\": \"\\\"]; evil [label=\\\"\"}", "a\"];b[label=\"\\ <script>x</script>");
    for (int i = 0; i < 2; i++) {
        maker_entry(&maker, 0, (uint64_t)i * 100 + 1000, 7, i, 0);
        maker_exit(&maker, 0, (uint64_t)i * 100 + 1010, 7, i, 0);
    }
    maker_flush(&maker);
    assert_int_equal(flow_model_new(&maker.recording, NULL, &hostile, NULL), 0);
    struct flow_chart *chart = chart_of(hostile, NULL, FLOW_LEVEL_ALL);
    char *dot = TEST_OUT(flow_view_dot(chart, &out)), *mermaid = TEST_OUT(flow_view_mermaid(chart, &out));
    assert_non_null(strstr(dot, "a\\\"];b[label=\\\""));
    assert_null(strstr(dot, "a\"];b"));
    assert_non_null(strstr(dot, "Linux \\\"]; evil"));
    assert_null(strstr(mermaid, "a\"];b"));
    assert_null(strstr(mermaid, "<script>"));
    free(dot);
    free(mermaid);
    flow_chart_free(chart);
    flow_model_free(hostile);
    maker_deinit(&maker);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connect_goes_down_to_the_device_and_up_in_the_softirq),
        cmocka_unit_test(test_a_page_has_as_much_as_goes_on_it),
        cmocka_unit_test(test_the_life_of_a_connection_is_a_page),
        cmocka_unit_test(test_packets_that_are_alike_come_in_order_but_those_sent_again),
        cmocka_unit_test(test_every_arrow_of_a_call_was_recorded),
        cmocka_unit_test(test_a_call_into_another_source_file_is_shown_at_level_2),
        cmocka_unit_test(test_levels_show_more_and_the_last_one_everything),
        cmocka_unit_test(test_texts_end_with_what_was_not_seen),
        cmocka_unit_test(test_names_of_anybodys_stay_inside_of_their_quotes),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

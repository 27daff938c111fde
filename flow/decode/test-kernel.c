/*
 * Decoding what a real kernel wrote (tests/flow/tcp.kflow: a TCP connection over loopback on Debian's 6.1): golden checks of what must be
 * there in order; and our readers of formats and pages against libtraceevent's.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <traceevent/event-parse.h>
#include <traceevent/kbuffer.h>

#include <cmocka.h>

#include "flow/decode/format.h"
#include "flow/decode/page.h"
#include "flow/decode/testing-file.h"
#include "flow/decode/testing.h"

struct fixture {
    struct flow_recording *recording;
    struct flow_model *model;
};

static int setup(void **state) {
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    fixture->recording = test_recording("tcp.kflow");
    fixture->model = test_model(fixture->recording);
    *state = fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    flow_model_free(fixture->model);
    flow_recording_free(fixture->recording);
    free(fixture);
    return 0;
}

static const char *name_of(const struct flow_model *model, uint32_t call) {
    return model->functions[model->calls[call].function].name;
}

/* Is there a call of the last of `names` with the others above it, in this order, whatever is between? */
static bool has_way(const struct flow_model *model, enum flow_lane lane, const char *const *names, size_t count) {
    for (uint32_t i = 0; i < model->call_count; i++) {
        size_t left = count;
        for (uint32_t at = i; at != FLOW_NONE && left > 0; at = model->calls[at].parent) {
            if (strcmp(name_of(model, at), names[left - 1]) == 0)
                left--;
            else if (left == count)
                break;
        }
        if (left == 0 && model->calls[i].lane == lane)
            return true;
    }
    return false;
}

static void test_the_model_is_sound_and_nothing_is_missing(void **state) {
    const struct fixture *fixture = *state;
    const char *wrong = model_check(fixture->model);

    if (wrong)
        fail_msg("%s", wrong);
    assert_true(fixture->model->whole);
    assert_int_equal(fixture->model->lost_events, 0);
    assert_true(fixture->model->call_count > 500);
    for (size_t i = 0; i < fixture->model->call_count; i++)
        assert_int_equal(fixture->model->calls[i].flags & (FLOW_UNFINISHED | FLOW_UNBEGUN), 0);
}

static void test_connect_leads_down_to_ip(void **state) {
    const struct fixture *fixture = *state;
    const char *const way[] = {"__x64_sys_connect", "tcp_v4_connect",    "tcp_connect",  "ip_queue_xmit",
                               "ip_local_out",      "ip_finish_output2", "loopback_xmit"};

    assert_true(has_way(fixture->model, FLOW_CLIENT, way, KITH_ARRAY_SIZE(way)));
}

static void test_the_request_is_handled_in_the_softirq_lane(void **state) {
    const struct fixture *fixture = *state;
    const struct flow_model *model = fixture->model;
    const char *const way[] = {"__netif_receive_skb", "ip_rcv", "tcp_v4_rcv", "tcp_v4_do_rcv", "tcp_conn_request"};

    assert_true(has_way(model, FLOW_SOFTIRQ, way, KITH_ARRAY_SIZE(way)));
    for (uint32_t i = 0; i < model->call_count; i++) {
        const struct flow_call *call = &model->calls[i];
        if (strcmp(name_of(model, i), "tcp_conn_request") == 0)
            assert_int_equal(call->lane, FLOW_SOFTIRQ);
        if (!(call->flags & FLOW_HANDED))
            continue;
        assert_int_equal(call->parent, FLOW_NONE);
        assert_int_not_equal(call->handed_from, FLOW_NONE);
        assert_int_not_equal(model->calls[call->handed_from].lane, FLOW_SOFTIRQ);
    }
}

static void test_the_syn_ack_is_finished_from_the_backlog(void **state) {
    const struct flow_model *model = ((struct fixture *)*state)->model;
    const char *const way[] = {"__x64_sys_connect", "release_sock", "tcp_v4_do_rcv", "tcp_finish_connect"};

    assert_true(has_way(model, FLOW_CLIENT, way, KITH_ARRAY_SIZE(way)));
    for (uint32_t i = 0; i < model->call_count; i++)
        if (strcmp(name_of(model, i), "tcp_finish_connect") == 0)
            assert_true(model->calls[i].flags & FLOW_BACKLOG);
}

#define SYN 2
#define ACK 16

static void test_syn_comes_before_syn_ack_before_established(void **state) {
    const struct flow_model *model = ((struct fixture *)*state)->model;
    unsigned step = 0;

    for (size_t i = 0; i < model->mark_count; i++) {
        const struct flow_mark *mark = &model->marks[i];
        bool received = mark->type == FLOW_MARK_PACKET && !mark->packet.sent;
        if (step == 0 && received && mark->packet.flags == SYN)
            step++;
        else if (received && mark->packet.flags == (SYN | ACK))
            assert_int_equal(step++, 1);
        else if (mark->type == FLOW_MARK_STATE && strcmp(flow_state_name(mark->state.after), "ESTABLISHED") == 0 && step < 3)
            assert_int_equal(step++, 2);
    }
    assert_int_equal(step, 3);
}

static void test_the_child_is_linked_to_its_listener_and_accepted(void **state) {
    const struct flow_model *model = ((struct fixture *)*state)->model;
    uint64_t listener = 0, child = 0, accepted = 0;

    for (size_t i = 0; i < model->mark_count; i++) {
        const struct flow_mark *mark = &model->marks[i];
        if (mark->type == FLOW_MARK_STATE && strcmp(flow_state_name(mark->state.after), "LISTEN") == 0)
            listener = mark->socket;
        if (mark->type == FLOW_MARK_LINK) {
            assert_int_equal(mark->socket, listener);
            assert_int_equal(model->calls[mark->call].lane, FLOW_SOFTIRQ);
            child = mark->link.child;
        }
        if (mark->type == FLOW_MARK_ACCEPT) {
            assert_int_equal(model->calls[mark->call].lane, FLOW_SERVER);
            accepted = mark->socket;
        }
    }
    assert_true(listener != 0 && child != 0 && child != listener);
    assert_int_equal(accepted, child);
}

static void test_functions_are_in_their_layers(void **state) {
    static const struct {
        const char *name;
        enum flow_layer layer;
    } table[] = {
        {"__x64_sys_connect", FLOW_SYSCALL},   {"__sys_connect", FLOW_SOCKET},         {"inet_stream_connect", FLOW_SOCKET},
        {"tcp_v4_connect", FLOW_TRANSPORT},    {"inet_hash_connect", FLOW_TRANSPORT},  {"ip_queue_xmit", FLOW_IP},
        {"ip_finish_output2", FLOW_IP},        {"__dev_queue_xmit", FLOW_DEVICE},      {"loopback_xmit", FLOW_DEVICE},
        {"__netif_receive_skb", FLOW_RECEIVE}, {"mem_cgroup_sk_free", FLOW_ELSEWHERE},
    };
    const struct flow_model *model = ((struct fixture *)*state)->model;

    for (size_t i = 0; i < KITH_ARRAY_SIZE(table); i++) {
        size_t f = 0;
        while (f < model->function_count && strcmp(model->functions[f].name, table[i].name) != 0)
            f++;
        if (f == model->function_count)
            fail_msg("%s does not occur", table[i].name);
        if (model->functions[f].layer != table[i].layer)
            fail_msg("%s is in layer %s", table[i].name, flow_layer_name(model->functions[f].layer));
    }
}

static void test_a_format_is_read_as_libtraceevent_reads_it(void **state) {
    static const enum flow_field_name names[] = {FLOW_FIELD_FUNC, FLOW_FIELD_DEPTH, FLOW_FIELD_SK,
                                                 FLOW_FIELD_SEQ,  FLOW_FIELD_FLAGS, FLOW_FIELD_CHILD};
    static const char *const texts[] = {"func", "depth", "sk", "seq", "flags", "child"};
    const struct flow_recording *recording = ((struct fixture *)*state)->recording;
    struct tep_handle *tep = tep_alloc();
    size_t fields = 0;

    for (size_t i = 0; i < recording->count; i++) {
        struct flow_format format;
        struct kith_error error = KITH_ERROR_NONE;
        struct tep_event *event = NULL;
        if (recording->sections[i].type != FLOW_EVENT)
            continue;
        const char *text = (const char *)recording->sections[i].data;
        assert_int_equal(flow_format_parse((struct flow_span){text, recording->sections[i].size}, &format, &error), 0);
        assert_int_equal(tep_parse_format(tep, &event, text, recording->sections[i].size, "kith"), 0);
        assert_int_equal(format.id, event->id);
        for (size_t k = 0; k < KITH_ARRAY_SIZE(names); k++) {
            const struct tep_format_field *field = tep_find_field(event, texts[k]);
            if (!field && names[k] == FLOW_FIELD_SK)
                field = tep_find_field(event, "skaddr");
            assert_int_equal(format.fields[names[k]].size, field ? field->size : 0);
            if (field)
                assert_int_equal(format.fields[names[k]].offset, field->offset);
            fields += field != NULL;
        }
    }
    assert_true(fields > 10);
    tep_free(tep);
}

static size_t compare_page(const struct flow_page_layout *layout, struct kbuffer *kbuffer, const struct flow_section *section) {
    struct flow_page page;
    struct flow_raw_event event;
    unsigned long long time;
    size_t events = 0;
    uint8_t copy[MAKER_PAGE];

    assert_int_equal(section->size, MAKER_SECTION);
    memcpy(copy, section->data + 4, sizeof(copy));
    assert_int_equal(flow_page_open(layout, section->data + 4, section->size - 4, &page), 0);
    assert_int_equal(kbuffer_load_subbuffer(kbuffer, copy), 0);
    for (uint8_t *data; (data = kbuffer_read_event(kbuffer, &time)); kbuffer_next_event(kbuffer, NULL), events++) {
        assert_int_equal(flow_page_next(&page, &event), 1);
        assert_int_equal(page.time, time);
        assert_int_equal(event.size, kbuffer_event_size(kbuffer));
        assert_memory_equal(event.data, data, event.size);
    }
    assert_int_equal(flow_page_next(&page, &event), 0);
    return events;
}

static void test_a_page_is_read_as_libtraceevent_reads_it(void **state) {
    const struct fixture *fixture = *state;
    struct kbuffer *kbuffer = kbuffer_alloc(KBUFFER_LSIZE_8, KBUFFER_ENDIAN_LITTLE);
    struct flow_page_layout layout;
    size_t events = 0;

    for (size_t i = 0; i < fixture->recording->count; i++) {
        const struct flow_section *section = &fixture->recording->sections[i];
        if (section->type == FLOW_HEADER_PAGE)
            assert_int_equal(flow_page_layout_parse((struct flow_span){(const char *)section->data, section->size}, &layout, NULL), 0);
        else if (section->type == FLOW_PAGE)
            events += compare_page(&layout, kbuffer, section);
    }
    assert_int_equal(events, fixture->model->seen_events);
    kbuffer_free(kbuffer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_model_is_sound_and_nothing_is_missing),
        cmocka_unit_test(test_connect_leads_down_to_ip),
        cmocka_unit_test(test_the_request_is_handled_in_the_softirq_lane),
        cmocka_unit_test(test_the_syn_ack_is_finished_from_the_backlog),
        cmocka_unit_test(test_syn_comes_before_syn_ack_before_established),
        cmocka_unit_test(test_the_child_is_linked_to_its_listener_and_accepted),
        cmocka_unit_test(test_functions_are_in_their_layers),
        cmocka_unit_test(test_a_format_is_read_as_libtraceevent_reads_it),
        cmocka_unit_test(test_a_page_is_read_as_libtraceevent_reads_it),
    };
    return cmocka_run_group_tests_name("flow/decode of a kernel's recording", tests, setup, teardown);
}

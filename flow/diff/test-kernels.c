/*
 * Two kernels that were really recorded, Debian's 6.1.176 (tests/flow/tcp.kflow) and the cloud image of 6.1.192 (tcp-cloud.kflow), whose
 * TCP differs: sequence numbers and timestamps come from one function, and a new socket has another argument.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/btf.h>
#include <cmocka.h>
#include <jansson.h>

#include "flow/decode/testing-file.h"
#include "flow/diff/types.h"
#include "flow/view/chart.h"
#include "view/testing-out.h"

static struct flow_model *models[2];
static struct flow_diff *diff;

static int setup(void **state) {
    models[0] = test_model_of("tcp.kflow");
    models[1] = test_model_of("tcp-cloud.kflow");
    return flow_diff_new(models[0], models[1], &diff);
}

static int teardown(void **state) {
    diff = flow_diff_free(diff);
    models[0] = flow_model_free(models[0]);
    models[1] = flow_model_free(models[1]);
    return 0;
}

static const struct flow_diff_item *find(const struct flow_diff *in, const char *function, enum flow_difference difference) {
    for (size_t i = 0; i < in->count; i++)
        if (strcmp(in->items[i].function, function) == 0 && in->items[i].difference == difference)
            return &in->items[i];
    return NULL;
}

static void test_functions_that_came_went_and_changed_are_found(void **state) {
    assert_non_null(find(diff, "secure_tcp_seq", FLOW_GONE));
    assert_non_null(find(diff, "secure_tcp_seq_and_ts_off", FLOW_NEW));
    const struct flow_diff_item *changed = find(diff, "tcp_v4_syn_recv_sock", FLOW_PROTOTYPE);
    assert_non_null(changed);
    assert_null(strstr(changed->before, "opt_child_init"));
    assert_non_null(strstr(changed->after, "opt_child_init"));
    assert_null(find(diff, "tcp_v4_connect", FLOW_GONE));
    assert_true(diff->count < 20);
}

static void test_every_call_is_in_the_forest_once_and_below_its_caller(void **state) {
    const struct flow_merge *merge = &diff->merge;

    for (size_t s = 0; s < 2; s++) {
        const struct flow_model *model = models[s];
        uint32_t *merged_of = calloc(model->call_count, sizeof(*merged_of));
        size_t seen = 0;
        for (size_t i = 0; i < merge->count; i++) {
            uint32_t call = merge->calls[i].call[s];
            if (call == FLOW_NONE)
                continue;
            assert_int_equal(merged_of[call], 0);
            merged_of[call] = (uint32_t)i + 1;
            seen++;
        }
        assert_int_equal(seen, model->call_count);
        for (size_t i = 0; i < model->call_count; i++) {
            const struct flow_call *call = &model->calls[i];
            uint32_t caller = call->parent != FLOW_NONE ? call->parent : call->handed_from;
            uint32_t parent = merge->calls[merged_of[i] - 1].parent;
            assert_int_equal(parent, caller == FLOW_NONE ? FLOW_NONE : merged_of[caller] - 1);
        }
        free(merged_of);
    }
    for (size_t i = 0; i < merge->count; i++) {
        if (!flow_merged_is_both(&merge->calls[i]))
            continue;
        const struct flow_call *a = &models[0]->calls[merge->calls[i].call[0]], *b = &models[1]->calls[merge->calls[i].call[1]];
        size_t size = strcspn(models[0]->functions[a->function].name, ".");
        assert_int_equal(a->lane, b->lane);
        assert_memory_equal(models[0]->functions[a->function].name, models[1]->functions[b->function].name, size);
    }
}

static void test_ways_are_told_where_they_part(void **state) {
    char *text = TEST_OUT(flow_view_diff(diff, &out));

    assert_non_null(strstr(text, " > tcp_v4_connect\n  - secure_tcp_seq\n  - secure_tcp_ts_off\n  + secure_tcp_seq_and_ts_off\n"));
    assert_null(strstr(text, "+ tcp_v4_connect"));
    free(text);
    text = TEST_OUT(flow_view_diff_json(diff, &out));
    json_auto_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    json_t *ways = json_object_get(json, "ways"), *first = json_array_get(ways, 0);
    assert_true(json_array_size(ways) > 5 && json_array_size(ways) < 40);
    assert_string_equal(json_string_value(json_object_get(first, "difference")), "gone");
    assert_string_equal(json_string_value(json_object_get(first, "function")), "secure_tcp_seq");
    json_t *below = json_object_get(first, "below");
    assert_string_equal(json_string_value(json_array_get(below, 0)), "__x64_sys_connect");
    assert_string_equal(json_string_value(json_array_get(below, json_array_size(below) - 1)), "tcp_v4_connect");
    free(text);
}

static void test_a_chart_of_both_marks_what_only_one_has(void **state) {
    _cleanup_(flow_model_freep) struct flow_model *model = NULL;
    _cleanup_(flow_selection_deinitp) struct flow_selection *selection = &(struct flow_selection){0};
    _cleanup_(flow_chart_freep) struct flow_chart *chart = NULL;
    uint8_t *tags = NULL;
    unsigned tagged[3] = {0};

    assert_int_equal(flow_merge_model(&diff->merge, &model, &tags), 0);
    assert_int_equal(flow_select(model, &(struct flow_select){.call = "connect"}, selection, NULL), 0);
    selection->tags = tags;
    assert_int_equal(flow_chart_new(model, selection, FLOW_LEVEL_OUTLINE, &chart, NULL), 0);
    for (size_t i = 0; i < chart->box_count; i++) {
        const struct flow_box *box = &chart->boxes[i];
        tagged[box->tag]++;
        if (strcmp(flow_box_text(chart, box), "secure_tcp_seq_and_ts_off") == 0)
            assert_int_equal(box->tag, FLOW_TAG_AFTER);
        if (strcmp(flow_box_text(chart, box), "tcp_v4_init_seq") == 0)
            assert_int_equal(box->tag, FLOW_TAG_BEFORE);
        if (strstr(flow_box_text(chart, box), "tcp_v4_connect"))
            assert_int_equal(box->tag, FLOW_TAG_BOTH);
    }
    assert_true(tagged[FLOW_TAG_BEFORE] > 0 && tagged[FLOW_TAG_AFTER] > 0 && tagged[FLOW_TAG_BOTH] > tagged[FLOW_TAG_AFTER]);
    char *dot = TEST_OUT(flow_view_dot(chart, &out));
    assert_non_null(strstr(dot, "\"+ secure_tcp_seq_and_ts_off\""));
    assert_non_null(strstr(dot, "\"\u2212 secure_tcp_seq\""));
    assert_non_null(strstr(dot, "only before"));
    assert_non_null(strstr(dot, "label=\"SYN"));
    assert_null(strstr(dot, "SYN  seq")); /* each has its own */
    assert_non_null(strstr(dot, "before: Functions that the compiler inlined"));
    free(dot);
    free(tags);
}

/* States in a chart of one recording with itself are where they are in its own. */
static void test_what_happened_stays_where_it_happened(void **state) {
    _cleanup_(flow_diff_freep) struct flow_diff *same = NULL;
    _cleanup_(flow_model_freep) struct flow_model *model = NULL;
    uint8_t *tags = NULL;

    assert_int_equal(flow_diff_new(models[0], models[0], &same), 0);
    assert_int_equal(flow_merge_model(&same->merge, &model, &tags), 0);
    assert_int_equal(model->call_count, models[0]->call_count);
    size_t with_call = 0, found = 0;
    for (size_t i = 0; i < models[0]->mark_count; i++)
        with_call += models[0]->marks[i].call != FLOW_NONE;
    assert_int_equal(model->mark_count, with_call);
    for (size_t i = 0; i < model->mark_count; i++) {
        const struct flow_mark *mark = &model->marks[i];
        assert_true(i == 0 || mark->time_ns >= model->marks[i - 1].time_ns);
        assert_true(mark->time_ns >= model->calls[mark->call].begin_ns && mark->time_ns <= model->calls[mark->call].end_ns);
        found += mark->type == FLOW_MARK_STATE;
    }
    assert_true(found > 8);
    free(tags);
}

static void test_types_of_another_kernel_tell_what_is_gone_or_changed_there(void **state) {
    struct btf *types = btf__new_empty();
    struct flow_btf *btf = NULL;
    struct flow_diff *compared = NULL;
    unsigned size;

    /* int __inet_bind(int x); a second function of the name tcp_connect is as it was: int tcp_connect(struct sock *sk). */
    int integer = btf__add_int(types, "int", 4, BTF_INT_SIGNED), sock = btf__add_struct(types, "sock", 8);
    int changed = btf__add_func_proto(types, integer);
    btf__add_func_param(types, "x", integer);
    btf__add_func(types, "__inet_bind", BTF_FUNC_STATIC, changed);
    btf__add_func(types, "tcp_connect", BTF_FUNC_STATIC, changed);
    int pointer = btf__add_ptr(types, sock);
    int kept = btf__add_func_proto(types, integer);
    btf__add_func_param(types, "other_name", pointer);
    btf__add_func(types, "tcp_connect", BTF_FUNC_STATIC, kept);
    const void *data = btf__raw_data(types, &size);
    assert_int_equal(flow_btf_from_memory(data, size, &btf, NULL), 0);

    assert_int_equal(flow_diff_new_types(models[0], btf, "other", &compared), 0);
    assert_non_null(find(compared, "__inet_bind", FLOW_PROTOTYPE));
    assert_string_equal(find(compared, "__inet_bind", FLOW_PROTOTYPE)->after, "int __inet_bind(int x)");
    assert_null(find(compared, "tcp_connect", FLOW_PROTOTYPE));
    assert_null(find(compared, "tcp_connect", FLOW_GONE));
    assert_non_null(find(compared, "tcp_v4_connect", FLOW_GONE));
    assert_int_equal(compared->count, compared->compared - 1);
    assert_true(compared->undecided > 0 && compared->undecided < 20);
    for (size_t i = 0; i < compared->undecided; i++) {
        assert_null(find(compared, compared->undecided_names[i], FLOW_GONE));
        assert_true(i == 0 || strcmp(compared->undecided_names[i - 1], compared->undecided_names[i]) < 0);
    }
    char *text = TEST_OUT(flow_view_diff(compared, &out));
    assert_non_null(strstr(text, "after: types of other\n"));
    assert_non_null(strstr(text, "cannot be judged"));
    assert_non_null(strstr(text, "  ? tcp_small_queue_check.isra.0\n"));
    free(text);
    text = TEST_OUT(flow_view_diff_json(compared, &out));
    json_auto_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "types"), "compared")), compared->compared);
    assert_int_equal(json_array_size(json_object_get(json_object_get(json, "types"), "undecided")), compared->undecided);
    free(text);
    flow_diff_free(compared);
    flow_btf_free(btf);
    btf__free(types);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_functions_that_came_went_and_changed_are_found),
        cmocka_unit_test(test_every_call_is_in_the_forest_once_and_below_its_caller),
        cmocka_unit_test(test_ways_are_told_where_they_part),
        cmocka_unit_test(test_a_chart_of_both_marks_what_only_one_has),
        cmocka_unit_test(test_what_happened_stays_where_it_happened),
        cmocka_unit_test(test_types_of_another_kernel_tell_what_is_gone_or_changed_there),
    };
    return cmocka_run_group_tests_name("flow/diff: kernels", tests, setup, teardown);
}

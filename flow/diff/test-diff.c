/* Differences between recordings that were made for it. */
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

#include "flow/decode/decode.h"
#include "flow/decode/testing.h"
#include "flow/diff/diff.h"
#include "flow/diff/prototype.h"
#include "view/testing-out.h"

/* A call of each function, the first one calling the second and so on. */
static struct flow_model *make(const char *names, unsigned count, const char *prototypes) {
    struct flow_model *model = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    struct maker maker;
    uint64_t time = 1000;

    maker_init(&maker, "{\"kernel\": \"6.1\", \"scenario\": \"tcp\"}", names);
    for (unsigned i = 0; i < count; i++)
        maker_entry(&maker, 0, time++, 7, i, (int)i);
    for (unsigned i = count; i-- > 0;)
        maker_exit(&maker, 0, time++, 7, i, (int)i);
    maker_flush(&maker);
    maker_text(&maker, FLOW_PROTOTYPES, prototypes);
    if (flow_model_new(&maker.recording, NULL, &model, &error) < 0)
        fail_msg("%s", error.text);
    maker_deinit(&maker);
    return model;
}

static bool has(const struct flow_diff *diff, const char *function, enum flow_difference difference) {
    for (size_t i = 0; i < diff->count; i++)
        if (strcmp(diff->items[i].function, function) == 0 && diff->items[i].difference == difference)
            return true;
    return false;
}

static void test_a_recording_does_not_differ_from_itself(void **state) {
    _cleanup_(flow_model_freep) struct flow_model *model = make("a b c", 3, "a\tint (void)\n");
    _cleanup_(flow_diff_freep) struct flow_diff *diff = NULL;

    assert_int_equal(flow_diff_new(model, model, &diff), 0);
    assert_int_equal(diff->count, 0);
    assert_true(flow_diff_is_none(diff));
    char *text = TEST_OUT(flow_view_diff(diff, &out));
    assert_non_null(strstr(text, "no function differs"));
    free(text);
}

static void test_gone_new_moved_and_changed_functions_are_told(void **state) {
    _cleanup_(flow_model_freep) struct flow_model *before = make("sys old via leaf", 4, "sys\tlong (void)\nleaf\tint (int)\n");
    _cleanup_(flow_model_freep) struct flow_model *after = make("sys via fresh leaf", 4, "sys\tlong (void)\nleaf\tint (long)\n");
    _cleanup_(flow_diff_freep) struct flow_diff *diff = NULL;

    assert_int_equal(flow_diff_new(before, after, &diff), 0);
    assert_true(has(diff, "old", FLOW_GONE));
    assert_true(has(diff, "fresh", FLOW_NEW));
    assert_true(has(diff, "via", FLOW_MOVED));
    assert_true(has(diff, "leaf", FLOW_MOVED));
    assert_true(has(diff, "leaf", FLOW_PROTOTYPE));
    assert_int_equal(diff->count, 5);

    char *text = TEST_OUT(flow_view_diff(diff, &out));
    assert_non_null(strstr(text, "  ~ via  called by old, now by sys\n"));
    assert_non_null(strstr(text, "  ! leaf  int (int)  =>  int (long)\n"));
    assert_non_null(strstr(text, "\nafter: A function that ends with a jump"));
    free(text);
    text = TEST_OUT(flow_view_diff_json(diff, &out));
    json_auto_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_int_equal(json_array_size(json_object_get(json, "differences")), 5);
    assert_true(json_array_size(json_object_get(json, "notes_after")) > 0);
    free(text);
}

/* Of what nobody calls the lane counts as its caller. */
static void test_functions_that_moved_into_another_lane_or_layer_are_told(void **state) {
    _cleanup_(flow_model_freep) struct flow_model *before = make("sys leaf", 2, "");
    _cleanup_(flow_model_freep) struct flow_model *after = make("sys leaf", 2, "");
    _cleanup_(flow_diff_freep) struct flow_diff *diff = NULL;

    for (size_t i = 0; i < 2; i++) {
        before->calls[i].lane = FLOW_SOFTIRQ;
        after->calls[i].lane = FLOW_CLIENT;
        before->functions[i].layer = FLOW_TRANSPORT;
        after->functions[i].layer = FLOW_TRANSPORT;
    }
    after->functions[after->calls[1].function].layer = FLOW_IP;
    assert_int_equal(flow_diff_new(before, after, &diff), 0);
    assert_int_equal(diff->count, 2);
    assert_false(flow_diff_is_none(diff));
    char *text = TEST_OUT(flow_view_diff(diff, &out));
    assert_non_null(strstr(text, "  ~ sys  called by nobody (softirq), now by nobody (client)\n"));
    assert_non_null(strstr(text, "  ~ leaf  in the layer transport, now in IP\n"));
    free(text);
}

static void test_a_function_that_somebody_calls_now_has_moved(void **state) {
    _cleanup_(flow_model_freep) struct flow_model *before = make("leaf", 1, "");
    _cleanup_(flow_model_freep) struct flow_model *after = make("sys leaf", 2, "");
    _cleanup_(flow_diff_freep) struct flow_diff *diff = NULL;

    assert_int_equal(flow_diff_new(before, after, &diff), 0);
    assert_true(has(diff, "sys", FLOW_NEW));
    assert_true(has(diff, "leaf", FLOW_MOVED));
    assert_int_equal(diff->count, 2);
}

/* "sys" calls "leaf" so many times, and "other" behind it. */
static struct flow_model *make_loop(unsigned times, bool other) {
    struct flow_model *model = NULL;
    struct maker maker;
    uint64_t time = 1000;

    maker_init(&maker, "{\"kernel\": \"6.1\"}", "sys leaf other");
    maker_entry(&maker, 0, time++, 7, 0, 0);
    for (unsigned i = 0; i < times + other; i++) {
        maker_entry(&maker, 0, time++, 7, i < times ? 1 : 2, 1);
        maker_exit(&maker, 0, time++, 7, i < times ? 1 : 2, 1);
    }
    maker_exit(&maker, 0, time++, 7, 0, 0);
    maker_flush(&maker);
    assert_int_equal(flow_model_new(&maker.recording, NULL, &model, NULL), 0);
    maker_deinit(&maker);
    return model;
}

static void test_a_loop_that_ran_more_often_is_no_other_way(void **state) {
    _cleanup_(flow_model_freep) struct flow_model *before = make_loop(2, false);
    _cleanup_(flow_model_freep) struct flow_model *after = make_loop(5, true);
    _cleanup_(flow_diff_freep) struct flow_diff *diff = NULL;
    size_t partings = 0;

    assert_int_equal(flow_diff_new(before, after, &diff), 0);
    assert_int_equal(diff->merge.count, 7);
    for (size_t i = 0; i < diff->merge.count; i++) {
        if (!flow_diff_is_parting(&diff->merge, i))
            continue;
        partings++;
        assert_string_equal(flow_merged_function(&diff->merge, &diff->merge.calls[i])->name, "other");
    }
    assert_int_equal(partings, 1);
}

static void test_names_of_parameters_are_no_difference(void **state) {
    static const struct {
        const char *a, *b;
        bool same;
    } pairs[] = {
        {"int f(struct sock *sk)", "int f(struct sock *ssk)", true},
        {"int f(struct sock *sk)", "int f(struct socket *sk)", false},
        {"int f(struct sock *sk)", "long int f(struct sock *sk)", false},
        {"int f(struct sock *sk)", "int f(const struct sock *sk)", false},
        {"int f(struct sock *sk)", "int f(struct sock **sk)", false},
        {"int f(struct sock *sk)", "int f(struct sock *sk, int flags)", false},
        {"void f(void)", "void f(int)", false},
        {"int f(u32 a[4], int b)", "int f(u32 c[4], int d)", true},
        {"int f(u32 a[4])", "int f(u32 a[8])", false},
        {"int f(int (*check)(struct sock *sk, int), int n)", "int f(int (*test)(struct sock *, int), int m)", true},
        {"int f(int (*check)(struct sock *, int))", "int f(int (*check)(struct sock *, bool))", false},
        {"int f(int a, ...)", "int f(int b, ...)", true},
        {"", "", true},
    };

    for (size_t i = 0; i < KITH_ARRAY_SIZE(pairs); i++) {
        assert_int_equal(flow_prototype_is_same(pairs[i].a, pairs[i].b), pairs[i].same);
        assert_int_equal(flow_prototype_is_same(pairs[i].b, pairs[i].a), pairs[i].same);
    }
}

static void test_what_a_compiler_appends_to_a_name_is_no_difference(void **state) {
    _cleanup_(flow_model_freep) struct flow_model *before = make("sys a.isra.0 b", 3, "");
    _cleanup_(flow_model_freep) struct flow_model *after = make("sys a b.constprop.1", 3, "");
    _cleanup_(flow_diff_freep) struct flow_diff *diff = NULL;

    assert_int_equal(flow_diff_new(before, after, &diff), 0);
    assert_int_equal(diff->count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_recording_does_not_differ_from_itself),
        cmocka_unit_test(test_gone_new_moved_and_changed_functions_are_told),
        cmocka_unit_test(test_functions_that_moved_into_another_lane_or_layer_are_told),
        cmocka_unit_test(test_a_function_that_somebody_calls_now_has_moved),
        cmocka_unit_test(test_a_loop_that_ran_more_often_is_no_other_way),
        cmocka_unit_test(test_names_of_parameters_are_no_difference),
        cmocka_unit_test(test_what_a_compiler_appends_to_a_name_is_no_difference),
    };
    return cmocka_run_group_tests_name("flow/view: differences", tests, NULL, NULL);
}

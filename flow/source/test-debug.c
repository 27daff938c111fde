/* Lines out of debug symbols: those of sample.c, whose program says where its functions lie. */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flow/source/source.h"

/* A kernel is moved as a whole. */
#define MOVED UINT64_C(0x1e00000)

static uint64_t addresses[3];

static int setup(void **state) {
    FILE *pipe = popen(SAMPLE, "re");

    assert_non_null(pipe);
    assert_int_equal(fscanf(pipe, "%" SCNx64 " %" SCNx64 " %" SCNx64, &addresses[0], &addresses[1], &addresses[2]), 3);
    return pclose(pipe) == 0 ? 0 : -1;
}

static struct flow_model *model_of(uint64_t first, uint64_t second, uint64_t third) {
    const struct flow_function functions[] = {
        {.name = "sample_connect", .address = first},
        {.name = "sample_bind.isra.0", .address = second, .file = "net/elsewhere.c"},
        {.name = "main", .address = third},
        {.name = "sample_gone", .address = first},
        {.name = "sample_bind", .address = second, .module = "nf_sample"}, /* a module's: not in the kernel's own file */
    };
    struct flow_model *model = calloc(1, sizeof(*model));

    assert_non_null(model);
    model->functions = malloc(sizeof(functions));
    assert_non_null(model->functions);
    memcpy(model->functions, functions, sizeof(functions));
    model->function_count = KITH_ARRAY_SIZE(functions);
    model->kernel = "6.1.0-50-amd64";
    return model;
}

static void expect(const struct flow_function *function, unsigned line) {
    size_t size = strlen(function->file ? function->file : "");

    assert_int_equal(function->line, line);
    assert_true(size >= strlen("sample.c") && strcmp(function->file + size - strlen("sample.c"), "sample.c") == 0);
}

static void test_files_and_lines_are_those_of_the_symbols(void **state) {
    _cleanup_(flow_model_freep) struct flow_model *model = model_of(addresses[0] + MOVED, addresses[1] + MOVED, addresses[2] + MOVED);
    struct kith_error error = KITH_ERROR_NONE;

    if (flow_source_add_debug(model, SAMPLE, &error) < 0)
        fail_msg("%s", error.text);
    expect(&model->functions[0], 7);
    expect(&model->functions[1], 11);
    expect(&model->functions[2], 15);
    assert_int_equal(model->functions[3].line, 0);
    assert_int_equal(model->functions[4].line, 0);
    assert_non_null(strstr(model->notes[0].text, "found for 3 of 5 functions"));
}

static void test_a_function_that_lies_elsewhere_is_another_of_its_name(void **state) {
    _cleanup_(flow_model_freep) struct flow_model *model = model_of(addresses[0] + MOVED, addresses[1] + MOVED + 16, addresses[2] + MOVED);

    assert_int_equal(flow_source_add_debug(model, SAMPLE, NULL), 0);
    expect(&model->functions[0], 7);
    assert_int_equal(model->functions[1].line, 0);
    assert_string_equal(model->functions[1].file, "net/elsewhere.c");
}

static void test_symbols_of_another_kernel_are_refused(void **state) {
    _cleanup_(flow_model_freep) struct flow_model *model = model_of(addresses[0], addresses[1] + 32, addresses[2] + 64);
    struct kith_error error = KITH_ERROR_NONE;

    assert_int_equal(flow_source_add_debug(model, SAMPLE, &error), -EINVAL);
    assert_non_null(strstr(error.text, "another kernel: of 3 functions 1 lie where they should"));
}

static void test_what_has_no_symbols_is_an_error(void **state) {
    _cleanup_(flow_model_freep) struct flow_model *model = model_of(1, 2, 3);
    struct kith_error error = KITH_ERROR_NONE;

    assert_int_equal(flow_source_add_debug(model, "/etc/passwd", &error), -EINVAL);
    assert_true(error.text[0] != '\0');
    assert_int_equal(flow_source_add_debug(model, "/nowhere/at/all", NULL), -ENOENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_and_lines_are_those_of_the_symbols),
        cmocka_unit_test(test_a_function_that_lies_elsewhere_is_another_of_its_name),
        cmocka_unit_test(test_symbols_of_another_kernel_are_refused),
        cmocka_unit_test(test_what_has_no_symbols_is_an_error),
    };
    return cmocka_run_group_tests_name("flow/source: debug symbols", tests, setup, NULL);
}

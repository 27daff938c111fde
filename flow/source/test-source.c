/* Lines out of a source tree: a small one in a folder of its own. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "flow/source/source.h"

static char tree[] = "/tmp/kith-source-XXXXXX";

static void put(const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", tree, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int setup(void **state) {
    char path[64];
    assert_non_null(mkdtemp(tree));
    snprintf(path, sizeof(path), "%s/net", tree);
    assert_int_equal(mkdir(path, 0700), 0);
    put("Makefile", "# Makefile\nVERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 192\n");
    put("net/socket.c", "int __sys_connect(int fd);\nint __sys_connect(int fd)\n{\n}\n\nSYSCALL_DEFINE3(connect, int, fd)\n{\n}\n");
    return 0;
}

static int teardown(void **state) {
    static const char *const names[] = {"net/socket.c", "net", "Makefile", ""};
    char path[256];
    for (size_t i = 0; i < KITH_ARRAY_SIZE(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", tree, names[i]);
        remove(path);
    }
    return 0;
}

static struct flow_model *model_of(const char *kernel) {
    static const struct flow_function functions[] = {
        {.name = "__x64_sys_connect", .file = "net/socket.c"},
        {.name = "__sys_connect.isra.0", .file = "net/socket.c"},
        {.name = "__sys_gone", .file = "net/socket.c"},
        {.name = "tcp_connect", .file = "net/ipv4/tcp_output.c"}, /* the tree does not have it */
        {.name = "unknown"},
    };
    struct flow_model *model = calloc(1, sizeof(*model));
    assert_non_null(model);
    model->functions = malloc(sizeof(functions));
    assert_non_null(model->functions);
    memcpy(model->functions, functions, sizeof(functions));
    model->function_count = KITH_ARRAY_SIZE(functions);
    model->kernel = kernel;
    return model;
}

static void test_lines_are_those_of_definitions_and_a_note_counts_them(void **state) {
    _cleanup_(flow_model_freep) struct flow_model *model = model_of("6.1.0-50-amd64");

    assert_int_equal(flow_source_add_lines(model, tree, NULL), 0);
    assert_int_equal(model->functions[0].line, 6);
    assert_int_equal(model->functions[1].line, 2);
    for (size_t i = 2; i < model->function_count; i++)
        assert_int_equal(model->functions[i].line, 0);
    assert_int_equal(model->note_count, 1);
    assert_non_null(strstr(model->notes[0].text, "Linux 6.1.192: found for 2 of 5 functions."));
}

static void test_a_tree_of_another_series_is_refused(void **state) {
    _cleanup_(flow_model_freep) struct flow_model *model = model_of("6.12.9");
    struct kith_error error = KITH_ERROR_NONE;

    assert_int_equal(flow_source_add_lines(model, tree, &error), -EINVAL);
    assert_non_null(strstr(error.text, "the source of Linux 6.1, but the recording is of 6.12.9"));
    assert_int_equal(model->functions[0].line, 0);
}

static void test_a_folder_without_a_kernel_is_refused(void **state) {
    _cleanup_(flow_model_freep) struct flow_model *model = model_of("6.1.0");
    char path[64];

    snprintf(path, sizeof(path), "%s/net", tree);
    assert_int_equal(flow_source_add_lines(model, path, NULL), -EINVAL);
    assert_int_equal(flow_source_add_lines(model, "/nowhere/at/all", NULL), -EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_are_those_of_definitions_and_a_note_counts_them),
        cmocka_unit_test(test_a_tree_of_another_series_is_refused),
        cmocka_unit_test(test_a_folder_without_a_kernel_is_refused),
    };
    return cmocka_run_group_tests_name("flow/source", tests, setup, teardown);
}

/* The host's settings: saved before they are changed, and put back, on a folder of ordinary files that stands for tracefs. */
#include <errno.h>
#include <fcntl.h>
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

#include "base/fd.h"
#include "flow/trace/state.h"
#include "flow/trace/trace.h"
#include "flow/trace/tracefs.h"

struct host {
    char folder[64], state[96];
    int directory;
};

static void put(const struct host *host, const char *name, const char *text) {
    int fd = openat(host->directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void expect(const struct host *host, const char *name, const char *text) {
    char *found = NULL;

    assert_int_equal(flow_tracefs_read(host->directory, name, &found, NULL), 0);
    assert_string_equal(found, text);
    free(found);
}

static int set_up(void **state) {
    struct host *host = calloc(1, sizeof(*host));

    strcpy(host->folder, "/tmp/kith-test-state-XXXXXX");
    assert_non_null(mkdtemp(host->folder));
    snprintf(host->state, sizeof(host->state), "%s/saved", host->folder);
    host->directory = open(host->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(mkdirat(host->directory, "options", 0700), 0);
    put(host, "current_tracer", "nop\n");
    put(host, "set_ftrace_filter", "#### all functions enabled ####\n");
    put(host, "set_graph_function", "vfs_read\nvfs\\write\n");
    put(host, "set_ftrace_pid", "no pid\n");
    put(host, "trace_clock", "local [global] counter\n");
    put(host, "buffer_size_kb", "7 (expanded: 1408)\n");
    put(host, "options/funcgraph-tail", "0\n");
    put(host, "tracing_on", "1\n");
    put(host, "set_event", "");
    *state = host;
    return 0;
}

static int tear_down(void **state) {
    struct host *host = *state;
    char command[128];

    close(host->directory);
    snprintf(command, sizeof(command), "rm -r %s", host->folder);
    int r = system(command);
    free(host);
    return r;
}

static void test_what_was_changed_is_put_back(void **state) {
    struct host *host = *state;

    assert_int_equal(flow_state_save(host->directory, host->state, NULL), 0);
    put(host, "current_tracer", "function_graph");
    put(host, "set_ftrace_filter", "tcp_v4_rcv\n");
    put(host, "set_graph_function", "");
    put(host, "set_ftrace_pid", "12\n");
    put(host, "trace_clock", "mono");
    put(host, "buffer_size_kb", "8192");
    put(host, "options/funcgraph-tail", "1");
    put(host, "tracing_on", "0");
    assert_int_equal(flow_state_restore(host->directory, host->state, NULL), 0);
    expect(host, "set_ftrace_filter", "");
    expect(host, "set_graph_function", "vfs_read\nvfs\\write\n");
    expect(host, "set_ftrace_pid", "");
    /* Words are written over what is there: the kernel reads them, a file keeps the rest. */
    char *clock = NULL;
    assert_int_equal(flow_tracefs_read(host->directory, "trace_clock", &clock, NULL), 0);
    assert_memory_equal(clock, "global", 6);
    free(clock);
    expect(host, "buffer_size_kb", "1408");
    expect(host, "options/funcgraph-tail", "0");
    expect(host, "tracing_on", "1");
    assert_int_equal(access(host->state, F_OK), -1);
}

static void test_a_second_recorder_is_kept_out(void **state) {
    struct host *host = *state;
    struct kith_error error = KITH_ERROR_NONE;

    assert_int_equal(flow_state_save(host->directory, host->state, NULL), 0);
    assert_int_equal(flow_state_save(host->directory, host->state, &error), -EEXIST);
    assert_non_null(strstr(error.text, "kith flow restore"));
    assert_int_equal(flow_state_restore(host->directory, host->state, NULL), 0);
}

static void test_nothing_to_restore_is_said(void **state) {
    struct host *host = *state;
    struct kith_error error = KITH_ERROR_NONE;

    assert_int_equal(flow_state_restore(host->directory, host->state, &error), -ENOENT);
    assert_non_null(strstr(error.text, "nothing to restore"));
}

static void test_a_file_of_somebody_else_writes_nothing_else(void **state) {
    struct host *host = *state;

    put(host, "victim", "before");
    put(host, "saved", "kith-flow-state 1\n../victim\tx\nvictim\tafter\ntracing_on\t0\n");
    assert_int_equal(flow_state_restore(host->directory, host->state, NULL), -EBADMSG);
    expect(host, "victim", "before");
    put(host, "saved", "something else\n");
    assert_int_equal(flow_state_restore(host->directory, host->state, NULL), -EBADMSG);
}

static void test_only_our_events_are_removed(void **state) {
    struct host *host = *state;

    assert_int_equal(flow_state_save(host->directory, host->state, NULL), 0);
    put(host, "dynamic_events", "p:kith/packet tcp_v4_rcv\np:other/thing vfs_read\n");
    assert_int_equal(flow_state_restore(host->directory, host->state, NULL), 0);
    char *text = NULL;
    assert_int_equal(flow_tracefs_read(host->directory, "dynamic_events", &text, NULL), 0);
    assert_memory_equal(text, "-:kith/packet\n", strlen("-:kith/packet\n"));
    assert_null(strstr(text, "-:other"));
    free(text);
}

static int try_to_trace(const struct host *host, struct kith_error *error) {
    struct flow_trace *trace = NULL;
    struct flow_trace_options options = {.tracefs = host->folder, .state_file = host->state};
    int r = flow_trace_new(&options, &trace, error);

    assert_null(trace);
    return r;
}

static void test_another_tracer_is_not_disturbed(void **state) {
    struct host *host = *state;
    struct kith_error error = KITH_ERROR_NONE;

    put(host, "current_tracer", "function\n");
    assert_int_equal(try_to_trace(host, &error), -EBUSY);
    assert_non_null(strstr(error.text, "function"));
    expect(host, "tracing_on", "1\n");
    expect(host, "current_tracer", "function\n");
    assert_int_equal(access(host->state, F_OK), -1);
}

static void test_events_of_another_user_are_not_disturbed(void **state) {
    struct host *host = *state;
    struct kith_error error = KITH_ERROR_NONE;

    put(host, "set_event", "sched:sched_switch\n");
    assert_int_equal(try_to_trace(host, &error), -EBUSY);
    assert_non_null(strstr(error.text, "sched:sched_switch"));
    expect(host, "tracing_on", "1\n");
    assert_int_equal(access(host->state, F_OK), -1);
}

static void test_a_host_without_tracefs_is_told_so(void **state) {
    struct kith_error error = KITH_ERROR_NONE;
    struct flow_trace *trace = NULL;
    struct flow_trace_options options = {.tracefs = "/nonexistent", .state_file = "/nonexistent/saved"};

    assert_int_equal(flow_trace_new(&options, &trace, &error), -ENOENT);
    assert_non_null(strstr(error.text, "tracefs"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_was_changed_is_put_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_second_recorder_is_kept_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_to_restore_is_said, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_file_of_somebody_else_writes_nothing_else, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_only_our_events_are_removed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_another_tracer_is_not_disturbed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_events_of_another_user_are_not_disturbed, set_up, tear_down),
        cmocka_unit_test(test_a_host_without_tracefs_is_told_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * One suite for every output: order, bounds, far ends that go and come back, drain, close in every state. A new kind is one more row of
 * `rows`, with a far end (testing-far.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>

#include "base/testing.h"
#include "base/time.h"
#include "gateway/output/testing-far.h"

#define PATIENCE_NS (30 * KITH_NS_PER_S)

static const struct far_type *const rows[] = {&far_tcp,       &far_tcp_acks, &far_ipc,      &far_exec,
                                              &far_exec_acks, &far_file,     &far_zmtp_tcp, &far_zmtp_ipc};

/* The caller of an output: has all messages, and sends what is next as long as it is taken. */
struct stage {
    kith_loop *loop;
    size_t fds_before;
    struct far far;
    struct output *output;
    struct output_options options;
    uint64_t next, total; /* the next to send; the last one there is */
    uint64_t done, duplicates_allowed;
    size_t body_size, flight_most;
    unsigned done_calls, back_calls, ready_calls, ended_calls, log_calls, full;
    uint64_t progress_ns; /* when something was taken or done */
    bool stopped;         /* sends nothing */
    void (*on_call)(struct stage *stage, char call);
};

static void note_flight(struct stage *stage) {
    struct output_stats stats;
    output_stats(stage->output, &stats);
    assert_true(stats.flight_messages <= stage->options.flight_messages);
    if (stats.flight_messages > stage->flight_most)
        stage->flight_most = stats.flight_messages;
}

static void send_more(struct stage *stage) {
    static char body[65536];
    while (!stage->stopped && stage->output && stage->next <= stage->total) {
        far_body(stage->next, body, stage->body_size);
        const struct output_message message = {
            .id = stage->next, .source = FAR_SOURCE, .body = body, .size = stage->body_size, .origin = FAR_ORIGIN};
        int r = output_send(stage->output, &message);
        if (r == -EAGAIN) {
            stage->full++;
            break;
        }
        assert_int_equal(r, 0);
        stage->next++;
        stage->progress_ns = kith_time_now();
    }
    if (stage->output)
        note_flight(stage);
}

static void on_done(struct output *output, uint64_t upto, void *userdata) {
    struct stage *stage = userdata;
    assert_true(upto > stage->done && upto < stage->next);
    stage->done = upto;
    stage->done_calls++;
    stage->progress_ns = kith_time_now();
    if (stage->on_call)
        stage->on_call(stage, 'd');
}

static void on_back(struct output *output, uint64_t from, void *userdata) {
    struct stage *stage = userdata;
    assert_int_equal(from, stage->done + 1);
    stage->duplicates_allowed += stage->next - from;
    stage->next = from;
    stage->back_calls++;
    if (stage->on_call)
        stage->on_call(stage, 'b');
}

static void on_ready(struct output *output, void *userdata) {
    struct stage *stage = userdata;
    stage->ready_calls++;
    if (stage->on_call)
        stage->on_call(stage, 'r');
    send_more(stage);
}

static void on_ended(struct output *output, void *userdata) {
    struct stage *stage = userdata;
    stage->ended_calls++;
    if (stage->on_call)
        stage->on_call(stage, 'e');
}

static void on_log(struct output *output, int priority, const char *line, void *userdata) {
    struct stage *stage = userdata;
    stage->log_calls++;
}

static const struct output_callbacks callbacks = {.done = on_done, .back = on_back, .ready = on_ready, .ended = on_ended, .log = on_log};

static int stage_setup(void **state) {
    const struct far_type *row = *state;
    struct stage *stage = calloc(1, sizeof(*stage));
    if (!stage)
        return -1;
    *state = stage;
    stage->fds_before = testing_fd_count();
    if (kith_loop_new(&stage->loop) < 0)
        return -1;
    stage->options = (struct output_options){.flight_messages = 256, .retry_min_ms = 1, .retry_max_ms = 20, .stop_ms = 2000, .sync_ms = 1};
    stage->next = 1;
    stage->body_size = 100;
    far_init(&stage->far, row, stage->loop, &stage->options);
    return 0;
}

static int stage_teardown(void **state) {
    struct stage *stage = *state;
    output_free(stage->output);
    far_deinit(&stage->far);
    kith_loop_free(stage->loop);
    size_t fds = testing_fd_count();
    if (fds != stage->fds_before)
        fprintf(stderr, "descriptors: %zu before, %zu after\n", stage->fds_before, fds);
    int r = fds == stage->fds_before ? 0 : -1;
    free(stage);
    return r;
}

#define until(stage, condition)                                                                                                            \
    do {                                                                                                                                   \
        uint64_t until_end_ = kith_time_now() + PATIENCE_NS;                                                                               \
        while (!(condition)) {                                                                                                             \
            assert_true(kith_time_now() < until_end_);                                                                                     \
            assert_true(kith_loop_step((stage)->loop, 20) >= 0);                                                                           \
            (stage)->far.type->collect(&(stage)->far);                                                                                     \
        }                                                                                                                                  \
    } while (0)

static void open_output(struct stage *stage) {
    struct kith_error error = KITH_ERROR_NONE;
    int r = output_new(stage->loop, stage->far.target, &stage->options, &callbacks, stage, &stage->output, &error);
    if (r < 0)
        fprintf(stderr, "%s: %s\n", stage->far.target, error.text);
    assert_int_equal(r, 0);
}

/* All messages are to be sent from the first on. */
static void begin_again(struct stage *stage) {
    stage->far.type->collect(&stage->far);
    far_begin(&stage->far);
    stage->next = 1;
    stage->done = 0;
    open_output(stage);
}

static void begin(struct stage *stage) {
    stage->far.type->start(&stage->far);
    open_output(stage);
}

static void send_up_to(struct stage *stage, uint64_t total) {
    stage->total = total;
    send_more(stage);
}

/* Every id came, the first time in order, and no oftener than it was given back. */
static void assert_all_came(struct stage *stage) {
    struct far *far = &stage->far;
    uint64_t next = 1;
    far->type->collect(far);
    for (size_t i = 0; i < far->count; i++) {
        assert_true(far->ids[i] <= next);
        next += far->ids[i] == next;
    }
    assert_int_equal(next, stage->total + 1);
    assert_int_equal(far->bad, 0);
    assert_true(far->count - stage->total <= stage->duplicates_allowed);
}

/* In flight may be what was written and not acknowledged. */
static void until_all_came(struct stage *stage) {
    until(stage, stage->done == stage->total && stage->far.count >= stage->total && stage->far.last == stage->total);
    assert_all_came(stage);
}

static void test_all_messages_come_once_and_in_order(void **state) {
    struct stage *stage = *state;
    begin(stage);
    send_up_to(stage, 5000);
    until_all_came(stage);
    assert_int_equal(stage->far.count, 5000);
    struct output_stats stats;
    output_stats(stage->output, &stats);
    assert_int_equal(stats.state, OUTPUT_UP);
    assert_int_equal(stats.sent, 5000);
    assert_int_equal(stats.done, 5000);
    assert_int_equal(stats.retried, 0);
    assert_int_equal(stats.flight_messages, 0);
    assert_int_equal(stats.flight_octets, 0);
    assert_true(stats.up_since_ns > 0);
    assert_string_equal(stats.last_error, "");
}

static void test_a_far_end_that_is_slow_makes_the_caller_wait_and_no_memory_grow(void **state) {
    struct stage *stage = *state;
    if (stage->far.type->never_slow)
        return;
    stage->options.flight_octets = 1 << 20;
    stage->body_size = 30000;
    begin(stage);
    until(stage, stage->ready_calls > 0);
    stage->far.type->pause(&stage->far);
    send_up_to(stage, 2000);
    stage->progress_ns = kith_time_now();
    /* Until the kernel takes no more. */
    until(stage, kith_time_now() - stage->progress_ns > 300 * KITH_NS_PER_MS);
    struct output_stats stats;
    output_stats(stage->output, &stats);
    assert_true(stage->next <= stage->total);
    assert_true(stage->full > 0);
    assert_true(stats.flight_octets > 0 && stats.flight_octets <= (1 << 20) + 40000);
    stage->far.type->resume(&stage->far);
    until_all_came(stage);
    assert_int_equal(stage->far.count, 2000);
}

static void test_a_message_larger_than_the_bound_goes_alone(void **state) {
    struct stage *stage = *state;
    stage->options.flight_octets = 1000;
    stage->body_size = 50000;
    begin(stage);
    send_up_to(stage, 20);
    until_all_came(stage);
    assert_int_equal(stage->flight_most, 1);
}

static void test_a_far_end_that_comes_late_gets_everything(void **state) {
    struct stage *stage = *state;
    begin(stage);
    until(stage, stage->ready_calls > 0);
    stage->output = output_free(stage->output);
    stage->far.type->stop(&stage->far);
    open_output(stage);
    struct output_stats stats;
    uint64_t failures = 0;
    send_up_to(stage, 500);
    until(stage, (output_stats(stage->output, &stats), failures = stats.failures) >= 3);
    assert_true(stats.last_error[0] != '\0');
    assert_int_equal(stats.up_since_ns, 0);
    stage->far.type->start(&stage->far);
    until_all_came(stage);
}

static void test_a_far_end_that_goes_and_comes_back_loses_nothing(void **state) {
    struct stage *stage = *state;
    struct far *far = &stage->far;
    struct output_stats stats;
    begin(stage);
    send_up_to(stage, 20000);
    for (unsigned round = 1; round <= 5; round++) {
        size_t before = far->count;
        until(stage, far->count >= before + 500);
        far->type->stop(far);
        until(stage, (output_stats(stage->output, &stats), stats.failures) >= round && stats.state != OUTPUT_UP);
        far->type->start(far);
    }
    until_all_came(stage);
    output_stats(stage->output, &stats);
    assert_true(stats.reconnects >= 5);
    assert_int_equal(stats.retried, stage->duplicates_allowed);
    assert_int_equal(stats.done, 20000);
    assert_int_equal(stats.sent, 20000 + stats.retried);
}

static void test_draining_sees_everything_through_and_ends(void **state) {
    struct stage *stage = *state;
    begin(stage);
    until(stage, stage->ready_calls > 0);
    send_up_to(stage, 200);
    stage->total = stage->next - 1;
    output_drain(stage->output, 20000);
    const struct output_message message = {.id = stage->next, .source = FAR_SOURCE, .body = "x", .size = 1};
    assert_int_equal(output_send(stage->output, &message), -EPIPE);
    until(stage, stage->ended_calls > 0);
    assert_int_equal(stage->done, stage->total);
    until_all_came(stage);
    assert_int_equal(stage->ended_calls, 1);
    struct output_stats stats;
    output_stats(stage->output, &stats);
    assert_int_equal(stats.state, OUTPUT_ENDED);
}

static void test_draining_when_nobody_is_there_ends_at_once(void **state) {
    struct stage *stage = *state;
    begin(stage);
    until(stage, stage->ready_calls > 0);
    stage->output = output_free(stage->output);
    stage->far.type->stop(&stage->far);
    open_output(stage);
    struct output_stats stats;
    until(stage, (output_stats(stage->output, &stats), stats.failures) > 0);
    output_drain(stage->output, -1);
    until(stage, stage->ended_calls > 0);
}

static void test_a_deadline_gives_back_what_is_not_done(void **state) {
    struct stage *stage = *state;
    if (stage->far.type->never_slow)
        return;
    stage->body_size = 30000;
    begin(stage);
    until(stage, stage->ready_calls > 0);
    stage->far.type->pause(&stage->far);
    send_up_to(stage, 2000);
    until(stage, kith_time_now() - stage->progress_ns > 300 * KITH_NS_PER_MS);
    stage->stopped = true;
    output_drain(stage->output, 50);
    until(stage, stage->ended_calls > 0);
    assert_int_equal(stage->back_calls, 1);
    assert_int_equal(stage->next, stage->done + 1);
}

static void test_freed_at_any_time_it_leaves_nothing_behind(void **state) {
    struct stage *stage = *state;
    stage->far.quiet = true; /* octets of the one before may come late */
    begin(stage);
    stage->total = 1000000;
    for (int steps = 0; steps < 30; steps++) {
        for (int i = 0; i < steps; i++)
            assert_true(kith_loop_step(stage->loop, 1) >= 0);
        stage->output = output_free(stage->output);
        if (steps % 10 == 5)
            stage->far.type->stop(&stage->far);
        begin_again(stage);
        if (steps % 10 == 9)
            stage->far.type->start(&stage->far);
    }
}

static char free_at;

static void free_in_call(struct stage *stage, char call) {
    if (call == free_at) {
        stage->output = output_free(stage->output);
        free_at = 0;
    }
}

static void test_it_may_be_freed_in_its_own_callbacks(void **state) {
    struct stage *stage = *state;
    stage->far.type->start(&stage->far);
    stage->on_call = free_in_call;
    for (const char *call = "drbe"; *call; call++) {
        begin_again(stage);
        until(stage, stage->ready_calls > 0);
        free_at = *call;
        send_up_to(stage, 100);
        if (*call == 'r' || *call == 'b')
            stage->total = 1000000;
        if (*call == 'b') {
            until(stage, stage->done > 300);
            stage->far.type->stop(&stage->far);
            send_more(stage);
            /* There may be nothing to give back by chance: all was done. */
            uint64_t end = kith_time_now() + 200 * KITH_NS_PER_MS;
            until(stage, !stage->output || kith_time_now() > end);
            stage->far.type->start(&stage->far);
        } else {
            if (*call == 'e')
                output_drain(stage->output, 20000);
            until(stage, !stage->output);
        }
        stage->output = output_free(stage->output);
    }
}

static void test_ids_rise(void **state) {
    struct stage *stage = *state;
    begin(stage);
    until(stage, stage->ready_calls > 0);
    send_up_to(stage, 2);
    stage->next = 2;
    static char body[100];
    far_body(2, body, sizeof(body));
    const struct output_message message = {.id = 2, .source = FAR_SOURCE, .body = body, .size = sizeof(body), .origin = FAR_ORIGIN};
    assert_int_equal(output_send(stage->output, &message), -EINVAL);
    stage->next = 3;
    until_all_came(stage);
}

static const struct CMUnitTest suite[] = {
    cmocka_unit_test(test_all_messages_come_once_and_in_order),
    cmocka_unit_test(test_a_far_end_that_is_slow_makes_the_caller_wait_and_no_memory_grow),
    cmocka_unit_test(test_a_message_larger_than_the_bound_goes_alone),
    cmocka_unit_test(test_a_far_end_that_comes_late_gets_everything),
    cmocka_unit_test(test_a_far_end_that_goes_and_comes_back_loses_nothing),
    cmocka_unit_test(test_draining_sees_everything_through_and_ends),
    cmocka_unit_test(test_draining_when_nobody_is_there_ends_at_once),
    cmocka_unit_test(test_a_deadline_gives_back_what_is_not_done),
    cmocka_unit_test(test_freed_at_any_time_it_leaves_nothing_behind),
    cmocka_unit_test(test_it_may_be_freed_in_its_own_callbacks),
    cmocka_unit_test(test_ids_rise),
};

int main(int argc, char **argv) {
    int status = far_main(argc, argv);
    if (status >= 0)
        return status;
    enum { TESTS = KITH_ARRAY_SIZE(suite) };
    struct CMUnitTest tests[TESTS * KITH_ARRAY_SIZE(rows)];
    static char names[KITH_ARRAY_SIZE(tests)][160];
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(tests); i++) {
        const struct far_type *row = rows[i / TESTS];
        tests[i] = suite[i % TESTS];
        snprintf(names[i], sizeof(names[i]), "%s: %s", row->name, tests[i].name);
        tests[i].name = names[i];
        tests[i].setup_func = stage_setup;
        tests[i].teardown_func = stage_teardown;
        tests[i].initial_state = (void *)(uintptr_t)row;
    }
    return _cmocka_run_group_tests("tests", tests, KITH_ARRAY_SIZE(tests), NULL, NULL);
}

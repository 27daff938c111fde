/* Tests of gateway/log.h: lines stay lines, floods stay small, the journal gets priorities. */
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
#include "gateway/cleanup.h"
#include "gateway/log.h"

/* A log that writes into a pipe. */
struct fixture {
    kith_loop *loop;
    struct gateway_log *log;
    int read_end, write_end;
    char text[65536];
};

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    int ends[2];
    assert_non_null(fixture);
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    fixture->read_end = ends[0];
    fixture->write_end = ends[1];
    assert_int_equal(kith_loop_new(&fixture->loop), 0);
    assert_int_equal(gateway_log_new(fixture->loop, ends[1], "test", LOG_INFO, &fixture->log), 0);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    gateway_log_free(fixture->log);
    kith_loop_free(fixture->loop);
    kith_close(fixture->read_end);
    kith_close(fixture->write_end);
    free(fixture);
    return 0;
}

/* What was written since the last call. */
static const char *read_text(struct fixture *fixture) {
    ssize_t n = read(fixture->read_end, fixture->text, sizeof(fixture->text) - 1);
    fixture->text[n > 0 ? n : 0] = '\0';
    return fixture->text;
}

static size_t count_lines(const char *text) {
    size_t count = 0;
    for (; *text; text++)
        count += *text == '\n';
    return count;
}

static void test_a_line_has_its_program_and_text(void **state) {
    struct fixture *fixture = *state;
    gateway_log(fixture->log, LOG_INFO, "value %d", 7);
    assert_string_equal(read_text(fixture), "test: value 7\n");
}

static void test_less_urgent_lines_are_left_out(void **state) {
    struct fixture *fixture = *state;
    gateway_log(fixture->log, LOG_DEBUG, "quiet");
    gateway_log_limited(fixture->log, LOG_DEBUG, 1, "quiet");
    assert_string_equal(read_text(fixture), "");
    assert_false(gateway_log_wants(fixture->log, LOG_DEBUG));
    assert_true(gateway_log_wants(fixture->log, LOG_INFO));
}

static void test_one_line_stays_one_line(void **state) {
    struct fixture *fixture = *state;
    gateway_log(fixture->log, LOG_INFO, "%s", "forged\n<0>line \x1b[2J");
    assert_string_equal(read_text(fixture), "test: forged?<0>line ?[2J\n");
    char large[2 * GATEWAY_LOG_LINE_MAX];
    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    gateway_log(fixture->log, LOG_INFO, "%s", large);
    const char *text = read_text(fixture);
    assert_int_equal(count_lines(text), 1);
    assert_true(strlen(text) <= GATEWAY_LOG_LINE_MAX);
    assert_int_equal(text[strlen(text) - 1], '\n');
}

static void test_a_flood_becomes_a_few_lines_and_a_count(void **state) {
    struct fixture *fixture = *state;
    for (int i = 0; i < 1000; i++)
        gateway_log_limited(fixture->log, LOG_WARNING, 42, "denied %d", i);
    const char *text = read_text(fixture);
    size_t lines = count_lines(text);
    assert_in_range(lines, GATEWAY_LOG_BURST, 2 * GATEWAY_LOG_BURST + 1); /* a second may end in between */
    while (!strstr(text, "more like it")) {
        assert_true(kith_loop_step(fixture->loop, -1) >= 0); /* the timer */
        text = read_text(fixture);
    }
    assert_non_null(strstr(text, "denied "));
}

static void test_a_flood_does_not_hide_other_events(void **state) {
    struct fixture *fixture = *state;
    for (int i = 0; i < 100; i++)
        gateway_log_limited(fixture->log, LOG_WARNING, 1, "flood");
    gateway_log_limited(fixture->log, LOG_WARNING, 2, "single");
    assert_non_null(strstr(read_text(fixture), "test: single\n"));
}

static void test_what_is_held_back_is_told_at_the_end(void **state) {
    struct fixture *fixture = *state;
    for (int i = 0; i < GATEWAY_LOG_BURST + 3; i++)
        gateway_log_limited(fixture->log, LOG_WARNING, 1, "flood");
    read_text(fixture);
    fixture->log = gateway_log_free(fixture->log);
    assert_string_equal(read_text(fixture), "test: flood (and 2 more like it)\n");
}

static void test_the_journal_gets_priorities(void **state) {
    struct fixture *fixture = *state;
    struct stat status;
    char stream[64];
    assert_int_equal(fstat(fixture->write_end, &status), 0);
    snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)status.st_dev, (unsigned long long)status.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    struct gateway_log *log;
    assert_int_equal(gateway_log_new(fixture->loop, fixture->write_end, "test", LOG_INFO, &log), 0);
    unsetenv("JOURNAL_STREAM");
    gateway_log(log, LOG_ERR, "bad");
    assert_string_equal(read_text(fixture), "<3>test: bad\n");
    gateway_log_free(log);
}

static void test_events_are_told_with_their_service(void **state) {
    struct fixture *fixture = *state;
    struct kith_event event = {.type = KITH_EVENT_DENIED_SEND, .endpoint = "ipc://@x", .text = "pid 1: denied"};
    gateway_log_event(fixture->log, "service x", &event);
    assert_string_equal(read_text(fixture), "test: service x: pid 1: denied\n");
    event.type = KITH_EVENT_LISTENING;
    gateway_log_event(fixture->log, NULL, &event);
    assert_string_equal(read_text(fixture), "test: listening at ipc://@x\n");
    event.type = KITH_EVENT_CONNECTED;
    gateway_log_event(fixture->log, NULL, &event);
    assert_string_equal(read_text(fixture), "");
}

static void test_who_only_looks_whether_somebody_listens_is_not_news(void **state) {
    struct fixture *fixture = *state;
    struct kith_event event = {.type = KITH_EVENT_HANDSHAKE_FAILED, .error = -EPIPE, .endpoint = "ipc://@x", .text = "pid 1: Broken pipe"};
    gateway_log_event(fixture->log, NULL, &event);
    event.error = -ECONNRESET;
    gateway_log_event(fixture->log, NULL, &event);
    assert_string_equal(read_text(fixture), "");
    event.error = -EPROTO;
    event.text = "pid 1: no ZMTP";
    gateway_log_event(fixture->log, NULL, &event);
    assert_string_equal(read_text(fixture), "test: pid 1: no ZMTP\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_line_has_its_program_and_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_less_urgent_lines_are_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_line_stays_one_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_flood_becomes_a_few_lines_and_a_count, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_flood_does_not_hide_other_events, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_held_back_is_told_at_the_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_journal_gets_priorities, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_events_are_told_with_their_service, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_who_only_looks_whether_somebody_listens_is_not_news, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

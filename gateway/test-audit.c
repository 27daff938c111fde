/* Tests of gateway/audit.h: lines are JSON, floods stay small, a full disk costs lines and nothing else, the journal gets fields. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/fd.h"
#include "base/testing.h"
#include "base/time.h"
#include "gateway/audit.h"
#include "gateway/cleanup.h"
#include "gateway/limit.h"
#include "gateway/log.h"

#define JOURNAL "/run/systemd/journal"

struct fixture {
    kith_loop *loop;
    struct gateway_log *log;
    struct gateway_audit *audit;
    kith_origin *origin;
    int log_read, log_write;
    char folder[64], path[96];
    char text[65536];
};

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    int ends[2];
    assert_non_null(fixture);
    strcpy(fixture->folder, "/tmp/kith-audit-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    snprintf(fixture->path, sizeof(fixture->path), "%s/audit", fixture->folder);
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    fixture->log_read = ends[0];
    fixture->log_write = ends[1];
    assert_int_equal(kith_loop_new(&fixture->loop), 0);
    assert_int_equal(gateway_log_new(fixture->loop, ends[1], "test", LOG_INFO, &fixture->log), 0);
    assert_int_equal(kith_origin_new(&fixture->origin), 0);
    assert_int_equal(kith_origin_set_number(fixture->origin, KITH_FACT_UID, 1000, KITH_WITNESS_KERNEL_MESSAGE), 0);
    assert_int_equal(kith_origin_set_text(fixture->origin, KITH_FACT_EXE, "/usr/bin/\xff\"x", KITH_WITNESS_KERNEL_CONNECT), 0);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    gateway_audit_free(fixture->audit);
    gateway_log_free(fixture->log);
    kith_loop_free(fixture->loop);
    kith_origin_unref(fixture->origin);
    kith_close(fixture->log_read);
    kith_close(fixture->log_write);
    unlink(fixture->path);
    rmdir(fixture->folder);
    free(fixture);
    return 0;
}

static void audit(struct fixture *fixture, struct gateway_audit_options options) {
    struct kith_error error;
    assert_int_equal(gateway_audit_new(fixture->loop, fixture->log, &options, &fixture->audit, &error), 0);
    gateway_log_set_audit(fixture->log, fixture->audit);
}

/* Ends the audit, which says what it still holds; returns what is in the file. */
static char *read_file(struct fixture *fixture) {
    char *text;
    gateway_log_set_audit(fixture->log, NULL);
    fixture->audit = gateway_audit_free(fixture->audit);
    assert_int_equal(kith_file_read(AT_FDCWD, fixture->path, 1 << 20, &text, NULL), 0);
    return text;
}

static const char *read_log(struct fixture *fixture) {
    ssize_t n = read(fixture->log_read, fixture->text, sizeof(fixture->text) - 1);
    fixture->text[n > 0 ? n : 0] = '\0';
    return fixture->text;
}

/* Line `index` of the text, as JSON; to json_decref(). */
static json_t *line_of(const char *text, size_t index) {
    for (; index > 0; index--) {
        text = strchr(text, '\n');
        assert_non_null(text);
        text++;
    }
    const char *end = strchr(text, '\n');
    assert_non_null(end);
    json_t *json = json_loadb(text, (size_t)(end - text), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    return json;
}

static size_t count_lines(const char *text) {
    size_t count = 0;
    for (; *text; text++)
        count += *text == '\n';
    return count;
}

static struct kith_event denied(struct fixture *fixture) {
    return (struct kith_event){.type = KITH_EVENT_DENIED_SEND,
                               .endpoint = "ipc:///run/x.sock",
                               .origin = fixture->origin,
                               .error = -EACCES,
                               .count = 1,
                               .peer = 7,
                               .topic = "news\xff",
                               .topic_size = 5,
                               .verb = KITH_VERB_SEND,
                               .rule = "a \"b\"",
                               .text = "uid 1000: policy: send denied by rule \"a \\\"b\\\"\"\n"};
}

static const char *text_of(const json_t *json, const char *key) {
    const char *text = json_string_value(json_object_get(json, key));
    return text ? text : "";
}

static void test_a_denial_is_one_line_of_json_with_the_origin(void **state) {
    struct fixture *fixture = *state;
    audit(fixture, (struct gateway_audit_options){.path = fixture->path});
    struct kith_event event = denied(fixture);
    gateway_log_event(fixture->log, "service echo", &event);
    assert_non_null(strstr(read_log(fixture), "service echo: uid 1000: policy"));
    char *text = read_file(fixture);
    assert_int_equal(count_lines(text), 1);
    json_t *json = line_of(text, 0), *origin = json_object_get(json, "origin");
    assert_string_equal(text_of(json, "event"), "denied-send");
    assert_string_equal(text_of(json, "verb"), "send");
    assert_string_equal(text_of(json, "rule"), "a \"b\"");
    assert_int_equal(json_integer_value(json_object_get(json, "peer")), 7);
    assert_string_equal(text_of(json, "topic"), "news\\xff");
    assert_string_equal(text_of(json, "where"), "service echo");
    assert_string_equal(text_of(json, "endpoint"), "ipc:///run/x.sock");
    assert_string_equal(text_of(json, "error"), "EACCES");
    assert_string_equal(text_of(json, "text"), "uid 1000: policy: send denied by rule \"a \\\"b\\\"\"\\x0a");
    assert_int_equal(json_integer_value(json_object_get(json, "count")), 1);
    assert_int_equal(json_integer_value(json_object_get(origin, "uid")), 1000);
    assert_string_equal(text_of(json_object_get(origin, "witness"), "uid"), "kernel-message");
    unsigned year, rest;
    assert_int_equal(sscanf(text_of(json, "time"), "%4u-%*2u-%*2uT%*2u:%*2u:%*2u.%6uZ", &year, &rest), 2);
    assert_true(year >= 2026);
    json_decref(json);
    free(text);
}

static void test_levels(void **state) {
    struct fixture *fixture = *state;
    static const struct {
        enum gateway_audit_level level;
        uint64_t lines;
    } cases[] = {{GATEWAY_AUDIT_DENIALS, 1}, {GATEWAY_AUDIT_ALL, 2}, {GATEWAY_AUDIT_OFF, 0}};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(cases); i++) {
        struct gateway_audit_counts counts;
        audit(fixture, (struct gateway_audit_options){.path = fixture->path, .level = cases[i].level});
        struct kith_event event = denied(fixture);
        gateway_audit_event(fixture->audit, NULL, &event, LOG_WARNING);
        event.type = KITH_EVENT_CONNECTED;
        gateway_audit_event(fixture->audit, NULL, &event, LOG_DEBUG);
        gateway_audit_counts(fixture->audit, &counts);
        assert_int_equal(counts.written, cases[i].lines);
        fixture->audit = gateway_audit_free(fixture->audit);
    }
    gateway_log_set_audit(fixture->log, NULL);
}

static void deny(struct fixture *fixture, uid_t uid, unsigned times) {
    struct kith_event event = denied(fixture);
    assert_int_equal(kith_origin_set_number(fixture->origin, KITH_FACT_UID, uid, KITH_WITNESS_KERNEL_MESSAGE), 0);
    for (unsigned i = 0; i < times; i++)
        gateway_audit_event(fixture->audit, NULL, &event, LOG_WARNING);
}

static uint64_t lines_written(const struct fixture *fixture) {
    struct gateway_audit_counts counts;
    gateway_audit_counts(fixture->audit, &counts);
    return counts.written;
}

/* Denies until some are held back. */
static void flood(struct fixture *fixture) {
    struct gateway_audit_counts counts = {0};
    for (unsigned i = 0; counts.suppressed == 0; i++) {
        assert_in_range(i, 0, 100000);
        deny(fixture, 1000, 1);
        gateway_audit_counts(fixture->audit, &counts);
    }
}

static void test_a_flood_is_counted(void **state) {
    struct fixture *fixture = *state;
    audit(fixture, (struct gateway_audit_options){.path = fixture->path});
    struct kith_event event = denied(fixture);
    struct gateway_audit_counts counts;
    for (unsigned i = 0; i < 1000; i++)
        gateway_audit_event(fixture->audit, NULL, &event, LOG_WARNING);
    gateway_audit_counts(fixture->audit, &counts);
    assert_int_equal(counts.written + counts.suppressed, 1000);
    assert_true(counts.suppressed >= 1000 - 3 * GATEWAY_AUDIT_BURST); /* a slow machine may see a second or two begin */
    char *text = read_file(fixture);
    size_t lines = count_lines(text);
    assert_true(lines > GATEWAY_AUDIT_BURST && lines <= 3 * (GATEWAY_AUDIT_BURST + 1));
    json_t *json = line_of(text, lines - 1);
    assert_string_equal(text_of(json, "event"), "suppressed");
    assert_string_equal(text_of(json, "of"), "denied-send");
    assert_int_equal(json_integer_value(json_object_get(json, "uid")), 1000);
    assert_true(json_integer_value(json_object_get(json, "count")) > 0);
    json_decref(json);
    free(text);
}

static void test_what_is_held_back_is_told_when_the_flood_is_over(void **state) {
    struct fixture *fixture = *state;
    audit(fixture, (struct gateway_audit_options){.path = fixture->path});
    flood(fixture);
    uint64_t before = lines_written(fixture), end = kith_time_now() + 20 * KITH_NS_PER_S;
    while (lines_written(fixture) == before) {
        assert_true(kith_time_now() < end);
        assert_true(kith_loop_step(fixture->loop, 1000) >= 0); /* the timer */
    }
    char *text = read_file(fixture);
    json_t *json = line_of(text, before);
    assert_string_equal(text_of(json, "event"), "suppressed");
    json_decref(json);
    free(text);
}

/* More users at once than have places: who shares one is not named for the others. */
static void test_a_place_that_is_shared_is_counted_in_nobodys_name(void **state) {
    struct fixture *fixture = *state;
    audit(fixture, (struct gateway_audit_options){.path = fixture->path});
    for (uid_t uid = 1; uid <= GATEWAY_LIMIT_ENTRIES; uid++)
        deny(fixture, uid, 1);
    deny(fixture, GATEWAY_LIMIT_ENTRIES + 1, GATEWAY_AUDIT_BURST + 5);
    char *text = read_file(fixture);
    size_t lines = count_lines(text);
    assert_int_equal(lines, GATEWAY_LIMIT_ENTRIES + GATEWAY_AUDIT_BURST - 1 + 1);
    json_t *json = line_of(text, lines - 1);
    assert_string_equal(text_of(json, "event"), "suppressed");
    assert_int_equal(json_integer_value(json_object_get(json, "count")), 6);
    assert_null(json_object_get(json, "uid"));
    assert_null(json_object_get(json, "of"));
    json_decref(json);
    free(text);
}

static void test_a_full_disk_costs_lines_and_is_told_once(void **state) {
    struct fixture *fixture = *state;
    audit(fixture, (struct gateway_audit_options){.path = "/dev/full"});
    struct kith_event event = denied(fixture);
    struct gateway_audit_counts counts;
    for (unsigned i = 0; i < 3; i++)
        assert_false(gateway_audit_event(fixture->audit, NULL, &event, LOG_WARNING));
    gateway_audit_counts(fixture->audit, &counts);
    assert_int_equal(counts.lost, 3);
    assert_int_equal(counts.written, 0);
    assert_string_equal(read_log(fixture),
                        "test: audit_file /dev/full: No space left on device: lines are lost until it can be written to again\n");
}

/* A line of which a part was written does not spoil the next one. */
static void test_a_torn_line_is_ended(void **state) {
    struct fixture *fixture = *state;
    struct rlimit old, small = {.rlim_cur = 100};
    audit(fixture, (struct gateway_audit_options){.path = fixture->path});
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    struct kith_event event = denied(fixture);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    gateway_audit_event(fixture->audit, NULL, &event, LOG_WARNING);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, handler);
    gateway_audit_event(fixture->audit, NULL, &event, LOG_WARNING);
    assert_non_null(strstr(read_log(fixture), "can be written to again: 1 lines were lost"));
    gateway_audit_event(fixture->audit, NULL, &event, LOG_WARNING);
    char *text = read_file(fixture);
    assert_int_equal(count_lines(text), 3);
    assert_int_equal(strchr(text, '\n') - text, 100);
    json_decref(line_of(text, 1));
    json_decref(line_of(text, 2));
    free(text);
}

/* What was held back belongs to the file that there was. */
static void test_a_file_that_was_moved_is_opened_anew(void **state) {
    struct fixture *fixture = *state;
    struct gateway_audit_options options = {.path = fixture->path};
    struct kith_error error;
    char moved[128], *text;
    snprintf(moved, sizeof(moved), "%s.1", fixture->path);
    audit(fixture, options);
    flood(fixture);
    assert_int_equal(rename(fixture->path, moved), 0);
    size_t fds = testing_fd_count();
    assert_int_equal(gateway_audit_reconfigure(fixture->audit, &options, &error), 0);
    assert_int_equal(testing_fd_count(), fds);
    deny(fixture, 1, 1);
    struct stat status;
    assert_int_equal(stat(fixture->path, &status), 0);
    assert_int_equal(status.st_mode & 07777 & ~0640U, 0);
    assert_int_equal(kith_file_read(AT_FDCWD, moved, 1 << 20, &text, NULL), 0);
    json_t *json = line_of(text, count_lines(text) - 1);
    assert_string_equal(text_of(json, "event"), "suppressed");
    json_decref(json);
    free(text);
    text = read_file(fixture);
    assert_int_equal(count_lines(text), 1);
    free(text);
    assert_int_equal(unlink(moved), 0);
}

static void test_several_gateways_share_a_file(void **state) {
    struct fixture *fixture = *state;
    struct gateway_audit_options options = {.path = fixture->path};
    struct gateway_audit *other;
    struct kith_error error;
    audit(fixture, options);
    assert_int_equal(gateway_audit_new(fixture->loop, fixture->log, &options, &other, &error), 0);
    struct kith_event event = denied(fixture);
    for (unsigned i = 0; i < 3; i++) {
        gateway_audit_event(fixture->audit, "one", &event, LOG_WARNING);
        gateway_audit_event(other, "other", &event, LOG_WARNING);
    }
    gateway_audit_free(other);
    char *text = read_file(fixture);
    assert_int_equal(count_lines(text), 6);
    for (unsigned i = 0; i < 6; i++) {
        json_t *json = line_of(text, i);
        assert_string_equal(text_of(json, "where"), i % 2 == 0 ? "one" : "other");
        json_decref(json);
    }
    free(text);
}

static void test_without_an_audit_no_file_is_made(void **state) {
    struct fixture *fixture = *state;
    audit(fixture, (struct gateway_audit_options){.path = fixture->path, .level = GATEWAY_AUDIT_OFF});
    assert_int_equal(access(fixture->path, F_OK), -1);
    assert_int_equal(errno, ENOENT);
}

/* Opening one waits for its reader, unless one says not to. */
static void test_a_pipe_that_nobody_reads_is_an_error(void **state) {
    struct fixture *fixture = *state;
    struct gateway_audit_options options = {.path = fixture->path};
    struct kith_error error;
    assert_int_equal(mkfifo(fixture->path, 0600), 0);
    assert_int_equal(gateway_audit_new(fixture->loop, fixture->log, &options, &fixture->audit, &error), -ENXIO);
    assert_non_null(strstr(error.text, fixture->path));
}

static void test_a_file_that_cannot_be_opened_is_an_error_and_changes_nothing(void **state) {
    struct fixture *fixture = *state;
    audit(fixture, (struct gateway_audit_options){.path = fixture->path});
    struct gateway_audit_options options = {.path = "/nowhere/audit"};
    struct kith_error error;
    assert_int_equal(gateway_audit_reconfigure(fixture->audit, &options, &error), -ENOENT);
    assert_string_equal(error.text, "audit_file /nowhere/audit cannot be opened: No such file or directory");
    struct kith_event event = denied(fixture);
    gateway_audit_event(fixture->audit, NULL, &event, LOG_WARNING);
    char *text = read_file(fixture);
    assert_int_equal(count_lines(text), 1);
    free(text);
}

/* The journal's socket, in mounts of our own. */
static int listen_as_journal(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = JOURNAL "/socket"};
    assert_int_equal(unshare(CLONE_NEWNS), 0);
    assert_int_equal(mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL), 0);
    assert_int_equal(mount("kith-test", "/run", "tmpfs", 0, NULL), 0);
    assert_int_equal(mkdir("/run/systemd", 0755), 0);
    assert_int_equal(mkdir(JOURNAL, 0755), 0);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void test_the_journal_gets_fields(void **state) {
    struct fixture *fixture = *state;
    int fd = listen_as_journal();
    audit(fixture, (struct gateway_audit_options){.journal = true});
    struct kith_event event = denied(fixture);
    event.text = "uid 1000: denied";
    gateway_log_event(fixture->log, "service echo", &event);
    assert_string_equal(read_log(fixture), ""); /* once is enough */
    ssize_t n = recv(fd, fixture->text, sizeof(fixture->text) - 1, 0);
    assert_true(n > 0);
    fixture->text[n] = '\0';
    static const char *const fields[] = {"MESSAGE=service echo: uid 1000: denied\n",
                                         "PRIORITY=4\n",
                                         "KITH_EVENT=denied-send\n",
                                         "KITH_WHERE=service echo\n",
                                         "KITH_UID=1000\n",
                                         "KITH_ENDPOINT=ipc:///run/x.sock\n",
                                         "ERRNO=13\n",
                                         "KITH_COUNT=1\n",
                                         "KITH_ORIGIN={\"uid\":1000,"};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(fields); i++)
        assert_non_null(memmem(fixture->text, (size_t)n, fields[i], strlen(fields[i])));
    kith_close(fd);
    assert_int_equal(umount2("/run", MNT_DETACH), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_denial_is_one_line_of_json_with_the_origin, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_levels, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_flood_is_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_held_back_is_told_when_the_flood_is_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_place_that_is_shared_is_counted_in_nobodys_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_full_disk_costs_lines_and_is_told_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_torn_line_is_ended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_file_that_was_moved_is_opened_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_several_gateways_share_a_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_an_audit_no_file_is_made, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_pipe_that_nobody_reads_is_an_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_file_that_cannot_be_opened_is_an_error_and_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_journal_gets_fields, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("gateway/audit", tests, NULL, NULL);
}

/*
 * testing.h: what the tests of kith.ko share: modules that come and go with each test, a driver (the test's *state) that tells kith_test.ko
 * what to do, children, and the kernel's log. As root, in a virtual machine only.
 */
#ifndef KITH_TESTS_KMOD_TESTING_H
#define KITH_TESTS_KMOD_TESTING_H

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "kmod/client.h"

#define NOBODY 65534
#define SECOND 1000

static struct messages got;
/* A pipe between a test and its children. */
static int gate[2];

/* What a test that failed has left would make the next ones fail. */
static inline void unload_leftovers(void) {
    static const char *const names[] = {"kith_demo", "kith_test", "kith"};
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        (void)syscall(SYS_delete_module, names[i], O_NONBLOCK);
}

static inline int modules_setup(void **state) {
    unload_leftovers();
    load("kith");
    load("kith_test");
    *state = client_new();
    return 0;
}

static inline int modules_teardown(void **state) {
    client_free(*state);
    unload("kith_test");
    unload("kith");
    return 0;
}

/* In a process of its own, which says by its exit status how that went. */
static inline pid_t in_child(void (*fn)(void)) {
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        fn();
        _exit(0);
    }
    return pid;
}

static inline void child_ends_well(pid_t pid) {
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* For children, where cmocka's assertions do not reach. */
#define CHILD_CHECK(condition)                                                                                                             \
    do {                                                                                                                                   \
        if (!(condition)) {                                                                                                                \
            fprintf(stderr, "%s:%d: %s is not so (errno %s)\n", __FILE__, __LINE__, #condition, strerror(errno));                          \
            _exit(1);                                                                                                                      \
        }                                                                                                                                  \
    } while (0)

static inline uint32_t number_at(unsigned i) {
    uint32_t number;
    memcpy(&number, got.list[i].data, sizeof(number));
    return number;
}

/* Reads and acknowledges until `count` messages came; they must be in order, each 1 more than the one before. */
static inline void receive_in_order(struct client *client, const char *channel, uint32_t first, unsigned count) {
    for (unsigned seen = 0; seen < count;) {
        assert_true(client_receive(client, &got, 5 * SECOND));
        assert_int_equal(got.command, KITH_CMD_MESSAGES);
        assert_string_equal(got.channel, channel);
        for (unsigned i = 0; i < got.count; i++, seen++)
            assert_int_equal(number_at(i), first + seen);
        client_done(client, channel, got.list[got.count - 1].header.sequence);
    }
}

static inline struct channel_info info_of(struct client *client, const char *channel) {
    struct channel_info info = {0};
    assert_int_equal(client_info(client, channel, &info), 0);
    return info;
}

static inline void tell_sent(struct client *client, const char *command, const char *expected) {
    assert_int_equal(client_tell(client, "%s", command), 0);
    assert_string_equal(client->reply, expected);
}

static inline void insist_on_storm(void) {
    struct client *client = client_new();
    CHILD_CHECK(client_tell(client, "insist storm 20000 64") == 0);
    CHILD_CHECK(strncmp(client->reply, "20000 ", 6) == 0);
}

/* A channel "storm", whose receivers write to the gate what they get, number and sequence, and are killed every now and then: of 20,000
 * messages none is missing. A process that is killed has written whole records. */
static inline void kill_at_random(struct client *driver, void (*receive)(void)) {
    static uint8_t seen[20000];
    unsigned missing = 20000, kills = 0;
    uint64_t record[2];
    memset(seen, 0, sizeof(seen));
    assert_int_equal(client_tell(driver, "open storm 1 100000 1 1"), 0);
    assert_int_equal(pipe(gate), 0);
    pid_t sender = in_child(insist_on_storm), receiver = in_child(receive);
    for (unsigned reads = 1; missing > 0; reads++) {
        assert_int_equal(read(gate[0], record, sizeof(record)), sizeof(record));
        assert_true(record[0] < 20000 && record[1] == record[0] + 1);
        missing -= !seen[record[0]];
        seen[record[0]] = 1;
        if (reads % 701 == 0 && missing > 0) {
            kill(receiver, SIGKILL);
            waitpid(receiver, NULL, 0);
            receiver = in_child(receive);
            kills++;
        }
    }
    assert_true(kills >= 20);
    child_ends_well(sender);
    kill(receiver, SIGKILL);
    waitpid(receiver, NULL, 0);
    close(gate[0]);
    close(gate[1]);
}

static inline void test_the_kernel_log_has_no_complaint(void **state) {
    (void)state;
    static char log[1 << 20];
    static const char *const complaints[] = {"WARNING:",           "BUG:",       "Oops",
                                             "general protection", "Call Trace", "refcount_t",
                                             "scheduling while",   "INFO: task", "suspected memory leak"};
    int size = klogctl(3, log, sizeof(log) - 1);
    assert_true(size > 0);
    for (unsigned i = 0; i < sizeof(complaints) / sizeof(complaints[0]); i++)
        if (strstr(log, complaints[i]))
            fail_msg("%.2000s", strstr(log, complaints[i]));
}

#define MODULE_TEST(name) cmocka_unit_test_setup_teardown(name, modules_setup, modules_teardown)

#endif

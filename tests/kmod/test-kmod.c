/*
 * test-kmod.c: kith.ko in a guest, by what a process sees of it: uapi/kith_netlink.h is held to its word. kith_test.ko does what a driver
 * would. As root, in a virtual machine only: it loads modules.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/genetlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kmod/client.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define NOBODY 65534
#define SECOND 1000

static struct messages got;

/* What a test that failed has left would make the next ones fail. */
static void unload_leftovers(void) {
    static const char *const names[] = {"kith_demo", "kith_test", "kith"};
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        (void)syscall(SYS_delete_module, names[i], O_NONBLOCK);
}

static int modules_setup(void **state) {
    unload_leftovers();
    load("kith");
    load("kith_test");
    *state = client_new();
    return 0;
}

static int modules_teardown(void **state) {
    client_free(*state);
    unload("kith_test");
    unload("kith");
    return 0;
}

/* In a process of its own, which says by its exit status how that went. */
static pid_t in_child(void (*fn)(void)) {
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        fn();
        _exit(0);
    }
    return pid;
}

static void child_ends_well(pid_t pid) {
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

static uint32_t number_at(unsigned i) {
    uint32_t number;
    memcpy(&number, got.list[i].data, sizeof(number));
    return number;
}

/* Reads and acknowledges until `count` messages came; they must be in order, each 1 more than the one before. */
static void receive_in_order(struct client *client, const char *channel, uint32_t first, unsigned count) {
    for (unsigned seen = 0; seen < count;) {
        assert_true(client_receive(client, &got, 5 * SECOND));
        assert_int_equal(got.command, KITH_CMD_MESSAGES);
        assert_string_equal(got.channel, channel);
        for (unsigned i = 0; i < got.count; i++, seen++)
            assert_int_equal(number_at(i), first + seen);
        client_done(client, channel, got.list[got.count - 1].header.sequence);
    }
}

static struct channel_info info_of(struct client *client, const char *channel) {
    struct channel_info info = {0};
    assert_int_equal(client_info(client, channel, &info), 0);
    return info;
}

/* Modules come and go -------------------------------------------------------------------------------------------------------- */

static void test_modules_load_and_unload_a_hundred_times(void **state) {
    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        load("kith");
        load("kith_demo");
        unload("kith_demo");
        unload("kith");
    }
}

static void test_kith_cannot_be_unloaded_under_a_module_that_uses_it(void **state) {
    (void)state;
    load("kith");
    load("kith_demo");
    assert_int_equal(syscall(SYS_delete_module, "kith", O_NONBLOCK), -1);
    assert_int_equal(errno, EWOULDBLOCK);
    unload("kith_demo");
    unload("kith");
}

static void test_a_receiver_is_told_when_its_module_goes_and_can_come_again(void **state) {
    (void)state;
    load("kith");
    load("kith_demo");
    struct client *client = client_new();
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(client_join(client, "demo.tick", 0), 0);
        unload("kith_demo");
        do
            assert_true(client_receive(client, &got, 5 * SECOND));
        while (got.command == KITH_CMD_MESSAGES);
        assert_int_equal(got.command, KITH_CMD_CLOSED);
        assert_string_equal(got.channel, "demo.tick");
        assert_int_equal(client_join(client, "demo.tick", 0), -ENOENT);
        load("kith_demo");
    }
    unload("kith_demo");
    unload("kith");
    client_free(client);
}

/* The example ---------------------------------------------------------------------------------------------------------------- */

static void test_the_example_ticks_in_order_from_a_timer(void **state) {
    struct client *client = *state;
    uint64_t last = 0;
    load("kith_demo");
    assert_int_equal(client_join(client, "demo.tick", 0), 0);
    for (unsigned seen = 0; seen < 20;) {
        assert_true(client_receive(client, &got, 5 * SECOND));
        for (unsigned i = 0; i < got.count; i++, seen++) {
            assert_memory_equal(got.list[i].data, "tick ", 5);
            assert_true(last == 0 || got.list[i].header.sequence == last + 1);
            last = got.list[i].header.sequence;
        }
        assert_int_equal(client_ack(client, "demo.tick", last), 0);
    }
    assert_int_equal(client_leave(client, "demo.tick"), 0);
    assert_int_equal(client_leave(client, "demo.tick"), -ENOTCONN);
    unload("kith_demo");
}

static void connect_to_nobody(uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), -1);
    close(fd);
}

static void test_the_example_keeps_its_syn_reports_until_somebody_takes_them(void **state) {
    struct client *client = *state;
    load("kith_demo");
    connect_to_nobody(4711);
    connect_to_nobody(4712);
    assert_int_equal(client_join(client, "demo.syn", 0), 0);
    assert_true(client_receive(client, &got, 5 * SECOND));
    assert_int_equal(got.count, 2);
    assert_non_null(memmem(got.list[0].data, got.list[0].header.size, "-> 127.0.0.1:4711", 17));
    assert_non_null(memmem(got.list[1].data, got.list[1].header.size, "-> 127.0.0.1:4712", 17));
    assert_int_equal(client_leave(client, "demo.syn"), 0);
    unload("kith_demo");
}

static void echo_as_nobody(void) {
    char expected[64];
    CHILD_CHECK(setgroups(0, NULL) == 0 && setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
    struct client *client = client_new();
    snprintf(expected, sizeof(expected), "pid %d uid %d admin 0: hello", (int)getpid(), NOBODY);
    CHILD_CHECK(client_send(client, "demo.echo", "hello", 5) == 0);
    CHILD_CHECK(strcmp(client->reply, expected) == 0);
}

static void test_the_owner_knows_who_sent_by_the_kernels_word(void **state) {
    struct client *client = *state;
    char expected[64];
    load("kith_demo");
    snprintf(expected, sizeof(expected), "pid %d uid 0 admin 1: hello", (int)getpid());
    assert_int_equal(client_send(client, "demo.echo", "hello", 5), 0);
    assert_string_equal(client->reply, expected);
    child_ends_well(in_child(echo_as_nobody));
    unload("kith_demo");
}

/* Who may -------------------------------------------------------------------------------------------------------------------- */

static void join_as_nobody(void) {
    CHILD_CHECK(setgroups(0, NULL) == 0 && setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
    struct client *client = client_new();
    CHILD_CHECK(client_join(client, "demo.syn", 0) == -EPERM);
    CHILD_CHECK(strstr(client->text, "CAP_NET_ADMIN") != NULL);
    CHILD_CHECK(client_join(client, "demo.tick", 0) == 0);
}

static void test_who_may_not_receive_is_refused_with_the_reason_and_counted(void **state) {
    load("kith_demo");
    child_ends_well(in_child(join_as_nobody));
    assert_int_equal(info_of(*state, "demo.syn").denied, 1);
    unload("kith_demo");
}

/* A socket that a nobody opened, written to by root as by a program that takes it for its standard output: the nobody gains nothing. */
static void test_a_socket_handed_to_a_privileged_program_gains_nothing(void **state) {
    (void)state;
    load("kith_demo");
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        CHILD_CHECK(seteuid(NOBODY) == 0);
        struct client *client = client_new();
        CHILD_CHECK(seteuid(0) == 0);
        client->plain = true;
        CHILD_CHECK(client_join(client, "demo.syn", 0) == -EPERM);
        _exit(0);
    }
    child_ends_well(pid);
    unload("kith_demo");
}

static void test_every_refusal_has_a_text(void **state) {
    struct client *client = *state, *second = client_new();
    assert_int_equal(client_join(client, "no.such", 0), -ENOENT);
    assert_non_null(strstr(client->text, "no channel of this name"));
    assert_int_equal(client_join(client, "test.control", 65), -ERANGE);
    assert_int_equal(client_join(client, "test.control", 0), 0);
    assert_int_equal(client_join(client, "test.control", 0), -EALREADY);
    assert_non_null(strstr(client->text, "already"));
    assert_int_equal(client_join(second, "test.control", 0), -EBUSY);
    assert_non_null(strstr(second->text, "as many receivers"));
    assert_int_equal(client_ack(client, "test.control", 1), -ERANGE);
    assert_non_null(strstr(client->text, "no message of this number"));
    assert_int_equal(client_ack(second, "test.control", 1), -ENOTCONN);
    assert_non_null(strstr(second->text, "does not receive"));
    assert_int_equal(client_reply(client, "test.control", 7, "x", 1), -ESRCH);
    assert_non_null(strstr(client->text, "nobody waits"));
    assert_int_equal(client_tell(client, "open quiet 2 0 0 1"), 0);
    assert_int_equal(client_send(client, "quiet", "x", 1), -EOPNOTSUPP);
    assert_non_null(strstr(client->text, "takes no messages"));
    assert_int_equal(client_leave(client, "test.control"), 0);
    client_free(second);
}

static void test_names_and_sizes_out_of_bounds_are_refused(void **state) {
    struct client *client = *state;
    static char large[KITH_MESSAGE_MAX + 1];
    assert_int_equal(client_tell(client, "open bad/name 1 0 0 1"), -EINVAL);
    assert_int_equal(client_tell(client, "open name 4 0 0 1"), -EINVAL);
    assert_int_equal(client_tell(client, "open name 1 67108865 0 1"), -EINVAL);
    assert_int_equal(client_tell(client, "open name 1 0 0 1"), 0);
    assert_int_equal(client_tell(client, "open name 1 0 0 1"), -EEXIST);
    assert_int_equal(client_send(client, "test.control", large, sizeof(large)), -ERANGE);
    assert_int_equal(client_join(client, "0123456789012345678901234567890123456789012345678901234567890123", 0), -EINVAL);
}

/* Delivery ------------------------------------------------------------------------------------------------------------------- */

static void tell_sent(struct client *client, const char *command, const char *expected) {
    assert_int_equal(client_tell(client, "%s", command), 0);
    assert_string_equal(client->reply, expected);
}

static void test_messages_may_be_sent_from_any_context(void **state) {
    struct client *driver = *state, *client = client_new();
    static const char *const contexts[] = {"task", "timer", "irq", "thread"};
    assert_int_equal(client_tell(driver, "open any 1 1000000 0 1"), 0);
    tell_sent(driver, "send any 3 64 task", "0 -107"); /* nobody listens: ENOTCONN */
    assert_int_equal(client_join(client, "any", 0), 0);
    for (unsigned i = 0; i < 4; i++) {
        char command[64];
        snprintf(command, sizeof(command), "send any 500 64 %s", contexts[i]);
        tell_sent(driver, command, "500 0");
        receive_in_order(client, "any", i * 500, 500);
    }
    struct channel_info info = info_of(driver, "any");
    assert_int_equal(info.sent, 2000);
    assert_int_equal(info.refused, 3);
    assert_int_equal(info.backlog, 0);
    assert_int_equal(info.lost, 0);
    client_free(client);
}

static void test_many_messages_share_a_datagram(void **state) {
    struct client *driver = *state, *client = client_new();
    unsigned datagrams = 0;
    assert_int_equal(client_tell(driver, "open batch 1 1000000 1 1"), 0);
    tell_sent(driver, "send batch 1000 64 task", "1000 0");
    assert_int_equal(client_join(client, "batch", 0), 0);
    for (unsigned seen = 0; seen < 1000; datagrams++) {
        assert_true(client_receive(client, &got, 5 * SECOND));
        seen += got.count;
        assert_int_equal(client_ack(client, "batch", got.list[got.count - 1].header.sequence), 0);
    }
    assert_true(datagrams <= 10); /* 100 octets each: 7 full ones, after 3 that grow */
    client_free(client);
}

static void test_messages_of_any_size_arrive_whole(void **state) {
    struct client *driver = *state, *client = client_new();
    static const unsigned sizes[] = {4, 5, 15000, 16384, 40000, 60000};
    assert_int_equal(client_tell(driver, "open sizes 1 1000000 0 1"), 0);
    assert_int_equal(client_join(client, "sizes", 0), 0);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(client_tell(driver, "send sizes 3 %u task", sizes[i]), 0);
        assert_string_equal(driver->reply, "3 0");
        receive_in_order(client, "sizes", i * 3, 3);
        assert_int_equal(got.list[0].header.size, sizes[i]);
    }
    client_free(client);
}

static void test_one_that_is_slow_costs_the_backlog_and_the_sender_is_told(void **state) {
    struct client *driver = *state, *client = client_new();
    assert_int_equal(client_tell(driver, "open slow 1 100000 0 1"), 0);
    assert_int_equal(client_join(client, "slow", 0), 0);
    assert_int_equal(client_tell(driver, "send slow 5000 64 task"), 0);
    unsigned taken = (unsigned)atoi(driver->reply);
    assert_true(taken > 500 && taken < 100000 / 64);
    assert_non_null(strstr(driver->reply, " -11")); /* EAGAIN */
    assert_true(info_of(driver, "slow").backlog <= 100000);
    receive_in_order(client, "slow", 0, taken);
    tell_sent(driver, "send slow 10 64 task", "10 0");
    receive_in_order(client, "slow", taken, 10);
    assert_int_equal(info_of(driver, "slow").lost, 0);
    client_free(client);
}

/* Its buffer is full long before its window is. */
static void test_a_socket_without_room_loses_nothing(void **state) {
    struct client *driver = *state, *client = client_new();
    assert_int_equal(client_tell(driver, "open small 1 1000000 0 1"), 0);
    assert_int_equal(setsockopt(client_descriptor(client), SOL_SOCKET, SO_RCVBUF, &(int){4096}, sizeof(int)), 0);
    assert_int_equal(client_join(client, "small", 64), 0);
    tell_sent(driver, "send small 5000 64 task", "5000 0");
    receive_in_order(client, "small", 0, 5000);
    assert_int_equal(info_of(driver, "small").lost, 0);
    client_free(client);
}

/* It joins, reads some without saying so, and waits to be killed. */
static int gate[2];

static void take_some_and_wait(void) {
    struct client *client = client_new();
    CHILD_CHECK(client_join(client, "kill", 0) == 0);
    CHILD_CHECK(client_receive(client, &got, 5 * SECOND));
    CHILD_CHECK(write(gate[1], "x", 1) == 1);
    pause();
}

static void test_what_a_killed_receiver_did_not_acknowledge_goes_to_the_next(void **state) {
    struct client *driver = *state, *client = client_new();
    char octet;
    assert_int_equal(client_tell(driver, "open kill 1 1000000 1 1"), 0);
    tell_sent(driver, "send kill 200 64 task", "200 0");
    assert_int_equal(pipe(gate), 0);
    pid_t pid = in_child(take_some_and_wait);
    assert_int_equal(read(gate[0], &octet, 1), 1);
    assert_int_equal(info_of(driver, "kill").receivers, 1);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_int_equal(info_of(driver, "kill").receivers, 0);
    tell_sent(driver, "send kill 10 64 task", "10 0");
    assert_int_equal(client_join(client, "kill", 0), 0);
    for (unsigned seen = 0; seen < 210;) {
        assert_true(client_receive(client, &got, 5 * SECOND));
        for (unsigned i = 0; i < got.count; i++, seen++) {
            assert_int_equal(number_at(i), seen);
            assert_int_equal(got.list[i].header.flags, seen < 200 ? KITH_MESSAGE_AGAIN : 0);
        }
        assert_int_equal(client_ack(client, "kill", got.list[got.count - 1].header.sequence), 0);
    }
    close(gate[0]);
    close(gate[1]);
    client_free(client);
}

static void take_all_killed_at_random(void) {
    struct client *client = client_new();
    if (client_join(client, "storm", 0) < 0)
        _exit(1);
    while (client_receive(client, &got, 20 * SECOND))
        for (unsigned i = 0; i < got.count; i++) {
            uint64_t record[2] = {number_at(i), got.list[i].header.sequence};
            CHILD_CHECK(write(gate[1], record, sizeof(record)) == sizeof(record));
            if (i == got.count - 1)
                CHILD_CHECK(client_ack(client, "storm", got.list[i].header.sequence) == 0);
        }
}

static void insist_on_storm(void) {
    struct client *client = client_new();
    CHILD_CHECK(client_tell(client, "insist storm 20000 64") == 0);
    CHILD_CHECK(strncmp(client->reply, "20000 ", 6) == 0);
}

/* What arrived is what was written to the pipe: a process that is killed has written whole records. */
static void test_receivers_killed_at_random_lose_nothing(void **state) {
    struct client *driver = *state;
    static uint8_t seen[20000];
    unsigned missing = 20000, kills = 0;
    uint64_t record[2];
    memset(seen, 0, sizeof(seen));
    assert_int_equal(client_tell(driver, "open storm 1 100000 1 1"), 0);
    assert_int_equal(pipe(gate), 0);
    pid_t sender = in_child(insist_on_storm), receiver = in_child(take_all_killed_at_random);
    for (unsigned reads = 1; missing > 0; reads++) {
        assert_int_equal(read(gate[0], record, sizeof(record)), sizeof(record));
        assert_true(record[0] < 20000 && record[1] == record[0] + 1);
        missing -= !seen[record[0]];
        seen[record[0]] = 1;
        if (reads % 701 == 0 && missing > 0) {
            kill(receiver, SIGKILL);
            waitpid(receiver, NULL, 0);
            receiver = in_child(take_all_killed_at_random);
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

static void test_all_get_everything_but_the_slow_one_loses_the_oldest_and_it_is_counted(void **state) {
    struct client *driver = *state, *fast = client_new(), *slow = client_new();
    assert_int_equal(client_tell(driver, "open all 2 50000 0 1"), 0);
    assert_int_equal(client_join(fast, "all", 0), 0);
    assert_int_equal(client_join(slow, "all", 1), 0);
    for (unsigned i = 0; i < 20; i++) {
        tell_sent(driver, "send all 100 64 task", "100 0");
        receive_in_order(fast, "all", i * 100, 100);
    }
    uint64_t lost = info_of(driver, "all").lost, last = 0, gap = 0;
    assert_true(lost > 0);
    assert_true(info_of(driver, "all").backlog <= 50000);
    while (last < 2000) {
        assert_true(client_receive(slow, &got, 5 * SECOND));
        for (unsigned i = 0; i < got.count; i++) {
            gap += got.list[i].header.sequence - last - 1;
            last = got.list[i].header.sequence;
        }
        assert_int_equal(client_ack(slow, "all", last), 0);
    }
    assert_int_equal(gap, lost);
    assert_int_equal(info_of(driver, "all").backlog, 0);
    client_free(fast);
    client_free(slow);
}

static void test_of_the_latest_only_the_newest_waits(void **state) {
    struct client *driver = *state, *client = client_new();
    assert_int_equal(client_tell(driver, "open latest 3 0 1 1"), 0);
    tell_sent(driver, "send latest 50 64 task", "50 0");
    assert_int_equal(client_join(client, "latest", 1), 0);
    assert_true(client_receive(client, &got, 5 * SECOND));
    assert_int_equal(got.count, 1);
    assert_int_equal(number_at(0), 49);
    tell_sent(driver, "send latest 50 64 task", "50 0");
    assert_false(client_receive(client, &got, 200));
    assert_int_equal(client_ack(client, "latest", 50), 0);
    assert_true(client_receive(client, &got, 5 * SECOND));
    assert_int_equal(got.count, 1);
    assert_int_equal(number_at(0), 99);
    client_free(client);
}

static void stopped_receiver(void) {
    struct client *client = client_new();
    CHILD_CHECK(client_join(client, "stopped", 0) == 0);
    CHILD_CHECK(write(gate[1], "x", 1) == 1);
    for (unsigned next = 0; next < 3000;) {
        CHILD_CHECK(client_receive(client, &got, 20 * SECOND));
        for (unsigned i = 0; i < got.count; i++, next++)
            CHILD_CHECK(number_at(i) == next);
        CHILD_CHECK(client_ack(client, "stopped", got.list[got.count - 1].header.sequence) == 0);
    }
}

static void test_a_stopped_receiver_gets_all_when_it_goes_on(void **state) {
    struct client *driver = *state;
    char octet;
    assert_int_equal(client_tell(driver, "open stopped 1 1000000 0 1"), 0);
    assert_int_equal(pipe(gate), 0);
    pid_t pid = in_child(stopped_receiver);
    assert_int_equal(read(gate[0], &octet, 1), 1);
    kill(pid, SIGSTOP);
    waitpid(pid, NULL, WUNTRACED);
    tell_sent(driver, "send stopped 3000 64 task", "3000 0");
    kill(pid, SIGCONT);
    child_ends_well(pid);
    close(gate[0]);
    close(gate[1]);
}

static void test_no_more_receivers_than_the_owner_allows(void **state) {
    struct client *driver = *state, *clients[65];
    assert_int_equal(client_tell(driver, "open crowd 2 0 0 1"), 0);
    for (unsigned i = 0; i < 65; i++)
        clients[i] = client_new();
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(client_join(clients[i], "crowd", 0), 0);
    assert_int_equal(client_join(clients[64], "crowd", 0), -EBUSY);
    client_free(clients[0]);
    assert_int_equal(client_join(clients[64], "crowd", 0), 0);
    for (unsigned i = 1; i < 65; i++)
        client_free(clients[i]);
    assert_int_equal(info_of(driver, "crowd").receivers, 0);
}

/* Requests ------------------------------------------------------------------------------------------------------------------- */

static void answer_one(void) {
    struct client *client = client_new();
    CHILD_CHECK(client_join(client, "ask", 0) == 0);
    CHILD_CHECK(write(gate[1], "x", 1) == 1);
    CHILD_CHECK(client_receive(client, &got, 5 * SECOND));
    CHILD_CHECK(got.count == 1 && got.list[0].header.request != 0);
    CHILD_CHECK(got.list[0].header.size == 8 && memcmp(got.list[0].data, "question", 8) == 0);
    CHILD_CHECK(client_reply(client, "ask", got.list[0].header.request + 1, "wrong", 5) == -ESRCH);
    CHILD_CHECK(client_reply(client, "ask", got.list[0].header.request, "answer", 6) == 0);
    CHILD_CHECK(client_reply(client, "ask", got.list[0].header.request, "again", 5) == -ESRCH);
}

static void test_the_owner_asks_and_gets_the_answer_or_a_timeout(void **state) {
    struct client *driver = *state, *mute = client_new();
    char octet;
    assert_int_equal(client_tell(driver, "open ask 1 0 0 1"), 0);
    assert_int_equal(client_tell(driver, "request ask 100 question"), -ENOTCONN);
    assert_int_equal(pipe(gate), 0);
    pid_t pid = in_child(answer_one);
    assert_int_equal(read(gate[0], &octet, 1), 1);
    assert_int_equal(client_tell(driver, "request ask 5000 question"), 0);
    assert_string_equal(driver->reply, "answer");
    child_ends_well(pid);
    assert_int_equal(client_join(mute, "ask", 0), 0);
    assert_int_equal(client_tell(driver, "request ask 50 question"), -ETIMEDOUT);
    client_free(mute);
    close(gate[0]);
    close(gate[1]);
}

/* Namespaces ----------------------------------------------------------------------------------------------------------------- */

static void use_another_namespace(void) {
    CHILD_CHECK(unshare(CLONE_NEWNET) == 0);
    struct client *client = client_new();
    struct channel_info info;
    CHILD_CHECK(client_info(client, "here", &info) == -ENOENT);
    CHILD_CHECK(client_info(client, "everywhere", &info) == 0);
    CHILD_CHECK(client_tell(client, "open here 2 0 0 0") == 0);
    CHILD_CHECK(client_join(client, "here", 0) == 0);
    CHILD_CHECK(client_tell(client, "send here 5 64 timer") == 0 && strcmp(client->reply, "5 0") == 0);
    CHILD_CHECK(client_receive(client, &got, 5 * SECOND) && number_at(0) == 0);
}

static void test_a_channel_belongs_to_its_network_namespace(void **state) {
    struct client *driver = *state;
    assert_int_equal(client_tell(driver, "open here 2 0 0 0"), 0);
    assert_int_equal(client_tell(driver, "open everywhere 2 0 0 1"), 0);
    for (unsigned i = 0; i < 5; i++)
        child_ends_well(in_child(use_another_namespace));
    assert_int_equal(info_of(driver, "here").sent, 0);
}

static void leave_a_namespace_behind(void) {
    CHILD_CHECK(unshare(CLONE_NEWNET) == 0);
    struct client *client = client_new();
    CHILD_CHECK(client_tell(client, "open gone 1 0 1 0") == 0);
    CHILD_CHECK(client_tell(client, "send gone 5 64 task") == 0);
}

/* The driver is not told of it, but by what its function returns. */
static void test_a_channel_whose_namespace_has_ended_takes_nothing(void **state) {
    struct client *driver = *state;
    child_ends_well(in_child(leave_a_namespace_behind));
    for (unsigned i = 0; i < 200; i++) { /* a namespace is taken down by a worker */
        assert_int_equal(client_tell(driver, "send gone 1 64 task"), 0);
        if (strcmp(driver->reply, "0 -108") == 0) /* ESHUTDOWN */
            return;
        usleep(20000);
    }
    fail_msg("the last answer was %s", driver->reply);
}

/* Many, and hostile ---------------------------------------------------------------------------------------------------------- */

static void test_a_thousand_channels_are_there_and_each_works(void **state) {
    struct client *driver = *state, *client = client_new();
    static struct channel_info infos[1100];
    char name[32];
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(client_tell(driver, "open many.%u 1 0 0 1", i), 0);
    assert_int_equal(client_list(driver, infos, 1100), 1001);
    assert_string_equal(infos[0].name, "test.control");
    assert_string_equal(infos[1000].name, "many.999");
    assert_string_equal(infos[1000].module, "kith_test");
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "many.%u", i);
        assert_int_equal(client_join(client, name, 0), 0);
        assert_int_equal(client_tell(driver, "send %s 2 64 timer", name), 0);
        receive_in_order(client, name, 0, 2);
    }
    client_free(client);
    assert_int_equal(info_of(driver, "many.0").receivers, 0);
    assert_int_equal(info_of(driver, "many.999").receivers, 0);
}

static uint64_t chance_state = 88172645463325252;

static unsigned chance(unsigned below) {
    chance_state ^= chance_state << 13;
    chance_state ^= chance_state >> 7;
    chance_state ^= chance_state << 17;
    return (unsigned)(chance_state % below);
}

/* A datagram that nearly is one of ours: attributes that are missing, twice there, nested, too long, cut off, of types that are not. */
static size_t make_hostile(const struct client *client, uint8_t *octets, size_t room) {
    struct nlmsghdr head = {.nlmsg_type = client->family, .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | (chance(4) ? NLM_F_ACK : NLM_F_DUMP))};
    struct genlmsghdr command = {.cmd = (uint8_t)chance(12), .version = 1};
    static const char *const names[] = {"test.control", "hostile", "all", "", "no.such"};
    size_t used = sizeof(head) + sizeof(command);
    for (unsigned i = chance(6); i > 0 && used + 600 < room; i--) {
        struct nlattr attribute = {.nla_type = (uint16_t)(chance(4) ? 1 + chance(20) : chance(65536))};
        size_t size = chance(5) == 0 ? chance(500) : chance(12);
        for (size_t at = 0; at < size; at++)
            octets[used + sizeof(attribute) + at] = (uint8_t)chance(256);
        if (attribute.nla_type == KITH_A_CHANNEL && chance(4) > 0) {
            const char *name = names[chance(5)];
            size = strlen(name) + 1;
            memcpy(octets + used + sizeof(attribute), name, size);
        }
        attribute.nla_len = (uint16_t)(chance(20) == 0 ? chance(65536) : sizeof(attribute) + size);
        memcpy(octets + used, &attribute, sizeof(attribute));
        used += (sizeof(attribute) + size + 3) / 4 * 4;
    }
    head.nlmsg_len = (uint32_t)(chance(30) == 0 ? chance(1000) : used);
    memcpy(octets, &head, sizeof(head));
    memcpy(octets + sizeof(head), &command, sizeof(command));
    return chance(30) == 0 ? chance((unsigned)used) : used;
}

static void be_hostile(void) {
    static uint8_t octets[8192], answer[70000];
    struct client *client = client_new();
    unsigned answers = 0;
    chance_state ^= (uint64_t)getuid() << 32;
    for (unsigned i = 0; i < 30000; i++) {
        size_t size = make_hostile(client, octets, sizeof(octets));
        (void)send(client_descriptor(client), octets, size, MSG_DONTWAIT);
        while (recv(client_descriptor(client), answer, sizeof(answer), MSG_DONTWAIT) > 0)
            answers++;
    }
    CHILD_CHECK(answers > 10000);
}

static void be_hostile_as_nobody(void) {
    CHILD_CHECK(setgroups(0, NULL) == 0 && setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
    be_hostile();
}

static void test_hostile_datagrams_change_nothing(void **state) {
    struct client *driver = *state, *client = client_new();
    assert_int_equal(client_tell(driver, "open hostile 2 0 0 1"), 0);
    assert_int_equal(client_tell(driver, "open bystander 1 1000000 1 1"), 0);
    assert_int_equal(client_join(client, "bystander", 0), 0);
    pid_t nobody = in_child(be_hostile_as_nobody), root = in_child(be_hostile);
    for (unsigned i = 0; i < 20; i++) {
        tell_sent(driver, "send bystander 100 64 timer", "100 0");
        receive_in_order(client, "bystander", i * 100, 100);
    }
    child_ends_well(nobody);
    child_ends_well(root);
    tell_sent(driver, "send bystander 100 64 timer", "100 0");
    receive_in_order(client, "bystander", 2000, 100);
    assert_int_equal(info_of(driver, "hostile").receivers, 0);
    client_free(client);
}

static void test_the_kernel_log_has_no_complaint(void **state) {
    (void)state;
    static char log[1 << 20];
    static const char *const complaints[] = {
        "WARNING:", "BUG:", "Oops", "general protection", "Call Trace", "refcount_t", "scheduling while", "INFO: task", "memory leak"};
    int size = klogctl(3, log, sizeof(log) - 1);
    assert_true(size > 0);
    for (unsigned i = 0; i < sizeof(complaints) / sizeof(complaints[0]); i++)
        if (strstr(log, complaints[i]))
            fail_msg("%.2000s", strstr(log, complaints[i]));
}

#define MODULE_TEST(name) cmocka_unit_test_setup_teardown(name, modules_setup, modules_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_modules_load_and_unload_a_hundred_times),
        cmocka_unit_test(test_kith_cannot_be_unloaded_under_a_module_that_uses_it),
        cmocka_unit_test(test_a_receiver_is_told_when_its_module_goes_and_can_come_again),
        MODULE_TEST(test_the_example_ticks_in_order_from_a_timer),
        MODULE_TEST(test_the_example_keeps_its_syn_reports_until_somebody_takes_them),
        MODULE_TEST(test_the_owner_knows_who_sent_by_the_kernels_word),
        MODULE_TEST(test_who_may_not_receive_is_refused_with_the_reason_and_counted),
        MODULE_TEST(test_a_socket_handed_to_a_privileged_program_gains_nothing),
        MODULE_TEST(test_every_refusal_has_a_text),
        MODULE_TEST(test_names_and_sizes_out_of_bounds_are_refused),
        MODULE_TEST(test_messages_may_be_sent_from_any_context),
        MODULE_TEST(test_many_messages_share_a_datagram),
        MODULE_TEST(test_messages_of_any_size_arrive_whole),
        MODULE_TEST(test_one_that_is_slow_costs_the_backlog_and_the_sender_is_told),
        MODULE_TEST(test_a_socket_without_room_loses_nothing),
        MODULE_TEST(test_what_a_killed_receiver_did_not_acknowledge_goes_to_the_next),
        MODULE_TEST(test_receivers_killed_at_random_lose_nothing),
        MODULE_TEST(test_all_get_everything_but_the_slow_one_loses_the_oldest_and_it_is_counted),
        MODULE_TEST(test_of_the_latest_only_the_newest_waits),
        MODULE_TEST(test_a_stopped_receiver_gets_all_when_it_goes_on),
        MODULE_TEST(test_no_more_receivers_than_the_owner_allows),
        MODULE_TEST(test_the_owner_asks_and_gets_the_answer_or_a_timeout),
        MODULE_TEST(test_a_channel_belongs_to_its_network_namespace),
        MODULE_TEST(test_a_channel_whose_namespace_has_ended_takes_nothing),
        MODULE_TEST(test_a_thousand_channels_are_there_and_each_works),
        MODULE_TEST(test_hostile_datagrams_change_nothing),
        cmocka_unit_test(test_the_kernel_log_has_no_complaint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

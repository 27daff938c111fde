/* What a channel's modes promise of every message: uapi/kith_netlink.h is held to its word. kith_test.ko does what a driver would. */
#include "kmod/testing.h"

#include <sys/socket.h>
#include <time.h>

/* Delivery ------------------------------------------------------------------------------------------------------------------- */

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

/* Datagrams grow while nobody takes them, but a small backlog must still have room for one. */
static void test_a_small_backlog_takes_messages_again_when_it_is_empty(void **state) {
    struct client *driver = *state, *client = client_new();
    unsigned taken, all = 0;
    int error;
    assert_int_equal(client_tell(driver, "open tight 1 4096 1 1"), 0);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(client_tell(driver, "send tight 100 64 task"), 0);
        assert_int_equal(sscanf(driver->reply, "%u %d", &taken, &error), 2);
        assert_int_equal(error, -EAGAIN);
        assert_true(taken >= 10 && taken < 100);
        assert_int_equal(client_join(client, "tight", 0), 0);
        receive_in_order(client, "tight", all, taken);
        all += taken;
        assert_int_equal(client_ack(client, "tight", all), 0);
        assert_int_equal(client_leave(client, "tight"), 0);
    }
    client_free(client);
}

static uint64_t now_ms(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static void fill_socket(struct client *client, const char *channel) {
    assert_int_equal(setsockopt(client_descriptor(client), SOL_SOCKET, SO_RCVBUF, &(int){4096}, sizeof(int)), 0);
    for (unsigned i = 0; i < 100; i++)
        client_post(client, KITH_CMD_GET, channel);
}

/* The guest's clock counts instructions: what this machine does besides has no part in it. */
static void test_one_without_room_does_not_make_the_others_wait(void **state) {
    struct client *driver = *state, *full = client_new(), *client = client_new();
    assert_int_equal(client_tell(driver, "open pair 2 1000000 0 1"), 0);
    assert_int_equal(client_join(full, "pair", 0), 0);
    assert_int_equal(client_join(client, "pair", 0), 0);
    fill_socket(full, "pair");
    uint64_t begin = now_ms();
    for (unsigned i = 0; i < 50; i++) {
        tell_sent(driver, "send pair 1 64 task", "1 0");
        receive_in_order(client, "pair", i, 1);
    }
    assert_true(now_ms() - begin < 100);
    client_free(full);
    client_free(client);
}

static void test_who_cannot_be_told_that_it_joined_has_not(void **state) {
    struct client *driver = *state, *full = client_new();
    assert_int_equal(client_tell(driver, "open deaf 1 0 0 1"), 0);
    fill_socket(full, "deaf");
    client_post(full, KITH_CMD_JOIN, "deaf");
    assert_int_equal(info_of(driver, "deaf").receivers, 0);
    client_free(full);
}

/* It joins, reads some without saying so, and waits to be killed. */
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

static void test_receivers_killed_at_random_lose_nothing(void **state) {
    kill_at_random(*state, take_all_killed_at_random);
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

int main(void) {
    const struct CMUnitTest tests[] = {
        MODULE_TEST(test_messages_may_be_sent_from_any_context),
        MODULE_TEST(test_many_messages_share_a_datagram),
        MODULE_TEST(test_messages_of_any_size_arrive_whole),
        MODULE_TEST(test_one_that_is_slow_costs_the_backlog_and_the_sender_is_told),
        MODULE_TEST(test_a_socket_without_room_loses_nothing),
        MODULE_TEST(test_a_small_backlog_takes_messages_again_when_it_is_empty),
        MODULE_TEST(test_one_without_room_does_not_make_the_others_wait),
        MODULE_TEST(test_who_cannot_be_told_that_it_joined_has_not),
        MODULE_TEST(test_what_a_killed_receiver_did_not_acknowledge_goes_to_the_next),
        MODULE_TEST(test_receivers_killed_at_random_lose_nothing),
        MODULE_TEST(test_all_get_everything_but_the_slow_one_loses_the_oldest_and_it_is_counted),
        MODULE_TEST(test_of_the_latest_only_the_newest_waits),
        MODULE_TEST(test_a_stopped_receiver_gets_all_when_it_goes_on),
        MODULE_TEST(test_no_more_receivers_than_the_owner_allows),
        MODULE_TEST(test_the_owner_asks_and_gets_the_answer_or_a_timeout),
        cmocka_unit_test(test_the_kernel_log_has_no_complaint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

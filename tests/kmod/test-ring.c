/* kith.ko's rings: delivery through them is what it is by datagrams, whatever ends the receiver. */
#include "kmod/rings.h"

#include <sched.h>
#include <sys/epoll.h>

/* Delivery ------------------------------------------------------------------------------------------------------------------- */

static void test_messages_come_in_order_from_any_context(void **state) {
    struct client *driver = *state, *client = client_new();
    static const char *const contexts[] = {"task", "timer", "irq", "thread"};
    assert_int_equal(client_tell(driver, "open any 1 1000000 0 1"), 0);
    struct kith_ring *ring = ring_join(client, "any", RING);
    for (unsigned i = 0; i < 4; i++) {
        char command[64];
        snprintf(command, sizeof(command), "send any 500 64 %s", contexts[i]);
        tell_sent(driver, command, "500 0");
        take_in_order(ring, i * 500, 500, 0);
    }
    struct channel_info info = info_of(driver, "any");
    assert_int_equal(info.sent, 2000);
    assert_int_equal(info.backlog, 0);
    assert_int_equal(info.lost, 0);
    assert_true(is_empty(ring));
    kith_ring_free(ring);
    client_free(client);
}

static void test_messages_of_any_size_arrive_whole_by_the_ring(void **state) {
    struct client *driver = *state, *client = client_new();
    static const unsigned sizes[] = {4, 5, 15000, 16384, 16385, 40000, 60000};
    struct kith_message_header header;
    assert_int_equal(client_tell(driver, "open sizes 1 1000000 0 1"), 0);
    struct kith_ring *ring = ring_join(client, "sizes", 1);
    for (unsigned i = 0; i < 7; i++) {
        assert_int_equal(client_tell(driver, "send sizes 3 %u task", sizes[i]), 0);
        assert_string_equal(driver->reply, "3 0");
        for (unsigned k = 0; k < 3; k++) {
            assert_int_equal(take(ring, &header), i * 3 + k);
            assert_int_equal(header.size, sizes[i]);
            kith_ring_release(ring, released);
        }
    }
    kith_ring_free(ring);
    client_free(client);
}

static void send_one_to_wake(void) {
    struct client *sender = client_new();
    CHILD_CHECK(client_tell(sender, "send wake 1 64 timer") == 0);
}

static void test_poll_wakes_a_reader_that_sleeps_and_tells_nothing_twice(void **state) {
    struct client *driver = *state, *client = client_new();
    struct kith_message_header header;
    assert_int_equal(client_tell(driver, "open wake 1 1000000 0 1"), 0);
    struct kith_ring *ring = ring_join(client, "wake", RING);
    assert_false(ring_ready(ring, 0));
    for (unsigned i = 0; i < 20; i++) {
        pid_t pid = in_child(send_one_to_wake);
        assert_true(ring_ready(ring, 5 * SECOND));
        assert_int_equal(take(ring, &header), i);
        assert_true(is_empty(ring));
        assert_false(ring_ready(ring, 0)); /* though it is not released */
        child_ends_well(pid);
    }
    kith_ring_release(ring, released);
    assert_int_equal(info_of(driver, "wake").backlog, 0);
    kith_ring_free(ring);
    client_free(client);
}

/* The ring, then the backlog, and then the sender is told; all of it arrives. */
static void test_a_full_ring_is_followed_by_the_backlog(void **state) {
    struct client *driver = *state, *client = client_new();
    assert_int_equal(client_tell(driver, "open full 1 100000 0 1"), 0);
    struct kith_ring *ring = ring_join(client, "full", RING);
    assert_int_equal(client_tell(driver, "send full 5000 64 task"), 0);
    unsigned taken = (unsigned)atoi(driver->reply);
    assert_true(taken > RING / 104 + 500 && taken < RING / 104 + 100000 / 64);
    assert_non_null(strstr(driver->reply, " -11")); /* EAGAIN */
    assert_true(info_of(driver, "full").backlog > RING - 104);
    take_in_order(ring, 0, taken, 0);
    tell_sent(driver, "send full 10 64 task", "10 0");
    take_in_order(ring, taken, 10, 0);
    assert_int_equal(info_of(driver, "full").lost, 0);
    assert_int_equal(info_of(driver, "full").backlog, 0);
    kith_ring_free(ring);
    client_free(client);
}

/* All that is there; how many. */
static unsigned take_all(struct kith_ring *ring) {
    const uint8_t *data;
    size_t size;
    unsigned count = 0;
    while (kith_ring_next(ring, &data, &size, &released) == 1)
        count++;
    return count;
}

/* A loop that is told of wakings only, and does not poll by itself (EPOLLET): the release lets the kernel go on. */
static void test_a_release_lets_go_on_what_waits_behind_a_full_ring(void **state) {
    struct client *driver = *state, *client = client_new();
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    int loop = epoll_create1(EPOLL_CLOEXEC);
    unsigned rounds = 0;
    assert_int_equal(client_tell(driver, "open lag 1 1000000 1 1"), 0);
    tell_sent(driver, "send lag 3000 64 task", "3000 0");
    struct kith_ring *ring = ring_join(client, "lag", RING);
    assert_int_equal(epoll_ctl(loop, EPOLL_CTL_ADD, kith_ring_descriptor(ring), &event), 0);
    for (unsigned seen = 0; seen < 3000; rounds++) {
        assert_int_equal(epoll_wait(loop, &event, 1, 5 * SECOND), 1);
        seen += take_all(ring);
        kith_ring_release(ring, released);
    }
    assert_true(rounds >= 5);
    close(loop);
    kith_ring_free(ring);
    client_free(client);
}

static void test_what_was_kept_comes_before_what_is_new(void **state) {
    struct client *driver = *state, *client = client_new();
    assert_int_equal(client_tell(driver, "open kept 1 1000000 1 1"), 0);
    tell_sent(driver, "send kept 3000 64 task", "3000 0"); /* 4 rings full */
    struct kith_ring *ring = ring_join(client, "kept", RING);
    tell_sent(driver, "send kept 1000 64 timer", "1000 0");
    take_in_order(ring, 0, 4000, 0);
    kith_ring_free(ring);
    client_free(client);
}

static void test_all_receivers_with_rings_and_without_get_everything(void **state) {
    struct client *driver = *state, *clients[3] = {client_new(), client_new(), client_new()};
    assert_int_equal(client_tell(driver, "open both 2 1000000 0 1"), 0);
    struct kith_ring *rings[2] = {ring_join(clients[0], "both", RING), ring_join(clients[1], "both", 2 * RING)};
    for (unsigned i = 0; i < 4; i++) {
        if (i == 2) /* from here on one gets datagrams */
            assert_int_equal(client_join(clients[2], "both", 0), 0);
        tell_sent(driver, "send both 300 64 timer", "300 0");
        take_in_order(rings[0], i * 300, 300, 0);
        take_in_order(rings[1], i * 300, 300, 0);
        if (i >= 2)
            receive_in_order(clients[2], "both", i * 300, 300);
    }
    assert_int_equal(client_leave(clients[2], "both"), 0);
    tell_sent(driver, "send both 300 64 timer", "300 0");
    take_in_order(rings[0], 1200, 300, 0);
    take_in_order(rings[1], 1200, 300, 0);
    assert_int_equal(info_of(driver, "both").lost, 0);
    assert_int_equal(info_of(driver, "both").backlog, 0);
    for (unsigned i = 0; i < 2; i++)
        kith_ring_free(rings[i]);
    for (unsigned i = 0; i < 3; i++)
        client_free(clients[i]);
}

/* What it has lost is the gap that it sees, and the other has lost nothing. */
static void test_a_slow_ring_of_all_loses_the_oldest_and_it_is_counted(void **state) {
    struct client *driver = *state, *fast = client_new(), *slow = client_new();
    struct kith_message_header header = {.sequence = 0};
    assert_int_equal(client_tell(driver, "open all 2 50000 0 1"), 0);
    struct kith_ring *quick = ring_join(fast, "all", RING), *lazy = ring_join(slow, "all", RING);
    for (unsigned i = 0; i < 40; i++) {
        tell_sent(driver, "send all 100 64 task", "100 0");
        take_in_order(quick, i * 100, 100, 0);
    }
    uint64_t lost = info_of(driver, "all").lost, last = 0, gap = 0;
    assert_true(lost > 1000);
    while (last < 4000) {
        take(lazy, &header);
        gap += header.sequence - last - 1;
        last = header.sequence;
        kith_ring_release(lazy, released);
    }
    assert_int_equal(gap, lost);
    assert_int_equal(info_of(driver, "all").lost, lost);
    assert_int_equal(info_of(driver, "all").backlog, 0);
    kith_ring_free(quick);
    kith_ring_free(lazy);
    client_free(fast);
    client_free(slow);
}

static void test_of_the_latest_a_ring_holds_one_and_the_newest_waits(void **state) {
    struct client *driver = *state, *client = client_new();
    struct kith_message_header header;
    for (unsigned keep = 0; keep < 2; keep++) {
        assert_int_equal(client_tell(driver, "open latest.%u 3 0 %u 1", keep, keep), 0);
        char name[16];
        snprintf(name, sizeof(name), "latest.%u", keep);
        struct kith_ring *ring = ring_join(client, name, RING);
        assert_int_equal(client_tell(driver, "send %s 1 64 task", name), 0);
        assert_int_equal(take(ring, &header), 0);
        assert_int_equal(client_tell(driver, "send %s 50 64 task", name), 0);
        assert_true(is_empty(ring));
        assert_false(ring_ready(ring, 50));
        kith_ring_release(ring, released);
        assert_int_equal(take(ring, &header), 50);
        assert_int_equal(header.sequence, 51);
        assert_true(is_empty(ring));
        assert_int_equal(info_of(driver, name).lost, 49);
        kith_ring_free(ring);
    }
    client_free(client);
}

/* Receivers that end -------------------------------------------------------------------------------------------------------- */

/* Releases 50 of 70 that it reads. */
static void take_some_and_wait(void) {
    struct client *client = client_new();
    struct kith_ring *ring = ring_join(client, "kill", RING);
    struct kith_message_header header;
    for (unsigned i = 0; i < 70; i++) {
        CHILD_CHECK(take(ring, &header) == i);
        if (i == 49)
            kith_ring_release(ring, released);
    }
    CHILD_CHECK(write(gate[1], "x", 1) == 1);
    pause();
}

static void kill_one_that_has_taken_some(struct client *driver) {
    char octet;
    assert_int_equal(pipe(gate), 0);
    pid_t pid = in_child(take_some_and_wait);
    assert_int_equal(read(gate[0], &octet, 1), 1);
    assert_int_equal(info_of(driver, "kill").receivers, 1);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_int_equal(info_of(driver, "kill").receivers, 0);
    close(gate[0]);
    close(gate[1]);
}

static void test_what_a_killed_reader_has_not_released_goes_to_the_next_ring(void **state) {
    struct client *driver = *state, *client = client_new();
    assert_int_equal(client_tell(driver, "open kill 1 1000000 1 1"), 0);
    tell_sent(driver, "send kill 2000 64 task", "2000 0"); /* the last of them are not in its ring */
    kill_one_that_has_taken_some(driver);
    tell_sent(driver, "send kill 10 64 task", "10 0");
    struct kith_ring *ring = ring_join(client, "kill", 4 * RING);
    unsigned again = RING / 104;
    take_in_order(ring, 50, again - 50, KITH_MESSAGE_AGAIN);
    struct kith_message_header header;
    for (unsigned i = again; i < 2010; i++) { /* a few more may have been in the ring by then: 50 were released */
        assert_int_equal(take(ring, &header), i);
        assert_int_equal(header.flags, i < again + 50 ? header.flags & KITH_MESSAGE_AGAIN : 0);
        kith_ring_release(ring, released);
    }
    assert_int_equal(info_of(driver, "kill").backlog, 0);
    kith_ring_free(ring);
    client_free(client);
}

static void test_what_a_killed_reader_has_not_released_goes_to_the_next_datagram(void **state) {
    struct client *driver = *state, *client = client_new();
    assert_int_equal(client_tell(driver, "open kill 1 1000000 1 1"), 0);
    tell_sent(driver, "send kill 300 64 task", "300 0");
    kill_one_that_has_taken_some(driver);
    assert_true(info_of(driver, "kill").backlog >= 250 * 104);
    tell_sent(driver, "send kill 10 64 task", "10 0");
    assert_int_equal(client_join(client, "kill", 0), 0);
    for (unsigned next = 50; next < 310;) {
        assert_true(client_receive(client, &got, 5 * SECOND));
        for (unsigned i = 0; i < got.count; i++, next++) {
            assert_int_equal(number_at(i), next);
            assert_int_equal(got.list[i].header.flags, next < 300 ? KITH_MESSAGE_AGAIN : 0);
        }
        client_done(client, "kill", got.list[got.count - 1].header.sequence);
    }
    client_free(client);
}

static void test_what_never_waited_in_the_backlog_is_sent_again_too(void **state) {
    struct client *driver = *state, *client = client_new();
    struct kith_message_header header;
    assert_int_equal(client_tell(driver, "open again 1 1000000 0 1"), 0);
    struct kith_ring *ring = ring_join(client, "again", RING);
    tell_sent(driver, "send again 5 64 task", "5 0");
    assert_int_equal(take(ring, &header), 0);
    kith_ring_release(ring, released);
    kith_ring_free(ring);
    ring = ring_join(client, "again", RING);
    take_in_order(ring, 1, 4, KITH_MESSAGE_AGAIN);
    tell_sent(driver, "send again 1 64 task", "1 0");
    take_in_order(ring, 5, 1, 0);
    kith_ring_free(ring);
    client_free(client);
}

static void take_all_killed_at_random(void) {
    struct client *client = client_new();
    struct kith_message_header header;
    struct kith_ring *ring = ring_join(client, "storm", RING);
    for (;;) {
        uint64_t record[2] = {take(ring, &header), header.sequence};
        CHILD_CHECK(write(gate[1], record, sizeof(record)) == sizeof(record));
        kith_ring_release(ring, released);
    }
}

static void test_readers_killed_at_random_lose_nothing(void **state) {
    kill_at_random(*state, take_all_killed_at_random);
}

static bool hung_up(const struct kith_ring *ring) {
    struct pollfd ready = {.fd = kith_ring_descriptor(ring), .events = POLLIN};
    return poll(&ready, 1, 0) == 1 && (ready.revents & POLLHUP);
}

/* Whatever ends the receiver, what is mapped stays readable, also what was not read yet. */
static void test_a_ring_outlives_its_receiver_and_its_channel(void **state) {
    struct client *driver = *state, *client = client_new();
    static const char *const names[] = {"end.leave", "end.close", "end.socket"};
    struct kith_ring *rings[3];
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(client_tell(driver, "open %s 2 0 0 1", names[i]), 0);
        rings[i] = ring_join(client, names[i], RING);
        assert_int_equal(client_tell(driver, "send %s 5 64 irq", names[i]), 0);
        assert_false(hung_up(rings[i]));
    }
    assert_int_equal(client_leave(client, names[0]), 0);
    assert_int_equal(client_tell(driver, "close %s", names[1]), 0);
    assert_true(client_receive(client, &got, 5 * SECOND));
    assert_int_equal(got.command, KITH_CMD_CLOSED);
    client_free(client);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(hung_up(rings[i]));
        take_in_order(rings[i], 0, 5, 0);
        assert_true(is_empty(rings[i]));
        kith_ring_free(rings[i]);
    }
    assert_int_equal(info_of(driver, names[0]).receivers, 0);
    assert_int_equal(info_of(driver, names[2]).receivers, 0);
}

static void test_a_receiver_leaves_when_its_descriptor_is_closed(void **state) {
    struct client *driver = *state, *client = client_new();
    assert_int_equal(client_tell(driver, "open fd 1 0 0 1"), 0);
    for (unsigned i = 0; i < 5; i++) {
        struct kith_ring *ring = ring_join(client, "fd", RING);
        tell_sent(driver, "send fd 1 64 task", "1 0");
        assert_int_equal(info_of(driver, "fd").receivers, 1);
        kith_ring_free(ring);
        assert_int_equal(info_of(driver, "fd").receivers, 0);
    }
    client_free(client);
}

static void test_kith_stays_while_a_ring_is_open_and_its_owner_may_go(void **state) {
    (void)state;
    load("kith");
    load("kith_test");
    struct client *driver = client_new();
    assert_int_equal(client_tell(driver, "open stay 1 0 0 1"), 0);
    struct kith_ring *ring = ring_join(driver, "stay", RING);
    tell_sent(driver, "send stay 3 64 task", "3 0");
    unload("kith_test");
    assert_int_equal(syscall(SYS_delete_module, "kith", O_NONBLOCK), -1);
    assert_int_equal(errno, EWOULDBLOCK);
    take_in_order(ring, 0, 3, 0);
    kith_ring_free(ring);
    client_free(driver);
    unload("kith");
}

static void use_a_ring_in_another_namespace(void) {
    CHILD_CHECK(unshare(CLONE_NEWNET) == 0);
    struct client *client = client_new();
    CHILD_CHECK(client_tell(client, "open gone 1 0 1 0") == 0);
    struct kith_ring *ring = ring_join(client, "gone", RING);
    CHILD_CHECK(client_tell(client, "send gone 5 64 irq") == 0);
    client_free(client); /* with it goes the namespace, from under the ring */
    struct pollfd ready = {.fd = kith_ring_descriptor(ring), .events = POLLIN};
    CHILD_CHECK(poll(&ready, 1, 5 * SECOND) == 1 && (ready.revents & POLLHUP));
    take_in_order(ring, 0, 5, 0);
}

static void test_a_ring_outlives_its_namespace(void **state) {
    (void)state;
    for (unsigned i = 0; i < 5; i++)
        child_ends_well(in_child(use_a_ring_in_another_namespace));
}

static void test_a_hundred_rings(void **state) {
    struct client *driver = *state, *client = client_new();
    struct kith_ring *rings[100];
    char name[32];
    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "many.%u", i);
        assert_int_equal(client_tell(driver, "open %s 1 0 0 1", name), 0);
        rings[i] = ring_join(client, name, RING);
        assert_int_equal(client_tell(driver, "send %s 3 64 timer", name), 0);
    }
    for (unsigned i = 0; i < 100; i++)
        take_in_order(rings[i], 0, 3, 0);
    for (unsigned i = 0; i < 100; i++)
        kith_ring_free(rings[i]);
    client_free(client);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        MODULE_TEST(test_messages_come_in_order_from_any_context),
        MODULE_TEST(test_messages_of_any_size_arrive_whole_by_the_ring),
        MODULE_TEST(test_poll_wakes_a_reader_that_sleeps_and_tells_nothing_twice),
        MODULE_TEST(test_a_full_ring_is_followed_by_the_backlog),
        MODULE_TEST(test_a_release_lets_go_on_what_waits_behind_a_full_ring),
        MODULE_TEST(test_what_was_kept_comes_before_what_is_new),
        MODULE_TEST(test_all_receivers_with_rings_and_without_get_everything),
        MODULE_TEST(test_a_slow_ring_of_all_loses_the_oldest_and_it_is_counted),
        MODULE_TEST(test_of_the_latest_a_ring_holds_one_and_the_newest_waits),
        MODULE_TEST(test_what_a_killed_reader_has_not_released_goes_to_the_next_ring),
        MODULE_TEST(test_what_a_killed_reader_has_not_released_goes_to_the_next_datagram),
        MODULE_TEST(test_what_never_waited_in_the_backlog_is_sent_again_too),
        MODULE_TEST(test_readers_killed_at_random_lose_nothing),
        MODULE_TEST(test_a_ring_outlives_its_receiver_and_its_channel),
        MODULE_TEST(test_a_receiver_leaves_when_its_descriptor_is_closed),
        cmocka_unit_test(test_kith_stays_while_a_ring_is_open_and_its_owner_may_go),
        MODULE_TEST(test_a_ring_outlives_its_namespace),
        MODULE_TEST(test_a_hundred_rings),
        cmocka_unit_test(test_the_kernel_log_has_no_complaint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

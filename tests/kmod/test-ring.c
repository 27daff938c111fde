/* kith.ko's rings, from user space: delivery through them is what it is by datagrams, and nothing that a process writes into one hurts. */
#include "kmod/testing.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "ring/ring.h"

#define RING 65536u

static uint64_t released; /* by the last call of take() */

static struct kith_ring *ring_join(struct client *client, const char *channel, uint32_t octets) {
    struct channel_info info = {.fd = -1};
    struct kith_ring *ring = NULL;
    int error = client_join_ring(client, channel, octets, &info);
    if (error < 0)
        fail_msg("%s: %s", channel, client->text);
    assert_true(info.ring >= octets && info.fd >= 0);
    assert_int_equal(fcntl(info.fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(kith_ring_open(info.fd, info.ring, &ring), 0);
    return ring;
}

static bool ring_ready(const struct kith_ring *ring, int timeout_ms) {
    struct pollfd ready = {.fd = kith_ring_descriptor(ring), .events = POLLIN};
    return poll(&ready, 1, timeout_ms) == 1 && ready.revents == POLLIN;
}

/* The next message within 5 seconds: its number, header and where it ends. */
static uint32_t take(struct kith_ring *ring, struct kith_message_header *ret_header) {
    const uint8_t *data = NULL;
    size_t size = 0;
    uint32_t number;
    int r;
    while ((r = kith_ring_next(ring, &data, &size, &released)) == 0)
        assert_true(ring_ready(ring, 5 * SECOND));
    assert_int_equal(r, 1);
    memcpy(ret_header, data, sizeof(*ret_header));
    assert_int_equal(size, sizeof(*ret_header) + ret_header->size);
    memcpy(&number, data + sizeof(*ret_header), sizeof(number));
    return number;
}

static bool is_empty(struct kith_ring *ring) {
    const uint8_t *data;
    size_t size;
    uint64_t position;
    int r = kith_ring_next(ring, &data, &size, &position);
    assert_true(r >= 0);
    return r == 0;
}

/* Takes and releases; numbers and sequences follow each other. */
static void take_in_order(struct kith_ring *ring, uint32_t first, unsigned count, uint32_t flags) {
    struct kith_message_header header;
    uint64_t sequence = 0;
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(take(ring, &header), first + i);
        assert_int_equal(header.flags, flags);
        assert_true(sequence == 0 || header.sequence == sequence + 1);
        sequence = header.sequence;
        kith_ring_release(ring, released);
    }
}

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

static int gate[2];

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

static void insist_on_storm(void) {
    struct client *client = client_new();
    CHILD_CHECK(client_tell(client, "insist storm 20000 64") == 0);
    CHILD_CHECK(strncmp(client->reply, "20000 ", 6) == 0);
}

static void test_readers_killed_at_random_lose_nothing(void **state) {
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

/* Refusals ------------------------------------------------------------------------------------------------------------------- */

static size_t descriptors(void) {
    size_t count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void ask_for_too_much(void) {
    struct rlimit limit = {.rlim_cur = 8 * RING, .rlim_max = 8 * RING};
    struct channel_info info;
    CHILD_CHECK(setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
    CHILD_CHECK(setgroups(0, NULL) == 0 && setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
    struct client *client = client_new();
    size_t before = descriptors();
    CHILD_CHECK(client_join_ring(client, "limit", 8 * RING, &info) == -ENOBUFS);
    CHILD_CHECK(strstr(client->text, "RLIMIT_MEMLOCK") != NULL);
    CHILD_CHECK(descriptors() == before);
    CHILD_CHECK(client_join(client, "limit", 0) == 0);
    for (unsigned i = 0; i < 20; i++) { /* what was locked is given back */
        CHILD_CHECK(client_leave(client, "limit") == 0);
        struct kith_ring *ring = ring_join(client, "limit", 4 * RING);
        kith_ring_free(ring);
        CHILD_CHECK(client_join(client, "limit", 0) == 0);
    }
}

static void have_no_descriptor(void) {
    struct client *client = client_new();
    struct channel_info info;
    struct rlimit limit = {.rlim_cur = descriptors(), .rlim_max = descriptors()};
    CHILD_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHILD_CHECK(client_join_ring(client, "limit", RING, &info) == -EMFILE);
    CHILD_CHECK(strstr(client->text, "no descriptor") != NULL);
    CHILD_CHECK(client_join(client, "limit", 0) == 0);
}

static void test_a_ring_that_may_not_be_is_refused_and_datagrams_are_not(void **state) {
    struct client *driver = *state, *client = client_new();
    struct channel_info info;
    assert_int_equal(client_tell(driver, "open limit 2 0 0 1"), 0);
    assert_int_equal(client_join_ring(client, "limit", KITH_RING_MOST + 1, &info), -ERANGE);
    assert_int_equal(client_join_ring(client, "limit", 0, &info), -ERANGE);
    child_ends_well(in_child(ask_for_too_much));
    child_ends_well(in_child(have_no_descriptor));
    struct kith_ring *ring = ring_join(client, "limit", RING + 1);
    assert_int_equal(client_join_ring(client, "limit", RING, &info), -EALREADY);
    assert_int_equal(info_of(driver, "limit").receivers, 1);
    kith_ring_free(ring);
    client_free(client);
}

/* Its socket has no room for the answer, which names the descriptor. */
static void test_a_ring_whose_answer_cannot_be_sent_never_was(void **state) {
    struct client *driver = *state, *client = client_new();
    char octets[70000];
    assert_int_equal(client_tell(driver, "open flood 2 0 0 1"), 0);
    assert_int_equal(client_tell(driver, "open deaf 1 0 0 1"), 0);
    assert_int_equal(setsockopt(client_descriptor(client), SOL_SOCKET, SO_RCVBUF, &(int){1}, sizeof(int)), 0);
    assert_int_equal(client_join(client, "flood", 64), 0);
    tell_sent(driver, "send flood 64 4000 task", "64 0");
    struct pollfd ready = {.fd = client_descriptor(client), .events = POLLIN};
    assert_int_equal(poll(&ready, 1, 5 * SECOND), 1);
    size_t before = descriptors();
    client_ask_for_ring(client, "deaf", RING);
    assert_int_equal(descriptors(), before);
    assert_int_equal(info_of(driver, "deaf").receivers, 0);
    while (recv(client_descriptor(client), octets, sizeof(octets), MSG_DONTWAIT) > 0 || errno == ENOBUFS)
        ;
    client_free(client);
}

static void test_pages_that_are_the_kernels_cannot_be_written(void **state) {
    struct client *driver = *state, *client = client_new();
    size_t page = (size_t)sysconf(_SC_PAGESIZE), all = page + 2 * RING;
    struct channel_info info;
    assert_int_equal(client_tell(driver, "open pages 1 0 0 1"), 0);
    assert_int_equal(client_join_ring(client, "pages", RING, &info), 0);
    int fd = info.fd, both = PROT_READ | PROT_WRITE;
    assert_ptr_equal(mmap(NULL, all, both, MAP_SHARED, fd, (off_t)page), MAP_FAILED);
    assert_int_equal(errno, EPERM);
    assert_ptr_equal(mmap(NULL, page, both, MAP_SHARED, fd, (off_t)page), MAP_FAILED);
    assert_ptr_equal(mmap(NULL, 2 * page, both, MAP_SHARED, fd, 0), MAP_FAILED);
    assert_ptr_equal(mmap(NULL, page, both, MAP_PRIVATE, fd, 0), MAP_FAILED);
    assert_ptr_equal(mmap(NULL, all + page, PROT_READ, MAP_SHARED, fd, (off_t)page), MAP_FAILED);
    uint8_t *mapped = mmap(NULL, all, PROT_READ, MAP_SHARED, fd, (off_t)page);
    assert_true(mapped != MAP_FAILED);
    assert_int_equal(mprotect(mapped, all, both), -1);
    assert_int_equal(errno, EACCES);
    assert_int_equal(mprotect(mapped, all, PROT_READ | PROT_EXEC), 0); /* as any file; it is no more than readable */
    uint8_t *own = mmap(NULL, page, both, MAP_SHARED, fd, 0);
    assert_true(own != MAP_FAILED);
    assert_ptr_equal(mremap(own, page, 2 * page, MREMAP_MAYMOVE), MAP_FAILED);
    munmap(mapped, all);
    munmap(own, page);
    close(fd);
    client_free(client);
}

/* Hostile -------------------------------------------------------------------------------------------------------------------- */

struct hostile {
    uint64_t *words;
    const volatile uint64_t *head;
    bool stop;
};

/* Writes the reader's page all over, again and again: anything, and what a kernel might take. */
static void *write_anything(void *userdata) {
    struct hostile *hostile = userdata;
    uint64_t state = 88172645463325252;
    for (unsigned i = 0; !__atomic_load_n(&hostile->stop, __ATOMIC_RELAXED); i++) {
        const uint64_t head = *hostile->head;
        const uint64_t values[] = {0, 1, head, head + 8, head - 1, head - 8, head - RING, head + RING, UINT64_MAX, UINT64_MAX / 2, state};
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        hostile->words[i % 8 == 7 ? state % 512 : i % 2] = values[state % (sizeof(values) / sizeof(values[0]))];
    }
    return NULL;
}

static void be_hostile(void) {
    static const char *const contexts[] = {"task", "timer", "irq", "thread"};
    struct client *client = client_new();
    struct channel_info info;
    struct hostile hostile = {.stop = false};
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    pthread_t thread;
    for (unsigned mode = 1; mode <= 3; mode++) {
        CHILD_CHECK(client_tell(client, "open hostile.%u %u 20000 %u 1", mode, mode, mode % 2) == 0);
        char name[16];
        snprintf(name, sizeof(name), "hostile.%u", mode);
        CHILD_CHECK(client_join_ring(client, name, RING, &info) == 0);
        hostile.words = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, info.fd, 0);
        hostile.head = mmap(NULL, page, PROT_READ, MAP_SHARED, info.fd, (off_t)page);
        CHILD_CHECK((void *)hostile.words != MAP_FAILED && (const volatile void *)hostile.head != MAP_FAILED);
        hostile.stop = false;
        CHILD_CHECK(pthread_create(&thread, NULL, write_anything, &hostile) == 0);
        for (unsigned i = 0; i < 400; i++) {
            struct pollfd ready = {.fd = info.fd, .events = POLLIN};
            CHILD_CHECK(client_tell(client, "send %s 50 %u %s", name, 64 + i % 8 * 100, contexts[i % 3]) == 0);
            CHILD_CHECK(poll(&ready, 1, 0) >= 0);
        }
        CHILD_CHECK(client_info(client, name, &info) == 0);
        __atomic_store_n(&hostile.stop, true, __ATOMIC_RELAXED);
        CHILD_CHECK(pthread_join(thread, NULL) == 0);
        if (mode == 2)
            CHILD_CHECK(client_leave(client, name) == 0);
    }
}

static void test_a_reader_that_writes_anything_hurts_nobody_else(void **state) {
    struct client *driver = *state, *client = client_new();
    assert_int_equal(client_tell(driver, "open bystander 1 1000000 1 1"), 0);
    struct kith_ring *ring = ring_join(client, "bystander", RING);
    pid_t pid = in_child(be_hostile);
    for (unsigned i = 0; i < 20; i++) {
        tell_sent(driver, "send bystander 100 64 timer", "100 0");
        take_in_order(ring, i * 100, 100, 0);
    }
    child_ends_well(pid);
    for (unsigned mode = 1; mode <= 3; mode++) { /* the next one gets messages that are whole */
        char name[16];
        struct kith_message_header header;
        snprintf(name, sizeof(name), "hostile.%u", mode);
        assert_int_equal(info_of(driver, name).receivers, 0);
        struct kith_ring *next = ring_join(client, name, RING);
        assert_int_equal(client_tell(driver, "send %s 1 64 task", name), 0);
        take(next, &header);
        assert_true(header.size >= 64 && header.size < 1000);
        kith_ring_free(next);
    }
    kith_ring_free(ring);
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
        MODULE_TEST(test_readers_killed_at_random_lose_nothing),
        MODULE_TEST(test_a_ring_outlives_its_receiver_and_its_channel),
        MODULE_TEST(test_a_receiver_leaves_when_its_descriptor_is_closed),
        cmocka_unit_test(test_kith_stays_while_a_ring_is_open_and_its_owner_may_go),
        MODULE_TEST(test_a_ring_outlives_its_namespace),
        MODULE_TEST(test_a_hundred_rings),
        MODULE_TEST(test_a_ring_that_may_not_be_is_refused_and_datagrams_are_not),
        MODULE_TEST(test_a_ring_whose_answer_cannot_be_sent_never_was),
        MODULE_TEST(test_pages_that_are_the_kernels_cannot_be_written),
        MODULE_TEST(test_a_reader_that_writes_anything_hurts_nobody_else),
        cmocka_unit_test(test_the_kernel_log_has_no_complaint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

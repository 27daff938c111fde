/* loop/conformance-host.c: a loop inside another one, which only watches kith_loop_fd() with epoll. */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/time.h"
#include "loop/conformance.h"

struct host {
    kith_loop *loop;
    int epoll;
};

static struct host host_begin(kith_loop *loop) {
    struct host host = {.loop = loop, .epoll = epoll_create1(EPOLL_CLOEXEC)};
    struct epoll_event event = {.events = EPOLLIN};

    int fd = kith_loop_fd(loop);
    assert_true(fd >= 0);
    assert_int_equal(kith_loop_fd(loop), fd);
    assert_int_equal(epoll_ctl(host.epoll, EPOLL_CTL_ADD, fd, &event), 0);
    return host;
}

static bool readable_within(const struct host *host, int timeout_ms) {
    struct epoll_event event;
    int n;

    /* A loop that this thread freed before interrupts it once, when the kernel takes the ring apart (io_ring_exit_work()). */
    do {
        n = epoll_wait(host->epoll, &event, 1, timeout_ms);
    } while (n < 0 && errno == EINTR);
    return n == 1;
}

/* Nothing is left to do after a wake-up. The descriptor may still be readable for a step or two in which nothing happens: for work that was
 * taken back, and because the kernel puts a signal off (loop/uring-host.h). */
static void assert_silent(const struct host *host, int time_ms) {
    for (int steps = 0; readable_within(host, time_ms); steps++) {
        assert_true(steps < 2);
        assert_int_equal(kith_loop_step(host->loop, 0), 0);
    }
}

/* As a host does: waits for the descriptor, steps. Level-triggered: asking twice changes nothing. */
static int host_once(const struct host *host) {
    assert_true(readable_within(host, -1));
    assert_true(readable_within(host, 0));
    return kith_loop_step(host->loop, 0);
}

static void host_end(struct host *host) {
    host->epoll = kith_close(host->epoll);
}

static void read_octet(kith_io *io, int fd, unsigned events, void *userdata) {
    char octet;

    assert_int_equal(read(fd, &octet, 1), 1);
    ++*(unsigned *)userdata;
}

static void test_ready_descriptor_makes_it_readable(void **state) {
    struct conformance *test = *state;
    struct host host = host_begin(test->loop);
    kith_io *io = NULL;
    unsigned calls = 0;
    int fds[2];

    conformance_pair(fds);
    assert_int_equal(kith_io_new(test->loop, fds[0], 0, read_octet, &calls, &io), 0);
    assert_int_equal(write(fds[1], "xy", 2), 2);
    assert_false(readable_within(&host, 0));
    assert_int_equal(kith_io_set_events(io, KITH_IO_READ), 0);
    assert_int_equal(host_once(&host), 1);
    assert_int_equal(host_once(&host), 1);
    assert_false(readable_within(&host, 0));
    assert_int_equal(calls, 2);
    kith_io_free(io);
    conformance_close_pair(fds);
    host_end(&host);
}

static void test_stop_makes_it_readable(void **state) {
    struct conformance *test = *state;
    struct host host = host_begin(test->loop);

    kith_loop_stop(test->loop);
    assert_int_equal(host_once(&host), 0);
    host_end(&host);
}

static void test_timer_makes_it_readable_when_due(void **state) {
    struct conformance *test = *state;
    struct host host = host_begin(test->loop);
    unsigned calls = 0;
    kith_timer *timer = NULL;

    assert_int_equal(kith_timer_new(test->loop, conformance_count_timer, &calls, &timer), 0);
    assert_int_equal(kith_timer_arm(timer, 60 * 1000, 0), 0);
    assert_false(readable_within(&host, 0));
    uint64_t begin = kith_time_now();
    assert_int_equal(kith_timer_arm(timer, 3, 2), 0);
    bool readable = readable_within(&host, 0);
    assert_true(!readable || kith_time_now() - begin >= 3 * KITH_NS_PER_MS); /* not before it is due */
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(host_once(&host), 1);
        assert_int_equal(calls, i);
    }
    assert_true(kith_time_now() - begin >= 7 * KITH_NS_PER_MS);
    kith_timer_disarm(timer);
    assert_false(readable_within(&host, 5));
    assert_int_equal(kith_timer_arm(timer, 0, 0), 0);
    assert_int_equal(host_once(&host), 1);
    assert_silent(&host, 0);
    kith_timer_free(timer);
    host_end(&host);
}

static void test_timer_armed_before_anybody_hosts_counts_too(void **state) {
    struct conformance *test = *state;
    unsigned calls = 0;
    kith_timer *timer = NULL;

    assert_int_equal(kith_timer_new(test->loop, conformance_count_timer, &calls, &timer), 0);
    assert_int_equal(kith_timer_arm(timer, 2, 0), 0);
    struct host host = host_begin(test->loop);
    assert_int_equal(host_once(&host), 1);
    kith_timer_free(timer);
    host_end(&host);
}

static void test_freed_timer_leaves_it_silent(void **state) {
    struct conformance *test = *state;
    struct host host = host_begin(test->loop);
    unsigned calls = 0;
    kith_timer *timer = NULL;

    assert_int_equal(kith_timer_new(test->loop, conformance_count_timer, &calls, &timer), 0);
    assert_int_equal(kith_timer_arm(timer, 0, 0), 0);
    assert_true(readable_within(&host, -1));
    kith_timer_free(timer);
    assert_silent(&host, 5);
    host_end(&host);
}

struct work {
    struct kith_defer defer;
    kith_loop *loop;
    unsigned calls;
};

static unsigned work_for_ever(struct kith_defer *defer) {
    struct work *work = KITH_CONTAINER_OF(defer, struct work, defer);

    if (++work->calls < 100)
        kith_loop_defer(work->loop, &work->defer);
    return 1;
}

static void test_deferred_work_makes_it_readable(void **state) {
    struct conformance *test = *state;
    struct host host = host_begin(test->loop);
    struct work work = {.loop = test->loop};

    kith_defer_init(&work.defer, work_for_ever);
    kith_loop_defer(test->loop, &work.defer);
    while (work.calls < 100)
        assert_true(host_once(&host) > 0);
    assert_int_equal(work.calls, 100);
    assert_silent(&host, 0);
    host_end(&host);
}

static void count_wakeup(kith_wakeup *wakeup, void *userdata) {
    ++*(unsigned *)userdata;
}

static void test_wakeup_makes_it_readable(void **state) {
    struct conformance *test = *state;
    struct host host = host_begin(test->loop);
    unsigned calls = 0;
    kith_wakeup *wakeup = NULL;

    assert_int_equal(kith_wakeup_new(test->loop, count_wakeup, &calls, &wakeup), 0);
    assert_false(readable_within(&host, 0));
    kith_wakeup_send(wakeup);
    assert_int_equal(host_once(&host), 1);
    assert_silent(&host, 0);
    kith_wakeup_free(wakeup);
    host_end(&host);
}

/* The descriptor that tells the host of timers must not keep a wait of the loop itself from waiting. */
static void test_hosted_loop_can_still_run_by_itself(void **state) {
    struct conformance *test = *state;
    struct host host = host_begin(test->loop);
    unsigned calls = 0;
    kith_timer *timer = NULL;

    assert_int_equal(kith_timer_new(test->loop, conformance_count_timer, &calls, &timer), 0);
    assert_int_equal(kith_timer_arm(timer, 1, 0), 0);
    assert_true(readable_within(&host, -1));
    assert_int_equal(kith_loop_step(test->loop, -1), 1);
    uint64_t begin = kith_time_now();
    assert_int_equal(kith_loop_step(test->loop, 3), 0);
    assert_true(kith_time_now() - begin >= 3 * KITH_NS_PER_MS);
    assert_false(readable_within(&host, 0));
    kith_timer_free(timer);
    host_end(&host);
}

int conformance_host(const char *backend) {
    const struct CMUnitTest tests[] = {
        CONFORMANCE_TEST(test_ready_descriptor_makes_it_readable), CONFORMANCE_TEST(test_stop_makes_it_readable),
        CONFORMANCE_TEST(test_timer_makes_it_readable_when_due),   CONFORMANCE_TEST(test_timer_armed_before_anybody_hosts_counts_too),
        CONFORMANCE_TEST(test_freed_timer_leaves_it_silent),       CONFORMANCE_TEST(test_deferred_work_makes_it_readable),
        CONFORMANCE_TEST(test_wakeup_makes_it_readable),           CONFORMANCE_TEST(test_hosted_loop_can_still_run_by_itself),
    };
    return cmocka_run_group_tests_name("hosted", tests, NULL, NULL);
}

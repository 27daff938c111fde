/*
 * loop/test-hot-path.c: what a step costs the kernel. The linker puts the functions below in front of the C library's (--wrap), wherever
 * libkith calls them: they count.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "loop/private.h"

#define STEPS 100

static unsigned waits, others;

/* The names are the linker's. */
int __real_epoll_wait(int fd, struct epoll_event *events, int room, int timeout);
int __wrap_epoll_wait(int fd, struct epoll_event *events, int room, int timeout);
int __real_epoll_ctl(int fd, int operation, int target, struct epoll_event *event);
int __wrap_epoll_ctl(int fd, int operation, int target, struct epoll_event *event);
int __real_timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *old);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *old);
ssize_t __real_read(int fd, void *data, size_t size);
ssize_t __wrap_read(int fd, void *data, size_t size);
ssize_t __real_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size);
pid_t __real_getpid(void);
pid_t __wrap_getpid(void);

int __wrap_epoll_wait(int fd, struct epoll_event *events, int room, int timeout) {
    waits++;
    return __real_epoll_wait(fd, events, room, timeout);
}

int __wrap_epoll_ctl(int fd, int operation, int target, struct epoll_event *event) {
    others++;
    return __real_epoll_ctl(fd, operation, target, event);
}

int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *old) {
    others++;
    return __real_timerfd_settime(fd, flags, value, old);
}

ssize_t __wrap_read(int fd, void *data, size_t size) {
    others++;
    return __real_read(fd, data, size);
}

ssize_t __wrap_write(int fd, const void *data, size_t size) {
    others++;
    return __real_write(fd, data, size);
}

pid_t __wrap_getpid(void) {
    others++;
    return __real_getpid();
}

struct busy {
    kith_loop *loop;
    kith_timer *timer;
    struct kith_defer defer;
    unsigned deferred, timeouts;
};

static unsigned deferred(struct kith_defer *defer) {
    KITH_CONTAINER_OF(defer, struct busy, defer)->deferred++;
    return 1;
}

/* What a connection does with each message: moves its idle timer, queues its flush, pauses and resumes. */
static void ready(kith_io *io, int fd, unsigned events, void *userdata) {
    struct busy *busy = userdata;

    assert_int_equal(kith_timer_arm(busy->timer, 60 * 1000, 0), 0);
    assert_int_equal(kith_io_set_events(io, 0), 0);
    assert_int_equal(kith_io_set_events(io, KITH_IO_WRITE), 0);
    kith_loop_defer(busy->loop, &busy->defer);
}

static void timeout(kith_timer *timer, void *userdata) {
    struct busy *busy = userdata;
    busy->timeouts++;
}

static void count_steps(struct busy *busy, int callbacks) {
    waits = others = 0;
    for (int i = 0; i < STEPS; i++)
        assert_int_equal(kith_loop_step(busy->loop, -1), callbacks);
    assert_int_equal(waits, STEPS);
}

static void test_busy_step_is_one_wait_and_no_other_call(void **state) {
    struct busy busy = {0};
    kith_timer *ticking = NULL;
    kith_io *io = NULL;
    int fds[2];

    kith_defer_init(&busy.defer, deferred);
    assert_int_equal(kith_loop_new_with(&(struct kith_loop_options){.backend = "epoll"}, &busy.loop, NULL), 0);
    assert_int_equal(kith_timer_new(busy.loop, timeout, &busy, &busy.timer), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(kith_io_new(busy.loop, fds[0], KITH_IO_WRITE, ready, &busy, &io), 0);
    count_steps(&busy, 2);
    assert_int_equal(others, 0);
    assert_int_equal(busy.deferred, STEPS);

    /* Hosted: the descriptor is set anew only when the first timer changes, and here that is `ticking`, which stays. */
    assert_true(kith_loop_fd(busy.loop) >= 0);
    assert_int_equal(kith_timer_new(busy.loop, timeout, &busy, &ticking), 0);
    assert_int_equal(kith_timer_arm(ticking, 30 * 1000, 0), 0);
    count_steps(&busy, 2);
    assert_int_equal(others, 0);
    assert_int_equal(busy.timeouts, 0);

    kith_io_free(io);
    kith_timer_free(busy.timer);
    kith_timer_free(ticking);
    kith_loop_free(busy.loop);
    kith_close(fds[0]);
    kith_close(fds[1]);
}

/* A wait rounded down would end too early and be followed by waits of no time until the timer is due. */
static void test_timer_that_fires_costs_one_wait(void **state) {
    struct busy busy = {0};

    assert_int_equal(kith_loop_new_with(&(struct kith_loop_options){.backend = "epoll"}, &busy.loop, NULL), 0);
    assert_int_equal(kith_timer_new(busy.loop, timeout, &busy, &busy.timer), 0);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(kith_timer_arm(busy.timer, i, 0), 0);
        waits = others = 0;
        assert_int_equal(kith_loop_step(busy.loop, -1), 1);
        assert_int_equal(waits, 1);
        assert_int_equal(others, 0);
    }
    kith_timer_free(busy.timer);
    kith_loop_free(busy.loop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_busy_step_is_one_wait_and_no_other_call),
        cmocka_unit_test(test_timer_that_fires_costs_one_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* loop/conformance-step.c: steps, stopping, deferred work, and the loop's own life. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/time.h"
#include "loop/conformance.h"

static void test_step_without_anything_to_do_waits_for_its_time(void **state) {
    struct conformance *test = *state;
    uint64_t begin = kith_time_now();

    assert_int_equal(kith_loop_step(test->loop, 0), 0);
    assert_int_equal(kith_loop_step(test->loop, 3), 0);
    assert_true(kith_time_now() - begin >= 3 * KITH_NS_PER_MS);
}

static void step_inside(kith_timer *timer, void *userdata) {
    kith_loop *loop = userdata;

    assert_true(kith_loop_running(loop));
    assert_int_equal(kith_loop_step(loop, 0), -EBUSY);
    assert_int_equal(kith_loop_run(loop), -EBUSY);
    kith_loop_stop(loop);
}

static void test_step_inside_a_callback_is_refused(void **state) {
    struct conformance *test = *state;
    kith_timer *timer = NULL;

    assert_int_equal(kith_timer_new(test->loop, step_inside, test->loop, &timer), 0);
    assert_int_equal(kith_timer_arm(timer, 0, 0), 0);
    assert_int_equal(kith_loop_run(test->loop), 0);
    assert_false(kith_loop_running(test->loop));
    kith_timer_free(timer);
}

static void test_stop_asked_before_ends_the_next_run_or_step_once(void **state) {
    struct conformance *test = *state;
    unsigned calls = 0;
    kith_timer *timer = NULL;

    assert_int_equal(kith_timer_new(test->loop, conformance_count_timer, &calls, &timer), 0);
    assert_int_equal(kith_timer_arm(timer, 0, 0), 0);
    kith_loop_stop(test->loop);
    assert_int_equal(kith_loop_run(test->loop), 0);
    kith_loop_stop(test->loop);
    kith_loop_stop(test->loop);
    assert_int_equal(kith_loop_step(test->loop, -1), 0);
    assert_int_equal(calls, 0);
    assert_int_equal(kith_loop_step(test->loop, -1), 1);
    assert_int_equal(kith_loop_step(test->loop, 1), 0);
    kith_timer_free(timer);
}

static void *stop_from_thread(void *userdata) {
    kith_loop_stop(userdata);
    return NULL;
}

static void test_stop_from_another_thread_ends_a_waiting_run(void **state) {
    struct conformance *test = *state;

    for (int i = 0; i < 20; i++) {
        pthread_t thread;

        assert_int_equal(pthread_create(&thread, NULL, stop_from_thread, test->loop), 0);
        assert_int_equal(kith_loop_run(test->loop), 0);
        pthread_join(thread, NULL);
    }
}

/* What a signal handler of the tests acts on. */
static kith_loop *handler_loop;
static kith_wakeup *handler_wakeup;

static void on_alarm(int signo) {
    if (handler_loop)
        kith_loop_stop(handler_loop);
    if (handler_wakeup)
        kith_wakeup_send(handler_wakeup);
}

/* SIGALRM every 3 ms: however slow the machine, one comes while the test waits. */
static void alarms_begin(struct sigaction *ret_old) {
    const struct itimerval when = {.it_value.tv_usec = 3000, .it_interval.tv_usec = 3000};
    struct sigaction action = {.sa_handler = on_alarm};

    assert_int_equal(sigaction(SIGALRM, &action, ret_old), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &when, NULL), 0);
}

/* One may be pending still, as valgrind delivers them when it likes: to ignore it discards it (signal(7)), and what follows would kill. */
static void alarms_end(const struct sigaction *old) {
    const struct itimerval never = {0};
    const struct sigaction ignore = {.sa_handler = SIG_IGN};

    assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
    assert_int_equal(sigaction(SIGALRM, &ignore, NULL), 0);
    assert_int_equal(sigaction(SIGALRM, old, NULL), 0);
}

static void test_stop_from_a_signal_handler_ends_a_waiting_run(void **state) {
    struct conformance *test = *state;
    struct sigaction old;

    handler_loop = test->loop;
    alarms_begin(&old);
    assert_int_equal(kith_loop_run(test->loop), 0);
    alarms_end(&old);
    handler_loop = NULL;
}

static void test_signal_handler_interrupts_a_step(void **state) {
    struct conformance *test = *state;
    struct sigaction old;

    alarms_begin(&old);
    assert_int_equal(kith_loop_step(test->loop, -1), -EINTR);
    alarms_end(&old);
    assert_int_equal(kith_loop_step(test->loop, 0), 0);
}

static void stop_wakeup(kith_wakeup *wakeup, void *userdata) {
    kith_loop_stop(userdata);
}

static void test_wakeup_from_a_signal_handler_arrives(void **state) {
    struct conformance *test = *state;
    struct sigaction old;

    assert_int_equal(kith_wakeup_new(test->loop, stop_wakeup, test->loop, &handler_wakeup), 0);
    alarms_begin(&old);
    assert_int_equal(kith_loop_run(test->loop), 0);
    alarms_end(&old);
    handler_wakeup = kith_wakeup_free(handler_wakeup);
}

struct work {
    struct kith_defer defer;
    kith_loop *loop;
    struct work *other;
    unsigned calls, again;
};

static unsigned do_work(struct kith_defer *defer) {
    struct work *work = KITH_CONTAINER_OF(defer, struct work, defer);

    work->calls++;
    if (work->again > 0 && work->again-- > 0)
        kith_loop_defer(work->loop, &work->defer);
    if (work->other)
        kith_defer_cancel(&work->other->defer);
    return 1;
}

static void work_init(struct work *work, kith_loop *loop) {
    *work = (struct work){.loop = loop};
    kith_defer_init(&work->defer, do_work);
}

static void defer_work(kith_timer *timer, void *userdata) {
    struct work *work = userdata;

    kith_loop_defer(work->loop, &work->defer);
    kith_loop_defer(work->loop, &work->defer);
    assert_int_equal(work->calls, 0);
}

static void test_deferred_work_runs_once_after_the_callbacks_of_its_step(void **state) {
    struct conformance *test = *state;
    kith_timer *timer = NULL;
    struct work work;

    work_init(&work, test->loop);
    assert_int_equal(kith_timer_new(test->loop, defer_work, &work, &timer), 0);
    assert_int_equal(kith_timer_arm(timer, 0, 0), 0);
    assert_int_equal(kith_loop_step(test->loop, -1), 2);
    assert_int_equal(work.calls, 1);
    assert_int_equal(kith_loop_step(test->loop, 0), 0);
    kith_timer_free(timer);
}

static void test_work_deferred_outside_a_step_runs_in_the_next_without_waiting(void **state) {
    struct conformance *test = *state;
    struct work work, cancelled;

    work_init(&work, test->loop);
    work_init(&cancelled, test->loop);
    kith_loop_defer(test->loop, &work.defer);
    kith_loop_defer(test->loop, &cancelled.defer);
    kith_defer_cancel(&cancelled.defer);
    assert_int_equal(kith_loop_step(test->loop, -1), 1);
    assert_int_equal(work.calls, 1);
    assert_int_equal(cancelled.calls, 0);
}

static void test_deferred_work_can_cancel_other_work_of_its_round(void **state) {
    struct conformance *test = *state;
    struct work first, second;

    work_init(&first, test->loop);
    work_init(&second, test->loop);
    first.other = &second;
    kith_loop_defer(test->loop, &first.defer);
    kith_loop_defer(test->loop, &second.defer);
    assert_int_equal(kith_loop_step(test->loop, -1), 1);
    assert_int_equal(second.calls, 0);
}

static void test_work_that_always_defers_again_does_not_starve_descriptors(void **state) {
    struct conformance *test = *state;
    struct work work;
    unsigned calls = 0;
    kith_io *io = NULL;
    int fds[2];

    conformance_pair(fds);
    assert_int_equal(kith_io_new(test->loop, fds[0], KITH_IO_WRITE, conformance_count_io, &calls, &io), 0);
    work_init(&work, test->loop);
    work.again = 1000;
    kith_loop_defer(test->loop, &work.defer);
    while (work.calls < 1001)
        assert_true(kith_loop_step(test->loop, -1) > 0);
    assert_true(calls > 20);
    kith_io_free(io);
    conformance_close_pair(fds);
}

static void test_objects_outlive_their_loop_without_effect(void **state) {
    struct conformance *test = *state;
    unsigned calls = 0;
    kith_io *io = NULL;
    kith_timer *timer = NULL, *idle = NULL;
    kith_wakeup *wakeup = NULL;
    struct work work;
    int fds[2];

    conformance_pair(fds);
    assert_int_equal(kith_io_new(test->loop, fds[0], KITH_IO_WRITE, conformance_count_io, &calls, &io), 0);
    assert_int_equal(kith_timer_new(test->loop, conformance_count_timer, &calls, &timer), 0);
    assert_int_equal(kith_timer_new(test->loop, conformance_count_timer, &calls, &idle), 0);
    assert_int_equal(kith_timer_arm(timer, 0, 0), 0);
    assert_int_equal(kith_wakeup_new(test->loop, stop_wakeup, NULL, &wakeup), 0);
    work_init(&work, test->loop);
    kith_loop_defer(test->loop, &work.defer);

    test->loop = kith_loop_free(test->loop);
    assert_int_equal(kith_io_set_events(io, KITH_IO_READ), -ESHUTDOWN);
    assert_int_equal(kith_timer_arm(timer, 1, 0), -ESHUTDOWN);
    assert_int_equal(kith_timer_arm(idle, 1, 0), -ESHUTDOWN);
    kith_timer_disarm(timer);
    assert_false(kith_timer_armed(timer));
    kith_wakeup_send(wakeup);
    assert_int_equal(calls, 0);
    assert_int_equal(work.calls, 0);

    kith_io_free(io);
    kith_timer_free(timer);
    kith_timer_free(idle);
    kith_wakeup_free(wakeup);
    kith_defer_cancel(&work.defer);
    conformance_close_pair(fds);
}

struct undertaker {
    struct conformance *test;
    struct work work;
    kith_timer *timers[2];
    unsigned calls;
};

static void free_loop(kith_timer *timer, void *userdata) {
    struct undertaker *undertaker = userdata;

    undertaker->calls++;
    kith_loop_defer(undertaker->test->loop, &undertaker->work.defer);
    undertaker->test->loop = kith_loop_free(undertaker->test->loop);
    undertaker->timers[0] = kith_timer_free(undertaker->timers[0]);
}

static void test_loop_freed_in_a_callback_ends_its_run(void **state) {
    struct undertaker undertaker = {.test = *state};
    kith_loop *loop = undertaker.test->loop;

    work_init(&undertaker.work, loop);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(kith_timer_new(loop, free_loop, &undertaker, &undertaker.timers[i]), 0);
        assert_int_equal(kith_timer_arm(undertaker.timers[i], 0, 0), 0);
    }
    assert_int_equal(kith_loop_run(loop), 0);
    assert_int_equal(undertaker.calls, 1);
    assert_int_equal(undertaker.work.calls, 0);
    kith_timer_free(undertaker.timers[1]);
}

static unsigned free_loop_in_work(struct kith_defer *defer) {
    struct work *work = KITH_CONTAINER_OF(defer, struct work, defer);

    work->calls++;
    kith_loop_free(work->loop);
    return 1;
}

static void test_loop_freed_in_deferred_work_cancels_the_rest_of_the_round(void **state) {
    struct conformance *test = *state;
    struct work first, second;

    work_init(&first, test->loop);
    work_init(&second, test->loop);
    first.defer.fn = free_loop_in_work;
    kith_loop_defer(test->loop, &first.defer);
    kith_loop_defer(test->loop, &second.defer);
    assert_int_equal(kith_loop_step(test->loop, -1), 1);
    test->loop = NULL;
    assert_int_equal(first.calls, 1);
    assert_int_equal(second.calls, 0);
    kith_defer_cancel(&second.defer);
}

static void test_environment_chooses_the_backend(void **state) {
    struct conformance *test = *state;
    const char *backend = kith_loop_backend_name(test->loop);
    kith_loop *loop = NULL;

    assert_int_equal(setenv("KITH_LOOP", backend, 1), 0);
    assert_int_equal(kith_loop_new(&loop), 0);
    assert_string_equal(kith_loop_backend_name(loop), backend);
    loop = kith_loop_free(loop);
    assert_int_equal(setenv("KITH_LOOP", "kqueue", 1), 0);
    assert_int_equal(kith_loop_new(&loop), -EINVAL);
    assert_null(loop);
    assert_int_equal(setenv("KITH_LOOP", "", 1), 0);
    assert_int_equal(kith_loop_new(&loop), 0);
    kith_loop_free(loop);
    assert_int_equal(unsetenv("KITH_LOOP"), 0);
    assert_null(kith_loop_free(NULL));
    (void)poll(NULL, 0, 100); /* the last may have had a ring, which interrupts one call when it goes: not one of the next test */
}

static void test_loop_lends_its_slab_pool(void **state) {
    struct conformance *test = *state;
    kith_buffer *slab = NULL;

    assert_int_equal(kith_pool_get(test->loop->pool, &slab), 0);
    test->loop = kith_loop_free(test->loop);
    kith_buffer_data(slab)[KITH_SLAB_SIZE - 1] = 1;
    kith_buffer_unref(slab);
}

int conformance_step(const char *backend) {
    const struct CMUnitTest tests[] = {
        CONFORMANCE_TEST(test_step_without_anything_to_do_waits_for_its_time),
        CONFORMANCE_TEST(test_step_inside_a_callback_is_refused),
        CONFORMANCE_TEST(test_stop_asked_before_ends_the_next_run_or_step_once),
        CONFORMANCE_TEST(test_stop_from_another_thread_ends_a_waiting_run),
        CONFORMANCE_TEST(test_stop_from_a_signal_handler_ends_a_waiting_run),
        CONFORMANCE_TEST(test_signal_handler_interrupts_a_step),
        CONFORMANCE_TEST(test_wakeup_from_a_signal_handler_arrives),
        CONFORMANCE_TEST(test_deferred_work_runs_once_after_the_callbacks_of_its_step),
        CONFORMANCE_TEST(test_work_deferred_outside_a_step_runs_in_the_next_without_waiting),
        CONFORMANCE_TEST(test_deferred_work_can_cancel_other_work_of_its_round),
        CONFORMANCE_TEST(test_work_that_always_defers_again_does_not_starve_descriptors),
        CONFORMANCE_TEST(test_objects_outlive_their_loop_without_effect),
        CONFORMANCE_TEST(test_loop_freed_in_a_callback_ends_its_run),
        CONFORMANCE_TEST(test_loop_freed_in_deferred_work_cancels_the_rest_of_the_round),
        CONFORMANCE_TEST(test_environment_chooses_the_backend),
        CONFORMANCE_TEST(test_loop_lends_its_slab_pool),
    };
    return cmocka_run_group_tests_name("steps", tests, NULL, NULL);
}

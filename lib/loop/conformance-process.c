/* loop/conformance-process.c: signals, child processes, fork, and wakeups from other threads. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/testing.h"
#include "loop/conformance.h"

#define SENDERS 4
#define SENDS 2000

static bool is_blocked(int signo) {
    sigset_t set;

    assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &set), 0);
    return sigismember(&set, signo);
}

static void count_signal(kith_signal *sig, int signo, void *userdata) {
    ++*(unsigned *)userdata;
}

static void test_signals_arrive_as_callbacks_and_the_mask_is_restored(void **state) {
    struct conformance *test = *state;
    unsigned usr1 = 0, usr2 = 0;
    kith_signal *a = NULL, *b = NULL;

    assert_int_equal(kith_signal_new(test->loop, SIGUSR1, count_signal, &usr1, &a), 0);
    assert_int_equal(kith_signal_new(test->loop, SIGUSR2, count_signal, &usr2, &b), 0);
    assert_true(is_blocked(SIGUSR1));
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGUSR1);
    assert_int_equal(kith_loop_step(test->loop, -1), 1);
    assert_int_equal(usr1, 1);
    kith_signal_free(a);
    assert_false(is_blocked(SIGUSR1));
    assert_true(is_blocked(SIGUSR2));
    kill(getpid(), SIGUSR2);
    assert_int_equal(kith_loop_step(test->loop, -1), 1);
    assert_int_equal(usr2, 1);
    kith_signal_free(b);
    assert_false(is_blocked(SIGUSR2));
    assert_null(kith_signal_free(NULL));
}

static void test_signal_blocked_before_stays_blocked(void **state) {
    struct conformance *test = *state;
    kith_signal *sig = NULL;
    unsigned calls = 0;
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    assert_int_equal(kith_signal_new(test->loop, SIGUSR1, count_signal, &calls, &sig), 0);
    kith_signal_free(sig);
    assert_true(is_blocked(SIGUSR1));
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void test_queued_signals_are_counted_beyond_one_read(void **state) {
    struct conformance *test = *state;
    kith_signal *sig = NULL;
    unsigned calls = 0;

    assert_int_equal(kith_signal_new(test->loop, SIGRTMIN + 3, count_signal, &calls, &sig), 0);
    for (int i = 0; i < 50; i++)
        assert_int_equal(sigqueue(getpid(), SIGRTMIN + 3, (union sigval){0}), 0);
    while (calls < 50)
        assert_true(kith_loop_step(test->loop, -1) > 0);
    assert_int_equal(kith_loop_step(test->loop, 0), 0);
    kith_signal_free(sig);
}

static void free_both_signals(kith_signal *sig, int signo, void *userdata) {
    kith_signal **signals = userdata;

    signals[0] = kith_signal_free(signals[0]);
    signals[1] = kith_signal_free(signals[1]);
}

static void test_what_a_signal_callback_frees_is_not_called(void **state) {
    struct conformance *test = *state;
    kith_signal *signals[2];

    assert_int_equal(kith_signal_new(test->loop, SIGUSR1, free_both_signals, signals, &signals[0]), 0);
    assert_int_equal(kith_signal_new(test->loop, SIGUSR2, free_both_signals, signals, &signals[1]), 0);
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGUSR2);
    assert_int_equal(kith_loop_step(test->loop, -1), 1);
    assert_null(signals[0]);
    assert_int_equal(kith_loop_step(test->loop, 0), 0);
}

static void test_signals_that_cannot_be_handled_are_refused(void **state) {
    struct conformance *test = *state;
    kith_signal *sig = NULL, *second = NULL;
    unsigned calls = 0;
    const int wrong[] = {0, -1, SIGKILL, SIGSTOP, 32, 65, 100000};

    for (size_t i = 0; i < KITH_ARRAY_SIZE(wrong); i++)
        assert_int_equal(kith_signal_new(test->loop, wrong[i], count_signal, &calls, &sig), -EINVAL);
    assert_int_equal(kith_signal_new(test->loop, SIGUSR1, count_signal, &calls, &sig), 0);
    assert_int_equal(kith_signal_new(test->loop, SIGUSR1, count_signal, &calls, &second), -EEXIST);
    assert_null(second);
    test->loop = kith_loop_free(test->loop);
    assert_true(is_blocked(SIGUSR1));
    kith_signal_free(sig);
    assert_false(is_blocked(SIGUSR1));
}

struct ended {
    kith_child *child;
    siginfo_t status;
    unsigned calls;
};

static void child_ended(kith_child *child, const siginfo_t *status, void *userdata) {
    struct ended *ended = userdata;

    assert_ptr_equal(child, ended->child);
    ended->status = *status;
    ended->calls++;
    ended->child = kith_child_free(child);
}

/* A child that waits for its pipe to close, then exits with 42. */
static pid_t spawn(int *ret_hold) {
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        char octet;

        close(fds[1]);
        _exit(read(fds[0], &octet, 1) == 0 ? 42 : 1);
    }
    kith_close(fds[0]);
    *ret_hold = fds[1];
    return pid;
}

static void test_child_is_reaped_and_its_status_told_once(void **state) {
    struct conformance *test = *state;
    struct ended ended = {0};
    int hold;
    pid_t pid = spawn(&hold);

    assert_int_equal(kith_child_new(test->loop, pid, child_ended, &ended, &ended.child), 0);
    assert_int_equal(kith_loop_step(test->loop, 0), 0);
    kith_close(hold);
    assert_int_equal(kith_loop_step(test->loop, -1), 1);
    assert_int_equal(ended.status.si_pid, pid);
    assert_int_equal(ended.status.si_code, CLD_EXITED);
    assert_int_equal(ended.status.si_status, 42);
    assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
    assert_int_equal(kith_loop_step(test->loop, 0), 0);
    assert_int_equal(ended.calls, 1);
}

static void test_child_killed_by_a_signal_says_so_even_when_dead_before(void **state) {
    struct conformance *test = *state;
    struct ended ended = {0};
    siginfo_t info;
    int hold;
    pid_t pid = spawn(&hold);

    kill(pid, SIGKILL);
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(kith_child_new(test->loop, pid, child_ended, &ended, &ended.child), 0);
    assert_int_equal(kith_loop_step(test->loop, -1), 1);
    assert_int_equal(ended.status.si_code, CLD_KILLED);
    assert_int_equal(ended.status.si_status, SIGKILL);
    kith_close(hold);
}

static void test_child_reaped_by_somebody_else_is_told_without_status(void **state) {
    struct conformance *test = *state;
    struct ended ended = {0};
    int hold;
    pid_t pid = spawn(&hold);

    assert_int_equal(kith_child_new(test->loop, pid, child_ended, &ended, &ended.child), 0);
    kith_close(hold);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(kith_loop_step(test->loop, -1), 1);
    assert_int_equal(ended.status.si_pid, 0);
    assert_int_equal(ended.status.si_errno, ECHILD);
}

static void test_process_that_is_no_child_is_refused(void **state) {
    struct conformance *test = *state;
    struct ended ended = {0};
    const pid_t wrong[] = {1, getpid(), getppid(), 0, -1, INT32_MAX};

    for (size_t i = 0; i < KITH_ARRAY_SIZE(wrong); i++)
        assert_int_equal(kith_child_new(test->loop, wrong[i], child_ended, &ended, &ended.child), -ECHILD);
    assert_null(ended.child);
    assert_null(kith_child_free(NULL));
}

static void test_child_that_is_freed_is_left_to_the_program(void **state) {
    struct conformance *test = *state;
    struct ended ended = {0};
    int hold;
    pid_t pid = spawn(&hold);

    assert_int_equal(kith_child_new(test->loop, pid, child_ended, &ended, &ended.child), 0);
    kith_child_free(ended.child);
    kith_close(hold);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(kith_loop_step(test->loop, 0), 0);
    assert_int_equal(ended.calls, 0);
}

struct senders {
    kith_wakeup *wakeup;
    kith_loop *loop;
    atomic_uint sent;
    unsigned plain; /* written by the last sender before it sends: the wakeup must make it visible */
    unsigned calls;
};

static void *send_many(void *userdata) {
    struct senders *senders = userdata;

    for (int i = 0; i < SENDS; i++) {
        if (atomic_fetch_add(&senders->sent, 1) == SENDERS * SENDS - 1)
            senders->plain = 1;
        kith_wakeup_send(senders->wakeup);
    }
    return NULL;
}

static void look_at_sent(kith_wakeup *wakeup, void *userdata) {
    struct senders *senders = userdata;

    senders->calls++;
    if (atomic_load(&senders->sent) == SENDERS * SENDS)
        kith_loop_stop(senders->loop);
}

static void test_no_wakeup_from_threads_is_lost(void **state) {
    struct conformance *test = *state;
    struct senders senders = {.loop = test->loop};
    pthread_t threads[SENDERS];

    assert_int_equal(kith_wakeup_new(test->loop, look_at_sent, &senders, &senders.wakeup), 0);
    for (size_t i = 0; i < SENDERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, send_many, &senders), 0);
    assert_int_equal(kith_loop_run(test->loop), 0);
    for (size_t i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(senders.plain, 1);
    assert_in_range(senders.calls, 1, SENDERS * SENDS);
    kith_wakeup_free(senders.wakeup);
}

static void count_wakeup(kith_wakeup *wakeup, void *userdata) {
    ++*(unsigned *)userdata;
}

static void test_several_sends_before_the_call_are_one(void **state) {
    struct conformance *test = *state;
    kith_wakeup *wakeup = NULL;
    unsigned calls = 0;

    assert_int_equal(kith_wakeup_new(test->loop, count_wakeup, &calls, &wakeup), 0);
    for (int round = 1; round <= 2; round++) {
        for (int i = 0; i < 5; i++)
            kith_wakeup_send(wakeup);
        assert_int_equal(kith_loop_step(test->loop, -1), 1);
        assert_int_equal(kith_loop_step(test->loop, 0), 0);
        assert_int_equal(calls, round);
    }
    kith_wakeup_send(wakeup);
    kith_wakeup_free(wakeup);
    assert_int_equal(kith_loop_step(test->loop, 0), 0);
    assert_int_equal(calls, 2);
    assert_null(kith_wakeup_free(NULL));
}

struct family {
    kith_loop *loop;
    kith_io *io;
    kith_timer *timer;
    kith_signal *sig, *other_sig;
    kith_wakeup *wakeup;
    unsigned calls;
    int fds[2];
};

static void free_family(struct family *family) {
    kith_io_free(family->io);
    kith_timer_free(family->timer);
    kith_signal_free(family->sig);
    kith_signal_free(family->other_sig);
    kith_wakeup_free(family->wakeup);
    conformance_close_pair(family->fds);
}

/* In the child: the number of things that did not behave. */
static int misbehaviour_in_child(struct family *family) {
    kith_io *io = NULL;
    kith_timer *timer = NULL;
    kith_signal *sig = NULL;
    kith_wakeup *wakeup = NULL;
    kith_child *child = NULL;
    struct ended ended = {0};
    kith_loop *loop = family->loop;
    int wrong = 0;

    wrong += kith_loop_check_fork(loop) != -ECHILD;
    wrong += kith_loop_step(loop, 0) != -ECHILD;
    wrong += kith_loop_run(loop) != -ECHILD;
    wrong += kith_loop_fd(loop) != -ECHILD;
    wrong += kith_io_new(loop, family->fds[1], KITH_IO_READ, conformance_count_io, &family->calls, &io) != -ECHILD;
    wrong += kith_timer_new(loop, conformance_count_timer, &family->calls, &timer) != -ECHILD;
    wrong += kith_signal_new(loop, SIGHUP, count_signal, &family->calls, &sig) != -ECHILD;
    wrong += kith_wakeup_new(loop, count_wakeup, &family->calls, &wakeup) != -ECHILD;
    wrong += kith_child_new(loop, getpid(), child_ended, &ended, &child) != -ECHILD;
    kith_io_set_events(family->io, 0);
    kith_timer_arm(family->timer, 0, 0);
    free_family(family);
    kith_loop_free(loop);
    wrong += is_blocked(SIGUSR1);
    return wrong;
}

static void test_forked_child_can_only_free_and_the_parent_does_not_notice(void **state) {
    struct conformance *test = *state;
    struct family family = {.loop = test->loop};
    int status;

    conformance_pair(family.fds);
    assert_true(kith_loop_fd(test->loop) >= 0);
    assert_int_equal(kith_io_new(test->loop, family.fds[0], KITH_IO_READ, conformance_count_io, &family.calls, &family.io), 0);
    assert_int_equal(kith_timer_new(test->loop, conformance_count_timer, &family.calls, &family.timer), 0);
    assert_int_equal(kith_timer_arm(family.timer, 60 * 1000, 0), 0);
    assert_int_equal(kith_signal_new(test->loop, SIGUSR1, count_signal, &family.calls, &family.sig), 0);
    assert_int_equal(kith_signal_new(test->loop, SIGUSR2, count_signal, &family.calls, &family.other_sig), 0);
    assert_int_equal(kith_wakeup_new(test->loop, count_wakeup, &family.calls, &family.wakeup), 0);

    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(misbehaviour_in_child(&family));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);

    assert_int_equal(kith_loop_check_fork(test->loop), 0);
    assert_int_equal(kith_loop_step(test->loop, 0), 0);
    assert_int_equal(write(family.fds[1], "x", 1), 1);
    kith_wakeup_send(family.wakeup);
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGUSR2);
    assert_int_equal(kith_loop_step(test->loop, 0), 4);
    free_family(&family);
}

/* valgrind 3.19 does not know pidfd_open(2), which every kernel that kith runs on has: these run only without it. */
static int conformance_children(const char *backend) {
    const struct CMUnitTest tests[] = {
        CONFORMANCE_TEST(test_child_is_reaped_and_its_status_told_once),
        CONFORMANCE_TEST(test_child_killed_by_a_signal_says_so_even_when_dead_before),
        CONFORMANCE_TEST(test_child_reaped_by_somebody_else_is_told_without_status),
        CONFORMANCE_TEST(test_process_that_is_no_child_is_refused),
        CONFORMANCE_TEST(test_child_that_is_freed_is_left_to_the_program),
    };
    return testing_under_valgrind() ? 0 : cmocka_run_group_tests_name("children", tests, NULL, NULL);
}

int conformance_process(const char *backend) {
    const struct CMUnitTest tests[] = {
        CONFORMANCE_TEST(test_signals_arrive_as_callbacks_and_the_mask_is_restored),
        CONFORMANCE_TEST(test_signal_blocked_before_stays_blocked),
        CONFORMANCE_TEST(test_queued_signals_are_counted_beyond_one_read),
        CONFORMANCE_TEST(test_what_a_signal_callback_frees_is_not_called),
        CONFORMANCE_TEST(test_signals_that_cannot_be_handled_are_refused),
        CONFORMANCE_TEST(test_no_wakeup_from_threads_is_lost),
        CONFORMANCE_TEST(test_several_sends_before_the_call_are_one),
        CONFORMANCE_TEST(test_forked_child_can_only_free_and_the_parent_does_not_notice),
    };
    return conformance_children(backend) + cmocka_run_group_tests_name("processes and threads", tests, NULL, NULL);
}

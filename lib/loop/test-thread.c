/*
 * loop/test-thread.c: a loop with a thread of its own, used by several.
 *
 * No test waits for time to pass: what is to happen in another thread is waited for on a semaphore, or (that a thread has come to wait)
 * looked for under the lock, with a deadline that only a hang reaches.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/time.h"
#include "loop/conformance.h"

#define PATIENCE_S 30
#define ROUNDS 300

static void post(sem_t *sem) {
    assert_int_equal(sem_post(sem), 0);
}

static void wait_for(sem_t *sem) {
    struct timespec deadline;

    assert_int_equal(clock_gettime(CLOCK_REALTIME, &deadline), 0);
    deadline.tv_sec += PATIENCE_S;
    int r;
    do {
        r = sem_timedwait(sem, &deadline);
    } while (r < 0 && errno == EINTR);
    assert_int_equal(r, 0);
}

static kith_loop *threaded(void) {
    kith_loop *loop = NULL;

    assert_int_equal(kith_loop_new(&loop), 0);
    assert_int_equal(kith_loop_thread(loop, NULL), 0);
    return loop;
}

/* Until `count` threads wait for something on the loop, and one of them in the kernel. */
static void wait_for_waiters(kith_loop *loop, unsigned count) {
    uint64_t end = kith_time_now() + PATIENCE_S * KITH_NS_PER_S;

    for (bool there = false; !there; sched_yield()) {
        unsigned waiting = 0;
        assert_true(kith_time_now() < end);
        _cleanup_(kith_loop_leavep) struct kith_thread *thread = kith_loop_enter(loop);
        kith_list_foreach (&thread->waiters, node)
            waiting++;
        there = waiting == count && thread->inside;
    }
}

static bool keeper_is_in_kernel(kith_loop *loop) {
    _cleanup_(kith_loop_leavep) struct kith_thread *thread = kith_loop_enter(loop);
    return thread->keeper.in_kernel && thread->driver == &thread->keeper;
}

static void wait_for_keeper(kith_loop *loop) {
    uint64_t end = kith_time_now() + PATIENCE_S * KITH_NS_PER_S;

    while (!keeper_is_in_kernel(loop)) {
        assert_true(kith_time_now() < end);
        sched_yield();
    }
}

/* Something that a thread waits for and another one gives. */
struct wish {
    struct kith_await await;
    kith_loop *loop;
    int given; /* under the lock */
    int timeout_ms, result;
    pthread_t thread;
};

static int wish_attempt(struct kith_await *await) {
    struct wish *wish = KITH_CONTAINER_OF(await, struct wish, await);
    return wish->given ? wish->given : -EAGAIN;
}

static int wish_wait(struct wish *wish) {
    KITH_LOOP_HOLD(wish->loop);
    return kith_loop_await(wish->loop, &wish->await, wish->timeout_ms);
}

static void *wish_run(void *userdata) {
    struct wish *wish = userdata;

    wish->result = wish_wait(wish);
    return NULL;
}

static void wish_init(struct wish *wish, kith_loop *loop, int timeout_ms) {
    *wish = (struct wish){.await.attempt = wish_attempt, .loop = loop, .timeout_ms = timeout_ms};
}

static void wish_begin(struct wish *wish, kith_loop *loop) {
    wish_init(wish, loop, -1);
    assert_int_equal(pthread_create(&wish->thread, NULL, wish_run, wish), 0);
}

static int wish_end(struct wish *wish) {
    assert_int_equal(pthread_join(wish->thread, NULL), 0);
    return wish->result;
}

static void wish_give(struct wish *wish, int what) {
    kith_loop_lock(wish->loop);
    wish->given = what;
    kith_loop_unlock(wish->loop);
}

/* Who was called, and that somebody was. */
struct seen {
    sem_t sem;
    pthread_t by;
    unsigned calls;
};

static void seen_init(struct seen *seen) {
    *seen = (struct seen){0};
    assert_int_equal(sem_init(&seen->sem, 0, 0), 0);
}

static void on_timer(kith_timer *timer, void *userdata) {
    struct seen *seen = userdata;

    seen->by = pthread_self();
    seen->calls++;
    post(&seen->sem);
}

static void on_octet(kith_io *io, int fd, unsigned events, void *userdata) {
    struct seen *seen = userdata;
    char octet;

    /* It was ready, whatever other waits found: never called for nothing. */
    assert_int_equal(recv(fd, &octet, 1, MSG_DONTWAIT), 1);
    seen->by = pthread_self();
    seen->calls++;
    post(&seen->sem);
}

/* Life ---------------------------------------------------------------------------------------------------------------------- */

static void test_what_is_armed_fires_in_the_loops_own_thread(void **state) {
    kith_loop *loop = threaded();
    struct seen seen;
    kith_timer *timer = NULL, *later = NULL;

    seen_init(&seen);
    assert_int_equal(kith_timer_new(loop, on_timer, &seen, &later), 0);
    assert_int_equal(kith_timer_arm(later, 3600 * 1000, 0), 0);
    wait_for_keeper(loop);
    /* It waits for the later one: this one must end that wait. */
    assert_int_equal(kith_timer_new(loop, on_timer, &seen, &timer), 0);
    uint64_t begin = kith_time_now();
    assert_int_equal(kith_timer_arm(timer, 2, 0), 0);
    wait_for(&seen.sem);
    assert_true(kith_time_now() - begin >= 2 * KITH_NS_PER_MS);
    assert_false(pthread_equal(seen.by, pthread_self()));
    assert_int_equal(seen.calls, 1);
    kith_timer_free(timer);
    kith_timer_free(later);
    kith_loop_free(loop);
}

static void test_thread_comes_before_everything_else_and_once(void **state) {
    struct kith_error error = KITH_ERROR_NONE;
    kith_loop *loop = NULL;
    kith_timer *timer = NULL;

    assert_int_equal(kith_loop_new(&loop), 0);
    assert_int_equal(kith_timer_new(loop, on_timer, NULL, &timer), 0);
    assert_int_equal(kith_loop_thread(loop, &error), -EBUSY);
    assert_non_null(strstr(error.text, "right after kith_loop_new()"));
    kith_timer_free(timer);
    assert_int_equal(kith_loop_thread(loop, &error), 0);
    assert_int_equal(kith_loop_thread(loop, &error), -EALREADY);
    assert_int_equal(kith_loop_fd(loop), -EINVAL);
    assert_int_equal(kith_loop_thread(NULL, &error), -EINVAL);
    kith_loop_free(loop);
}

static void test_ring_is_given_up_but_not_against_the_applications_word(void **state) {
    struct kith_error error = KITH_ERROR_NONE;
    kith_loop *loop = NULL;

    int r = kith_loop_new_with(&(struct kith_loop_options){.backend = "uring"}, &loop, NULL);
    if (r == 0) {
        assert_int_equal(kith_loop_thread(loop, &error), -EINVAL);
        assert_string_equal(kith_loop_backend_name(loop), "uring");
        assert_int_equal(kith_loop_step(loop, 0), 0);
        kith_loop_free(loop);
    }
    loop = threaded();
    assert_string_equal(kith_loop_backend_name(loop), "epoll");
    if (r == 0 && !getenv("KITH_LOOP"))
        assert_non_null(strstr(kith_loop_backend_reason(loop), "thread of its own"));
    kith_loop_free(loop);
}

static void test_lock_is_recursive_and_nobody_waits_under_it(void **state) {
    kith_loop *loop = threaded();
    struct wish wish;

    wish_init(&wish, loop, -1);
    kith_loop_lock(loop);
    kith_loop_lock(loop);
    assert_int_equal(kith_loop_step(loop, -1), -EBUSY);
    assert_int_equal(kith_loop_run(loop), -EBUSY);
    kith_loop_unlock(loop);
    assert_int_equal(wish_wait(&wish), -EBUSY);
    wish.timeout_ms = 0;
    assert_int_equal(wish_wait(&wish), -EAGAIN);
    wish.given = 7;
    assert_int_equal(wish_wait(&wish), 7);
    kith_loop_unlock(loop);
    kith_loop_unlock(loop); /* not held any more: nothing happens */
    wish.given = 0;
    assert_int_equal(wish_wait(&wish), -EAGAIN);
    kith_loop_free(loop);
}

static void test_lock_of_a_loop_without_thread_does_nothing(void **state) {
    kith_loop *loop = NULL;

    assert_int_equal(kith_loop_new(&loop), 0);
    kith_loop_lock(loop);
    assert_int_equal(kith_loop_step(loop, 0), 0);
    kith_loop_unlock(loop);
    kith_loop_lock(NULL);
    kith_loop_unlock(NULL);
    kith_loop_free(loop);
}

/* Driving ------------------------------------------------------------------------------------------------------------------- */

struct driven {
    kith_loop *loop;
    int fd;
};

static void *write_when_it_waits(void *userdata) {
    const struct driven *driven = userdata;

    wait_for_waiters(driven->loop, 1);
    assert_int_equal(write(driven->fd, "x", 1), 1);
    return NULL;
}

/* Each time anew the loop's own thread has the seat, is displaced, and takes it back. */
static void test_who_waits_runs_the_callbacks_and_the_thread_does_again_when_nobody_waits(void **state) {
    kith_loop *loop = threaded();
    struct seen seen;
    kith_io *io = NULL;
    int fds[2];

    seen_init(&seen);
    conformance_pair(fds);
    assert_int_equal(kith_io_new(loop, fds[0], KITH_IO_READ, on_octet, &seen, &io), 0);
    for (unsigned i = 0; i < 20; i++) {
        struct driven driven = {.loop = loop, .fd = fds[1]};
        pthread_t writer;

        assert_int_equal(pthread_create(&writer, NULL, write_when_it_waits, &driven), 0);
        assert_int_equal(kith_loop_step(loop, -1), 1);
        assert_int_equal(pthread_join(writer, NULL), 0);
        wait_for(&seen.sem);
        assert_true(pthread_equal(seen.by, pthread_self()));

        assert_int_equal(write(fds[1], "y", 1), 1);
        wait_for(&seen.sem);
        assert_false(pthread_equal(seen.by, pthread_self()));
    }
    kith_io_free(io);
    kith_loop_free(loop);
    conformance_close_pair(fds);
}

static void test_each_of_several_that_wait_gets_its_own(void **state) {
    kith_loop *loop = threaded();
    struct wish wishes[4];

    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < KITH_ARRAY_SIZE(wishes); i++)
            wish_begin(&wishes[i], loop);
        wait_for_waiters(loop, KITH_ARRAY_SIZE(wishes));
        /* Whoever has the seat is among them, once first and once last. */
        for (unsigned i = 0; i < KITH_ARRAY_SIZE(wishes); i++) {
            unsigned which = round % 2 ? i : (unsigned)KITH_ARRAY_SIZE(wishes) - 1 - i;
            wish_give(&wishes[which], (int)which + 1);
            assert_int_equal(wish_end(&wishes[which]), which + 1);
        }
    }
    kith_loop_free(loop);
}

static void test_wait_ends_in_time_in_the_seat_and_out_of_it(void **state) {
    kith_loop *loop = threaded();
    struct wish first, second;

    wish_init(&first, loop, 3);
    uint64_t begin = kith_time_now();
    assert_int_equal(wish_wait(&first), -EAGAIN);
    assert_true(kith_time_now() - begin >= 3 * KITH_NS_PER_MS);

    wish_begin(&first, loop);
    wait_for_waiters(loop, 1);
    wish_init(&second, loop, 3);
    begin = kith_time_now();
    assert_int_equal(wish_wait(&second), -EAGAIN);
    assert_true(kith_time_now() - begin >= 3 * KITH_NS_PER_MS);
    wish_give(&first, 1);
    assert_int_equal(wish_end(&first), 1);
    assert_int_equal(kith_loop_step(loop, 1), 0);
    kith_loop_free(loop);
}

static void test_stop_ends_all_that_wait_or_the_next(void **state) {
    kith_loop *loop = threaded();
    struct wish wishes[3];

    for (unsigned round = 0; round < 50; round++) {
        for (unsigned i = 0; i < KITH_ARRAY_SIZE(wishes); i++)
            wish_begin(&wishes[i], loop);
        wait_for_waiters(loop, KITH_ARRAY_SIZE(wishes));
        kith_loop_stop(loop);
        assert_int_equal(kith_loop_step(loop, 0), 0); /* finds the stop before the others, perhaps, which ends them all the same */
        for (unsigned i = 0; i < KITH_ARRAY_SIZE(wishes); i++)
            assert_int_equal(wish_end(&wishes[i]), -ECANCELED);
    }
    kith_loop_stop(loop);
    wait_for_keeper(loop); /* whom it does not end */
    assert_int_equal(kith_loop_run(loop), 0);
    wish_init(&wishes[0], loop, 1);
    assert_int_equal(wish_wait(&wishes[0]), -EAGAIN);
    kith_loop_free(loop);
}

/* Reported once for a watch that wants nothing: also when the wait that the kernel told was not the one that counted. */
static void test_hangup_that_is_told_once_is_not_lost_between_threads(void **state) {
    kith_loop *loop = threaded();

    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned calls = 0;
        struct wish wish;
        kith_io *io = NULL;
        int fds[2];

        conformance_pair(fds);
        assert_int_equal(kith_io_new(loop, fds[0], 0, conformance_count_io, &calls, &io), 0);
        wish_begin(&wish, loop);
        if (i % 2)
            wait_for_waiters(loop, 1);
        fds[1] = kith_close(fds[1]);
        uint64_t end = kith_time_now() + PATIENCE_S * KITH_NS_PER_S;
        for (bool told = false; !told; sched_yield()) {
            assert_true(kith_time_now() < end);
            kith_loop_lock(loop);
            told = calls > 0;
            kith_loop_unlock(loop);
        }
        wish_give(&wish, 1);
        assert_int_equal(wish_end(&wish), 1);
        kith_io_free(io);
        assert_int_equal(calls, 1);
        conformance_close_pair(fds);
    }
    kith_loop_free(loop);
}

/* The end ------------------------------------------------------------------------------------------------------------------- */

static void test_loop_freed_while_others_wait_sends_them_away(void **state) {
    for (unsigned count = 0; count <= 3; count++) {
        kith_loop *loop = threaded();
        struct wish wishes[3];
        kith_timer *timer = NULL;

        assert_int_equal(kith_timer_new(loop, on_timer, NULL, &timer), 0);
        for (unsigned i = 0; i < count; i++)
            wish_begin(&wishes[i], loop);
        if (count > 0)
            wait_for_waiters(loop, count);
        kith_loop_free(loop);
        for (unsigned i = 0; i < count; i++)
            assert_int_equal(wish_end(&wishes[i]), -ESHUTDOWN);
        assert_int_equal(kith_timer_arm(timer, 0, 0), -ESHUTDOWN);
        kith_timer_free(timer);
    }
}

struct undertaker {
    kith_loop *loop;
    struct seen seen;
};

static void free_loop(kith_timer *timer, void *userdata) {
    struct undertaker *undertaker = userdata;

    kith_loop_free(undertaker->loop);
    kith_timer_free(timer);
    undertaker->seen.by = pthread_self();
    post(&undertaker->seen.sem);
}

static void test_loop_freed_in_a_callback_of_its_own_thread(void **state) {
    for (unsigned count = 0; count <= 2; count++) {
        struct undertaker undertaker = {.loop = threaded()};
        struct wish wishes[2];
        kith_timer *timer = NULL;

        seen_init(&undertaker.seen);
        for (unsigned i = 0; i < count; i++)
            wish_begin(&wishes[i], undertaker.loop);
        if (count > 0)
            wait_for_waiters(undertaker.loop, count);
        kith_loop_lock(undertaker.loop);
        assert_int_equal(kith_timer_new(undertaker.loop, free_loop, &undertaker, &timer), 0);
        assert_int_equal(kith_timer_arm(timer, 0, 0), 0);
        kith_loop_unlock(undertaker.loop);
        wait_for(&undertaker.seen.sem);
        assert_false(pthread_equal(undertaker.seen.by, pthread_self()));
        for (unsigned i = 0; i < count; i++)
            assert_int_equal(wish_end(&wishes[i]), -ESHUTDOWN);
    }
}

static void test_loop_freed_in_a_callback_of_a_thread_that_waits(void **state) {
    struct undertaker undertaker = {.loop = threaded()};
    struct wish wish;
    kith_timer *timer = NULL;

    seen_init(&undertaker.seen);
    kith_loop_lock(undertaker.loop);
    assert_int_equal(kith_timer_new(undertaker.loop, free_loop, &undertaker, &timer), 0);
    kith_loop_unlock(undertaker.loop);
    wish_begin(&wish, undertaker.loop);
    wait_for_waiters(undertaker.loop, 1);
    assert_int_equal(kith_timer_arm(timer, 0, 0), 0);
    assert_int_equal(wish_end(&wish), -ESHUTDOWN);
    wait_for(&undertaker.seen.sem);
}

static void test_child_process_may_only_free_it(void **state) {
    kith_loop *loop = threaded();
    struct wish wish;
    struct wish waiting;
    kith_timer *timer = NULL;
    int status = -1;

    assert_int_equal(kith_timer_new(loop, on_timer, NULL, &timer), 0);
    wish_begin(&waiting, loop);
    wait_for_waiters(loop, 1);
    wish_init(&wish, loop, -1);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(PATIENCE_S);
        kith_timer *none = NULL;
        int wrong = kith_loop_step(loop, -1) != -ECHILD;
        wrong += kith_loop_run(loop) != -ECHILD;
        wrong += wish_wait(&wish) != -ECHILD;
        wrong += kith_timer_new(loop, on_timer, NULL, &none) != -ECHILD;
        kith_loop_lock(loop);
        kith_loop_unlock(loop);
        kith_timer_free(timer);
        kith_loop_free(loop);
        _exit(wrong);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    /* The parent's goes on. */
    wish_give(&waiting, 3);
    assert_int_equal(wish_end(&waiting), 3);
    kith_timer_free(timer);
    kith_loop_free(loop);
}

/* Much of everything ---------------------------------------------------------------------------------------------------------- */

/* An end of a pair that asks, and a thread behind the other one that answers. */
struct asker {
    kith_loop *loop;
    struct kith_await await;
    int fds[2];
    kith_io *io;
    unsigned asked, answered; /* under the lock */
    unsigned pause;           /* every so many it does something else */
    pthread_t thread, echo;
};

static void on_answer(kith_io *io, int fd, unsigned events, void *userdata) {
    struct asker *asker = userdata;
    char octet;

    assert_int_equal(recv(fd, &octet, 1, MSG_DONTWAIT), 1);
    asker->answered++;
}

static int answer_attempt(struct kith_await *await) {
    const struct asker *asker = KITH_CONTAINER_OF(await, struct asker, await);
    return asker->answered == asker->asked ? 1 : -EAGAIN;
}

static void *answer_all(void *userdata) {
    const struct asker *asker = userdata;
    char octet;

    while (recv(asker->fds[1], &octet, 1, 0) == 1)
        assert_int_equal(send(asker->fds[1], &octet, 1, MSG_NOSIGNAL), 1);
    return NULL;
}

static void *ask_all(void *userdata) {
    struct asker *asker = userdata;

    for (unsigned i = 0; i < ROUNDS; i++) {
        kith_loop_lock(asker->loop);
        asker->asked++;
        assert_int_equal(send(asker->fds[0], "?", 1, MSG_NOSIGNAL), 1);
        kith_loop_unlock(asker->loop);
        if (i % asker->pause == 0)
            sched_yield();
        KITH_LOOP_HOLD(asker->loop);
        assert_int_equal(kith_loop_await(asker->loop, &asker->await, PATIENCE_S * 1000), 1);
    }
    return NULL;
}

static void asker_begin(struct asker *asker, kith_loop *loop, unsigned pause) {
    *asker = (struct asker){.loop = loop, .await.attempt = answer_attempt, .pause = pause};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, asker->fds), 0);
    assert_int_equal(kith_io_new(loop, asker->fds[0], KITH_IO_READ, on_answer, asker, &asker->io), 0);
    assert_int_equal(pthread_create(&asker->echo, NULL, answer_all, asker), 0);
    assert_int_equal(pthread_create(&asker->thread, NULL, ask_all, asker), 0);
}

static void asker_end(struct asker *asker) {
    assert_int_equal(pthread_join(asker->thread, NULL), 0);
    assert_int_equal(asker->answered, ROUNDS);
    kith_io_free(asker->io);
    shutdown(asker->fds[0], SHUT_RDWR);
    assert_int_equal(pthread_join(asker->echo, NULL), 0);
    conformance_close_pair(asker->fds);
}

/* One asks at a time that the others wait, they come and go; one more waits all the time, as a subscriber does. */
static void test_many_threads_ask_and_each_gets_its_answers(void **state) {
    kith_loop *loop = threaded();
    struct asker askers[3];
    struct wish idle;
    struct seen seen;
    kith_timer *timer = NULL;

    seen_init(&seen);
    assert_int_equal(kith_timer_new(loop, on_timer, &seen, &timer), 0);
    assert_int_equal(kith_timer_arm(timer, 0, 1), 0);
    wish_begin(&idle, loop);
    for (unsigned i = 0; i < KITH_ARRAY_SIZE(askers); i++)
        asker_begin(&askers[i], loop, i + 1);
    for (unsigned i = 0; i < KITH_ARRAY_SIZE(askers); i++)
        asker_end(&askers[i]);
    wait_for(&seen.sem);
    kith_timer_free(timer);
    wish_give(&idle, 1);
    assert_int_equal(wish_end(&idle), 1);
    kith_loop_free(loop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_armed_fires_in_the_loops_own_thread),
        cmocka_unit_test(test_thread_comes_before_everything_else_and_once),
        cmocka_unit_test(test_ring_is_given_up_but_not_against_the_applications_word),
        cmocka_unit_test(test_lock_is_recursive_and_nobody_waits_under_it),
        cmocka_unit_test(test_lock_of_a_loop_without_thread_does_nothing),
        cmocka_unit_test(test_who_waits_runs_the_callbacks_and_the_thread_does_again_when_nobody_waits),
        cmocka_unit_test(test_each_of_several_that_wait_gets_its_own),
        cmocka_unit_test(test_wait_ends_in_time_in_the_seat_and_out_of_it),
        cmocka_unit_test(test_stop_ends_all_that_wait_or_the_next),
        cmocka_unit_test(test_hangup_that_is_told_once_is_not_lost_between_threads),
        cmocka_unit_test(test_loop_freed_while_others_wait_sends_them_away),
        cmocka_unit_test(test_loop_freed_in_a_callback_of_its_own_thread),
        cmocka_unit_test(test_loop_freed_in_a_callback_of_a_thread_that_waits),
        cmocka_unit_test(test_child_process_may_only_free_it),
        cmocka_unit_test(test_many_threads_ask_and_each_gets_its_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

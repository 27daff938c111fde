/*
 * socket/test-threads.c: sockets on a loop with a thread of its own, used by several threads. Most of what can go wrong here only the
 * thread sanitizer sees; what each test asserts is that nothing is lost, doubled or mixed up, and that who waits is told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "loop/private.h"
#include "socket/testing.h"

#define ROUNDS 150
#define PATIENCE_MS 30000

struct fixture {
    kith_loop *loop;
    char endpoint[64];
    size_t fds;
};

static int setup(void **state) {
    static unsigned number;
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    fixture->fds = testing_fd_count();
    assert_int_equal(kith_loop_new(&fixture->loop), 0);
    assert_int_equal(kith_loop_thread(fixture->loop, NULL), 0);
    snprintf(fixture->endpoint, sizeof(fixture->endpoint), "ipc://@kith-threads-%d-%u", getpid(), number++);
    *state = fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;

    kith_loop_free(fixture->loop);
    assert_int_equal(testing_fd_count(), fixture->fds);
    free(fixture);
    return 0;
}

static kith_socket *make_socket(struct fixture *fixture, enum kith_socket_type type) {
    kith_socket *socket = NULL;

    assert_int_equal(kith_socket_new(fixture->loop, type, &socket), 0);
    if (getenv("TESTING_SHM")) /* once more with octets in shared memory */
        assert_int_equal(kith_socket_set_number(socket, KITH_OPTION_SHM, 1, NULL), 0);
    return socket;
}

/* How well messages are known. */
static enum kith_witness witness(void) {
    return getenv("TESTING_SHM") ? KITH_WITNESS_KERNEL_CONNECT : KITH_WITNESS_KERNEL_MESSAGE;
}

static kith_socket *bound(struct fixture *fixture, enum kith_socket_type type) {
    kith_socket *socket = make_socket(fixture, type);

    assert_int_equal(kith_socket_bind(socket, fixture->endpoint, NULL), 0);
    return socket;
}

static kith_socket *connected(struct fixture *fixture, enum kith_socket_type type) {
    kith_socket *socket = make_socket(fixture, type);

    assert_int_equal(kith_socket_connect(socket, fixture->endpoint, NULL), 0);
    return socket;
}

/* A frame that begins with a number. */
static kith_msg *make(uint32_t number, size_t size) {
    static const uint8_t octets[64 * 1024];
    kith_msg *msg = NULL;
    kith_buffer *buffer = NULL;

    assert_int_equal(kith_msg_new(&msg), 0);
    assert_int_equal(kith_buffer_new(sizeof(number) + size, &buffer), 0);
    memcpy(kith_buffer_data(buffer), &number, sizeof(number));
    memcpy(kith_buffer_data(buffer) + sizeof(number), octets, size);
    assert_int_equal(kith_msg_add_slice(msg, (struct kith_slice){buffer, kith_buffer_data(buffer), sizeof(number) + size}), 0);
    kith_buffer_unref(buffer);
    return msg;
}

static uint32_t number_of(const kith_msg *msg) {
    uint32_t number;
    size_t size;
    const uint8_t *frame = kith_msg_frame(msg, kith_msg_count(msg) - 1, &size);

    assert_true(size >= sizeof(number));
    memcpy(&number, frame, sizeof(number));
    return number;
}

static void send_number(kith_socket *socket, uint32_t number, size_t size, int timeout_ms) {
    assert_int_equal(kith_socket_send(socket, make(number, size), timeout_ms), 0);
}

static uint32_t recv_number(kith_socket *socket) {
    kith_msg *msg = NULL;

    assert_int_equal(kith_socket_recv(socket, &msg, PATIENCE_MS), 0);
    uint32_t number = number_of(msg);
    kith_msg_free(msg);
    return number;
}

/* Asking and answering ------------------------------------------------------------------------------------------------------ */

struct worker {
    pthread_t thread;
    struct fixture *fixture;
    kith_socket *socket;
    unsigned index, count;
    int result;
    atomic_uint *seen; /* by number */
    sem_t over;        /* of one that receives until it is stopped */
};

static void begin(struct worker *worker, void *(*fn)(void *userdata)) {
    assert_int_equal(pthread_create(&worker->thread, NULL, fn, worker), 0);
}

static void end(struct worker *worker) {
    assert_int_equal(pthread_join(worker->thread, NULL), 0);
}

/* A stop is for those that wait: not for one that is between two calls. */
static void end_by_stop(struct worker *worker, kith_loop *loop) {
    struct timespec until;

    do {
        kith_loop_stop(loop);
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += until.tv_nsec / 990000000;
        until.tv_nsec = (until.tv_nsec + 10000000) % 1000000000;
    } while (sem_timedwait(&worker->over, &until) < 0);
    end(worker);
}

static void answer(kith_socket *socket, kith_msg *msg, void *userdata) {
    unsigned *inside = userdata; /* no lock: never two at a time */

    assert_int_equal((*inside)++, 0);
    assert_int_equal(kith_socket_recv(socket, &msg, -1), -EINVAL);
    assert_int_equal(kith_socket_send(socket, msg, -1), -EBUSY);
    assert_int_equal(kith_socket_send(socket, msg, 0), 0);
    (*inside)--;
}

static void *ask_all(void *userdata) {
    struct worker *worker = userdata;
    kith_socket *socket = connected(worker->fixture, KITH_REQ);

    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint32_t number = worker->index << 16 | i;
        send_number(socket, number, i % 7 == 0 ? 20000 : i, -1);
        assert_int_equal(recv_number(socket), number);
    }
    kith_socket_free(socket);
    return NULL;
}

static void test_each_thread_gets_its_own_answers(void **state) {
    struct fixture *fixture = *state;
    static const struct kith_socket_handler handler = {.message = answer};
    struct worker workers[3];
    unsigned inside = 0;

    kith_socket *server = bound(fixture, KITH_REP);
    kith_socket_set_handler(server, &handler, &inside);
    for (unsigned i = 0; i < KITH_ARRAY_SIZE(workers); i++) {
        workers[i] = (struct worker){.fixture = fixture, .index = i};
        begin(&workers[i], ask_all);
    }
    for (unsigned i = 0; i < KITH_ARRAY_SIZE(workers); i++)
        end(&workers[i]);
    kith_socket_free(server);
}

/* One socket, several threads ----------------------------------------------------------------------------------------------- */

static void *recv_all(void *userdata) {
    struct worker *worker = userdata;

    for (kith_msg *msg; (worker->result = kith_socket_recv(worker->socket, &msg, -1)) == 0; worker->count++) {
        pid_t pid = 0;
        const char *exe;
        uint32_t number = number_of(msg);
        assert_int_equal(kith_origin_pid(kith_msg_origin(msg), &pid), witness());
        assert_int_equal(pid, getpid());
        (void)kith_origin_text(kith_msg_origin(msg), KITH_FACT_EXE, &exe);
        kith_msg_free(msg);
        atomic_fetch_add(&worker->seen[number], 1);
    }
    sem_post(&worker->over);
    return NULL;
}

static void *send_all(void *userdata) {
    struct worker *worker = userdata;

    /* Waiting for room and not, small and large. */
    for (uint32_t i = 0; i < ROUNDS; i++)
        send_number(worker->socket, worker->index * ROUNDS + i, i % 5 == 0 ? 30000 : 10, i % 2 ? -1 : PATIENCE_MS);
    return NULL;
}

static unsigned sum(const atomic_uint *seen, unsigned count) {
    unsigned total = 0;

    for (unsigned i = 0; i < count; i++)
        total += atomic_load(&seen[i]);
    return total;
}

static void test_what_several_threads_send_arrives_once_at_one_of_those_that_receive(void **state) {
    struct fixture *fixture = *state;
    static atomic_uint seen[2 * ROUNDS];
    struct worker senders[2], receivers[3];
    kith_socket *pull = bound(fixture, KITH_PULL), *push = connected(fixture, KITH_PUSH);

    assert_int_equal(kith_socket_set_option(push, "send-hwm", "20", NULL), 0);
    memset(seen, 0, sizeof(seen));
    for (unsigned i = 0; i < KITH_ARRAY_SIZE(receivers); i++) {
        receivers[i] = (struct worker){.socket = pull, .seen = seen};
        assert_int_equal(sem_init(&receivers[i].over, 0, 0), 0);
        begin(&receivers[i], recv_all);
    }
    for (unsigned i = 0; i < KITH_ARRAY_SIZE(senders); i++) {
        senders[i] = (struct worker){.socket = push, .index = i};
        begin(&senders[i], send_all);
    }
    for (unsigned i = 0; i < KITH_ARRAY_SIZE(senders); i++)
        end(&senders[i]);
    while (sum(seen, KITH_ARRAY_SIZE(seen)) < KITH_ARRAY_SIZE(seen))
        assert_true(kith_loop_step(fixture->loop, 10) >= 0);
    for (unsigned i = 0; i < KITH_ARRAY_SIZE(receivers); i++) {
        end_by_stop(&receivers[i], fixture->loop);
        assert_int_equal(receivers[i].result, -ECANCELED);
    }
    for (unsigned i = 0; i < KITH_ARRAY_SIZE(seen); i++)
        assert_int_equal(atomic_load(&seen[i]), 1);
    kith_socket_free(push);
    kith_socket_free(pull);
}

static void *send_many(void *userdata) {
    struct worker *worker = userdata;

    for (worker->count = 0; worker->count < ROUNDS; worker->count++)
        send_number(worker->socket, worker->count, 20000, PATIENCE_MS);
    return NULL;
}

/* Three megabytes, of which nothing is read at first: the sender has to wait for room. */
static void test_send_that_waits_goes_on_when_another_thread_receives(void **state) {
    struct fixture *fixture = *state;
    kith_socket *pull = bound(fixture, KITH_PULL), *push = connected(fixture, KITH_PUSH);
    struct worker sender = {.socket = push};

    assert_int_equal(kith_socket_set_option(push, "send-hwm", "2", NULL), 0);
    assert_int_equal(kith_socket_set_option(pull, "recv-hwm", "2", NULL), 0);
    begin(&sender, send_many);
    for (uint32_t i = 0; i < ROUNDS; i++)
        assert_int_equal(recv_number(pull), i);
    end(&sender);
    kith_socket_free(push);
    kith_socket_free(pull);
}

static void test_what_is_sent_without_waiting_needs_nobody_to_drive(void **state) {
    struct fixture *fixture = *state;
    kith_socket *pull = bound(fixture, KITH_PULL), *push = connected(fixture, KITH_PUSH);
    static atomic_uint seen[ROUNDS];
    struct worker receiver = {.socket = pull, .seen = seen};

    memset(seen, 0, sizeof(seen));
    send_number(push, 0, 0, PATIENCE_MS); /* there is a peer now */
    assert_int_equal(sem_init(&receiver.over, 0, 0), 0);
    begin(&receiver, recv_all);
    for (uint32_t i = 1; i < ROUNDS; i++)
        send_number(push, i, 0, 0);
    while (sum(seen, ROUNDS) < ROUNDS)
        sched_yield();
    kith_socket_free(pull);
    end(&receiver);
    assert_int_equal(receiver.result, -ESHUTDOWN);
    kith_socket_free(push);
}

/* What outlives what --------------------------------------------------------------------------------------------------------- */

static void *read_and_free(void *userdata) {
    kith_msg **msgs = userdata;

    for (uint32_t i = 0; i < ROUNDS; i++) {
        gid_t gid;
        assert_int_equal(number_of(msgs[i]), i);
        (void)kith_origin_groups(kith_msg_origin(msgs[i]), NULL, NULL);
        assert_int_equal(kith_origin_gid(kith_msg_origin(msgs[i]), &gid), witness());
        kith_msg_free(msgs[i]);
    }
    return NULL;
}

/* Large ones share the loop's slabs. */
static void test_messages_are_read_and_freed_in_other_threads_also_after_the_loop(void **state) {
    struct fixture *fixture = *state;
    static kith_msg *msgs[ROUNDS];

    for (unsigned loop_goes_first = 0; loop_goes_first < 2; loop_goes_first++) {
        kith_socket *pull = bound(fixture, KITH_PULL), *push = connected(fixture, KITH_PUSH);
        struct worker sender = {.socket = push}, more = {.socket = push};
        pthread_t reader;

        begin(&sender, send_many);
        for (uint32_t i = 0; i < ROUNDS; i++)
            assert_int_equal(kith_socket_recv(pull, &msgs[i], PATIENCE_MS), 0);
        end(&sender);
        assert_int_equal(pthread_create(&reader, NULL, read_and_free, msgs), 0);
        if (loop_goes_first) {
            fixture->loop = kith_loop_free(fixture->loop);
        } else {
            begin(&more, send_many);
            for (uint32_t i = 0; i < ROUNDS; i++)
                assert_int_equal(recv_number(pull), i);
            end(&more);
        }
        assert_int_equal(pthread_join(reader, NULL), 0);
        kith_socket_free(push);
        kith_socket_free(pull);
    }
}

static void *recv_until_it_ends(void *userdata) {
    struct worker *worker = userdata;
    kith_msg *msg;

    worker->result = kith_socket_recv(worker->socket, &msg, -1);
    if (worker->result == 0)
        kith_msg_free(msg);
    return NULL;
}

static void wait_for_waiters(kith_loop *loop, unsigned count) {
    for (bool there = false; !there; sched_yield()) {
        unsigned waiting = 0;
        KITH_LOOP_HOLD(loop);
        kith_list_foreach (&loop->thread->waiters, node)
            waiting++;
        there = waiting == count;
    }
}

static void test_who_waits_on_a_socket_that_is_freed_is_told(void **state) {
    struct fixture *fixture = *state;

    for (unsigned round = 0; round < 3; round++) {
        kith_socket *pull = bound(fixture, KITH_PULL), *other = connected(fixture, KITH_PULL);
        struct worker workers[2] = {{.socket = pull}, {.socket = other}};

        for (unsigned i = 0; i < 2; i++)
            begin(&workers[i], recv_until_it_ends);
        wait_for_waiters(fixture->loop, 2);
        kith_socket_free(pull);
        end(&workers[0]);
        assert_int_equal(workers[0].result, -ESHUTDOWN);
        if (round < 2)
            kith_socket_free(other);
        else
            fixture->loop = kith_loop_free(fixture->loop);
        end(&workers[1]);
        assert_int_equal(workers[1].result, -ESHUTDOWN);
        if (round == 2)
            kith_socket_free(other);
    }
}

static void test_time_limit_holds_while_another_thread_drives(void **state) {
    struct fixture *fixture = *state;
    kith_socket *pull = bound(fixture, KITH_PULL), *other = connected(fixture, KITH_PULL);
    struct worker worker = {.socket = pull};
    kith_msg *msg = NULL;

    begin(&worker, recv_until_it_ends);
    wait_for_waiters(fixture->loop, 1);
    assert_int_equal(kith_socket_recv(other, &msg, 2), -EAGAIN);
    assert_int_equal(kith_socket_recv(other, &msg, 0), -EAGAIN);
    kith_loop_lock(fixture->loop);
    assert_int_equal(kith_socket_recv(other, &msg, 2), -EBUSY);
    assert_int_equal(kith_socket_drain(other, 0), 0);
    kith_loop_unlock(fixture->loop);
    kith_loop_stop(fixture->loop);
    end(&worker);
    assert_int_equal(worker.result, -ECANCELED);
    kith_socket_free(other);
    kith_socket_free(pull);
}

static void test_child_process_may_only_free_them(void **state) {
    struct fixture *fixture = *state;
    kith_socket *pull = bound(fixture, KITH_PULL), *push = connected(fixture, KITH_PUSH);
    struct worker worker = {.socket = pull};

    begin(&worker, recv_until_it_ends);
    wait_for_waiters(fixture->loop, 1);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(PATIENCE_MS / 1000);
        kith_msg *msg = make(1, 1);
        int wrong = kith_socket_send(push, msg, -1) != -ECHILD;
        wrong += kith_socket_recv(pull, &msg, -1) != -ECHILD;
        wrong += kith_socket_bind(pull, "ipc://@", NULL) != -ECHILD;
        kith_msg_free(msg);
        kith_socket_free(push);
        kith_socket_free(pull);
        kith_loop_free(fixture->loop);
        raw_child_end(wrong == 0);
    }
    raw_child_wait(pid);
    send_number(push, 1, 1, PATIENCE_MS);
    end(&worker);
    assert_int_equal(worker.result, 0);
    kith_socket_free(push);
    kith_socket_free(pull);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_each_thread_gets_its_own_answers),
        TEST(test_what_several_threads_send_arrives_once_at_one_of_those_that_receive),
        TEST(test_send_that_waits_goes_on_when_another_thread_receives),
        TEST(test_what_is_sent_without_waiting_needs_nobody_to_drive),
        TEST(test_messages_are_read_and_freed_in_other_threads_also_after_the_loop),
        TEST(test_who_waits_on_a_socket_that_is_freed_is_told),
        TEST(test_time_limit_holds_while_another_thread_drives),
        TEST(test_child_process_may_only_free_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

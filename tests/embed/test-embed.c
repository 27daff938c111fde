/*
 * tests/embed/test-embed.c: kith inside other loops, through kith_loop_fd() and kith_loop_step(loop, 0) and nothing else: a server that
 * answers clients of kith and of libzmq, timers of both loops, silence when there is nothing to do, and nothing stuck when something is
 * left. Every test runs in each host.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <zmq.h>

#include <kith/kith.h>

#include "base/cleanup.h"
#include "base/testing.h"
#include "base/time.h"
#include "embed/host.h"

#define ROUNDS 50
#define PATIENCE_MS 30000

static const struct embed_host *const hosts[] = {&embed_epoll, &embed_libuv, &embed_glib};

struct program {
    const struct embed_host *host;
    void *state;
    kith_loop *loop;
    kith_socket *server;
    char endpoint[64];
    unsigned ready, ticks;   /* calls of the host */
    unsigned served, fired;  /* calls of kith */
    unsigned ignore;         /* so many times the host does not step kith */
    uint64_t begin, last_at; /* of the kith timer */
    atomic_uint done;        /* clients that have all their answers */
};

static void on_ready(void *userdata) {
    struct program *program = userdata;

    program->ready++;
    if (program->ignore > 0)
        program->ignore--;
    else
        assert_true(kith_loop_step(program->loop, 0) >= 0);
}

static void on_tick(void *userdata) {
    ((struct program *)userdata)->ticks++;
}

static void on_message(kith_socket *socket, kith_msg *msg, void *userdata) {
    struct program *program = userdata;

    program->served++;
    assert_int_equal(kith_socket_send(socket, msg, 0), 0);
}

static void program_begin(struct program *program, const struct embed_host *host, unsigned tick_ms) {
    static const struct kith_socket_handler handler = {.message = on_message};
    static unsigned number;

    *program = (struct program){.host = host};
    assert_int_equal(kith_loop_new(&program->loop), 0);
    assert_int_equal(kith_socket_new(program->loop, KITH_REP, &program->server), 0);
    snprintf(program->endpoint, sizeof(program->endpoint), "ipc://@kith-embed-%d-%u", getpid(), number++);
    assert_int_equal(kith_socket_bind(program->server, program->endpoint, NULL), 0);
    kith_socket_set_handler(program->server, &handler, program);
    int fd = kith_loop_fd(program->loop);
    assert_true(fd >= 0);
    program->state = host->new (fd, tick_ms, &(struct embed_calls){on_ready, on_tick, program});
}

static void program_end(struct program *program) {
    program->host->free(program->state);
    kith_socket_free(program->server);
    kith_loop_free(program->loop);
}

static void *kith_client(void *userdata) {
    struct program *program = userdata;
    kith_loop *loop = NULL;
    kith_socket *socket = NULL;

    assert_int_equal(kith_loop_new(&loop), 0);
    assert_int_equal(kith_socket_new(loop, KITH_REQ, &socket), 0);
    assert_int_equal(kith_socket_connect(socket, program->endpoint, NULL), 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        kith_msg *msg = NULL;
        assert_int_equal(kith_msg_new(&msg), 0);
        assert_int_equal(kith_msg_add(msg, &i, sizeof(i)), 0);
        assert_int_equal(kith_socket_send(socket, msg, PATIENCE_MS), 0);
        assert_int_equal(kith_socket_recv(socket, &msg, PATIENCE_MS), 0);
        assert_memory_equal(kith_msg_frame(msg, 0, NULL), &i, sizeof(i));
        kith_msg_free(msg);
    }
    kith_socket_free(socket);
    kith_loop_free(loop);
    atomic_fetch_add(&program->done, 1);
    return NULL;
}

/* libzmq writes "@" where the kernel has a NUL, as kith does. */
static void *zmq_client(void *userdata) {
    struct program *program = userdata;
    void *context = zmq_ctx_new(), *socket = zmq_socket(context, ZMQ_REQ);
    int patience = PATIENCE_MS, no_linger = 0;

    assert_int_equal(zmq_setsockopt(socket, ZMQ_RCVTIMEO, &patience, sizeof(patience)), 0);
    assert_int_equal(zmq_setsockopt(socket, ZMQ_LINGER, &no_linger, sizeof(no_linger)), 0);
    assert_int_equal(zmq_connect(socket, program->endpoint), 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned answer = 0;
        assert_int_equal(zmq_send(socket, &i, sizeof(i), 0), sizeof(i));
        assert_int_equal(zmq_recv(socket, &answer, sizeof(answer), 0), sizeof(answer));
        assert_int_equal(answer, i);
    }
    zmq_close(socket);
    zmq_ctx_term(context);
    atomic_fetch_add(&program->done, 1);
    return NULL;
}

/* The ticks see to it that the host looks at `done`. */
static void serve_clients(struct program *program) {
    void *(*const clients[])(void *) = {kith_client, zmq_client, kith_client, zmq_client};
    pthread_t threads[KITH_ARRAY_SIZE(clients)];

    for (unsigned i = 0; i < KITH_ARRAY_SIZE(clients); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, clients[i], program), 0);
    while (atomic_load(&program->done) < KITH_ARRAY_SIZE(clients))
        program->host->once(program->state);
    for (unsigned i = 0; i < KITH_ARRAY_SIZE(clients); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(program->served, ROUNDS * KITH_ARRAY_SIZE(clients));
}

static void run_ticks(struct program *program, unsigned count) {
    for (unsigned end = program->ticks + count; program->ticks < end;)
        program->host->once(program->state);
}

static void test_clients_of_several_kinds_are_answered(void **state) {
    struct program program;

    program_begin(&program, *state, 2);
    serve_clients(&program);
    program_end(&program);
}

static void on_timer(kith_timer *timer, void *userdata) {
    struct program *program = userdata;
    uint64_t now = kith_time_now();

    program->fired++;
    assert_true(now - program->begin >= program->fired * 3 * KITH_NS_PER_MS);
    program->last_at = now;
}

/* Each gets its turn while the other's runs; what is armed when nothing else happens is seen. */
static void test_timers_of_both_loops_go_on_side_by_side(void **state) {
    struct program program;
    kith_timer *timer = NULL;

    program_begin(&program, *state, 2);
    assert_int_equal(kith_timer_new(program.loop, on_timer, &program, &timer), 0);
    program.begin = kith_time_now();
    assert_int_equal(kith_timer_arm(timer, 3, 3), 0);
    while (program.fired < 20 || program.ticks < 20)
        program.host->once(program.state);
    kith_timer_disarm(timer);
    unsigned fired = program.fired;
    run_ticks(&program, 5);
    assert_int_equal(program.fired, fired);
    kith_timer_free(timer);
    program_end(&program);
}

/* One call too many is allowed: what was to be seen before may be seen once more. */
static void test_nothing_to_do_wakes_nobody(void **state) {
    struct program program;
    kith_timer *timer = NULL;

    program_begin(&program, *state, 2);
    assert_int_equal(kith_timer_new(program.loop, on_timer, &program, &timer), 0);
    assert_int_equal(kith_timer_arm(timer, 3600 * 1000, 0), 0);
    serve_clients(&program);
    /* The clients' connections end some time. */
    while (kith_socket_peer_count(program.server) > 0)
        program.host->once(program.state);
    run_ticks(&program, 2);
    unsigned before = program.ready;
    run_ticks(&program, 20);
    assert_in_range(program.ready - before, 0, 1);
    kith_timer_free(timer);
    program_end(&program);
}

/* The host is late again and again: it is told until it comes. */
static void test_what_is_left_is_told_again(void **state) {
    struct program program;

    program_begin(&program, *state, 2);
    program.ignore = 10;
    serve_clients(&program);
    assert_int_equal(program.ignore, 0);
    assert_true(program.ready > 10);
    program_end(&program);
}

static size_t fds;

static int setup(void **state) {
    fds = testing_fd_count();
    return 0;
}

static int teardown(void **state) {
    return testing_fd_count() == fds ? 0 : -1;
}

/* What its library opens once for the whole process is none of kith's. */
static void warm_up(const struct embed_host *host) {
    struct program program;

    program_begin(&program, host, 1);
    run_ticks(&program, 1);
    program_end(&program);
}

#define TEST(test)                                                                                                                         \
    { #test, test, setup, teardown, (void *)host }

static int run_in(const struct embed_host *host) {
    const struct CMUnitTest tests[] = {
        TEST(test_clients_of_several_kinds_are_answered),
        TEST(test_timers_of_both_loops_go_on_side_by_side),
        TEST(test_nothing_to_do_wakes_nobody),
        TEST(test_what_is_left_is_told_again),
    };
    return cmocka_run_group_tests_name(host->name, tests, NULL, NULL);
}

int main(void) {
    int failed = 0;

    for (size_t i = 0; i < KITH_ARRAY_SIZE(hosts); i++) {
        warm_up(hosts[i]);
        failed += run_in(hosts[i]);
    }
    return failed;
}

/*
 * What a busy server costs with io_uring: one system call a step, however many connections have received and answered in it. The linker
 * puts the functions below in front of the libraries' (--wrap), wherever libkith calls them: they count.
 */
#include "stream/testing.h"

#include <liburing.h>

#define PAIRS 20
#define ROUNDS 100

static unsigned waits, others;

/* The names are the linker's. */
#define WRAP(result, name, parameters, arguments, counter)                                                                                 \
    result __real_##name parameters;                                                                                                       \
    result __wrap_##name parameters;                                                                                                       \
    result __wrap_##name parameters {                                                                                                      \
        counter++;                                                                                                                         \
        return __real_##name arguments;                                                                                                    \
    }

WRAP(int, io_uring_enter2, (unsigned fd, unsigned submit, unsigned complete, unsigned flags, sigset_t *argument, size_t size),
     (fd, submit, complete, flags, argument, size), waits)
WRAP(int, io_uring_submit, (struct io_uring * ring), (ring), others)
WRAP(int, io_uring_submit_and_get_events, (struct io_uring * ring), (ring), others)
WRAP(ssize_t, send, (int fd, const void *data, size_t size, int flags), (fd, data, size, flags), others)
WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags), others)
WRAP(ssize_t, recv, (int fd, void *data, size_t size, int flags), (fd, data, size, flags), others)
WRAP(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags), others)
WRAP(ssize_t, read, (int fd, void *data, size_t size), (fd, data, size), others)
WRAP(ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size), others)
WRAP(int, close, (int fd), (fd), others)

struct party {
    kith_loop *loop;
    kith_conn *conns[2 * PAIRS];
    unsigned messages, before_waits, before_others;
};

/* What comes is sent back; for ever. */
static void pass_back(kith_conn *conn, struct kith_batch *batch, void *userdata) {
    struct party *party = userdata;
    assert_true(batch->sender.known);
    if (++party->messages == PAIRS) { /* all have begun */
        party->before_waits = waits;
        party->before_others = others;
    }
    if (party->messages == PAIRS * ROUNDS) {
        party->before_waits = waits - party->before_waits;
        party->before_others = others - party->before_others;
        kith_loop_stop(party->loop);
    }
    assert_int_equal(kith_conn_write_slice(conn, batch->slice), 0);
}

static void test_a_step_of_many_requests_and_replies_is_one_system_call(void **state) {
    static const struct kith_conn_ops ops = {.data = pass_back};
    struct kith_conn_options options = {.identity = true};
    struct party party = {0};
    assert_int_equal(kith_loop_new_with(&(struct kith_loop_options){.backend = "uring"}, &party.loop, NULL), 0);
    for (size_t i = 0; i < PAIRS; i++) {
        int fds[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        for (size_t k = 0; k < 2; k++)
            assert_int_equal(kith_conn_new_fd(party.loop, fds[k], &options, &ops, &party, &party.conns[2 * i + k]), 0);
        assert_int_equal(kith_conn_write(party.conns[2 * i], "ball", 4), 0);
    }
    assert_int_equal(kith_loop_run(party.loop), 0);
    assert_int_equal(party.before_others, 0);
    assert_in_range(party.before_waits, ROUNDS / 2, 2 * ROUNDS);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(party.conns); i++)
        kith_conn_free(party.conns[i]);
    kith_loop_free(party.loop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_step_of_many_requests_and_replies_is_one_system_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

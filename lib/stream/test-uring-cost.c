/*
 * What a busy server costs with io_uring: one system call a step, however many connections have received and answered in it; and memory for
 * what is received that grows only where that helps. The linker puts the functions below in front of the libraries' (--wrap), wherever
 * libkith calls them: they count.
 */
#include "stream/testing.h"

/* Of liburing, whose header is the loop's alone: these are passed on. */
struct io_uring;
struct io_uring_cqe;
struct __kernel_timespec;

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

/* The kernel takes the ring's buffers in turn: which ones octets come in tells how many it has. */
#define BUFFERS_FIRST 4
#define BUFFERS_SEEN 64

struct readers {
    const kith_buffer *seen[BUFFERS_SEEN];
    size_t seen_count;
    uint64_t octets;
};

static void remember_buffer(kith_conn *conn, struct kith_batch *batch, void *userdata) {
    struct readers *readers = userdata;
    size_t i = 0;
    while (i < readers->seen_count && readers->seen[i] != batch->slice.buffer)
        i++;
    if (i == readers->seen_count && i < BUFFERS_SEEN)
        readers->seen[readers->seen_count++] = batch->slice.buffer;
    readers->octets += batch->slice.size;
}

/* More than fits into the first buffers, at once. Returns the octets that the socket took. */
static uint64_t pour_in(int fd) {
    static const char octets[BUFFERS_FIRST * KITH_SLAB_SIZE * 2];
    ssize_t n = __real_send(fd, octets, sizeof(octets), MSG_DONTWAIT | MSG_NOSIGNAL);
    assert_true(n > (ssize_t)(BUFFERS_FIRST * KITH_SLAB_SIZE));
    return (uint64_t)n;
}

/* Fills so many sockets again and again, and reads them. Returns how many buffers their octets came in. */
static size_t buffers_for(size_t sockets) {
    static const struct kith_conn_ops ops = {.data = remember_buffer};
    enum { SOCKETS_MAX = 4, FILLINGS = 20 };
    const int size = BUFFERS_FIRST * KITH_SLAB_SIZE * 2;
    struct readers readers = {0};
    kith_conn *conns[SOCKETS_MAX];
    kith_loop *loop = NULL;
    int fds[SOCKETS_MAX][2];
    assert_int_equal(kith_loop_new_with(&(struct kith_loop_options){.backend = "uring"}, &loop, NULL), 0);
    for (size_t i = 0; i < sockets; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds[i]), 0);
        assert_int_equal(setsockopt(fds[i][1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
        assert_int_equal(kith_conn_new_fd(loop, fds[i][0], NULL, &ops, &readers, &conns[i]), 0);
    }
    for (int filling = 0; filling < FILLINGS; filling++) {
        uint64_t end = readers.octets;
        for (size_t i = 0; i < sockets; i++)
            end += pour_in(fds[i][1]);
        while (readers.octets < end)
            assert_true(kith_loop_step(loop, 10000) > 0);
    }
    for (size_t i = 0; i < sockets; i++) {
        kith_conn_free(conns[i]);
        __real_close(fds[i][1]);
    }
    kith_loop_free(loop);
    return readers.seen_count;
}

static void test_one_busy_socket_does_not_make_the_ring_of_buffers_grow(void **state) {
    assert_in_range(buffers_for(1), 1, BUFFERS_FIRST);
}

static void test_sockets_that_take_buffers_from_each_other_make_it_grow(void **state) {
    assert_in_range(buffers_for(4), BUFFERS_FIRST + 1, BUFFERS_SEEN);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_step_of_many_requests_and_replies_is_one_system_call),
        cmocka_unit_test(test_one_busy_socket_does_not_make_the_ring_of_buffers_grow),
        cmocka_unit_test(test_sockets_that_take_buffers_from_each_other_make_it_grow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

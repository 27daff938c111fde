/* Descriptors that a connection sends: once, in order, with the octets they belong to, and closed whatever becomes of them.
 * world_teardown() counts: what is left open fails each of these. */
#include "stream/testing.h"

#include <sys/eventfd.h>

#include <kith/cmsg.h>

#include "stream/internal.h"

/* What one receive of the peer's brought. */
struct got {
    char octets[256];
    ssize_t size;
    int fds[KITH_FDS_MAX];
    size_t count;
};

static struct got receive(int peer) {
    union {
        struct cmsghdr align;
        uint8_t octets[CMSG_SPACE(KITH_FDS_MAX * sizeof(int))];
    } control;
    struct got got = {0};
    struct iovec iov = {.iov_base = got.octets, .iov_len = sizeof(got.octets)};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    got.size = recvmsg(peer, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got.size > 0)
        got.count = kith_cmsg_adopt_fds(&control, message.msg_controllen, got.fds, KITH_FDS_MAX, NULL, NULL);
    return got;
}

static void close_all(struct got *got) {
    for (size_t i = 0; i < got->count; i++)
        close(got->fds[i]);
}

/* An eventfd that says its number. */
static int numbered(uint64_t number) {
    int fd = eventfd((unsigned)number, EFD_CLOEXEC | EFD_NONBLOCK);
    assert_true(fd >= 0);
    return fd;
}

static uint64_t number_of(int fd) {
    uint64_t number = 0;
    assert_int_equal(read(fd, &number, sizeof(number)), sizeof(number));
    return number;
}

static void write_with(struct end *end, const char *text, uint64_t number) {
    int fd = numbered(number);
    assert_int_equal(kith_conn_write_fds(end->conn, text, strlen(text), &fd, 1), 0);
}

static void test_descriptors_begin_a_send_of_their_own(void **state) {
    struct world *world = *state;
    struct end end = {0};
    int peer = end_over_pair(world, &end, NULL, &end_ops);
    for (int i = 0; i < 5; i++)
        assert_int_equal(kith_conn_write(end.conn, "a", 1), 0);
    write_with(&end, "first", 1);
    assert_int_equal(kith_conn_write(end.conn, "behind", 6), 0);
    write_with(&end, "second", 2);
    write_with(&end, "third", 3);
    assert_int_equal(kith_conn_write(end.conn, "z", 1), 0);
    kith_conn_flush(end.conn);
    assert_int_equal(kith_conn_queued(end.conn), 0);
    static const char *const texts[] = {"aaaaafirstbehind", "second", "thirdz"};
    for (uint64_t i = 0; i < 3; i++) {
        struct got got = receive(peer);
        assert_int_equal(got.size, strlen(texts[i]));
        assert_memory_equal(got.octets, texts[i], (size_t)got.size);
        assert_int_equal(got.count, 1);
        assert_int_equal(number_of(got.fds[0]), i + 1);
        close_all(&got);
    }
    end_deinit(&end);
    close(peer);
}

static void test_as_many_as_the_kernel_passes_and_no_more(void **state) {
    struct world *world = *state;
    struct end end = {0};
    int peer = end_over_pair(world, &end, NULL, &end_ops), fds[KITH_FDS_MAX + 1];
    for (int i = 0; i < KITH_FDS_MAX + 1; i++)
        fds[i] = numbered(1);
    assert_int_equal(kith_conn_write_fds(end.conn, "x", 1, fds, KITH_FDS_MAX + 1), -EINVAL);
    assert_int_equal(kith_conn_write_fds(end.conn, "x", 1, fds, 0), -EINVAL);
    assert_int_equal(kith_conn_write_fds(end.conn, "x", 0, fds, 1), -EINVAL);
    assert_int_equal(kith_conn_write_fds(end.conn, "x", 1, (int[]){-1}, 1), -EBADF);
    assert_int_equal(kith_conn_write_fds(end.conn, "x", 1, fds, KITH_FDS_MAX), 0);
    kith_conn_flush(end.conn);
    struct got got = receive(peer);
    assert_int_equal(got.count, KITH_FDS_MAX);
    close_all(&got);
    close(fds[KITH_FDS_MAX]);
    end_deinit(&end);
    close(peer);
}

static void test_what_is_not_sent_is_closed_with_the_connection(void **state) {
    struct world *world = *state;
    struct end end = {0};
    int peer = end_over_pair(world, &end, NULL, &end_ops);
    for (int i = 0; i < 10; i++)
        write_with(&end, "x", 1);
    end_deinit(&end);
    close(peer);

    peer = end_over_pair(world, &end, NULL, &end_ops); /* nobody reads, then he is gone */
    int size = 4096;
    assert_int_equal(setsockopt(kith_conn_fd(end.conn), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
    for (int i = 0; i < 100; i++)
        write_with(&end, "x", 1);
    kith_conn_flush(end.conn);
    assert_true(kith_conn_queued(end.conn) > 0);
    close(peer);
    until(world, end.closed == 1);
    end_deinit(&end);
}

static void test_a_full_socket_gets_them_once_and_in_order(void **state) {
    struct world *world = *state;
    struct end end = {0};
    int peer = end_over_pair(world, &end, NULL, &end_ops), size = 4096;
    uint8_t *octets = pattern_new(100000);
    uint64_t sent = 0, come = 0;
    size_t came = 0;
    assert_int_equal(setsockopt(kith_conn_fd(end.conn), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
    for (size_t at = 0; at < 100000; at += 1000, sent++) {
        int fd = numbered(sent + 1);
        assert_int_equal(kith_conn_write_fds(end.conn, octets + at, 900, &fd, 1), 0);
        assert_int_equal(kith_conn_write(end.conn, octets + at + 900, 100), 0);
    }
    for (uint64_t until_end = kith_time_now() + PATIENCE_NS; came < 100000;) {
        assert_true(kith_time_now() < until_end);
        struct got got = receive(peer);
        for (ssize_t i = 0; i < got.size; i++)
            assert_int_equal((uint8_t)got.octets[i], octets[came + (size_t)i]);
        for (size_t i = 0; i < got.count; i++) {
            assert_int_equal(number_of(got.fds[i]), ++come);
            assert_true(came <= (come - 1) * 1000); /* with the first octet at the latest */
        }
        close_all(&got);
        came += got.size > 0 ? (size_t)got.size : 0;
        assert_true(kith_loop_step(world->loop, 0) >= 0);
    }
    assert_int_equal(come, sent);
    free(octets);
    end_deinit(&end);
    close(peer);
}

/* Two connections: what one writes the other one's batches have, whatever the kernel has glued together. */
static void take_numbers(struct end *end, struct kith_batch *batch) {
    uint64_t *next = end->extra;
    for (size_t i = 0; i < batch->fd_count; i++)
        assert_int_equal(number_of(batch->fds[i]), ++*next);
}

static void test_a_connection_receives_what_another_one_sends(void **state) {
    struct world *world = *state;
    static const struct kith_conn_options options = {.identity = true, .receive_fds = 1};
    struct end end = {0}, other = {.on_data = take_numbers};
    uint64_t next = 0;
    other.extra = &next;
    int peer = end_over_pair(world, &end, &options, &end_ops);
    assert_int_equal(kith_conn_new_fd(world->loop, peer, &options, &end_ops, &other, &other.conn), 0);
    for (uint64_t i = 0; i < 2000; i++) {
        if (i % 3 == 0)
            assert_int_equal(kith_conn_write(end.conn, "small", 5), 0);
        write_with(&end, "x", i + 1);
        if (i % 50 == 49) { /* the backlog of descriptors in flight stays below any limit */
            size_t want = (size_t)(i + 1) + (size_t)(i / 3 + 1) * 5;
            until(world, other.size == want);
        }
    }
    assert_int_equal(next, 2000);
    assert_int_equal(other.fd_refused, 0);
    end_deinit(&end);
    end_deinit(&other);
}

static void test_only_sockets_of_this_host_pass_descriptors(void **state) {
    struct world *world = *state;
    struct end end = {0};
    int fds[2], fd = numbered(1);
    tcp_pair(fds);
    assert_int_equal(kith_conn_new_fd(world->loop, fds[0], NULL, &end_ops, &end, &end.conn), 0);
    assert_int_equal(kith_conn_write_fds(end.conn, "x", 1, &fd, 1), -EOPNOTSUPP);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC); /* it stays ours */
    close(fd);
    end_deinit(&end);
    close(fds[1]);
}

#ifndef SO_PASSRIGHTS /* Linux 6.16 */
#define SO_PASSRIGHTS 83
#endif

static void test_a_peer_that_refuses_descriptors_ends_the_connection(void **state) {
    struct world *world = *state;
    struct end end = {0};
    int peer = end_over_pair(world, &end, NULL, &end_ops), off = 0;
    bool refuses = setsockopt(peer, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off)) == 0;
    write_with(&end, "x", 1);
    if (refuses) {
        until(world, end.closed == 1);
        assert_int_equal(end.error, -EPERM);
    } else { /* a kernel that has no such switch passes it */
        kith_conn_flush(end.conn);
        struct got got = receive(peer);
        assert_int_equal(got.count, 1);
        close_all(&got);
    }
    end_deinit(&end);
    close(peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_descriptors_begin_a_send_of_their_own),
        WORLD_TEST(test_as_many_as_the_kernel_passes_and_no_more),
        WORLD_TEST(test_what_is_not_sent_is_closed_with_the_connection),
        WORLD_TEST(test_a_full_socket_gets_them_once_and_in_order),
        WORLD_TEST(test_a_connection_receives_what_another_one_sends),
        WORLD_TEST(test_only_sockets_of_this_host_pass_descriptors),
        WORLD_TEST(test_a_peer_that_refuses_descriptors_ends_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

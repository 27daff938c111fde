/*
 * Descriptors that peers pass without being asked are open in this process from the moment of recvmsg(): each of these tests would leak
 * them. The fixture counts /proc/self/fd before and after; here it is counted while the peer is still connected, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/raw.h"
#include "support/support.h"

/* Writes octets with `count` copies of one descriptor, as a peer of another make would. */
static void write_with_fds(struct raw *raw, const void *data, size_t size, size_t count) {
    union {
        struct cmsghdr align;
        uint8_t octets[CMSG_SPACE(KITH_CMSG_MAX_FDS * sizeof(int))];
    } control;
    int fds[KITH_CMSG_MAX_FDS];
    for (size_t i = 0; i < count; i++)
        fds[i] = STDERR_FILENO;
    struct kith_cmsg_builder builder = kith_cmsg_builder_init(control.octets, sizeof(control.octets));
    assert_int_equal(kith_cmsg_put_fds(&builder, fds, count), 0);
    struct iovec octets = {.iov_base = (void *)data, .iov_len = size};
    struct msghdr header = {.msg_iov = &octets, .msg_iovlen = 1, .msg_control = control.octets, .msg_controllen = builder.size};
    assert_int_equal(sendmsg(raw->fd, &header, MSG_NOSIGNAL), (ssize_t)size);
}

static void expect_hello(struct support *support, kith_socket *server) {
    _cleanup_(kith_msg_freep) kith_msg *msg = support_recv(support, server);
    support_assert_frame(msg, 1, "hello");
}

static void connect_raw(struct support *support, kith_socket *server, struct raw *ret_raw) {
    assert_int_equal(raw_connect(support, kith_socket_last_endpoint(server), ret_raw), 0);
}

static void test_descriptors_with_a_message_are_closed_and_told(void **state) {
    struct support *support = *state;
    kith_socket *server = support_server(support, KITH_ROUTER, support_ipc(support));
    static const size_t counts[] = {1, 2, 3, 17, KITH_CMSG_MAX_FDS};
    struct raw raw;
    connect_raw(support, server, &raw);
    assert_int_equal(raw_handshake(&raw, "DEALER", NULL), 0);
    size_t fds = support_fd_count();
    for (size_t i = 0; i < KITH_ARRAY_SIZE(counts); i++) {
        write_with_fds(&raw, "\0\5hello", 7, counts[i]);
        expect_hello(support, server);
        const struct support_event *event = support_event(support, server, KITH_EVENT_FDS_REFUSED);
        assert_true(event->count >= 1);
        assert_in_range(support_fd_count(), 1, fds + 1); /* a pidfd of the sender may be new */
    }
    raw_close(&raw);
}

static void test_descriptors_with_the_greeting_and_ready_are_closed(void **state) {
    struct support *support = *state;
    kith_socket *server = support_server(support, KITH_ROUTER, support_ipc(support));
    struct raw raw;
    uint8_t greeting[RAW_GREETING], ready[RAW_READY_MAX];
    raw_greeting(greeting);
    connect_raw(support, server, &raw);
    write_with_fds(&raw, greeting, 10, 5);
    write_with_fds(&raw, greeting + 10, sizeof(greeting) - 10, KITH_CMSG_MAX_FDS);
    write_with_fds(&raw, ready, raw_ready(ready, "DEALER", NULL), 5);
    write_with_fds(&raw, "\0\5hello", 7, 5);
    expect_hello(support, server);
    support_event(support, server, KITH_EVENT_FDS_REFUSED);
    raw_close(&raw);
}

/* The first octets that a peer sends, and they do not make a greeting: refused, and still nothing leaks. */
static void test_descriptors_with_garbage_are_closed(void **state) {
    static const char garbage[] = "GET / HTTP/1.1\r\n\r\n, and as many octets more as make up a whole greeting";
    struct support *support = *state;
    kith_socket *server = support_server(support, KITH_ROUTER, support_ipc(support));
    size_t fds = 0;
    for (int round = 0; round < 4; round++) {
        struct raw raw;
        connect_raw(support, server, &raw);
        write_with_fds(&raw, garbage, sizeof(garbage), KITH_CMSG_MAX_FDS);
        support_event(support, server, KITH_EVENT_HANDSHAKE_FAILED);
        assert_int_equal(raw_until_closed(&raw), 0);
        raw_close(&raw);
        /* With its first peer the loop makes what it then keeps. */
        if (round > 0)
            assert_int_equal(support_fd_count(), fds);
        fds = support_fd_count();
    }
}

/* Sent, and never read: they are closed with the connection, by the kernel, when the server goes. */
static void test_descriptors_never_read_do_not_stay(void **state) {
    struct support *support = *state;
    kith_socket *server = support_server(support, KITH_ROUTER, support_ipc(support));
    struct raw raw;
    connect_raw(support, server, &raw);
    assert_int_equal(raw_handshake(&raw, "DEALER", NULL), 0);
    for (int i = 0; i < 10; i++)
        write_with_fds(&raw, "\0\5hello", 7, 10);
    support_socket_free(support, server);
    raw_close(&raw);
}

/* With the table full the kernel cuts the descriptors off (MSG_CTRUNC): the octets are good, the server goes on. */
static void test_descriptors_that_do_not_fit_the_table_harm_nothing(void **state) {
    struct support *support = *state;
    kith_socket *server = support_server(support, KITH_ROUTER, support_ipc(support));
    struct raw raw;
    connect_raw(support, server, &raw);
    assert_int_equal(raw_handshake(&raw, "DEALER", NULL), 0);
    write_with_fds(&raw, "\0\5hello", 7, 1); /* what the server keeps of its sender, it has from now on */
    expect_hello(support, server);
    int lowest_free = dup(STDERR_FILENO);
    assert_true(lowest_free >= 0);
    close(lowest_free);
    struct rlimit saved, tight;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &saved), 0);
    tight = (struct rlimit){.rlim_cur = (rlim_t)lowest_free + 2, .rlim_max = saved.rlim_max};
    write_with_fds(&raw, "\0\5hello", 7, 20);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    kith_msg *msg = NULL;
    int result = kith_socket_recv(server, &msg, support_left(support));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &saved), 0);
    assert_int_equal(result, 0);
    support_assert_frame(msg, 1, "hello");
    kith_msg_free(msg);
    raw_close(&raw);
}

static void test_descriptors_from_a_server_are_closed_by_the_client(void **state) {
    struct support *support = *state;
    const char *endpoint = support_ipc(support);
    int listener = raw_listen(endpoint);
    assert_true(listener >= 0);
    kith_socket *client = support_socket(support, KITH_DEALER);
    support_connect(client, endpoint);
    struct raw raw;
    assert_int_equal(raw_accept(support, listener, &raw), 0);
    assert_int_equal(raw_handshake(&raw, "DEALER", NULL), 0);
    write_with_fds(&raw, "\0\5hello", 7, 100);
    _cleanup_(kith_msg_freep) kith_msg *msg = support_recv(support, client);
    support_assert_frame(msg, 0, "hello");
    support_event(support, client, KITH_EVENT_FDS_REFUSED);
    raw_close(&raw);
    close(listener);
}

/* Connections and sockets come and go; nothing of them remains open while the loop lives on. */
static void test_peers_and_sockets_leave_no_descriptor_in_a_living_loop(void **state) {
    struct support *support = *state;
    size_t fds = support_fd_count();
    for (int i = 0; i < 20; i++) {
        kith_socket *server = support_server(support, KITH_REP, i % 2 ? support_ipc(support) : "tcp://127.0.0.1:0");
        kith_socket *client = support_socket(support, KITH_REQ);
        support_connect(client, kith_socket_last_endpoint(server));
        support_send(support, client, support_msg("hello", NULL));
        kith_msg_free(support_recv(support, server));
        support_socket_free(support, i % 3 ? server : client);
        support_socket_free(support, i % 3 ? client : server);
    }
    assert_int_equal(support_fd_count(), fds);
}

/* The pidfd that guards what is known of a process is one for all its connections. */
static void test_many_connections_of_one_process_cost_one_pidfd(void **state) {
    enum { COUNT = 20 };
    struct support *support = *state;
    kith_socket *server = support_server(support, KITH_ROUTER, support_ipc(support));
    size_t fds = 0;
    struct raw raws[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        connect_raw(support, server, &raws[i]);
        assert_int_equal(raw_handshake(&raws[i], "DEALER", NULL), 0);
        assert_int_equal(raw_send(&raws[i], 0, "hello", 5), 0);
        expect_hello(support, server);
        fds = i == 0 ? support_fd_count() : fds;
    }
    assert_int_equal(support_fd_count(), fds + 2 * (COUNT - 1)); /* both ends are ours */
    for (size_t i = 0; i < COUNT; i++)
        raw_close(&raws[i]);
}

#define DESCRIPTOR_TEST(name) cmocka_unit_test_setup_teardown(name, support_setup, support_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        DESCRIPTOR_TEST(test_descriptors_with_a_message_are_closed_and_told),
        DESCRIPTOR_TEST(test_descriptors_with_the_greeting_and_ready_are_closed),
        DESCRIPTOR_TEST(test_descriptors_with_garbage_are_closed),
        DESCRIPTOR_TEST(test_descriptors_never_read_do_not_stay),
        DESCRIPTOR_TEST(test_descriptors_that_do_not_fit_the_table_harm_nothing),
        DESCRIPTOR_TEST(test_descriptors_from_a_server_are_closed_by_the_client),
        DESCRIPTOR_TEST(test_peers_and_sockets_leave_no_descriptor_in_a_living_loop),
        DESCRIPTOR_TEST(test_many_connections_of_one_process_cost_one_pidfd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

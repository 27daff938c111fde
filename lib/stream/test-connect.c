/* Connecting: every outcome comes from the loop, as `connected` or `closed`, and only once. */
#include "stream/testing.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

/* A raw listener on an abstract name of its own, with a backlog of `backlog`. */
static int raw_listener(int backlog, struct kith_address *ret_address) {
    char name[64];
    snprintf(name, sizeof(name), "@kith-test-connect-%d", (int)getpid());
    assert_int_equal(kith_address_unix(name, ret_address), 0);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&ret_address->storage, ret_address->size), 0);
    assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

static void test_a_unix_connection_is_made(void **state) {
    struct world *world = *state;
    struct end end = {0};
    struct kith_address address;
    uint8_t octets[8];
    int listener = raw_listener(1, &address);
    assert_int_equal(kith_conn_new_connect(world->loop, &address, NULL, &end_ops, &end, &end.conn), 0);
    assert_int_equal(end.connected, 0);
    assert_int_equal(kith_conn_write(end.conn, "early", 5), 0);
    until(world, end.connected == 1);
    int peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    settle_down(world);
    assert_int_equal(recv(peer, octets, sizeof(octets), 0), 5);
    assert_int_equal(send(peer, "back", 4, 0), 4);
    until(world, end.size == 4);
    assert_int_equal(end.connected, 1);
    assert_int_equal(end.closed, 0);
    end_deinit(&end);
    close(peer);
    close(listener);
}

static void test_a_server_that_writes_at_once_is_known(void **state) {
    struct world *world = *state;
    struct end end = {0};
    struct kith_address address;
    int listener = raw_listener(1, &address);
    assert_int_equal(kith_conn_new_connect(world->loop, &address, &(struct kith_conn_options){.identity = true}, &end_ops, &end, &end.conn),
                     0);
    int peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC); /* before our side has run at all */
    assert_int_equal(send(peer, "hello", 5, 0), 5);
    until(world, end.size == 5);
    assert_int_equal(end.connected, 1);
    assert_true(end.sender.known);
    assert_int_equal(end.sender.pid, getpid());
    end_deinit(&end);
    close(peer);
    close(listener);
}

static void expect_failure(struct world *world, const struct kith_address *address, int error) {
    struct end end = {0};
    assert_int_equal(kith_conn_new_connect(world->loop, address, NULL, &end_ops, &end, &end.conn), 0);
    assert_int_equal(kith_conn_write(end.conn, "x", 1), 0);
    assert_int_equal(end.closed, 0);
    until(world, end.closed == 1);
    assert_int_equal(end.error, error);
    settle_down(world);
    assert_int_equal(end.closed, 1);
    assert_int_equal(end.connected, 0);
    end_deinit(&end);
}

static void test_failures_are_told_by_closed(void **state) {
    struct world *world = *state;
    struct kith_address address;
    assert_int_equal(kith_address_unix("/nowhere/at/all", &address), 0);
    expect_failure(world, &address, -ENOENT);
    assert_int_equal(kith_address_unix("@kith-test-nobody-listens", &address), 0);
    expect_failure(world, &address, -ECONNREFUSED);

    /* A port that was free a moment ago and is held by a socket that does not listen. */
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(in);
    int holder = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(holder, (struct sockaddr *)&in, size), 0);
    assert_int_equal(getsockname(holder, (struct sockaddr *)&in, &size), 0);
    assert_int_equal(kith_address_ip("127.0.0.1", ntohs(in.sin_port), &address), 0);
    expect_failure(world, &address, -ECONNREFUSED);
    close(holder);
}

/* In a network namespace of its own, whose only ephemeral port is the one to connect to. Returns an exit status. */
static int connect_to_itself(void) {
    static const char port_range[] = "40000 40000";
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    struct kith_address address;
    struct world world = {0};
    struct end end = {0};
    if (unshare(CLONE_NEWNET | (geteuid() == 0 ? 0 : CLONE_NEWUSER)) < 0)
        return 77;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int range = open("/proc/sys/net/ipv4/ip_local_port_range", O_WRONLY | O_CLOEXEC);
    if (ioctl(fd, SIOCSIFFLAGS, &lo) < 0 || write(range, port_range, sizeof(port_range) - 1) < 0)
        return 77;
    if (kith_loop_new(&world.loop) < 0 || kith_address_ip("127.0.0.1", 40000, &address) < 0 ||
        kith_conn_new_connect(world.loop, &address, NULL, &end_ops, &end, &end.conn) < 0)
        return 2;
    for (int i = 0; i < 100 && !end.closed && !end.connected; i++)
        kith_loop_step(world.loop, 100);
    bool refused = end.closed == 1 && end.connected == 0 && end.error == -ECONNREFUSED;
    end_deinit(&end);
    kith_loop_free(world.loop);
    return refused ? 0 : 1;
}

static void test_a_connection_with_itself_is_refused(void **state) {
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(connect_to_itself());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        print_message("a network namespace cannot be made here\n");
        skip();
    }
    assert_int_equal(status, 0);
}

static void test_an_unknown_family_is_refused_at_once(void **state) {
    struct world *world = *state;
    struct end end = {0};
    struct kith_address address = {.size = sizeof(struct sockaddr)};
    address.storage.ss_family = AF_MAX - 1;
    assert_int_equal(kith_conn_new_connect(world->loop, &address, NULL, &end_ops, &end, &end.conn), -EAFNOSUPPORT);
    assert_null(end.conn);
}

/* Fills the backlog with raw clients; returns how many it took. */
static size_t fill_backlog(const struct kith_address *address, int *fds, size_t max) {
    for (size_t i = 0; i < max; i++) {
        fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (connect(fds[i], (const struct sockaddr *)&address->storage, address->size) < 0) {
            assert_int_equal(errno, EAGAIN);
            close(fds[i]);
            return i;
        }
    }
    fail();
    return 0;
}

static void test_a_full_backlog_is_tried_again(void **state) {
    struct world *world = *state;
    struct end end = {0};
    struct kith_address address;
    int fds[16], listener = raw_listener(1, &address);
    size_t count = fill_backlog(&address, fds, KITH_ARRAY_SIZE(fds));
    assert_int_equal(kith_conn_new_connect(world->loop, &address, NULL, &end_ops, &end, &end.conn), 0);
    settle_down(world);
    assert_int_equal(end.connected + end.closed, 0);
    int accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    until(world, end.connected == 1);
    end_deinit(&end);
    close(accepted);
    close(listener);
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
}

static void test_connecting_ends_at_its_deadline(void **state) {
    struct world *world = *state;
    struct end end = {0};
    struct kith_address address;
    int fds[16], listener = raw_listener(1, &address);
    size_t count = fill_backlog(&address, fds, KITH_ARRAY_SIZE(fds));
    uint64_t begin = kith_time_now();
    struct kith_conn_options options = {.connect_ms = 30};
    assert_int_equal(kith_conn_new_connect(world->loop, &address, &options, &end_ops, &end, &end.conn), 0);
    until(world, end.closed == 1);
    assert_int_equal(end.error, -ETIMEDOUT);
    assert_true(kith_time_now() - begin >= 30 * KITH_NS_PER_MS);
    end_deinit(&end);
    close(listener);
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
}

static void test_a_connection_being_made_can_be_given_up(void **state) {
    struct world *world = *state;
    struct kith_address address;
    int fds[16], listener = raw_listener(1, &address);
    for (int i = 0; i < 4; i++) {
        struct end end = {0};
        size_t count = i < 2 ? 0 : fill_backlog(&address, fds, KITH_ARRAY_SIZE(fds)); /* answered at once, or waiting */
        assert_int_equal(kith_conn_new_connect(world->loop, &address, NULL, &end_ops, &end, &end.conn), 0);
        if (i % 2 == 0) {
            kith_conn_drain(end.conn, 10000);
            until(world, end.closed == 1);
            assert_int_equal(end.error, 0);
        }
        end_deinit(&end);
        settle_down(world);
        assert_int_equal(end.connected, 0);
        for (size_t j = 0; j < count; j++)
            close(fds[j]);
        close(listener);
        listener = raw_listener(1, &address);
    }
    close(listener);
}

static void free_conn(struct end *end) {
    end->conn = kith_conn_free(end->conn);
}

static void test_free_inside_connected(void **state) {
    struct world *world = *state;
    struct end end = {.on_other = free_conn};
    struct kith_address address;
    int listener = raw_listener(1, &address);
    assert_int_equal(kith_conn_new_connect(world->loop, &address, NULL, &end_ops, &end, &end.conn), 0);
    assert_int_equal(kith_conn_write(end.conn, "x", 1), 0);
    until(world, end.connected == 1);
    settle_down(world);
    assert_int_equal(end.closed, 0);
    close(listener);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_a_unix_connection_is_made),
        WORLD_TEST(test_a_server_that_writes_at_once_is_known),
        WORLD_TEST(test_failures_are_told_by_closed),
        WORLD_TEST(test_a_connection_with_itself_is_refused),
        WORLD_TEST(test_an_unknown_family_is_refused_at_once),
        WORLD_TEST(test_a_full_backlog_is_tried_again),
        WORLD_TEST(test_connecting_ends_at_its_deadline),
        WORLD_TEST(test_a_connection_being_made_can_be_given_up),
        WORLD_TEST(test_free_inside_connected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

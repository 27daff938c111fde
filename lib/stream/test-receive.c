/* Who wrote a batch, and what became of the descriptors that came with it. */
#include "stream/testing.h"

#include <sys/resource.h>
#include <sys/wait.h>

#include <kith/cmsg.h>

#include "stream/internal.h"

static const struct kith_conn_options identity = {.identity = true};

/* Sends one octet with `count` descriptors. */
static void send_fds(int fd, size_t count) {
    union {
        struct cmsghdr align;
        uint8_t octets[CMSG_SPACE(KITH_CMSG_MAX_FDS * sizeof(int))];
    } control;
    int fds[KITH_CMSG_MAX_FDS];
    for (size_t i = 0; i < count; i++)
        fds[i] = fd;
    struct kith_cmsg_builder builder = kith_cmsg_builder_init(&control, sizeof(control));
    assert_int_equal(kith_cmsg_put_fds(&builder, fds, count), 0);
    char octet = 'x';
    struct iovec iov = {.iov_base = &octet, .iov_len = 1};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = builder.size};
    assert_int_equal(sendmsg(fd, &message, MSG_NOSIGNAL), 1);
}

/* A child process that writes `text` on the socket it inherited, and is gone before this returns. */
static pid_t child_writes(int fd, const char *text) {
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text) ? 0 : 1);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    return pid;
}

static void test_each_batch_names_its_writer(void **state) {
    struct world *world = *state;
    struct end end = {0};
    int peer = end_over_pair(world, &end, &identity, &end_ops);
    assert_int_equal(send(peer, "a", 1, 0), 1);
    until(world, end.batches == 1);
    assert_true(end.sender.known);
    assert_int_equal(end.sender.pid, getpid());
    assert_int_equal(end.sender.uid, getuid());
    assert_int_equal(end.sender.gid, getgid());
    assert_int_equal(end.sender.pidfd, -1);
    end_deinit(&end);
    close(peer);
}

static void test_parent_and_child_on_one_socket_are_told_apart(void **state) {
    struct world *world = *state;
    struct end end = {0};
    int peer = end_over_pair(world, &end, &identity, &end_ops);
    assert_int_equal(send(peer, "mine", 4, 0), 4);
    assert_int_equal(send(peer, "mine", 4, 0), 4);
    pid_t child = child_writes(peer, "childs");
    assert_int_equal(send(peer, "again", 5, 0), 5);
    until(world, end.size == 19);
    assert_int_equal(end.batches, 3);
    assert_int_equal(end.writers[0], getpid());
    assert_int_equal(end.writers[1], child);
    assert_int_equal(end.writers[2], getpid());
    assert_memory_equal(end.octets,
                        "minemine"
                        "childs"
                        "again",
                        19);
    end_deinit(&end);
    close(peer);
}

static void test_octets_sent_before_credentials_were_asked_for_are_of_nobody(void **state) {
    struct world *world = *state;
    struct end end = {0};
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(send(fds[1], "early", 5, 0), 5);
    assert_int_equal(kith_conn_new_fd(world->loop, fds[0], &identity, &end_ops, &end, &end.conn), 0);
    until(world, end.batches == 1);
    assert_false(end.sender.known);
    end_deinit(&end);
    close(fds[1]);
}

static void test_without_identity_the_sender_is_unknown(void **state) {
    struct world *world = *state;
    struct end end = {0};
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    /* As if accepted from a listener that has it on. */
    assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_PASSCRED, &(int){1}, sizeof(int)), 0);
    assert_int_equal(kith_conn_new_fd(world->loop, fds[0], NULL, &end_ops, &end, &end.conn), 0);
    assert_int_equal(send(fds[1], "x", 1, 0), 1);
    until(world, end.batches == 1);
    assert_false(end.sender.known);
    assert_int_equal(end.fd_refused, 0);
    end_deinit(&end);
    close(fds[1]);
}

static void test_a_pidfd_comes_when_asked_for(void **state) {
    struct world *world = *state;
    struct end end = {0};
    int peer = end_over_pair(world, &end, &(struct kith_conn_options){.identity = true, .receive_fds = 1}, &end_ops);
    int r = kith_conn_set_pass_pidfd(end.conn, true);
    if (r == -ENOPROTOOPT) {
        end_deinit(&end);
        close(peer);
        print_message("SO_PASSPIDFD needs Linux 6.5\n");
        skip();
    }
    assert_int_equal(r, 0);
    send_fds(peer, KITH_CMSG_MAX_FDS); /* as many as there can be do not push it out */
    until(world, end.batches == 1);
    assert_true(end.pidfd_came);
    assert_int_equal(end.fd_count, 1);
    assert_int_equal(end.fd_refused, KITH_CMSG_MAX_FDS - 1);

    end.pidfd_came = false;
    assert_int_equal(kith_conn_set_pass_pidfd(end.conn, false), 0);
    assert_int_equal(send(peer, "x", 1, 0), 1);
    until(world, end.batches == 2);
    assert_false(end.pidfd_came);
    assert_int_equal(end.sender.pid, getpid());
    kith_conn_close(end.conn);
    assert_int_equal(kith_conn_set_pass_pidfd(end.conn, true), -ENOTCONN);
    end_deinit(&end);
    close(peer);
}

/* world_teardown() counts: what is left open fails each of these. */
static void test_descriptors_that_nobody_asked_for_are_closed_and_counted(void **state) {
    struct world *world = *state;
    for (int with_identity = 0; with_identity < 2; with_identity++) {
        struct end end = {0};
        int peer = end_over_pair(world, &end, &(struct kith_conn_options){.identity = with_identity}, &end_ops);
        size_t before = testing_fd_count();
        send_fds(peer, 1);
        send_fds(peer, 100);
        until(world, end.size == 2);
        assert_int_equal(testing_fd_count(), before);
        assert_int_equal(end.fd_count, 0);
        assert_true(end.fd_refused >= 2);
        assert_int_equal(end.sender.known, with_identity);
        end_deinit(&end);
        close(peer);
    }
}

static void test_a_taken_descriptor_stays_open_and_the_others_do_not(void **state) {
    struct world *world = *state;
    struct end end = {.take_fd = true, .taken_fd = -1};
    int peer = end_over_pair(world, &end, &(struct kith_conn_options){.identity = true, .receive_fds = 3}, &end_ops);
    size_t before = testing_fd_count();
    send_fds(peer, 3);
    until(world, end.batches == 1);
    assert_int_equal(end.fd_count, 3);
    assert_int_equal(end.fd_refused, 0);
    assert_int_equal(testing_fd_count(), before + 1);
    assert_true(fcntl(end.taken_fd, F_GETFD) & FD_CLOEXEC);
    end_deinit(&end);
    close(peer);
}

static void test_more_descriptors_than_accepted_are_refused(void **state) {
    struct world *world = *state;
    for (int with_identity = 0; with_identity < 2; with_identity++) {
        struct end end = {0};
        int peer = end_over_pair(world, &end, &(struct kith_conn_options){.identity = with_identity, .receive_fds = 1}, &end_ops);
        size_t before = testing_fd_count();
        send_fds(peer, 2);
        until(world, end.batches == 1);
        assert_int_equal(end.fd_count, 1);
        assert_true(end.fd_refused >= 1);
        assert_int_equal(testing_fd_count(), before);
        end_deinit(&end);
        close(peer);
    }
}

/* The limit as the kernel has it. valgrind answers setrlimit() by itself and leaves the kernel's alone. */
static size_t kernel_fd_limit(void) {
    char *text, *line;
    size_t size;
    assert_int_equal(kith_file_read(AT_FDCWD, "/proc/self/limits", 65536, &text, &size), 0);
    line = strstr(text, "Max open files");
    assert_non_null(line);
    size_t limit = strtoul(line + strlen("Max open files"), NULL, 10);
    free(text);
    return limit;
}

static void test_descriptors_beyond_the_limit_of_the_process_are_refused(void **state) {
    struct world *world = *state;
    struct end end = {0};
    int peer = end_over_pair(world, &end, &(struct kith_conn_options){.receive_fds = 10}, &end_ops);
    struct rlimit limit, low;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    int next = dup(peer);
    close(next);
    low = (struct rlimit){.rlim_cur = (rlim_t)next + 2, .rlim_max = limit.rlim_max};
    send_fds(peer, 10);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    bool limited = kernel_fd_limit() == low.rlim_cur;
    until(world, end.batches == 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(end.fd_count, limited ? 2 : 10);
    assert_int_equal(end.fd_refused > 0, limited);
    end_deinit(&end);
    close(peer);
}

static void close_conn(struct end *end, struct kith_batch *batch) {
    end->conn = kith_conn_free(end->conn);
}

static void test_descriptors_of_a_batch_are_closed_even_if_its_connection_is_freed(void **state) {
    struct world *world = *state;
    struct end end = {.on_data = close_conn};
    int peer = end_over_pair(world, &end, &(struct kith_conn_options){.receive_fds = 5}, &end_ops);
    size_t before = testing_fd_count();
    send_fds(peer, 5);
    until(world, end.batches == 1);
    assert_int_equal(testing_fd_count(), before - 1);
    end_deinit(&end);
    close(peer);
}

static void test_the_peer_is_whoever_made_the_connection(void **state) {
    struct world *world = *state;
    struct end end = {0};
    struct kith_sender sender;
    struct kith_address address;
    char text[64];
    int peer = end_over_pair(world, &end, NULL, &end_ops);
    assert_int_equal(kith_conn_peer(end.conn, &sender), 0);
    assert_true(sender.known);
    assert_int_equal(sender.pid, getpid());
    assert_int_equal(sender.uid, getuid());
    kith_close(sender.pidfd);
    assert_int_equal(kith_conn_peer_address(end.conn, &address), 0);
    assert_true(kith_address_format(&address, text, sizeof(text)) > 0);
    assert_string_equal(text, "unnamed");
    kith_conn_close(end.conn);
    assert_int_equal(kith_conn_peer(end.conn, &sender), -ENOTCONN);
    assert_int_equal(kith_conn_peer_address(end.conn, &address), -ENOTCONN);
    end_deinit(&end);
    close(peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_each_batch_names_its_writer),
        WORLD_TEST(test_parent_and_child_on_one_socket_are_told_apart),
        WORLD_TEST(test_octets_sent_before_credentials_were_asked_for_are_of_nobody),
        WORLD_TEST(test_without_identity_the_sender_is_unknown),
        WORLD_TEST(test_a_pidfd_comes_when_asked_for),
        WORLD_TEST(test_descriptors_that_nobody_asked_for_are_closed_and_counted),
        WORLD_TEST(test_a_taken_descriptor_stays_open_and_the_others_do_not),
        WORLD_TEST(test_more_descriptors_than_accepted_are_refused),
        WORLD_TEST(test_descriptors_beyond_the_limit_of_the_process_are_refused),
        WORLD_TEST(test_descriptors_of_a_batch_are_closed_even_if_its_connection_is_freed),
        WORLD_TEST(test_the_peer_is_whoever_made_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

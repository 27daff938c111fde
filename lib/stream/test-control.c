/* Control messages that the application switched on itself, beside those of identity and descriptors. */
#include "stream/testing.h"

#include <time.h>

#include <kith/cmsg.h>

struct seen {
    unsigned stamps, credentials, others;
};

static void look(struct end *end, struct kith_batch *batch) {
    struct seen *seen = end->extra;
    struct kith_cmsg_iter iter = kith_cmsg_iter_init(batch->control, batch->control_size);
    struct kith_cmsg cmsg;
    while (kith_cmsg_next(&iter, &cmsg) > 0) {
        if (cmsg.level == SOL_SOCKET && cmsg.type == SCM_TIMESTAMPNS) {
            struct timespec stamp, now;
            assert_int_equal(cmsg.size, sizeof(stamp));
            memcpy(&stamp, cmsg.data, sizeof(stamp));
            assert_int_equal(clock_gettime(CLOCK_REALTIME, &now), 0);
            assert_in_range(stamp.tv_sec, now.tv_sec - 60, now.tv_sec);
            seen->stamps++;
        } else if (cmsg.kind == KITH_CMSG_CREDENTIALS) {
            seen->credentials++;
        } else {
            seen->others++;
        }
    }
}

static void send_with_fds(int socket, const char *text, size_t count) {
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(8 * sizeof(int))];
    } control = {.header = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(count * sizeof(int))}};
    struct iovec iov = {.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    memset(CMSG_DATA(&control.header), 0, count * sizeof(int)); /* our standard input */
    assert_int_equal(sendmsg(socket, &message, MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Linux stamps no octets of AF_UNIX so far: the room stays unused. */
static void test_room_for_more_takes_nothing_from_credentials_and_descriptors(void **state) {
    struct seen seen = {0};
    struct end end = {.on_data = look, .extra = &seen};
    struct kith_conn_options options = {.identity = true, .receive_fds = 2, .control_size = CMSG_SPACE(sizeof(struct timespec))};
    int peer = end_over_pair(*state, &end, &options, &end_ops);
    if (setsockopt(kith_conn_fd(end.conn), SOL_SOCKET, SO_TIMESTAMPNS, &(int){1}, sizeof(int)) < 0)
        skip();
    send_with_fds(peer, "octets", 2);
    until((struct world *)*state, end.size == 6);
    assert_int_equal(seen.credentials, 1);
    assert_int_equal(end.sender.pid, getpid());
    assert_int_equal(end.fd_count, 2);
    assert_int_equal(end.fd_refused, 0);
    send_with_fds(peer, "octets", 3); /* more than asked for */
    until((struct world *)*state, end.size == 12);
    assert_in_range(end.fd_count, 2, 4);
    assert_true(end.fd_refused >= 1);
    assert_int_equal(seen.credentials, 2);
    end_deinit(&end);
    close(peer);
}

static void test_a_timestamp_comes_over_tcp(void **state) {
    struct seen seen = {0};
    struct end end = {.on_data = look, .extra = &seen};
    struct kith_conn_options options = {.control_size = CMSG_SPACE(sizeof(struct timespec))};
    int fds[2];
    tcp_pair(fds);
    assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_TIMESTAMPNS, &(int){1}, sizeof(int)), 0);
    assert_int_equal(kith_conn_new_fd(((struct world *)*state)->loop, fds[0], &options, &end_ops, &end, &end.conn), 0);
    /* The kernel begins to stamp packets a moment after the first socket has asked for it. */
    for (uint64_t limit = kith_time_now() + PATIENCE_NS; seen.stamps < 3;) {
        size_t before = end.size;
        assert_true(kith_time_now() < limit);
        assert_int_equal(send(fds[1], "octets", 6, 0), 6);
        until((struct world *)*state, end.size == before + 6);
    }
    assert_in_range(seen.stamps, 3, end.batches);
    assert_int_equal(seen.others + seen.credentials, 0);
    end_deinit(&end);
    close(fds[1]);
}

static void test_too_much_room_for_control_messages_is_refused(void **state) {
    struct end end = {0};
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    struct kith_conn_options options = {.control_size = KITH_CONN_CONTROL_MAX + 1};
    assert_int_equal(kith_conn_new_fd(((struct world *)*state)->loop, fds[0], &options, &end_ops, &end, &end.conn), -EINVAL);
    options = (struct kith_conn_options){.identity = true, .receive_fds = 253, .control_size = KITH_CONN_CONTROL_MAX};
    assert_int_equal(kith_conn_new_fd(((struct world *)*state)->loop, fds[0], &options, &end_ops, &end, &end.conn), 0);
    send_with_fds(fds[1], "octets", 8);
    until((struct world *)*state, end.size == 6);
    assert_int_equal(end.fd_count, 8);
    end_deinit(&end);
    close(fds[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_room_for_more_takes_nothing_from_credentials_and_descriptors),
        WORLD_TEST(test_a_timestamp_comes_over_tcp),
        WORLD_TEST(test_too_much_room_for_control_messages_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

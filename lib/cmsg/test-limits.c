/* Descriptors that arrive when this process may have no more of them: some are cut, none is lost track of. */
#include "cmsg/test-channel.h"

#include <sys/resource.h>

static void test_descriptors_beyond_the_limit_of_the_process_are_cut(void **state) {
    struct channel *channel = *state;
    struct rlimit limit, lowered;
    struct received received;
    int next;

    send_fds(channel, 5);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    next = fcntl(channel->ends[0], F_DUPFD_CLOEXEC, 0); /* the lowest free one */
    assert_true(next > channel->ends[1]);
    close(next);
    lowered = (struct rlimit){.rlim_cur = (rlim_t)next + 2, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &lowered), 0);
    receive_with(channel, &received, sizeof(received.control), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);

    assert_int_equal(received.flags & MSG_CTRUNC, MSG_CTRUNC);
    assert_int_equal(received.fd_count, 2);
    drop(&received);
}

static void test_a_pidfd_beyond_the_limit_of_the_process_is_none(void **state) {
    struct channel *channel = *state;
    struct rlimit limit, lowered;
    struct received received;
    struct kith_cmsg_iter iter;
    struct kith_cmsg cmsg;

    turn_on(channel, SO_PASSPIDFD, 1, "SO_PASSPIDFD");
    assert_int_equal(send_octet(channel, NULL), 1);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    lowered = (struct rlimit){.rlim_cur = 0, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &lowered), 0);
    receive_with(channel, &received, sizeof(received.control), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);

    assert_int_equal(received.pidfd, -1);
    iter = kith_cmsg_iter_init(received.control, received.size);
    while (kith_cmsg_next(&iter, &cmsg) > 0) {
        if (cmsg.kind == KITH_CMSG_PIDFD)
            assert_int_equal(cmsg.value.pidfd, -EMFILE);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ON(test_descriptors_beyond_the_limit_of_the_process_are_cut, open_stream),
        ON(test_a_pidfd_beyond_the_limit_of_the_process_is_none, open_stream),
    };

    if (testing_under_valgrind()) {
        print_message("valgrind keeps RLIMIT_NOFILE to itself\n");
        return TESTING_SKIPPED;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * cmsg/test-channel.h: for unit tests: a pair of AF_UNIX sockets, sent into by the builder, received from by adoption and the walk. Every
 * test counts the open descriptors before and after. What this kernel does not have is skipped with its name.
 */
#ifndef KITH_CMSG_TEST_CHANNEL_H
#define KITH_CMSG_TEST_CHANNEL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <asm/socket.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/testing.h"
#include "cmsg/internal.h"

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76 /* include/uapi/asm-generic/socket.h, Linux 6.5 */
#endif

struct channel {
    int ends[2]; /* tests send into [0] and receive from [1] */
    size_t fds_before;
};

static inline int open_channel(void **state, int type) {
    struct channel *channel = calloc(1, sizeof(*channel));

    if (!channel)
        return -1;
    channel->fds_before = testing_fd_count();
    *state = channel;
    return socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, channel->ends);
}

static inline int open_stream(void **state) {
    return open_channel(state, SOCK_STREAM);
}

static inline int open_datagram(void **state) {
    return open_channel(state, SOCK_DGRAM);
}

static inline int close_channel(void **state) {
    struct channel *channel = *state;
    size_t before = channel->fds_before;

    kith_close(channel->ends[0]);
    kith_close(channel->ends[1]);
    free(channel);
    assert_int_equal(testing_fd_count(), before);
    return 0;
}

/* One receive: everything the kernel said. */
struct received {
    _Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(KITH_CMSG_MAX_FDS * sizeof(int)) + 512];
    size_t size;
    int flags;
    int fds[KITH_CMSG_MAX_FDS];
    size_t fd_count;
    int pidfd;
};

static inline void receive_with(struct channel *channel, struct received *received, size_t control_size, int flags) {
    char octet;
    struct iovec iov = {.iov_base = &octet, .iov_len = 1};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = received->control, .msg_controllen = control_size};
    size_t refused;

    assert_int_equal(recvmsg(channel->ends[1], &message, flags | MSG_DONTWAIT | MSG_CMSG_CLOEXEC), 1);
    received->size = message.msg_controllen;
    received->flags = message.msg_flags;
    received->fd_count =
        kith_cmsg_adopt_fds(received->control, received->size, received->fds, KITH_CMSG_MAX_FDS, &refused, &received->pidfd);
    assert_int_equal(refused, 0);
    for (size_t i = 0; i < received->fd_count; i++)
        assert_int_equal(fcntl(received->fds[i], F_GETFD), FD_CLOEXEC);
}

static inline void receive(struct channel *channel, struct received *received) {
    receive_with(channel, received, sizeof(received->control), 0);
    assert_int_equal(received->flags & MSG_CTRUNC, 0);
}

static inline void drop(struct received *received) {
    for (size_t i = 0; i < received->fd_count; i++)
        assert_int_equal(close(received->fds[i]), 0);
    received->fd_count = 0;
    received->pidfd = kith_close(received->pidfd);
}

/* The only message of this kind, which has to be there. */
static inline struct kith_cmsg find(const struct received *received, int type) {
    struct kith_cmsg_iter iter = kith_cmsg_iter_init(received->control, received->size);
    struct kith_cmsg cmsg, found = {.type = -1};
    int r;

    while ((r = kith_cmsg_next(&iter, &cmsg)) > 0) {
        assert_non_null(cmsg.entry);
        if (cmsg.type == type) {
            assert_int_equal(found.type, -1);
            found = cmsg;
        }
    }
    assert_int_equal(r, 0);
    assert_int_equal(found.type, type);
    return found;
}

static inline ssize_t send_octet(struct channel *channel, const struct kith_cmsg_builder *builder) {
    char octet = 'x';
    struct iovec iov = {.iov_base = &octet, .iov_len = 1};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

    if (builder) {
        message.msg_control = builder->control;
        message.msg_controllen = builder->size;
    }
    return sendmsg(channel->ends[0], &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 1;
}

/* `count` descriptors of /dev/null in one message. */
static inline void send_fds(struct channel *channel, size_t count) {
    uint8_t control[CMSG_SPACE(KITH_CMSG_MAX_FDS * sizeof(int))];
    struct kith_cmsg_builder builder = kith_cmsg_builder_init(control, sizeof(control));
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int fds[KITH_CMSG_MAX_FDS];

    assert_true(fd >= 0);
    for (size_t i = 0; i < count; i++)
        fds[i] = fd;
    assert_int_equal(kith_cmsg_put_fds(&builder, fds, count), 0);
    assert_int_equal(send_octet(channel, &builder), 1);
    close(fd);
}

/* Skips the test when the kernel does not know the option. */
static inline void turn_on(struct channel *channel, int option, int value, const char *name) {
    if (setsockopt(channel->ends[1], SOL_SOCKET, option, &value, sizeof(value)) < 0) {
        assert_in_set(errno, ((LargestIntegralType[]){ENOPROTOOPT, EOPNOTSUPP}), 2);
        print_message("this kernel has no %s\n", name);
        skip();
    }
}

#define ON(test, open) cmocka_unit_test_setup_teardown(test, open, close_channel)

#endif

/* The rows of SOL_SOCKET that every family or AF_UNIX brings, and netlink. */
#include "cmsg/test-rows.h"

#include <fcntl.h>
#include <linux/net_namespace.h>
#include <linux/net_tstamp.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <time.h>

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif

static struct rows_received received;

void test_times_of_receipt_are_told(void **state) {
    static const int options[] = {SO_TIMESTAMP_OLD, SO_TIMESTAMP_NEW, SO_TIMESTAMPNS_OLD, SO_TIMESTAMPNS_NEW};

    for (size_t i = 0; i < KITH_ARRAY_SIZE(options); i++) {
        struct sockaddr_storage address;
        int receiver = rows_bind(AF_INET, SOCK_DGRAM, "127.0.0.1", &address), sender = rows_socket(AF_INET, SOCK_DGRAM, 0);
        struct timespec before, after;
        struct timespec *stamp;

        rows_set(receiver, SOL_SOCKET, options[i], 1);
        assert_int_equal(clock_gettime(CLOCK_REALTIME, &before), 0);
        assert_int_equal(rows_send(sender, &address, "x", 1, NULL, 0), 1);
        rows_receive(receiver, 0, &received);
        assert_int_equal(clock_gettime(CLOCK_REALTIME, &after), 0);
        stamp = &((struct kith_cmsg *)(uintptr_t)rows_find(&received, SOL_SOCKET, options[i]))->value.timestamp;
        assert_in_range(stamp->tv_sec, before.tv_sec, after.tv_sec);
        kith_close(sender);
        kith_close(receiver);
    }
}

void test_marks_and_priorities_make_the_round(void **state) {
    struct sockaddr_storage address;
    int receiver = rows_bind(AF_INET, SOCK_DGRAM, "127.0.0.1", &address), sender = rows_socket(AF_INET, SOCK_DGRAM, 0);
    bool priority = rows_kernel_has("6.14");
    ROWS_BUILDER(builder);

    rows_set(receiver, SOL_SOCKET, SO_RCVMARK, 1);
    assert_int_equal(kith_cmsg_put_mark(&builder, 0xfeed), 0);
    if (priority) {
        rows_set(receiver, SOL_SOCKET, SO_RCVPRIORITY, 1);
        assert_int_equal(kith_cmsg_put_priority(&builder, 5), 0);
    }
    assert_int_equal(rows_send(sender, &address, "x", 1, &builder, 0), 1);
    rows_receive(receiver, 0, &received);
    assert_int_equal(rows_number(&received, SOL_SOCKET, SO_MARK), 0xfeed);
    if (priority)
        assert_int_equal(rows_number(&received, SOL_SOCKET, SO_PRIORITY), 5);
    kith_close(sender);
    kith_close(receiver);
}

void test_a_time_to_send_is_taken(void **state) {
    struct sock_txtime clock = {.clockid = CLOCK_MONOTONIC};
    struct sockaddr_storage address;
    int receiver = rows_bind(AF_INET, SOCK_DGRAM, "127.0.0.1", &address), sender = rows_socket(AF_INET, SOCK_DGRAM, 0);
    ROWS_BUILDER(builder);

    assert_int_equal(kith_cmsg_put_txtime(&builder, 1), 0);
    assert_int_equal(rows_send(sender, &address, "x", 1, &builder, 0), -EINVAL); /* without SO_TXTIME */
    assert_int_equal(setsockopt(sender, SOL_SOCKET, SO_TXTIME, &clock, sizeof(clock)), 0);
    assert_int_equal(rows_send(sender, &address, "x", 1, &builder, 0), 1);
    rows_receive(receiver, 0, &received);
    assert_int_equal(received.size, 1);
    kith_close(sender);
    kith_close(receiver);
}

void test_unix_rows_make_the_round(void **state) {
    bool pidfd = rows_kernel_has("6.5"), inq = rows_kernel_has("6.17");
    int ends[2], fds[4], got;
    ROWS_BUILDER(builder);

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    rows_set(ends[1], SOL_SOCKET, SO_PASSCRED, 1);
    rows_set(ends[1], SOL_SOCKET, SO_PASSSEC, 1);
    if (pidfd)
        rows_set(ends[1], SOL_SOCKET, SO_PASSPIDFD, 1);
    if (inq)
        rows_set(ends[1], SOL_SOCKET, SO_INQ, 1);
    assert_int_equal(kith_cmsg_put_fds(&builder, ends, 2), 0);
    assert_int_equal(kith_cmsg_put_credentials(&builder, getpid(), getuid(), getgid()), 0);
    assert_int_equal(rows_send(ends[0], NULL, "first", 5, &builder, 0), 5);
    assert_int_equal(rows_send(ends[0], NULL, "behind", 6, NULL, 0), 6);
    rows_receive(ends[1], MSG_CMSG_CLOEXEC, &received);
    assert_int_equal(received.size, 5); /* descriptors end a read */
    assert_int_equal(kith_cmsg_adopt_fds(received.control, sizeof(received.control), fds, 4, NULL, &got), 2);
    assert_int_equal(rows_find(&received, SOL_SOCKET, SCM_CREDENTIALS)->value.credentials.pid, getpid());
    if (pidfd)
        assert_int_equal(rows_find(&received, SOL_SOCKET, SCM_PIDFD)->value.pidfd, got);
    if (inq)
        assert_int_equal(rows_number(&received, SOL_SOCKET, SCM_INQ), 6);
    kith_close(got);
    for (int i = 0; i < 2; i++) {
        kith_close(fds[i]);
        kith_close(ends[i]);
    }
}

void test_a_full_buffer_is_told(void **state) {
    struct sockaddr_storage address;
    int receiver = rows_bind(AF_INET, SOCK_DGRAM, "127.0.0.1", &address), sender = rows_socket(AF_INET, SOCK_DGRAM, 0);
    static const char octets[512];
    ssize_t n;

    rows_set(receiver, SOL_SOCKET, SO_RCVBUF, 4096);
    rows_set(receiver, SOL_SOCKET, SO_RXQ_OVFL, 1);
    for (int i = 0; i < 100; i++)
        assert_int_equal(rows_send(sender, &address, octets, sizeof(octets), NULL, 0), sizeof(octets));
    do
        n = recv(receiver, received.data, sizeof(received.data), MSG_DONTWAIT);
    while (n >= 0);
    assert_int_equal(rows_send(sender, &address, octets, 1, NULL, 0), 1);
    rows_receive(receiver, 0, &received);
    assert_in_range(rows_find(&received, SOL_SOCKET, SO_RXQ_OVFL)->value.drops, 1, 99);
    kith_close(sender);
    kith_close(receiver);
}

static void set_loopback(int flags) {
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = (short)flags};
    int fd = rows_socket(AF_INET, SOCK_DGRAM, 0);

    assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
    kith_close(fd);
}

/* Gives a network namespace a number in ours (RTM_NEWNSID, rtnetlink). */
static void set_nsid(int netlink, int namespace, int nsid) {
    struct {
        struct nlmsghdr header;
        struct rtgenmsg body;
        _Alignas(4) struct {
            struct rtattr header;
            int value;
        } attributes[2];
    } request = {.header = {.nlmsg_len = sizeof(request), .nlmsg_type = RTM_NEWNSID, .nlmsg_flags = NLM_F_REQUEST},
                 .attributes = {{{.rta_len = RTA_LENGTH(sizeof(int)), .rta_type = NETNSA_NSID}, nsid},
                                {{.rta_len = RTA_LENGTH(sizeof(int)), .rta_type = NETNSA_FD}, namespace}}};

    assert_int_equal(send(netlink, &request, sizeof(request), 0), sizeof(request));
}

void test_netlink_rows_make_the_round(void **state) {
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
    int ours = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), receiver = rows_socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), other;
    int asker = rows_socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);

    assert_int_equal(bind(receiver, (struct sockaddr *)&address, sizeof(address)), 0);
    rows_set(receiver, SOL_NETLINK, NETLINK_PKTINFO, 1);
    rows_set(receiver, SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, 1);
    rows_set_mtu(1500);
    rows_receive(receiver, 0, &received);
    rows_set_mtu(65536);
    assert_int_equal(rows_number(&received, SOL_NETLINK, NETLINK_PKTINFO), RTNLGRP_LINK);
    assert_false(rows_has(&received, SOL_NETLINK, NETLINK_LISTEN_ALL_NSID)); /* our own namespace has no number */
    rows_receive(receiver, 0, &received);

    assert_int_equal(unshare(CLONE_NEWNET), 0);
    other = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    assert_int_equal(setns(ours, CLONE_NEWNET), 0);
    set_nsid(asker, other, 7);
    assert_int_equal(setns(other, CLONE_NEWNET), 0);
    set_loopback(IFF_UP);
    assert_int_equal(setns(ours, CLONE_NEWNET), 0);
    rows_receive(receiver, 0, &received);
    assert_int_equal(rows_number(&received, SOL_NETLINK, NETLINK_LISTEN_ALL_NSID), 7);
    kith_close(asker);
    kith_close(other);
    kith_close(receiver);
    kith_close(ours);
}

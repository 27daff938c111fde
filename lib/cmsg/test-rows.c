/* Every row of the table through the kernel: see test-rows.h. */
#include "cmsg/test-rows.h"

#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>

#include <linux/can.h>
#include <linux/can/j1939.h>
#include <linux/can/raw.h>
#include <linux/if_alg.h>
#include <linux/tls.h>

#include <linux/sctp.h>

enum { ROWS_MAX = 128 };
static bool was_sent[ROWS_MAX], was_received[ROWS_MAX];

/* Rows that this machine cannot make the kernel take or bring, each with what it would need. test-rows-octets.c decodes each that is
 * received from octets. */
static const struct {
    int level, type; /* type -1: all of the level */
    const char *needs;
} excused[] = {
    {SOL_SOCKET, SCM_SECURITY, "a security module that labels sockets"},
    {SOL_SOCKET, SO_WIFI_STATUS, "a wireless card"},
    {SOL_SOCKET, SCM_TIMESTAMPING_PKTINFO, "a network card that takes times"},
    {SOL_SOCKET, SCM_DEVMEM_LINEAR, "a network card with header split and a device's memory"},
    {SOL_SOCKET, SCM_DEVMEM_DMABUF, "a network card with header split and a device's memory"},
    {IPPROTO_IP, 3, "labelled IPsec or NetLabel"},
    {IPPROTO_IPV6, IPV6_RTHDR, "mobile IPv6 (CONFIG_IPV6_MIP6)"},
    {IPPROTO_IPV6, IPV6_2292RTHDR, "mobile IPv6 (CONFIG_IPV6_MIP6)"},
    {SOL_CAN_RAW, -1, "CAN (CONFIG_CAN)"},
    {SOL_CAN_J1939, -1, "CAN (CONFIG_CAN_J1939)"},
    {SOL_SCTP, -1, "SCTP (CONFIG_IP_SCTP)"},
    {SOL_ALG, -1, "ciphers for programs (CONFIG_CRYPTO_USER_API_SKCIPHER, CONFIG_CRYPTO_USER_API_AEAD)"},
    {SOL_TLS, -1, "TLS in the kernel (CONFIG_TLS)"},
    {SOL_VSOCK, -1, "a vsock transport that sends without copying (CONFIG_VSOCKETS_LOOPBACK)"},
};

static const char *excuse(const struct kith_cmsg_type *type) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(excused); i++) {
        if (excused[i].level == type->level && (excused[i].type == -1 || excused[i].type == type->type))
            return excused[i].needs;
    }
    return NULL;
}

bool rows_kernel_has(const char *version) {
    struct utsname name;
    int major, minor = 0, need_major, need_minor = 0;

    assert_int_equal(uname(&name), 0);
    assert_int_equal(sscanf(name.release, "%d.%d", &major, &minor), 2);
    assert_true(!version || sscanf(version, "%d.%d", &need_major, &need_minor) >= 1);
    return version && (major > need_major || (major == need_major && minor >= need_minor));
}

static size_t row_index(int level, int type) {
    const struct kith_cmsg_type *entry;

    for (size_t i = 0; (entry = kith_cmsg_type_at(i)); i++) {
        if (entry->level == level && entry->type == type)
            return i;
    }
    return ROWS_MAX - 1;
}

void rows_mark_sent(const struct kith_cmsg_builder *builder) {
    struct kith_cmsg_iter iter = kith_cmsg_iter_init(builder->control, builder->size);
    struct kith_cmsg cmsg;

    while (kith_cmsg_step(&iter, &cmsg) > 0)
        was_sent[row_index(cmsg.level, cmsg.type)] = true;
}

ssize_t rows_send(int fd, const struct sockaddr_storage *to, const void *data, size_t size, const struct kith_cmsg_builder *builder,
                  int flags) {
    struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n;

    if (to) {
        message.msg_name = (void *)(uintptr_t)to;
        message.msg_namelen = (socklen_t)ROWS_SIZE(to);
    }
    if (builder) {
        message.msg_control = builder->control;
        message.msg_controllen = builder->size;
    }
    n = sendmsg(fd, &message, flags | MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0)
        return -errno;
    if (builder)
        rows_mark_sent(builder);
    return n;
}

void rows_receive(int fd, int flags, struct rows_received *received) {
    struct iovec iov = {.iov_base = received->data, .iov_len = sizeof(received->data)};
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = received->control, .msg_controllen = sizeof(received->control)};
    struct pollfd pollfd = {.fd = fd, .events = flags & MSG_ERRQUEUE ? 0 : POLLIN};
    struct kith_cmsg_iter iter;
    int r;

    received->size = recvmsg(fd, &message, flags | MSG_DONTWAIT);
    if (received->size < 0 && errno == EAGAIN) {
        assert_int_equal(poll(&pollfd, 1, 10000), 1);
        received->size = recvmsg(fd, &message, flags | MSG_DONTWAIT);
    }
    if (received->size < 0)
        print_error("recvmsg: %s\n", strerror(errno));
    assert_true(received->size >= 0);
    received->flags = message.msg_flags;
    assert_int_equal(received->flags & MSG_CTRUNC, 0);
    received->count = 0;
    iter = kith_cmsg_iter_init(received->control, message.msg_controllen);
    while ((r = kith_cmsg_next(&iter, &received->messages[received->count])) > 0) {
        struct kith_cmsg *cmsg = &received->messages[received->count++];
        char text[512];

        assert_non_null(cmsg->entry);
        assert_in_range(kith_cmsg_format(cmsg, text, sizeof(text)), strlen(cmsg->entry->name) + 1, sizeof(text) - 1);
        assert_memory_equal(text, cmsg->entry->name, strlen(cmsg->entry->name));
        was_received[row_index(cmsg->level, cmsg->type)] = true;
        assert_true(received->count < KITH_ARRAY_SIZE(received->messages));
    }
    assert_int_equal(r, 0);
}

bool rows_has(const struct rows_received *received, int level, int type) {
    for (size_t i = 0; i < received->count; i++) {
        if (received->messages[i].level == level && received->messages[i].type == type)
            return true;
    }
    return false;
}

const struct kith_cmsg *rows_find(const struct rows_received *received, int level, int type) {
    const struct kith_cmsg *found = NULL;

    for (size_t i = 0; i < received->count; i++) {
        if (received->messages[i].level == level && received->messages[i].type == type) {
            assert_null(found);
            found = &received->messages[i];
        }
    }
    if (!found)
        print_error("no control message of level %d, type %d\n", level, type);
    assert_non_null(found);
    return found;
}

int64_t rows_number(const struct rows_received *received, int level, int type) {
    const struct kith_cmsg *cmsg = rows_find(received, level, type);
    const char *name;
    int64_t value;

    assert_int_equal(kith_cmsg_number(cmsg, 0, &name, &value), 1);
    assert_non_null(name);
    assert_int_equal(kith_cmsg_number(cmsg, 1, NULL, NULL), 0);
    return value;
}

void rows_set(int fd, int level, int option, int value) {
    assert_int_equal(setsockopt(fd, level, option, &value, sizeof(value)), 0);
}

int rows_socket(int family, int type, int protocol) {
    int fd = socket(family, type | SOCK_CLOEXEC, protocol);

    assert_true(fd >= 0);
    return fd;
}

int rows_bind(int family, int type, const char *address, struct sockaddr_storage *ret_address) {
    struct sockaddr_in *in = (struct sockaddr_in *)ret_address;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret_address;
    socklen_t size = sizeof(*ret_address);
    int fd = rows_socket(family, type, 0);

    memset(ret_address, 0, sizeof(*ret_address));
    ret_address->ss_family = (sa_family_t)family;
    assert_int_equal(inet_pton(family, address, family == AF_INET ? (void *)&in->sin_addr : (void *)&in6->sin6_addr), 1);
    assert_int_equal(bind(fd, (struct sockaddr *)ret_address, (socklen_t)ROWS_SIZE(ret_address)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)ret_address, &size), 0);
    return fd;
}

void rows_set_mtu(int mtu) {
    struct ifreq request = {.ifr_name = "lo", .ifr_mtu = mtu};
    int fd = rows_socket(AF_INET, SOCK_DGRAM, 0);

    assert_int_equal(ioctl(fd, SIOCSIFMTU, &request), 0);
    kith_close(fd);
}

static int enter_namespace(void **state) {
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int fd;

    if (unshare(CLONE_NEWNET) < 0) {
        print_error("a network namespace: %s (root is needed)\n", strerror(errno));
        return -1;
    }
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
        return -1;
    return close(fd);
}

static bool is_missing(const struct kith_cmsg_type *type, const char *since, bool seen, const char *direction) {
    const char *needs = excuse(type);

    if (seen || !since)
        return false;
    if (!rows_kernel_has(since)) {
        print_message("%s is not %s: this kernel is older than %s\n", type->name, direction, since);
        return false;
    }
    if (needs) {
        print_message("%s is not %s: needs %s\n", type->name, direction, needs);
        return false;
    }
    print_error("%s was not %s, and no reason is given\n", type->name, direction);
    return true;
}

static void test_every_row_went_through_the_kernel_or_is_excused(void **state) {
    const struct kith_cmsg_type *type;
    size_t missing = 0;

    for (size_t i = 0; (type = kith_cmsg_type_at(i)); i++) {
        assert_true(i < ROWS_MAX - 1);
        missing += is_missing(type, type->since, was_received[i], "received");
        missing += is_missing(type, type->send_since, was_sent[i], "sent");
        /* What the kernel brought or took, the table must know to be possible. */
        assert_false(was_received[i] && !type->since);
        assert_false(was_sent[i] && !type->send_since);
    }
    assert_false(was_received[ROWS_MAX - 1] || was_sent[ROWS_MAX - 1]);
    assert_int_equal(missing, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ipv4_rows_make_the_round),
        cmocka_unit_test(test_ipv4_fragments_and_checksums_are_told),
        cmocka_unit_test(test_a_raw_ipv4_packet_takes_its_protocol),
        cmocka_unit_test(test_ipv6_rows_make_the_round),
        cmocka_unit_test(test_rfc_2292_rows_make_the_round),
        cmocka_unit_test(test_ipv6_routing_headers_are_told),
        cmocka_unit_test(test_ipv6_fragments_and_path_mtus_are_told),
        cmocka_unit_test(test_udp_is_cut_and_joined),
        cmocka_unit_test(test_icmp_errors_are_told),
        cmocka_unit_test(test_times_of_sending_come_through_the_error_queue),
        cmocka_unit_test(test_tcp_tells_what_is_left_and_how_it_was),
        cmocka_unit_test(test_zero_copy_is_told_when_it_is_done),
        cmocka_unit_test(test_packet_rows_make_the_round),
        cmocka_unit_test(test_times_of_receipt_are_told),
        cmocka_unit_test(test_marks_and_priorities_make_the_round),
        cmocka_unit_test(test_a_time_to_send_is_taken),
        cmocka_unit_test(test_unix_rows_make_the_round),
        cmocka_unit_test(test_a_full_buffer_is_told),
        cmocka_unit_test(test_netlink_rows_make_the_round),
        cmocka_unit_test(test_what_no_kernel_here_brings_is_decoded_from_octets),
        cmocka_unit_test(test_encoders_refuse_what_is_out_of_range),
        cmocka_unit_test(test_encoders_write_what_the_kernel_reads),
        cmocka_unit_test(test_every_row_went_through_the_kernel_or_is_excused), /* last: it looks at what the others did */
    };

    if (geteuid() != 0) {
        print_message("a network namespace and raw sockets need root\n");
        return TESTING_SKIPPED;
    }
    return cmocka_run_group_tests(tests, enter_namespace, NULL);
}

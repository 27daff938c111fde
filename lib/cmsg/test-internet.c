/* The control messages of IPv4 and IPv6: by hand, with what a kernel would never say, and as this kernel brings them with UDP datagrams. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <asm/socket.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "cmsg/internal.h"

static const struct in_pktinfo packet4 = {.ipi_ifindex = 3, .ipi_spec_dst = {0x0100007f}, .ipi_addr = {0x010101ef}};
static const struct in6_pktinfo packet6 = {.ipi6_addr.s6_addr = {[0] = 0xff, [1] = 0x02, [15] = 0x99}, .ipi6_ifindex = 4294967295};
static const int number = 63, largest = 255, zero = 0;

static void test_each_type_is_decoded_and_printed(void **state) {
    static const struct {
        int level, type;
        const void *data;
        size_t size;
        enum kith_cmsg_kind kind;
        const char *text;
    } cases[] = {
        {IPPROTO_IP, IP_PKTINFO, &packet4, sizeof(packet4), KITH_CMSG_PACKET, "IP_PKTINFO interface=3 destination=239.1.1.1"},
        {IPPROTO_IP, IP_TTL, &number, sizeof(number), KITH_CMSG_HOPS, "IP_TTL hops=63"},
        {IPPROTO_IP, IP_TOS, "\xb8", 1, KITH_CMSG_TRAFFIC, "IP_TOS class=0xb8"},
        {IPPROTO_IP, IP_TOS, &number, sizeof(number), KITH_CMSG_TRAFFIC, "IP_TOS class=0x3f"},
        {IPPROTO_IPV6, IPV6_PKTINFO, &packet6, sizeof(packet6), KITH_CMSG_PACKET, "IPV6_PKTINFO interface=4294967295 destination=ff02::99"},
        {IPPROTO_IPV6, IPV6_HOPLIMIT, &largest, sizeof(largest), KITH_CMSG_HOPS, "IPV6_HOPLIMIT hops=255"},
        {IPPROTO_IPV6, IPV6_TCLASS, &zero, sizeof(zero), KITH_CMSG_TRAFFIC, "IPV6_TCLASS class=0x00"},
    };

    for (size_t i = 0; i < KITH_ARRAY_SIZE(cases); i++) {
        for (size_t shift = 0; shift < sizeof(size_t); shift++) {
            _Alignas(struct cmsghdr) uint8_t buffer[CMSG_SPACE(32) + sizeof(size_t)];
            struct kith_cmsg_builder builder = kith_cmsg_builder_init(buffer + shift, sizeof(buffer) - shift);
            struct kith_cmsg_iter iter;
            struct kith_cmsg cmsg;
            char text[80];

            assert_int_equal(kith_cmsg_put(&builder, cases[i].level, cases[i].type, cases[i].data, cases[i].size), 0);
            iter = kith_cmsg_iter_init(builder.control, builder.size);
            assert_int_equal(kith_cmsg_next(&iter, &cmsg), 1);
            assert_int_equal(cmsg.kind, cases[i].kind);
            assert_int_equal(kith_cmsg_format(&cmsg, text, sizeof(text)), strlen(cases[i].text));
            assert_string_equal(text, cases[i].text);
            assert_int_equal(kith_cmsg_next(&iter, &cmsg), 0);
        }
    }
}

static void test_what_is_no_octet_is_refused(void **state) {
    static const int numbers[] = {-1, 256, INT32_MIN, INT32_MAX};
    static const struct {
        int level, type;
    } types[] = {{IPPROTO_IP, IP_TTL}, {IPPROTO_IP, IP_TOS}, {IPPROTO_IPV6, IPV6_HOPLIMIT}, {IPPROTO_IPV6, IPV6_TCLASS}};

    for (size_t i = 0; i < KITH_ARRAY_SIZE(types); i++) {
        for (size_t k = 0; k < KITH_ARRAY_SIZE(numbers); k++) {
            uint8_t buffer[CMSG_SPACE(sizeof(int))];
            struct kith_cmsg_builder builder = kith_cmsg_builder_init(buffer, sizeof(buffer));
            struct kith_cmsg_iter iter;
            struct kith_cmsg cmsg;

            assert_int_equal(kith_cmsg_put(&builder, types[i].level, types[i].type, &numbers[k], sizeof(int)), 0);
            iter = kith_cmsg_iter_init(buffer, builder.size);
            assert_int_equal(kith_cmsg_next(&iter, &cmsg), -EBADMSG);
        }
    }
}

/* A pair of UDP sockets on this host. */
struct pair {
    int sender, receiver;
};

static void set(int fd, int level, int option, int value) {
    assert_int_equal(setsockopt(fd, level, option, &value, sizeof(value)), 0);
}

static struct pair open_pair(int receiver_family, const char *from, const char *to) {
    struct pair pair;
    struct sockaddr_storage address = {.ss_family = (sa_family_t)receiver_family};
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address;
    struct sockaddr_in *in = (struct sockaddr_in *)&address;
    socklen_t size = sizeof(address);
    int family = strchr(from, ':') ? AF_INET6 : AF_INET;

    pair.receiver = socket(receiver_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(pair.receiver >= 0);
    assert_int_equal(bind(pair.receiver, (struct sockaddr *)&address, receiver_family == AF_INET ? sizeof(*in) : sizeof(*in6)), 0);
    assert_int_equal(getsockname(pair.receiver, (struct sockaddr *)&address, &size), 0);
    pair.sender = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(pair.sender >= 0);
    address.ss_family = (sa_family_t)family; /* the port lies at the same place in both */
    assert_int_equal(inet_pton(family, to, family == AF_INET ? (void *)&in->sin_addr : (void *)&in6->sin6_addr), 1);
    assert_int_equal(connect(pair.sender, (struct sockaddr *)&address, family == AF_INET ? sizeof(*in) : sizeof(*in6)), 0);
    return pair;
}

struct seen {
    struct kith_cmsg packet, hops, traffic, drops, timestamp;
};

/* Sends an octet, receives it and sorts what came with it; each kind comes once or not at all. */
static void exchange(const struct pair *pair, struct seen *seen, uint8_t *control, size_t control_size) {
    char octet = 'x';
    struct iovec iov = {.iov_base = &octet, .iov_len = 1};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = control_size};
    struct kith_cmsg_iter iter;
    struct kith_cmsg cmsg;
    int r;

    assert_int_equal(send(pair->sender, &octet, 1, 0), 1);
    assert_int_equal(recvmsg(pair->receiver, &message, 0), 1);
    assert_int_equal(message.msg_flags & MSG_CTRUNC, 0);
    *seen = (struct seen){.packet = {.type = 0}};
    iter = kith_cmsg_iter_init(control, message.msg_controllen);
    while ((r = kith_cmsg_next(&iter, &cmsg)) > 0) {
        struct kith_cmsg *place = cmsg.kind == KITH_CMSG_PACKET    ? &seen->packet
                                  : cmsg.kind == KITH_CMSG_HOPS    ? &seen->hops
                                  : cmsg.kind == KITH_CMSG_TRAFFIC ? &seen->traffic
                                  : cmsg.kind == KITH_CMSG_DROPS   ? &seen->drops
                                                                   : &seen->timestamp;
        assert_non_null(cmsg.entry);
        assert_null(place->entry);
        *place = cmsg;
    }
    assert_int_equal(r, 0);
}

static void close_pair(struct pair *pair) {
    kith_close(pair->sender);
    kith_close(pair->receiver);
}

static void test_an_ipv4_datagram_says_its_way(void **state) {
    struct pair pair = open_pair(AF_INET, "127.0.0.1", "127.0.0.2");
    uint8_t control[256];
    struct seen seen;

    set(pair.receiver, IPPROTO_IP, IP_PKTINFO, 1);
    set(pair.receiver, IPPROTO_IP, IP_RECVTTL, 1);
    set(pair.receiver, IPPROTO_IP, IP_RECVTOS, 1);
    set(pair.sender, IPPROTO_IP, IP_TTL, 17);
    set(pair.sender, IPPROTO_IP, IP_TOS, 0xb8);
    exchange(&pair, &seen, control, sizeof(control));

    assert_int_equal(seen.packet.value.packet.interface, if_nametoindex("lo"));
    assert_int_equal(seen.packet.value.packet.size, 4);
    assert_memory_equal(seen.packet.value.packet.destination, "\x7f\0\0\2", 4);
    assert_int_equal(seen.hops.value.hops, 17);
    assert_int_equal(seen.traffic.value.traffic, 0xb8);
    assert_string_equal(seen.traffic.entry->name, "IP_TOS");
    close_pair(&pair);
}

static void skip_without_ipv6(void) {
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    bool has = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;

    kith_close(fd);
    if (!has) {
        print_message("this host has no IPv6\n");
        skip();
    }
}

static void test_an_ipv6_datagram_says_its_way(void **state) {
    skip_without_ipv6();
    struct pair pair = open_pair(AF_INET6, "::1", "::1");
    uint8_t control[256];
    struct seen seen;

    set(pair.receiver, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    set(pair.receiver, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
    set(pair.receiver, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
    set(pair.sender, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 19);
    set(pair.sender, IPPROTO_IPV6, IPV6_TCLASS, 0x28);
    exchange(&pair, &seen, control, sizeof(control));

    assert_int_equal(seen.packet.value.packet.interface, if_nametoindex("lo"));
    assert_int_equal(seen.packet.value.packet.size, 16);
    assert_memory_equal(seen.packet.value.packet.destination, &in6addr_loopback, 16);
    assert_int_equal(seen.hops.value.hops, 19);
    assert_int_equal(seen.traffic.value.traffic, 0x28);
    close_pair(&pair);
}

static void test_an_ipv4_datagram_on_an_ipv6_socket_says_its_way_in_both_levels(void **state) {
    skip_without_ipv6();
    struct pair pair = open_pair(AF_INET6, "127.0.0.1", "127.0.0.1");
    uint8_t control[256];
    struct seen seen;

    set(pair.receiver, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    set(pair.receiver, IPPROTO_IP, IP_RECVTTL, 1);
    set(pair.receiver, IPPROTO_IP, IP_RECVTOS, 1);
    set(pair.sender, IPPROTO_IP, IP_TTL, 23);
    exchange(&pair, &seen, control, sizeof(control));

    assert_string_equal(seen.packet.entry->name, "IPV6_PKTINFO");
    assert_memory_equal(seen.packet.value.packet.destination, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1", 16);
    assert_int_equal(seen.hops.value.hops, 23);
    assert_int_equal(seen.hops.level, IPPROTO_IP);
    assert_non_null(seen.traffic.entry);
    close_pair(&pair);
}

static void test_drops_are_counted_by_the_kernel(void **state) {
    struct pair pair = open_pair(AF_INET, "127.0.0.1", "127.0.0.1");
    uint8_t control[256];
    char octets[512] = {0};
    unsigned sent = 0, received = 0;
    struct seen seen;

    set(pair.receiver, SOL_SOCKET, SO_RCVBUF, 4096);
    set(pair.receiver, SOL_SOCKET, SO_RXQ_OVFL, 1);
    set(pair.receiver, SOL_SOCKET, SO_TIMESTAMPNS, 1);
    for (; sent < 100; sent++)
        assert_int_equal(send(pair.sender, octets, sizeof(octets), 0), sizeof(octets));
    while (recv(pair.receiver, octets, sizeof(octets), MSG_DONTWAIT) >= 0)
        received++;
    assert_int_equal(errno, EAGAIN);
    assert_in_range(received, 1, sent - 1);
    exchange(&pair, &seen, control, sizeof(control));
    assert_int_equal(seen.drops.value.drops, sent - received);
    assert_string_equal(seen.timestamp.entry->name, "SCM_TIMESTAMPNS");
    close_pair(&pair);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_type_is_decoded_and_printed),
        cmocka_unit_test(test_what_is_no_octet_is_refused),
        cmocka_unit_test(test_an_ipv4_datagram_says_its_way),
        cmocka_unit_test(test_an_ipv6_datagram_says_its_way),
        cmocka_unit_test(test_an_ipv4_datagram_on_an_ipv6_socket_says_its_way_in_both_levels),
        cmocka_unit_test(test_drops_are_counted_by_the_kernel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

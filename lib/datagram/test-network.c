/*
 * UDP on networks of the test's own: two TUN devices in a network namespace, whose other ends are here. So what goes out can be read, and
 * what comes in can be written, header and all. Skipped where such a namespace or device is not to be had.
 */
#include "datagram/testing.h"

#include <arpa/inet.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <sched.h>
#include <sys/ioctl.h>

struct network {
    struct world world; /* first: the world's helpers take it */
    int before;         /* the namespace that we came from */
    int tuns[2];        /* kith0, 10.7.0.1/24; kith1, 10.7.1.1/24 */
    int news;           /* rtnetlink(7): IPv6 addresses as they come to be */
};

static bool set_interface(int control, const char *name, const char *address) {
    struct ifreq request = {0};
    struct sockaddr_in *in = (struct sockaddr_in *)&request.ifr_addr;
    (void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    in->sin_family = AF_INET;
    if (address && (inet_pton(AF_INET, address, &in->sin_addr) != 1 || ioctl(control, SIOCSIFADDR, &request) < 0 ||
                    inet_pton(AF_INET, "255.255.255.0", &in->sin_addr) != 1 || ioctl(control, SIOCSIFNETMASK, &request) < 0))
        return false;
    if (ioctl(control, SIOCGIFFLAGS, &request) < 0)
        return false;
    request.ifr_flags |= IFF_UP | IFF_MULTICAST;
    return ioctl(control, SIOCSIFFLAGS, &request) == 0;
}

static int open_tun(int control, const char *name, const char *address) {
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    (void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    if (fd >= 0 && (ioctl(fd, TUNSETIFF, &request) < 0 || !set_interface(control, name, address)))
        fd = kith_close(fd);
    return fd;
}

static void close_network(struct network *network) {
    network->news = kith_close(network->news);
    for (size_t i = 0; i < 2; i++)
        network->tuns[i] = kith_close(network->tuns[i]);
    if (network->before >= 0 && setns(network->before, CLONE_NEWNET) < 0)
        abort(); /* other tests would run in it */
    network->before = kith_close(network->before);
}

static int open_news(void) {
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_IPV6_IFADDR};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        fd = kith_close(fd);
    return fd;
}

/* The interface's own IPv6 address may be sent from only when the kernel has looked whether it is somebody else's. */
static void await_ipv6(struct network *network, size_t count) {
    char news[4096];
    while (count > 0) {
        struct pollfd entry = {.fd = network->news, .events = POLLIN};
        assert_int_equal(poll(&entry, 1, 10000), 1);
        ssize_t size = recv(network->news, news, sizeof(news), 0);
        assert_true(size > 0);
        for (struct nlmsghdr *header = (struct nlmsghdr *)news; NLMSG_OK(header, size); header = NLMSG_NEXT(header, size)) {
            const struct ifaddrmsg *address = NLMSG_DATA(header);
            if (header->nlmsg_type == RTM_NEWADDR && address->ifa_scope == RT_SCOPE_LINK && !(address->ifa_flags & IFA_F_TENTATIVE))
                count--;
        }
    }
}

/* False: not to be had here. */
static bool open_network(struct network *network) {
    int control = -1;
    network->before = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    network->tuns[0] = network->tuns[1] = network->news = -1;
    if (network->before < 0 || unshare(CLONE_NEWNET) < 0) {
        network->before = kith_close(network->before);
        return false;
    }
    control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    network->news = open_news();
    bool made = network->news >= 0 && control >= 0 && set_interface(control, "lo", NULL);
    if (made) {
        network->tuns[0] = open_tun(control, "kith0", "10.7.0.1");
        network->tuns[1] = open_tun(control, "kith1", "10.7.1.1");
    }
    kith_close(control);
    if (network->tuns[0] >= 0 && network->tuns[1] >= 0)
        return true;
    close_network(network);
    return false;
}

static int network_setup(void **state) {
    struct network *network = world_new(state, sizeof(*network));
    if (!network)
        return -1;
    network->before = network->tuns[0] = network->tuns[1] = network->news = -1;
    return 0;
}

static void need_network(struct network *network) {
    if (open_network(network))
        return;
    print_message("no network namespace or TUN device of one's own\n");
    skip();
}

/* What went out: the first IPv4 packet, others (of IPv6, which introduces itself) passed over. Waits for it. */
static size_t read_packet(int tun, uint8_t *octets, size_t room) {
    for (;;) {
        struct pollfd entry = {.fd = tun, .events = POLLIN};
        assert_int_equal(poll(&entry, 1, 10000), 1);
        ssize_t size = read(tun, octets, room);
        assert_true(size > 0);
        if (octets[0] >> 4 == 4 && octets[9] == IPPROTO_UDP)
            return (size_t)size;
    }
}

static uint16_t checksum(const uint8_t *octets, size_t size) {
    uint32_t sum = 0;
    for (size_t i = 0; i + 1 < size; i += 2)
        sum += (uint32_t)octets[i] << 8 | octets[i + 1];
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

/* A datagram from the network, without a checksum of its own, which IPv4 allows. */
static void write_packet(int tun, const char *from, const char *to, uint16_t port, uint8_t ttl, uint8_t tos, const char *text) {
    uint8_t octets[256] = {0};
    size_t body = strlen(text), size = sizeof(struct iphdr) + sizeof(struct udphdr) + body;
    struct iphdr ip = {.version = 4, .ihl = 5, .tos = tos, .tot_len = htons((uint16_t)size), .ttl = ttl, .protocol = IPPROTO_UDP};
    struct udphdr udp = {.source = htons(4711), .dest = htons(port), .len = htons((uint16_t)(sizeof(udp) + body))};
    assert_int_equal(inet_pton(AF_INET, from, &ip.saddr), 1);
    assert_int_equal(inet_pton(AF_INET, to, &ip.daddr), 1);
    memcpy(octets, &ip, sizeof(ip));
    ip.check = htons(checksum(octets, sizeof(ip)));
    memcpy(octets, &ip, sizeof(ip));
    memcpy(octets + sizeof(ip), &udp, sizeof(udp));
    memcpy(octets + sizeof(ip) + sizeof(udp), text, body);
    assert_int_equal(write(tun, octets, size), size);
}

static int network_teardown(void **state) {
    struct network *network = *state;
    close_network(network);
    return world_teardown(state);
}

static void test_what_goes_out_to_a_group_has_its_options(void **state) {
    struct network *network = *state;
    uint8_t octets[2048];
    struct node sender, receiver;
    need_network(network);
    struct kith_datagram_options options = {.multicast_hops = 9, .tos = 0x88};
    node_bind(&network->world, &receiver, "udp://kith1;239.9.9.9:5555", NULL);
    node_connect(&network->world, &sender, "udp://kith1;239.9.9.9:%u", &receiver, &options);
    assert_int_equal(node_send(&sender, "hello", 5), 0);
    kith_datagram_flush(sender.datagram);
    size_t size = read_packet(network->tuns[1], octets, sizeof(octets));
    struct iphdr ip;
    memcpy(&ip, octets, sizeof(ip));
    assert_int_equal(ip.ttl, 9);
    assert_int_equal(ip.tos, 0x88);
    assert_int_equal(ip.daddr, inet_addr("239.9.9.9"));
    assert_int_equal(ip.saddr, inet_addr("10.7.1.1")); /* of the interface that was asked for */
    assert_memory_equal(octets + size - 5, "hello", 5);
    until(&network->world, receiver.received == 1); /* the loop's copy */
    assert_string_equal(text_fact(receiver.origin, KITH_FACT_INTERFACE), "kith1");
    node_close(&sender);
    node_close(&receiver);
}

static void test_without_the_loop_only_the_network_hears_it(void **state) {
    struct network *network = *state;
    struct kith_datagram_options options = {.multicast_hops = -1, .no_multicast_loop = true};
    uint8_t octets[2048];
    struct node silent, sender, receiver;
    need_network(network);
    node_bind(&network->world, &receiver, "udp://kith0;239.9.9.9:5555", NULL);
    node_connect(&network->world, &silent, "udp://kith0;239.9.9.9:%u", &receiver, &options);
    node_connect(&network->world, &sender, "udp://kith0;239.9.9.9:%u", &receiver, NULL);
    assert_int_equal(node_send(&silent, "quiet", 5), 0);
    kith_datagram_flush(silent.datagram);
    (void)read_packet(network->tuns[0], octets, sizeof(octets)); /* it is out: a copy would have come before */
    assert_int_equal(node_send(&sender, "aloud", 5), 0);
    until(&network->world, receiver.received == 1);
    assert_memory_equal(receiver.first, "aloud", 5);
    node_close(&sender);
    node_close(&silent);
    node_close(&receiver);
}

static void test_what_comes_in_says_where_from_and_how_far(void **state) {
    struct network *network = *state;
    struct node group, unicast;
    need_network(network);
    node_bind(&network->world, &group, "udp://10.7.0.1;239.9.9.9:5555", NULL);
    node_bind(&network->world, &unicast, "udp://kith0:5556", NULL);
    write_packet(network->tuns[0], "10.7.0.9", "239.9.9.9", 5555, 42, 0x28, "group");
    write_packet(network->tuns[0], "10.7.0.9", "10.7.0.1", 5556, 43, 0, "unicast");
    until(&network->world, group.received == 1 && unicast.received == 1);
    assert_string_equal(text_fact(group.origin, KITH_FACT_ADDRESS), "10.7.0.9:4711");
    assert_string_equal(text_fact(group.origin, KITH_FACT_DESTINATION), "239.9.9.9:5555");
    assert_string_equal(text_fact(group.origin, KITH_FACT_INTERFACE), "kith0");
    assert_int_equal(number_fact(group.origin, KITH_FACT_TTL), 42);
    assert_int_equal(number_fact(group.origin, KITH_FACT_TOS), 0x28);
    assert_string_equal(text_fact(unicast.origin, KITH_FACT_DESTINATION), "10.7.0.1:5556");
    assert_int_equal(number_fact(unicast.origin, KITH_FACT_TTL), 43);
    node_close(&group);
    node_close(&unicast);
}

static void test_a_group_is_heard_on_its_interface_alone(void **state) {
    struct network *network = *state;
    struct node zero, one, both[2];
    need_network(network);
    node_bind(&network->world, &zero, "udp://kith0;239.9.9.9:5555", NULL);
    node_bind(&network->world, &one, "udp://kith1;239.9.9.9:5555", NULL);
    /* Others of this host are members of other groups at the same port. */
    node_bind(&network->world, &both[0], "udp://kith0;239.9.9.10:5555", NULL);
    node_bind(&network->world, &both[1], "udp://kith1;239.9.9.10:5555", NULL);
    write_packet(network->tuns[0], "10.7.0.9", "239.9.9.9", 5555, 1, 0, "zero");
    write_packet(network->tuns[1], "10.7.1.9", "239.9.9.9", 5555, 1, 0, "one");
    write_packet(network->tuns[0], "10.7.0.9", "239.9.9.10", 5555, 1, 0, "zero");
    until(&network->world, zero.received == 1 && one.received == 1 && both[0].received == 1);
    settle_down(&network->world);
    assert_memory_equal(zero.first, "zero", 4);
    assert_memory_equal(one.first, "one", 3);
    assert_int_equal(zero.received + one.received + both[0].received + both[1].received, 3);
    node_close(&zero);
    node_close(&one);
    node_close(&both[0]);
    node_close(&both[1]);
}

/* The kernel lets a group of IPv6 in wherever any socket joined it: the interface is looked at here. */
static void test_an_ipv6_group_is_heard_on_its_interface_alone(void **state) {
    struct network *network = *state;
    struct node zero, one, to_one, to_zero;
    need_network(network);
    struct kith_error error = KITH_ERROR_NONE;
    if (node_try_bind(&network->world, &zero, "udp://kith0;[ff15::77]:5555", NULL, &error) < 0) {
        print_message("no IPv6 here: %s\n", error.text);
        skip();
    }
    await_ipv6(network, 2);
    node_bind(&network->world, &one, "udp://kith1;[ff15::77]:5555", NULL);
    node_connect(&network->world, &to_one, "udp://kith1;[ff15::77]:%u", &one, NULL);
    node_connect(&network->world, &to_zero, "udp://kith0;[ff15::77]:%u", &zero, NULL);
    assert_int_equal(node_send(&to_one, "one", 3), 0);
    until(&network->world, one.received == 1);
    assert_string_equal(text_fact(one.origin, KITH_FACT_INTERFACE), "kith1");
    assert_string_equal(text_fact(one.origin, KITH_FACT_DESTINATION), "[ff15::77]:5555");
    assert_int_equal(node_send(&to_zero, "zero", 4), 0);
    until(&network->world, zero.received == 1);
    settle_down(&network->world);
    assert_memory_equal(zero.first, "zero", 4);
    assert_int_equal(zero.received + one.received, 2);
    node_close(&to_zero);
    node_close(&to_one);
    node_close(&one);
    node_close(&zero);
}

static void test_a_link_local_group_needs_no_zone_beside_its_interface(void **state) {
    struct network *network = *state;
    struct node receiver, sender;
    need_network(network);
    struct kith_error error = KITH_ERROR_NONE;
    if (node_try_bind(&network->world, &receiver, "udp://kith0;[ff02::77]:5555", NULL, &error) < 0) {
        print_message("no IPv6 here: %s\n", error.text);
        skip();
    }
    await_ipv6(network, 2);
    node_connect(&network->world, &sender, "udp://kith0;[ff02::77]:%u", &receiver, NULL);
    assert_int_equal(node_send(&sender, "near", 4), 0);
    until(&network->world, receiver.received == 1);
    assert_string_equal(text_fact(receiver.origin, KITH_FACT_DESTINATION), "[ff02::77%kith0]:5555");
    assert_memory_equal(text_fact(receiver.origin, KITH_FACT_ADDRESS), "[fe80::", 7);
    node_close(&sender);
    node_close(&receiver);
}

#define ON_NETWORK(test) cmocka_unit_test_setup_teardown(test, network_setup, network_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        ON_NETWORK(test_what_goes_out_to_a_group_has_its_options),
        ON_NETWORK(test_without_the_loop_only_the_network_hears_it),
        ON_NETWORK(test_what_comes_in_says_where_from_and_how_far),
        ON_NETWORK(test_a_group_is_heard_on_its_interface_alone),
        ON_NETWORK(test_an_ipv6_group_is_heard_on_its_interface_alone),
        ON_NETWORK(test_a_link_local_group_needs_no_zone_beside_its_interface),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* IPv4, IPv6 and UDP: what a sender states in ancillary data comes out of the receiver's. */
#include "cmsg/test-rows.h"

#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>

#ifndef IPV6_FLOWINFO
#define IPV6_FLOWINFO 11 /* include/uapi/linux/in6.h */
#endif
#ifndef IPV6_ORIGDSTADDR
#define IPV6_ORIGDSTADDR 74
#endif
#ifndef IPV6_RECVFRAGSIZE
#define IPV6_RECVFRAGSIZE 77
#endif

static struct rows_received received;
static uint8_t octets[60000];

void test_ipv4_rows_make_the_round(void **state) {
    static const uint8_t record_route[8] = {7, 7, 4, 0, 0, 0, 0, 1}; /* RFC 791: room for one address, no operation */
    static const int options[] = {IP_PKTINFO, IP_RECVTTL, IP_RECVTOS, IP_RECVOPTS, IP_RETOPTS, IP_RECVORIGDSTADDR};
    struct sockaddr_storage address;
    int receiver = rows_bind(AF_INET, SOCK_DGRAM, "127.0.0.1", &address), sender = rows_socket(AF_INET, SOCK_DGRAM, 0);
    const struct kith_cmsg *cmsg;
    ROWS_BUILDER(builder);

    for (size_t i = 0; i < KITH_ARRAY_SIZE(options); i++)
        rows_set(receiver, IPPROTO_IP, options[i], 1);
    assert_int_equal(kith_cmsg_put_packet(&builder, AF_INET, "\x7f\0\0\x03", if_nametoindex("lo")), 0);
    assert_int_equal(kith_cmsg_put_hops(&builder, AF_INET, 3), 0);
    assert_int_equal(kith_cmsg_put_traffic(&builder, AF_INET, 0xb8), 0);
    assert_int_equal(kith_cmsg_put(&builder, IPPROTO_IP, IP_RETOPTS, record_route, sizeof(record_route)), 0);
    assert_int_equal(rows_send(sender, &address, "x", 1, &builder, 0), 1);
    rows_receive(receiver, 0, &received);

    cmsg = rows_find(&received, IPPROTO_IP, IP_PKTINFO);
    assert_int_equal(cmsg->value.packet.interface, if_nametoindex("lo"));
    assert_memory_equal(cmsg->value.packet.destination, "\x7f\0\0\1", 4);
    assert_int_equal(rows_find(&received, IPPROTO_IP, IP_TTL)->value.hops, 3);
    assert_int_equal(rows_find(&received, IPPROTO_IP, IP_TOS)->value.traffic, 0xb8);
    assert_int_equal(rows_find(&received, IPPROTO_IP, IP_RECVOPTS)->size, sizeof(record_route));
    assert_int_equal(*(const uint8_t *)rows_find(&received, IPPROTO_IP, IP_RETOPTS)->data, 7);
    cmsg = rows_find(&received, IPPROTO_IP, IP_ORIGDSTADDR);
    assert_int_equal(cmsg->value.address.family, AF_INET);
    assert_int_equal(htons(cmsg->value.address.port), ((struct sockaddr_in *)&address)->sin_port);
    assert_memory_equal(cmsg->value.address.octets, "\x7f\0\0\1", 4);
    kith_close(sender);
    kith_close(receiver);
}

/* An IPv4 packet with a UDP datagram, its checksum not yet looked at by anybody, as from a wire. */
static void send_raw_udp(const struct sockaddr_storage *to) {
    struct {
        struct iphdr ip;
        struct udphdr udp;
        uint8_t data[4];
    } packet = {.ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP, .daddr = htonl(0x7f000001), .saddr = htonl(0x7f000001)},
                .udp = {.source = htons(9), .len = htons(12)},
                .data = "data"};
    const uint8_t *place = (const uint8_t *)&packet.udp;
    uint32_t sum = 2 * (0x7f00 + 0x0001) + IPPROTO_UDP + 12;
    int raw = rows_socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
    int number = IPPROTO_UDP;
    ROWS_BUILDER(builder);

    packet.udp.dest = ((const struct sockaddr_in *)to)->sin_port;
    for (size_t i = 0; i < 12; i += 2)
        sum += (uint32_t)place[i] << 8 | place[i + 1];
    sum = (sum & 0xffff) + (sum >> 16);
    packet.udp.check = htons((uint16_t) ~((sum & 0xffff) + (sum >> 16)));
    if (rows_kernel_has("6.4"))
        assert_int_equal(kith_cmsg_put(&builder, IPPROTO_IP, IP_PROTOCOL, &number, sizeof(number)), 0);
    assert_int_equal(rows_send(raw, to, &packet, sizeof(packet), &builder, 0), sizeof(packet));
    kith_close(raw);
}

void test_a_raw_ipv4_packet_takes_its_protocol(void **state) {
    struct sockaddr_storage address;
    int receiver = rows_bind(AF_INET, SOCK_DGRAM, "127.0.0.1", &address);

    send_raw_udp(&address);
    rows_receive(receiver, 0, &received);
    assert_int_equal(received.size, 4);
    assert_memory_equal(received.data, "data", 4);
    assert_int_equal(received.count, 0);
    kith_close(receiver);
}

void test_ipv4_fragments_and_checksums_are_told(void **state) {
    struct sockaddr_storage address;
    int receiver = rows_bind(AF_INET, SOCK_DGRAM, "127.0.0.1", &address), sender = rows_socket(AF_INET, SOCK_DGRAM, 0);

    rows_set(receiver, IPPROTO_IP, IP_RECVFRAGSIZE, 1);
    rows_set(sender, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
    rows_set_mtu(1500);
    assert_int_equal(rows_send(sender, &address, octets, 4000, NULL, 0), 4000);
    rows_receive(receiver, 0, &received);
    rows_set_mtu(65536);
    assert_int_equal(received.size, 4000);
    assert_int_equal(rows_number(&received, IPPROTO_IP, IP_RECVFRAGSIZE), 1500);
    assert_int_equal(rows_send(sender, &address, octets, 4000, NULL, 0), 4000);
    rows_receive(receiver, 0, &received);
    assert_int_equal(received.count, 0);

    rows_set(receiver, IPPROTO_IP, IP_CHECKSUM, 1);
    send_raw_udp(&address);
    rows_receive(receiver, 0, &received);
    assert_int_not_equal(rows_number(&received, IPPROTO_IP, IP_CHECKSUM), 0);
    kith_close(sender);
    kith_close(receiver);
}

/* Hop-by-hop or destination options: six octets of padding (RFC 8200, 4.2). */
static const uint8_t padding[8] = {0, 0, 1, 4, 0, 0, 0, 0};

void test_ipv6_rows_make_the_round(void **state) {
    static const int options[] = {IPV6_RECVPKTINFO, IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS,     IPV6_FLOWINFO,
                                  IPV6_RECVHOPOPTS, IPV6_RECVDSTOPTS,  IPV6_RECVORIGDSTADDR};
    struct sockaddr_storage address;
    int receiver = rows_bind(AF_INET6, SOCK_DGRAM, "::1", &address), sender = rows_socket(AF_INET6, SOCK_DGRAM, 0), no = 0;
    ROWS_BUILDER(builder);

    for (size_t i = 0; i < KITH_ARRAY_SIZE(options); i++)
        rows_set(receiver, IPPROTO_IPV6, options[i], 1);
    assert_int_equal(kith_cmsg_put_packet(&builder, AF_INET6, &in6addr_loopback, 0), 0);
    assert_int_equal(kith_cmsg_put_hops(&builder, AF_INET6, 5), 0);
    assert_int_equal(kith_cmsg_put_traffic(&builder, AF_INET6, 0x28), 0);
    assert_int_equal(kith_cmsg_put_flow_label(&builder, 0xabcde), 0);
    assert_int_equal(kith_cmsg_put(&builder, IPPROTO_IPV6, IPV6_HOPOPTS, padding, sizeof(padding)), 0);
    assert_int_equal(kith_cmsg_put(&builder, IPPROTO_IPV6, IPV6_RTHDRDSTOPTS, padding, sizeof(padding)), 0);
    assert_int_equal(kith_cmsg_put(&builder, IPPROTO_IPV6, IPV6_DSTOPTS, padding, sizeof(padding)), 0);
    assert_int_equal(kith_cmsg_put(&builder, IPPROTO_IPV6, IPV6_DONTFRAG, &no, sizeof(no)), 0);
    assert_int_equal(rows_send(sender, &address, "x", 1, &builder, 0), 1);
    rows_receive(receiver, 0, &received);

    assert_int_equal(rows_find(&received, IPPROTO_IPV6, IPV6_PKTINFO)->value.packet.interface, if_nametoindex("lo"));
    assert_int_equal(rows_find(&received, IPPROTO_IPV6, IPV6_HOPLIMIT)->value.hops, 5);
    assert_int_equal(rows_find(&received, IPPROTO_IPV6, IPV6_TCLASS)->value.traffic, 0x28);
    assert_int_equal(rows_number(&received, IPPROTO_IPV6, IPV6_FLOWINFO), 0x28abcde);
    assert_memory_equal((const uint8_t *)rows_find(&received, IPPROTO_IPV6, IPV6_HOPOPTS)->data + 1, padding + 1, 7);
    assert_memory_equal((const uint8_t *)rows_find(&received, IPPROTO_IPV6, IPV6_DSTOPTS)->data + 1, padding + 1, 7);
    assert_int_equal(htons(rows_find(&received, IPPROTO_IPV6, IPV6_ORIGDSTADDR)->value.address.port),
                     ((struct sockaddr_in6 *)&address)->sin6_port);
    kith_close(sender);
    kith_close(receiver);
}

void test_rfc_2292_rows_make_the_round(void **state) {
    static const int options[] = {IPV6_2292PKTINFO, IPV6_2292HOPLIMIT, IPV6_2292HOPOPTS, IPV6_2292DSTOPTS};
    struct in6_pktinfo info = {.ipi6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_storage address;
    int receiver = rows_bind(AF_INET6, SOCK_DGRAM, "::1", &address), sender = rows_socket(AF_INET6, SOCK_DGRAM, 0), hops = 7;
    ROWS_BUILDER(builder);

    for (size_t i = 0; i < KITH_ARRAY_SIZE(options); i++)
        rows_set(receiver, IPPROTO_IPV6, options[i], 1);
    assert_int_equal(kith_cmsg_put(&builder, IPPROTO_IPV6, IPV6_2292PKTINFO, &info, sizeof(info)), 0);
    assert_int_equal(kith_cmsg_put(&builder, IPPROTO_IPV6, IPV6_2292HOPLIMIT, &hops, sizeof(hops)), 0);
    assert_int_equal(kith_cmsg_put(&builder, IPPROTO_IPV6, IPV6_2292HOPOPTS, padding, sizeof(padding)), 0);
    assert_int_equal(kith_cmsg_put(&builder, IPPROTO_IPV6, IPV6_2292DSTOPTS, padding, sizeof(padding)), 0);
    assert_int_equal(rows_send(sender, &address, "x", 1, &builder, 0), 1);
    rows_receive(receiver, 0, &received);
    assert_memory_equal(rows_find(&received, IPPROTO_IPV6, IPV6_2292PKTINFO)->value.packet.destination, &in6addr_loopback, 16);
    assert_int_equal(rows_find(&received, IPPROTO_IPV6, IPV6_2292HOPLIMIT)->value.hops, 7);
    assert_int_equal(rows_find(&received, IPPROTO_IPV6, IPV6_2292HOPOPTS)->size, 8);
    assert_int_equal(rows_find(&received, IPPROTO_IPV6, IPV6_2292DSTOPTS)->size, 8);
    kith_close(sender);
    kith_close(receiver);
}

/* A routing header with nothing left to visit is for the receiver to look at (RFC 8200, 4.4). */
void test_ipv6_routing_headers_are_told(void **state) {
    struct {
        struct ip6_hdr ip;
        uint8_t routing[24];
        uint8_t data[8];
    } packet = {.ip.ip6_ctlun.ip6_un1 = {.ip6_un1_flow = htonl(6U << 28), .ip6_un1_plen = htons(32), .ip6_un1_nxt = 43, .ip6_un1_hlim = 9},
                .ip.ip6_src = IN6ADDR_LOOPBACK_INIT,
                .ip.ip6_dst = IN6ADDR_LOOPBACK_INIT,
                .routing = {253, 2, 0, 0}, /* next header: for experiments (RFC 3692); two units more; type 0; none left */
                .data = "routed"};
    struct sockaddr_storage address = {.ss_family = AF_INET6};
    int receiver = rows_socket(AF_INET6, SOCK_RAW, 253), sender = rows_socket(AF_INET6, SOCK_RAW, IPPROTO_RAW);

    ((struct sockaddr_in6 *)&address)->sin6_addr = in6addr_loopback;
    rows_set(receiver, IPPROTO_IPV6, IPV6_RECVRTHDR, 1);
    rows_set(receiver, IPPROTO_IPV6, IPV6_2292RTHDR, 1);
    assert_int_equal(rows_send(sender, &address, &packet, sizeof(packet), NULL, 0), sizeof(packet));
    rows_receive(receiver, 0, &received);
    assert_memory_equal(received.data, "routed", 7);
    assert_int_equal(rows_find(&received, IPPROTO_IPV6, IPV6_RTHDR)->size, sizeof(packet.routing));
    assert_memory_equal(rows_find(&received, IPPROTO_IPV6, IPV6_RTHDR)->data, packet.routing, sizeof(packet.routing));
    assert_memory_equal(rows_find(&received, IPPROTO_IPV6, IPV6_2292RTHDR)->data, packet.routing, sizeof(packet.routing));
    kith_close(sender);
    kith_close(receiver);
}

void test_ipv6_fragments_and_path_mtus_are_told(void **state) {
    struct sockaddr_storage address;
    int receiver = rows_bind(AF_INET6, SOCK_DGRAM, "::1", &address), sender = rows_socket(AF_INET6, SOCK_DGRAM, 0), yes = 1;
    const struct kith_cmsg *cmsg;
    ROWS_BUILDER(builder);

    rows_set(receiver, IPPROTO_IPV6, IPV6_RECVFRAGSIZE, 1);
    rows_set(sender, IPPROTO_IPV6, IPV6_RECVPATHMTU, 1);
    assert_int_equal(kith_cmsg_put(&builder, IPPROTO_IPV6, IPV6_DONTFRAG, &yes, sizeof(yes)), 0);
    rows_set_mtu(1500);
    assert_int_equal(rows_send(sender, &address, octets, 4000, NULL, 0), 4000);
    assert_int_equal(rows_send(sender, &address, octets, 4000, &builder, 0), -EMSGSIZE);
    rows_receive(receiver, 0, &received);
    assert_int_equal(received.size, 4000);
    assert_in_range(rows_number(&received, IPPROTO_IPV6, IPV6_RECVFRAGSIZE), 1400, 1500);
    rows_receive(sender, 0, &received);
    rows_set_mtu(65536);
    cmsg = rows_find(&received, IPPROTO_IPV6, IPV6_PATHMTU);
    assert_int_equal(cmsg->value.path_mtu.mtu, 1500);
    assert_memory_equal(cmsg->value.path_mtu.destination.octets, &in6addr_loopback, 16);
    kith_close(sender);
    kith_close(receiver);
}

void test_udp_is_cut_and_joined(void **state) {
    struct sockaddr_storage address;
    int receiver = rows_bind(AF_INET, SOCK_DGRAM, "127.0.0.1", &address), sender = rows_socket(AF_INET, SOCK_DGRAM, 0);
    ROWS_BUILDER(builder);

    assert_int_equal(kith_cmsg_put_segment(&builder, 100), 0);
    assert_int_equal(rows_send(sender, &address, octets, 250, &builder, 0), 250);
    for (int i = 0; i < 3; i++) {
        rows_receive(receiver, 0, &received);
        assert_int_equal(received.size, i < 2 ? 100 : 50);
    }
    rows_set(receiver, SOL_UDP, UDP_GRO, 1);
    assert_int_equal(rows_send(sender, &address, octets, 250, &builder, 0), 250);
    rows_receive(receiver, 0, &received);
    assert_int_equal(received.size, 250);
    assert_int_equal(rows_number(&received, SOL_UDP, UDP_GRO), 100);
    kith_close(sender);
    kith_close(receiver);
}

/*
 * cmsg/level-ipv6.c: the control messages of level IPPROTO_IPV6, ipv6(7), RFC 3542, as UDP brings them. An IPv4 datagram on an IPv6 socket
 * brings its IPV6_PKTINFO, with a mapped address, but the IPv4 level's hops and type of service (udpv6_recvmsg()).
 */
#include <netinet/in.h>
#include <string.h>

#include "base/cleanup.h"
#include "cmsg/internal.h"

static int decode_packet(struct kith_cmsg *cmsg) {
    struct in6_pktinfo info;

    memcpy(&info, cmsg->data, sizeof(info));
    cmsg->value.packet.interface = info.ipi6_ifindex;
    cmsg->value.packet.size = sizeof(info.ipi6_addr);
    memcpy(cmsg->value.packet.destination, &info.ipi6_addr, sizeof(info.ipi6_addr));
    return 0;
}

#define ROW(...) KITH_CMSG_ENTRY(IPPROTO_IPV6, __VA_ARGS__)

static const struct kith_cmsg_row rows[] = {
    {ROW(IPV6_PKTINFO, KITH_CMSG_PACKET, "IPV6_PKTINFO", "IPV6_RECVPKTINFO", "2.6.14",
         "address the datagram was sent to, interface it came in on", true),
     .min_size = sizeof(struct in6_pktinfo), .decode = decode_packet, .format = kith_cmsg_format_packet},
    {ROW(IPV6_HOPLIMIT, KITH_CMSG_HOPS, "IPV6_HOPLIMIT", "IPV6_RECVHOPLIMIT", "2.6.14", "hops that the datagram had left", true),
     .min_size = sizeof(int), .decode = kith_cmsg_decode_hops, .format = kith_cmsg_format_hops},
    {ROW(IPV6_TCLASS, KITH_CMSG_TRAFFIC, "IPV6_TCLASS", "IPV6_RECVTCLASS", "2.6.14", "traffic class of the datagram, DSCP and ECN", true),
     .min_size = sizeof(int), .decode = kith_cmsg_decode_traffic, .format = kith_cmsg_format_traffic},
};

const struct kith_cmsg_level kith_cmsg_level_ipv6 = {.level = IPPROTO_IPV6, .rows = rows, .count = KITH_ARRAY_SIZE(rows)};

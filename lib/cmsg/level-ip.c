/* cmsg/level-ip.c: the control messages of level IPPROTO_IP, ip(7), as UDP brings them. */
#include <netinet/in.h>
#include <string.h>

#include "base/cleanup.h"
#include "cmsg/internal.h"

/* ipi_addr is where the datagram was sent to; ipi_spec_dst, whom an answer would come from, stays in the data. */
static int decode_packet(struct kith_cmsg *cmsg) {
    struct in_pktinfo info;

    memcpy(&info, cmsg->data, sizeof(info));
    cmsg->value.packet.interface = (unsigned)info.ipi_ifindex;
    cmsg->value.packet.size = sizeof(info.ipi_addr);
    memcpy(cmsg->value.packet.destination, &info.ipi_addr, sizeof(info.ipi_addr));
    return 0;
}

#define ROW(...) KITH_CMSG_ENTRY(IPPROTO_IP, __VA_ARGS__)

static const struct kith_cmsg_row rows[] = {
    {ROW(IP_TOS, KITH_CMSG_TRAFFIC, "IP_TOS", "IP_RECVTOS", "2.2", "type of service of the datagram, DSCP and ECN", true), .min_size = 1,
     .decode = kith_cmsg_decode_traffic, .format = kith_cmsg_format_traffic},
    {ROW(IP_TTL, KITH_CMSG_HOPS, "IP_TTL", "IP_RECVTTL", "2.2", "hops that the datagram had left", true), .min_size = sizeof(int),
     .decode = kith_cmsg_decode_hops, .format = kith_cmsg_format_hops},
    {ROW(IP_PKTINFO, KITH_CMSG_PACKET, "IP_PKTINFO", "IP_PKTINFO", "2.2", "address the datagram was sent to, interface it came in on",
         true),
     .min_size = sizeof(struct in_pktinfo), .decode = decode_packet, .format = kith_cmsg_format_packet},
};

const struct kith_cmsg_level kith_cmsg_level_ip = {.level = IPPROTO_IP, .rows = rows, .count = KITH_ARRAY_SIZE(rows)};

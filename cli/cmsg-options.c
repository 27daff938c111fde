/*
 * cli/cmsg-options.c: the socket options that make the kernel bring ancillary data.
 *
 * All are tried on every socket: one that its family or this kernel has not is refused with ENOPROTOOPT, EINVAL or EOPNOTSUPP and changes
 * nothing. Of forms that exclude each other the one with nanoseconds is on (SO_TIMESTAMPNS, not SO_TIMESTAMP); the forms of RFC 2292 would
 * say the same again.
 */
#include <asm/socket.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>

#include "base/cleanup.h"
#include "cli/cmsg.h"

/* Numbers that the headers of the oldest system kith is built on have not; include/uapi of the kernel. */
enum {
    RCVMARK = 75,         /* SO_RCVMARK, Linux 5.19 */
    PASSPIDFD = 76,       /* SO_PASSPIDFD, Linux 6.5 */
    RCVPRIORITY = 82,     /* SO_RCVPRIORITY, Linux 6.14 */
    INQ = 84,             /* SO_INQ, Linux 6.17 */
    FLOWINFO = 11,        /* IPV6_FLOWINFO, linux/in6.h */
    ORIGDSTADDR6 = 74,    /* IPV6_RECVORIGDSTADDR, linux/in6.h */
    FRAGSIZE6 = 77,       /* IPV6_RECVFRAGSIZE, linux/in6.h */
    LEVEL_TCP = 6,        /* SOL_TCP */
    OPTION_TCP_INQ = 36,  /* TCP_INQ, linux/tcp.h */
    LEVEL_UDP = 17,       /* SOL_UDP */
    OPTION_UDP_GRO = 104, /* UDP_GRO, linux/udp.h */
    LEVEL_NETLINK = 270,  /* SOL_NETLINK */
    NETLINK_INFO = 3,     /* NETLINK_PKTINFO, linux/netlink.h */
    NETLINK_ALL_NSID = 8, /* NETLINK_LISTEN_ALL_NSID, linux/netlink.h */
};

static const struct {
    int level, option, value;
} wanted[] = {
    {SOL_SOCKET, SO_PASSCRED, 1},
    {SOL_SOCKET, SO_PASSSEC, 1},
    {SOL_SOCKET, PASSPIDFD, 1},
    {SOL_SOCKET, SO_TIMESTAMPNS_OLD, 1},
    {SOL_SOCKET, SO_TIMESTAMPING_OLD,
     SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_RX_HARDWARE | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RAW_HARDWARE |
         SOF_TIMESTAMPING_OPT_CMSG | SOF_TIMESTAMPING_OPT_PKTINFO},
    {SOL_SOCKET, SO_RXQ_OVFL, 1},
    {SOL_SOCKET, SO_WIFI_STATUS, 1},
    {SOL_SOCKET, RCVMARK, 1},
    {SOL_SOCKET, RCVPRIORITY, 1},
    {SOL_SOCKET, INQ, 1},
    {IPPROTO_IP, IP_PKTINFO, 1},
    {IPPROTO_IP, IP_RECVTTL, 1},
    {IPPROTO_IP, IP_RECVTOS, 1},
    {IPPROTO_IP, IP_RECVOPTS, 1},
    {IPPROTO_IP, IP_RETOPTS, 1},
    {IPPROTO_IP, IP_RECVERR, 1},
    {IPPROTO_IP, IP_PASSSEC, 1},
    {IPPROTO_IP, IP_RECVORIGDSTADDR, 1},
    {IPPROTO_IP, IP_CHECKSUM, 1},
    {IPPROTO_IP, IP_RECVFRAGSIZE, 1},
    {IPPROTO_IPV6, IPV6_RECVPKTINFO, 1},
    {IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1},
    {IPPROTO_IPV6, IPV6_RECVTCLASS, 1},
    {IPPROTO_IPV6, FLOWINFO, 1},
    {IPPROTO_IPV6, IPV6_RECVHOPOPTS, 1},
    {IPPROTO_IPV6, IPV6_RECVDSTOPTS, 1},
    {IPPROTO_IPV6, IPV6_RECVRTHDR, 1},
    {IPPROTO_IPV6, IPV6_RECVPATHMTU, 1},
    {IPPROTO_IPV6, IPV6_RECVERR, 1},
    {IPPROTO_IPV6, ORIGDSTADDR6, 1},
    {IPPROTO_IPV6, FRAGSIZE6, 1},
    {LEVEL_TCP, OPTION_TCP_INQ, 1},
    {LEVEL_UDP, OPTION_UDP_GRO, 1},
    {LEVEL_NETLINK, NETLINK_INFO, 1},
    {LEVEL_NETLINK, NETLINK_ALL_NSID, 1},
};

void cmsg_receive_everything(int fd) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(wanted); i++)
        (void)setsockopt(fd, wanted[i].level, wanted[i].option, &wanted[i].value, sizeof(wanted[i].value));
}

/* cmsg/level-netlink.c: the control messages of level SOL_NETLINK, netlink(7). */
#include <linux/netlink.h>

#include "base/cleanup.h"
#include "cmsg/compat.h"
#include "cmsg/internal.h"

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif

static const struct kith_cmsg_row rows[] = {
    {.type = {.level = SOL_NETLINK,
              .type = NETLINK_PKTINFO,
              .kind = KITH_CMSG_NUMBERS,
              .name = "NETLINK_PKTINFO",
              .option = "NETLINK_PKTINFO",
              .since = "2.6.14",
              .send_since = NULL,
              .data = "struct nl_pktinfo",
              .wire = NULL,
              .manual = "netlink(7)",
              .summary = "multicast group that the message came through; 0: it was for this socket alone"},
     .min_size = sizeof(struct nl_pktinfo),
     .fields = KITH_CMSG_FIELDS({"group", 0, 4, KITH_CMSG_PLAIN})},
    {.type = {.level = SOL_NETLINK,
              .type = NETLINK_LISTEN_ALL_NSID,
              .kind = KITH_CMSG_NUMBERS,
              .name = "NETLINK_LISTEN_ALL_NSID",
              .option = "NETLINK_LISTEN_ALL_NSID",
              .since = "4.2",
              .send_since = NULL,
              .data = "int",
              .wire = NULL,
              .manual = "netlink(7)",
              .summary = "number of the network namespace that the message is from; none: our own"},
     .min_size = sizeof(int),
     .fields = KITH_CMSG_FIELDS({"nsid", 0, 4, KITH_CMSG_SIGNED})},
};

const struct kith_cmsg_level kith_cmsg_level_netlink = {.level = SOL_NETLINK, .rows = rows, .count = KITH_ARRAY_SIZE(rows)};

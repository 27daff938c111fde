/* cmsg/level-packet.c: the control messages of level SOL_PACKET, packet(7). */
#include <linux/if_packet.h>
#include <linux/types.h>
#include <time.h>

#include "base/cleanup.h"
#include "cmsg/compat.h"
#include "cmsg/internal.h"

#include <linux/errqueue.h>

#ifndef SOL_PACKET
#define SOL_PACKET 263
#endif

static const struct kith_cmsg_row rows[] = {
    {.type = {.level = SOL_PACKET,
              .type = PACKET_AUXDATA,
              .kind = KITH_CMSG_NUMBERS,
              .name = "PACKET_AUXDATA",
              .option = "PACKET_AUXDATA",
              .since = "2.6.21",
              .send_since = NULL,
              .data = "struct tpacket_auxdata",
              .wire = NULL,
              .manual = "packet(7)",
              .summary = "of a captured packet: status bits, length, where its headers begin, VLAN tag"},
     .min_size = 16,
     .fields = KITH_CMSG_FIELDS({"status", 0, 4, KITH_CMSG_HEX}, {"length", 4, 4, KITH_CMSG_PLAIN}, {"captured", 8, 4, KITH_CMSG_PLAIN},
                                {"mac", 12, 2, KITH_CMSG_PLAIN}, {"network", 14, 2, KITH_CMSG_PLAIN}, {"vlan", 16, 2, KITH_CMSG_PLAIN},
                                {"vlan_protocol", 18, 2, KITH_CMSG_HEX})},
    {.type = {.level = SOL_PACKET,
              .type = PACKET_TX_TIMESTAMP,
              .kind = KITH_CMSG_ERROR,
              .name = "PACKET_TX_TIMESTAMP",
              .option = "SO_TIMESTAMPING",
              .since = "2.6.35",
              .send_since = NULL,
              .data = "struct sock_extended_err",
              .wire = NULL,
              .manual = "timestamping.rst",
              .summary = "an entry of the error queue: a transmit time"},
     .min_size = sizeof(struct sock_extended_err),
     .decode = kith_cmsg_decode_error,
     .format = kith_cmsg_format_error},
};

const struct kith_cmsg_level kith_cmsg_level_packet = {.level = SOL_PACKET, .rows = rows, .count = KITH_ARRAY_SIZE(rows)};

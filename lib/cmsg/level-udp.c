/* cmsg/level-udp.c: the control messages of level SOL_UDP, udp(7): several datagrams in one call, both ways. */
#include <netinet/udp.h>

#include "base/cleanup.h"
#include "cmsg/compat.h"
#include "cmsg/internal.h"

static const struct kith_cmsg_row rows[] = {
    {.type = {.level = SOL_UDP,
              .type = UDP_SEGMENT,
              .kind = KITH_CMSG_NUMBERS,
              .name = "UDP_SEGMENT",
              .option = NULL,
              .since = NULL,
              .send_since = "4.18",
              .data = "unsigned short",
              .wire = "each segment is a datagram of its own",
              .manual = "udp(7)",
              .summary = "size of the datagrams into which the data are cut"},
     .min_size = sizeof(uint16_t),
     .fields = KITH_CMSG_FIELDS({"size", 0, 2, KITH_CMSG_PLAIN})},
    {.type = {.level = SOL_UDP,
              .type = UDP_GRO,
              .kind = KITH_CMSG_NUMBERS,
              .name = "UDP_GRO",
              .option = "UDP_GRO",
              .since = "5.0",
              .send_since = NULL,
              .data = "int",
              .wire = NULL,
              .manual = "udp(7)",
              .summary = "size of the datagrams that came joined in one call; none: it was one"},
     .min_size = sizeof(int),
     .fields = KITH_CMSG_FIELDS({"size", 0, 4, KITH_CMSG_PLAIN})},
};

const struct kith_cmsg_level kith_cmsg_level_udp = {.level = SOL_UDP, .rows = rows, .count = KITH_ARRAY_SIZE(rows)};

/* cmsg/level-tcp.c: the control messages of level SOL_TCP. Times and zero-copy notifications come through the error queue, IP_RECVERR. */
#include <netinet/tcp.h>

#include "base/cleanup.h"
#include "cmsg/compat.h"
#include "cmsg/internal.h"

static const struct kith_cmsg_row rows[] = {
    {.type = {.level = SOL_TCP,
              .type = TCP_CM_INQ,
              .kind = KITH_CMSG_NUMBERS,
              .name = "TCP_CM_INQ",
              .option = "TCP_INQ",
              .since = "4.18",
              .send_since = NULL,
              .data = "int",
              .wire = NULL,
              .manual = "tcp.h",
              .summary = "octets that the receive buffer still holds"},
     .min_size = sizeof(int),
     .fields = KITH_CMSG_FIELDS({"left", 0, 4, KITH_CMSG_SIGNED})},
};

const struct kith_cmsg_level kith_cmsg_level_tcp = {.level = SOL_TCP, .rows = rows, .count = KITH_ARRAY_SIZE(rows)};

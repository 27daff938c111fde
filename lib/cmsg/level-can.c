/* cmsg/level-can.c: the control messages of level SOL_CAN_RAW (can.rst): the error queue. CAN's times are those of SOL_SOCKET. */
#include <linux/can.h>
#include <linux/can/raw.h>
#include <linux/types.h>
#include <time.h>

#include "base/cleanup.h"
#include "cmsg/compat.h"
#include "cmsg/internal.h"

#include <linux/errqueue.h>

static const struct kith_cmsg_row rows[] = {
    {.type = {.level = SOL_CAN_RAW,
              .type = SCM_CAN_RAW_ERRQUEUE,
              .kind = KITH_CMSG_ERROR,
              .name = "SCM_CAN_RAW_ERRQUEUE",
              .option = "SO_TIMESTAMPING",
              .since = "5.10",
              .send_since = NULL,
              .data = "struct sock_extended_err",
              .wire = NULL,
              .manual = "can/raw.h",
              .summary = "an entry of the error queue: a transmit time"},
     .min_size = sizeof(struct sock_extended_err),
     .decode = kith_cmsg_decode_error,
     .format = kith_cmsg_format_error},
};

const struct kith_cmsg_level kith_cmsg_level_can = {.level = SOL_CAN_RAW, .rows = rows, .count = KITH_ARRAY_SIZE(rows)};

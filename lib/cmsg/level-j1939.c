/* cmsg/level-j1939.c: the control messages of level SOL_CAN_J1939: SAE J1939 on CAN (j1939.rst). */
#include <linux/can.h>
#include <linux/can/j1939.h>
#include <linux/types.h>
#include <time.h>

#include "base/cleanup.h"
#include "cmsg/compat.h"
#include "cmsg/internal.h"

#include <linux/errqueue.h>

static const struct kith_cmsg_row rows[] = {
    {.type = {.level = SOL_CAN_J1939,
              .type = SCM_J1939_DEST_ADDR,
              .kind = KITH_CMSG_NUMBERS,
              .name = "SCM_J1939_DEST_ADDR",
              .option = NULL,
              .since = "5.4",
              .send_since = NULL,
              .data = "__u8",
              .wire = "destination address in the CAN identifier",
              .manual = "j1939.rst",
              .summary = "address that the message was sent to"},
     .min_size = 1,
     .fields = KITH_CMSG_FIELDS({"address", 0, 1, KITH_CMSG_HEX})},
    {.type = {.level = SOL_CAN_J1939,
              .type = SCM_J1939_DEST_NAME,
              .kind = KITH_CMSG_NUMBERS,
              .name = "SCM_J1939_DEST_NAME",
              .option = NULL,
              .since = "5.4",
              .send_since = NULL,
              .data = "__u64",
              .wire = NULL,
              .manual = "j1939.rst",
              .summary = "NAME that the message was sent to"},
     .min_size = 8,
     .fields = KITH_CMSG_FIELDS({"name", 0, 8, KITH_CMSG_HEX})},
    {.type = {.level = SOL_CAN_J1939,
              .type = SCM_J1939_PRIO,
              .kind = KITH_CMSG_NUMBERS,
              .name = "SCM_J1939_PRIO",
              .option = NULL,
              .since = "5.4",
              .send_since = NULL,
              .data = "__u8",
              .wire = "priority in the CAN identifier",
              .manual = "j1939.rst",
              .summary = "priority of the message"},
     .min_size = 1,
     .fields = KITH_CMSG_FIELDS({"priority", 0, 1, KITH_CMSG_PLAIN})},
    {.type = {.level = SOL_CAN_J1939,
              .type = SCM_J1939_ERRQUEUE,
              .kind = KITH_CMSG_ERROR,
              .name = "SCM_J1939_ERRQUEUE",
              .option = "SO_J1939_ERRQUEUE",
              .since = "5.4",
              .send_since = NULL,
              .data = "struct sock_extended_err, netlink attributes",
              .wire = NULL,
              .manual = "j1939.rst",
              .summary = "an entry of the error queue: how a transfer went"},
     .min_size = sizeof(struct sock_extended_err),
     .decode = kith_cmsg_decode_error,
     .format = kith_cmsg_format_error},
};

const struct kith_cmsg_level kith_cmsg_level_j1939 = {.level = SOL_CAN_J1939, .rows = rows, .count = KITH_ARRAY_SIZE(rows)};

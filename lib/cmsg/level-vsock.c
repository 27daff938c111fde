/* cmsg/level-vsock.c: the control messages of level SOL_VSOCK: the error queue of vsock(7). */
#include <linux/types.h>
#include <sys/socket.h>
#include <time.h>

#include "base/cleanup.h"
#include "cmsg/compat.h"
#include "cmsg/internal.h"

#include <linux/errqueue.h>
#include <linux/vm_sockets.h>

static const struct kith_cmsg_row rows[] = {
    {.type = {.level = SOL_VSOCK,
              .type = VSOCK_RECVERR,
              .kind = KITH_CMSG_ERROR,
              .name = "VSOCK_RECVERR",
              .option = NULL,
              .since = "6.7",
              .send_since = NULL,
              .data = "struct sock_extended_err",
              .wire = NULL,
              .manual = "vm_sockets.h",
              .summary = "an entry of the error queue: a zero-copy notification"},
     .min_size = sizeof(struct sock_extended_err),
     .decode = kith_cmsg_decode_error,
     .format = kith_cmsg_format_error},
};

const struct kith_cmsg_level kith_cmsg_level_vsock = {.level = SOL_VSOCK, .rows = rows, .count = KITH_ARRAY_SIZE(rows)};

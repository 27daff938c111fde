/* cmsg/level-tls.c: the control messages of level SOL_TLS: records of TLS in the kernel (tls.rst). */
#include <linux/tls.h>

#include "base/cleanup.h"
#include "cmsg/compat.h"
#include "cmsg/internal.h"

static const struct kith_cmsg_row rows[] = {
    {.type = {.level = SOL_TLS,
              .type = TLS_SET_RECORD_TYPE,
              .kind = KITH_CMSG_NUMBERS,
              .name = "TLS_SET_RECORD_TYPE",
              .option = NULL,
              .since = NULL,
              .send_since = "4.13",
              .data = "unsigned char",
              .wire = "content type of the record; TLS 1.3 encrypts it",
              .manual = "tls.rst",
              .summary = "content type of the record that is sent"},
     .min_size = 1,
     .fields = KITH_CMSG_FIELDS({"type", 0, 1, KITH_CMSG_PLAIN})},
    {.type = {.level = SOL_TLS,
              .type = TLS_GET_RECORD_TYPE,
              .kind = KITH_CMSG_NUMBERS,
              .name = "TLS_GET_RECORD_TYPE",
              .option = "TLS_RX",
              .since = "4.17",
              .send_since = NULL,
              .data = "unsigned char",
              .wire = "content type of the record; TLS 1.3 encrypts it",
              .manual = "tls.rst",
              .summary = "content type of the record that came: 23 data, 21 alert, 22 handshake"},
     .min_size = 1,
     .fields = KITH_CMSG_FIELDS({"type", 0, 1, KITH_CMSG_PLAIN})},
};

const struct kith_cmsg_level kith_cmsg_level_tls = {.level = SOL_TLS, .rows = rows, .count = KITH_ARRAY_SIZE(rows)};

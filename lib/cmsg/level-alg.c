/* cmsg/level-alg.c: the control messages of level SOL_ALG: what an AF_ALG socket is to do with the data (crypto/userspace-if.rst). */
#include <linux/if_alg.h>

#include "base/cleanup.h"
#include "cmsg/compat.h"
#include "cmsg/internal.h"

static const struct kith_cmsg_row rows[] = {
    {.type = {.level = SOL_ALG,
              .type = ALG_SET_IV,
              .kind = KITH_CMSG_NUMBERS,
              .name = "ALG_SET_IV",
              .option = NULL,
              .since = NULL,
              .send_since = "2.6.38",
              .data = "struct af_alg_iv, then the octets",
              .wire = NULL,
              .manual = "userspace-if.rst",
              .summary = "initialization vector"},
     .min_size = sizeof(struct af_alg_iv),
     .fields = KITH_CMSG_FIELDS({"iv_size", 0, 4, KITH_CMSG_PLAIN})},
    {.type = {.level = SOL_ALG,
              .type = ALG_SET_OP,
              .kind = KITH_CMSG_NUMBERS,
              .name = "ALG_SET_OP",
              .option = NULL,
              .since = NULL,
              .send_since = "2.6.38",
              .data = "__u32: ALG_OP_DECRYPT, ALG_OP_ENCRYPT",
              .wire = NULL,
              .manual = "userspace-if.rst",
              .summary = "0: decrypt, 1: encrypt"},
     .min_size = sizeof(uint32_t),
     .fields = KITH_CMSG_FIELDS({"operation", 0, 4, KITH_CMSG_PLAIN})},
    {.type = {.level = SOL_ALG,
              .type = ALG_SET_AEAD_ASSOCLEN,
              .kind = KITH_CMSG_NUMBERS,
              .name = "ALG_SET_AEAD_ASSOCLEN",
              .option = NULL,
              .since = NULL,
              .send_since = "4.1",
              .data = "__u32",
              .wire = NULL,
              .manual = "userspace-if.rst",
              .summary = "octets of associated data at the front, which are authenticated and not encrypted"},
     .min_size = sizeof(uint32_t),
     .fields = KITH_CMSG_FIELDS({"associated", 0, 4, KITH_CMSG_PLAIN})},
};

const struct kith_cmsg_level kith_cmsg_level_alg = {.level = SOL_ALG, .rows = rows, .count = KITH_ARRAY_SIZE(rows)};

/* cmsg/types.c: the table of control messages: the levels' rows, one after the other. */
#include "base/cleanup.h"
#include "cmsg/internal.h"

static const struct kith_cmsg_level *const levels[] = {
    &kith_cmsg_level_ip,  &kith_cmsg_level_socket, &kith_cmsg_level_tcp,   &kith_cmsg_level_udp,    &kith_cmsg_level_ipv6,
    &kith_cmsg_level_can, &kith_cmsg_level_j1939,  &kith_cmsg_level_sctp,  &kith_cmsg_level_packet, &kith_cmsg_level_netlink,
    &kith_cmsg_level_alg, &kith_cmsg_level_tls,    &kith_cmsg_level_vsock,
};

const struct kith_cmsg_row *kith_cmsg_row_find(int level, int type) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(levels); i++) {
        if (levels[i]->level != level)
            continue;
        for (size_t k = 0; k < levels[i]->count; k++) {
            if (levels[i]->rows[k].type.type == type)
                return &levels[i]->rows[k];
        }
    }
    return NULL;
}

const struct kith_cmsg_type *kith_cmsg_type_at(size_t index) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(levels); i++) {
        if (index < levels[i]->count)
            return &levels[i]->rows[index].type;
        index -= levels[i]->count;
    }
    return NULL;
}

const struct kith_cmsg_type *kith_cmsg_type_find(int level, int type) {
    const struct kith_cmsg_row *row = kith_cmsg_row_find(level, type);

    return row ? &row->type : NULL;
}

/* map/kernel/program/address.h: addresses, ports and namespace of a socket of any kind: what all kinds have in common. */
#ifndef KITH_MAP_KERNEL_PROGRAM_ADDRESS_H
#define KITH_MAP_KERNEL_PROGRAM_ADDRESS_H

#include "map/kernel/program/kernel.h"

static __always_inline void copy_address(const struct in6_addr *from, uint8_t *to) {
    for (int i = 0; i < 4; i++)
        ((uint32_t *)to)[i] = from->in6_u.u6_addr32[i];
}

static __always_inline void read_addresses(const struct sock_common *common, uint8_t *local, uint8_t *remote) {
    if (common->skc_family == AF_INET6) {
        copy_address(&common->skc_v6_rcv_saddr, local);
        copy_address(&common->skc_v6_daddr, remote);
    } else {
        *(uint32_t *)local = common->skc_rcv_saddr;
        *(uint32_t *)remote = common->skc_daddr;
    }
}

static __always_inline uint16_t read_remote_port(const struct sock_common *common) {
    return __builtin_bswap16(common->skc_dport);
}

static __always_inline uint64_t read_netns(const struct sock_common *common) {
    return common->skc_net.net->ns.inum;
}

#endif

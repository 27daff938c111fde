/* map/kernel/program/address.h: addresses, ports and namespace of a socket of any kind: what all kinds have in common. */
#ifndef KITH_MAP_KERNEL_PROGRAM_ADDRESS_H
#define KITH_MAP_KERNEL_PROGRAM_ADDRESS_H

#include "map/kernel/program/kernel.h"

static __always_inline void read_addresses(const struct sock_common *common, uint8_t *local, uint8_t *remote) {
    if (BPF_CORE_READ(common, skc_family) == AF_INET6) {
        bpf_core_read(local, 16, &common->skc_v6_rcv_saddr);
        bpf_core_read(remote, 16, &common->skc_v6_daddr);
    } else {
        bpf_core_read(local, 4, &common->skc_rcv_saddr);
        bpf_core_read(remote, 4, &common->skc_daddr);
    }
}

static __always_inline uint16_t read_remote_port(const struct sock_common *common) {
    return __builtin_bswap16(BPF_CORE_READ(common, skc_dport));
}

static __always_inline uint64_t read_netns(const struct sock_common *common) {
    return BPF_CORE_READ(common, skc_net.net, ns.inum);
}

#endif

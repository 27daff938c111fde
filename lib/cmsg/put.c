/*
 * cmsg/put.c: control messages for sendmsg() whose data are a number or a structure.
 *
 * What the kernel would refuse by its range is refused here, with -EINVAL and the buffer unchanged; what it refuses by privilege or by the
 * socket's state is for sendmsg() to say.
 */
#include <errno.h>
#include <linux/if_alg.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>

#include "cmsg/compat.h"
#include "cmsg/internal.h"

#ifndef IPV6_FLOWINFO
#define IPV6_FLOWINFO 11 /* include/uapi/linux/in6.h, which does not go with netinet/in.h */
#endif

static int put_u32(struct kith_cmsg_builder *builder, int level, int type, uint32_t number) {
    return kith_cmsg_put(builder, level, type, &number, sizeof(number));
}

int kith_cmsg_put_packet(struct kith_cmsg_builder *builder, int family, const void *source, unsigned interface) {
    if (family == AF_INET) {
        struct in_pktinfo info = {.ipi_ifindex = (int)interface};

        if (source)
            memcpy(&info.ipi_spec_dst, source, sizeof(info.ipi_spec_dst));
        return kith_cmsg_put(builder, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
    }
    if (family == AF_INET6) {
        struct in6_pktinfo info = {.ipi6_ifindex = interface};

        if (source)
            memcpy(&info.ipi6_addr, source, sizeof(info.ipi6_addr));
        return kith_cmsg_put(builder, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
    }
    return -EINVAL;
}

int kith_cmsg_put_hops(struct kith_cmsg_builder *builder, int family, int hops) {
    if ((family != AF_INET && family != AF_INET6) || hops < (family == AF_INET) || hops > UINT8_MAX)
        return -EINVAL;
    return family == AF_INET ? put_u32(builder, IPPROTO_IP, IP_TTL, (uint32_t)hops)
                             : put_u32(builder, IPPROTO_IPV6, IPV6_HOPLIMIT, (uint32_t)hops);
}

int kith_cmsg_put_traffic(struct kith_cmsg_builder *builder, int family, unsigned traffic) {
    if ((family != AF_INET && family != AF_INET6) || traffic > UINT8_MAX)
        return -EINVAL;
    return family == AF_INET ? put_u32(builder, IPPROTO_IP, IP_TOS, traffic) : put_u32(builder, IPPROTO_IPV6, IPV6_TCLASS, traffic);
}

int kith_cmsg_put_flow_label(struct kith_cmsg_builder *builder, uint32_t label) {
    if (label > 0xfffff)
        return -EINVAL;
    return put_u32(builder, IPPROTO_IPV6, IPV6_FLOWINFO, htonl(label));
}

int kith_cmsg_put_segment(struct kith_cmsg_builder *builder, uint16_t size) {
    if (size == 0)
        return -EINVAL;
    return kith_cmsg_put(builder, SOL_UDP, UDP_SEGMENT, &size, sizeof(size));
}

int kith_cmsg_put_txtime(struct kith_cmsg_builder *builder, uint64_t nanoseconds) {
    return kith_cmsg_put(builder, SOL_SOCKET, SO_TXTIME, &nanoseconds, sizeof(nanoseconds));
}

int kith_cmsg_put_mark(struct kith_cmsg_builder *builder, uint32_t mark) {
    return put_u32(builder, SOL_SOCKET, SO_MARK, mark);
}

int kith_cmsg_put_priority(struct kith_cmsg_builder *builder, uint32_t priority) {
    return put_u32(builder, SOL_SOCKET, SO_PRIORITY, priority);
}

int kith_cmsg_put_timestamping(struct kith_cmsg_builder *builder, uint32_t flags) {
    return put_u32(builder, SOL_SOCKET, SO_TIMESTAMPING_OLD, flags);
}

int kith_cmsg_put_timestamp_id(struct kith_cmsg_builder *builder, uint32_t id) {
    return put_u32(builder, SOL_SOCKET, SCM_TS_OPT_ID, id);
}

int kith_cmsg_put_record_type(struct kith_cmsg_builder *builder, uint8_t type) {
    return kith_cmsg_put(builder, SOL_TLS, TLS_SET_RECORD_TYPE, &type, sizeof(type));
}

int kith_cmsg_put_alg_operation(struct kith_cmsg_builder *builder, bool encrypt) {
    return put_u32(builder, SOL_ALG, ALG_SET_OP, encrypt ? ALG_OP_ENCRYPT : ALG_OP_DECRYPT);
}

/* Ciphers of the kernel have vectors of 8 to 32 octets; this is the most that goes on the stack here. */
#define IV_MAX 256

int kith_cmsg_put_alg_iv(struct kith_cmsg_builder *builder, const void *iv, size_t size) {
    uint32_t length = (uint32_t)size;
    uint8_t data[sizeof(struct af_alg_iv) + IV_MAX];

    if (size == 0 || size > IV_MAX || !iv)
        return -EINVAL;
    memcpy(data, &length, sizeof(length));
    memcpy(data + sizeof(struct af_alg_iv), iv, size);
    return kith_cmsg_put(builder, SOL_ALG, ALG_SET_IV, data, sizeof(struct af_alg_iv) + size);
}

int kith_cmsg_put_alg_associated(struct kith_cmsg_builder *builder, uint32_t size) {
    return put_u32(builder, SOL_ALG, ALG_SET_AEAD_ASSOCLEN, size);
}

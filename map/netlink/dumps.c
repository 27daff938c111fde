/* map/netlink/dumps.c: the table of what is asked, and what all decoders share. */
#include <inttypes.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "map/model/array.h"
#include "map/netlink/internal.h"

/* include/uapi/linux/in.h; the C library's may be older. */
#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

#define INET map_inet_ask, map_inet_decode, false
#define LINES map_inet_line

/* Listeners before what came from them, so that no child is told of whose listener opened after. */
const struct map_dump map_dumps[] = {
    {"tcp", MAP_TCP, AF_UNSPEC, IPPROTO_TCP, map_tcp_ask, map_inet_decode, false, "tcp", LINES},
    {"tcp6", MAP_TCP, AF_INET6, IPPROTO_TCP, NULL, NULL, true, "tcp6", LINES},
    {"mptcp", MAP_MPTCP, AF_INET, IPPROTO_MPTCP, INET, NULL, NULL},
    {"mptcp6", MAP_MPTCP, AF_INET6, IPPROTO_MPTCP, INET, NULL, NULL},
    {"udp", MAP_UDP, AF_INET, IPPROTO_UDP, INET, "udp", LINES},
    {"udp6", MAP_UDP, AF_INET6, IPPROTO_UDP, INET, "udp6", LINES},
    {"udplite", MAP_UDPLITE, AF_INET, IPPROTO_UDPLITE, INET, "udplite", LINES},
    {"udplite6", MAP_UDPLITE, AF_INET6, IPPROTO_UDPLITE, INET, "udplite6", LINES},
    {"raw", MAP_RAW, AF_INET, IPPROTO_RAW, INET, "raw", LINES},
    {"raw6", MAP_RAW, AF_INET6, IPPROTO_RAW, INET, "raw6", LINES},
    {"icmp", MAP_PING, AF_INET, IPPROTO_ICMP, NULL, NULL, false, "icmp", LINES},
    {"icmp6", MAP_PING, AF_INET6, IPPROTO_ICMPV6, NULL, NULL, false, "icmp6", LINES},
    {"unix", MAP_UNIX, AF_UNIX, 0, map_unix_ask, map_unix_decode, false, "unix", map_unix_line},
    {"netlink", MAP_NETLINK, AF_NETLINK, 0, map_netlink_ask, map_netlink_decode, false, "netlink", map_netlink_line},
    {"packet", MAP_PACKET, AF_PACKET, 0, map_packet_ask, map_packet_decode, false, "packet", map_packet_line},
    {"vsock", MAP_VSOCK, AF_VSOCK, 0, map_vsock_ask, map_vsock_decode, false, NULL, NULL},
    {"xdp", MAP_XDP, AF_XDP, 0, map_xdp_ask, map_xdp_decode, false, NULL, NULL},
};
const size_t map_dump_count = KITH_ARRAY_SIZE(map_dumps);

void map_decoded_deinit(struct map_decoded *decoded) {
    free(decoded->waiting);
    decoded->waiting = NULL;
}

void map_decoded_begin(struct map_decoded *decoded, const struct map_dump *dump) {
    decoded->socket = (struct map_socket){.kind = dump->kind, .family = dump->family, .protocol = dump->protocol};
}

int map_decoded_wait(struct map_decoded *decoded, uint64_t inode) {
    struct map_socket *socket = &decoded->socket;

    if (socket->waiting_count == decoded->waiting_room) {
        size_t room = decoded->waiting_room ? decoded->waiting_room * 2 : 16;
        uint64_t *grown = reallocarray(decoded->waiting, room, sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        decoded->waiting = grown;
        decoded->waiting_room = room;
    }
    decoded->waiting[socket->waiting_count++] = inode;
    socket->waiting = decoded->waiting;
    return 0;
}

const char *map_text_of(const struct nlattr *attribute) {
    const char *text = mnl_attr_get_payload(attribute);
    return memchr(text, '\0', mnl_attr_get_payload_len(attribute)) ? text : NULL;
}

int map_fact_text(const struct map_decoded *decoded, const char *group, const char *name, const char *value) {
    return decoded->fact && value ? decoded->fact(decoded->userdata, group, name, value, false) : 0;
}

int map_fact_number(const struct map_decoded *decoded, const char *group, const char *name, uint64_t value) {
    char text[24];

    if (!decoded->fact)
        return 0;
    snprintf(text, sizeof(text), "%" PRIu64, value);
    return decoded->fact(decoded->userdata, group, name, text, true);
}

int map_fact_memory(const struct map_decoded *decoded, const struct nlattr *attribute) {
    static const char *const names[SK_MEMINFO_VARS] = {
        [SK_MEMINFO_RMEM_ALLOC] = "received",   [SK_MEMINFO_RCVBUF] = "receive limit",
        [SK_MEMINFO_WMEM_ALLOC] = "being sent", [SK_MEMINFO_SNDBUF] = "send limit",
        [SK_MEMINFO_FWD_ALLOC] = "forward",     [SK_MEMINFO_WMEM_QUEUED] = "queued to send",
        [SK_MEMINFO_OPTMEM] = "options",        [SK_MEMINFO_BACKLOG] = "backlog of the locked socket",
        [SK_MEMINFO_DROPS] = "dropped packets",
    };
    const uint8_t *values = mnl_attr_get_payload(attribute);
    size_t count = mnl_attr_get_payload_len(attribute) / sizeof(uint32_t);
    int r = 0;

    for (size_t i = 0; r == 0 && decoded->fact && i < count && i < KITH_ARRAY_SIZE(names); i++) {
        uint32_t value;
        memcpy(&value, values + i * sizeof(value), sizeof(value));
        if (names[i])
            r = map_fact_number(decoded, "memory", names[i], value);
    }
    return r;
}

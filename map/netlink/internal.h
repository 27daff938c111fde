/* map/netlink/internal.h: what the decoders share. */
#ifndef KITH_MAP_NETLINK_INTERNAL_H
#define KITH_MAP_NETLINK_INTERNAL_H

#include <errno.h>
#include <string.h>

#include <libmnl/libmnl.h>

#include "map/netlink/netlink.h"

static inline uint64_t cookie_of(const uint32_t cookie[2]) {
    /* INET_DIAG_NOCOOKIE: ~0 in both. */
    return cookie[0] == UINT32_MAX && cookie[1] == UINT32_MAX ? 0 : (uint64_t)cookie[1] << 32 | cookie[0];
}

/* The payload, if it has at least `size` octets. */
static inline const void *payload_of(const struct nlattr *attribute, size_t size) {
    return mnl_attr_get_payload_len(attribute) >= size ? mnl_attr_get_payload(attribute) : NULL;
}

static inline uint32_t u32_of(const struct nlattr *attribute, uint32_t otherwise) {
    uint32_t value = otherwise;
    const void *payload = payload_of(attribute, sizeof(value));
    if (payload)
        memcpy(&value, payload, sizeof(value));
    return value;
}

/* A text of a family's, with a NUL within the attribute; NULL: none. */
const char *map_text_of(const struct nlattr *attribute);

/* Begins a socket; what was there is forgotten. */
void map_decoded_begin(struct map_decoded *decoded, const struct map_dump *dump);
int map_decoded_wait(struct map_decoded *decoded, uint64_t inode);

int map_fact_number(const struct map_decoded *decoded, const char *group, const char *name, uint64_t value);
int map_fact_text(const struct map_decoded *decoded, const char *group, const char *name, const char *value);
/* sock_diag's array of a socket's memory: SK_MEMINFO_. */
int map_fact_memory(const struct map_decoded *decoded, const struct nlattr *attribute);

/* inet.c */
void map_inet_ask(const struct map_dump *dump, enum map_depth depth, struct nlmsghdr *request);
void map_tcp_ask(const struct map_dump *dump, enum map_depth depth, struct nlmsghdr *request);
int map_inet_decode(const struct map_dump *dump, const struct nlmsghdr *answer, struct map_decoded *decoded);
/* facts-inet.c: an attribute of inet_diag's, as facts. */
int map_inet_facts(const struct map_decoded *decoded, const struct nlattr *attribute);
/* tcp-info.c */
int map_tcp_info_facts(const struct map_decoded *decoded, const void *info, size_t size);
/* unix.c, others.c */
void map_unix_ask(const struct map_dump *dump, enum map_depth depth, struct nlmsghdr *request);
int map_unix_decode(const struct map_dump *dump, const struct nlmsghdr *answer, struct map_decoded *decoded);
void map_netlink_ask(const struct map_dump *dump, enum map_depth depth, struct nlmsghdr *request);
int map_netlink_decode(const struct map_dump *dump, const struct nlmsghdr *answer, struct map_decoded *decoded);
void map_packet_ask(const struct map_dump *dump, enum map_depth depth, struct nlmsghdr *request);
int map_packet_decode(const struct map_dump *dump, const struct nlmsghdr *answer, struct map_decoded *decoded);
void map_vsock_ask(const struct map_dump *dump, enum map_depth depth, struct nlmsghdr *request);
int map_vsock_decode(const struct map_dump *dump, const struct nlmsghdr *answer, struct map_decoded *decoded);
void map_xdp_ask(const struct map_dump *dump, enum map_depth depth, struct nlmsghdr *request);
int map_xdp_decode(const struct map_dump *dump, const struct nlmsghdr *answer, struct map_decoded *decoded);
/* procnet.c */
int map_inet_line(const struct map_dump *dump, const char *line, struct map_decoded *decoded);
int map_unix_line(const struct map_dump *dump, const char *line, struct map_decoded *decoded);
int map_netlink_line(const struct map_dump *dump, const char *line, struct map_decoded *decoded);
int map_packet_line(const struct map_dump *dump, const char *line, struct map_decoded *decoded);

#endif

/*
 * map/netlink/netlink.h: what the kernel is asked about sockets (sock_diag(7)), and what its answers say. Octets in, rows out; no I/O.
 *
 * One table: a family of sockets is a row. The answers are the kernel's, but they are read as if anybody had written them: every
 * attribute's size is looked at before it is used, and what is not known is left out.
 */
#ifndef KITH_MAP_NETLINK_H
#define KITH_MAP_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "map/model/map.h"

struct nlmsghdr;

/* How much is asked for: every level costs the kernel more. */
enum map_depth {
    MAP_PLAIN, /* names, queues, owners, what TCP has counted: which end connected cannot be told otherwise */
    MAP_FULL,  /* and everything: facts */
};

/* Takes a fact of the socket that is being read; group and name are static. Below 0 ends. */
typedef int (*map_fact_fn)(void *userdata, const char *group, const char *name, const char *text, bool number);

/* A socket as an answer tells of it. Memory is used again for the next; all zero to begin. */
struct map_decoded {
    struct map_socket socket; /* names point into the answer, other pointers to the memory below */
    uint64_t *waiting;
    size_t waiting_room;
    uint32_t groups[64];
    map_fact_fn fact; /* NULL: facts are not wanted */
    void *userdata;
};

void map_decoded_deinit(struct map_decoded *decoded);

struct map_dump {
    const char *name; /* "tcp6" */
    enum map_kind kind;
    uint8_t family; /* AF_UNSPEC: IPv4 and IPv6 */
    uint16_t protocol;
    /* Writes the request's payload, NULL: the kernel has no sock_diag for these; `proc` is all there is. */
    void (*ask)(const struct map_dump *dump, enum map_depth depth, struct nlmsghdr *request);
    /* 0, -EBADMSG (not an answer to this), -ENOMEM, the error of `fact`. */
    int (*decode)(const struct map_dump *dump, const struct nlmsghdr *answer, struct map_decoded *decoded);
    bool with_last;   /* the dump of the row before tells of these too: there is only the file, where there is no dump */
    const char *proc; /* the file of /proc/net that says less, for kernels without; NULL: none */
    /* A line of it. 0, -EBADMSG (a heading, or not such a line). */
    int (*decode_line)(const struct map_dump *dump, const char *line, struct map_decoded *decoded);
};

extern const struct map_dump map_dumps[];
extern const size_t map_dump_count;

/* Generic netlink: the families and their groups. */
void map_genl_ask(uint16_t type, struct nlmsghdr *request);
typedef int (*map_genl_group_fn)(void *userdata, const char *family, uint32_t number, const char *name);
int map_genl_decode(const struct nlmsghdr *answer, map_genl_group_fn fn, void *userdata);

/* Routing: interfaces, and this host's addresses. */
void map_links_ask(struct nlmsghdr *request);
int map_link_decode(const struct nlmsghdr *answer, uint32_t *ret_number, const char **ret_name);
void map_locals_ask(struct nlmsghdr *request);
int map_local_decode(const struct nlmsghdr *answer, struct map_address *ret_address);

#endif

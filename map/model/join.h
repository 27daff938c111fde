/* map/model/join.h: the steps of map_join(), and the indexes that they make and share. */
#ifndef KITH_MAP_MODEL_JOIN_H
#define KITH_MAP_MODEL_JOIN_H

#include "map/model/index.h"
#include "map/model/map.h"

struct map_indexes {
    struct map_index by_cookie, by_inode; /* sockets; of MPTCP the socket itself and its subflows have one inode */
    struct map_index by_cgroup, by_local; /* map->cgroups, map->locals */
    struct map_index by_tuple;            /* connected: kind, local and remote address (not of vsock) and port; any namespace */
    struct map_index by_port;             /* not connected, and listeners: kind and local port (of netlink: port id) */
    struct map_index by_name;             /* unix listeners: name */
};

void map_indexes_deinit(struct map_indexes *indexes);

uint64_t map_hash_host(const struct map *map, const struct map_address *address);
uint64_t map_hash_tuple(const struct map *map, enum map_kind kind, const struct map_address *from, const struct map_address *to);
uint64_t map_hash_name(const struct map *map, const struct map_address *address);
static inline uint64_t map_port_key(enum map_kind kind, uint32_t port) {
    return (uint64_t)kind << 32 | port;
}

/* Once each, in this order. 0 or -ENOMEM. */
int map_join_indexes(struct map *map);
int map_join_order(struct map *map);
int map_join_peers(struct map *map);
int map_join_listeners(struct map *map);
int map_join_claims(struct map *map);

/* Fills a link with what fits, best first: none, one (matched, for `why`), or several (ambiguous). */
struct map_choice {
    uint32_t *sockets;
    size_t count;
};
int map_choice_add(struct map_choice *choice, uint32_t socket);
int map_link_choose(struct map *map, struct map_link *link, const struct map_choice *choice, const char *why, const char *why_several);

#endif

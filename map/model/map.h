/*
 * map/model/map.h: sockets, the processes that hold them, and what joins them, at one moment. Pure: rows in, joined map out.
 *
 * A source adds rows in any order (map_add_...); map_join() then makes of them what they say together: who holds a socket, which socket is
 * the other end, which listener it came from. After that the map is only read.
 *
 * Invariants after map_join(): a socket is there once, however often the kernel told of it while it changed; holders are sorted by socket,
 * process and descriptor; a link is never stronger than its evidence (enum map_known), and one that could lead to several sockets names
 * all of them and is MAP_AMBIGUOUS.
 */
#ifndef KITH_MAP_MODEL_MAP_H
#define KITH_MAP_MODEL_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"

#define MAP_NONE UINT32_MAX

enum map_kind {
    MAP_TCP,
    MAP_MPTCP,
    MAP_UDP,
    MAP_UDPLITE,
    MAP_RAW,
    MAP_PING, /* SOCK_DGRAM of IPPROTO_ICMP, icmp(7) */
    MAP_UNIX,
    MAP_NETLINK,
    MAP_PACKET,
    MAP_VSOCK,
    MAP_XDP,
    MAP_OTHER, /* a descriptor says that it is there; the kernel lists it nowhere */
    MAP_KINDS_
};

/* Numbers of the kernel (include/net/tcp_states.h), which all families use. */
enum map_state {
    MAP_STATE_UNKNOWN,
    MAP_ESTABLISHED,
    MAP_SYN_SENT,
    MAP_SYN_RECV,
    MAP_FIN_WAIT_1,
    MAP_FIN_WAIT_2,
    MAP_TIME_WAIT,
    MAP_CLOSE, /* of what is not TCP: without a peer */
    MAP_CLOSE_WAIT,
    MAP_LAST_ACK,
    MAP_LISTEN,
    MAP_CLOSING,
    MAP_NEW_SYN_RECV, /* a request socket; inet_diag calls it SYN_RECV */
    MAP_BOUND,        /* bound, and neither connected nor listening (told of from Linux 6.8 on) */
    MAP_STATES_
};

enum map_form {
    MAP_NO_ADDRESS,
    MAP_INET,     /* octets 0 to 3, port, interface */
    MAP_INET6,    /* octets, port, interface */
    MAP_PATH,     /* name */
    MAP_ABSTRACT, /* name, without the leading NUL; any octets */
    MAP_CID,      /* number (CID), port */
    MAP_PORTID,   /* number; 0: the kernel */
    MAP_DEVICE,   /* interface (0: all), port: the protocol (ethertype) */
};

struct map_address {
    enum map_form form;
    uint8_t octets[16];
    uint32_t port, number, interface;
    const char *name; /* NUL-terminated as well */
    size_t name_size;
};

/* How a link is known, from nothing to certain. */
enum map_known {
    MAP_UNKNOWN,
    MAP_AMBIGUOUS, /* more than one socket fits: candidates */
    MAP_MATCHED,   /* one socket of this host fits by its address */
    MAP_BUCKET,    /* and the kernel keeps both in one bind bucket, and the socket was accepted by somebody */
    MAP_EXACT,     /* the kernel names the other socket, or was seen to make the link */
};

struct map_link {
    enum map_known known;
    uint32_t socket;          /* MAP_NONE: unknown; of several, the most likely */
    uint32_t first;           /* candidates, map->candidates[first..first + count), best first; only when ambiguous */
    uint32_t candidate_count; /* 0 otherwise */
    const char *why;          /* a static text, or NULL */
};

enum {
    MAP_HAS_UID = 1 << 0,
    MAP_HAS_BACKLOG = 1 << 1,    /* backlog, backlog_limit */
    MAP_HAS_BYTES = 1 << 2,      /* sent, received */
    MAP_IS_IPV6_ONLY = 1 << 3,   /* takes no IPv4 connections */
    MAP_IS_WAITING = 1 << 5,     /* connected, and nobody has accepted it: the server's end, or (unix) the client's */
    MAP_HAS_KERNEL = 1 << 6,     /* bind_bucket..., accept_limit: of the kernel's tables */
    MAP_IS_ORPHAN = 1 << 7,      /* TCP: no process has it any more, the kernel finishes */
    MAP_IS_BORN = 1 << 8,        /* map_diff(): not in the map before */
    MAP_IS_GONE = 1 << 9,        /* map_diff(): not in the map after */
    MAP_HAS_LIMIT = 1 << 13,     /* accept_limit says whether it was accepted */
    MAP_IS_CHANGED = 1 << 12,    /* map_diff(): in another state than before */
    MAP_HAS_CONNECTED = 1 << 14, /* this end did, */
    MAP_WAS_ACCEPTED = 1 << 15,  /* or the other: by what TCP has counted; neither: unknown */
};

struct map_socket {
    enum map_kind kind;
    enum map_state state;
    uint8_t family, type; /* AF_, SOCK_ (0: unknown) */
    uint16_t protocol;    /* of raw sockets, netlink */
    uint32_t flags;
    uint32_t netns; /* map->netns */
    uint64_t inode; /* of sockfs; 0: no descriptor exists, or ever existed */
    uint64_t cookie;
    uid_t uid;
    uint64_t cgroup; /* id; 0: unknown */
    uint32_t receive_queue, send_queue;
    uint32_t backlog, backlog_limit;
    uint64_t sent, received; /* octets */
    struct map_address local, remote;
    uint64_t peer_inode;                 /* unix: of the other end; 0: it waits to be accepted, or there is none */
    uint64_t path_device, path_inode;    /* unix: the file of the path; 0: none */
    uint64_t bind_bucket;                /* of the kernel's tables: only to compare */
    uint32_t bind_list, bind_place;      /* the same: of one list, the lesser place came later; MAP_NONE: unknown */
    uint32_t accept_limit;               /* the same: of its listener; 0: a client */
    const char *protocol_name;           /* MAP_OTHER: as the kernel calls it, or NULL */
    const uint64_t *waiting;             /* unix listener: inodes of the clients in its accept queue */
    size_t waiting_count;                /* */
    const uint32_t *groups;              /* netlink: groups joined, a bit each from 1 on; words of 32 */
    size_t group_words;                  /* */
    uint32_t first_fact, fact_count;     /* map->facts */
    uint32_t first_holder, holder_count; /* map->holders */
    uint32_t claim;                      /* map->claims, or MAP_NONE */
    struct map_link peer, listener;      /* */
    uint32_t child_count, unsure;        /* of listeners: what came from it, and what may have come from it */
};

/* What a process says of its sockets (gateway/announce.h): of those that it holds, and that have this address. */
struct map_claim {
    uint32_t process;
    enum map_kind kind;
    struct map_address address; /* of TCP only the port */
    bool remote;                /* it is the other end's */
    const char *type, *name;    /* "ROUTER", "service who" */
};

struct map_process {
    pid_t pid;
    uid_t uid;
    const char *comm, *exe, *cgroup, *unit, *container;
    uint32_t netns;
};

struct map_holder {
    uint64_t inode;
    uint32_t process;
    int fd;
};

struct map_netns {
    uint64_t inode;
    const char *name; /* of ip-netns(8), or of where else it is mounted, or NULL */
    const char *path; /* that opens it, or NULL */
    uint32_t owner;   /* the process with the least pid that lives there, or MAP_NONE */
    bool own;         /* ours */
    bool read;        /* its sockets are in the map */
};

struct map_interface {
    uint32_t netns, number;
    const char *name;
};

struct map_local {
    uint32_t netns;
    struct map_address address;
};

struct map_cgroup {
    uint64_t id;
    const char *path, *unit, *container;
};

/* What is told of one socket alone, in the words of the kernel: `kith socket`. */
struct map_fact {
    const char *group, *name, *text;
    bool number; /* text is one */
};

/* A name of a netlink multicast group: generic netlink's families. */
struct map_genl_group {
    uint32_t netns, number;
    const char *family, *name;
};

struct map_missing {
    const char *what, *why, *remedy;
};

/* Of the kernel's tables (--kernel), for the socket with this cookie. */
struct map_kernel_fact {
    uint64_t cookie, bind_bucket;
    uint64_t bind_node, bind_next;  /* its place in its bucket's list; the next has been there longer; 0: none */
    uint64_t listener_cookie;       /* of a request socket; 0: unknown */
    uint32_t bind_list, bind_place; /* map_join() finds them */
    bool has_limit;                 /* a request socket and one in TIME_WAIT have none */
    uint32_t accept_limit;
};

struct map_arena_chunk;
struct map_indexes;

struct map {
    struct map_socket *sockets;
    struct map_process *processes;
    struct map_holder *holders;
    struct map_netns *netns;
    struct map_interface *interfaces;
    struct map_local *locals;
    struct map_cgroup *cgroups;
    struct map_fact *facts;
    struct map_genl_group *genl_groups;
    struct map_missing *missing;
    struct map_claim *claims;
    uint32_t *candidates;
    size_t socket_count, process_count, holder_count, netns_count, interface_count, local_count, cgroup_count, fact_count, genl_group_count,
        missing_count, claim_count, candidate_count;
    struct map_arena_chunk *arena;
    struct map_exact {
        uint64_t listener, child; /* cookies */
    } * exact;
    struct map_kernel_fact *kernel_facts;
    size_t exact_count, kernel_fact_count;
    struct map_indexes *index;
    uint64_t seed[2];
};

/* seed: of random octets: addresses are chosen by peers. */
int map_new(const uint64_t seed[2], struct map **ret_map);
struct map *map_free(struct map *map);
KITH_DEFINE_CLEANUP(struct map *, map_free)

/* Rows. Texts and what pointers lead to are copied. All: 0 or -ENOMEM; the index, where there is one, in *ret_index (NULL: not wanted). */
int map_add_netns(struct map *map, const struct map_netns *netns, uint32_t *ret_index);
int map_name_netns(struct map *map, uint32_t netns, const char *name);
int map_add_socket(struct map *map, const struct map_socket *socket, uint32_t *ret_index);
int map_add_process(struct map *map, const struct map_process *process, uint32_t *ret_index);
int map_add_holder(struct map *map, uint64_t inode, uint32_t process, int fd);
int map_add_interface(struct map *map, uint32_t netns, uint32_t number, const char *name);
/* An address of this host, in a namespace. */
int map_add_local(struct map *map, uint32_t netns, const struct map_address *address);
int map_add_cgroup(struct map *map, uint64_t id, const char *path, const char *unit, const char *container);
int map_add_genl_group(struct map *map, uint32_t netns, uint32_t number, const char *family, const char *name);
/* Facts of one socket are added together, before those of another. `text` is copied, the others are static. */
int map_add_fact(struct map *map, uint32_t socket, const char *group, const char *name, const char *text, bool number);
/* "bind ENDPOINT TYPE NAME", separated by tabs, as a process says it. Errors: -EBADMSG (no such line, or an endpoint of another kind). */
int map_add_claim(struct map *map, uint32_t process, const char *line);
/* What the map cannot show. The same text twice is one. `what` is copied, the others are static. */
int map_add_missing(struct map *map, const char *what, const char *why, const char *remedy);
int map_add_kernel_fact(struct map *map, const struct map_kernel_fact *fact);
/* A link that was seen when it was made. */
int map_add_exact(struct map *map, uint64_t listener_cookie, uint64_t child_cookie);

/* Before map_join(): each inode once that a descriptor leads to and no socket has. fn may add sockets; below 0 ends. Errors: -ENOMEM, fn's.
 */
typedef int (*map_unlisted_fn)(uint64_t inode, uint32_t process, int fd, void *userdata);
int map_unlisted(struct map *map, map_unlisted_fn fn, void *userdata);

/* Once, when all rows are in. Errors: -ENOMEM. */
int map_join(struct map *map);

/* Of a joined map. NULL, or MAP_NONE: there is none. */
uint32_t map_find_cookie(const struct map *map, uint64_t cookie);
uint32_t map_find_inode(const struct map *map, uint64_t inode); /* MPTCP's own rather than a subflow, which has the same */
/* Of a kind; several may have an inode. */
uint32_t map_find_tuple(const struct map *map, const struct map_address *local, const struct map_address *remote);
uint32_t map_find_process(const struct map *map, pid_t pid);
const struct map_cgroup *map_cgroup_find(const struct map *map, uint64_t id);
const char *map_interface_name(const struct map *map, uint32_t netns, uint32_t number);
/* NETLINK_GENERIC: its groups have names. */
bool map_is_generic(const struct map_socket *socket);
const struct map_genl_group *map_genl_group_find(const struct map *map, uint32_t netns, uint32_t number);
/* The unit, and the container, a socket belongs to: that of its first holder, or of its cgroup. NULL: unknown. */
const char *map_socket_unit(const struct map *map, const struct map_socket *socket);
const char *map_socket_container(const struct map *map, const struct map_socket *socket);
/* Is the address one of this host (in any namespace that was read)? */
bool map_address_is_here(const struct map *map, const struct map_address *address);

#endif

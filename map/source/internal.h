/* map/source/internal.h: the sources, in the order in which they are read. */
#ifndef KITH_MAP_SOURCE_INTERNAL_H
#define KITH_MAP_SOURCE_INTERNAL_H

#include <sys/types.h>

#include "map/source/source.h"

struct mnl_socket;

/* ask.c: a dump. Calls fn for each answer; below 0 ends it. Errors: those of netlink (-ENOENT: the kernel does not know such a dump),
 * -ETIME (it does not answer), fn's. */
struct map_ask {
    struct mnl_socket *socket;
    void *buffer;
    unsigned sequence;
};
typedef int (*map_answer_fn)(const struct nlmsghdr *answer, void *userdata);
int map_ask_open(struct map_ask *ask, int protocol);
void map_ask_close(struct map_ask *ask);
/* The request, empty but for its header, in the buffer. */
struct nlmsghdr *map_ask_begin(struct map_ask *ask, uint16_t type);
int map_ask_dump(struct map_ask *ask, struct nlmsghdr *request, map_answer_fn fn, void *userdata);

/* sockets.c: all sockets of the namespace that this thread is in. */
int map_read_sockets(struct map *map, uint32_t netns, const struct map_wanted *wanted);
/* names.c: interfaces, addresses and netlink groups of it. They are not there: nothing is said. */
int map_read_names(struct map *map, uint32_t netns);

/* namespaces.c: those that can be seen, before their sockets are read; map->netns[0] is our own. */
int map_find_namespaces(struct map *map, int proc, bool own_only);
/* One more, that a descriptor leads to: `path` opens it. Nothing when it is known. */
int map_found_namespace(struct map *map, uint64_t inode, const char *path, const char *name);
/* Goes into each that was not read, and reads it. */
int map_read_namespaces(struct map *map, const struct map_wanted *wanted, struct kith_error *ret_error);
/* The number in "net:[4026531840]" or "socket:[812]" (proc_pid_fd(5)) of this kind; 0: it is another, or none. */
uint64_t map_link_number(const char *link, const char *kind);
/* Its place in the map, or MAP_NONE. */
uint32_t map_namespace_index(const struct map *map, uint64_t inode);

/* open.c: points at a file, without opening it or asking whoever serves it, if it is of this device and has this inode (0: any). A
 * descriptor; -ENOENT: something else is there, or nothing; -errno. */
int map_point_at(int at, const char *path, dev_t device, uint64_t inode);
/* Opens what is pointed at, to be read; -errno. */
int map_open_pointed(int fd);
#define MAP_POINTED_MAX 32
/* What leads to it, for calls that take a path; `path` itself. */
const char *map_pointed_path(int fd, char path[static MAP_POINTED_MAX]);

/* What adds a privilege that is missing. */
const char *map_remedy(void);

/* processes.c: /proc does not even say that processes of other users are there (proc(5), hidepid=2). */
bool map_processes_are_hidden(int proc);
/* Who holds a socket; and sockets that only descriptors tell of. */
int map_read_processes(struct map *map, int proc, bool own_namespace);
int map_read_unlisted(struct map *map);
/* cgroups.c: the names of the sockets' cgroups, if any socket needs one. */
int map_read_cgroups(struct map *map);

#endif

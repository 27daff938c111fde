/*
 * map/source/source.h: a map of this host, now: sock_diag(7), /proc/PID/fd, network namespaces, cgroups.
 *
 * Sockets are read before descriptors, so that a socket without a holder had none when its holders were looked for. What cannot be read is
 * not an error: the map says what is missing and which privilege would add it. Nothing waits for anything that another process does.
 */
#ifndef KITH_MAP_SOURCE_H
#define KITH_MAP_SOURCE_H

#include <stdbool.h>

#include <kith/error.h>

#include "map/model/map.h"
#include "map/netlink/netlink.h"

/* What else is to be known of a namespace while this thread is in it. 0, or below 0, which ends the reading with ret_error. */
typedef int (*map_visit_fn)(void *userdata, struct map *map, uint32_t netns, struct kith_error *ret_error);

struct map_wanted {
    enum map_depth depth;
    uint64_t fact_cookie; /* MAP_FULL: facts of this socket alone; 0: by fact_inode */
    uint64_t fact_inode;
    uint32_t kinds;     /* bits 1 << MAP_TCP...; 0: all */
    bool own_namespace; /* no other */
    bool no_processes;  /* no holders */
    map_visit_fn visit; /* NULL: nothing */
    void *userdata;
};

/* Everything but map_join(): links that the caller has seen can be added before it. Errors, with text: -ENOMEM; -EIO (this thread could
 * not come back into its network namespace), those of `visit`. */
int map_collect(const struct map_wanted *wanted, struct map **ret_map, struct kith_error *ret_error);

/* Options of a descriptor of another process, as facts (group "options" and others): asked by a copy of it (pidfd_getfd(2)), which takes
 * the right to trace the process. What cannot be asked is said in the map, also that the descriptor is another file's now. Errors:
 * -ENOMEM. */
int map_read_options(struct map *map, uint32_t socket, pid_t pid, int fd);

/* proc_pid_fdinfo(5) of a descriptor, as facts: group "descriptor"; none when it is gone, or another file's. Errors: -ENOMEM. */
int map_read_descriptor(struct map *map, uint32_t socket, pid_t pid, int fd);

#endif

/* map/model/select.h: which sockets of a map are meant. */
#ifndef KITH_MAP_MODEL_SELECT_H
#define KITH_MAP_MODEL_SELECT_H

#include "map/model/map.h"

/* All that is given has to hold. An all-zero selection means every socket. */
struct map_select {
    uint32_t marks;   /* with one of these flags (MAP_IS_BORN...); 0: all */
    uint32_t kinds;   /* bits 1 << MAP_TCP...; 0: all */
    pid_t pid;        /* a process that holds it; 0: any */
    const char *exe;  /* a holder's program: its path, or its last part */
    const char *unit; /* "nginx" means nginx.service too */
    const char *container;
    const char *to;    /* the unit of the other end */
    const char *path;  /* unix: the socket's name or the other end's; "@name" is abstract */
    const char *netns; /* a name, or a number */
    bool has_uid;
    uid_t uid;            /* owner of the socket, or of a process that holds it */
    uint32_t port;        /* of either end; 0: any */
    enum map_state state; /* MAP_STATE_UNKNOWN: any */
    struct map_address
        listener; /* MAP_NO_ADDRESS: any; a host of all zeros: every address of the port; the listener and what came from it */
};

bool map_selected(const struct map *map, const struct map_select *select, uint32_t socket);
/* Is it a listener of this address? An address of all zeros means every address. */
bool map_is_listener_of(const struct map_socket *socket, const struct map_address *address);
/* May the socket have come from this listener? */
bool map_may_come_from(const struct map *map, const struct map_socket *child, uint32_t listener);
/* The indexes of those that are meant, in order: by kind, listeners before the others, by port or name. To free(). Errors: -ENOMEM. */
int map_select(const struct map *map, const struct map_select *select, uint32_t **ret_sockets, size_t *ret_count);

#endif

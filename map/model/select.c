/* map/model/select.c: see select.h. */
#include "map/model/select.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "map/model/address.h"
#include "map/model/container.h"

static bool unit_is(const char *unit, const char *wanted) {
    size_t size = strlen(wanted);

    if (!unit || strncmp(unit, wanted, size) != 0)
        return false;
    return unit[size] == '\0' || strcmp(unit + size, ".service") == 0;
}

/* A name is known whole; of an id the beginning, and either may be the shorter one. */
static bool container_is(const char *container, const char *wanted) {
    size_t size = container ? strlen(container) : 0, given = strlen(wanted);

    if (size == 0 || strcmp(container, wanted) == 0)
        return size != 0;
    if (strspn(container, "0123456789abcdef") != size || strspn(wanted, "0123456789abcdef") != given)
        return false;
    return size == MAP_CONTAINER_DIGITS && given > 0 && strncmp(container, wanted, size < given ? size : given) == 0;
}

static bool exe_is(const char *exe, const char *wanted) {
    const char *slash = exe ? strrchr(exe, '/') : NULL;
    return exe && (strcmp(exe, wanted) == 0 || (slash && strcmp(slash + 1, wanted) == 0));
}

/* Does one process that holds it have all that is asked of processes? */
static bool holders_match(const struct map *map, const struct map_select *select, const struct map_socket *socket) {
    if (select->pid == 0 && !select->exe)
        return true;
    for (uint32_t i = 0; i < socket->holder_count; i++) {
        const struct map_process *process = &map->processes[map->holders[socket->first_holder + i].process];
        if ((select->pid == 0 || process->pid == select->pid) && (!select->exe || exe_is(process->exe, select->exe)))
            return true;
    }
    return false;
}

static bool units_match(const struct map *map, const struct map_socket *socket, const char *unit) {
    for (uint32_t i = 0; i < socket->holder_count; i++)
        if (unit_is(map->processes[map->holders[socket->first_holder + i].process].unit, unit))
            return true;
    return socket->holder_count == 0 && unit_is(map_socket_unit(map, socket), unit);
}

static bool user_matches(const struct map *map, const struct map_socket *socket, uid_t uid) {
    if (socket->flags & MAP_HAS_UID && socket->uid == uid)
        return true;
    for (uint32_t i = 0; i < socket->holder_count; i++)
        if (map->processes[map->holders[socket->first_holder + i].process].uid == uid)
            return true;
    return false;
}

static bool name_is(const struct map_address *address, const char *path) {
    if (address->form == MAP_ABSTRACT && path[0] == '@')
        return address->name_size == strlen(path + 1) && memcmp(address->name, path + 1, address->name_size) == 0;
    return address->form == MAP_PATH && strcmp(address->name, path) == 0;
}

static bool path_matches(const struct map *map, const struct map_socket *socket, const char *path) {
    return name_is(&socket->local, path) || (socket->peer.socket != MAP_NONE && name_is(&map->sockets[socket->peer.socket].local, path));
}

static bool netns_matches(const struct map *map, const struct map_socket *socket, const char *wanted) {
    const struct map_netns *netns = &map->netns[socket->netns];
    char number[24];

    snprintf(number, sizeof(number), "%llu", (unsigned long long)netns->inode);
    return strcmp(number, wanted) == 0 || (netns->name && strcmp(netns->name, wanted) == 0);
}

bool map_is_listener_of(const struct map_socket *socket, const struct map_address *address) {
    if (socket->state != MAP_LISTEN && !(socket->kind == MAP_UDP && socket->remote.port == 0))
        return false;
    if (address->form == MAP_PATH || address->form == MAP_ABSTRACT)
        return socket->local.form == address->form && socket->local.name_size == address->name_size &&
               memcmp(socket->local.name, address->name, address->name_size) == 0;
    if (!map_address_is_ip(&socket->local) || socket->local.port != address->port)
        return false;
    return map_address_is_any(address) || map_address_same_host(&socket->local, address);
}

bool map_may_come_from(const struct map *map, const struct map_socket *child, uint32_t listener) {
    if (child->listener.socket == listener)
        return true;
    for (uint32_t i = 0; i < child->listener.candidate_count; i++)
        if (map->candidates[child->listener.first + i] == listener)
            return true;
    return false;
}

static bool listener_matches(const struct map *map, uint32_t number, const struct map_address *address) {
    const struct map_socket *socket = &map->sockets[number];

    if (map_is_listener_of(socket, address) && socket->state == MAP_LISTEN)
        return true;
    if (socket->listener.socket == MAP_NONE)
        return false;
    if (map_is_listener_of(&map->sockets[socket->listener.socket], address))
        return true;
    for (uint32_t i = 0; i < socket->listener.candidate_count; i++)
        if (map_is_listener_of(&map->sockets[map->candidates[socket->listener.first + i]], address))
            return true;
    return false;
}

bool map_selected(const struct map *map, const struct map_select *select, uint32_t number) {
    const struct map_socket *socket = &map->sockets[number];
    return (select->marks == 0 || select->marks & socket->flags) && (select->kinds == 0 || select->kinds & 1U << socket->kind) &&
           (select->state == MAP_STATE_UNKNOWN || socket->state == select->state ||
            (select->state == MAP_SYN_RECV && socket->state == MAP_NEW_SYN_RECV)) &&
           (select->port == 0 || (map_address_is_ip(&socket->local) && socket->kind != MAP_RAW &&
                                  (socket->local.port == select->port || socket->remote.port == select->port))) &&
           holders_match(map, select, socket) && (!select->unit || units_match(map, socket, select->unit)) &&
           (!select->container || container_is(map_socket_container(map, socket), select->container)) &&
           (!select->has_uid || user_matches(map, socket, select->uid)) && (!select->path || path_matches(map, socket, select->path)) &&
           (!select->netns || netns_matches(map, socket, select->netns)) &&
           (!select->to || (socket->peer.socket != MAP_NONE && units_match(map, &map->sockets[socket->peer.socket], select->to))) &&
           (select->listener.form == MAP_NO_ADDRESS || listener_matches(map, number, &select->listener));
}

/* Order -------------------------------------------------------------------------------------------------------------- */

static int compare_names(const struct map_address *a, const struct map_address *b) {
    size_t size = a->name_size < b->name_size ? a->name_size : b->name_size;
    int r = size > 0 ? memcmp(a->name, b->name, size) : 0;
    return r != 0 ? r : (a->name_size > b->name_size) - (a->name_size < b->name_size);
}

#define BY(a, b)                                                                                                                           \
    if ((a) != (b))                                                                                                                        \
    return (a) < (b) ? -1 : 1

static int compare(const void *a, const void *b, void *userdata) {
    const struct map *map = userdata;
    const struct map_socket *x = &map->sockets[*(const uint32_t *)a], *y = &map->sockets[*(const uint32_t *)b];

    BY(x->kind, y->kind);
    BY(x->state != MAP_LISTEN, y->state != MAP_LISTEN);
    BY(x->local.port, y->local.port);
    int r = compare_names(&x->local, &y->local);
    if (r != 0)
        return r;
    BY(x->remote.port, y->remote.port);
    BY(x->inode, y->inode);
    BY(x->cookie, y->cookie);
    return 0;
}

int map_select(const struct map *map, const struct map_select *select, uint32_t **ret_sockets, size_t *ret_count) {
    uint32_t *sockets = calloc(map->socket_count + 1, sizeof(*sockets));
    size_t count = 0;

    if (!sockets)
        return -ENOMEM;
    for (uint32_t i = 0; i < map->socket_count; i++)
        if (map_selected(map, select, i))
            sockets[count++] = i;
    qsort_r(sockets, count, sizeof(*sockets), compare, (void *)map);
    *ret_sockets = sockets;
    *ret_count = count;
    return 0;
}

/* map/model/map.c: rows as sources add them, and how joined ones are found. */
#include "map/model/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netlink.h>

#include "map/model/address.h"
#include "map/model/array.h"
#include "map/model/index.h"
#include "map/model/join.h"

int map_new(const uint64_t seed[2], struct map **ret_map) {
    struct map *map = calloc(1, sizeof(*map));
    if (!map)
        return -ENOMEM;
    map->index = calloc(1, sizeof(*map->index));
    if (!map->index) {
        free(map);
        return -ENOMEM;
    }
    memcpy(map->seed, seed, sizeof(map->seed));
    *ret_map = map;
    return 0;
}

struct map *map_free(struct map *map) {
    if (!map)
        return NULL;
    free(map->sockets);
    free(map->processes);
    free(map->holders);
    free(map->netns);
    free(map->interfaces);
    free(map->locals);
    free(map->cgroups);
    free(map->facts);
    free(map->genl_groups);
    free(map->missing);
    free(map->claims);
    free(map->candidates);
    free(map->exact);
    free(map->kernel_facts);
    map_indexes_deinit(map->index);
    free(map->index);
    map_arena_free(map->arena);
    free(map);
    return NULL;
}

/* Adding ------------------------------------------------------------------------------------------------------------- */

#define ADD(map, array, count, row)                                                                                                        \
    __extension__({                                                                                                                        \
        int r_ = MAP_ARRAY_GROW(&(map)->array, (map)->count);                                                                              \
        if (r_ == 0)                                                                                                                       \
            (map)->array[(map)->count++] = (row);                                                                                          \
        r_;                                                                                                                                \
    })

int map_add_netns(struct map *map, const struct map_netns *netns, uint32_t *ret_index) {
    struct map_netns row = *netns;
    int r = map_arena_text(map, &row.name);
    if (r == 0)
        r = map_arena_text(map, &row.path);
    if (r == 0)
        r = ADD(map, netns, netns_count, row);
    if (r == 0 && ret_index)
        *ret_index = (uint32_t)(map->netns_count - 1);
    return r;
}

int map_name_netns(struct map *map, uint32_t netns, const char *name) {
    int r = map_arena_text(map, &name);
    if (r == 0)
        map->netns[netns].name = name;
    return r;
}

static int copy_name(struct map *map, struct map_address *address) {
    if (!address->name)
        return 0;
    address->name = map_arena_copy(map, address->name, address->name_size);
    return address->name ? 0 : -ENOMEM;
}

int map_add_socket(struct map *map, const struct map_socket *socket, uint32_t *ret_index) {
    struct map_socket row = *socket;

    row.first_fact = row.fact_count = 0;
    row.peer.socket = row.listener.socket = row.bind_list = row.claim = MAP_NONE;
    int r = copy_name(map, &row.local);
    if (r == 0)
        r = copy_name(map, &row.remote);
    if (r == 0)
        r = map_arena_text(map, &row.protocol_name);
    if (r == 0 && row.waiting_count > 0) {
        row.waiting = map_arena_copy(map, row.waiting, row.waiting_count * sizeof(*row.waiting));
        r = row.waiting ? 0 : -ENOMEM;
    }
    if (r == 0 && row.group_words > 0) {
        row.groups = map_arena_copy(map, row.groups, row.group_words * sizeof(*row.groups));
        r = row.groups ? 0 : -ENOMEM;
    }
    if (r == 0)
        r = ADD(map, sockets, socket_count, row);
    if (r == 0 && ret_index)
        *ret_index = (uint32_t)(map->socket_count - 1);
    return r;
}

int map_add_process(struct map *map, const struct map_process *process, uint32_t *ret_index) {
    struct map_process row = *process;
    int r = map_arena_text(map, &row.comm);

    if (r == 0)
        r = map_arena_text(map, &row.exe);
    if (r == 0)
        r = map_arena_text(map, &row.cgroup);
    if (r == 0)
        r = map_arena_text(map, &row.unit);
    if (r == 0)
        r = map_arena_text(map, &row.container);
    if (r == 0)
        r = ADD(map, processes, process_count, row);
    if (r == 0 && ret_index)
        *ret_index = (uint32_t)(map->process_count - 1);
    return r;
}

int map_add_holder(struct map *map, uint64_t inode, uint32_t process, int fd) {
    return ADD(map, holders, holder_count, ((struct map_holder){.inode = inode, .process = process, .fd = fd}));
}

int map_add_interface(struct map *map, uint32_t netns, uint32_t number, const char *name) {
    struct map_interface row = {.netns = netns, .number = number, .name = name};
    int r = map_arena_text(map, &row.name);
    return r < 0 ? r : ADD(map, interfaces, interface_count, row);
}

int map_add_local(struct map *map, uint32_t netns, const struct map_address *address) {
    return ADD(map, locals, local_count, ((struct map_local){.netns = netns, .address = *address}));
}

int map_add_cgroup(struct map *map, uint64_t id, const char *path, const char *unit, const char *container) {
    struct map_cgroup row = {.id = id, .path = path, .unit = unit, .container = container};
    int r = map_arena_text(map, &row.path);

    if (r == 0)
        r = map_arena_text(map, &row.unit);
    if (r == 0)
        r = map_arena_text(map, &row.container);
    return r < 0 ? r : ADD(map, cgroups, cgroup_count, row);
}

int map_add_genl_group(struct map *map, uint32_t netns, uint32_t number, const char *family, const char *name) {
    struct map_genl_group row = {.netns = netns, .number = number, .family = family, .name = name};
    int r = map_arena_text(map, &row.family);

    if (r == 0)
        r = map_arena_text(map, &row.name);
    return r < 0 ? r : ADD(map, genl_groups, genl_group_count, row);
}

int map_add_fact(struct map *map, uint32_t socket, const char *group, const char *name, const char *text, bool number) {
    struct map_fact row = {.group = group, .name = name, .text = text, .number = number};
    int r = map_arena_text(map, &row.text);

    if (r == 0 && map->sockets[socket].fact_count == 0)
        map->sockets[socket].first_fact = (uint32_t)map->fact_count;
    if (r == 0)
        r = ADD(map, facts, fact_count, row);
    if (r == 0)
        map->sockets[socket].fact_count++;
    return r;
}

int map_add_missing(struct map *map, const char *what, const char *why, const char *remedy) {
    struct map_missing row = {.what = what, .why = why, .remedy = remedy};

    for (size_t i = 0; i < map->missing_count; i++)
        if (strcmp(map->missing[i].what, what) == 0 && strcmp(map->missing[i].why, why) == 0)
            return 0;
    int r = map_arena_text(map, &row.what);
    return r < 0 ? r : ADD(map, missing, missing_count, row);
}

int map_add_kernel_fact(struct map *map, const struct map_kernel_fact *fact) {
    return ADD(map, kernel_facts, kernel_fact_count, *fact);
}

int map_add_exact(struct map *map, uint64_t listener_cookie, uint64_t child_cookie) {
    return ADD(map, exact, exact_count, ((struct map_exact){.listener = listener_cookie, .child = child_cookie}));
}

/* Finding ------------------------------------------------------------------------------------------------------------ */

static uint32_t find(const struct map_index *index, uint64_t key) {
    size_t count;
    const struct map_index_entry *entry = map_index_find(index, key, &count);
    return entry ? entry->value : MAP_NONE;
}

uint32_t map_find_cookie(const struct map *map, uint64_t cookie) {
    return find(&map->index->by_cookie, cookie);
}

uint32_t map_find_inode(const struct map *map, uint64_t inode) {
    size_t count;
    const struct map_index_entry *entry = map_index_find(&map->index->by_inode, inode, &count);

    for (size_t i = 0; entry && i < count; i++)
        if (map->sockets[entry[i].value].kind == MAP_MPTCP) /* not a subflow of it */
            return entry[i].value;
    return entry ? entry->value : MAP_NONE;
}

uint32_t map_find_tuple(const struct map *map, const struct map_address *local, const struct map_address *remote) {
    static const enum map_kind kinds[] = {MAP_TCP, MAP_UDP, MAP_MPTCP, MAP_UDPLITE};

    for (size_t i = 0; i < KITH_ARRAY_SIZE(kinds); i++) {
        uint32_t found = find(&map->index->by_tuple, map_hash_tuple(map, kinds[i], local, remote));
        if (found != MAP_NONE)
            return found;
    }
    return MAP_NONE;
}

uint32_t map_find_process(const struct map *map, pid_t pid) {
    for (size_t i = 0; i < map->process_count; i++)
        if (map->processes[i].pid == pid)
            return (uint32_t)i;
    return MAP_NONE;
}

const struct map_cgroup *map_cgroup_find(const struct map *map, uint64_t id) {
    uint32_t found = id == 0 ? MAP_NONE : find(&map->index->by_cgroup, id);
    return found == MAP_NONE ? NULL : &map->cgroups[found];
}

const char *map_interface_name(const struct map *map, uint32_t netns, uint32_t number) {
    for (size_t i = 0; i < map->interface_count; i++)
        if (map->interfaces[i].netns == netns && map->interfaces[i].number == number)
            return map->interfaces[i].name;
    return NULL;
}

bool map_is_generic(const struct map_socket *socket) {
    return socket->kind == MAP_NETLINK && socket->protocol == NETLINK_GENERIC;
}

const struct map_genl_group *map_genl_group_find(const struct map *map, uint32_t netns, uint32_t number) {
    for (size_t i = 0; i < map->genl_group_count; i++)
        if (map->genl_groups[i].netns == netns && map->genl_groups[i].number == number)
            return &map->genl_groups[i];
    return NULL;
}

static const struct map_process *first_process(const struct map *map, const struct map_socket *socket) {
    return socket->holder_count > 0 ? &map->processes[map->holders[socket->first_holder].process] : NULL;
}

const char *map_socket_unit(const struct map *map, const struct map_socket *socket) {
    const struct map_process *process = first_process(map, socket);
    const struct map_cgroup *cgroup = process ? NULL : map_cgroup_find(map, socket->cgroup);
    return process ? process->unit : cgroup ? cgroup->unit : NULL;
}

const char *map_socket_container(const struct map *map, const struct map_socket *socket) {
    const struct map_process *process = first_process(map, socket);
    const struct map_cgroup *cgroup = process ? NULL : map_cgroup_find(map, socket->cgroup);
    return process ? process->container : cgroup ? cgroup->container : NULL;
}

bool map_address_is_here(const struct map *map, const struct map_address *address) {
    for (size_t i = 0; i < map->netns_count; i++)
        if (map_is_local(map, (uint32_t)i, address))
            return true;
    return false;
}

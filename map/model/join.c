/* map/model/join.c: rows become a map: each socket once, holders beside it, indexes for the links. */
#include "map/model/join.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/siphash.h"
#include "map/model/address.h"
#include "map/model/array.h"

void map_indexes_deinit(struct map_indexes *indexes) {
    map_index_deinit(&indexes->by_cookie);
    map_index_deinit(&indexes->by_inode);
    map_index_deinit(&indexes->by_cgroup);
    map_index_deinit(&indexes->by_local);
    map_index_deinit(&indexes->by_tuple);
    map_index_deinit(&indexes->by_port);
    map_index_deinit(&indexes->by_name);
}

/* Hashes ------------------------------------------------------------------------------------------------------------- */

uint64_t map_hash_host(const struct map *map, const struct map_address *address) {
    uint8_t octets[16];
    map_address_mapped(address, octets);
    return kith_siphash13(map->seed, octets, sizeof(octets));
}

uint64_t map_hash_tuple(const struct map *map, enum map_kind kind, const struct map_address *from, const struct map_address *to) {
    struct {
        uint8_t from[16], to[16];
        uint32_t from_port, to_port, kind;
    } key = {.from_port = from->port, .to_port = to->port, .kind = kind};

    if (from->form != MAP_CID) { /* of vsock the ports alone: a CID may be any */
        map_address_mapped(from, key.from);
        map_address_mapped(to, key.to);
    }
    return kith_siphash13(map->seed, &key, sizeof(key));
}

uint64_t map_hash_name(const struct map *map, const struct map_address *address) {
    return kith_siphash13(map->seed, address->name, address->name_size);
}

/* Each socket once --------------------------------------------------------------------------------------------------- */

static bool has_tuple(const struct map_socket *socket) {
    return (map_address_is_ip(&socket->local) && socket->remote.port != 0) ||
           (socket->local.form == MAP_CID && socket->remote.form == MAP_CID);
}

/* TCP's are there once in a namespace, on one interface: a socket that became another one while it was told of (a request socket that is a
 * connection now, a connection that is in TIME_WAIT now) has the same. */
static bool is_same_connection(const struct map_socket *a, const struct map_socket *b) {
    return a->kind == b->kind && a->netns == b->netns && a->local.port == b->local.port && a->remote.port == b->remote.port &&
           a->local.interface == b->local.interface && map_address_same_host(&a->local, &b->local) &&
           map_address_same_host(&a->remote, &b->remote);
}

/* Of equal keys only the last socket that was told of stays; `same`: keys may be equal by chance. */
static void mark_older(const struct map *map, const struct map_index *index, bool *dropped,
                       bool (*same)(const struct map_socket *, const struct map_socket *)) {
    for (size_t i = 0; i + 1 < index->count; i++)
        for (size_t j = i + 1; j < index->count && index->entries[j].key == index->entries[i].key; j++) {
            uint32_t older = index->entries[i].value, newer = index->entries[j].value;
            if (!dropped[older] && !dropped[newer] && same(&map->sockets[older], &map->sockets[newer]))
                dropped[older] = true;
        }
}

static bool is_same_kind(const struct map_socket *a, const struct map_socket *b) {
    return a->kind == b->kind && a->netns == b->netns;
}

static int find_older(const struct map *map, bool *dropped) {
    struct map_index cookies = {0}, inodes = {0}, tuples = {0};
    int r = 0;

    for (uint32_t i = 0; r == 0 && i < map->socket_count; i++) {
        const struct map_socket *socket = &map->sockets[i];
        if (socket->cookie != 0)
            r = map_index_add(&cookies, socket->cookie, i);
        else if (socket->inode != 0)
            r = map_index_add(&inodes, socket->inode, i);
        if (r == 0 && (socket->kind == MAP_TCP || socket->kind == MAP_MPTCP) && has_tuple(socket))
            r = map_index_add(&tuples, map_hash_tuple(map, socket->kind, &socket->local, &socket->remote), i);
    }
    if (r == 0) {
        map_index_sort(&cookies);
        map_index_sort(&inodes);
        map_index_sort(&tuples);
        mark_older(map, &cookies, dropped, is_same_kind);
        mark_older(map, &inodes, dropped, is_same_kind);
        mark_older(map, &tuples, dropped, is_same_connection);
    }
    map_index_deinit(&cookies);
    map_index_deinit(&inodes);
    map_index_deinit(&tuples);
    return r;
}

static int drop_older(struct map *map) {
    _cleanup_(freep) bool *dropped = calloc(map->socket_count + 1, sizeof(*dropped));
    if (!dropped)
        return -ENOMEM;
    int r = find_older(map, dropped);
    size_t kept = 0;
    for (size_t i = 0; r == 0 && i < map->socket_count; i++)
        if (!dropped[i])
            map->sockets[kept++] = map->sockets[i];
    if (r == 0)
        map->socket_count = kept;
    return r;
}

/* Holders ------------------------------------------------------------------------------------------------------------ */

static int compare_holders(const void *a, const void *b) {
    const struct map_holder *x = a, *y = b;

    if (x->inode != y->inode)
        return x->inode < y->inode ? -1 : 1;
    if (x->process != y->process)
        return x->process < y->process ? -1 : 1;
    return (x->fd > y->fd) - (x->fd < y->fd);
}

static void sort_holders(struct map *map) {
    if (map->holder_count > 1)
        qsort(map->holders, map->holder_count, sizeof(*map->holders), compare_holders);
}

static void join_holders(struct map *map) {
    sort_holders(map);
    for (size_t first = 0, end; first < map->holder_count; first = end) {
        uint64_t inode = map->holders[first].inode;
        size_t count;
        for (end = first; end < map->holder_count && map->holders[end].inode == inode;)
            end++;
        const struct map_index_entry *entry = map_index_find(&map->index->by_inode, inode, &count);
        for (size_t i = 0; i < count; i++) {
            map->sockets[entry[i].value].first_holder = (uint32_t)first;
            map->sockets[entry[i].value].holder_count = (uint32_t)(end - first);
        }
    }
}

/* Both are sorted by inode and walked side by side. */
int map_unlisted(struct map *map, map_unlisted_fn fn, void *userdata) {
    struct map_index inodes = {0};
    size_t at = 0, count = map->holder_count;
    uint64_t last = 0;
    int r = 0;

    for (uint32_t i = 0; r == 0 && i < map->socket_count; i++)
        r = map_index_add(&inodes, map->sockets[i].inode, i);
    map_index_sort(&inodes);
    sort_holders(map);
    for (size_t i = 0; r == 0 && i < count; i++) {
        const struct map_holder holder = map->holders[i];
        while (at < inodes.count && inodes.entries[at].key < holder.inode)
            at++;
        if (holder.inode != last && (at == inodes.count || inodes.entries[at].key != holder.inode))
            r = fn(holder.inode, holder.process, holder.fd, userdata);
        last = holder.inode;
    }
    map_index_deinit(&inodes);
    return r < 0 ? r : 0;
}

/* Indexes ------------------------------------------------------------------------------------------------------------ */

static int index_socket(struct map *map, uint32_t number) {
    const struct map_socket *socket = &map->sockets[number];
    struct map_indexes *index = map->index;
    int r = 0;

    if (socket->cookie != 0)
        r = map_index_add(&index->by_cookie, socket->cookie, number);
    if (r == 0 && socket->inode != 0)
        r = map_index_add(&index->by_inode, socket->inode, number);
    if (r < 0)
        return r;
    if (has_tuple(socket))
        return map_index_add(&index->by_tuple, map_hash_tuple(map, socket->kind, &socket->local, &socket->remote), number);
    if (socket->kind == MAP_UNIX)
        return socket->state == MAP_LISTEN && socket->local.name
                   ? map_index_add(&index->by_name, map_hash_name(map, &socket->local), number)
                   : 0;
    uint32_t port = socket->local.form == MAP_PORTID ? socket->local.number : socket->local.port;
    return map_index_add(&index->by_port, map_port_key(socket->kind, port), number);
}

int map_join_indexes(struct map *map) {
    struct map_indexes *index = map->index;
    int r = 0;

    for (uint32_t i = 0; r == 0 && i < map->socket_count; i++)
        r = index_socket(map, i);
    for (uint32_t i = 0; r == 0 && i < map->cgroup_count; i++)
        r = map_index_add(&index->by_cgroup, map->cgroups[i].id, i);
    for (uint32_t i = 0; r == 0 && i < map->local_count; i++)
        r = map_index_add(&index->by_local, map_hash_host(map, &map->locals[i].address), i);
    map_index_sort(&index->by_cookie);
    map_index_sort(&index->by_inode);
    map_index_sort(&index->by_cgroup);
    map_index_sort(&index->by_local);
    map_index_sort(&index->by_tuple);
    map_index_sort(&index->by_port);
    map_index_sort(&index->by_name);
    return r;
}

/* Of the kernel's own tables ----------------------------------------------------------------------------------------- */

static void join_kernel_facts(struct map *map) {
    for (size_t i = 0; i < map->kernel_fact_count; i++) {
        const struct map_kernel_fact *fact = &map->kernel_facts[i];
        uint32_t found = fact->cookie == 0 ? MAP_NONE : map_find_cookie(map, fact->cookie);
        if (found == MAP_NONE)
            continue; /* it came after the sockets were told of, or went before */
        struct map_socket *socket = &map->sockets[found];
        socket->bind_bucket = fact->bind_bucket;
        socket->accept_limit = fact->accept_limit;
        socket->bind_list = fact->bind_list;
        socket->bind_place = fact->bind_place;
        socket->flags |= MAP_HAS_KERNEL | (fact->has_limit ? MAP_HAS_LIMIT : 0);
    }
}

int map_choice_add(struct map_choice *choice, uint32_t socket) {
    int r = MAP_ARRAY_GROW(&choice->sockets, choice->count);
    if (r == 0)
        choice->sockets[choice->count++] = socket;
    return r;
}

int map_link_choose(struct map *map, struct map_link *link, const struct map_choice *choice, const char *why, const char *why_several) {
    if (choice->count == 0)
        return 0;
    *link = (struct map_link){.known = MAP_MATCHED, .socket = choice->sockets[0], .why = why};
    if (choice->count == 1)
        return 0;
    link->known = MAP_AMBIGUOUS;
    link->why = why_several;
    link->first = (uint32_t)map->candidate_count;
    link->candidate_count = (uint32_t)choice->count;
    for (size_t i = 0; i < choice->count; i++) {
        int r = MAP_ARRAY_GROW(&map->candidates, map->candidate_count);
        if (r < 0)
            return r;
        map->candidates[map->candidate_count++] = choice->sockets[i];
    }
    return 0;
}

int map_join(struct map *map) {
    int r = drop_older(map);

    if (r == 0)
        r = map_join_indexes(map);
    if (r < 0)
        return r;
    join_holders(map);
    r = map_join_order(map);
    if (r < 0)
        return r;
    join_kernel_facts(map);
    r = map_join_peers(map);
    if (r == 0)
        r = map_join_listeners(map);
    return r < 0 ? r : map_join_claims(map);
}

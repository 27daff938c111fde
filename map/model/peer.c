/* map/model/peer.c: the other end of each socket, and how it is known. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "map/model/address.h"
#include "map/model/join.h"

/* A pair by addresses ------------------------------------------------------------------------------------------------ */

/* A socket that connect(2) has bound has no CID of its own: any. */
static bool is_cid(const struct map_address *local, const struct map_address *remote) {
    return local->number == remote->number || local->number == UINT32_MAX;
}

static bool is_reverse(const struct map_socket *a, const struct map_socket *b) {
    if (a->kind != b->kind || a->local.port != b->remote.port || a->remote.port != b->local.port)
        return false;
    if (a->local.form == MAP_CID)
        return b->local.form == MAP_CID && is_cid(&a->local, &b->remote) && is_cid(&b->local, &a->remote);
    return map_address_same_host(&a->local, &b->remote) && map_address_same_host(&a->remote, &b->local);
}

/* In its own namespace first; in others only where the address is not that of every host. */
static int choose_reverse(struct map *map, uint32_t number, struct map_choice *choice) {
    const struct map_socket *socket = &map->sockets[number];
    size_t count;
    const struct map_index_entry *entry =
        map_index_find(&map->index->by_tuple, map_hash_tuple(map, socket->kind, &socket->remote, &socket->local), &count);
    int r = 0;

    for (size_t i = 0; r == 0 && i < count; i++) {
        const struct map_socket *other = &map->sockets[entry[i].value];
        if (other->netns == socket->netns && is_reverse(socket, other))
            r = map_choice_add(choice, entry[i].value);
    }
    if (choice->count > 0 || socket->local.form == MAP_CID || map_address_is_loopback(&socket->remote))
        return r;
    for (size_t i = 0; r == 0 && i < count; i++) {
        const struct map_socket *other = &map->sockets[entry[i].value];
        if (other->netns != socket->netns && is_reverse(socket, other))
            r = map_choice_add(choice, entry[i].value);
    }
    return r;
}

/* Has another socket the very same ends, in another namespace? Then what fits may be the other one's peer. */
static bool has_twin(const struct map *map, uint32_t number) {
    const struct map_socket *socket = &map->sockets[number];
    size_t count;
    const struct map_index_entry *entry =
        map_index_find(&map->index->by_tuple, map_hash_tuple(map, socket->kind, &socket->local, &socket->remote), &count);

    for (size_t i = 0; i < count; i++) {
        const struct map_socket *other = &map->sockets[entry[i].value];
        if (other->netns != socket->netns && other->kind == socket->kind && other->local.port == socket->local.port &&
            other->remote.port == socket->remote.port && map_address_same_host(&other->local, &socket->local) &&
            map_address_same_host(&other->remote, &socket->remote))
            return true;
    }
    return false;
}

/* A server of datagrams ---------------------------------------------------------------------------------------------- */

static bool takes(const struct map_socket *server, const struct map_address *to, bool exact) {
    bool any = map_address_is_any(&server->local);

    if (exact)
        return !any && map_address_same_host(&server->local, to);
    if (!any)
        return false;
    if (server->local.form == MAP_INET || !map_address_is_ipv4(to))
        return (server->local.form == MAP_INET) == map_address_is_ipv4(to);
    return !(server->flags & MAP_IS_IPV6_ONLY);
}

/* Within a namespace everything goes over its loopback interface, but is taken for what came in on the one that has the address
 * (ip_route_output_key_hash_rcu(), "make sure orig_oif points to fib result device"). */
static bool is_on_its_way(const struct map *map, const struct map_socket *server, const struct map_socket *socket) {
    return server->netns != socket->netns || server->local.interface == 0 ||
           map_is_local_at(map, server->netns, server->local.interface, &socket->remote);
}

static int choose_servers_in(struct map *map, const struct map_socket *socket, uint32_t netns, struct map_choice *choice) {
    size_t count;
    const struct map_index_entry *entry = map_index_find(&map->index->by_port, map_port_key(socket->kind, socket->remote.port), &count);
    int r = 0;

    for (int exact = 1; exact >= 0 && choice->count == 0; exact--)
        for (size_t i = 0; r == 0 && i < count; i++) {
            const struct map_socket *server = &map->sockets[entry[i].value];
            if (server->netns == netns && takes(server, &socket->remote, exact) && is_on_its_way(map, server, socket))
                r = map_choice_add(choice, entry[i].value);
        }
    return r;
}

/* Unconnected sockets of the port where the address is. */
static int choose_servers(struct map *map, uint32_t number, struct map_choice *choice) {
    const struct map_socket *socket = &map->sockets[number];

    if (socket->kind != MAP_UDP && socket->kind != MAP_UDPLITE)
        return 0;
    if (map_is_local(map, socket->netns, &socket->remote))
        return choose_servers_in(map, socket, socket->netns, choice);
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < map->netns_count; i++)
        if (i != socket->netns && map_is_local(map, i, &socket->remote))
            r = choose_servers_in(map, socket, i, choice);
    return r;
}

static int join_addresses(struct map *map, uint32_t number) {
    struct map_socket *socket = &map->sockets[number];
    struct map_choice choice = {0};
    const char *why = "by addresses and ports";
    bool unsure = false;

    int r = choose_reverse(map, number, &choice);
    if (r == 0 && choice.count > 0 && map->sockets[choice.sockets[0]].netns != socket->netns) {
        why = "by addresses and ports, in another network namespace";
        unsure = choice.count == 1 && has_twin(map, number);
    }
    if (r == 0 && choice.count == 0) {
        why = "by the address that this socket is connected to";
        r = choose_servers(map, number, &choice);
    }
    if (r == 0)
        r = map_link_choose(map, &socket->peer, &choice, why, "several sockets have this address and port");
    if (r == 0 && unsure) {
        socket->peer.known = MAP_AMBIGUOUS;
        socket->peer.why = "a socket of another network namespace has the same addresses and ports: it may be that one's peer";
    }
    free(choice.sockets);
    return r;
}

/* What the kernel names ---------------------------------------------------------------------------------------------- */

static void join_unix(struct map *map, uint32_t number) {
    struct map_socket *socket = &map->sockets[number];
    size_t count;

    for (size_t i = 0; i < socket->waiting_count; i++) {
        const struct map_index_entry *entry = map_index_find(&map->index->by_inode, socket->waiting[i], &count);
        if (!entry || map->sockets[entry->value].kind != MAP_UNIX)
            continue;
        struct map_socket *client = &map->sockets[entry->value];
        client->flags |= MAP_IS_WAITING;
        client->peer = (struct map_link){.known = MAP_EXACT, .socket = number, .why = "waits in the listener's accept queue"};
    }
    if (socket->peer_inode == 0)
        return;
    const struct map_index_entry *entry = map_index_find(&map->index->by_inode, socket->peer_inode, &count);
    if (entry && map->sockets[entry->value].kind == MAP_UNIX)
        socket->peer = (struct map_link){.known = MAP_EXACT, .socket = entry->value, .why = "the kernel names its inode"};
}

static int join_netlink(struct map *map, uint32_t number) {
    struct map_socket *socket = &map->sockets[number];
    struct map_choice choice = {0};
    size_t count;
    int r = 0;

    if (socket->remote.form != MAP_PORTID || socket->remote.number == 0)
        return 0;
    const struct map_index_entry *entry = map_index_find(&map->index->by_port, map_port_key(MAP_NETLINK, socket->remote.number), &count);
    for (size_t i = 0; r == 0 && i < count; i++) {
        const struct map_socket *other = &map->sockets[entry[i].value];
        if (other->netns == socket->netns && other->protocol == socket->protocol)
            r = map_choice_add(&choice, entry[i].value);
    }
    if (r == 0)
        r = map_link_choose(map, &socket->peer, &choice, "by the port id", "several sockets have the port id");
    free(choice.sockets);
    return r;
}

int map_join_peers(struct map *map) {
    int r = 0;

    for (uint32_t i = 0; r == 0 && i < map->socket_count; i++) {
        const struct map_socket *socket = &map->sockets[i];
        if (socket->kind == MAP_UNIX)
            join_unix(map, i);
        else if (socket->kind == MAP_NETLINK)
            r = join_netlink(map, i);
        else if ((map_address_is_ip(&socket->local) && socket->remote.port != 0 && socket->kind != MAP_RAW) ||
                 (socket->local.form == MAP_CID && socket->remote.form == MAP_CID))
            r = join_addresses(map, i);
    }
    return r;
}

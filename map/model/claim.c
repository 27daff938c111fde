/* map/model/claim.c: what processes say of their sockets. It is believed of their own sockets only. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "map/model/array.h"
#include "map/model/join.h"

/* "ipc:///run/x.sock", "ipc://@name", "tcp://127.0.0.1:5555" (zmq_ipc(7), zmq_tcp(7)). */
static int read_endpoint(char *endpoint, struct map_claim *claim) {
    static const char ipc[] = "ipc://", tcp[] = "tcp://";
    char *end;

    if (strncmp(endpoint, ipc, sizeof(ipc) - 1) == 0) {
        const char *name = endpoint + sizeof(ipc) - 1;
        bool abstract = name[0] == '@';
        claim->kind = MAP_UNIX;
        claim->address.form = abstract ? MAP_ABSTRACT : MAP_PATH;
        claim->address.name = name + abstract;
        claim->address.name_size = strlen(name + abstract);
        return 0;
    }
    const char *colon = strrchr(endpoint, ':');
    if (strncmp(endpoint, tcp, sizeof(tcp) - 1) != 0 || colon < endpoint + sizeof(tcp) - 1)
        return -EBADMSG;
    claim->kind = MAP_TCP;
    claim->address.port = (uint32_t)strtoul(colon + 1, &end, 10);
    return *end || end == colon + 1 ? -EBADMSG : 0; /* a port that the kernel chose has no number there */
}

static int copy_texts(struct map *map, struct map_claim *claim) {
    if (claim->address.name)
        claim->address.name = map_arena_copy(map, claim->address.name, claim->address.name_size);
    int r = claim->kind == MAP_UNIX && !claim->address.name ? -ENOMEM : map_arena_text(map, &claim->type);
    return r < 0 ? r : map_arena_text(map, &claim->name);
}

int map_add_claim(struct map *map, uint32_t process, const char *line) {
    _cleanup_(freep) char *copy = strdup(line);
    char *rest = copy;

    if (!copy)
        return -ENOMEM;
    const char *how = strsep(&rest, "\t");
    char *endpoint = strsep(&rest, "\t");
    struct map_claim claim = {.process = process, .type = strsep(&rest, "\t"), .name = strsep(&rest, "\t")};
    if (!claim.name || read_endpoint(endpoint, &claim) < 0)
        return -EBADMSG;
    claim.remote = strcmp(how, "connect") == 0;
    int r = copy_texts(map, &claim);
    if (r == 0)
        r = MAP_ARRAY_GROW(&map->claims, map->claim_count);
    if (r == 0)
        map->claims[map->claim_count++] = claim;
    return r;
}

static bool same_address(const struct map_claim *claim, const struct map_address *address) {
    if (claim->kind == MAP_TCP)
        return address->port == claim->address.port;
    return address->form == claim->address.form && address->name_size == claim->address.name_size &&
           memcmp(address->name, claim->address.name, address->name_size) == 0;
}

/* What was accepted has its listener's address, and stands for the same. */
static bool is_meant(const struct map *map, const struct map_claim *claim, const struct map_socket *socket) {
    if (socket->kind != claim->kind)
        return false;
    if (!claim->remote)
        return (socket->state == MAP_LISTEN || socket->listener.known != MAP_UNKNOWN) && same_address(claim, &socket->local);
    if (claim->kind == MAP_TCP)
        return same_address(claim, &socket->remote) && socket->listener.known == MAP_UNKNOWN;
    return socket->peer.socket != MAP_NONE && same_address(claim, &map->sockets[socket->peer.socket].local);
}

/* Claims of one process stand together: each of its sockets is held against those alone. */
static void join_socket(struct map *map, const struct map_index *of_process, struct map_socket *socket) {
    for (uint32_t i = 0; i < socket->holder_count; i++) {
        size_t count;
        const struct map_index_entry *claims = map_index_find(of_process, map->holders[socket->first_holder + i].process, &count);
        for (size_t j = 0; j < count; j++)
            if (is_meant(map, &map->claims[claims[j].value], socket))
                socket->claim = claims[j].value;
    }
}

int map_join_claims(struct map *map) {
    struct map_index of_process = {0};
    int r = 0;

    for (uint32_t i = 0; r == 0 && i < map->claim_count; i++)
        r = map_index_add(&of_process, map->claims[i].process, i);
    map_index_sort(&of_process);
    for (size_t i = 0; r == 0 && map->claim_count > 0 && i < map->socket_count; i++)
        join_socket(map, &of_process, &map->sockets[i]);
    map_index_deinit(&of_process);
    return r;
}

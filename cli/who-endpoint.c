/*
 * cli/who-endpoint.c: kith who ENDPOINT: everyone at the other end, with the facts that a message would carry.
 *
 * No message came, so no witness is kernel-message. Which socket is the other end is the kernel's word (unix), or matched by addresses
 * (TCP, UDP); whose it is was found in /proc. So the process and all that follows from it is inferred; the user is the kernel's word, as
 * sock_diag says it of the very socket, unless it is not certain which socket that is.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/json.h"
#include "cli/map.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "cli/who.h"
#include "gateway/cleanup.h"
#include "map/model/address.h"
#include "map/view/words.h"

struct ask {
    const char *endpoint;
    uint32_t kinds; /* bits; 0: all */
    struct map_address address;
    pid_t pid; /* 0: by address */
    int fd;
    bool json;
    size_t told;
    json_t *array;
    bool *seen; /* a socket each: it was told of */
};

/* What is asked for --------------------------------------------------------------------------------------------------- */

static const struct {
    const char *prefix;
    uint32_t kinds;
} schemes[] = {
    {"tcp://", 1U << MAP_TCP | 1U << MAP_MPTCP}, {"udp://", 1U << MAP_UDP | 1U << MAP_UDPLITE}, {"ipc://", 1U << MAP_UNIX},
    {"tcp:", 1U << MAP_TCP | 1U << MAP_MPTCP},   {"udp:", 1U << MAP_UDP | 1U << MAP_UDPLITE},   {"unix:", 1U << MAP_UNIX},
};

bool cli_who_is_endpoint(const char *word) {
    return strspn(word, "0123456789") != strlen(word);
}

static int read_endpoint(struct ask *ask) {
    const char *text = ask->endpoint;

    if (cli_map_is_descriptor(text, &ask->pid, &ask->fd))
        return 0;
    for (size_t i = 0; i < KITH_ARRAY_SIZE(schemes); i++)
        if (strncmp(text, schemes[i].prefix, strlen(schemes[i].prefix)) == 0) {
            ask->kinds = schemes[i].kinds;
            text += strlen(schemes[i].prefix);
            break;
        }
    if (ask->kinds == 1U << MAP_UNIX && text[0] != '/' && text[0] != '@') {
        cli_error("%s: a unix socket is /PATH or @NAME", ask->endpoint);
        return CLI_USAGE;
    }
    return cli_map_address("ENDPOINT", text, &ask->address);
}

/* The other ends ------------------------------------------------------------------------------------------------------ */

static int copy_facts(kith_origin *of_process, kith_origin *origin) {
    static const enum kith_fact texts[] = {KITH_FACT_EXE, KITH_FACT_UNIT, KITH_FACT_CGROUP, KITH_FACT_LABEL};
    const gid_t *groups;
    size_t count;
    uint64_t start;
    pid_t pid;
    gid_t gid;
    int r = 0;

    if (kith_origin_pid(of_process, &pid) != KITH_WITNESS_NONE)
        r = kith_origin_set_number(origin, KITH_FACT_PID, (uint64_t)pid, KITH_WITNESS_INFERRED);
    if (r == 0 && kith_origin_gid(of_process, &gid) != KITH_WITNESS_NONE)
        r = kith_origin_set_number(origin, KITH_FACT_GID, gid, KITH_WITNESS_INFERRED);
    if (r == 0 && kith_origin_groups(of_process, &groups, &count) != KITH_WITNESS_NONE)
        r = kith_origin_set_groups(origin, groups, count, KITH_WITNESS_INFERRED);
    if (r == 0 && kith_origin_start_time(of_process, &start) != KITH_WITNESS_NONE)
        r = kith_origin_set_number(origin, KITH_FACT_START_TIME, start, KITH_WITNESS_INFERRED);
    for (size_t i = 0; r == 0 && i < KITH_ARRAY_SIZE(texts); i++) {
        const char *text;
        if (kith_origin_text(of_process, texts[i], &text) != KITH_WITNESS_NONE)
            r = kith_origin_set_text(origin, texts[i], text, KITH_WITNESS_INFERRED);
    }
    return r;
}

/* What the socket itself is connected to is the kernel's word; of one that is connected to nobody it is what its peer is bound to. */
static bool is_connected(const struct map_socket *socket) {
    return map_address_is_ip(&socket->remote) && socket->remote.port != 0;
}

static const struct map_address *address_of_peer(const struct map_socket *socket, const struct map_socket *peer) {
    return is_connected(socket) || !peer ? &socket->remote : &peer->local;
}

/* `of_peer`: whose word says that it is the peer. `process`: NULL: nobody is known to hold the socket. */
static int make_origin(const struct map *map, const struct map_socket *socket, const struct map_socket *peer, enum kith_witness of_peer,
                       const struct map_process *process, kith_origin **ret_origin) {
    const struct map_address *address = address_of_peer(socket, peer);
    _cleanup_(kith_origin_unrefp) kith_origin *origin = NULL, *of_process = NULL;
    char text[MAP_WORDS_MAX];
    struct kith_text words = kith_text_init(text, sizeof(text));

    int r = kith_origin_new(&origin);
    if (r == 0 && process && kith_origin_of_pid(process->pid, &of_process, NULL) == 0)
        r = copy_facts(of_process, origin);
    if (r == 0 && peer && peer->flags & MAP_HAS_UID)
        r = kith_origin_set_number(origin, KITH_FACT_UID, peer->uid, of_peer);
    else if (r == 0 && process && process->uid != (uid_t)-1)
        r = kith_origin_set_number(origin, KITH_FACT_UID, process->uid, KITH_WITNESS_INFERRED);
    if (r == 0 && map_address_is_ip(address)) {
        map_address_words(map, &(struct map_socket){.kind = MAP_TCP}, address, &words);
        r = kith_origin_set_text(origin, KITH_FACT_ADDRESS, text, is_connected(socket) ? KITH_WITNESS_KERNEL_CONNECT : of_peer);
    }
    if (r < 0)
        return r;
    *ret_origin = KITH_STEAL(origin);
    return 0;
}

/* `socket` is the end that was asked for. */
static int tell_one(struct ask *ask, const struct map *map, const struct map_socket *socket, const struct map_socket *peer,
                    enum map_known known, const struct map_process *process) {
    _cleanup_(kith_origin_unrefp) kith_origin *origin = NULL;
    char here[MAP_WORDS_MAX], there[MAP_WORDS_MAX];
    struct kith_text local = kith_text_init(here, sizeof(here)), remote = kith_text_init(there, sizeof(there));
    const struct map_address *address = address_of_peer(socket, peer);

    /* The kernel's word is about the peer: it holds as far as that is the peer. Within a namespace four numbers are one connection. */
    bool sure = peer && (known == MAP_EXACT || (known == MAP_MATCHED && peer->netns == socket->netns));
    int r = make_origin(map, socket, peer, sure ? KITH_WITNESS_KERNEL_CONNECT : KITH_WITNESS_INFERRED, process, &origin);
    if (r < 0)
        return r;
    map_address_words(map, socket, &socket->local, &local);
    map_address_words(map, socket, address, &remote);
    if (!there[0] && peer)
        kith_text_printf(&remote, "#%" PRIu64, peer->inode);
    if (ask->json) {
        json_t *object =
            json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "protocol", map_kind_name(socket->kind), "local", here, "remote", there, "known",
                      map_known_name(known), "inode", peer ? json_integer((json_int_t)peer->inode) : json_null(), "cookie",
                      peer ? json_integer((json_int_t)peer->cookie) : json_null());
        r = object ? cli_json_add_origin(object, origin) : -ENOMEM;
        return json_array_append_new(ask->array, object) < 0 ? -ENOMEM : r;
    }
    cli_print("%s%s %s <- %s  [%s]\n", ask->told++ ? "\n" : "", map_kind_name(socket->kind), here, there,
              peer ? map_known_name(known) : "not of this host");
    cli_who_print(origin);
    return 0;
}

/* Everyone who holds the peer; `peer` MAP_NONE: it is of another host. */
static int tell(struct ask *ask, const struct map *map, uint32_t number, uint32_t peer_number, enum map_known known) {
    const struct map_socket *peer = peer_number == MAP_NONE ? NULL : &map->sockets[peer_number];
    uint32_t last = MAP_NONE;
    int r = 0;

    if (peer && ask->seen[peer_number])
        return 0;
    if (peer)
        ask->seen[peer_number] = true;
    if (!peer || peer->holder_count == 0)
        return tell_one(ask, map, &map->sockets[number], peer, known, NULL);
    for (uint32_t i = 0; r == 0 && i < peer->holder_count; i++) {
        uint32_t process = map->holders[peer->first_holder + i].process;
        if (process != last)
            r = tell_one(ask, map, &map->sockets[number], peer, known, &map->processes[process]);
        last = process;
    }
    return r;
}

static int tell_peer(struct ask *ask, const struct map *map, uint32_t number) {
    const struct map_socket *socket = &map->sockets[number];

    if (socket->peer.socket != MAP_NONE)
        return tell(ask, map, number, socket->peer.socket, socket->peer.known);
    if (map_address_is_ip(&socket->remote) && socket->remote.port != 0 && socket->kind != MAP_RAW)
        return tell(ask, map, number, MAP_NONE, MAP_UNKNOWN);
    return 0;
}

/* Its peer, whoever has it as a peer, and those of what came from it. */
static int tell_all(struct ask *ask, const struct map *map, uint32_t number) {
    int r = tell_peer(ask, map, number);

    for (uint32_t i = 0; r == 0 && i < map->socket_count; i++) {
        if (map->sockets[i].peer.socket == number)
            r = tell(ask, map, number, i, map->sockets[i].peer.known);
        if (r == 0 && map_may_come_from(map, &map->sockets[i], number))
            r = tell_peer(ask, map, i);
    }
    return r;
}

/* A descriptor's socket: every one that it holds there. */
static bool is_held_as(const struct map *map, const struct map_socket *socket, pid_t pid, int fd) {
    for (uint32_t i = 0; i < socket->holder_count; i++) {
        const struct map_holder *holder = &map->holders[socket->first_holder + i];
        if (map->processes[holder->process].pid == pid && holder->fd == fd)
            return true;
    }
    return false;
}

static bool is_asked(const struct ask *ask, const struct map *map, const struct map_socket *socket) {
    if (ask->pid != 0)
        return is_held_as(map, socket, ask->pid, ask->fd);
    if (ask->kinds != 0 && !(ask->kinds & 1U << socket->kind))
        return false;
    if (ask->address.form == MAP_PATH || ask->address.form == MAP_ABSTRACT) {
        bool server = socket->state == MAP_LISTEN || socket->state == MAP_CLOSE || socket->listener.known == MAP_UNKNOWN;
        return server && socket->local.form == ask->address.form && socket->local.name_size == ask->address.name_size &&
               memcmp(socket->local.name, ask->address.name, ask->address.name_size) == 0;
    }
    return map_is_listener_of(socket, &ask->address);
}

static int tell_endpoint(struct ask *ask, const struct map *map) {
    bool found = false;
    int r = 0;

    for (uint32_t i = 0; r == 0 && i < map->socket_count; i++)
        if (is_asked(ask, map, &map->sockets[i])) {
            found = true;
            r = tell_all(ask, map, i);
        }
    if (r < 0)
        return r;
    if (!found) {
        cli_error("%s: there is no such socket, or it may not be seen (kith map shows all)", ask->endpoint);
        return -ENOENT;
    }
    if (ask->json)
        return cli_json_print(ask->array);
    if (ask->told == 0)
        cli_print("nobody is connected to %s\n", ask->endpoint);
    for (size_t i = 0; i < map->missing_count; i++)
        cli_print("# not shown: %s: %s\n", map->missing[i].what, map->missing[i].why);
    return 0;
}

int cli_who_endpoint(const char *endpoint, bool json) {
    _cleanup_(map_freep) struct map *map = NULL;
    struct ask ask = {.endpoint = endpoint, .json = json};

    int status = read_endpoint(&ask);
    if (status == 0)
        status = cli_map_read(&(struct map_wanted){.depth = MAP_PLAIN}, &map);
    if (status != 0)
        return status;
    ask.seen = calloc(map->socket_count + 1, sizeof(*ask.seen));
    ask.array = json_array();
    int r = ask.seen && ask.array ? tell_endpoint(&ask, map) : -ENOMEM;
    free(ask.seen);
    json_decref(ask.array);
    if (r == -ENOMEM)
        cli_error("out of memory");
    return r == -ENOMEM || r == -ENOENT ? CLI_ERROR : CLI_OK;
}

/*
 * map/model/listener.c: which listener a connection came from, and how that is known.
 *
 * Nothing in the kernel points from an accepted socket to its listener (docs/listener-and-child.md). So, from strong to weak: links that
 * were seen when they were made, and request sockets, which do name theirs; listeners that share the bind bucket, of a socket that was
 * accepted by somebody; listeners whose address fits. Whatever fits besides makes the answer ambiguous.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "map/model/address.h"
#include "map/model/join.h"

#define WHY_SEEN "seen when it was accepted"
#define WHY_SEEN_GONE "seen when it was accepted: its listener is closed, or not to be seen"
#define WHY_REQUEST "the request socket names it"
#define WHY_BUCKET "one bind bucket, accepted by somebody: perhaps by a listener before this one"
#define WHY_BUCKET_WAITING "one bind bucket, and it waits in the accept queue of who listens now"
#define WHY_BUCKET_OLDER "one bind bucket, accepted by somebody, and the listener was there first"
#define WHY_YOUNGER "whoever accepted it is closed: whatever listens there now came later"
#define WHY_ADDRESS "by port and address; a client bound to the port looks the same"
#define WHY_ACCEPTED "by port and address, accepted by somebody: perhaps by a listener before this one"
#define WHY_WAITS "by port and address, and it waits to be accepted there"
#define WHY_FILE "by its name and file"
#define WHY_NAME "by its name: perhaps by a listener before this one, which had it too"
#define WHY_SEVERAL "several listeners have this port and address"
#define WHY_SEVERAL_BUCKET "several listeners of this port and address share the bind bucket"
#define WHY_EITHER "both ends have a port that is listened on: either may be the one that connected"

/* TCP and vsock ------------------------------------------------------------------------------------------------------ */

static bool fits_address(const struct map_socket *child, const struct map_socket *listener) {
    if (listener->local.form == MAP_CID)
        return listener->local.number == UINT32_MAX || listener->local.number == child->local.number;
    /* An IPv4 connection of an IPv6 listener is an IPv6 socket. */
    if (child->family != listener->family || (listener->local.interface != 0 && listener->local.interface != child->local.interface))
        return false;
    if (!map_address_is_any(&listener->local))
        return map_address_same_host(&listener->local, &child->local);
    return !((listener->flags & MAP_IS_IPV6_ONLY) && map_address_is_ipv4(&child->local));
}

/* Both stand in one list of a bucket, and the listener came into it after the connection. One in TIME_WAIT has been put in front again. */
static bool is_younger(const struct map_socket *listener, const struct map_socket *child) {
    return child->bind_list != MAP_NONE && listener->bind_list == child->bind_list && listener->bind_place < child->bind_place;
}

static bool is_older(const struct map_socket *listener, const struct map_socket *child) {
    return child->bind_list != MAP_NONE && listener->bind_list == child->bind_list && listener->bind_place > child->bind_place &&
           child->state != MAP_TIME_WAIT;
}

/* The kernel's tables, where they are known of both, rule listeners out; they never rule one in that does not fit by its address. */
static bool fits_tables(const struct map_socket *child, const struct map_socket *listener) {
    if (!(child->flags & listener->flags & MAP_HAS_KERNEL))
        return true;
    if ((child->bind_bucket != 0 && child->bind_bucket != listener->bind_bucket) || is_younger(listener, child))
        return false;
    /* listen(2) may have been called again since, with another limit: only that of a client, 0, says something. */
    return !(child->flags & MAP_HAS_LIMIT) || child->accept_limit != 0 || listener->backlog_limit == 0;
}

static bool is_better(const struct map *map, uint32_t a, uint32_t b) {
    const struct map_socket *x = &map->sockets[a], *y = &map->sockets[b];
    bool x_any = map_address_is_any(&x->local), y_any = map_address_is_any(&y->local);

    if (x_any != y_any)
        return y_any;
    return x->local.interface != 0 && y->local.interface == 0;
}

/* The one that a new connection would be given to comes first. */
static int choose_listeners(struct map *map, const struct map_socket *child, const struct map_address *address, struct map_choice *choice) {
    size_t count;
    const struct map_index_entry *entry = map_index_find(&map->index->by_port, map_port_key(child->kind, address->port), &count);
    int r = 0;

    for (size_t i = 0; r == 0 && i < count; i++) {
        const struct map_socket *listener = &map->sockets[entry[i].value];
        if (listener->state != MAP_LISTEN || listener->netns != child->netns || !fits_address(child, listener) ||
            !fits_tables(child, listener))
            continue;
        r = map_choice_add(choice, entry[i].value);
        for (size_t j = choice->count; r == 0 && j > 1 && is_better(map, choice->sockets[j - 1], choice->sockets[j - 2]); j--) {
            uint32_t better = choice->sockets[j - 1];
            choice->sockets[j - 1] = choice->sockets[j - 2];
            choice->sockets[j - 2] = better;
        }
    }
    return r;
}

static bool was_accepted(const struct map_socket *socket) {
    return (socket->flags & MAP_HAS_LIMIT) && socket->accept_limit != 0;
}

/* Of two ends of a connection one has connected: what is not known of a socket may be known of its peer. */
static bool is_side(const struct map *map, const struct map_socket *socket, uint32_t side) {
    static const uint32_t sides = MAP_HAS_CONNECTED | MAP_WAS_ACCEPTED;

    if (socket->flags & sides || socket->peer.socket == MAP_NONE || socket->peer.known == MAP_AMBIGUOUS)
        return socket->flags & side;
    return map->sockets[socket->peer.socket].flags & (sides & ~side);
}

/* Does the other end have a listener too, and nothing says which of both was the client? */
static int is_either_end(struct map *map, const struct map_socket *child, bool *ret_either) {
    struct map_choice choice = {0};

    *ret_either = false;
    if (child->peer.socket == MAP_NONE || was_accepted(child) || child->state == MAP_NEW_SYN_RECV || child->state == MAP_SYN_RECV ||
        is_side(map, child, MAP_WAS_ACCEPTED))
        return 0;
    const struct map_socket *peer = &map->sockets[child->peer.socket];
    int r = choose_listeners(map, peer, &peer->local, &choice);
    *ret_either = r == 0 && choice.count > 0;
    free(choice.sockets);
    return r;
}

/* A listener that is closed takes its accept queue with it: what waits is of one that is there. */
static const char *why_bucket(const struct map_socket *listener, const struct map_socket *child) {
    if (child->flags & MAP_IS_WAITING)
        return WHY_BUCKET_WAITING;
    return is_older(listener, child) ? WHY_BUCKET_OLDER : WHY_BUCKET;
}

static int link_address(struct map *map, struct map_socket *child) {
    struct map_choice choice = {0};
    bool accepted = was_accepted(child), either = false;
    const char *why = accepted                                ? WHY_BUCKET
                      : child->flags & MAP_IS_WAITING         ? WHY_WAITS
                      : is_side(map, child, MAP_WAS_ACCEPTED) ? WHY_ACCEPTED
                                                              : WHY_ADDRESS;

    if (is_side(map, child, MAP_HAS_CONNECTED))
        return 0;
    int r = choose_listeners(map, child, &child->local, &choice);
    if (r == 0 && choice.count > 0)
        r = is_either_end(map, child, &either);
    if (r == 0)
        r = map_link_choose(map, &child->listener, &choice, why, accepted ? WHY_SEVERAL_BUCKET : WHY_SEVERAL);
    if (r == 0 && choice.count == 0 && accepted)
        child->listener.why = WHY_YOUNGER;
    if (r == 0 && child->listener.known == MAP_MATCHED) {
        if (accepted && child->bind_bucket != 0) {
            child->listener.known = MAP_BUCKET;
            child->listener.why = why_bucket(&map->sockets[child->listener.socket], child);
        }
        if (either) {
            child->listener.known = MAP_AMBIGUOUS;
            child->listener.why = WHY_EITHER;
        }
    }
    free(choice.sockets);
    return r;
}

static bool may_be_child(const struct map_socket *socket) {
    switch (socket->kind) {
    case MAP_TCP:
    case MAP_MPTCP:
    case MAP_VSOCK:
        return socket->state != MAP_LISTEN && socket->state != MAP_CLOSE && socket->state != MAP_SYN_SENT &&
               (socket->remote.port != 0 || socket->remote.form == MAP_CID);
    default:
        return false;
    }
}

/* Unix --------------------------------------------------------------------------------------------------------------- */

/* An accepted socket has its listener's very name. That of a file is the same file's: a listener that took over the path has another. Which
 * file it is sock_diag says, /proc/net/unix does not. */
static int link_unix(struct map *map, struct map_socket *child) {
    bool by_file = child->local.form == MAP_PATH && child->path_inode != 0;
    struct map_choice choice = {0};
    size_t count;
    int r = 0;

    const struct map_index_entry *entry = map_index_find(&map->index->by_name, map_hash_name(map, &child->local), &count);
    for (size_t i = 0; r == 0 && i < count; i++) {
        const struct map_socket *listener = &map->sockets[entry[i].value];
        if (listener->type != child->type || listener->local.form != child->local.form ||
            listener->local.name_size != child->local.name_size ||
            memcmp(listener->local.name, child->local.name, child->local.name_size) != 0)
            continue;
        /* Abstract names are a namespace's; files are everybody's. */
        bool same = child->local.form == MAP_ABSTRACT
                        ? listener->netns == child->netns
                        : listener->path_inode == child->path_inode && listener->path_device == child->path_device;
        if (same)
            r = map_choice_add(&choice, entry[i].value);
    }
    if (r == 0)
        r = map_link_choose(map, &child->listener, &choice, by_file ? WHY_FILE : WHY_NAME, WHY_SEVERAL);
    free(choice.sockets);
    return r;
}

/* What was seen ------------------------------------------------------------------------------------------------------ */

static void link_exactly(struct map *map, uint64_t listener_cookie, uint64_t child_cookie, const char *why) {
    uint32_t listener = map_find_cookie(map, listener_cookie), child = map_find_cookie(map, child_cookie);

    if (child != MAP_NONE && listener != MAP_NONE)
        map->sockets[child].listener = (struct map_link){.known = MAP_EXACT, .socket = listener, .why = why};
}

/* Whoever was seen to make it and is not there any more: then it came from nobody who is. */
static void link_seen(struct map *map, const struct map_exact *seen) {
    uint32_t child = map_find_cookie(map, seen->child);

    if (child != MAP_NONE && map_find_cookie(map, seen->listener) == MAP_NONE && map->sockets[child].listener.known != MAP_EXACT)
        map->sockets[child].listener = (struct map_link){.socket = MAP_NONE, .why = WHY_SEEN_GONE};
    link_exactly(map, seen->listener, seen->child, WHY_SEEN);
}

static void count_children(struct map *map) {
    for (size_t i = 0; i < map->socket_count; i++) {
        const struct map_socket *child = &map->sockets[i];
        if (child->listener.known == MAP_UNKNOWN)
            continue;
        if (child->listener.known != MAP_AMBIGUOUS) {
            map->sockets[child->listener.socket].child_count++;
            continue;
        }
        if (child->listener.candidate_count == 0)
            map->sockets[child->listener.socket].unsure++;
        for (uint32_t j = 0; j < child->listener.candidate_count; j++)
            map->sockets[map->candidates[child->listener.first + j]].unsure++;
    }
}

int map_join_listeners(struct map *map) {
    int r = 0;

    for (size_t i = 0; r == 0 && i < map->socket_count; i++) {
        struct map_socket *socket = &map->sockets[i];
        /* Connected, and no descriptor: nobody has accepted it. One that was closed is in another state. */
        if (socket->kind == MAP_TCP && socket->inode == 0 && (socket->state == MAP_ESTABLISHED || socket->state == MAP_CLOSE_WAIT))
            socket->flags |= MAP_IS_WAITING;
        if (may_be_child(socket))
            r = link_address(map, socket);
        else if (socket->kind == MAP_UNIX && socket->state == MAP_ESTABLISHED && socket->local.name && !(socket->flags & MAP_IS_WAITING))
            r = link_unix(map, socket);
    }
    for (size_t i = 0; i < map->kernel_fact_count; i++)
        if (map->kernel_facts[i].listener_cookie != 0)
            link_exactly(map, map->kernel_facts[i].listener_cookie, map->kernel_facts[i].cookie, WHY_REQUEST);
    for (size_t i = 0; i < map->exact_count; i++)
        link_seen(map, &map->exact[i]);
    count_children(map);
    return r;
}

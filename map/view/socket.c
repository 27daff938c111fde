/* map/view/socket.c: one socket in full: from the descriptor to the tables of the kernel that it stands in. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "map/model/address.h"
#include "map/model/select.h"
#include "map/view/cells.h"
#include "map/view/view.h"
#include "map/view/words.h"

#define NAME_WIDTH 26

static void put(struct view_out *out, const char *name, const char *value) {
    view_out_printf(out, "  %-*s ", NAME_WIDTH, name);
    view_out_puts(out, value);
    view_out_puts(out, "\n");
}

static void put_number(struct view_out *out, const char *name, uint64_t value) {
    view_out_printf(out, "  %-*s %llu\n", NAME_WIDTH, name, (unsigned long long)value);
}

#define WORDS(name)                                                                                                                        \
    char name##_memory[MAP_WORDS_MAX * 2];                                                                                                 \
    struct kith_text name = kith_text_init(name##_memory, sizeof(name##_memory))

static void put_holders(const struct map *map, const struct map_socket *socket, struct view_out *out) {
    if (socket->holder_count == 0) {
        WORDS(words);
        map_holders_words(map, socket, &words);
        put(out, "descriptor", words.text);
    }
    for (uint32_t i = 0; i < socket->holder_count; i++) {
        const struct map_holder *holder = &map->holders[socket->first_holder + i];
        const struct map_process *process = &map->processes[holder->process];
        WORDS(words);
        map_process_words(process, &words);
        kith_text_printf(&words, " descriptor %d", holder->fd);
        if (process->exe) {
            kith_text_puts(&words, "  ");
            kith_text_put_printable(&words, process->exe, strlen(process->exe));
        }
        if (process->unit) {
            kith_text_puts(&words, "  ");
            kith_text_put_printable(&words, process->unit, strlen(process->unit));
        }
        put(out, i == 0 ? "process" : "and", words.text);
    }
}

static void put_link(const struct map *map, const char *name, const struct map_link *link, struct view_out *out) {
    WORDS(words);

    if (link->socket == MAP_NONE && link->why)
        put(out, name, link->why);
    if (link->socket == MAP_NONE)
        return;
    const struct map_socket *other = &map->sockets[link->socket];
    map_holders_words(map, other, &words);
    kith_text_puts(&words, "  ");
    map_address_words(map, other, &other->local, &words);
    kith_text_printf(&words, "  inode %llu  [%s%s%s]", (unsigned long long)other->inode, map_known_name(link->known), link->why ? ": " : "",
                     link->why ? link->why : "");
    put(out, name, words.text);
    for (uint32_t i = 1; i < link->candidate_count; i++) {
        WORDS(more);
        const struct map_socket *candidate = &map->sockets[map->candidates[link->first + i]];
        map_holders_words(map, candidate, &more);
        kith_text_puts(&more, "  ");
        map_address_words(map, candidate, &candidate->local, &more);
        put(out, "  or", more.text);
    }
}

/* Which tables of the kernel find it, by its kind and state (docs/listener-and-child.md). */
static void put_tables(const struct map_socket *socket, struct view_out *out) {
    bool tcp = socket->kind == MAP_TCP;

    view_out_puts(out, "\nstands in the kernel's tables\n");
    if (tcp && socket->state == MAP_LISTEN) {
        put(out, "lhash2", "listeners, by address and port: where a SYN finds it");
    } else if (tcp && socket->state != MAP_CLOSE && socket->state != MAP_BOUND) {
        put(out, "ehash", "connections, by both addresses and ports: where every segment finds it");
    } else if (socket->kind == MAP_UDP || socket->kind == MAP_UDPLITE) {
        put(out, "udp_table hash, hash2", "by port, and by address and port: where a datagram finds it");
    } else if (socket->kind == MAP_UNIX) {
        put(out, socket->local.name ? "unix bound sockets" : "unix unbound sockets",
            socket->local.form == MAP_PATH       ? "by the inode of its path: where connect(2) finds it"
            : socket->local.form == MAP_ABSTRACT ? "by its name, in its network namespace: where connect(2) finds it"
                                                 : "nobody can find it");
    } else if (socket->kind == MAP_NETLINK) {
        put(out, "nl_table", "by network namespace and port id: where a message finds it");
    } else {
        put(out, "none of connections", "the list of its family");
    }
    if (tcp && socket->state != MAP_NEW_SYN_RECV && socket->local.port != 0) {
        put(out, "bhash", "who has the port: shared by a listener and all that came from it");
        put(out, "bhash2", "who has the port at this address (Linux 6.1)");
    }
}

static void put_children(const struct map *map, uint32_t number, struct view_out *out) {
    const struct map_socket *socket = &map->sockets[number];
    size_t count = 0;

    for (uint32_t i = 0; i < map->socket_count; i++) {
        const struct map_socket *child = &map->sockets[i];
        WORDS(words);
        if (!map_may_come_from(map, child, number))
            continue;
        map_cell_remote(map, child, &words);
        kith_text_printf(&words, "  %s  ", map_state_name(child));
        map_holders_words(map, child, &words);
        kith_text_printf(&words, "  [%s]", map_known_name(child->listener.known));
        if (count++ == 0)
            view_out_puts(out, "\ncame from it\n");
        view_out_puts(out, "  ");
        view_out_puts(out, words.text);
        view_out_puts(out, "\n");
    }
    if (socket->state == MAP_LISTEN && count == 0)
        view_out_puts(out, "\nnothing came from it that is still there\n");
}

static void put_facts(const struct map *map, const struct map_socket *socket, struct view_out *out) {
    const struct map_fact *facts = &map->facts[socket->first_fact];

    for (uint32_t i = 0; i < socket->fact_count; i++) {
        bool met = false;
        for (uint32_t j = 0; j < i; j++)
            met = met || strcmp(facts[j].group, facts[i].group) == 0;
        if (met)
            continue;
        view_out_printf(out, "\n%s\n", facts[i].group);
        for (uint32_t j = i; j < socket->fact_count; j++)
            if (strcmp(facts[j].group, facts[i].group) == 0) {
                WORDS(words);
                kith_text_put_printable(&words, facts[j].text, strlen(facts[j].text));
                put(out, facts[j].name, words.text);
            }
    }
}

static void put_identity(const struct map *map, const struct map_socket *socket, struct view_out *out) {
    const struct map_netns *netns = &map->netns[socket->netns];
    const struct map_cgroup *cgroup = map_cgroup_find(map, socket->cgroup);
    WORDS(space);

    put_number(out, "inode", socket->inode);
    put_number(out, "cookie", socket->cookie);
    if (socket->flags & MAP_HAS_UID)
        put_number(out, "owner (uid)", socket->uid);
    kith_text_printf(&space, "%llu", (unsigned long long)netns->inode);
    if (netns->name) {
        kith_text_puts(&space, "  ");
        kith_text_put_printable(&space, netns->name, strlen(netns->name));
    }
    put(out, "network namespace", space.text);
    if (cgroup) {
        WORDS(path);
        kith_text_put_printable(&path, cgroup->path, strlen(cgroup->path));
        put(out, "cgroup", path.text);
    }
}

int map_view_socket(const struct map *map, uint32_t number, struct view_out *out) {
    const struct map_socket *socket = &map->sockets[number];
    WORDS(what);
    WORDS(local);
    WORDS(remote);

    map_cell_socket(socket, &what);
    view_out_puts(out, what.text);
    view_out_printf(out, " %s\n", map_state_name(socket));
    put_holders(map, socket, out);
    put_identity(map, socket, out);
    map_address_words(map, socket, &socket->local, &local);
    put(out, "local", local.text[0] ? local.text : "no address");
    map_cell_remote(map, socket, &remote);
    if (remote.text[0])
        put(out, "remote", remote.text);
    put_link(map, "other end", &socket->peer, out);
    put_link(map, "listener", &socket->listener, out);
    if (socket->flags & MAP_HAS_BACKLOG) {
        put_number(out, "accept queue", socket->backlog);
        put_number(out, "its limit", socket->backlog_limit);
    } else {
        put_number(out, "octets to be read", socket->receive_queue);
        put_number(out, "octets being sent", socket->send_queue);
    }
    put_tables(socket, out);
    put_children(map, number, out);
    put_facts(map, socket, out);
    map_view_missing(map, out);
    return out->error;
}

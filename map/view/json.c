/* map/view/json.c: a map as one JSON object. Inodes and cookies are numbers: they stay below 2^53. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "map/model/address.h"
#include "map/view/view.h"
#include "map/view/words.h"
#include "view/jsontext.h"

#define WORDS(name)                                                                                                                        \
    char name##_memory[MAP_WORDS_MAX];                                                                                                     \
    struct kith_text name = kith_text_init(name##_memory, sizeof(name##_memory))

static json_t *number_or_null(bool known, uint64_t number) {
    return known ? json_integer((json_int_t)number) : json_null();
}

static json_t *text_or_null(const char *text) {
    return text && text[0] ? view_json_text(text) : json_null();
}

/* A path may have any octets: what is not UTF-8 becomes \xHH, as everywhere in kith's output. */
static json_t *name_json(const struct map_address *address) {
    WORDS(words);
    kith_text_put_printable(&words, address->name, address->name_size);
    return json_string(words.text);
}

static json_t *address_json(const struct map *map, const struct map_socket *socket, const struct map_address *address) {
    WORDS(words);
    WORDS(host);

    if (address->form == MAP_NO_ADDRESS)
        return json_null();
    map_address_words(map, socket, address, &words);
    json_t *object = json_pack("{s:s}", "text", words.text);
    switch (address->form) {
    case MAP_INET:
    case MAP_INET6:
        map_host_words(address, &host);
        json_object_set_new(object, "address", json_string(host.text));
        json_object_set_new(object, "port", number_or_null(socket->kind != MAP_RAW && address->port != 0, address->port));
        json_object_set_new(object, "interface", text_or_null(map_interface_name(map, socket->netns, address->interface)));
        break;
    case MAP_PATH:
        json_object_set_new(object, "path", name_json(address));
        break;
    case MAP_ABSTRACT:
        json_object_set_new(object, "abstract", name_json(address));
        break;
    case MAP_CID:
        json_object_set_new(object, "cid", number_or_null(address->number != UINT32_MAX, address->number));
        json_object_set_new(object, "port", number_or_null(address->port != UINT32_MAX, address->port));
        break;
    case MAP_PORTID:
        json_object_set_new(object, "portid", json_integer(address->number));
        break;
    case MAP_DEVICE:
        json_object_set_new(object, "interface", text_or_null(map_interface_name(map, socket->netns, address->interface)));
        break;
    case MAP_NO_ADDRESS:
        break;
    }
    return object;
}

static json_t *remote_json(const struct map *map, const struct map_socket *socket) {
    const struct map_address *remote = &socket->remote;

    if (map_address_is_ip(remote) && remote->port == 0 && map_address_is_any(remote))
        return json_null();
    /* A unix socket's other end has the address that it was bound to. */
    if (socket->kind == MAP_UNIX && socket->peer.socket != MAP_NONE && map->sockets[socket->peer.socket].local.name)
        return address_json(map, socket, &map->sockets[socket->peer.socket].local);
    return address_json(map, socket, remote);
}

static json_t *holders_json(const struct map *map, const struct map_socket *socket) {
    json_t *array = json_array();

    for (uint32_t i = 0; array && i < socket->holder_count; i++) {
        const struct map_holder *holder = &map->holders[socket->first_holder + i];
        const struct map_process *process = &map->processes[holder->process];
        json_t *object = json_pack("{s:i, s:i, s:o, s:o, s:o, s:o}", "pid", (int)process->pid, "fd", holder->fd, "comm",
                                   text_or_null(process->comm), "exe", text_or_null(process->exe), "unit", text_or_null(process->unit),
                                   "uid", number_or_null(process->uid != (uid_t)-1, process->uid));
        if (json_array_append_new(array, object) < 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *link_json(const struct map *map, const struct map_link *link, bool holders) {
    if (link->socket == MAP_NONE && link->why)
        return json_pack("{s:n, s:n, s:s, s:s}", "inode", "cookie", "known", map_known_name(link->known), "why", link->why);
    if (link->socket == MAP_NONE)
        return json_null();
    const struct map_socket *socket = &map->sockets[link->socket];
    json_t *object = json_pack("{s:o, s:o, s:s, s:o}", "inode", number_or_null(socket->inode != 0, socket->inode), "cookie",
                               number_or_null(socket->cookie != 0, socket->cookie), "known", map_known_name(link->known), "why",
                               text_or_null(link->why));
    if (object && holders)
        json_object_set_new(object, "holders", holders_json(map, socket));
    if (!object || link->candidate_count == 0)
        return object;
    json_t *candidates = json_array();
    for (uint32_t i = 0; candidates && i < link->candidate_count; i++)
        json_array_append_new(candidates, json_integer((json_int_t)map->sockets[map->candidates[link->first + i]].inode));
    json_object_set_new(object, "candidates", candidates);
    return object;
}

static json_t *groups_json(const struct map *map, const struct map_socket *socket) {
    json_t *array = json_array();

    for (uint32_t i = 0; array && i < socket->group_words * 32; i++) {
        if (!(socket->groups[i / 32] >> (i % 32) & 1))
            continue;
        const struct map_genl_group *group = map_is_generic(socket) ? map_genl_group_find(map, socket->netns, i + 1) : NULL;
        json_array_append_new(array,
                              json_pack("{s:i, s:o, s:o}", "number", (int)i + 1, "family", text_or_null(group ? group->family : NULL),
                                        "name", text_or_null(group ? group->name : NULL)));
    }
    return array;
}

static json_t *facts_json(const struct map *map, const struct map_socket *socket) {
    json_t *groups = json_object();

    for (uint32_t i = 0; groups && i < socket->fact_count; i++) {
        const struct map_fact *fact = &map->facts[socket->first_fact + i];
        json_t *group = json_object_get(groups, fact->group);
        if (!group) {
            group = json_object();
            json_object_set_new(groups, fact->group, group);
        }
        json_object_set_new(group, fact->name,
                            fact->number ? json_integer((json_int_t)strtoull(fact->text, NULL, 10)) : view_json_text(fact->text));
    }
    return groups;
}

static int add_more(const struct map *map, const struct map_socket *socket, json_t *object) {
    int r = 0;

    if (socket->flags & MAP_HAS_BACKLOG)
        r |= json_object_set_new(
            object, "backlog", json_pack("{s:I, s:I}", "length", (json_int_t)socket->backlog, "limit", (json_int_t)socket->backlog_limit));
    if (socket->state == MAP_LISTEN)
        r |= json_object_set_new(object, "children",
                                 json_pack("{s:I, s:I}", "known", (json_int_t)socket->child_count, "unsure", (json_int_t)socket->unsure));
    if (socket->flags & MAP_HAS_BYTES)
        r |= json_object_set_new(object, "octets",
                                 json_pack("{s:I, s:I}", "sent", (json_int_t)socket->sent, "received", (json_int_t)socket->received));
    if (socket->kind == MAP_NETLINK)
        r |= json_object_set_new(object, "groups", groups_json(map, socket));
    if (socket->flags & (MAP_HAS_CONNECTED | MAP_WAS_ACCEPTED))
        r |= json_object_set_new(object, "side", json_string(socket->flags & MAP_HAS_CONNECTED ? "connected" : "accepted"));
    if (socket->flags & MAP_HAS_LIMIT)
        r |= json_object_set_new(object, "accept_limit", json_integer(socket->accept_limit));
    if (socket->claim != MAP_NONE)
        r |= json_object_set_new(object, "zmtp",
                                 json_pack("{s:o, s:o, s:s}", "type", view_json_text(map->claims[socket->claim].type), "name",
                                           view_json_text(map->claims[socket->claim].name), "known", "claimed"));
    if (socket->fact_count > 0)
        r |= json_object_set_new(object, "facts", facts_json(map, socket));
    return r;
}

json_t *map_json_socket(const struct map *map, uint32_t number) {
    const struct map_socket *socket = &map->sockets[number];
    const struct map_cgroup *cgroup = map_cgroup_find(map, socket->cgroup);
    WORDS(protocol);

    map_protocol_words(socket, &protocol);
    json_t *object = json_pack(
        "{s:s, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:I, s:I, s:o, s:b, s:o, s:o, s:o}", "family",
        map_family_name(socket), "type", text_or_null(map_type_name(socket)), "protocol", text_or_null(protocol.text), "state",
        map_state_name(socket), "local", address_json(map, socket, &socket->local), "remote", remote_json(map, socket), "inode",
        number_or_null(socket->inode != 0, socket->inode), "cookie", number_or_null(socket->cookie != 0, socket->cookie), "uid",
        number_or_null(socket->flags & MAP_HAS_UID, socket->uid), "netns", (json_int_t)map->netns[socket->netns].inode, "cgroup",
        text_or_null(cgroup ? cgroup->path : NULL), "unit", text_or_null(map_socket_unit(map, socket)), "container",
        text_or_null(map_socket_container(map, socket)), "receive_queue", (json_int_t)socket->receive_queue, "send_queue",
        (json_int_t)socket->send_queue, "backlog", json_null(), "waiting", (socket->flags & MAP_IS_WAITING) != 0, "holders",
        holders_json(map, socket), "peer", link_json(map, &socket->peer, true), "listener", link_json(map, &socket->listener, false));
    if (object && add_more(map, socket, object) != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *netns_json(const struct map *map, const struct map_netns *netns) {
    const struct map_process *owner = netns->owner == MAP_NONE ? NULL : &map->processes[netns->owner];
    return json_pack("{s:I, s:o, s:b, s:b, s:o}", "inode", (json_int_t)netns->inode, "name", text_or_null(netns->name), "own", netns->own,
                     "read", netns->read, "owner",
                     owner ? json_pack("{s:i, s:o}", "pid", (int)owner->pid, "exe", text_or_null(owner->exe)) : json_null());
}

int map_view_json(const struct map_view *view, struct view_out *out) {
    const struct map *map = view->map;
    bool first = true;
    int r = 0;

    view_out_printf(out, "{\"format\":\"%s\",\"version\":%d,\"netns\":[", MAP_JSON_FORMAT, MAP_JSON_VERSION);
    for (size_t i = 0; r == 0 && i < map->netns_count; i++)
        r = view_json_put(out, netns_json(map, &map->netns[i]), &first);
    view_out_puts(out, "],\n\"missing\":[");
    first = true;
    for (size_t i = 0; r == 0 && i < map->missing_count; i++)
        r = view_json_put(out,
                          json_pack("{s:s, s:s, s:o}", "what", map->missing[i].what, "why", map->missing[i].why, "remedy",
                                    text_or_null(map->missing[i].remedy)),
                          &first);
    view_out_puts(out, "],\n\"sockets\":[");
    first = true;
    for (size_t i = 0; r == 0 && i < view->count; i++)
        r = view_json_put(out, map_json_socket(map, view->sockets[i]), &first);
    view_out_puts(out, "]}\n");
    return r;
}

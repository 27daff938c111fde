/* map/view/listeners.c: listeners, what came from each, and how that is known. */
#include <errno.h>
#include <stdlib.h>

#include "map/model/select.h"
#include "map/view/cells.h"
#include "map/view/view.h"
#include "map/view/words.h"

/* What stands between a SYN and accept(2), in the order in which a connection goes through it. */
enum part { REQUEST, WAITING, ACCEPTED, PERHAPS, PARTS };

static const char *const titles[PARTS] = {"being made (request sockets)", "in the accept queue (not accepted yet)", "accepted",
                                          "perhaps from here, perhaps not"};

static enum part part_of(const struct map_socket *child) {
    if (child->listener.known == MAP_AMBIGUOUS)
        return PERHAPS;
    if (child->state == MAP_NEW_SYN_RECV || (child->state == MAP_SYN_RECV && child->inode == 0))
        return REQUEST;
    return child->flags & MAP_IS_WAITING ? WAITING : ACCEPTED;
}

static void put_child(const struct map *map, const struct map_socket *child, struct view_out *out) {
    char memory[4 * MAP_WORDS_MAX];
    struct kith_text text = kith_text_init(memory, sizeof(memory));

    kith_text_puts(&text, "    ");
    map_cell_remote(map, child, &text);
    kith_text_printf(&text, "  %s  ", map_state_name(child));
    map_holders_words(map, child, &text);
    if (child->peer.socket != MAP_NONE) {
        kith_text_puts(&text, child->peer.known == MAP_AMBIGUOUS ? "  <- perhaps " : "  <- ");
        map_holders_words(map, &map->sockets[child->peer.socket], &text);
    }
    kith_text_printf(&text, "  [%s: ", map_known_name(child->listener.known));
    kith_text_puts(&text, child->listener.why ? child->listener.why : "");
    kith_text_puts(&text, "]\n");
    view_out_puts(out, memory);
}

/* A unix client that waits has no server's end to be shown: it is shown itself. */
static void put_waiting_clients(const struct map *map, uint32_t listener, struct view_out *out, bool *titled) {
    for (uint32_t i = 0; i < map->socket_count; i++) {
        const struct map_socket *client = &map->sockets[i];
        char memory[MAP_WORDS_MAX];
        struct kith_text text = kith_text_init(memory, sizeof(memory));

        if (client->kind != MAP_UNIX || !(client->flags & MAP_IS_WAITING) || client->peer.socket != listener)
            continue;
        if (!*titled)
            view_out_printf(out, "  %s\n", titles[WAITING]);
        *titled = true;
        map_holders_words(map, client, &text);
        view_out_printf(out, "    #%llu  <- ", (unsigned long long)client->inode);
        view_out_puts(out, memory);
        view_out_printf(out, "  [%s: %s]\n", map_known_name(client->peer.known), client->peer.why);
    }
}

static void put_heading(const struct map *map, const struct map_socket *listener, struct view_out *out) {
    char memory[4 * MAP_WORDS_MAX];
    struct kith_text text = kith_text_init(memory, sizeof(memory));

    map_cell_socket(listener, &text);
    kith_text_putc(&text, ' ');
    map_address_words(map, listener, &listener->local, &text);
    kith_text_puts(&text, "  ");
    map_holders_words(map, listener, &text);
    if (listener->flags & MAP_HAS_BACKLOG)
        kith_text_printf(&text, "  accept queue %u of %u", listener->backlog, listener->backlog_limit);
    kith_text_printf(&text, "  came from it: %u", listener->child_count);
    if (listener->unsure > 0)
        kith_text_printf(&text, ", perhaps %u more", listener->unsure);
    kith_text_putc(&text, '\n');
    view_out_puts(out, memory);
}

/* What may have come from any of a group stands below its first one: once, however many they are. */
struct told {
    bool *children; /* of the view: it was shown */
    bool perhaps;   /* one that is not certain was */
};

static void put_listener(const struct map_view *view, uint32_t number, struct told *told, struct view_out *out) {
    const struct map *map = view->map;
    const struct map_socket *listener = &map->sockets[number];
    bool titled = false;

    put_heading(map, listener, out);
    for (int part = 0; part < PARTS; part++) {
        titled = false;
        if (part == WAITING && listener->kind == MAP_UNIX)
            put_waiting_clients(map, number, out, &titled);
        for (size_t i = 0; i < view->count; i++) {
            const struct map_socket *child = &map->sockets[view->sockets[i]];
            if (told->children[i] || child->listener.known == MAP_UNKNOWN || part_of(child) != (enum part)part ||
                !map_may_come_from(map, child, number))
                continue;
            if (!titled)
                view_out_printf(out, "  %s\n", titles[part]);
            titled = told->children[i] = true;
            put_child(map, child, out);
        }
    }
    if (!titled && listener->unsure > 0 && told->perhaps)
        view_out_printf(out, "  %s: shown above\n", titles[PERHAPS]);
    told->perhaps |= titled;
}

int map_view_listeners(const struct map_view *view, struct view_out *out) {
    _cleanup_(freep) bool *children = calloc(view->count + 1, sizeof(*children));
    struct told told = {.children = children};

    if (!children)
        return -ENOMEM;
    for (size_t i = 0; i < view->count; i++)
        if (view->map->sockets[view->sockets[i]].state == MAP_LISTEN)
            put_listener(view, view->sockets[i], &told, out);
    map_view_missing(view->map, out);
    return out->error;
}

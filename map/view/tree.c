/* map/view/tree.c: units, their processes, their sockets; what came from a listener lies below it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "map/view/cells.h"
#include "map/view/view.h"
#include "map/view/words.h"

struct leaf {
    const char *unit;
    uint32_t process;  /* MAP_NONE: nobody */
    uint32_t listener; /* of the same process, below which it lies, or MAP_NONE */
    size_t order;      /* in the view; of what lies below a listener, the listener's */
    size_t below;      /* 0: a listener or what lies below none; then the view's order + 1 */
    uint32_t socket;
};

static int compare(const void *a, const void *b) {
    const struct leaf *x = a, *y = b;

    if (!x->unit != !y->unit)
        return x->unit ? -1 : 1;
    int r = x->unit ? strcmp(x->unit, y->unit) : 0;
    if (r != 0)
        return r;
    if (x->process != y->process)
        return x->process < y->process ? -1 : 1;
    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    return (x->below > y->below) - (x->below < y->below);
}

static uint32_t first_process(const struct map *map, const struct map_socket *socket) {
    return socket->holder_count > 0 ? map->holders[socket->first_holder].process : MAP_NONE;
}

/* Where a socket of the view stands in it, or SIZE_MAX. */
static size_t *make_orders(const struct map_view *view) {
    size_t *orders = malloc((view->map->socket_count + 1) * sizeof(*orders));

    for (size_t i = 0; orders && i < view->map->socket_count; i++)
        orders[i] = SIZE_MAX;
    for (size_t i = 0; orders && i < view->count; i++)
        orders[view->sockets[i]] = i;
    return orders;
}

static struct leaf make_leaf(const struct map *map, uint32_t number, const size_t *orders) {
    const struct map_socket *socket = &map->sockets[number];
    uint32_t process = first_process(map, socket);
    struct leaf leaf = {
        .unit = map_socket_unit(map, socket), .process = process, .listener = MAP_NONE, .order = orders[number], .socket = number};

    if (socket->listener.known <= MAP_AMBIGUOUS)
        return leaf;
    const struct map_socket *listener = &map->sockets[socket->listener.socket];
    /* What waits has no process of its own: its listener's will get it. */
    bool waits =
        process == MAP_NONE && (socket->flags & MAP_IS_WAITING || socket->state == MAP_NEW_SYN_RECV || socket->state == MAP_SYN_RECV);
    if (orders[socket->listener.socket] == SIZE_MAX || (first_process(map, listener) != process && !waits))
        return leaf;
    leaf.unit = map_socket_unit(map, listener);
    leaf.process = first_process(map, listener);
    leaf.listener = socket->listener.socket;
    leaf.below = leaf.order + 1;
    leaf.order = orders[leaf.listener];
    return leaf;
}

static void put_socket(const struct map *map, const struct leaf *leaf, const char *indent, struct view_out *out) {
    const struct map_socket *socket = &map->sockets[leaf->socket];
    char memory[6 * MAP_WORDS_MAX], remote[MAP_WORDS_MAX], queues[64];
    struct kith_text text = kith_text_init(memory, sizeof(memory)), other = kith_text_init(remote, sizeof(remote)),
                     queue = kith_text_init(queues, sizeof(queues));

    map_cell_socket(socket, &text);
    kith_text_printf(&text, " %s ", map_state_name(socket));
    if (socket->local.form == MAP_NO_ADDRESS)
        kith_text_printf(&text, "#%llu", (unsigned long long)socket->inode);
    map_address_words(map, socket, &socket->local, &text);
    map_cell_remote(map, socket, &other);
    if (remote[0]) {
        kith_text_puts(&text, leaf->listener != MAP_NONE ? " <- " : " -> ");
        kith_text_puts(&text, remote);
    }
    if (socket->peer.socket != MAP_NONE) {
        kith_text_puts(&text, socket->peer.known == MAP_AMBIGUOUS ? "  perhaps " : "  ");
        map_holders_words(map, &map->sockets[socket->peer.socket], &text);
        kith_text_printf(&text, " (%s)", map_known_name(socket->peer.known));
    }
    map_cell_queues(socket, &queue);
    if (queues[0])
        kith_text_printf(&text, "  queue %s", queues);
    if (socket->holder_count == 0 && leaf->process != MAP_NONE) {
        kith_text_puts(&text, "  ");
        map_holders_words(map, socket, &text);
    }
    view_out_puts(out, indent);
    view_out_puts(out, memory);
    view_out_puts(out, "\n");
}

static void put_process(const struct map *map, const struct leaf *leaf, struct view_out *out) {
    char memory[MAP_WORDS_MAX];
    struct kith_text text = kith_text_init(memory, sizeof(memory));

    if (leaf->process == MAP_NONE) {
        view_out_puts(out, "  no process\n");
        return;
    }
    const struct map_process *process = &map->processes[leaf->process];
    map_process_words(process, &text);
    if (process->exe) {
        kith_text_putc(&text, ' ');
        kith_text_put_printable(&text, process->exe, strlen(process->exe));
    }
    view_out_puts(out, "  ");
    view_out_puts(out, memory);
    view_out_puts(out, "\n");
}

int map_view_tree(const struct map_view *view, struct view_out *out) {
    const struct map *map = view->map;
    _cleanup_(freep) size_t *orders = make_orders(view);
    _cleanup_(freep) struct leaf *leaves = calloc(view->count + 1, sizeof(*leaves));

    if (!orders || !leaves)
        return -ENOMEM;
    for (size_t i = 0; i < view->count; i++)
        leaves[i] = make_leaf(map, view->sockets[i], orders);
    qsort(leaves, view->count, sizeof(*leaves), compare);
    for (size_t i = 0; i < view->count && out->error == 0; i++) {
        const struct leaf *leaf = &leaves[i], *before = i > 0 ? &leaves[i - 1] : NULL;
        bool new_unit = !before || !leaf->unit != !before->unit || (leaf->unit && strcmp(leaf->unit, before->unit) != 0);
        if (new_unit) {
            view_out_name(out, leaf->unit ? leaf->unit : "no unit");
            view_out_puts(out, "\n");
        }
        if (new_unit || leaf->process != before->process)
            put_process(map, leaf, out);
        put_socket(map, leaf, leaf->listener != MAP_NONE ? "      " : "    ", out);
    }
    map_view_missing(map, out);
    return out->error;
}

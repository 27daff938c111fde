/* map/view/table.c: a line a socket: what it is, its ends, who has each. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "map/model/address.h"
#include "map/view/cells.h"
#include "map/view/view.h"
#include "map/view/words.h"

enum column { MARK, SOCKET, STATE, QUEUES, LOCAL, REMOTE, PROCESS, OTHER, COLUMNS };
_Static_assert(COLUMNS == MAP_TABLE_COLUMNS, "a width a column");

static const char *const headings[COLUMNS] = {"", "SOCKET", "STATE", "QUEUES", "LOCAL", "REMOTE", "PROCESS/FD", "OTHER END"};
/* A column is as wide as its widest cell, and no wider than this: a long path moves its own line only. */
#define WIDTH_MAX 48

static void put_other(const struct map *map, const struct map_socket *socket, struct kith_text *text) {
    if (socket->peer.socket == MAP_NONE)
        return;
    if (socket->peer.known == MAP_AMBIGUOUS)
        kith_text_puts(text, "perhaps ");
    map_holders_words(map, &map->sockets[socket->peer.socket], text);
    if (socket->peer.candidate_count > 0)
        kith_text_printf(text, " or %u others", socket->peer.candidate_count - 1);
}

void map_cell_socket(const struct map_socket *socket, struct kith_text *text) {
    char protocol[MAP_WORDS_MAX];
    struct kith_text words = kith_text_init(protocol, sizeof(protocol));

    map_protocol_words(socket, &words);
    kith_text_puts(text, map_kind_name(socket->kind));
    if (socket->family == AF_INET6 && socket->kind != MAP_RAW && socket->kind != MAP_PING)
        kith_text_putc(text, '6');
    if (socket->kind == MAP_UNIX || socket->kind == MAP_VSOCK)
        kith_text_printf(text, " %s", map_type_name(socket) ? map_type_name(socket) : "?");
    else if (protocol[0] && strcmp(protocol, map_kind_name(socket->kind)) != 0)
        kith_text_printf(text, " %s", protocol);
}

void map_cell_queues(const struct map_socket *socket, struct kith_text *text) {
    if (socket->flags & MAP_HAS_BACKLOG)
        kith_text_printf(text, "%u of %u", socket->backlog, socket->backlog_limit);
    else if (socket->receive_queue != 0 || socket->send_queue != 0)
        kith_text_printf(text, "%u/%u", socket->receive_queue, socket->send_queue);
}

void map_cell_remote(const struct map *map, const struct map_socket *socket, struct kith_text *text) {
    const struct map_socket *peer = socket->peer.socket == MAP_NONE ? NULL : &map->sockets[socket->peer.socket];

    if (socket->kind == MAP_UNIX && peer && peer->local.name)
        map_address_words(map, peer, &peer->local, text);
    else if (socket->kind == MAP_UNIX && peer)
        kith_text_printf(text, "#%llu", (unsigned long long)peer->inode);
    else if (socket->kind == MAP_NETLINK && socket->group_words > 0 && socket->remote.form == MAP_NO_ADDRESS)
        map_groups_words(map, socket, text);
    else if (!(map_address_is_ip(&socket->remote) && socket->remote.port == 0 && map_address_is_any(&socket->remote)))
        map_address_words(map, socket, &socket->remote, text);
}

static void put_local(const struct map *map, const struct map_socket *socket, struct kith_text *text) {
    if (socket->local.form == MAP_NO_ADDRESS && socket->inode != 0)
        kith_text_printf(text, "#%llu", (unsigned long long)socket->inode);
    else
        map_address_words(map, socket, &socket->local, text);
    if (socket->netns != 0) {
        const struct map_netns *netns = &map->netns[socket->netns];
        kith_text_puts(text, " in ");
        if (netns->name)
            kith_text_put_printable(text, netns->name, strlen(netns->name));
        else
            kith_text_printf(text, "netns %llu", (unsigned long long)netns->inode);
    }
}

static void put_cell(const struct map *map, const struct map_socket *socket, enum column column, struct kith_text *text) {
    switch (column) {
    case MARK:
        kith_text_puts(text, socket->flags & MAP_IS_BORN      ? "+"
                             : socket->flags & MAP_IS_GONE    ? "-"
                             : socket->flags & MAP_IS_CHANGED ? "*"
                                                              : "");
        break;
    case SOCKET:
        map_cell_socket(socket, text);
        break;
    case STATE:
        kith_text_puts(text, map_state_name(socket));
        break;
    case QUEUES:
        map_cell_queues(socket, text);
        break;
    case LOCAL:
        put_local(map, socket, text);
        break;
    case REMOTE:
        map_cell_remote(map, socket, text);
        break;
    case PROCESS:
        map_holders_words(map, socket, text);
        break;
    case OTHER:
        put_other(map, socket, text);
        break;
    case COLUMNS:
        break;
    }
}

/* Cells are written once: what is shown last decides how wide the first line is. */
static int add_cell(struct map_table *table, const char *text, size_t size) {
    if (table->used + size + 1 > table->room) {
        size_t room = (table->used + size + 1) * 2;
        char *grown = realloc(table->text, room);
        if (!grown)
            return -ENOMEM;
        table->text = grown;
        table->room = room;
    }
    memcpy(table->text + table->used, text, size + 1);
    table->used += size + 1;
    return 0;
}

void map_table_begin(struct map_table *table, bool marks) {
    *table = (struct map_table){.marks = marks};
    for (int c = 0; c < COLUMNS; c++)
        table->widths[c] = strlen(headings[c]);
    table->widths[MARK] = 1;
}

int map_table_add(struct map_table *table, const struct map_view *view) {
    char memory[MAP_WORDS_MAX];

    for (size_t i = 0; i < view->count; i++)
        for (int c = 0; c < COLUMNS; c++) {
            struct kith_text text = kith_text_init(memory, sizeof(memory));
            put_cell(view->map, &view->map->sockets[view->sockets[i]], (enum column)c, &text);
            size_t size = text.length < text.size ? text.length : text.size - 1, width = map_cell_width(memory);
            if (width > table->widths[c])
                table->widths[c] = width < WIDTH_MAX ? width : WIDTH_MAX;
            if (add_cell(table, memory, size) < 0)
                return -ENOMEM;
        }
    table->rows += view->count;
    return 0;
}

void map_table_put(struct map_table *table, bool heading, struct view_out *out) {
    struct map_cells cells = {.out = out};
    const char *cell = table->text;

    for (int c = table->marks ? MARK : SOCKET; heading && c < COLUMNS; c++)
        map_cells_put(&cells, headings[c], table->widths[c]);
    if (heading)
        map_cells_end(&cells);
    for (size_t i = 0; i < table->rows && out->error == 0; i++) {
        for (int c = 0; c < COLUMNS; c++) {
            if (c != MARK || table->marks)
                map_cells_put(&cells, cell, table->widths[c]);
            cell += strlen(cell) + 1;
        }
        map_cells_end(&cells);
    }
    free(table->text);
    table->text = NULL;
}

int map_view_table(const struct map_view *view, struct view_out *out) {
    struct map_table table;

    map_table_begin(&table, false);
    int r = map_table_add(&table, view);
    map_table_put(&table, true, out);
    map_view_missing(view->map, out);
    return r < 0 ? r : out->error;
}

void map_view_missing(const struct map *map, struct view_out *out) {
    for (size_t i = 0; i < map->missing_count; i++) {
        const struct map_missing *missing = &map->missing[i];
        view_out_printf(out, "# not shown: %s: %s%s%s\n", missing->what, missing->why, missing->remedy ? "; " : "",
                        missing->remedy ? missing->remedy : "");
    }
}

/* cli/map-kernel.c: kith map --kernel: what the kernel's own tables say of the sockets that are in the map already. */
#include <stdlib.h>

#include "base/error.h"
#include "cli/map.h"
#include "map/kernel/tables.h"
#include "map/model/array.h"

struct rows {
    struct map_kernel_row *rows;
    size_t count;
};

static int keep(const struct map_kernel_row *row, void *userdata) {
    struct rows *rows = userdata;

    int r = MAP_ARRAY_GROW(&rows->rows, rows->count);
    if (r == 0)
        rows->rows[rows->count++] = *row;
    return r;
}

static int compare_sockets(const void *a, const void *b) {
    const struct map_kernel_row *x = a, *y = b;
    return (x->socket > y->socket) - (x->socket < y->socket);
}

/* The cookie of the listener that a request socket names; 0: none. */
static uint64_t listener_of(const struct rows *rows, const struct map_kernel_row *row) {
    const struct map_kernel_row key = {.socket = row->request_listener};
    const struct map_kernel_row *listener =
        key.socket == 0 ? NULL : bsearch(&key, rows->rows, rows->count, sizeof(*rows->rows), compare_sockets);
    return listener ? listener->cookie : 0;
}

static bool has_limit(const struct map_kernel_row *row) {
    return row->state != MAP_NEW_SYN_RECV && row->state != MAP_TIME_WAIT && row->state != MAP_LISTEN;
}

/* Addresses of the kernel are compared, and stay within this map: no view prints them. */
int cli_map_visit_tables(void *userdata, struct map *map, uint32_t netns, struct kith_error *ret_error) {
    struct rows rows = {0};

    int r = map_kernel_tables_read(userdata, keep, &rows, ret_error);
    if (r == 0 && rows.count > 1)
        qsort(rows.rows, rows.count, sizeof(*rows.rows), compare_sockets);
    for (size_t i = 0; r == 0 && i < rows.count; i++) {
        const struct map_kernel_row *row = &rows.rows[i];
        r = map_add_kernel_fact(map, &(struct map_kernel_fact){.cookie = row->cookie,
                                                               .bind_bucket = row->bind_bucket,
                                                               .bind_node = row->bind_node,
                                                               .bind_next = row->bind_next,
                                                               .listener_cookie = listener_of(&rows, row),
                                                               .has_limit = has_limit(row),
                                                               .accept_limit = row->backlog_limit});
    }
    free(rows.rows);
    return r;
}

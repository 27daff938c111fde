/*
 * map/kernel/tables.c: reads what program/tables.bpf.c writes: rows, one after the other, from a descriptor that the kernel fills as it is
 * read.
 */
#include "map/kernel/tables.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "map/kernel/load.h"

/* The kernel gathers 8 pages at a time (bpf_seq_read): a larger buffer would not be filled. */
#define ROWS (8 * 4096 / sizeof(struct map_kernel_row))

struct map_kernel_tables {
    struct bpf_object *object;
    struct bpf_link *link;
};

struct map_kernel_tables *map_kernel_tables_free(struct map_kernel_tables *tables) {
    if (tables) {
        bpf_link__destroy(tables->link);
        bpf_object__close(tables->object);
    }
    free(tables);
    return NULL;
}

int map_kernel_tables_new(struct map_kernel_tables **ret_tables, struct kith_error *ret_error) {
    _cleanup_(map_kernel_tables_freep) struct map_kernel_tables *tables = calloc(1, sizeof(*tables));

    if (!tables)
        return kith_error_set(ret_error, -ENOMEM, "the kernel's tables: no memory");
    int r = map_kernel_open(&map_kernel_tables_program, &tables->object, ret_error);
    if (r < 0)
        return r;
    r = map_kernel_load(tables->object, ret_error);
    if (r < 0)
        return r;
    struct bpf_link *link = bpf_program__attach_iter(bpf_object__next_program(tables->object, NULL), NULL);
    r = (int)libbpf_get_error(link);
    if (r < 0)
        return map_kernel_explain(r, "a BPF iterator over TCP sockets", NULL, ret_error);
    tables->link = link;
    *ret_tables = KITH_STEAL(tables);
    return 0;
}

/* A part of the tables, up to *held octets of it from before: what is after the last whole row stays. Returns 0 at the end. */
static ssize_t read_rows(int fd, struct map_kernel_row rows[static ROWS], size_t *held) {
    ssize_t got;

    do
        got = read(fd, (char *)rows + *held, ROWS * sizeof(*rows) - *held);
    while (got < 0 && (errno == EINTR || errno == EAGAIN)); /* EAGAIN: bpf_seq_read() has passed the processor on for a while */
    if (got < 0)
        return -errno;
    *held += (size_t)got;
    return got;
}

int map_kernel_tables_read(struct map_kernel_tables *tables, map_kernel_row_fn fn, void *userdata, struct kith_error *ret_error) {
    _cleanup_(kith_closep) int fd = bpf_iter_create(bpf_link__fd(tables->link));
    _cleanup_(freep) struct map_kernel_row *rows = calloc(ROWS, sizeof(*rows));
    size_t held = 0;
    ssize_t got;

    if (!rows)
        return kith_error_set(ret_error, -ENOMEM, "the kernel's tables: no memory");
    if (fd < 0)
        return map_kernel_explain(fd, "reading the kernel's tables", NULL, ret_error);
    while ((got = read_rows(fd, rows, &held)) > 0) {
        size_t count = held / sizeof(*rows);
        for (size_t i = 0; i < count; i++) {
            int r = fn(&rows[i], userdata);
            if (r < 0)
                return r;
        }
        held -= count * sizeof(*rows);
        memmove(rows, rows + count, held);
    }
    return got < 0 ? map_kernel_explain((int)got, "reading the kernel's tables", NULL, ret_error) : 0;
}

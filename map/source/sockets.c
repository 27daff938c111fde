/* map/source/sockets.c: the sockets of the namespace that this thread is in: sock_diag's dumps, and /proc/net where there is none. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>

#include "base/fd.h"
#include "map/source/internal.h"

/* A line of /proc/net: a path of 108 octets, or two addresses and numbers. */
#define LINES_MAX ((size_t)256 * 1024 * 1024)

struct reading {
    struct map *map;
    const struct map_wanted *wanted;
    uint32_t netns;
    const struct map_dump *dump;
    bool dumped;         /* the last row was told of by a dump */
    uint32_t own_portid; /* of the socket that asks, which is no part of what is looked at */
    struct map_decoded decoded;
    struct map_fact *facts; /* of the socket that is being read: its row comes before them */
    size_t fact_count;
};

static int keep(struct reading *reading) {
    reading->decoded.socket.netns = reading->netns;
    uint32_t number;
    int r = map_add_socket(reading->map, &reading->decoded.socket, &number);
    for (size_t i = 0; i < reading->fact_count; i++) {
        const struct map_fact *fact = &reading->facts[i];
        if (r == 0)
            r = map_add_fact(reading->map, number, fact->group, fact->name, fact->text, fact->number);
        free((char *)fact->text);
    }
    reading->fact_count = 0;
    return r;
}

static int take_fact(void *userdata, const char *group, const char *name, const char *text, bool number) {
    struct reading *reading = userdata;
    struct map_fact *grown = reallocarray(reading->facts, reading->fact_count + 1, sizeof(*grown));
    char *copy = grown ? strdup(text) : NULL;

    if (grown)
        reading->facts = grown;
    if (!copy)
        return -ENOMEM;
    reading->facts[reading->fact_count++] = (struct map_fact){.group = group, .name = name, .text = copy, .number = number};
    return 0;
}

/* Is it the one whose facts are wanted? */
static bool is_wanted(const struct reading *reading) {
    const struct map_wanted *wanted = reading->wanted;
    const struct map_socket *socket = &reading->decoded.socket;

    if (wanted->depth != MAP_FULL)
        return false;
    return wanted->fact_cookie != 0 ? socket->cookie == wanted->fact_cookie
                                    : wanted->fact_inode != 0 && socket->inode == wanted->fact_inode;
}

static int take_answer(const struct nlmsghdr *answer, void *userdata) {
    struct reading *reading = userdata;
    const struct map_socket *socket = &reading->decoded.socket;
    int r = reading->dump->decode(reading->dump, answer, &reading->decoded);

    if (r == -EBADMSG ||
        (r == 0 && socket->kind == MAP_NETLINK && socket->protocol == NETLINK_SOCK_DIAG && socket->local.number == reading->own_portid))
        return 0;
    if (r == 0 && is_wanted(reading)) {
        reading->decoded.fact = take_fact;
        r = reading->dump->decode(reading->dump, answer, &reading->decoded);
        reading->decoded.fact = NULL;
    }
    return r < 0 ? r : keep(reading);
}

/* Kernels answer with -ENOENT or -EINVAL to a family that they do not know, and with -EOPNOTSUPP where it is not built in. */
static bool is_unknown(int error) {
    return error == -ENOENT || error == -EINVAL || error == -EOPNOTSUPP || error == -EPROTONOSUPPORT || error == -EAFNOSUPPORT;
}

static int read_lines(struct reading *reading) {
    char path[64];
    _cleanup_(freep) char *text = NULL;

    if (!reading->dump->proc)
        return -ENOENT;
    snprintf(path, sizeof(path), "/proc/thread-self/net/%s", reading->dump->proc);
    int r = kith_file_read(AT_FDCWD, path, LINES_MAX, &text, NULL);
    for (char *rest = text, *line; r == 0 && (line = strsep(&rest, "\n"));)
        if (reading->dump->decode_line(reading->dump, line, &reading->decoded) == 0)
            r = keep(reading);
    return r;
}

static int read_dump(struct reading *reading, struct map_ask *ask, enum map_depth depth) {
    int r = -ENOENT;

    if (ask->socket && reading->dump->ask) {
        struct nlmsghdr *request = map_ask_begin(ask, SOCK_DIAG_BY_FAMILY);
        reading->dump->ask(reading->dump, depth, request);
        r = map_ask_dump(ask, request, take_answer, reading);
    }
    reading->dumped = r == 0;
    return is_unknown(r) ? read_lines(reading) : r;
}

/* A family that the kernel was built without has no sockets; one that only lacks sock_diag shows in the descriptors (MAP_OTHER). So there
 * is nothing to be said of either unless somebody asks for it. */
static int say_missing(struct map *map, const struct map_dump *dump, const struct map_wanted *wanted, int error) {
    char what[64];

    snprintf(what, sizeof(what), "%s sockets", dump->name);
    if (error == -ENOENT)
        return wanted->kinds == 0
                   ? 0
                   : map_add_missing(map, what, "the kernel has neither sock_diag nor a file in /proc/net for them", "load the module");
    if (error == -ETIME)
        return map_add_missing(map, what, "the kernel did not answer in time", NULL);
    return map_add_missing(map, what, "the kernel does not tell of them (a security module, or a container)", "run outside of it");
}

int map_read_sockets(struct map *map, uint32_t netns, const struct map_wanted *wanted) {
    struct reading reading = {.map = map, .wanted = wanted, .netns = netns};
    struct map_ask ask;

    int r = map_ask_open(&ask, NETLINK_SOCK_DIAG);
    if (r == -ENOMEM)
        return r;
    reading.own_portid = ask.socket ? mnl_socket_get_portid(ask.socket) : 0;
    reading.decoded.userdata = &reading;
    r = 0;
    for (size_t i = 0; r == 0 && i < map_dump_count; i++) {
        reading.dump = &map_dumps[i];
        if ((wanted->kinds != 0 && !(wanted->kinds & 1U << reading.dump->kind)) || (reading.dump->with_last && reading.dumped))
            continue;
        r = read_dump(&reading, &ask, wanted->depth);
        if (r < 0 && r != -ENOMEM)
            r = say_missing(map, reading.dump, wanted, r);
    }
    map_ask_close(&ask);
    map_decoded_deinit(&reading.decoded);
    while (reading.fact_count > 0)
        free((char *)reading.facts[--reading.fact_count].text);
    free(reading.facts);
    return r;
}

/*
 * fuzz-map-netlink.c: answers of sock_diag, of routing and of generic netlink, and lines of /proc/net, that may be anything: read without
 * looking beyond them, and what they say is joined and shown; every link of the map leads to a socket of it.
 *
 * The input is a row of answers, each behind an octet that says whose it is: bits 0 to 5 the row of map_dumps, or one of the others below;
 * bit 7: facts are wanted; bit 6: what follows, up to a NUL, is a line of /proc/net. An answer is as long as its header says, at most what
 * is left.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libmnl/libmnl.h>

#include "fuzz.h"
#include "map/model/diff.h"
#include "map/model/select.h"
#include "map/netlink/netlink.h"
#include "map/view/graph.h"
#include "map/view/view.h"

#define WHOSE 0x3f
#define LINE 0x40
#define FACTS 0x80
#define SOCKETS_MAX 2000

struct reading {
    struct map *map;
    uint32_t socket;
    struct map_decoded decoded;
};

static void must(int r) {
    if (r < 0) {
        fprintf(stderr, "failed: %d\n", r);
        abort();
    }
}

static int count_octets(void *userdata, const void *data, size_t size) {
    *(size_t *)userdata += size;
    return 0;
}

static int take_fact(void *userdata, const char *group, const char *name, const char *text, bool number) {
    if (number != (strspn(text, "0123456789") == strlen(text) && text[0]) && number)
        abort();
    return group && name ? 0 : -EINVAL;
}

static int take_group(void *userdata, const char *family, uint32_t number, const char *name) {
    struct reading *reading = userdata;
    return map_add_genl_group(reading->map, 0, number, family, name);
}

static void keep(struct reading *reading, uint8_t whose) {
    reading->decoded.socket.netns = whose & FACTS ? 1 : 0;
    must(map_add_socket(reading->map, &reading->decoded.socket, &reading->socket));
    must(map_add_fact(reading->map, reading->socket, "fuzz", "whose", "1", true));
    must(map_add_holder(reading->map, reading->decoded.socket.inode, reading->socket % 3, (int)reading->socket));
    if (reading->decoded.socket.cookie % 5 == 1)
        must(map_add_exact(reading->map, reading->decoded.socket.cookie, reading->decoded.socket.cookie + 1));
    must(map_add_kernel_fact(reading->map, &(struct map_kernel_fact){.cookie = reading->decoded.socket.cookie,
                                                                     .bind_bucket = reading->decoded.socket.local.port,
                                                                     .bind_node = reading->decoded.socket.inode,
                                                                     .bind_next = reading->decoded.socket.receive_queue,
                                                                     .listener_cookie = reading->decoded.socket.send_queue,
                                                                     .has_limit = whose & 1,
                                                                     .accept_limit = reading->decoded.socket.backlog_limit}));
}

static void take_other(struct reading *reading, size_t which, const struct nlmsghdr *answer) {
    struct map_address address;
    const char *name;
    uint32_t number;

    if (which == 0)
        map_genl_decode(answer, take_group, reading);
    else if (which == 1 && map_link_decode(answer, &number, &name) == 0)
        must(map_add_interface(reading->map, 0, number, name));
    else if (which == 2 && map_local_decode(answer, &address) == 0)
        must(map_add_local(reading->map, 0, &address));
}

static void take_answer(struct reading *reading, uint8_t whose, const struct nlmsghdr *answer) {
    size_t which = whose & WHOSE;

    if (which >= map_dump_count) {
        take_other(reading, which - map_dump_count, answer);
        return;
    }
    reading->decoded.fact = whose & FACTS ? take_fact : NULL;
    if (map_dumps[which].decode && map_dumps[which].decode(&map_dumps[which], answer, &reading->decoded) == 0)
        keep(reading, whose);
}

static size_t take_line(struct reading *reading, uint8_t whose, const uint8_t *data, size_t size) {
    size_t length = strnlen((const char *)data, size);
    char *line = strndup((const char *)data, length);
    const struct map_dump *dump = &map_dumps[(whose & WHOSE) % map_dump_count];

    if (dump->decode_line && dump->decode_line(dump, line, &reading->decoded) == 0)
        keep(reading, whose);
    if (whose & FACTS)
        (void)map_add_claim(reading->map, 0, line);
    free(line);
    return length < size ? length + 1 : size;
}

/* In a block of its own size: what is read beyond an answer is seen. */
static size_t take_piece(struct reading *reading, uint8_t whose, const uint8_t *data, size_t size) {
    struct nlmsghdr header;

    if (whose & LINE)
        return take_line(reading, whose, data, size);
    if (size < sizeof(header))
        return size;
    memcpy(&header, data, sizeof(header));
    size_t length = header.nlmsg_len < sizeof(header) ? sizeof(header) : header.nlmsg_len < size ? header.nlmsg_len : size;
    /* Messages are padded (NLMSG_ALIGN), and libmnl reckons with it. */
    struct nlmsghdr *answer = calloc(1, MNL_ALIGN(length));
    memcpy(answer, data, length);
    answer->nlmsg_len = (uint32_t)length;
    take_answer(reading, whose, answer);
    free(answer);
    return length;
}

static void check_link(const struct map *map, const struct map_link *link) {
    if ((link->socket != MAP_NONE && link->socket >= map->socket_count) || (link->known > MAP_UNKNOWN && link->socket == MAP_NONE))
        abort();
    for (uint32_t i = 0; i < link->candidate_count; i++)
        if (link->known != MAP_AMBIGUOUS || map->candidates[link->first + i] >= map->socket_count)
            abort();
    if (link->candidate_count > 0 && map->candidates[link->first] != link->socket)
        abort();
}

static void view(const struct map *map, const struct map_select *select) {
    _cleanup_(freep) uint32_t *sockets = NULL;
    struct map_view view = {.map = map};
    struct view_out *out = malloc(sizeof(*out));
    size_t octets = 0;

    must(map_select(map, select, &sockets, &view.count));
    view.sockets = sockets;
    view_out_init(out, count_octets, &octets);
    must(map_view_table(&view, out));
    must(map_view_tree(&view, out));
    must(map_view_listeners(&view, out));
    must(map_view_json(&view, out));
    must(map_view_graph(&view, &(struct map_graph_options){.by = (enum map_by)(map->socket_count % 4), .nodes = 5}, out));
    if (view.count > 0)
        must(map_view_socket(map, view.sockets[0], out));
    free(out);
}

static struct map *read_map(const uint8_t *data, size_t size) {
    static const uint64_t seed[2] = {1, 2};
    struct reading reading = {0};

    must(map_new(seed, &reading.map));
    must(map_add_netns(reading.map, &(struct map_netns){.inode = 1, .own = true, .owner = MAP_NONE}, NULL));
    must(map_add_netns(reading.map, &(struct map_netns){.inode = 2, .name = "two", .owner = MAP_NONE}, NULL));
    for (pid_t pid = 1; pid <= 3; pid++)
        must(map_add_process(reading.map, &(struct map_process){.pid = pid, .comm = "p", .unit = pid == 2 ? "u.service" : NULL}, NULL));
    while (size > 1 && reading.map->socket_count < SOCKETS_MAX) {
        size_t used = take_piece(&reading, data[0], data + 1, size - 1);
        data += used + 1;
        size -= used + 1;
    }
    map_decoded_deinit(&reading.decoded);
    must(map_join(reading.map));
    return reading.map;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    _cleanup_(map_freep) struct map *map = read_map(data, size), *again = read_map(data, size / 2);

    for (size_t i = 0; i < map->socket_count; i++) {
        check_link(map, &map->sockets[i].peer);
        check_link(map, &map->sockets[i].listener);
        if (map->sockets[i].first_holder + map->sockets[i].holder_count > map->holder_count)
            abort();
    }
    map_diff(again, map);
    view(map, &(struct map_select){0});
    if (map->socket_count > 0)
        view(map, &(struct map_select){.listener = map->sockets[0].local, .pid = 2});
    return 0;
}

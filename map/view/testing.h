/*
 * map/view/testing.h: a small host for tests of views; they include sys/socket.h before it.
 *
 *     1  tcp listener 0.0.0.0:80    nginx[10] of www.service
 *     2  accepted from it           nginx[10]     <- 3, curl[11] of no unit
 *     4  in its accept queue        nobody        <- 5, curl[11]
 *     6  unix listener /run/db      db[12] of db.service
 *     7  accepted from it           db[12]        <- 8, nginx[10]
 *     9  tcp to another host        nginx[10]     192.0.2.1:443
 *    10  a netlink socket of the kernel
 */
#ifndef KITH_MAP_VIEW_TESTING_H
#define KITH_MAP_VIEW_TESTING_H

#include "map/model/select.h"
#include "map/model/testing.h"
#include "map/view/view.h"
#include "view/testing-out.h"

static inline struct map *sample_host(void) {
    static const struct map_process processes[] = {
        {.pid = 10, .uid = 33, .comm = "nginx", .exe = "/usr/sbin/nginx", .unit = "www.service", .cgroup = "/system.slice/www.service"},
        {.pid = 11, .uid = 1000, .comm = "curl", .exe = "/usr/bin/curl"},
        {.pid = 12, .uid = 44, .comm = "db", .exe = "/usr/bin/db", .unit = "db.service"},
    };
    static const uint32_t holder_of[] = {
        [1] = 0, [2] = 0, [3] = 1, [4] = MAP_NONE, [5] = 1, [6] = 2, [7] = 2, [8] = 0, [9] = 0, [10] = MAP_NONE};
    struct map *map = map_make();
    struct map_socket waits = tcp(4, MAP_ESTABLISHED, LOOPBACK(80), LOOPBACK(41)), listener = listening(1, ANY4(80));

    listener.backlog = 1;
    waits.inode = 0;
    map_put(map, listener);
    map_put(map, tcp(2, MAP_ESTABLISHED, LOOPBACK(80), LOOPBACK(40)));
    map_put(map, tcp(3, MAP_ESTABLISHED, LOOPBACK(40), LOOPBACK(80)));
    map_put(map, waits);
    map_put(map, tcp(5, MAP_ESTABLISHED, LOOPBACK(41), LOOPBACK(80)));
    map_put(map, unix_socket(6, MAP_LISTEN, path("/run/db"), 0));
    map_put(map, unix_socket(7, MAP_ESTABLISHED, path("/run/db"), 8));
    map_put(map, unix_socket(8, MAP_ESTABLISHED, (struct map_address){0}, 7));
    map_put(map, tcp(9, MAP_ESTABLISHED, ip4(10, 0, 0, 1, 50), ip4(192, 0, 2, 1, 443)));
    map_put(map, (struct map_socket){.kind = MAP_NETLINK,
                                     .family = AF_NETLINK,
                                     .state = MAP_CLOSE,
                                     .type = SOCK_RAW,
                                     .inode = 10,
                                     .cookie = 10,
                                     .local = {.form = MAP_PORTID}});
    for (size_t i = 0; i < KITH_ARRAY_SIZE(processes); i++)
        assert_int_equal(map_add_process(map, &processes[i], NULL), 0);
    for (uint64_t i = 1; i < KITH_ARRAY_SIZE(holder_of); i++)
        if (holder_of[i] != MAP_NONE)
            assert_int_equal(map_add_holder(map, i, holder_of[i], (int)i + 20), 0);
    return map;
}

/* All of the map, selected; its memory goes with whole_free(). */
static inline struct map_view whole(const struct map *map) {
    struct map_view view = {.map = map};
    uint32_t *sockets;

    assert_int_equal(map_select(map, &(struct map_select){0}, &sockets, &view.count), 0);
    view.sockets = sockets;
    return view;
}

static inline void whole_free(struct map_view *view) {
    free((void *)view->sockets);
    map_free((struct map *)view->map);
}

static inline int ended(int r, struct view_out *out) {
    int finished = view_out_finish(out);
    return r < 0 ? r : finished;
}

#endif

/* map/model/testing.h: rows of a map in a line each, for unit tests, which include sys/socket.h before it. Not part of the program. */
#ifndef KITH_MAP_MODEL_TESTING_H
#define KITH_MAP_MODEL_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "map/model/map.h"

/* An empty map of two namespaces, 0 (ours) and 1. */
static inline struct map *map_make(void) {
    static const uint64_t seed[2] = {3, 4};
    struct map *map;

    assert_int_equal(map_new(seed, &map), 0);
    assert_int_equal(map_add_netns(map, &(struct map_netns){.inode = 100, .own = true, .owner = MAP_NONE}, NULL), 0);
    assert_int_equal(map_add_netns(map, &(struct map_netns){.inode = 200, .name = "blue", .owner = MAP_NONE}, NULL), 0);
    return map;
}

static inline struct map_address ip4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint32_t port) {
    return (struct map_address){.form = MAP_INET, .octets = {a, b, c, d}, .port = port};
}

/* ::ffff:a.b.c.d */
static inline struct map_address mapped(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint32_t port) {
    return (struct map_address){.form = MAP_INET6, .octets = {[10] = 0xff, [11] = 0xff, a, b, c, d}, .port = port};
}

/* fe80::last; 0: :: */
static inline struct map_address ip6(uint8_t last, uint32_t port) {
    return (struct map_address){.form = MAP_INET6, .octets = {last ? 0xfe : 0, last ? 0x80 : 0, [15] = last}, .port = port};
}

static inline struct map_address path(const char *name) {
    return (struct map_address){.form = MAP_PATH, .name = name, .name_size = strlen(name)};
}

static inline struct map_address abstract(const char *name) {
    return (struct map_address){.form = MAP_ABSTRACT, .name = name, .name_size = strlen(name)};
}

#define LOOPBACK(port) ip4(127, 0, 0, 1, port)
#define ANY4(port) ip4(0, 0, 0, 0, port)
#define ANY6(port) ip6(0, port)

/* Cookie and inode are `number`; 0 in inode is said by the caller. */
static inline struct map_socket tcp(uint64_t number, enum map_state state, struct map_address local, struct map_address remote) {
    return (struct map_socket){.kind = MAP_TCP,
                               .state = state,
                               .family = local.form == MAP_INET6 ? AF_INET6 : AF_INET,
                               .type = SOCK_STREAM,
                               .inode = number,
                               .cookie = number,
                               .local = local,
                               .remote = remote};
}

static inline struct map_socket udp(uint64_t number, struct map_address local, struct map_address remote) {
    struct map_socket socket = tcp(number, remote.port ? MAP_ESTABLISHED : MAP_CLOSE, local, remote);
    socket.kind = MAP_UDP;
    socket.type = SOCK_DGRAM;
    return socket;
}

static inline struct map_socket listening(uint64_t number, struct map_address local) {
    struct map_socket socket = tcp(number, MAP_LISTEN, local, local.form == MAP_INET6 ? ANY6(0) : ANY4(0));
    socket.flags = MAP_HAS_BACKLOG;
    socket.backlog_limit = 128;
    return socket;
}

static inline struct map_socket unix_socket(uint64_t number, enum map_state state, struct map_address local, uint64_t peer) {
    return (struct map_socket){.kind = MAP_UNIX,
                               .state = state,
                               .family = AF_UNIX,
                               .type = SOCK_STREAM,
                               .inode = number,
                               .cookie = number,
                               .local = local,
                               .peer_inode = peer,
                               .path_inode = local.form == MAP_PATH ? 7 : 0};
}

static inline void map_put(struct map *map, struct map_socket socket) {
    assert_int_equal(map_add_socket(map, &socket, NULL), 0);
}

static inline void map_end(struct map *map) {
    assert_int_equal(map_join(map), 0);
}

/* The socket with this cookie, which must be there. */
static inline struct map_socket *map_get(const struct map *map, uint64_t cookie) {
    uint32_t found = map_find_cookie(map, cookie);

    assert_int_not_equal(found, MAP_NONE);
    return &map->sockets[found];
}

/* 0: none. */
static inline uint64_t cookie_of_link(const struct map *map, const struct map_link *link) {
    return link->socket == MAP_NONE ? 0 : map->sockets[link->socket].cookie;
}

static inline void assert_link_(const struct map *map, const struct map_link *link, enum map_known known, uint64_t cookie, const char *file,
                                int line) {
    _assert_int_equal(link->known, known, file, line);
    _assert_int_equal(cookie_of_link(map, link), cookie, file, line);
}
#define assert_link(map, link, known, cookie) assert_link_(map, link, known, cookie, __FILE__, __LINE__)

/* All candidates, best first, ended by 0. */
static inline void assert_candidates(const struct map *map, const struct map_link *link, const uint64_t *cookies) {
    uint32_t count = 0;

    assert_int_equal(link->known, MAP_AMBIGUOUS);
    for (; cookies[count]; count++) {
        assert_true(count < link->candidate_count);
        assert_int_equal(map->sockets[map->candidates[link->first + count]].cookie, cookies[count]);
    }
    assert_int_equal(link->candidate_count, count);
}
#define CANDIDATES(...) ((const uint64_t[]){__VA_ARGS__, 0})

#endif

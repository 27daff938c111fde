/* Whatever the rows are, what the joined map promises (map.h) holds: rows at random from few addresses, so that much of it fits. */
#include <stdio.h>
#include <sys/socket.h>

#include "map/model/diff.h"
#include "map/model/select.h"
#include "map/model/testing.h"

#define MAPS 3000
#define ROWS_MAX 40

/* splitmix64: the same rows on every machine. */
static uint64_t random_next(uint64_t *seed) {
    uint64_t z = *seed += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static uint32_t below(uint64_t *seed, uint32_t limit) {
    return (uint32_t)(random_next(seed) % limit);
}

static struct map_address any_host(uint64_t *seed, uint32_t port) {
    switch (below(seed, 6)) {
    case 0:
        return LOOPBACK(port);
    case 1:
        return ANY4(port);
    case 2:
        return ANY6(port);
    case 3:
        return mapped(127, 0, 0, 1, port);
    case 4:
        return ip6(1, port);
    default:
        return ip4(10, 0, 0, 1, port);
    }
}

static struct map_address any_name(uint64_t *seed) {
    static const char *const names[] = {"/run/a", "/run/b"};
    uint32_t which = below(seed, 5);

    if (which == 4)
        return (struct map_address){0};
    return which < 2 ? path(names[which]) : abstract(names[which - 2]);
}

static struct map_socket any_socket(uint64_t *seed, uint64_t *waiting) {
    uint64_t number = 1 + below(seed, 2 * ROWS_MAX);
    enum map_state state = (enum map_state)below(seed, MAP_STATES_);
    struct map_socket socket;

    if (below(seed, 4) == 0) {
        socket = unix_socket(number, state, any_name(seed), below(seed, 2 * ROWS_MAX));
        *waiting = 1 + below(seed, 2 * ROWS_MAX);
        socket.waiting = waiting;
        socket.waiting_count = below(seed, 2);
    } else if (below(seed, 3) == 0) {
        socket = listening(number, any_host(seed, 1 + below(seed, 3)));
    } else {
        socket = tcp(number, state, any_host(seed, 1 + below(seed, 3)), any_host(seed, below(seed, 4)));
        socket.kind = (enum map_kind)below(seed, MAP_PING + 1);
    }
    if (below(seed, 8) == 0)
        socket.inode = 0;
    socket.netns = below(seed, 2);
    if (below(seed, 6) == 0)
        socket.flags |= MAP_IS_IPV6_ONLY;
    return socket;
}

static struct map *any_map(uint64_t seed) {
    struct map *map = map_make();
    uint32_t rows = below(&seed, ROWS_MAX);
    uint64_t waiting;

    for (pid_t pid = 1; pid <= 3; pid++)
        assert_int_equal(map_add_process(map, &(struct map_process){.pid = pid, .comm = "p"}, NULL), 0);
    assert_int_equal(map_add_local(map, below(&seed, 2), &(struct map_address){.form = MAP_INET, .octets = {10, 0, 0, 1}}), 0);
    for (uint32_t i = 0; i < rows; i++) {
        map_put(map, any_socket(&seed, &waiting));
        assert_int_equal(map_add_holder(map, 1 + below(&seed, 2 * ROWS_MAX), below(&seed, 3), (int)below(&seed, 4)), 0);
        if (below(&seed, 8) == 0)
            assert_int_equal(map_add_exact(map, 1 + below(&seed, 2 * ROWS_MAX), 1 + below(&seed, 2 * ROWS_MAX)), 0);
        if (below(&seed, 2) == 0)
            assert_int_equal(map_add_kernel_fact(map, &(struct map_kernel_fact){.cookie = 1 + below(&seed, 2 * ROWS_MAX),
                                                                                .bind_bucket = 1 + below(&seed, 3),
                                                                                .bind_node = 1 + below(&seed, 9),
                                                                                .bind_next = below(&seed, 10),
                                                                                .listener_cookie = below(&seed, 2 * ROWS_MAX),
                                                                                .has_limit = below(&seed, 2),
                                                                                .accept_limit = below(&seed, 2)}),
                             0);
    }
    map_end(map);
    return map;
}

static void check_link(const struct map *map, const struct map_link *link) {
    assert_int_equal(link->known != MAP_UNKNOWN, link->socket != MAP_NONE);
    assert_true(link->socket == MAP_NONE || link->socket < map->socket_count);
    assert_true(link->candidate_count == 0 || link->known == MAP_AMBIGUOUS);
    assert_true(link->first + link->candidate_count <= map->candidate_count);
    for (uint32_t i = 0; i < link->candidate_count; i++) {
        const uint32_t *candidates = map->candidates + link->first;
        assert_true(candidates[i] < map->socket_count);
        for (uint32_t k = 0; k < i; k++)
            assert_int_not_equal(candidates[k], candidates[i]);
    }
    if (link->candidate_count > 0)
        assert_int_equal(map->candidates[link->first], link->socket);
}

static void test_links_and_candidates_are_sockets_of_the_map(void **state) {
    for (uint64_t seed = 0; seed < MAPS; seed++) {
        struct map *map = any_map(seed);
        for (size_t i = 0; i < map->socket_count; i++) {
            check_link(map, &map->sockets[i].peer);
            check_link(map, &map->sockets[i].listener);
        }
        map_free(map);
    }
}

static bool leads_to(const struct map *map, const struct map_link *link, uint32_t socket) {
    bool found = link->socket == socket;

    for (uint32_t i = 0; i < link->candidate_count; i++)
        found = found || map->candidates[link->first + i] == socket;
    return found;
}

static void test_within_a_namespace_the_peer_of_a_tcp_socket_leads_back(void **state) {
    size_t pairs = 0;

    for (uint64_t seed = 0; seed < MAPS; seed++) {
        struct map *map = any_map(seed);
        for (uint32_t i = 0; i < map->socket_count; i++) {
            const struct map_socket *socket = &map->sockets[i];
            if (socket->kind != MAP_TCP || socket->peer.known != MAP_MATCHED)
                continue;
            const struct map_socket *other = &map->sockets[socket->peer.socket];
            assert_int_equal(other->kind, MAP_TCP);
            if (other->netns != socket->netns)
                continue;
            assert_true(leads_to(map, &other->peer, i));
            pairs++;
        }
        map_free(map);
    }
    assert_true(pairs > 0);
}

static void test_a_cookie_is_there_once_in_a_namespace_and_holders_are_in_order(void **state) {
    for (uint64_t seed = 0; seed < MAPS; seed++) {
        struct map *map = any_map(seed);
        for (size_t i = 0; i < map->socket_count; i++) {
            const struct map_socket *socket = &map->sockets[i];
            for (size_t k = 0; k < i; k++)
                assert_true(map->sockets[k].kind != socket->kind || map->sockets[k].netns != socket->netns ||
                            map->sockets[k].cookie != socket->cookie);
            assert_true(socket->first_holder + socket->holder_count <= map->holder_count);
            for (uint32_t k = 1; k < socket->holder_count; k++) {
                const struct map_holder *x = &map->holders[socket->first_holder + k - 1], *y = x + 1;
                assert_true(x->process < y->process || (x->process == y->process && x->fd <= y->fd));
            }
        }
        map_free(map);
    }
}

static void test_a_map_differs_from_its_like_in_nothing_and_all_of_it_is_chosen(void **state) {
    for (uint64_t seed = 0; seed < MAPS; seed++) {
        struct map *before = any_map(seed), *after = any_map(seed);
        uint32_t *sockets;
        size_t count;

        map_diff(before, after);
        for (size_t i = 0; i < after->socket_count; i++)
            assert_int_equal((before->sockets[i].flags | after->sockets[i].flags) & (MAP_IS_BORN | MAP_IS_GONE | MAP_IS_CHANGED), 0);
        assert_int_equal(map_select(after, &(struct map_select){0}, &sockets, &count), 0);
        assert_int_equal(count, after->socket_count);
        free(sockets);
        map_free(before);
        map_free(after);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_links_and_candidates_are_sockets_of_the_map),
        cmocka_unit_test(test_within_a_namespace_the_peer_of_a_tcp_socket_leads_back),
        cmocka_unit_test(test_a_cookie_is_there_once_in_a_namespace_and_holders_are_in_order),
        cmocka_unit_test(test_a_map_differs_from_its_like_in_nothing_and_all_of_it_is_chosen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

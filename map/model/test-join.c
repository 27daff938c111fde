/* Each socket once, and who holds it. */
#include <sys/socket.h>

#include "map/model/join.h"
#include "map/model/testing.h"

static void test_a_socket_that_was_told_of_twice_is_there_once(void **state) {
    struct map *map = map_make();

    map_put(map, tcp(1, MAP_SYN_SENT, LOOPBACK(40), LOOPBACK(80)));
    map_put(map, tcp(1, MAP_ESTABLISHED, LOOPBACK(40), LOOPBACK(80)));
    map_end(map);
    assert_int_equal(map->socket_count, 1);
    assert_int_equal(map->sockets[0].state, MAP_ESTABLISHED);
    map_free(map);
}

/* It has another cookie, but the four numbers are those of one connection. */
static void test_a_request_that_became_a_connection_is_there_once(void **state) {
    struct map *map = map_make();
    struct map_socket request = tcp(1, MAP_NEW_SYN_RECV, LOOPBACK(80), LOOPBACK(40));

    request.inode = 0;
    map_put(map, request);
    map_put(map, tcp(2, MAP_ESTABLISHED, LOOPBACK(80), LOOPBACK(40)));
    map_put(map, tcp(3, MAP_ESTABLISHED, LOOPBACK(40), LOOPBACK(80))); /* its other end is another socket */
    map_end(map);
    assert_int_equal(map->socket_count, 2);
    assert_int_equal(map_find_cookie(map, 1), MAP_NONE);
    map_free(map);
}

static void test_one_address_in_two_namespaces_is_two_sockets(void **state) {
    struct map *map = map_make();
    struct map_socket other = tcp(2, MAP_ESTABLISHED, LOOPBACK(80), LOOPBACK(40));

    other.netns = 1;
    map_put(map, tcp(1, MAP_ESTABLISHED, LOOPBACK(80), LOOPBACK(40)));
    map_put(map, other);
    map_end(map);
    assert_int_equal(map->socket_count, 2);
    map_free(map);
}

static void test_listeners_of_one_port_are_not_one(void **state) {
    struct map *map = map_make();

    map_put(map, listening(1, LOOPBACK(80)));
    map_put(map, listening(2, LOOPBACK(80)));
    map_end(map);
    assert_int_equal(map->socket_count, 2);
    map_free(map);
}

static void test_an_mptcp_socket_and_its_subflow_are_two_with_the_same_holders(void **state) {
    struct map *map = map_make();
    struct map_socket mptcp = tcp(2, MAP_ESTABLISHED, LOOPBACK(80), LOOPBACK(40));
    uint32_t process;

    mptcp.kind = MAP_MPTCP;
    mptcp.inode = 1;
    map_put(map, tcp(1, MAP_ESTABLISHED, LOOPBACK(80), LOOPBACK(40)));
    map_put(map, mptcp);
    assert_int_equal(map_add_process(map, &(struct map_process){.pid = 10}, &process), 0);
    assert_int_equal(map_add_holder(map, 1, process, 7), 0);
    map_end(map);
    assert_int_equal(map->socket_count, 2);
    assert_int_equal(map_get(map, 1)->holder_count, 1);
    assert_int_equal(map_get(map, 2)->holder_count, 1);
    assert_int_equal(map->sockets[map_find_inode(map, 1)].kind, MAP_MPTCP);
    map_free(map);
}

static void test_all_holders_are_there_in_order(void **state) {
    struct map *map = map_make();

    map_put(map, listening(5, LOOPBACK(80)));
    map_put(map, listening(6, LOOPBACK(81)));
    for (pid_t pid = 10; pid < 12; pid++)
        assert_int_equal(map_add_process(map, &(struct map_process){.pid = pid}, NULL), 0);
    assert_int_equal(map_add_holder(map, 5, 1, 9), 0);
    assert_int_equal(map_add_holder(map, 99, 0, 1), 0); /* of no socket here */
    assert_int_equal(map_add_holder(map, 5, 0, 8), 0);
    assert_int_equal(map_add_holder(map, 5, 1, 4), 0);
    map_end(map);
    const struct map_socket *socket = map_get(map, 5);
    assert_int_equal(socket->holder_count, 3);
    const struct map_holder *holders = &map->holders[socket->first_holder];
    assert_int_equal(holders[0].process, 0);
    assert_int_equal(holders[1].process, 1);
    assert_int_equal(holders[1].fd, 4);
    assert_int_equal(holders[2].fd, 9);
    assert_int_equal(map_get(map, 6)->holder_count, 0);
    map_free(map);
}

static int note(uint64_t inode, uint32_t process, int fd, void *userdata) {
    uint64_t *seen = userdata;
    seen[++seen[0]] = inode;
    return 0;
}

static void test_what_only_descriptors_tell_of_is_told_once_each(void **state) {
    struct map *map = map_make();
    uint64_t seen[8] = {0};

    map_put(map, listening(5, LOOPBACK(80)));
    for (uint64_t inode = 3; inode < 8; inode++)
        assert_int_equal(map_add_holder(map, inode == 7 ? 3 : inode, 0, (int)inode), 0);
    assert_int_equal(map_unlisted(map, note, seen), 0);
    assert_int_equal(seen[0], 3);
    assert_int_equal(seen[1], 3);
    assert_int_equal(seen[2], 4);
    assert_int_equal(seen[3], 6);
    map_free(map);
}

static void test_rows_are_copied(void **state) {
    struct map *map = map_make();
    char name[] = "/run/x";
    uint64_t waiting[] = {8, 9};
    struct map_socket socket = unix_socket(1, MAP_LISTEN, path(name), 0);

    socket.waiting = waiting;
    socket.waiting_count = 2;
    map_put(map, socket);
    memset(name, 'z', sizeof(name));
    waiting[1] = 0;
    assert_string_equal(map->sockets[0].local.name, "/run/x");
    assert_int_equal(map->sockets[0].waiting[1], 9);
    map_free(map);
}

static void test_facts_stay_with_their_socket(void **state) {
    struct map *map = map_make();

    map_put(map, listening(1, LOOPBACK(80)));
    map_put(map, listening(1, LOOPBACK(80))); /* once more: the first is dropped */
    assert_int_equal(map_add_fact(map, 1, "g", "n", "v", false), 0);
    assert_int_equal(map_add_fact(map, 1, "g", "m", "w", false), 0);
    map_end(map);
    const struct map_socket *socket = map_get(map, 1);
    assert_int_equal(socket->fact_count, 2);
    assert_string_equal(map->facts[socket->first_fact + 1].text, "w");
    map_free(map);
}

static void test_the_same_thing_is_missing_once(void **state) {
    struct map *map = map_make();

    for (int i = 0; i < 3; i++)
        assert_int_equal(map_add_missing(map, "sockets", "why", NULL), 0);
    assert_int_equal(map->missing_count, 1);
    map_free(map);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_socket_that_was_told_of_twice_is_there_once),
        cmocka_unit_test(test_a_request_that_became_a_connection_is_there_once),
        cmocka_unit_test(test_one_address_in_two_namespaces_is_two_sockets),
        cmocka_unit_test(test_listeners_of_one_port_are_not_one),
        cmocka_unit_test(test_an_mptcp_socket_and_its_subflow_are_two_with_the_same_holders),
        cmocka_unit_test(test_all_holders_are_there_in_order),
        cmocka_unit_test(test_what_only_descriptors_tell_of_is_told_once_each),
        cmocka_unit_test(test_rows_are_copied),
        cmocka_unit_test(test_facts_stay_with_their_socket),
        cmocka_unit_test(test_the_same_thing_is_missing_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

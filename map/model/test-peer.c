/* The other end of a socket, and how it is known. */
#include <sys/socket.h>

#include "map/model/testing.h"

static void test_both_ends_of_a_connection_are_each_others(void **state) {
    struct map *map = map_make();

    map_put(map, tcp(1, MAP_ESTABLISHED, LOOPBACK(80), LOOPBACK(40)));
    map_put(map, tcp(2, MAP_ESTABLISHED, LOOPBACK(40), LOOPBACK(80)));
    map_put(map, tcp(3, MAP_ESTABLISHED, LOOPBACK(41), LOOPBACK(80)));
    map_end(map);
    assert_link(map, &map_get(map, 1)->peer, MAP_MATCHED, 2);
    assert_link(map, &map_get(map, 2)->peer, MAP_MATCHED, 1);
    assert_link(map, &map_get(map, 3)->peer, MAP_UNKNOWN, 0);
    map_free(map);
}

static void test_an_ipv4_client_of_an_ipv6_server_is_found(void **state) {
    struct map *map = map_make();

    map_put(map, tcp(1, MAP_ESTABLISHED, mapped(127, 0, 0, 1, 80), mapped(127, 0, 0, 1, 40)));
    map_put(map, tcp(2, MAP_ESTABLISHED, LOOPBACK(40), LOOPBACK(80)));
    map_end(map);
    assert_link(map, &map_get(map, 1)->peer, MAP_MATCHED, 2);
    assert_link(map, &map_get(map, 2)->peer, MAP_MATCHED, 1);
    map_free(map);
}

static struct map_socket in(uint32_t netns, struct map_socket socket) {
    socket.netns = netns;
    return socket;
}

static void test_a_pair_may_span_two_namespaces_but_not_by_loopback(void **state) {
    struct map *map = map_make();

    map_put(map, tcp(1, MAP_ESTABLISHED, ip4(10, 0, 0, 1, 80), ip4(10, 0, 0, 2, 40)));
    map_put(map, in(1, tcp(2, MAP_ESTABLISHED, ip4(10, 0, 0, 2, 40), ip4(10, 0, 0, 1, 80))));
    map_put(map, tcp(3, MAP_ESTABLISHED, LOOPBACK(80), LOOPBACK(40)));
    map_put(map, in(1, tcp(4, MAP_ESTABLISHED, LOOPBACK(40), LOOPBACK(80))));
    map_end(map);
    assert_link(map, &map_get(map, 1)->peer, MAP_MATCHED, 2);
    assert_non_null(strstr(map_get(map, 1)->peer.why, "another network namespace"));
    assert_link(map, &map_get(map, 3)->peer, MAP_UNKNOWN, 0);
    map_free(map);
}

static void test_its_own_namespace_comes_first(void **state) {
    struct map *map = map_make();

    map_put(map, tcp(1, MAP_ESTABLISHED, ip4(10, 0, 0, 1, 80), ip4(10, 0, 0, 2, 40)));
    map_put(map, in(1, tcp(2, MAP_ESTABLISHED, ip4(10, 0, 0, 2, 40), ip4(10, 0, 0, 1, 80))));
    map_put(map, tcp(3, MAP_ESTABLISHED, ip4(10, 0, 0, 2, 40), ip4(10, 0, 0, 1, 80)));
    map_end(map);
    assert_link(map, &map_get(map, 1)->peer, MAP_MATCHED, 3);
    map_free(map);
}

static void test_several_namespaces_that_fit_are_ambiguous(void **state) {
    struct map *map = map_make();

    assert_int_equal(map_add_netns(map, &(struct map_netns){.inode = 300, .owner = MAP_NONE}, NULL), 0);
    map_put(map, tcp(1, MAP_ESTABLISHED, ip4(10, 0, 0, 1, 80), ip4(10, 0, 0, 2, 40)));
    map_put(map, in(1, tcp(2, MAP_ESTABLISHED, ip4(10, 0, 0, 2, 40), ip4(10, 0, 0, 1, 80))));
    map_put(map, in(2, tcp(3, MAP_ESTABLISHED, ip4(10, 0, 0, 2, 40), ip4(10, 0, 0, 1, 80))));
    map_end(map);
    assert_candidates(map, &map_get(map, 1)->peer, CANDIDATES(2, 3));
    map_free(map);
}

/* Two networks alike, and of one an end is gone: what is left of the other fits, and is another socket's peer. */
static void test_an_end_that_two_sockets_claim_is_ambiguous(void **state) {
    struct map *map = map_make();

    assert_int_equal(map_add_netns(map, &(struct map_netns){.inode = 300, .owner = MAP_NONE}, NULL), 0);
    map_put(map, tcp(1, MAP_ESTABLISHED, ip4(10, 0, 0, 1, 80), ip4(10, 0, 0, 2, 40)));
    map_put(map, in(1, tcp(2, MAP_ESTABLISHED, ip4(10, 0, 0, 1, 80), ip4(10, 0, 0, 2, 40))));
    map_put(map, in(2, tcp(3, MAP_ESTABLISHED, ip4(10, 0, 0, 2, 40), ip4(10, 0, 0, 1, 80))));
    map_end(map);
    assert_link(map, &map_get(map, 1)->peer, MAP_AMBIGUOUS, 3);
    assert_link(map, &map_get(map, 2)->peer, MAP_AMBIGUOUS, 3);
    assert_candidates(map, &map_get(map, 3)->peer, CANDIDATES(1, 2));
    map_free(map);
}

static void test_tcp_and_udp_are_no_pair(void **state) {
    struct map *map = map_make();

    map_put(map, tcp(1, MAP_ESTABLISHED, LOOPBACK(80), LOOPBACK(40)));
    map_put(map, udp(2, LOOPBACK(40), LOOPBACK(80)));
    map_end(map);
    assert_link(map, &map_get(map, 1)->peer, MAP_UNKNOWN, 0);
    assert_link(map, &map_get(map, 2)->peer, MAP_UNKNOWN, 0);
    map_free(map);
}

/* Datagrams ---------------------------------------------------------------------------------------------------------- */

static void test_a_client_is_the_peer_of_nobody_and_has_the_server_for_one(void **state) {
    struct map *map = map_make();

    map_put(map, udp(1, ANY4(53), ANY4(0)));
    map_put(map, udp(2, LOOPBACK(40), LOOPBACK(53)));
    map_put(map, udp(3, LOOPBACK(41), LOOPBACK(54)));
    map_end(map);
    assert_link(map, &map_get(map, 2)->peer, MAP_MATCHED, 1);
    assert_link(map, &map_get(map, 1)->peer, MAP_UNKNOWN, 0);
    assert_link(map, &map_get(map, 3)->peer, MAP_UNKNOWN, 0);
    map_free(map);
}

static void test_an_exact_address_comes_before_every_address(void **state) {
    struct map *map = map_make();

    map_put(map, udp(1, ANY4(53), ANY4(0)));
    map_put(map, udp(2, LOOPBACK(53), ANY4(0)));
    map_put(map, udp(3, LOOPBACK(40), LOOPBACK(53)));
    map_end(map);
    assert_link(map, &map_get(map, 3)->peer, MAP_MATCHED, 2);
    map_free(map);
}

static void test_an_ipv6_server_takes_ipv4_unless_it_says_not(void **state) {
    for (int only = 0; only < 2; only++) {
        struct map *map = map_make();
        struct map_socket server = udp(1, ANY6(53), ANY6(0));
        server.flags |= only ? MAP_IS_IPV6_ONLY : 0;
        map_put(map, server);
        map_put(map, udp(2, LOOPBACK(40), LOOPBACK(53)));
        map_end(map);
        assert_link(map, &map_get(map, 2)->peer, only ? MAP_UNKNOWN : MAP_MATCHED, only ? 0 : 1);
        map_free(map);
    }
}

static void test_a_server_on_an_interface_takes_what_goes_to_its_addresses(void **state) {
    for (uint32_t interface = 1; interface <= 3; interface++) {
        struct map *map = map_make();
        struct map_socket server = udp(1, ANY4(53), ANY4(0));
        struct map_address here = ip4(10, 0, 0, 1, 0);
        server.local.interface = interface;
        here.interface = 2;
        assert_int_equal(map_add_local(map, 0, &here), 0);
        map_put(map, server);
        map_put(map, udp(2, LOOPBACK(40), LOOPBACK(53)));
        map_put(map, udp(3, ip4(10, 0, 0, 1, 41), ip4(10, 0, 0, 1, 53)));
        map_end(map);
        assert_int_equal(cookie_of_link(map, &map_get(map, 2)->peer), interface == 1 ? 1 : 0);
        assert_int_equal(cookie_of_link(map, &map_get(map, 3)->peer), interface == 2 ? 1 : 0);
        map_free(map);
    }
}

static void test_a_group_of_servers_is_ambiguous(void **state) {
    struct map *map = map_make();

    map_put(map, udp(1, ANY4(53), ANY4(0)));
    map_put(map, udp(2, ANY4(53), ANY4(0)));
    map_put(map, udp(3, LOOPBACK(40), LOOPBACK(53)));
    map_end(map);
    assert_candidates(map, &map_get(map, 3)->peer, CANDIDATES(1, 2));
    map_free(map);
}

/* Port 53 here is not port 53 of another host. */
static void test_the_server_of_another_host_is_not_ours(void **state) {
    struct map *map = map_make();
    struct map_address here = ip4(10, 0, 0, 1, 0), there = ip4(10, 0, 0, 9, 0);

    assert_int_equal(map_add_local(map, 0, &here), 0);
    assert_int_equal(map_add_local(map, 1, &there), 0);
    map_put(map, udp(1, ANY4(53), ANY4(0)));
    map_put(map, udp(2, ip4(10, 0, 0, 1, 40), ip4(10, 0, 0, 7, 53)));
    map_put(map, udp(3, ip4(10, 0, 0, 1, 41), ip4(10, 0, 0, 1, 53)));
    map_put(map, in(1, udp(4, ANY4(99), ANY4(0))));
    map_put(map, udp(5, ip4(10, 0, 0, 1, 42), ip4(10, 0, 0, 9, 99)));
    map_end(map);
    assert_link(map, &map_get(map, 2)->peer, MAP_UNKNOWN, 0);
    assert_link(map, &map_get(map, 3)->peer, MAP_MATCHED, 1);
    assert_link(map, &map_get(map, 5)->peer, MAP_MATCHED, 4);
    assert_true(map_address_is_here(map, &there));
    map_free(map);
}

/* Unix --------------------------------------------------------------------------------------------------------------- */

static void test_a_unix_peer_is_the_kernels_word(void **state) {
    struct map *map = map_make();

    map_put(map, unix_socket(1, MAP_ESTABLISHED, (struct map_address){0}, 2));
    map_put(map, unix_socket(2, MAP_ESTABLISHED, path("/run/x"), 1));
    map_put(map, unix_socket(3, MAP_ESTABLISHED, (struct map_address){0}, 99)); /* closed meanwhile */
    map_end(map);
    assert_link(map, &map_get(map, 1)->peer, MAP_EXACT, 2);
    assert_link(map, &map_get(map, 2)->peer, MAP_EXACT, 1);
    assert_link(map, &map_get(map, 3)->peer, MAP_UNKNOWN, 0);
    map_free(map);
}

static void test_who_waits_to_be_accepted_has_the_listener_for_a_peer(void **state) {
    struct map *map = map_make();
    uint64_t waiting[] = {2, 77};
    struct map_socket listener = unix_socket(1, MAP_LISTEN, path("/run/x"), 0);

    listener.waiting = waiting;
    listener.waiting_count = 2; /* the second has gone */
    map_put(map, listener);
    map_put(map, unix_socket(2, MAP_ESTABLISHED, (struct map_address){0}, 0));
    map_end(map);
    assert_link(map, &map_get(map, 2)->peer, MAP_EXACT, 1);
    assert_true(map_get(map, 2)->flags & MAP_IS_WAITING);
    map_free(map);
}

static void test_an_inode_of_another_family_is_no_unix_peer(void **state) {
    struct map *map = map_make();

    map_put(map, unix_socket(1, MAP_ESTABLISHED, (struct map_address){0}, 2));
    map_put(map, tcp(2, MAP_ESTABLISHED, LOOPBACK(1), LOOPBACK(2)));
    map_end(map);
    assert_link(map, &map_get(map, 1)->peer, MAP_UNKNOWN, 0);
    map_free(map);
}

/* Netlink, vsock ----------------------------------------------------------------------------------------------------- */

static struct map_socket netlink(uint64_t number, uint16_t protocol, uint32_t portid, uint32_t to) {
    return (struct map_socket){.kind = MAP_NETLINK,
                               .family = AF_NETLINK,
                               .protocol = protocol,
                               .inode = number,
                               .cookie = number,
                               .local = {.form = MAP_PORTID, .number = portid},
                               .remote = {.form = to ? MAP_PORTID : MAP_NO_ADDRESS, .number = to}};
}

static void test_a_netlink_peer_has_the_port_id_in_the_same_protocol(void **state) {
    struct map *map = map_make();

    map_put(map, netlink(1, 2, 500, 0));
    map_put(map, netlink(2, 16, 500, 0));
    map_put(map, netlink(3, 2, 501, 500));
    map_end(map);
    assert_link(map, &map_get(map, 3)->peer, MAP_MATCHED, 1);
    assert_link(map, &map_get(map, 1)->peer, MAP_UNKNOWN, 0);
    map_free(map);
}

static void test_vsock_pairs_by_cid_and_port(void **state) {
    struct map *map = map_make();
    struct map_socket one = {.kind = MAP_VSOCK,
                             .state = MAP_ESTABLISHED,
                             .inode = 1,
                             .cookie = 1,
                             .local = {.form = MAP_CID, .number = 1, .port = 5000},
                             .remote = {.form = MAP_CID, .number = 1, .port = 6000}};
    struct map_socket two = one;

    two.inode = two.cookie = 2;
    two.local.port = 6000;
    two.remote.port = 5000;
    two.local.number = UINT32_MAX; /* as connect(2) has bound it */
    map_put(map, one);
    map_put(map, two);
    two.inode = two.cookie = 3;
    two.remote.number = 7; /* another machine's port */
    map_put(map, two);
    map_end(map);
    assert_link(map, &map_get(map, 1)->peer, MAP_MATCHED, 2);
    assert_link(map, &map_get(map, 2)->peer, MAP_MATCHED, 1);
    assert_link(map, &map_get(map, 3)->peer, MAP_UNKNOWN, 0);
    map_free(map);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ends_of_a_connection_are_each_others),
        cmocka_unit_test(test_an_ipv4_client_of_an_ipv6_server_is_found),
        cmocka_unit_test(test_a_pair_may_span_two_namespaces_but_not_by_loopback),
        cmocka_unit_test(test_its_own_namespace_comes_first),
        cmocka_unit_test(test_several_namespaces_that_fit_are_ambiguous),
        cmocka_unit_test(test_an_end_that_two_sockets_claim_is_ambiguous),
        cmocka_unit_test(test_tcp_and_udp_are_no_pair),
        cmocka_unit_test(test_a_client_is_the_peer_of_nobody_and_has_the_server_for_one),
        cmocka_unit_test(test_an_exact_address_comes_before_every_address),
        cmocka_unit_test(test_an_ipv6_server_takes_ipv4_unless_it_says_not),
        cmocka_unit_test(test_a_server_on_an_interface_takes_what_goes_to_its_addresses),
        cmocka_unit_test(test_a_group_of_servers_is_ambiguous),
        cmocka_unit_test(test_the_server_of_another_host_is_not_ours),
        cmocka_unit_test(test_a_unix_peer_is_the_kernels_word),
        cmocka_unit_test(test_who_waits_to_be_accepted_has_the_listener_for_a_peer),
        cmocka_unit_test(test_an_inode_of_another_family_is_no_unix_peer),
        cmocka_unit_test(test_a_netlink_peer_has_the_port_id_in_the_same_protocol),
        cmocka_unit_test(test_vsock_pairs_by_cid_and_port),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Which listener a connection came from, and how that is known. */
#include <sys/socket.h>

#include "map/model/testing.h"

static void test_the_only_listener_that_fits_is_matched(void **state) {
    struct map *map = map_make();

    map_put(map, listening(1, LOOPBACK(80)));
    map_put(map, listening(2, LOOPBACK(81)));
    map_put(map, listening(3, ip4(127, 0, 0, 2, 80)));
    map_put(map, tcp(4, MAP_ESTABLISHED, LOOPBACK(80), LOOPBACK(40)));
    map_put(map, tcp(5, MAP_ESTABLISHED, LOOPBACK(40), LOOPBACK(80)));
    map_end(map);
    assert_link(map, &map_get(map, 4)->listener, MAP_MATCHED, 1);
    assert_link(map, &map_get(map, 5)->listener, MAP_UNKNOWN, 0);
    assert_int_equal(map_get(map, 1)->child_count, 1);
    assert_int_equal(map_get(map, 1)->unsure, 0);
    assert_int_equal(map_get(map, 3)->child_count, 0);
    map_free(map);
}

static void test_an_address_and_the_wildcard_are_ambiguous_the_address_first(void **state) {
    struct map *map = map_make();

    map_put(map, listening(1, ANY4(80)));
    map_put(map, listening(2, LOOPBACK(80)));
    map_put(map, tcp(3, MAP_ESTABLISHED, LOOPBACK(80), LOOPBACK(40)));
    map_put(map, tcp(4, MAP_ESTABLISHED, ip4(127, 0, 0, 9, 80), LOOPBACK(40)));
    map_end(map);
    assert_candidates(map, &map_get(map, 3)->listener, CANDIDATES(2, 1));
    assert_link(map, &map_get(map, 4)->listener, MAP_MATCHED, 1);
    assert_int_equal(map_get(map, 1)->unsure, 1);
    assert_int_equal(map_get(map, 1)->child_count, 1);
    assert_int_equal(map_get(map, 2)->unsure, 1);
    map_free(map);
}

static void test_a_group_is_ambiguous(void **state) {
    struct map *map = map_make();

    map_put(map, listening(1, ANY4(80)));
    map_put(map, listening(2, ANY4(80)));
    map_put(map, listening(3, ANY4(80)));
    map_put(map, tcp(4, MAP_ESTABLISHED, LOOPBACK(80), LOOPBACK(40)));
    map_end(map);
    assert_candidates(map, &map_get(map, 4)->listener, CANDIDATES(1, 2, 3));
    map_free(map);
}

/* An IPv4 connection of an IPv6 listener is an IPv6 socket: the family tells, whatever the address. */
static void test_families_are_told_apart(void **state) {
    struct map *map = map_make();

    map_put(map, listening(1, ANY4(80)));
    map_put(map, listening(2, ANY6(80)));
    map_put(map, tcp(3, MAP_ESTABLISHED, mapped(127, 0, 0, 1, 80), mapped(127, 0, 0, 1, 40)));
    map_put(map, tcp(4, MAP_ESTABLISHED, LOOPBACK(80), LOOPBACK(41)));
    map_end(map);
    assert_link(map, &map_get(map, 3)->listener, MAP_MATCHED, 2);
    assert_link(map, &map_get(map, 4)->listener, MAP_MATCHED, 1);
    map_free(map);
}

static void test_an_ipv6_only_listener_has_no_ipv4_children(void **state) {
    struct map *map = map_make();
    struct map_socket listener = listening(1, ANY6(80));

    listener.flags |= MAP_IS_IPV6_ONLY;
    map_put(map, listener);
    map_put(map, tcp(2, MAP_ESTABLISHED, mapped(127, 0, 0, 1, 80), mapped(127, 0, 0, 1, 40)));
    map_put(map, tcp(3, MAP_ESTABLISHED, ip6(1, 80), ip6(2, 40)));
    map_end(map);
    assert_link(map, &map_get(map, 2)->listener, MAP_UNKNOWN, 0);
    assert_link(map, &map_get(map, 3)->listener, MAP_MATCHED, 1);
    map_free(map);
}

static void test_interfaces_and_namespaces_are_told_apart(void **state) {
    struct map *map = map_make();
    struct map_socket bound = listening(1, ANY4(80)), child = tcp(2, MAP_ESTABLISHED, LOOPBACK(80), LOOPBACK(40));
    struct map_socket there = tcp(3, MAP_ESTABLISHED, LOOPBACK(80), LOOPBACK(40));

    bound.local.interface = 5;
    map_put(map, bound);
    map_put(map, child);
    there.netns = 1;
    map_put(map, there);
    child = tcp(4, MAP_ESTABLISHED, LOOPBACK(80), LOOPBACK(41));
    child.local.interface = 5;
    map_put(map, child);
    map_end(map);
    assert_link(map, &map_get(map, 2)->listener, MAP_UNKNOWN, 0);
    assert_link(map, &map_get(map, 3)->listener, MAP_UNKNOWN, 0);
    assert_link(map, &map_get(map, 4)->listener, MAP_MATCHED, 1);
    map_free(map);
}

/* Either end may be the client: it is bound to a port that is listened on, and connected to another. */
static void test_where_both_ends_are_listened_on_nothing_is_claimed(void **state) {
    struct map *map = map_make();

    map_put(map, listening(1, ANY4(80)));
    map_put(map, listening(2, ANY4(90)));
    map_put(map, tcp(3, MAP_ESTABLISHED, LOOPBACK(80), LOOPBACK(90)));
    map_put(map, tcp(4, MAP_ESTABLISHED, LOOPBACK(90), LOOPBACK(80)));
    map_end(map);
    assert_link(map, &map_get(map, 3)->listener, MAP_AMBIGUOUS, 1);
    assert_link(map, &map_get(map, 4)->listener, MAP_AMBIGUOUS, 2);
    assert_int_equal(map_get(map, 1)->child_count, 0);
    assert_int_equal(map_get(map, 1)->unsure, 1);
    map_free(map);
}

/* What TCP has counted tells, of either end. */
static void test_the_end_that_connected_came_from_nobody(void **state) {
    for (int told = 3; told <= 4; told++) {
        struct map *map = map_make();
        struct map_socket client = tcp(3, MAP_ESTABLISHED, LOOPBACK(80), LOOPBACK(90)),
                          child = tcp(4, MAP_ESTABLISHED, LOOPBACK(90), LOOPBACK(80));
        client.flags = told == 3 ? MAP_HAS_CONNECTED : 0;
        child.flags = told == 4 ? MAP_WAS_ACCEPTED : 0;
        map_put(map, listening(1, ANY4(80)));
        map_put(map, listening(2, ANY4(90)));
        map_put(map, client);
        map_put(map, child);
        map_end(map);
        assert_link(map, &map_get(map, 3)->listener, MAP_UNKNOWN, 0);
        assert_link(map, &map_get(map, 4)->listener, MAP_MATCHED, 2);
        assert_int_equal(map_get(map, 1)->child_count, 0);
        assert_int_equal(map_get(map, 2)->child_count, 1);
        map_free(map);
    }
}

static void test_what_never_came_from_anybody_is_not_matched(void **state) {
    struct map *map = map_make();

    map_put(map, listening(1, ANY4(80)));
    map_put(map, tcp(2, MAP_SYN_SENT, LOOPBACK(80), ip4(10, 0, 0, 1, 7)));
    map_put(map, tcp(3, MAP_CLOSE, LOOPBACK(80), ANY4(0)));
    map_put(map, udp(4, LOOPBACK(80), LOOPBACK(9)));
    map_end(map);
    for (uint64_t cookie = 1; cookie <= 4; cookie++)
        assert_link(map, &map_get(map, cookie)->listener, MAP_UNKNOWN, 0);
    map_free(map);
}

static void test_who_is_connected_and_has_no_inode_waits(void **state) {
    struct map *map = map_make();
    struct map_socket waits = tcp(2, MAP_ESTABLISHED, LOOPBACK(80), LOOPBACK(40)),
                      ended = tcp(3, MAP_FIN_WAIT_2, LOOPBACK(80), LOOPBACK(41));

    waits.inode = ended.inode = 0;
    map_put(map, listening(1, ANY4(80)));
    map_put(map, waits);
    map_put(map, ended);
    map_end(map);
    assert_true(map_get(map, 2)->flags & MAP_IS_WAITING);
    assert_false(map_get(map, 3)->flags & MAP_IS_WAITING);
    assert_link(map, &map_get(map, 3)->listener, MAP_MATCHED, 1);
    map_free(map);
}

/* Unix --------------------------------------------------------------------------------------------------------------- */

static void test_an_accepted_unix_socket_has_its_listeners_name_and_file(void **state) {
    struct map *map = map_make();
    struct map_socket taken_over = unix_socket(2, MAP_LISTEN, path("/run/x"), 0),
                      child = unix_socket(3, MAP_ESTABLISHED, path("/run/x"), 0);

    map_put(map, unix_socket(1, MAP_LISTEN, path("/run/x"), 0));
    taken_over.path_inode = 8;
    map_put(map, taken_over);
    child.netns = 1; /* it is in its client's namespace: a path is everybody's */
    map_put(map, child);
    map_put(map, unix_socket(4, MAP_ESTABLISHED, path("/run/y"), 0));
    map_end(map);
    assert_link(map, &map_get(map, 3)->listener, MAP_MATCHED, 1);
    assert_link(map, &map_get(map, 4)->listener, MAP_UNKNOWN, 0);
    map_free(map);
}

/* As /proc/net/unix tells of them. */
static void test_where_no_file_is_known_only_the_name_was_matched(void **state) {
    struct map *map = map_make();
    struct map_socket listener = unix_socket(1, MAP_LISTEN, path("/run/x"), 0), child = unix_socket(2, MAP_ESTABLISHED, path("/run/x"), 0);

    listener.path_inode = child.path_inode = 0;
    map_put(map, listener);
    map_put(map, child);
    map_put(map, unix_socket(3, MAP_LISTEN, path("/run/y"), 0));
    map_put(map, unix_socket(4, MAP_ESTABLISHED, path("/run/y"), 0));
    map_end(map);
    assert_link(map, &map_get(map, 2)->listener, MAP_MATCHED, 1);
    assert_string_equal(map_get(map, 2)->listener.why, "by its name: perhaps by a listener before this one, which had it too");
    assert_string_equal(map_get(map, 4)->listener.why, "by its name and file");
    map_free(map);
}

static void test_abstract_names_are_a_namespaces_own(void **state) {
    struct map *map = map_make();
    struct map_socket there = unix_socket(2, MAP_LISTEN, abstract("x"), 0);

    there.netns = 1;
    map_put(map, unix_socket(1, MAP_LISTEN, abstract("x"), 0));
    map_put(map, there);
    map_put(map, unix_socket(3, MAP_ESTABLISHED, abstract("x"), 0));
    map_put(map, unix_socket(4, MAP_ESTABLISHED, path("x"), 0));
    map_end(map);
    assert_link(map, &map_get(map, 3)->listener, MAP_MATCHED, 1);
    assert_non_null(strstr(map_get(map, 3)->listener.why, "before this one")); /* a name can be taken again */
    assert_link(map, &map_get(map, 4)->listener, MAP_UNKNOWN, 0);
    map_free(map);
}

/* The kernel's tables ------------------------------------------------------------------------------------------------- */

static void fact(struct map *map, struct map_kernel_fact fact) {
    assert_int_equal(map_add_kernel_fact(map, &fact), 0);
}

static void test_a_shared_bucket_of_what_was_accepted_is_said(void **state) {
    struct map *map = map_make();

    map_put(map, listening(1, ANY4(80)));
    map_put(map, tcp(2, MAP_ESTABLISHED, LOOPBACK(80), LOOPBACK(40)));
    fact(map, (struct map_kernel_fact){.cookie = 1, .bind_bucket = 7});
    fact(map, (struct map_kernel_fact){.cookie = 2, .bind_bucket = 7, .has_limit = true, .accept_limit = 128});
    map_end(map);
    assert_link(map, &map_get(map, 2)->listener, MAP_BUCKET, 1);
    map_free(map);
}

static void test_another_bucket_rules_a_listener_out(void **state) {
    struct map *map = map_make();

    map_put(map, listening(1, ANY4(80)));
    map_put(map, listening(2, ANY4(80)));
    map_put(map, tcp(3, MAP_ESTABLISHED, LOOPBACK(80), LOOPBACK(40)));
    fact(map, (struct map_kernel_fact){.cookie = 1, .bind_bucket = 6});
    fact(map, (struct map_kernel_fact){.cookie = 2, .bind_bucket = 7});
    fact(map, (struct map_kernel_fact){.cookie = 3, .bind_bucket = 7, .has_limit = true, .accept_limit = 1});
    map_end(map);
    assert_link(map, &map_get(map, 3)->listener, MAP_BUCKET, 2);
    map_free(map);
}

static void test_a_client_came_from_nobody_unless_the_listener_has_no_limit(void **state) {
    for (uint32_t limit = 0; limit < 2; limit++) {
        struct map *map = map_make();
        struct map_socket listener = listening(1, ANY4(80));
        listener.backlog_limit = limit;
        map_put(map, listener);
        map_put(map, tcp(2, MAP_ESTABLISHED, LOOPBACK(80), LOOPBACK(40)));
        fact(map, (struct map_kernel_fact){.cookie = 1, .bind_bucket = 7});
        fact(map, (struct map_kernel_fact){.cookie = 2, .bind_bucket = 7, .has_limit = true});
        map_end(map);
        assert_link(map, &map_get(map, 2)->listener, limit ? MAP_UNKNOWN : MAP_MATCHED, limit ? 0 : 1);
        map_free(map);
    }
}

/* What has no limit says nothing by it: a request socket, one in TIME_WAIT. */
static void test_time_wait_is_matched_still(void **state) {
    struct map *map = map_make();
    struct map_socket ended = tcp(2, MAP_TIME_WAIT, LOOPBACK(80), LOOPBACK(40));

    ended.inode = 0;
    map_put(map, listening(1, ANY4(80)));
    map_put(map, ended);
    fact(map, (struct map_kernel_fact){.cookie = 1, .bind_bucket = 7});
    fact(map, (struct map_kernel_fact){.cookie = 2, .bind_bucket = 7});
    map_end(map);
    assert_link(map, &map_get(map, 2)->listener, MAP_MATCHED, 1);
    map_free(map);
}

/* Front to back: 3, 1, 2. The listener 1 came after 2 and before 3. */
static struct map *ordered(uint64_t next_of_1) {
    struct map *map = map_make();

    map_put(map, listening(1, LOOPBACK(80)));
    map_put(map, tcp(2, MAP_ESTABLISHED, LOOPBACK(80), LOOPBACK(40)));
    map_put(map, tcp(3, MAP_ESTABLISHED, LOOPBACK(80), LOOPBACK(41)));
    fact(map, (struct map_kernel_fact){.cookie = 1, .bind_bucket = 7, .bind_node = 11, .bind_next = next_of_1});
    fact(map, (struct map_kernel_fact){.cookie = 2, .bind_bucket = 7, .bind_node = 12, .has_limit = true, .accept_limit = 5});
    fact(map,
         (struct map_kernel_fact){.cookie = 3, .bind_bucket = 7, .bind_node = 13, .bind_next = 11, .has_limit = true, .accept_limit = 5});
    map_end(map);
    return map;
}

static void test_a_listener_that_came_later_is_not_its_own(void **state) {
    struct map *map = ordered(12);

    assert_link(map, &map_get(map, 2)->listener, MAP_UNKNOWN, 0);
    assert_non_null(strstr(map_get(map, 2)->listener.why, "came later"));
    assert_link(map, &map_get(map, 3)->listener, MAP_BUCKET, 1);
    assert_non_null(strstr(map_get(map, 3)->listener.why, "was there first"));
    map_free(map);
}

static void test_of_a_list_that_is_torn_no_order_is_known(void **state) {
    struct map *map = ordered(99); /* whoever was between has gone while it was read */

    assert_link(map, &map_get(map, 2)->listener, MAP_BUCKET, 1);
    assert_non_null(strstr(map_get(map, 2)->listener.why, "perhaps by a listener before"));
    map_free(map);
}

static void test_a_list_that_bites_its_tail_ends(void **state) {
    struct map *map = ordered(13);

    assert_link(map, &map_get(map, 2)->listener, MAP_BUCKET, 1);
    map_free(map);
}

static void test_a_request_socket_names_its_listener(void **state) {
    struct map *map = map_make();
    struct map_socket request = tcp(3, MAP_NEW_SYN_RECV, LOOPBACK(80), LOOPBACK(40));

    request.inode = 0;
    map_put(map, listening(1, ANY4(80)));
    map_put(map, listening(2, ANY4(80)));
    map_put(map, request);
    fact(map, (struct map_kernel_fact){.cookie = 3, .listener_cookie = 2});
    map_end(map);
    assert_link(map, &map_get(map, 3)->listener, MAP_EXACT, 2);
    assert_int_equal(map_get(map, 2)->child_count, 1);
    assert_int_equal(map_get(map, 1)->unsure, 0);
    map_free(map);
}

static void test_what_was_seen_is_exact(void **state) {
    struct map *map = map_make();

    map_put(map, listening(1, ANY4(80)));
    map_put(map, listening(2, ANY4(80)));
    map_put(map, tcp(3, MAP_ESTABLISHED, LOOPBACK(80), LOOPBACK(40)));
    assert_int_equal(map_add_exact(map, 2, 3), 0);
    assert_int_equal(map_add_exact(map, 2, 77), 0); /* closed since */
    assert_int_equal(map_add_exact(map, 88, 3), 0); /* the listener that it was told of later is gone */
    map_end(map);
    assert_link(map, &map_get(map, 3)->listener, MAP_EXACT, 2);
    map_free(map);
}

/* Another listens there now: it is not the one that was seen. */
static void test_what_was_seen_of_a_closed_listener_came_from_no_other(void **state) {
    struct map *map = map_make();

    map_put(map, listening(1, ANY4(80)));
    map_put(map, tcp(3, MAP_ESTABLISHED, LOOPBACK(80), LOOPBACK(40)));
    map_put(map, tcp(4, MAP_ESTABLISHED, LOOPBACK(80), LOOPBACK(41)));
    assert_int_equal(map_add_exact(map, 88, 3), 0);
    map_end(map);
    assert_link(map, &map_get(map, 3)->listener, MAP_UNKNOWN, 0);
    assert_string_equal(map_get(map, 3)->listener.why, "seen when it was accepted: its listener is closed, or not to be seen");
    assert_link(map, &map_get(map, 4)->listener, MAP_MATCHED, 1);
    assert_int_equal(map_get(map, 1)->child_count, 1);
    map_free(map);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_only_listener_that_fits_is_matched),
        cmocka_unit_test(test_an_address_and_the_wildcard_are_ambiguous_the_address_first),
        cmocka_unit_test(test_a_group_is_ambiguous),
        cmocka_unit_test(test_families_are_told_apart),
        cmocka_unit_test(test_an_ipv6_only_listener_has_no_ipv4_children),
        cmocka_unit_test(test_interfaces_and_namespaces_are_told_apart),
        cmocka_unit_test(test_where_both_ends_are_listened_on_nothing_is_claimed),
        cmocka_unit_test(test_the_end_that_connected_came_from_nobody),
        cmocka_unit_test(test_what_never_came_from_anybody_is_not_matched),
        cmocka_unit_test(test_who_is_connected_and_has_no_inode_waits),
        cmocka_unit_test(test_an_accepted_unix_socket_has_its_listeners_name_and_file),
        cmocka_unit_test(test_where_no_file_is_known_only_the_name_was_matched),
        cmocka_unit_test(test_abstract_names_are_a_namespaces_own),
        cmocka_unit_test(test_a_shared_bucket_of_what_was_accepted_is_said),
        cmocka_unit_test(test_another_bucket_rules_a_listener_out),
        cmocka_unit_test(test_a_client_came_from_nobody_unless_the_listener_has_no_limit),
        cmocka_unit_test(test_time_wait_is_matched_still),
        cmocka_unit_test(test_a_listener_that_came_later_is_not_its_own),
        cmocka_unit_test(test_of_a_list_that_is_torn_no_order_is_known),
        cmocka_unit_test(test_a_list_that_bites_its_tail_ends),
        cmocka_unit_test(test_a_request_socket_names_its_listener),
        cmocka_unit_test(test_what_was_seen_is_exact),
        cmocka_unit_test(test_what_was_seen_of_a_closed_listener_came_from_no_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

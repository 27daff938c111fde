/* A map as text for people. */
#include <sys/socket.h>

#include "map/view/testing.h"
#include "map/view/words.h"

static void assert_has(const char *text, const char *part) {
    if (!strstr(text, part))
        fail_msg("'%s' is not in:\n%s", part, text);
}

static void test_a_line_says_who_has_it_and_who_is_at_the_other_end(void **state) {
    struct map *map = sample_host();
    map_end(map);
    struct map_view view = whole(map);
    char *text = TEST_OUT(ended(map_view_table(&view, &out), &out));

    assert_has(text, "SOCKET");
    assert_has(text, "\ntcp            established            127.0.0.1:80  127.0.0.1:40   nginx[10]/22            curl[11]/23\n");
    assert_has(text, "1 of 128");
    assert_has(text, "waiting to be accepted");
    assert_has(text, "unix stream    established            #8            /run/db        nginx[10]/28            db[12]/27");
    assert_has(text, "192.0.2.1:443");
    assert_has(text, "the kernel");
    free(text);
    whole_free(&view);
}

static void test_lines_end_without_spaces(void **state) {
    struct map *map = sample_host();
    map_end(map);
    struct map_view view = whole(map);
    char *text = TEST_OUT(ended(map_view_table(&view, &out), &out));

    assert_null(strstr(text, " \n"));
    free(text);
    whole_free(&view);
}

static void test_a_tree_nests_what_came_from_a_listener(void **state) {
    struct map *map = sample_host();
    map_end(map);
    struct map_view view = whole(map);
    char *text = TEST_OUT(ended(map_view_tree(&view, &out), &out));

    assert_has(text, "www.service\n  nginx[10] /usr/sbin/nginx\n    tcp listen 0.0.0.0:80  queue 1 of 128\n"
                     "      tcp established 127.0.0.1:80 <- 127.0.0.1:40  curl[11]/23 (matched)\n"
                     "      tcp established 127.0.0.1:80 <- 127.0.0.1:41  curl[11]/25 (matched)  waiting to be accepted\n");
    assert_has(text, "db.service\n  db[12] /usr/bin/db\n    unix stream listen /run/db\n      unix stream established /run/db <- #8  "
                     "nginx[10]/28 (exact)\n");
    assert_has(text, "no unit\n  curl[11] /usr/bin/curl\n");
    assert_has(text, "  no process\n    netlink route unconnected kernel\n");
    free(text);
    whole_free(&view);
}

static void test_a_listener_shows_what_waits_and_what_was_accepted(void **state) {
    struct map *map = sample_host();
    map_end(map);
    struct map_view view = whole(map);
    char *text = TEST_OUT(ended(map_view_listeners(&view, &out), &out));

    assert_has(
        text,
        "tcp 0.0.0.0:80  nginx[10]/21  accept queue 1 of 128  came from it: 2\n"
        "  in the accept queue (not accepted yet)\n    127.0.0.1:41  established  waiting to be accepted  <- curl[11]/25  [matched: ");
    assert_has(text, "  accepted\n    127.0.0.1:40  established  nginx[10]/22  <- curl[11]/23  [matched: ");
    assert_has(text, "unix stream /run/db  db[12]/26  came from it: 1\n");
    free(text);
    whole_free(&view);
}

static int times(const char *text, const char *what) {
    int count = 0;

    for (; (text = strstr(text, what)); text++)
        count++;
    return count;
}

static void test_what_may_have_come_from_several_listeners_is_shown_once(void **state) {
    struct map *map = sample_host();
    map_put(map, listening(20, ANY4(80)));
    map_end(map);
    struct map_view view = whole(map);
    char *text = TEST_OUT(ended(map_view_listeners(&view, &out), &out));

    assert_has(text, "came from it: 0, perhaps 2 more\n  perhaps from here, perhaps not\n    127.0.0.1:4");
    assert_has(text, "came from it: 0, perhaps 2 more\n  perhaps from here, perhaps not: shown above\n");
    assert_int_equal(times(text, "    127.0.0.1:40  established"), 1);
    free(text);
    whole_free(&view);
}

static void test_one_socket_in_full(void **state) {
    struct map *map = sample_host();
    assert_int_equal(map_add_fact(map, 1, "path", "MTU", "1500", true), 0);
    assert_int_equal(map_add_fact(map, 1, "options", "evil\033[1m", "a\033[1mb", false), 0);
    map_end(map);
    char *text = TEST_OUT(ended(map_view_socket(map, map_find_cookie(map, 2), &out), &out));

    assert_has(text, "tcp established\n");
    assert_has(text, "nginx[10] descriptor 22  /usr/sbin/nginx  www.service");
    assert_has(text, "other end                  curl[11]/23  127.0.0.1:40  inode 3  [matched: ");
    assert_has(text, "listener                   nginx[10]/21  0.0.0.0:80  inode 1  [matched: ");
    assert_has(text, "ehash");
    assert_has(text, "\npath\n  MTU                        1500\n");
    assert_has(text, "a\\x1b[1mb");
    free(text);
    text = TEST_OUT(ended(map_view_socket(map, map_find_cookie(map, 1), &out), &out));
    assert_has(text, "lhash2");
    assert_has(text, "\ncame from it\n  127.0.0.1:40  established  nginx[10]/22  [matched]\n");
    free(text);
    map_free(map);
}

static void test_what_is_missing_is_said_last(void **state) {
    struct map *map = sample_host();
    assert_int_equal(map_add_missing(map, "x sockets", "because", "do this"), 0);
    map_end(map);
    struct map_view view = whole(map);
    char *text = TEST_OUT(ended(map_view_table(&view, &out), &out));

    assert_has(text, "\n# not shown: x sockets: because; do this\n");
    free(text);
    whole_free(&view);
}

/* Words -------------------------------------------------------------------------------------------------------------- */

static void assert_address(struct map_address address, enum map_kind kind, const char *expected) {
    struct map *map = map_make();
    struct map_socket socket = {.kind = kind};
    char text[MAP_WORDS_MAX];
    struct kith_text words = kith_text_init(text, sizeof(text));

    assert_int_equal(map_add_interface(map, 0, 3, "eth0"), 0);
    map_address_words(map, &socket, &address, &words);
    assert_string_equal(text, expected);
    map_free(map);
}

static void test_addresses_in_words(void **state) {
    struct map_address scoped = ip6(1, 80), unknown = ip6(1, 80);

    scoped.interface = 3;
    unknown.interface = 4;
    assert_address(LOOPBACK(80), MAP_TCP, "127.0.0.1:80");
    assert_address(ANY4(0), MAP_UDP, "0.0.0.0:*");
    assert_address(scoped, MAP_TCP, "[fe80::1%eth0]:80");
    assert_address(unknown, MAP_TCP, "[fe80::1%if4]:80");
    assert_address(mapped(1, 2, 3, 4, 5), MAP_TCP, "[::ffff:1.2.3.4]:5");
    assert_address(ip4(10, 0, 0, 1, 1), MAP_RAW, "10.0.0.1");
    assert_address(path("/run/\033[2Jx"), MAP_UNIX, "/run/\\x1b[2Jx");
    assert_address((struct map_address){.form = MAP_ABSTRACT, .name = "a\0b\n", .name_size = 4}, MAP_UNIX, "@a\\x00b\\x0a");
    assert_address((struct map_address){.form = MAP_CID, .number = 3, .port = 5000}, MAP_VSOCK, "3:5000");
    assert_address((struct map_address){.form = MAP_CID, .number = UINT32_MAX, .port = UINT32_MAX}, MAP_VSOCK, "*:*");
    assert_address((struct map_address){.form = MAP_PORTID, .number = 0}, MAP_NETLINK, "kernel");
    assert_address((struct map_address){.form = MAP_DEVICE, .interface = 3}, MAP_PACKET, "eth0");
    assert_address((struct map_address){.form = MAP_DEVICE}, MAP_PACKET, "*");
    assert_address((struct map_address){0}, MAP_UNIX, "");
}

static void test_every_state_has_a_name_that_is_found_again(void **state) {
    for (int s = MAP_ESTABLISHED; s < MAP_STATES_; s++) {
        struct map_socket socket = {.kind = MAP_TCP, .state = (enum map_state)s};
        enum map_state found = map_state_of_name(map_state_name(&socket));
        assert_true(found == (enum map_state)s || (s == MAP_NEW_SYN_RECV && found == MAP_SYN_RECV));
    }
    assert_int_equal(map_state_of_name("frob"), MAP_STATE_UNKNOWN);
    assert_string_equal(map_state_name(&(struct map_socket){.kind = MAP_UDP, .state = MAP_CLOSE}), "unconnected");
    assert_string_equal(map_state_name(&(struct map_socket){.kind = MAP_TCP, .state = MAP_CLOSE}), "close");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line_says_who_has_it_and_who_is_at_the_other_end),
        cmocka_unit_test(test_lines_end_without_spaces),
        cmocka_unit_test(test_a_tree_nests_what_came_from_a_listener),
        cmocka_unit_test(test_a_listener_shows_what_waits_and_what_was_accepted),
        cmocka_unit_test(test_what_may_have_come_from_several_listeners_is_shown_once),
        cmocka_unit_test(test_one_socket_in_full),
        cmocka_unit_test(test_what_is_missing_is_said_last),
        cmocka_unit_test(test_addresses_in_words),
        cmocka_unit_test(test_every_state_has_a_name_that_is_found_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A map as JSON: what docs/map.md says is there. */
#include <sys/socket.h>

#include <jansson.h>

#include "map/view/testing.h"

static json_t *json_of(struct map *map) {
    struct map_view view = whole(map);
    char *text = TEST_OUT(ended(map_view_json(&view, &out), &out));
    json_t *json = json_loads(text, 0, NULL);

    assert_non_null(json);
    free(text);
    whole_free(&view);
    return json;
}

static json_t *row(const json_t *json, json_int_t cookie) {
    const json_t *sockets = json_object_get(json, "sockets");
    json_t *socket;
    size_t i;

    json_array_foreach(sockets, i, socket) {
        if (json_integer_value(json_object_get(socket, "cookie")) == cookie)
            return socket;
    }
    fail_msg("no socket has cookie %lld", (long long)cookie);
    return NULL;
}

static const char *text_of(const json_t *object, const char *one, const char *two) {
    const json_t *value = json_object_get(object, one);
    return json_string_value(two ? json_object_get(value, two) : value);
}

static void test_a_socket_has_every_member_that_is_documented(void **state) {
    static const char *const members[] = {"family",     "type",    "protocol", "state",   "local", "remote",    "inode",
                                          "cookie",     "uid",     "netns",    "cgroup",  "unit",  "container", "receive_queue",
                                          "send_queue", "backlog", "waiting",  "holders", "peer",  "listener"};
    struct map *map = sample_host();
    map_end(map);
    json_t *json = json_of(map);

    assert_string_equal(text_of(json, "format", NULL), "kith-map");
    assert_int_equal(json_integer_value(json_object_get(json, "version")), 1);
    for (json_int_t cookie = 1; cookie <= 10; cookie++)
        for (size_t i = 0; i < KITH_ARRAY_SIZE(members); i++)
            if (!json_object_get(row(json, cookie), members[i]))
                fail_msg("socket %lld has no %s", (long long)cookie, members[i]);
    json_decref(json);
}

static void test_links_and_holders(void **state) {
    struct map *map = sample_host();
    map_end(map);
    json_t *json = json_of(map), *child = row(json, 2), *peer = json_object_get(child, "peer");

    assert_string_equal(text_of(child, "peer", "known"), "matched");
    assert_int_equal(json_integer_value(json_object_get(peer, "inode")), 3);
    const json_t *holder = json_array_get(json_object_get(peer, "holders"), 0);
    assert_int_equal(json_integer_value(json_object_get(holder, "pid")), 11);
    assert_string_equal(text_of(holder, "exe", NULL), "/usr/bin/curl");
    assert_true(json_is_null(json_object_get(holder, "unit")));
    assert_string_equal(text_of(child, "listener", "known"), "matched");
    assert_string_equal(text_of(row(json, 8), "peer", "known"), "exact");
    assert_string_equal(text_of(row(json, 8), "remote", "path"), "/run/db");
    assert_true(json_is_true(json_object_get(row(json, 4), "waiting")));
    assert_true(json_is_null(json_object_get(row(json, 4), "inode")));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(row(json, 1), "backlog"), "limit")), 128);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(row(json, 1), "children"), "known")), 2);
    assert_string_equal(text_of(row(json, 1), "unit", NULL), "www.service");
    assert_true(json_is_null(json_object_get(row(json, 9), "peer")));
    json_decref(json);
}

static void test_names_of_any_octets_are_json(void **state) {
    struct map *map = map_make();

    map_put(map, unix_socket(1, MAP_LISTEN, (struct map_address){.form = MAP_ABSTRACT, .name = "\"\xff\0\n", .name_size = 4}, 0));
    assert_int_equal(map_add_process(map, &(struct map_process){.pid = 1, .comm = "\xff\x1b", .exe = "/a\"b"}, NULL), 0);
    assert_int_equal(map_add_holder(map, 1, 0, 3), 0);
    map_end(map);
    json_t *json = json_of(map);
    assert_string_equal(text_of(row(json, 1), "local", "abstract"), "\"\\xff\\x00\\x0a");
    const json_t *holder = json_array_get(json_object_get(row(json, 1), "holders"), 0);
    assert_string_equal(text_of(holder, "comm", NULL), "\\xff\\x1b");
    assert_string_equal(text_of(holder, "exe", NULL), "/a\"b");
    json_decref(json);
}

static void test_candidates_are_all_there(void **state) {
    struct map *map = map_make();

    map_put(map, listening(1, ANY4(80)));
    map_put(map, listening(2, ANY4(80)));
    struct map_socket child = tcp(3, MAP_ESTABLISHED, LOOPBACK(80), LOOPBACK(40));
    child.flags |= MAP_WAS_ACCEPTED;
    map_put(map, child);
    map_end(map);
    json_t *json = json_of(map), *link = json_object_get(row(json, 3), "listener");
    assert_string_equal(text_of(row(json, 3), "side", NULL), "accepted");
    assert_string_equal(text_of(link, "known", NULL), "ambiguous");
    assert_int_equal(json_array_size(json_object_get(link, "candidates")), 2);
    json_decref(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_socket_has_every_member_that_is_documented),
        cmocka_unit_test(test_links_and_holders),
        cmocka_unit_test(test_names_of_any_octets_are_json),
        cmocka_unit_test(test_candidates_are_all_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Which sockets are meant, what changed, and what cgroups say of containers. */
#include <sys/socket.h>

#include "map/model/container.h"
#include "map/model/diff.h"
#include "map/model/select.h"
#include "map/model/testing.h"

/* nginx (10, www.service) listens at 80 and has 2, whose client is curl (11, job.service); a unix pair of both. */
static struct map *sample(void) {
    struct map *map = map_make();
    struct map_socket owned = listening(1, ANY4(80)), there = listening(7, ANY4(99));

    owned.flags |= MAP_HAS_UID;
    owned.uid = 33;
    map_put(map, owned);
    map_put(map, tcp(2, MAP_ESTABLISHED, LOOPBACK(80), LOOPBACK(40)));
    map_put(map, tcp(3, MAP_ESTABLISHED, LOOPBACK(40), LOOPBACK(80)));
    map_put(map, unix_socket(4, MAP_ESTABLISHED, path("/run/x"), 5));
    map_put(map, unix_socket(5, MAP_ESTABLISHED, (struct map_address){0}, 4));
    map_put(map, udp(6, ANY4(53), ANY4(0)));
    there.netns = 1;
    map_put(map, there);
    assert_int_equal(
        map_add_process(map, &(struct map_process){.pid = 10, .uid = 33, .exe = "/usr/sbin/nginx", .unit = "www.service"}, NULL), 0);
    assert_int_equal(
        map_add_process(
            map, &(struct map_process){.pid = 11, .uid = 0, .exe = "/usr/bin/curl", .unit = "job.service", .container = "ab12cd34ef56"},
            NULL),
        0);
    for (uint64_t inode = 1; inode <= 5; inode++)
        assert_int_equal(map_add_holder(map, inode, inode == 3 || inode == 5, (int)inode), 0);
    map_end(map);
    return map;
}

/* The cookies of those that are meant, in order, as one number: 1 and 2 are 12. */
static uint64_t chosen(const struct map_select *select) {
    struct map *map = sample();
    uint32_t *sockets;
    size_t count;
    uint64_t number = 0;

    assert_int_equal(map_select(map, select, &sockets, &count), 0);
    for (size_t i = 0; i < count; i++)
        number = number * 10 + map->sockets[sockets[i]].cookie;
    free(sockets);
    map_free(map);
    return number;
}

static void test_each_filter_chooses(void **state) {
    assert_int_equal(chosen(&(struct map_select){0}), 1732654);
    assert_int_equal(chosen(&(struct map_select){.kinds = 1U << MAP_UDP}), 6);
    assert_int_equal(chosen(&(struct map_select){.pid = 11}), 35);
    assert_int_equal(chosen(&(struct map_select){.exe = "nginx"}), 124);
    assert_int_equal(chosen(&(struct map_select){.exe = "/usr/sbin/nginx"}), 124);
    assert_int_equal(chosen(&(struct map_select){.exe = "ngin"}), 0);
    assert_int_equal(chosen(&(struct map_select){.unit = "job"}), 35);
    assert_int_equal(chosen(&(struct map_select){.unit = "job.service"}), 35);
    assert_int_equal(chosen(&(struct map_select){.unit = "jo"}), 0);
    assert_int_equal(chosen(&(struct map_select){.container = "ab12cd"}), 35);
    assert_int_equal(chosen(&(struct map_select){.container = "ab12cd34ef56789"}), 35);
    assert_int_equal(chosen(&(struct map_select){.container = "ab12cd34ef57"}), 0);
    assert_int_equal(chosen(&(struct map_select){.container = ""}), 0);
    assert_int_equal(chosen(&(struct map_select){.to = "www"}), 35);
    assert_int_equal(chosen(&(struct map_select){.has_uid = true, .uid = 33}), 124);
    assert_int_equal(chosen(&(struct map_select){.port = 80}), 132);
    assert_int_equal(chosen(&(struct map_select){.path = "/run/x"}), 54);
    assert_int_equal(chosen(&(struct map_select){.path = "@/run/x"}), 0);
    assert_int_equal(chosen(&(struct map_select){.state = MAP_LISTEN}), 17);
    assert_int_equal(chosen(&(struct map_select){.netns = "blue"}), 7);
    assert_int_equal(chosen(&(struct map_select){.netns = "200"}), 7);
    assert_int_equal(chosen(&(struct map_select){.listener = ANY4(80)}), 12);
    assert_int_equal(chosen(&(struct map_select){.listener = ip4(10, 0, 0, 1, 80)}), 0);
}

static void test_all_that_is_given_has_to_hold(void **state) {
    assert_int_equal(chosen(&(struct map_select){.pid = 10, .port = 80, .state = MAP_ESTABLISHED}), 2);
    assert_int_equal(chosen(&(struct map_select){.pid = 10, .exe = "curl"}), 0);
}

/* "web2" is another container than "web", and "db" no beginning of an id. */
static void test_a_containers_name_is_known_whole(void **state) {
    static const struct map_socket held = {.kind = MAP_UNIX, .inode = 1, .cookie = 1};
    struct map *map = map_make();
    uint32_t process;

    map_put(map, held);
    assert_int_equal(map_add_process(map, &(struct map_process){.pid = 10, .container = "web"}, &process), 0);
    assert_int_equal(map_add_holder(map, 1, process, 3), 0);
    map_end(map);
    assert_true(map_selected(map, &(struct map_select){.container = "web"}, 0));
    assert_false(map_selected(map, &(struct map_select){.container = "web2"}, 0));
    assert_false(map_selected(map, &(struct map_select){.container = "we"}, 0));
    map_free(map);
}

static void test_a_change_is_marked(void **state) {
    struct map *before = sample(), *after = map_make();

    map_put(after, listening(1, ANY4(80)));
    map_put(after, tcp(2, MAP_CLOSE_WAIT, LOOPBACK(80), LOOPBACK(40)));
    map_put(after, udp(6, ANY4(53), ANY4(0)));
    map_put(after, udp(9, ANY4(54), ANY4(0)));
    assert_int_equal(map_add_process(after, &(struct map_process){.pid = 10}, NULL), 0);
    assert_int_equal(map_add_holder(after, 1, 0, 8), 0); /* was 1 */
    assert_int_equal(map_add_holder(after, 2, 0, 2), 0);
    map_end(after);
    map_diff(before, after);
    assert_true(map_get(after, 1)->flags & MAP_IS_CHANGED);
    assert_true(map_get(after, 2)->flags & MAP_IS_CHANGED);
    assert_false(map_get(after, 6)->flags & (MAP_IS_CHANGED | MAP_IS_BORN));
    assert_true(map_get(after, 9)->flags & MAP_IS_BORN);
    assert_true(map_get(before, 3)->flags & MAP_IS_GONE);
    assert_false(map_get(before, 1)->flags & MAP_IS_GONE);
    map_free(before);
    map_free(after);
}

static void assert_container(const char *cgroup, const char *expected) {
    char name[128];
    struct kith_text text = kith_text_init(name, sizeof(name));

    assert_int_equal(map_container_of_cgroup(cgroup, &text), expected != NULL);
    if (expected)
        assert_string_equal(name, expected);
}

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_containers_are_known_by_their_cgroups(void **state) {
    assert_container("/system.slice/docker-" ID ".scope", "0123456789ab");
    assert_container("/docker/" ID, "0123456789ab");
    assert_container("/machine.slice/libpod-" ID ".scope/container", "0123456789ab");
    assert_container("/kubepods.slice/kubepods-pod1.slice/cri-containerd-" ID ".scope", "0123456789ab");
    assert_container("/lxc.payload.web/system.slice", "web");
    assert_container("/machine.slice/machine-db.scope", "db");
    assert_container("/system.slice/docker.service", NULL);
    assert_container("/docker/" ID "0", NULL);
    assert_container("/docker/short", NULL);
    assert_container("", NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_filter_chooses),
        cmocka_unit_test(test_all_that_is_given_has_to_hold),
        cmocka_unit_test(test_a_containers_name_is_known_whole),
        cmocka_unit_test(test_a_change_is_marked),
        cmocka_unit_test(test_containers_are_known_by_their_cgroups),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Options and descriptors are of the socket that is meant, or none. */
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "map/model/testing.h"
#include "map/source/source.h"

/* A map of one socket, which this process has as *ret_fd. */
static struct map *map_of_one(int *ret_fd) {
    struct map *map = map_make();
    struct stat own;

    *ret_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(*ret_fd >= 0);
    assert_int_equal(fstat(*ret_fd, &own), 0);
    map_put(map, unix_socket(own.st_ino, MAP_CLOSE, (struct map_address){0}, 0));
    return map;
}

static bool has_fact(const struct map *map, const char *name) {
    for (size_t i = 0; i < map->fact_count; i++)
        if (strcmp(map->facts[i].name, name) == 0)
            return true;
    return false;
}

static void test_a_descriptor_of_the_socket_has_its_facts(void **state) {
    int fd;
    struct map *map = map_of_one(&fd);

    assert_int_equal(map_read_descriptor(map, 0, getpid(), fd), 0);
    assert_true(has_fact(map, "O_NONBLOCK"));
    assert_int_equal(map_read_options(map, 0, getpid(), fd), 0);
    assert_true(has_fact(map, "SO_RCVBUF"));
    assert_int_equal(map->missing_count, 0);
    map_free(map);
    close(fd);
}

/* Between two looks its process has closed it, and something else has the number. */
static void test_what_has_its_number_since_has_no_say(void **state) {
    int fd, other;
    struct map *map = map_of_one(&fd), *unused = map_of_one(&other);

    assert_int_equal(dup2(other, fd), fd);
    assert_int_equal(map_read_descriptor(map, 0, getpid(), fd), 0);
    assert_int_equal(map_read_options(map, 0, getpid(), fd), 0);
    assert_int_equal(map->fact_count, 0);
    assert_int_equal(map->missing_count, 1);
    assert_string_equal(map->missing[0].why, "its descriptor is another file's now");
    map_free(map);
    map_free(unused);
    close(fd);
    close(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_descriptor_of_the_socket_has_its_facts),
        cmocka_unit_test(test_what_has_its_number_since_has_no_say),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

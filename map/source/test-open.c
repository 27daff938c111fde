/* What another process has put in the place of a file is not opened. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "map/source/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define NAMESPACE "/proc/self/ns/net"

static dev_t device_of(int fd) {
    struct stat own;

    assert_int_equal(fstat(fd, &own), 0);
    return own.st_dev;
}

static void test_the_file_that_is_meant_is_opened(void **state) {
    struct stat own, found;

    assert_int_equal(stat(NAMESPACE, &own), 0);
    int pointed = map_point_at(AT_FDCWD, NAMESPACE, own.st_dev, own.st_ino);
    assert_true(pointed >= 0);
    int opened = map_open_pointed(pointed);
    assert_true(opened >= 0);
    assert_int_equal(fstat(opened, &found), 0);
    assert_int_equal(found.st_ino, own.st_ino);
    assert_int_equal(map_point_at(AT_FDCWD, NAMESPACE, own.st_dev, own.st_ino + 1), -ENOENT);
    close(opened);
    close(pointed);
}

/* The same number on another file system: anybody can have a file of the number that he wants. */
static void test_what_stands_in_its_place_is_not_opened(void **state) {
    char file[] = "/tmp/kith-test-open-XXXXXX", event[sizeof(struct inotify_event) + 256];
    struct stat own, there;
    int fd = mkstemp(file), watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

    assert_true(fd >= 0 && watch >= 0);
    assert_int_equal(stat(NAMESPACE, &own), 0);
    assert_int_equal(fstat(fd, &there), 0);
    assert_true(inotify_add_watch(watch, file, IN_OPEN) >= 0);
    assert_int_equal(map_point_at(AT_FDCWD, file, own.st_dev, there.st_ino), -ENOENT);
    assert_int_equal(read(watch, event, sizeof(event)), -1);
    assert_int_equal(errno, EAGAIN);
    /* Were it opened, it would have been seen. */
    int pointed = map_point_at(AT_FDCWD, file, there.st_dev, there.st_ino), opened = map_open_pointed(pointed);
    assert_true(opened >= 0);
    assert_true(read(watch, event, sizeof(event)) > 0);
    close(opened);
    close(pointed);
    close(watch);
    close(fd);
    unlink(file);
}

/* Only what memfd_create(2) made is a file in memory: a name says nothing. */
static void test_files_in_memory_and_sockets_have_a_device_of_their_own(void **state) {
    int memory = memfd_create("a", MFD_CLOEXEC), other = memfd_create("b", MFD_CLOEXEC), pair[2];
    char path[MAP_POINTED_MAX];

    assert_true(memory >= 0 && other >= 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    int pointed = map_point_at(AT_FDCWD, map_pointed_path(other, path), device_of(memory), 0);
    assert_true(pointed >= 0);
    close(pointed);
    assert_int_equal(map_point_at(AT_FDCWD, map_pointed_path(pair[0], path), device_of(memory), 0), -ENOENT);
    assert_int_equal(map_point_at(AT_FDCWD, map_pointed_path(memory, path), device_of(pair[1]), 0), -ENOENT);
    close(memory);
    close(other);
    close(pair[0]);
    close(pair[1]);
}

static void test_what_is_not_there_is_an_error(void **state) {
    assert_int_equal(map_point_at(AT_FDCWD, "/proc/self/fd/1000000", 1, 0), -ENOENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_file_that_is_meant_is_opened),
        cmocka_unit_test(test_what_stands_in_its_place_is_not_opened),
        cmocka_unit_test(test_files_in_memory_and_sockets_have_a_device_of_their_own),
        cmocka_unit_test(test_what_is_not_there_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

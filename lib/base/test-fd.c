/* base/test-fd.c */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/fd.h"

/* A memory file of `size` octets "abcabc..."; its path goes to `path`. */
static int make_file(size_t size, char path[64]) {
    int fd = memfd_create("kith-test", MFD_CLOEXEC);

    assert_true(fd >= 0);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(write(fd, &"abc"[i % 3], 1), 1);
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

static void test_close_keeps_errno_and_says_minus_one(void **state) {
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    errno = EXDEV;
    assert_int_equal(kith_close(fd), -1);
    assert_int_equal(errno, EXDEV);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    errno = EXDEV;
    assert_int_equal(kith_close(-1), -1);
    assert_int_equal(errno, EXDEV);
}

static void test_flags_are_set_and_others_kept(void **state) {
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    assert_int_equal(fcntl(fds[1], F_SETFL, O_DIRECT), 0);
    assert_int_equal(kith_fd_set_nonblock(fds[1]), 0);
    assert_int_equal(fcntl(fds[1], F_GETFL) & (O_NONBLOCK | O_DIRECT), O_NONBLOCK | O_DIRECT);
    assert_int_equal(kith_fd_set_cloexec(fds[0]), 0);
    assert_int_equal(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
    kith_close(fds[0]);
    kith_close(fds[1]);
    assert_int_equal(kith_fd_set_nonblock(-1), -EBADF);
    assert_int_equal(kith_fd_set_cloexec(-1), -EBADF);
}

static void test_file_of_every_awkward_size_is_read_whole(void **state) {
    const size_t sizes[] = {0, 1, 4095, 4096, 4097, 8192, 20000};

    for (size_t i = 0; i < KITH_ARRAY_SIZE(sizes); i++) {
        char path[64], *text = NULL;
        size_t size = 12345;
        int fd = make_file(sizes[i], path);

        assert_int_equal(kith_file_read(AT_FDCWD, path, 20000, &text, &size), 0);
        assert_int_equal(size, sizes[i]);
        assert_int_equal(strlen(text), sizes[i]);
        for (size_t k = 0; k < size; k++)
            assert_int_equal(text[k], "abc"[k % 3]);
        free(text);
        kith_close(fd);
    }
}

static void test_file_larger_than_allowed_is_refused(void **state) {
    char path[64], *text = NULL;
    size_t size = 77;
    int fd = make_file(5000, path);

    assert_int_equal(kith_file_read(AT_FDCWD, path, 4999, &text, &size), -EFBIG);
    assert_int_equal(kith_file_read(AT_FDCWD, path, 0, &text, &size), -EFBIG);
    assert_null(text);
    assert_int_equal(size, 77);
    assert_int_equal(kith_file_read(AT_FDCWD, path, 5000, &text, NULL), 0);
    free(text);
    kith_close(fd);
}

static void test_proc_file_is_read_though_its_size_is_zero(void **state) {
    _cleanup_(kith_closep) int dir = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
    char *text = NULL;
    size_t size = 0;

    assert_int_equal(kith_file_read(dir, "status", SIZE_MAX, &text, &size), 0);
    assert_memory_equal(text, "Name:", 5);
    free(text);
}

static void test_failures_of_reading_pass_up(void **state) {
    char *text = NULL;
    size_t size = 77;

    assert_int_equal(kith_file_read(AT_FDCWD, "/nonexistent", 10, &text, &size), -ENOENT);
    assert_int_equal(kith_file_read(AT_FDCWD, "/", 10, &text, &size), -EISDIR);
    assert_null(text);
    assert_int_equal(size, 77);
}

static void test_link_is_read(void **state) {
    char *target = NULL;
    char *expected = realpath("/proc/self/exe", NULL);

    assert_int_equal(kith_link_read(AT_FDCWD, "/proc/self/exe", &target), 0);
    assert_string_equal(target, expected);
    free(target);
    free(expected);
    target = NULL;
    assert_int_equal(kith_link_read(AT_FDCWD, "/proc/self/status", &target), -EINVAL);
    assert_int_equal(kith_link_read(AT_FDCWD, "/nonexistent", &target), -ENOENT);
    assert_null(target);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_close_keeps_errno_and_says_minus_one),
        cmocka_unit_test(test_flags_are_set_and_others_kept),
        cmocka_unit_test(test_file_of_every_awkward_size_is_read_whole),
        cmocka_unit_test(test_file_larger_than_allowed_is_refused),
        cmocka_unit_test(test_proc_file_is_read_though_its_size_is_zero),
        cmocka_unit_test(test_failures_of_reading_pass_up),
        cmocka_unit_test(test_link_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

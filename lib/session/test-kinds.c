/* session/test-kinds.c: what descriptors are called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <kith/policy.h>

#include "base/fds.h"
#include "session/kinds.h"

/* Takes the descriptor. */
static unsigned kind_of(int fd) {
    struct kith_fds *fds = NULL;
    assert_true(fd >= 0);
    assert_int_equal(kith_fds_add(&fds, fd), 0);
    unsigned kinds = kith_fds_kinds(fds);
    kith_fds_unref(fds);
    return kinds;
}

static int end_of(int pair[2], unsigned end) {
    close(pair[1 - end]);
    return pair[end];
}

static void test_each_kind_is_told(void **state) {
    int pair[2];
    assert_int_equal(kind_of(open("/proc/self/exe", O_RDONLY | O_CLOEXEC)), KITH_FD_FILE);
    assert_int_equal(kind_of(open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)), KITH_FD_FILE);
    assert_int_equal(kind_of(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)), KITH_FD_DIRECTORY);
    assert_int_equal(kind_of(open("/dev/null", O_RDONLY | O_CLOEXEC)), KITH_FD_DEVICE);
    assert_int_equal(kind_of(memfd_create("pidfd:", MFD_CLOEXEC)), KITH_FD_MEMFD);
    assert_int_equal(kind_of(memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING)), KITH_FD_MEMFD);
    assert_int_equal(kind_of((int)syscall(SYS_pidfd_open, getpid(), 0)), KITH_FD_PIDFD);
    assert_int_equal(kind_of(eventfd(0, EFD_CLOEXEC)), KITH_FD_EVENTFD);
    assert_int_equal(kind_of(epoll_create1(EPOLL_CLOEXEC)), KITH_FD_OTHER);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(kind_of(end_of(pair, 0)), KITH_FD_SOCKET);
    assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
    assert_int_equal(kind_of(end_of(pair, 1)), KITH_FD_PIPE);
}

static void test_several_are_a_set(void **state) {
    struct kith_fds *fds = NULL;
    assert_int_equal(kith_fds_add(&fds, open("/dev/null", O_RDONLY | O_CLOEXEC)), 0);
    assert_int_equal(kith_fds_add(&fds, memfd_create("x", MFD_CLOEXEC)), 0);
    assert_int_equal(kith_fds_kinds(fds), KITH_FD_DEVICE | KITH_FD_MEMFD);
    kith_fds_unref(fds);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_kind_is_told),
        cmocka_unit_test(test_several_are_a_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The builder: what it builds is what the C library's macros would, and an append that does not fit changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "base/cleanup.h"
#include "cmsg/internal.h"

static void test_a_built_buffer_reads_the_same_through_the_c_library(void **state) {
    _Alignas(struct cmsghdr) uint8_t control[128];
    struct kith_cmsg_builder builder = kith_cmsg_builder_init(control, sizeof(control));
    static const int fds[3] = {5, 6, 7};
    struct ucred ucred = {.pid = 812, .uid = 1000, .gid = 100};
    struct msghdr message = {.msg_control = control};
    struct cmsghdr *cmsg;

    memset(control, 0xaa, sizeof(control));
    assert_int_equal(kith_cmsg_put_fds(&builder, fds, 3), 0);
    assert_int_equal(kith_cmsg_put_credentials(&builder, 812, 1000, 100), 0);
    assert_int_equal(builder.size, CMSG_SPACE(sizeof(fds)) + CMSG_SPACE(sizeof(ucred)));

    message.msg_controllen = builder.size;
    cmsg = CMSG_FIRSTHDR(&message);
    assert_int_equal(cmsg->cmsg_level, SOL_SOCKET);
    assert_int_equal(cmsg->cmsg_type, SCM_RIGHTS);
    assert_int_equal(cmsg->cmsg_len, CMSG_LEN(sizeof(fds)));
    assert_memory_equal(CMSG_DATA(cmsg), fds, sizeof(fds));
    assert_memory_equal(CMSG_DATA(cmsg) + sizeof(fds), "\0\0\0\0", 4); /* padding: nothing of the memory's past */
    cmsg = CMSG_NXTHDR(&message, cmsg);
    assert_int_equal(cmsg->cmsg_type, SCM_CREDENTIALS);
    assert_memory_equal(CMSG_DATA(cmsg), &ucred, sizeof(ucred));
    assert_null(CMSG_NXTHDR(&message, cmsg));
}

static void test_unaligned_memory_is_as_good(void **state) {
    uint8_t control[64];
    struct kith_cmsg_builder builder = kith_cmsg_builder_init(control + 1, sizeof(control) - 1);
    struct kith_cmsg_iter iter;
    struct kith_cmsg cmsg;

    assert_int_equal(kith_cmsg_put_credentials(&builder, 812, 1000, 100), 0);
    iter = kith_cmsg_iter_init(control + 1, builder.size);
    assert_int_equal(kith_cmsg_next(&iter, &cmsg), 1);
    assert_int_equal(cmsg.value.credentials.pid, 812);
}

static void test_no_room_changes_nothing(void **state) {
    static const int fd = 5;
    uint8_t control[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(int)) - 1], before[sizeof(control)];
    struct kith_cmsg_builder builder = kith_cmsg_builder_init(control, sizeof(control));

    memset(control, 0xaa, sizeof(control));
    assert_int_equal(kith_cmsg_put_fds(&builder, &fd, 1), 0);
    memcpy(before, control, sizeof(control));
    assert_int_equal(kith_cmsg_put_fds(&builder, &fd, 1), -ENOBUFS);
    assert_int_equal(kith_cmsg_put(&builder, 1, 2, before, SIZE_MAX), -ENOBUFS);
    assert_int_equal(kith_cmsg_put(&builder, 1, 2, before, SIZE_MAX - sizeof(struct cmsghdr)), -ENOBUFS);
    assert_int_equal(builder.size, CMSG_SPACE(sizeof(int)));
    assert_memory_equal(before, control, sizeof(control));
}

static void test_counts_and_descriptors_that_cannot_be_are_refused(void **state) {
    uint8_t control[CMSG_SPACE((KITH_CMSG_MAX_FDS + 1) * sizeof(int))];
    struct kith_cmsg_builder builder = kith_cmsg_builder_init(control, sizeof(control));
    int fds[KITH_CMSG_MAX_FDS + 1] = {0};
    static const int bad[2] = {3, -1};

    assert_int_equal(kith_cmsg_put_fds(&builder, fds, 0), -EINVAL);
    assert_int_equal(kith_cmsg_put_fds(&builder, NULL, 1), -EINVAL);
    assert_int_equal(kith_cmsg_put_fds(&builder, fds, KITH_CMSG_MAX_FDS + 1), -EINVAL);
    assert_int_equal(kith_cmsg_put_fds(&builder, bad, 2), -EINVAL);
    assert_int_equal(kith_cmsg_put(&builder, 1, 2, NULL, 1), -EINVAL);
    assert_int_equal(builder.size, 0);
    assert_int_equal(kith_cmsg_put_fds(&builder, fds, KITH_CMSG_MAX_FDS), 0);
    assert_int_equal(kith_cmsg_put(&builder, 1, 2, NULL, 0), -ENOBUFS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_built_buffer_reads_the_same_through_the_c_library),
        cmocka_unit_test(test_unaligned_memory_is_as_good),
        cmocka_unit_test(test_no_room_changes_nothing),
        cmocka_unit_test(test_counts_and_descriptors_that_cannot_be_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

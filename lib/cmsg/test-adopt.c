/* Adoption over control buffers made by hand, its closing watched instead of done: every descriptor has to end in one place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/testing.h"
#include "cmsg/internal.h"

#define SCM_PIDFD_TYPE 4

struct closed {
    int fds[16];
    size_t count;
};

static void note_closed(int fd, void *userdata) {
    struct closed *closed = userdata;

    assert_true(closed->count < KITH_ARRAY_SIZE(closed->fds));
    closed->fds[closed->count++] = fd;
}

static void put(struct kith_cmsg_builder *builder, int type, const void *data, size_t size) {
    assert_int_equal(kith_cmsg_put(builder, SOL_SOCKET, type, data, size), 0);
}

static void test_descriptors_of_several_messages_are_taken_in_order(void **state) {
    static const int first[2] = {10, 11}, second[1] = {12}, pidfd = 13;
    static const struct ucred ucred = {.pid = 1};
    uint8_t control[256];
    struct kith_cmsg_builder builder = kith_cmsg_builder_init(control, sizeof(control));
    struct closed closed = {.count = 0};
    int fds[8], got_pidfd;
    size_t refused;

    put(&builder, SCM_RIGHTS, first, sizeof(first));
    put(&builder, SCM_CREDENTIALS, &ucred, sizeof(ucred));
    put(&builder, SCM_PIDFD_TYPE, &pidfd, sizeof(pidfd));
    put(&builder, SCM_RIGHTS, second, sizeof(second));

    assert_int_equal(kith_cmsg_adopt_fds_with(control, builder.size, fds, 8, &refused, &got_pidfd, note_closed, &closed), 3);
    assert_int_equal(fds[0], 10);
    assert_int_equal(fds[1], 11);
    assert_int_equal(fds[2], 12);
    assert_int_equal(got_pidfd, 13);
    assert_int_equal(refused, 0);
    assert_int_equal(closed.count, 0);
}

static void test_what_does_not_fit_is_closed_and_counted(void **state) {
    static const int sent[5] = {10, 11, 12, 13, 14};
    uint8_t control[128];
    struct kith_cmsg_builder builder = kith_cmsg_builder_init(control, sizeof(control));

    put(&builder, SCM_RIGHTS, sent, sizeof(sent));
    for (size_t max = 0; max <= 5; max++) {
        struct closed closed = {.count = 0};
        int fds[5];
        size_t refused;

        assert_int_equal(kith_cmsg_adopt_fds_with(control, builder.size, fds, max, &refused, NULL, note_closed, &closed), max);
        assert_int_equal(refused, 5 - max);
        assert_int_equal(closed.count, 5 - max);
        for (size_t i = 0; i < 5; i++)
            assert_int_equal(i < max ? fds[i] : closed.fds[i - max], sent[i]);
    }
}

static void test_a_pidfd_nobody_asked_for_and_a_second_one_are_closed(void **state) {
    static const int first = 20, second = 21;
    uint8_t control[128];
    struct kith_cmsg_builder builder = kith_cmsg_builder_init(control, sizeof(control));
    struct closed closed = {.count = 0};
    int pidfd;

    put(&builder, SCM_PIDFD_TYPE, &first, sizeof(first));
    put(&builder, SCM_PIDFD_TYPE, &second, sizeof(second));

    assert_int_equal(kith_cmsg_adopt_fds_with(control, builder.size, NULL, 0, NULL, &pidfd, note_closed, &closed), 0);
    assert_int_equal(pidfd, 20);
    assert_int_equal(closed.count, 1);
    assert_int_equal(closed.fds[0], 21);

    closed.count = 0;
    assert_int_equal(kith_cmsg_adopt_fds_with(control, builder.size, NULL, 0, NULL, NULL, note_closed, &closed), 0);
    assert_int_equal(closed.count, 2);
}

static void test_an_errno_in_place_of_a_pidfd_is_none(void **state) {
    static const int failed = -EMFILE;
    uint8_t control[64];
    struct kith_cmsg_builder builder = kith_cmsg_builder_init(control, sizeof(control));
    struct closed closed = {.count = 0};
    int pidfd = 4711;

    put(&builder, SCM_PIDFD_TYPE, &failed, sizeof(failed));
    assert_int_equal(kith_cmsg_adopt_fds_with(control, builder.size, NULL, 0, NULL, &pidfd, note_closed, &closed), 0);
    assert_int_equal(pidfd, -1);
    assert_int_equal(closed.count, 0);
}

static void test_a_message_whose_data_are_wrong_hides_no_descriptor_behind_it(void **state) {
    static const int fd = 10;
    uint8_t control[256];
    struct kith_cmsg_builder builder = kith_cmsg_builder_init(control, sizeof(control));
    struct closed closed = {.count = 0};
    int fds[4], pidfd;

    put(&builder, SCM_CREDENTIALS, "short", 5); /* kith_cmsg_next() gives up here */
    put(&builder, SCM_PIDFD_TYPE, "ab", 2);
    put(&builder, SCM_RIGHTS, "abc", 3);
    put(&builder, SCM_RIGHTS, &fd, sizeof(fd));
    assert_int_equal(kith_cmsg_adopt_fds_with(control, builder.size, fds, 4, NULL, &pidfd, note_closed, &closed), 1);
    assert_int_equal(fds[0], 10);
    assert_int_equal(pidfd, -1);
    assert_int_equal(closed.count, 0);
}

static void test_descriptors_before_an_unbelievable_header_are_taken(void **state) {
    static const int fd = 10;
    uint8_t control[128] = {0};
    struct kith_cmsg_builder builder = kith_cmsg_builder_init(control, sizeof(control));
    struct closed closed = {.count = 0};
    size_t size;
    int fds[4];

    put(&builder, SCM_RIGHTS, &fd, sizeof(fd));
    size = builder.size;
    put(&builder, SCM_RIGHTS, &fd, sizeof(fd));
    memset(control + size, 0xff, sizeof(size_t)); /* cmsg_len of the second */
    assert_int_equal(kith_cmsg_adopt_fds_with(control, builder.size, fds, 4, NULL, NULL, note_closed, &closed), 1);
    assert_int_equal(fds[0], 10);
}

static void test_refused_descriptors_are_really_closed(void **state) {
    size_t before = testing_fd_count();
    uint8_t control[64];
    struct kith_cmsg_builder builder = kith_cmsg_builder_init(control, sizeof(control));
    int sent[2] = {open("/dev/null", O_RDONLY | O_CLOEXEC), open("/dev/null", O_RDONLY | O_CLOEXEC)};
    int fds[1];
    size_t refused;

    put(&builder, SCM_RIGHTS, sent, sizeof(sent));
    assert_int_equal(kith_cmsg_adopt_fds(control, builder.size, fds, 1, &refused, NULL), 1);
    assert_int_equal(refused, 1);
    assert_int_equal(fcntl(sent[1], F_GETFD), -1);
    assert_int_equal(fds[0], sent[0]);
    assert_int_equal(close(fds[0]), 0);
    assert_int_equal(testing_fd_count(), before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_descriptors_of_several_messages_are_taken_in_order),
        cmocka_unit_test(test_what_does_not_fit_is_closed_and_counted),
        cmocka_unit_test(test_a_pidfd_nobody_asked_for_and_a_second_one_are_closed),
        cmocka_unit_test(test_an_errno_in_place_of_a_pidfd_is_none),
        cmocka_unit_test(test_a_message_whose_data_are_wrong_hides_no_descriptor_behind_it),
        cmocka_unit_test(test_descriptors_before_an_unbelievable_header_are_taken),
        cmocka_unit_test(test_refused_descriptors_are_really_closed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

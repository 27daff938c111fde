/* loop/conformance-io.c: watching descriptors. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/conformance.h"

#define MANY 300

static void send_octet(int fd) {
    assert_int_equal(write(fd, "x", 1), 1);
}

static void drain(int fd) {
    char octets[256];
    while (read(fd, octets, sizeof(octets)) > 0)
        continue;
}

static void remember_events(kith_io *io, int fd, unsigned events, void *userdata) {
    *(unsigned *)userdata |= events;
}

static void test_ready_descriptor_is_reported_until_it_is_handled(void **state) {
    struct conformance *test = *state;
    unsigned calls = 0;
    kith_io *io = NULL;
    int fds[2];

    conformance_pair(fds);
    assert_int_equal(kith_io_new(test->loop, fds[0], KITH_IO_READ, conformance_count_io, &calls, &io), 0);
    assert_int_equal(kith_loop_step(test->loop, 0), 0);
    send_octet(fds[1]);
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(kith_loop_step(test->loop, 0), 1);
        assert_int_equal(calls, i);
    }
    drain(fds[0]);
    assert_int_equal(kith_loop_step(test->loop, 0), 0);
    kith_io_free(io);
    conformance_close_pair(fds);
}

static void test_events_are_told_apart(void **state) {
    struct conformance *test = *state;
    unsigned events = 0;
    kith_io *io = NULL;
    int fds[2];

    conformance_pair(fds);
    assert_int_equal(kith_io_new(test->loop, fds[0], KITH_IO_READ | KITH_IO_WRITE, remember_events, &events, &io), 0);
    assert_int_equal(kith_loop_step(test->loop, 0), 1);
    assert_int_equal(events, KITH_IO_WRITE);
    send_octet(fds[1]);
    assert_int_equal(kith_loop_step(test->loop, 0), 1);
    assert_int_equal(events, KITH_IO_READ | KITH_IO_WRITE);
    kith_io_free(io);
    conformance_close_pair(fds);
}

static void test_full_socket_is_writable_when_it_has_room_again(void **state) {
    struct conformance *test = *state;
    char block[4096] = {0};
    unsigned calls = 0;
    kith_io *io = NULL;
    int fds[2];

    conformance_pair(fds);
    while (write(fds[0], block, sizeof(block)) > 0)
        continue;
    assert_int_equal(kith_io_new(test->loop, fds[0], KITH_IO_WRITE, conformance_count_io, &calls, &io), 0);
    assert_int_equal(kith_loop_step(test->loop, 0), 0);
    drain(fds[1]);
    assert_int_equal(kith_loop_step(test->loop, 0), 1);
    kith_io_free(io);
    conformance_close_pair(fds);
}

static void test_wanted_events_can_be_changed_at_any_time(void **state) {
    struct conformance *test = *state;
    unsigned events = 0;
    kith_io *io = NULL;
    int fds[2];

    conformance_pair(fds);
    send_octet(fds[1]);
    assert_int_equal(kith_io_new(test->loop, fds[0], 0, remember_events, &events, &io), 0);
    assert_int_equal(kith_loop_step(test->loop, 0), 0);
    assert_int_equal(kith_io_set_events(io, KITH_IO_WRITE), 0);
    assert_int_equal(kith_loop_step(test->loop, 0), 1);
    assert_int_equal(events, KITH_IO_WRITE);
    assert_int_equal(kith_io_set_events(io, 0), 0);
    assert_int_equal(kith_io_set_events(io, KITH_IO_READ), 0);
    assert_int_equal(kith_loop_step(test->loop, 0), 1);
    assert_int_equal(events, KITH_IO_READ | KITH_IO_WRITE);
    assert_int_equal(kith_io_set_events(io, 0), 0);
    assert_int_equal(kith_loop_step(test->loop, 0), 0);
    kith_io_free(io);
    conformance_close_pair(fds);
}

struct group {
    int fds[MANY][2];
    kith_io *ios[MANY];
    size_t count;
    unsigned calls;
    kith_loop *loop;
};

static void group_begin(struct group *group, kith_loop *loop, size_t count, kith_io_fn fn) {
    *group = (struct group){.count = count, .loop = loop};
    for (size_t i = 0; i < count; i++) {
        conformance_pair(group->fds[i]);
        send_octet(group->fds[i][1]);
        assert_int_equal(kith_io_new(loop, group->fds[i][0], KITH_IO_READ, fn, group, &group->ios[i]), 0);
    }
}

static void group_end(struct group *group) {
    for (size_t i = 0; i < group->count; i++) {
        group->ios[i] = kith_io_free(group->ios[i]);
        conformance_close_pair(group->fds[i]);
    }
}

static void silence_all(kith_io *io, int fd, unsigned events, void *userdata) {
    struct group *group = userdata;

    group->calls++;
    for (size_t i = 0; i < group->count; i++)
        assert_int_equal(kith_io_set_events(group->ios[i], 0), 0);
}

static void test_what_a_callback_switches_off_is_not_called_though_ready(void **state) {
    struct conformance *test = *state;
    struct group group;

    group_begin(&group, test->loop, 10, silence_all);
    assert_int_equal(kith_loop_step(test->loop, 0), 1);
    assert_int_equal(kith_loop_step(test->loop, 0), 0);
    assert_int_equal(kith_io_set_events(group.ios[3], KITH_IO_READ), 0);
    assert_int_equal(kith_loop_step(test->loop, 0), 1);
    assert_int_equal(group.calls, 2);
    group_end(&group);
}

static void free_all(kith_io *io, int fd, unsigned events, void *userdata) {
    struct group *group = userdata;

    group->calls++;
    for (size_t i = 0; i < group->count; i++)
        group->ios[i] = kith_io_free(group->ios[i]);
}

static void test_what_a_callback_frees_is_not_called_though_ready(void **state) {
    struct conformance *test = *state;
    struct group group;

    group_begin(&group, test->loop, 10, free_all);
    assert_int_equal(kith_loop_step(test->loop, 0), 1);
    assert_int_equal(kith_loop_step(test->loop, 0), 0);
    assert_int_equal(group.calls, 1);
    group_end(&group);
}

/* Closes every other descriptor of the group and watches a silent one of the same number in its place. */
static void replace_others(kith_io *io, int fd, unsigned events, void *userdata) {
    struct group *group = userdata;

    group->calls++;
    for (size_t i = 0; i < group->count; i++) {
        int fresh[2];

        if (group->fds[i][0] == fd)
            continue;
        group->ios[i] = kith_io_free(group->ios[i]);
        conformance_pair(fresh);
        assert_int_equal(dup3(fresh[0], group->fds[i][0], O_CLOEXEC), group->fds[i][0]);
        assert_int_equal(dup3(fresh[1], group->fds[i][1], O_CLOEXEC), group->fds[i][1]);
        conformance_close_pair(fresh);
        assert_int_equal(kith_io_new(group->loop, group->fds[i][0], KITH_IO_READ, replace_others, group, &group->ios[i]), 0);
    }
}

static void test_event_of_a_closed_descriptor_never_reaches_the_next_of_its_number(void **state) {
    struct conformance *test = *state;
    struct group group;

    group_begin(&group, test->loop, 5, replace_others);
    assert_int_equal(kith_loop_step(test->loop, 0), 1);
    assert_int_equal(group.calls, 1);
    group_end(&group);
}

static void test_descriptor_closed_before_its_watch_is_not_called_after_free(void **state) {
    struct conformance *test = *state;
    unsigned calls = 0;
    kith_io *io = NULL;
    int fds[2], silent[2];

    conformance_pair(silent);
    conformance_pair(fds);
    int kept = fcntl(fds[0], F_DUPFD_CLOEXEC, 0); /* as a child process would: the kernel's registration lives on */
    assert_true(kept >= 0);
    assert_int_equal(kith_io_new(test->loop, fds[0], KITH_IO_READ, conformance_count_io, &calls, &io), 0);
    kith_close(fds[0]);
    kith_io_free(io);
    send_octet(fds[1]);
    assert_int_equal(kith_loop_step(test->loop, 0), 0);

    /* Nor is the next descriptor of that number, which has nothing to tell. */
    assert_int_equal(dup3(silent[0], fds[0], O_CLOEXEC), fds[0]);
    assert_int_equal(kith_io_new(test->loop, fds[0], KITH_IO_READ, conformance_count_io, &calls, &io), 0);
    assert_int_equal(kith_loop_step(test->loop, 0), 0);
    assert_int_equal(calls, 0);
    kith_io_free(io);
    conformance_close_pair(silent);
    kith_close(kept);
    conformance_close_pair(fds);
}

static void test_hang_up_is_reported_though_nothing_was_asked_but_does_not_spin(void **state) {
    struct conformance *test = *state;
    unsigned events = 0;
    kith_io *io = NULL;
    int fds[2];

    conformance_pair(fds);
    assert_int_equal(kith_io_new(test->loop, fds[0], 0, remember_events, &events, &io), 0);
    kith_close(fds[1]);
    assert_int_equal(kith_loop_step(test->loop, -1), 1);
    assert_int_equal(events, KITH_IO_HANGUP);
    assert_int_equal(kith_loop_step(test->loop, 0), 0);

    assert_int_equal(kith_io_set_events(io, KITH_IO_READ), 0);
    for (int i = 0; i < 2; i++) {
        events = 0;
        assert_int_equal(kith_loop_step(test->loop, 0), 1);
        assert_int_equal(events, KITH_IO_READ | KITH_IO_HANGUP);
    }
    kith_io_free(io);
    kith_close(fds[0]);
}

static void test_pipe_without_reader_hangs_up(void **state) {
    struct conformance *test = *state;
    unsigned events = 0;
    kith_io *io = NULL;
    int fds[2];

    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    assert_int_equal(kith_io_new(test->loop, fds[1], KITH_IO_WRITE, remember_events, &events, &io), 0);
    kith_close(fds[0]);
    assert_int_equal(kith_loop_step(test->loop, 0), 1);
    assert_true(events & KITH_IO_HANGUP);
    kith_io_free(io);
    kith_close(fds[1]);
}

static void count_group(kith_io *io, int fd, unsigned events, void *userdata) {
    struct group *group = userdata;

    group->calls++;
    drain(fd);
}

static void first_is_urgent(kith_io *io, int fd, unsigned events, void *userdata) {
    struct group *group = userdata;

    if (io == group->ios[7] || io == group->ios[8])
        assert_true(group->calls < 2);
    else
        assert_true(group->calls >= 2);
    group->calls++;
}

static void test_urgent_descriptors_come_first(void **state) {
    struct conformance *test = *state;
    struct group group;

    group_begin(&group, test->loop, 10, first_is_urgent);
    kith_io_set_urgent(group.ios[7], true);
    kith_io_set_urgent(group.ios[8], true);
    kith_io_set_urgent(group.ios[9], true);
    kith_io_set_urgent(group.ios[9], false);
    assert_int_equal(kith_loop_step(test->loop, 0), 10);
    assert_int_equal(group.calls, 10);
    group_end(&group);
}

static void test_many_ready_descriptors_are_all_served(void **state) {
    struct conformance *test = *state;
    struct group group;

    group_begin(&group, test->loop, MANY, count_group);
    while (kith_loop_step(test->loop, 0) > 0)
        continue;
    assert_int_equal(group.calls, MANY);
    group_end(&group);
}

static void test_descriptor_is_watched_once_only(void **state) {
    struct conformance *test = *state;
    kith_io *io = NULL, *second = NULL;
    unsigned calls = 0, other = 0;
    int fds[2];

    conformance_pair(fds);
    assert_int_equal(kith_io_new(test->loop, fds[0], KITH_IO_READ, conformance_count_io, &calls, &io), 0);
    assert_int_equal(kith_io_new(test->loop, fds[0], KITH_IO_WRITE, conformance_count_io, &other, &second), -EEXIST);
    assert_null(second);
    send_octet(fds[1]);
    assert_int_equal(kith_loop_step(test->loop, 0), 1);
    assert_int_equal(calls, 1);
    kith_io_free(io);
    assert_int_equal(kith_io_new(test->loop, fds[0], KITH_IO_WRITE, conformance_count_io, &other, &second), 0);
    assert_int_equal(kith_loop_step(test->loop, 0), 1);
    assert_int_equal(other, 1);
    kith_io_free(second);
    conformance_close_pair(fds);
}

static void test_what_cannot_be_watched_is_refused(void **state) {
    struct conformance *test = *state;
    unsigned calls = 0;
    kith_io *io = NULL;
    int fds[2];
    int file = memfd_create("kith-test", MFD_CLOEXEC);

    conformance_pair(fds);
    assert_int_equal(kith_io_new(test->loop, file, KITH_IO_READ, conformance_count_io, &calls, &io), -EPERM);
    assert_int_equal(kith_io_new(test->loop, -1, KITH_IO_READ, conformance_count_io, &calls, &io), -EBADF);
    assert_int_equal(kith_io_new(test->loop, INT32_MAX, KITH_IO_READ, conformance_count_io, &calls, &io), -EBADF);
    assert_int_equal(kith_io_new(test->loop, fds[0], 1 << 10, conformance_count_io, &calls, &io), -EINVAL);
    assert_int_equal(kith_io_new(test->loop, fds[0], KITH_IO_READ, NULL, &calls, &io), -EINVAL);
    assert_null(io);
    kith_close(file);
    /* The refused number is free for another. */
    assert_int_equal(dup3(fds[0], file, O_CLOEXEC), file);
    assert_int_equal(kith_io_new(test->loop, file, KITH_IO_WRITE | KITH_IO_HANGUP, conformance_count_io, &calls, &io), 0);
    assert_int_equal(kith_io_set_events(io, 1 << 10), -EINVAL);
    assert_int_equal(kith_loop_step(test->loop, 0), 1);
    kith_io_free(io);
    assert_null(kith_io_free(NULL));
    kith_close(file);
    conformance_close_pair(fds);
}

int conformance_io(const char *backend) {
    const struct CMUnitTest tests[] = {
        CONFORMANCE_TEST(test_ready_descriptor_is_reported_until_it_is_handled),
        CONFORMANCE_TEST(test_events_are_told_apart),
        CONFORMANCE_TEST(test_full_socket_is_writable_when_it_has_room_again),
        CONFORMANCE_TEST(test_wanted_events_can_be_changed_at_any_time),
        CONFORMANCE_TEST(test_what_a_callback_switches_off_is_not_called_though_ready),
        CONFORMANCE_TEST(test_what_a_callback_frees_is_not_called_though_ready),
        CONFORMANCE_TEST(test_event_of_a_closed_descriptor_never_reaches_the_next_of_its_number),
        CONFORMANCE_TEST(test_descriptor_closed_before_its_watch_is_not_called_after_free),
        CONFORMANCE_TEST(test_hang_up_is_reported_though_nothing_was_asked_but_does_not_spin),
        CONFORMANCE_TEST(test_pipe_without_reader_hangs_up),
        CONFORMANCE_TEST(test_urgent_descriptors_come_first),
        CONFORMANCE_TEST(test_many_ready_descriptors_are_all_served),
        CONFORMANCE_TEST(test_descriptor_is_watched_once_only),
        CONFORMANCE_TEST(test_what_cannot_be_watched_is_refused),
    };
    return cmocka_run_group_tests_name("io", tests, NULL, NULL);
}

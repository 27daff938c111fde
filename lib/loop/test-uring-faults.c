/* What is io_uring's own: a kernel that forbids it, a loop that changes its thread or is inherited by a child, and being hosted. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/testing.h"
#include "loop/conformance.h"
#include "loop/internal.h"

#define PATIENCE_MS 20000

/* Runs fn in a child process; it must return 0. */
static void in_child(int (*fn)(void *userdata), void *userdata) {
    int status;
    pid_t pid = fork();

    if (pid == 0)
        _exit(fn(userdata));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* Forbidden --------------------------------------------------------------------------------------------------------------- */

/* As the seccomp profiles of container managers do. */
static int forbid_io_uring(int error) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ((unsigned)error & SECCOMP_RET_DATA)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = KITH_ARRAY_SIZE(filter), .filter = filter};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? -errno : 0;
}

static int take_epoll(void *userdata) {
    kith_loop *loop = NULL;
    unsetenv("KITH_LOOP");
    if (forbid_io_uring(*(int *)userdata) < 0)
        return 1;
    size_t before = testing_fd_count();
    if (kith_loop_new(&loop) < 0 || strcmp(kith_loop_backend_name(loop), "epoll") != 0)
        return 2;
    const char *reason = kith_loop_backend_reason(loop);
    if (!reason || !strstr(reason, *(int *)userdata == ENOSYS ? "no io_uring" : "forbidden"))
        return 3;
    kith_loop_free(loop);
    return testing_fd_count() == before ? 0 : 4;
}

static void test_where_io_uring_is_forbidden_the_loop_takes_epoll_and_says_why(void **state) {
    in_child(take_epoll, &(int){EPERM});
    in_child(take_epoll, &(int){EACCES});
    in_child(take_epoll, &(int){ENOSYS});
}

static int refuse_uring(void *userdata) {
    kith_loop *loop = NULL;
    struct kith_error error = {0};
    if (forbid_io_uring(EPERM) < 0)
        return 1;
    size_t before = testing_fd_count();
    if (kith_loop_new_with(&(struct kith_loop_options){.backend = "uring"}, &loop, &error) != -ENOSYS || loop)
        return 2;
    if (!strstr(error.text, "io_uring") || !strstr(error.text, "KITH_LOOP"))
        return 3;
    setenv("KITH_LOOP", "uring", 1);
    if (kith_loop_new_with(NULL, &loop, &error) != -ENOSYS || loop)
        return 4;
    return testing_fd_count() == before ? 0 : 5;
}

static void test_io_uring_asked_for_where_it_is_forbidden_is_an_error_with_a_remedy(void **state) {
    in_child(refuse_uring, NULL);
}

static void test_a_loop_that_has_the_best_backend_has_nothing_to_explain(void **state) {
    kith_loop *loop = NULL;
    unsetenv("KITH_LOOP");
    assert_int_equal(kith_loop_new(&loop), 0);
    assert_string_equal(kith_loop_backend_name(loop), "uring");
    assert_null(kith_loop_backend_reason(loop));
    kith_loop_free(loop);
}

/* Threads and children ---------------------------------------------------------------------------------------------------- */

struct place {
    kith_loop *loop;
    kith_io *io;
    kith_timer *timer;
    int fds[2];
    unsigned called;
    int result;
};

static void on_octet(kith_io *io, int fd, unsigned events, void *userdata) {
    struct place *place = userdata;
    char octet;
    if (read(fd, &octet, 1) == 1)
        place->called++;
}

static void place_open(struct place *place) {
    assert_int_equal(kith_loop_new_with(&(struct kith_loop_options){.backend = "uring"}, &place->loop, NULL), 0);
    conformance_pair(place->fds);
    assert_int_equal(kith_io_new(place->loop, place->fds[0], KITH_IO_READ, on_octet, place, &place->io), 0);
}

static void place_close(struct place *place) {
    kith_io_free(place->io);
    kith_loop_free(place->loop);
    conformance_close_pair(place->fds);
}

static void place_serve(struct place *place) {
    unsigned before = place->called;
    assert_int_equal(write(place->fds[1], "x", 1), 1);
    assert_int_equal(kith_loop_step(place->loop, PATIENCE_MS), 1);
    assert_int_equal(place->called, before + 1);
}

static void *run_elsewhere(void *userdata) {
    struct place *place = userdata;
    place->result = kith_loop_step(place->loop, PATIENCE_MS);
    place_close(place);
    return NULL;
}

static void test_a_loop_made_in_one_thread_runs_and_ends_in_another(void **state) {
    struct place place = {0};
    pthread_t thread;
    size_t before = testing_fd_count();
    place_open(&place);
    assert_int_equal(write(place.fds[1], "x", 1), 1);
    assert_int_equal(pthread_create(&thread, NULL, run_elsewhere, &place), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(place.result, 1);
    assert_int_equal(place.called, 1);
    assert_int_equal(testing_fd_count(), before);
}

static void test_a_loop_never_run_leaves_nothing_behind(void **state) {
    struct place place = {0};
    size_t before = testing_fd_count();
    place_open(&place);
    place_close(&place);
    assert_int_equal(testing_fd_count(), before);
}

static int free_in_child(void *userdata) {
    struct place *place = userdata;
    if (kith_loop_step(place->loop, 0) != -ECHILD)
        return 1;
    kith_io_free(place->io);
    kith_loop_free(place->loop);
    return 0;
}

static void test_a_child_that_frees_a_running_loop_does_not_disturb_the_parent(void **state) {
    struct place place = {0};
    place_open(&place);
    place_serve(&place);
    in_child(free_in_child, &place);
    place_serve(&place); /* the parent's poll is still there */
    assert_true(kith_loop_fd(place.loop) >= 0);
    place_serve(&place);
    in_child(free_in_child, &place);
    struct pollfd host = {.fd = kith_loop_fd(place.loop), .events = POLLIN};
    while (kith_loop_step(place.loop, 0) > 0)
        continue;
    assert_int_equal(write(place.fds[1], "x", 1), 1);
    assert_int_equal(poll(&host, 1, PATIENCE_MS), 1); /* and so is the host's set */
    assert_int_equal(kith_loop_step(place.loop, 0), 1);
    place_close(&place);
}

/* Hosted: see uring-host.h for what the kernel does with eventfds. */
static void on_count(kith_io *io, int fd, unsigned events, void *userdata) {
    uint64_t value;
    if (read(fd, &value, sizeof(value)) == (ssize_t)sizeof(value))
        ++*(unsigned *)userdata;
}

static void test_an_eventfd_makes_a_hosted_loop_readable_each_time(void **state) {
    kith_loop *loop = NULL;
    kith_io *io = NULL;
    unsigned called = 0;
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    assert_int_equal(kith_loop_new_with(&(struct kith_loop_options){.backend = "uring"}, &loop, NULL), 0);
    assert_int_equal(kith_io_new(loop, fd, KITH_IO_READ, on_count, &called, &io), 0);
    struct pollfd host = {.fd = kith_loop_fd(loop), .events = POLLIN};
    for (unsigned i = 1; i <= 50; i++) {
        while (kith_loop_step(loop, 0) > 0)
            continue;
        assert_int_equal(poll(&host, 1, 0), 0);
        assert_int_equal(write(fd, &(uint64_t){1}, sizeof(uint64_t)), (ssize_t)sizeof(uint64_t));
        assert_int_equal(poll(&host, 1, PATIENCE_MS), 1);
        assert_true(kith_loop_step(loop, 0) >= 0);
        assert_int_equal(called, i);
    }
    kith_io_free(io);
    kith_loop_free(loop);
    kith_close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_where_io_uring_is_forbidden_the_loop_takes_epoll_and_says_why),
        cmocka_unit_test(test_io_uring_asked_for_where_it_is_forbidden_is_an_error_with_a_remedy),
        cmocka_unit_test(test_a_loop_that_has_the_best_backend_has_nothing_to_explain),
        cmocka_unit_test(test_a_loop_made_in_one_thread_runs_and_ends_in_another),
        cmocka_unit_test(test_a_loop_never_run_leaves_nothing_behind),
        cmocka_unit_test(test_a_child_that_frees_a_running_loop_does_not_disturb_the_parent),
        cmocka_unit_test(test_an_eventfd_makes_a_hosted_loop_readable_each_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* loop/conformance.c: the suite's frame. */
#include <dirent.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "loop/conformance.h"

static size_t count_fds(void) {
    DIR *dir = opendir("/proc/self/fd");
    size_t count = 0;

    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

int conformance_setup(void **state) {
    const char *backend = *state;
    struct conformance *test = calloc(1, sizeof(*test));

    assert_non_null(test);
    test->fds_before = count_fds();
    assert_int_equal(kith_loop_new_with(&(struct kith_loop_options){.backend = backend}, &test->loop, NULL), 0);
    assert_string_equal(kith_loop_backend_name(test->loop), backend);
    *state = test;
    return 0;
}

int conformance_teardown(void **state) {
    struct conformance *test = *state;

    kith_loop_free(test->loop);
    assert_int_equal(count_fds(), test->fds_before);
    free(test);
    return 0;
}

void conformance_pair(int ret_fds[2]) {
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ret_fds), 0);
}

void conformance_close_pair(int fds[2]) {
    kith_close(fds[0]);
    kith_close(fds[1]);
}

void conformance_count_io(kith_io *io, int fd, unsigned events, void *userdata) {
    ++*(unsigned *)userdata;
}

void conformance_count_timer(kith_timer *timer, void *userdata) {
    ++*(unsigned *)userdata;
}

int kith_loop_conformance(const char *backend) {
    return conformance_io(backend) + conformance_timer(backend) + conformance_step(backend) + conformance_process(backend) +
           conformance_host(backend);
}

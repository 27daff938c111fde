/* base/testing.h: what unit tests of every room share. Not part of the library. */
#ifndef KITH_BASE_TESTING_H
#define KITH_BASE_TESTING_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Descriptors open in this process. Take it before and after: a difference is a leak. */
static inline size_t testing_fd_count(void) {
    DIR *directory = opendir("/proc/self/fd");
    size_t count = 0;

    if (!directory)
        return 0;
    while (readdir(directory))
        count++;
    closedir(directory);
    return count - 3; /* ".", ".." and the directory's own */
}

/* Setup and teardown of a test that leaves as many descriptors open as there were. */
static size_t testing_fds_before __attribute__((unused));

static inline int testing_fds_setup(void **state) {
    (void)state;
    testing_fds_before = testing_fd_count();
    return 0;
}

static inline int testing_fds_teardown(void **state) {
    (void)state;
    return testing_fd_count() == testing_fds_before ? 0 : -1;
}

/* Exit status of a test program that was skipped. */
#define TESTING_SKIPPED 77

/* valgrind plays RLIMIT_NOFILE itself, and does not pass on system calls that it does not know (3.19: pidfd_open). Tests that need these
 * are marked native in meson.build and skip themselves when somebody runs them under it all the same. */
static inline bool testing_under_valgrind(void) {
    const char *preload = getenv("LD_PRELOAD");

    return preload && strstr(preload, "vgpreload");
}

#endif

/* base/testing.h: what unit tests of every room share. Not part of the library. */
#ifndef KITH_BASE_TESTING_H
#define KITH_BASE_TESTING_H

#include <dirent.h>
#include <stddef.h>

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

#endif

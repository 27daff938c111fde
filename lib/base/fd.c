/*
 * base/fd.c: descriptors and small files.
 *
 * Files are read to their end, not to their size: those of /proc say 0.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

#define FIRST_BLOCK 4096

int kith_close(int fd) {
    if (fd >= 0) {
        int saved = errno;
        /* Never retried: Linux has freed the number even when close(2) fails. */
        close(fd);
        errno = saved;
    }
    return -1;
}

int kith_fd_set_nonblock(int fd) {
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return -errno;
    if (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    return 0;
}

int kith_fd_set_cloexec(int fd) {
    int flags = fcntl(fd, F_GETFD);
    if (flags < 0)
        return -errno;
    if (!(flags & FD_CLOEXEC) && fcntl(fd, F_SETFD, flags | FD_CLOEXEC) < 0)
        return -errno;
    return 0;
}

/* Fills block from fd until its end or until `room` octets are there. Returns their count. */
static ssize_t read_up_to(int fd, char *block, size_t room) {
    size_t size = 0;

    while (size < room) {
        ssize_t n = read(fd, block + size, room - size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        size += (size_t)n;
    }
    return (ssize_t)size;
}

int kith_fd_read(int fd, size_t max, char **ret_text, size_t *ret_size) {
    _cleanup_(freep) char *text = NULL;
    size_t size = 0, room = FIRST_BLOCK;

    if (max > SSIZE_MAX - 1)
        max = SSIZE_MAX - 1;
    for (;; room *= 2) {
        /* One octet more than allowed tells too much from just enough; it is also the place of the NUL. */
        if (room > max + 1)
            room = max + 1;
        char *grown = realloc(text, room + 1);
        if (!grown)
            return -ENOMEM;
        text = grown;
        ssize_t n = read_up_to(fd, text + size, room - size);
        if (n < 0)
            return (int)n;
        size += (size_t)n;
        if (size > max)
            return -EFBIG;
        if (size < room)
            break;
    }
    text[size] = 0;
    *ret_text = KITH_STEAL(text);
    if (ret_size)
        *ret_size = size;
    return 0;
}

int kith_file_read(int dirfd, const char *path, size_t max, char **ret_text, size_t *ret_size) {
    _cleanup_(kith_closep) int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    return fd < 0 ? -errno : kith_fd_read(fd, max, ret_text, ret_size);
}

int kith_link_read(int dirfd, const char *path, char **ret_target) {
    char target[PATH_MAX + 1];

    ssize_t n = readlinkat(dirfd, path, target, sizeof(target));
    if (n < 0)
        return -errno;
    if ((size_t)n == sizeof(target))
        return -ENAMETOOLONG;
    char *copy = strndup(target, (size_t)n);
    if (!copy)
        return -ENOMEM;
    *ret_target = copy;
    return 0;
}

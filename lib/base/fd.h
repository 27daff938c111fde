/* base/fd.h: descriptors and small files. */
#ifndef KITH_BASE_FD_H
#define KITH_BASE_FD_H

#include <stddef.h>
#include <sys/types.h>

#include "base/cleanup.h"

/* Closes when >= 0, keeps errno, always -1: `fd = kith_close(fd)`. */
int kith_close(int fd);

static inline void kith_closep(int *fd) {
    kith_close(*fd);
}

#define KITH_STEAL_FD(fd)                                                                                                                  \
    __extension__({                                                                                                                        \
        int steal_ = (fd);                                                                                                                 \
        (fd) = -1;                                                                                                                         \
        steal_;                                                                                                                            \
    })

int kith_fd_set_nonblock(int fd);
int kith_fd_set_cloexec(int fd);

/* Reads fd to its end into a new NUL-terminated block (to free()); ret_size may be NULL. Errors: those of read(2), -EFBIG (more than max
 * octets), -ENOMEM. */
int kith_fd_read(int fd, size_t max, char **ret_text, size_t *ret_size);
/* Reads at most `max` octets of a file relative to dirfd (AT_FDCWD), works for /proc files, into a new NUL-terminated block (to free()).
 * ret_size may be NULL. Errors: those of openat(2) and read(2), -EFBIG (more than max), -ENOMEM. */
int kith_file_read(int dirfd, const char *path, size_t max, char **ret_text, size_t *ret_size);
/* readlinkat into a new NUL-terminated string. Errors: of readlinkat(2), -ENAMETOOLONG, -ENOMEM. */
int kith_link_read(int dirfd, const char *path, char **ret_target);

#endif

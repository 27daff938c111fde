/*
 * map/source/open.c: files that a path of another process leads to.
 *
 * Whose descriptor it is can put something else in its place between two looks at it. To open that would have consequences (a device that
 * only root may open does something then), and to ask its file system might never end. So a file is pointed at first, which does neither,
 * and opened when it is what it shall be.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/fd.h"
#include "map/source/internal.h"

int map_point_at(int at, const char *path, dev_t device, uint64_t inode) {
    _cleanup_(kith_closep) int fd = openat(at, path, O_PATH | O_CLOEXEC);
    struct statx found;

    if (fd < 0 || statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO, &found) < 0)
        return -errno;
    if (makedev(found.stx_dev_major, found.stx_dev_minor) != device || (inode != 0 && found.stx_ino != inode))
        return -ENOENT;
    return KITH_STEAL_FD(fd);
}

int map_open_pointed(int fd) {
    char path[MAP_POINTED_MAX];
    int opened = open(map_pointed_path(fd, path), O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    return opened < 0 ? -errno : opened;
}

const char *map_pointed_path(int fd, char path[static MAP_POINTED_MAX]) {
    snprintf(path, MAP_POINTED_MAX, "/proc/self/fd/%d", fd);
    return path;
}

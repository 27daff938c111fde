/*
 * origin/exe.c: see exe.h.
 *
 * The path in /proc/PID/exe is the one in the mounts of that process. Every user may have mounts of his own in a user namespace
 * (unshare(1) -rm) and put his program where /usr/sbin/nginx is for everybody else; an image of a container holds whatever its author
 * liked. To take such a path for the one here would be to vouch for a name that the sender chose.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "origin/exe.h"

#ifndef NS_GET_USERNS
#define NS_GET_USERNS _IO(0xb7, 0x1) /* linux/nsfs.h, Linux 4.9 */
#endif

static bool same(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Mounts may cover the file even in the namespace that we share: then the path is still the right one. */
static int same_mounts(const char *path) {
    struct stat theirs, ours;

    if (stat(path, &theirs) < 0 || stat("/proc/thread-self/ns/mnt", &ours) < 0)
        return -errno;
    return same(&theirs, &ours);
}

/* Does the mount namespace belong to our user namespace? Then only root could make it. */
static int made_by_root(const char *path) {
    _cleanup_(kith_closep) int mounts = open(path, O_RDONLY | O_CLOEXEC), owner = -1;
    struct stat theirs, ours;

    if (mounts < 0)
        return -errno;
    owner = ioctl(mounts, NS_GET_USERNS);
    if (owner < 0)
        return errno == EPERM ? 0 : -errno; /* it belongs to a user namespace around ours */
    if (fstat(owner, &theirs) < 0 || stat("/proc/thread-self/ns/user", &ours) < 0)
        return -errno;
    return same(&theirs, &ours);
}

int kith_exe_credible(pid_t pid, const char *path) {
    char mounts[48], file[48];
    struct stat theirs, here;
    int r;

    snprintf(mounts, sizeof(mounts), "/proc/%d/ns/mnt", (int)pid);
    r = same_mounts(mounts);
    if (r != 0)
        return r;
    if (stat(path, &here) < 0) /* removed since, or hidden from us */
        return made_by_root(mounts);
    snprintf(file, sizeof(file), "/proc/%d/exe", (int)pid);
    return stat(file, &theirs) < 0 ? -errno : same(&theirs, &here);
}

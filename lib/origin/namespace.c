/*
 * origin/namespace.c: see namespace.h.
 *
 * A capability counts in the user namespace that it is held in and in those below (user_namespaces(7)). So it does not reach a pid
 * namespace that belongs to a user namespace around: whoever did "unshare -r" is all-powerful there, and in the pid namespace that he
 * came from he is nobody.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "origin/namespace.h"

/* user_namespaces(7): they nest 32 deep. */
#define DEPTH_MAX 33

static int open_namespace(pid_t pid, const char *name) {
    char path[48];

    snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int same_file(int a, int b) {
    struct stat one, other;

    if (fstat(a, &one) < 0 || fstat(b, &other) < 0)
        return -errno;
    return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

/* Is `inner` the namespace `outer`, or below it? The walk up ends at our own: what is around that is not shown, and around `inner`. */
static int lies_within(int inner, int outer) {
    _cleanup_(kith_closep) int current = fcntl(inner, F_DUPFD_CLOEXEC, 0);

    if (current < 0)
        return -errno;
    for (int depth = 0; depth < DEPTH_MAX; depth++) {
        int r = same_file(current, outer);

        if (r != 0)
            return r;
        r = ioctl(current, NS_GET_PARENT);
        if (r < 0)
            return errno == EPERM ? 0 : -errno;
        kith_close(current);
        current = r;
    }
    return 0;
}

int kith_pid_namespace_owned(pid_t pid) {
    _cleanup_(kith_closep) int pids = open_namespace(pid, "pid"), users = open_namespace(pid, "user"), owner = -1;

    if (pids < 0 || users < 0)
        return pids < 0 ? pids : users;
    owner = ioctl(pids, NS_GET_USERNS);
    if (owner < 0)
        return errno == EPERM ? 0 : -errno; /* it belongs to a user namespace around ours */
    return lies_within(owner, users);
}

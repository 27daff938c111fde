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
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "origin/namespace.h"
#include "origin/procfs.h"

/* user_namespaces(7): they nest 32 deep. */
#define DEPTH_MAX 33
/* DEFAULT_OVERFLOWUID and DEFAULT_OVERFLOWGID. */
#define OVERFLOW_ID 65534
/* All but (uid_t)-1, which is no id. */
#define ALL_IDS UINT32_MAX
/* 340 lines of three columns of ten. */
#define MAP_MAX (16 * 1024)
#define NUMBER_MAX 64

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

/* user_namespaces(7): ids without a mapping are shown as these. Only root of the host changes them, and then before anything else. */
static struct {
    pthread_once_t once;
    uint32_t uid, gid;
} overflow = {.once = PTHREAD_ONCE_INIT, .uid = OVERFLOW_ID, .gid = OVERFLOW_ID};

static void read_overflow_id(const char *path, uint32_t *ret_id) {
    _cleanup_(freep) char *text = NULL;
    uint64_t id;

    if (kith_file_read(AT_FDCWD, path, NUMBER_MAX, &text, NULL) >= 0 && kith_procfs_number(text, &id) >= 0)
        *ret_id = (uint32_t)id;
}

static void read_overflow_ids(void) {
    read_overflow_id("/proc/sys/kernel/overflowuid", &overflow.uid);
    read_overflow_id("/proc/sys/kernel/overflowgid", &overflow.gid);
}

/* Asked each time, as this process may enter another namespace: it is rare that somebody has such an id. */
static bool all_mapped(const char *path) {
    _cleanup_(freep) char *text = NULL;
    uint64_t count;

    return kith_file_read(AT_FDCWD, path, MAP_MAX, &text, NULL) >= 0 && kith_procfs_map_size(text, &count) >= 0 && count == ALL_IDS;
}

bool kith_uid_certain(uid_t uid) {
    pthread_once(&overflow.once, read_overflow_ids);
    return uid != overflow.uid || all_mapped("/proc/thread-self/uid_map");
}

bool kith_gid_certain(gid_t gid) {
    pthread_once(&overflow.once, read_overflow_ids);
    return gid != overflow.gid || all_mapped("/proc/thread-self/gid_map");
}

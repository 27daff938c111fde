/*
 * origin/source.c: the kernel as the source of what is known about processes.
 *
 * The pidfd says under which number /proc shows its process ("Pid:" in its fdinfo): right even if /proc was mounted in another pid
 * namespace, where the number known from messages belongs to somebody else.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "origin/exe.h"
#include "origin/namespace.h"
#include "origin/process.h"
#include "origin/procfs.h"

/* include/uapi/linux/pidfd.h, Linux 6.13: the first version of the structure. */
struct pidfd_info {
    uint64_t mask;
    uint64_t cgroupid;
    uint32_t pid, tgid, ppid;
    uint32_t ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
    int32_t exit_code;
};
#define PIDFD_INFO_PID (UINT64_C(1) << 0)
#define PIDFD_INFO_CREDS (UINT64_C(1) << 1)
#define PIDFD_GET_INFO _IOWR(0xFF, 11, struct pidfd_info)

_Static_assert(sizeof(struct pidfd_info) == 64, "PIDFD_INFO_SIZE_VER0");

#define FDINFO_MAX 4096

static int open_pidfd(const struct kith_process_source *source, pid_t pid) {
    long fd = syscall(SYS_pidfd_open, pid, 0); /* close-on-exec always */

    return fd < 0 ? -errno : (int)fd;
}

/* pidfd_poll(): readable once the last thread has ended, whether or not the process was reaped. */
static int alive(const struct kith_process_source *source, int pidfd) {
    struct pollfd entry = {.fd = pidfd, .events = POLLIN};
    int r = poll(&entry, 1, 0);

    if (r < 0)
        return -errno;
    return r == 0;
}

static int locate(const struct kith_process_source *source, int pidfd, pid_t *ret_pid) {
    _cleanup_(freep) char *text = NULL;
    char path[48];
    int r;

    /* Of this thread: the main thread, whose /proc/self would be, may have ended. */
    snprintf(path, sizeof(path), "/proc/thread-self/fdinfo/%d", pidfd);
    r = kith_file_read(AT_FDCWD, path, FDINFO_MAX, &text, NULL);
    return r < 0 ? r : kith_procfs_pidfd(text, ret_pid);
}

static int credentials(const struct kith_process_source *source, int pidfd, struct kith_credentials *ret_credentials) {
    struct pidfd_info info = {.mask = PIDFD_INFO_PID | PIDFD_INFO_CREDS};

    if (ioctl(pidfd, PIDFD_GET_INFO, &info) < 0)
        return errno == EINVAL ? -ENOTTY : -errno; /* 6.11 and 6.12 know other ioctls and refuse any argument */
    if (!(info.mask & PIDFD_INFO_PID) || !(info.mask & PIDFD_INFO_CREDS))
        return -ESRCH;
    *ret_credentials = (struct kith_credentials){.pid = (pid_t)info.tgid, .uid = info.ruid, .gid = info.rgid};
    return 0;
}

static int read_file(const struct kith_process_source *source, pid_t pid, const char *name, size_t max, char **ret_text) {
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
    return kith_file_read(AT_FDCWD, path, max, ret_text, NULL);
}

static int read_link(const struct kith_process_source *source, pid_t pid, const char *name, char **ret_target) {
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
    return kith_link_read(AT_FDCWD, path, ret_target);
}

static int exe_credible(const struct kith_process_source *source, pid_t pid, const char *path) {
    return kith_exe_credible(pid, path);
}

static int owns_pid_namespace(const struct kith_process_source *source, pid_t pid) {
    return kith_pid_namespace_owned(pid);
}

static int open_memory(const struct kith_process_source *source, pid_t pid) {
    return kith_program_open_memory(pid);
}

static int memory_used(const struct kith_process_source *source, int memory) {
    return kith_program_memory_used(memory);
}

static int program(const struct kith_process_source *source, pid_t pid, struct kith_program *ret_program) {
    return kith_program_file(pid, ret_program);
}

const struct kith_process_source kith_process_source_kernel = {
    .open_pidfd = open_pidfd,
    .alive = alive,
    .locate = locate,
    .credentials = credentials,
    .read_file = read_file,
    .read_link = read_link,
    .exe_credible = exe_credible,
    .owns_pid_namespace = owns_pid_namespace,
    .open_memory = open_memory,
    .memory_used = memory_used,
    .program = program,
};

/* See file.h. */
#include "gateway/spool/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

/* Damaged files of one second. */
#define NAMES_MAX 1000

int spool_file_resolve(const char *path, char **ret_path, struct kith_error *error) {
    _cleanup_(freep) char *for_folder = strdup(path), *for_name = strdup(path), *folder = NULL;

    if (!for_folder || !for_name)
        return kith_error_set(error, -ENOMEM, "%s: out of memory", path);
    const char *name = basename(for_name);
    if (path[0] == '\0' || path[strlen(path) - 1] == '/' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return kith_error_set(error, -EINVAL, "%s: the name of a file is needed for a spool", path);
    folder = realpath(dirname(for_folder), NULL);
    if (!folder) {
        int r = -errno;
        return kith_error_set(error, r, "%s: its folder: %s: make it first, writable for this user", path, kith_error_name(r));
    }
    if (asprintf(ret_path, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, name) < 0)
        return kith_error_set(error, -ENOMEM, "%s: out of memory", path);
    return 0;
}

static int say_busy(int fd, const char *path, struct kith_error *error) {
    char pid[32] = "";
    ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);

    pid[n > 0 ? n : 0] = '\0';
    pid[strcspn(pid, "\n")] = '\0';
    if (strtol(pid, NULL, 10) == getpid())
        return kith_error_set(
            error, -EBUSY,
            "%s: this process (pid %s) has this spool open already, maybe by another path: give each route a file of its own", path, pid);
    return kith_error_set(error, -EBUSY, "%s: another process has this spool open%s%s%s: one spool is for one gateway", path,
                          pid[0] ? " (pid " : "", pid, pid[0] ? ")" : "");
}

int spool_file_lock(const char *path, struct kith_error *error) {
    _cleanup_(freep) char *name = NULL;
    _cleanup_(kith_closep) int fd = -1;

    if (asprintf(&name, "%s.lock", path) < 0)
        return kith_error_set(error, -ENOMEM, "%s: out of memory", path);
    fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (fd < 0) {
        int r = -errno;
        return kith_error_set(error, r, "%s: %s: its folder has to be writable for this user", name, kith_error_name(r));
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        int r = -errno;
        return r == -EWOULDBLOCK ? say_busy(fd, path, error) : kith_error_set(error, r, "%s: flock: %s", name, kith_error_name(r));
    }
    /* For the text of the next one only: on a full disk it goes without. */
    if (ftruncate(fd, 0) == 0)
        (void)!dprintf(fd, "%d\n", getpid());
    return KITH_STEAL_FD(fd);
}

static int sync_folder(const char *path) {
    _cleanup_(freep) char *copy = strdup(path);
    _cleanup_(kith_closep) int fd = -1;

    if (!copy)
        return -ENOMEM;
    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int check(int fd, const char *path, struct kith_error *error) {
    struct stat status;

    if (fstat(fd, &status) < 0)
        return kith_error_set(error, -errno, "%s: fstat: %s", path, kith_error_name(-errno));
    if (!S_ISREG(status.st_mode))
        return kith_error_set(error, -EPERM, "%s: is no regular file: name another one for the spool", path);
    if (status.st_uid != geteuid())
        return kith_error_set(error, -EPERM, "%s: belongs to uid %u and this is uid %u: chown it, or name another file", path,
                              (unsigned)status.st_uid, (unsigned)geteuid());
    if (status.st_mode & (S_IWGRP | S_IWOTH))
        return kith_error_set(error, -EPERM, "%s: others may write it (mode %04o): chmod 0600 %s", path, (unsigned)status.st_mode & 07777,
                              path);
    return 0;
}

int spool_file_prepare(const char *path, struct kith_error *error) {
    _cleanup_(kith_closep) int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    int r;

    if (fd >= 0)
        return check(fd, path, error);
    if (errno == ENOENT)
        fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        r = -errno;
        if (r == -ELOOP)
            return kith_error_set(error, r, "%s: is a symbolic link: name the file itself", path);
        return kith_error_set(error, r, "%s: %s: the file and its folder have to be writable for this user", path, kith_error_name(r));
    }
    r = sync_folder(path);
    return r < 0 ? kith_error_set(error, r, "%s: its folder: fsync: %s", path, kith_error_name(r)) : 0;
}

int spool_file_sync(const char *path, struct kith_error *error) {
    _cleanup_(kith_closep) int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0 && fsync(fd) == 0)
        return 0;
    return kith_error_set(error, -errno, "%s: fsync: %s", path, kith_error_name(-errno));
}

char *spool_file_new_name(const char *path) {
    char *name;
    return asprintf(&name, "%s.new", path) < 0 ? NULL : name;
}

int spool_file_adopt(const char *path, struct kith_error *error) {
    _cleanup_(freep) char *name = spool_file_new_name(path);
    struct stat status;
    int r = 0;

    if (!name)
        return kith_error_set(error, -ENOMEM, "%s: out of memory", path);
    if (lstat(path, &status) == 0 || errno != ENOENT || lstat(name, &status) < 0)
        return 0;
    if (rename(name, path) < 0)
        r = -errno;
    if (r == 0)
        r = sync_folder(path);
    return r < 0 ? kith_error_set(error, r, "%s: cannot be renamed: %s", name, kith_error_name(r)) : 1;
}

/* A name that nothing has yet. */
static int find_name(const char *path, char **ret_aside) {
    char stamp[32];
    time_t now = time(NULL);
    struct tm utc;

    strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", gmtime_r(&now, &utc));
    for (unsigned i = 0; i < NAMES_MAX; i++) {
        _cleanup_(freep) char *name = NULL;
        struct stat status;
        if ((i == 0 ? asprintf(&name, "%s.corrupt-%s", path, stamp) : asprintf(&name, "%s.corrupt-%s-%u", path, stamp, i)) < 0)
            return -ENOMEM;
        if (lstat(name, &status) < 0 && errno == ENOENT) {
            *ret_aside = KITH_STEAL(name);
            return 0;
        }
    }
    return -EEXIST;
}

/* A second name for PATH-wal and PATH-shm, where the file system has such; else they are moved. */
static int link_beside(const char *path, const char *aside, const char *suffix) {
    _cleanup_(freep) char *from = NULL, *to = NULL;

    if (asprintf(&from, "%s%s", path, suffix) < 0 || asprintf(&to, "%s%s", aside, suffix) < 0)
        return -ENOMEM;
    if (link(from, to) == 0 || errno == ENOENT || rename(from, to) == 0)
        return 0;
    return -errno;
}

static void unlink_beside(const char *path, const char *suffix) {
    _cleanup_(freep) char *name = NULL;

    if (asprintf(&name, "%s%s", path, suffix) >= 0)
        (void)unlink(name);
}

void spool_file_forget_new(const char *new_name) {
    (void)unlink(new_name);
    unlink_beside(new_name, "-wal");
    unlink_beside(new_name, "-shm");
}

int spool_file_set_aside(const char *path, char **ret_aside, struct kith_error *error) {
    _cleanup_(freep) char *aside = NULL;
    int r = find_name(path, &aside);

    if (r == 0)
        r = link_beside(path, aside, "-wal");
    if (r == 0)
        r = link_beside(path, aside, "-shm");
    if (r == 0 && rename(path, aside) < 0)
        r = -errno;
    if (r < 0)
        return kith_error_set(error, r, "%s: is damaged and cannot be set aside: %s: move it away", path, kith_error_name(r));
    unlink_beside(path, "-wal");
    unlink_beside(path, "-shm");
    (void)sync_folder(path); /* the next file's creation says when that does not work */
    *ret_aside = KITH_STEAL(aside);
    return 0;
}

/* origin/holder.c: see holder.h. proc_pid_fd(5). */
#include "origin/holder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

/* What one look at one connection may cost. */
#define LINKS_MAX 16384

struct search {
    char target[40]; /* "socket:[4711]" */
    size_t links;    /* looked at */
};

static void closedirp(DIR **folder) {
    if (*folder)
        closedir(*folder);
}

static bool is_shortage(int r) {
    return r == -ENOMEM || r == -EMFILE || r == -ENFILE;
}

/* 1, 0, or a negative errno. That a process has gone, or may not be looked at, is 0. */
static int search_process(struct search *search, pid_t pid) {
    _cleanup_(closedirp) DIR *folder = NULL;
    char path[32], target[sizeof(search->target)];

    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    folder = opendir(path);
    if (!folder)
        return is_shortage(-errno) ? -errno : 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (entry->d_name[0] == '.')
            continue;
        if (search->links++ == LINKS_MAX)
            return -E2BIG;
        ssize_t size = readlinkat(dirfd(folder), entry->d_name, target, sizeof(target));
        if (size == (ssize_t)strlen(search->target) && memcmp(target, search->target, (size_t)size) == 0)
            return 1;
    }
    return 0;
}

static struct search search_for(uint32_t inode) {
    struct search search = {.links = 0};

    snprintf(search.target, sizeof(search.target), "socket:[%u]", inode);
    return search;
}

int kith_holder_has(pid_t pid, uint32_t inode) {
    struct search search = search_for(inode);

    return search_process(&search, pid);
}

/* Does the entry of /proc stand for a process of this user? Its number, or 0. */
static pid_t number_of(int proc, const char *name, uid_t uid) {
    struct stat file;
    char *end;
    long number = strtol(name, &end, 10);

    if (*end != '\0' || number < 1 || number > INT32_MAX || fstatat(proc, name, &file, 0) < 0 || file.st_uid != uid)
        return 0;
    return (pid_t)number;
}

int kith_holder_find(uint32_t inode, uid_t uid, pid_t *ret_pid) {
    _cleanup_(closedirp) DIR *proc = opendir("/proc");
    struct search search = search_for(inode);
    pid_t found = 0;

    if (!proc)
        return -errno;
    for (struct dirent *entry; (entry = readdir(proc));) {
        pid_t pid = number_of(dirfd(proc), entry->d_name, uid);
        int r = pid > 0 ? search_process(&search, pid) : 0;

        if (r < 0)
            return r;
        if (r > 0 && found != 0)
            return -EMLINK;
        if (r > 0)
            found = pid;
    }
    if (found == 0)
        return -ENOENT;
    *ret_pid = found;
    return 0;
}

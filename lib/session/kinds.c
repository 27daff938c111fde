/* session/kinds.c: see kinds.h. The kernel tells kinds apart by inode; those that have none of their own by the name of the link in /proc
 * (proc_pid_fd(5)): "/memfd:NAME (deleted)", "anon_inode:[eventfd]", "anon_inode:[pidfd]", or "pidfd:[INODE]" since 6.9. A file may be
 * called "/memfd:x" too, so what is called so must also have seals, which files on disk do not have (F_GET_SEALS); on a tmpfs of one's own
 * such a name deceives nobody: it is memory with seals. */
#include "session/kinds.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kith/policy.h>

#include "base/fds.h"

/* The name of a link to what has a path begins with a slash. */
static bool name_begins(int fd, const char *with) {
    char path[64], name[64];
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    ssize_t size = readlink(path, name, sizeof(name) - 1);
    if (size < 0)
        return false;
    name[size] = '\0';
    return strncmp(name, with, strlen(with)) == 0;
}

static bool is_pidfd(int fd) {
    return name_begins(fd, "anon_inode:[pidfd]") || name_begins(fd, "pidfd:");
}

enum kith_fd_kind kith_fd_kind_of(int fd) {
    struct stat status;
    if (fstat(fd, &status) < 0)
        return KITH_FD_OTHER;
    switch (status.st_mode & S_IFMT) {
    case S_IFREG:
        if (is_pidfd(fd))
            return KITH_FD_PIDFD;
        return fcntl(fd, F_GET_SEALS) >= 0 && name_begins(fd, "/memfd:") ? KITH_FD_MEMFD : KITH_FD_FILE;
    case S_IFDIR:
        return KITH_FD_DIRECTORY;
    case S_IFSOCK:
        return KITH_FD_SOCKET;
    case S_IFIFO:
        return KITH_FD_PIPE;
    case S_IFBLK:
    case S_IFCHR:
        return KITH_FD_DEVICE;
    default:
        if (is_pidfd(fd))
            return KITH_FD_PIDFD;
        return name_begins(fd, "anon_inode:[eventfd]") ? KITH_FD_EVENTFD : KITH_FD_OTHER;
    }
}

unsigned kith_fds_kinds(const struct kith_fds *fds) {
    unsigned kinds = 0;
    for (unsigned i = 0; i < fds->count; i++)
        if (fds->fd[i] >= 0)
            kinds |= kith_fd_kind_of(fds->fd[i]);
    return kinds;
}

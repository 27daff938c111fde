/*
 * Binding to a path.
 *
 * The kernel never removes a path when its server ends, so a server that starts must tell a live one from a stale one. It asks by
 * connecting (refused: nobody listens) and removes only what is stale. Two servers that start at the same moment must not both find the
 * same stale path and remove each other's new one: everything from looking to listening happens under flock() of the directory.
 *
 * The socket is bound under its final name, never renamed into place: the kernel remembers the name that bind() was given and shows it in
 * /proc/net/unix, ss(8) and getpeername(2). Between bind() and listen() connecting is refused, which is when the mode is set.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/time.h"
#include "stream/bind.h"

/* A server holds the lock for some microseconds; longer than this somebody else has locked the directory. */
#define LOCK_WAIT_NS KITH_NS_PER_S
#define LOCK_PAUSE_NS (5 * KITH_NS_PER_MS)

/* The sockets of a process with an io_uring are closed some milliseconds (measured: 4 to 8) after its end, when the kernel frees the ring:
 * who starts a killed server anew would find its listener alive. One whose process has ended may also have been inherited: then it stays.
 */
#define ENDED_WAIT_NS (200 * KITH_NS_PER_MS)
#define ENDED_PAUSE_NS (2 * KITH_NS_PER_MS)

/* A stale path was removed and another one was there again: somebody who does not take the lock makes them. */
#define BIND_TRIES 3

#define PATH_SIZE sizeof(((struct sockaddr_un *)NULL)->sun_path)

/* Escaped for a person: kith_address_format() needs at most four characters an octet. */
#define TEXT_SIZE (4 * PATH_SIZE + 2)

static const char *path_of(const struct kith_address *address) {
    return ((const struct sockaddr_un *)&address->storage)->sun_path; /* kith_address_unix() leaves a NUL behind it */
}

bool kith_bind_is_path(const struct kith_address *address) {
    return address->storage.ss_family == AF_UNIX && address->size > offsetof(struct sockaddr_un, sun_path) && path_of(address)[0] != '\0';
}

/* *ret_pid stays as it is where a live listener does not tell. */
static int probe(const struct kith_address *address, pid_t *ret_pid) {
    _cleanup_(kith_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;

    if (connect(fd, (const struct sockaddr *)&address->storage, address->size) == 0) {
        struct ucred holder;
        socklen_t size = sizeof(holder);
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &holder, &size) == 0)
            *ret_pid = holder.pid;
    } else if (errno == ECONNREFUSED || errno == ENOENT) {
        return 0;
    } else if (errno != EAGAIN && errno != EPROTOTYPE) { /* a full backlog, or a socket of another type: both are alive */
        return -errno;
    }
    return 1;
}

/* Ended, reaped or not; false when it cannot be told. The pidfd is closed as it was opened: ThreadSanitizer, which sees system calls by
 * their functions, would take it for the last one of that number, another thread's. */
static bool has_ended(pid_t pid) {
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0 && errno == ENOSYS) /* a sandbox: then one that was not reaped yet counts as alive */
        return kill(pid, 0) < 0 && errno == ESRCH;
    if (pidfd < 0)
        return errno == ESRCH;
    bool ended = poll(&(struct pollfd){.fd = pidfd, .events = POLLIN}, 1, 0) == 1;
    (void)syscall(SYS_close, pidfd);
    return ended;
}

int kith_bind_probe(const struct kith_address *address, pid_t *ret_pid) {
    uint64_t give_up = kith_time_now() + ENDED_WAIT_NS;
    pid_t pid = 0; /* probes that nobody accepts fill the backlog, and then it is the first that has told */
    int r = probe(address, &pid);
    while (r > 0 && pid > 0 && has_ended(pid) && kith_time_now() < give_up) {
        nanosleep(&(struct timespec){.tv_nsec = ENDED_PAUSE_NS}, NULL);
        r = probe(address, &pid);
    }
    if (r > 0)
        *ret_pid = pid;
    return r;
}

int kith_bind_in_use(const struct kith_address *address, pid_t pid, struct kith_error *ret_error) {
    char name[TEXT_SIZE], link[32];
    kith_address_format(address, name, sizeof(name));
    if (pid <= 0)
        return kith_error_set(ret_error, -EADDRINUSE, "%s: a live server holds this address; stop it or choose another", name);

    char *program = NULL;
    snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
    if (kith_link_read(AT_FDCWD, link, &program) < 0)
        program = NULL;
    kith_error_set(ret_error, -EADDRINUSE, "%s: a live server holds this address (pid %d%s%s); stop it or choose another", name, (int)pid,
                   program ? ", " : "", program ? program : "");
    free(program);
    return -EADDRINUSE;
}

/* "dir/name" -> both parts; "name" lies in ".". */
static int split(const char *path, char *ret_directory, char *ret_name, struct kith_error *ret_error) {
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return kith_error_set(ret_error, -EINVAL, "%s: this names a directory; give the path of the socket itself", path);
    if (!slash)
        strcpy(ret_directory, ".");
    else
        sprintf(ret_directory, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    strcpy(ret_name, name);
    return 0;
}

static int open_directory(const char *path, const char *directory, struct kith_error *ret_error) {
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        return fd;
    int r = -errno;
    if (r == -ENOENT)
        return kith_error_set(ret_error, r, "%s: the directory %s does not exist; make it first", path, directory);
    if (r == -EACCES)
        return kith_error_set(ret_error, r, "%s: permission denied: uid %u may not read the directory %s", path, (unsigned)geteuid(),
                              directory);
    return kith_error_set(ret_error, r, "%s: the directory %s cannot be opened: %s", path, directory, kith_error_name(r));
}

static int lock(int dirfd, const char *path, struct kith_error *ret_error) {
    uint64_t give_up = kith_time_now() + LOCK_WAIT_NS;
    while (flock(dirfd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return 0; /* a file system without locks: the probe alone must do */
        if (kith_time_now() >= give_up)
            return kith_error_set(ret_error, -EBUSY, "%s: another process keeps its directory locked (flock); find it with lslocks", path);
        nanosleep(&(struct timespec){.tv_nsec = LOCK_PAUSE_NS}, NULL);
    }
    return 0;
}

static const char *kind_of_file(mode_t mode) {
    return S_ISREG(mode) ? "a regular file" : S_ISDIR(mode) ? "a directory" : S_ISLNK(mode) ? "a symbolic link" : "not a socket";
}

/* Something is at the path: removes it when it is a stale socket. Returns 0 when it is worth to bind again. */
static int clear_stale(int dirfd, const char *name, const struct kith_address *address, const char *path, struct kith_error *ret_error) {
    struct stat st;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        int r = -errno;
        return r == -ENOENT ? 0 : kith_error_set(ret_error, r, "%s: %s", path, kith_error_name(r));
    }
    if (!S_ISSOCK(st.st_mode))
        return kith_error_set(ret_error, -EEXIST, "%s: %s is in the way; remove it or choose another path", path, kind_of_file(st.st_mode));

    pid_t pid;
    int r = kith_bind_probe(address, &pid);
    if (r > 0)
        return kith_bind_in_use(address, pid, ret_error);
    if (r == -EACCES)
        return kith_error_set(ret_error, -EADDRINUSE,
                              "%s: a socket that uid %u may not connect to is there; if no server holds it, remove it", path,
                              (unsigned)geteuid());
    if (r < 0)
        return kith_error_set(ret_error, r, "%s: cannot find out whether a server holds this path: %s", path, kith_error_name(r));

    if (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT) {
        r = -errno;
        return kith_error_set(ret_error, r, "%s: the stale socket of uid %u cannot be removed by uid %u: %s", path, (unsigned)st.st_uid,
                              (unsigned)geteuid(), kith_error_name(r));
    }
    return 0;
}

static int bind_error(int r, const char *path, const char *directory, struct kith_error *ret_error) {
    if (r == -EACCES)
        return kith_error_set(ret_error, r, "%s: permission denied: the directory %s is not writable for uid %u", path, directory,
                              (unsigned)geteuid());
    if (r == -ENOSPC || r == -EDQUOT)
        return kith_error_set(ret_error, r, "%s: the file system of %s is full (blocks or inodes, see df and df -i); free some", path,
                              directory);
    if (r == -EROFS)
        return kith_error_set(ret_error, r, "%s: the file system of %s is read-only; choose a place that can be written, as /run", path,
                              directory);
    return kith_error_set(ret_error, r, "%s: bind: %s", path, kith_error_name(r));
}

static int bind_or_clear(int fd, const struct kith_address *address, struct kith_bound_path *bound, const char *path, const char *directory,
                         struct kith_error *ret_error) {
    for (int i = 0; i < BIND_TRIES; i++) {
        if (bind(fd, (const struct sockaddr *)&address->storage, address->size) == 0)
            return 0;
        if (errno != EADDRINUSE)
            return bind_error(-errno, path, directory, ret_error);
        int r = clear_stale(bound->dirfd, bound->name, address, path, ret_error);
        if (r < 0)
            return r;
    }
    return kith_error_set(ret_error, -EADDRINUSE, "%s: another program keeps making this path", path);
}

/* Directory, opened, and name of a path address. */
static int find_directory(const struct kith_address *address, struct kith_bound_path *bound, char *ret_directory,
                          struct kith_error *ret_error) {
    const char *path = path_of(address);
    if (strnlen(path, PATH_SIZE) == PATH_SIZE)
        return kith_error_set(ret_error, -ENAMETOOLONG, "the path of a socket has at most %zu octets", PATH_SIZE - 1);
    int r = split(path, ret_directory, bound->name, ret_error);
    if (r < 0)
        return r;
    r = open_directory(path, ret_directory, ret_error);
    if (r < 0)
        return r;
    bound->dirfd = r;
    return 0;
}

static int listen_at(int fd, int backlog, const char *path, struct kith_error *ret_error) {
    if (listen(fd, backlog) == 0)
        return 0;
    int r = -errno;
    return kith_error_set(ret_error, r, "%s: listen: %s", path, kith_error_name(r));
}

int kith_bind_path(int fd, const struct kith_address *address, int backlog, const struct kith_listener_options *options,
                   struct kith_bound_path *ret_path, struct kith_error *ret_error) {
    const char *path = path_of(address);
    char directory[PATH_SIZE];
    _cleanup_(kith_bound_path_deinit) struct kith_bound_path bound = KITH_BOUND_PATH_INIT;

    int r = find_directory(address, &bound, directory, ret_error);
    if (r < 0)
        return r;
    r = lock(bound.dirfd, path, ret_error);
    if (r < 0)
        return r;

    /* The new inode gets the socket's own mode, less the umask (net/unix/af_unix.c): never more is allowed than was asked for, not even
     * before the claim sets what the umask took away. */
    (void)fchmod(fd, options->mode != 0 ? (mode_t)options->mode : 0666);
    r = bind_or_clear(fd, address, &bound, path, directory, ret_error);
    if (r >= 0)
        r = kith_bound_path_claim(&bound, fd, options, path, ret_error);
    if (r >= 0)
        r = listen_at(fd, backlog, path, ret_error);
    flock(bound.dirfd, LOCK_UN);
    if (r < 0)
        return r;

    *ret_path = kith_bound_path_steal(&bound);
    return 0;
}

int kith_bind_adopt_path(int fd, const struct kith_address *address, struct kith_bound_path *ret_path, struct kith_error *ret_error) {
    static const struct kith_listener_options nothing_to_set = {0};
    char directory[PATH_SIZE];
    _cleanup_(kith_bound_path_release) struct kith_bound_path bound = KITH_BOUND_PATH_INIT;

    int r = find_directory(address, &bound, directory, ret_error);
    if (r >= 0)
        r = kith_bound_path_claim(&bound, fd, &nothing_to_set, path_of(address), ret_error);
    if (r < 0)
        return r;
    *ret_path = kith_bound_path_steal(&bound);
    return 0;
}

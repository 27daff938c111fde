/* map/source/namespaces.c: network namespaces: found by processes, mounts and descriptors; read by going in. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "map/source/internal.h"

#define MOUNTS_MAX ((size_t)64 * 1024 * 1024)

uint64_t map_link_number(const char *link, const char *kind) {
    size_t size = strlen(kind);
    return strncmp(link, kind, size) == 0 && strncmp(link + size, ":[", 2) == 0 ? strtoull(link + size + 2, NULL, 10) : 0;
}

uint32_t map_namespace_index(const struct map *map, uint64_t inode) {
    for (size_t i = 0; i < map->netns_count; i++)
        if (map->netns[i].inode == inode)
            return (uint32_t)i;
    return MAP_NONE;
}

int map_found_namespace(struct map *map, uint64_t inode, const char *path, const char *name) {
    uint32_t known = map_namespace_index(map, inode);

    if (known == MAP_NONE)
        return map_add_netns(map, &(struct map_netns){.inode = inode, .name = name, .path = path, .owner = MAP_NONE}, NULL);
    return map->netns[known].name || !name ? 0 : map_name_netns(map, known, name);
}

/* A blank, a tab, a line feed and a backslash are octal numbers there. */
static void unescape(char *text) {
    char *to = text;

    for (const char *from = text; *from; to++)
        if (*from == '\\' && strspn(from + 1, "01234567") >= 3) {
            *to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
            from += 4;
        } else {
            *to = *from++;
        }
    *to = '\0';
}

/* Mounts keep namespaces alive: those of ip-netns(8) lie in /run/netns, and container engines have their own places. A line of
 * proc_pid_mountinfo(5): ID PARENT DEVICE ROOT MOUNT-POINT OPTIONS... - TYPE SOURCE OPTIONS. */
static int take_mount(struct map *map, char *line) {
    char *fields[5] = {NULL}, *rest = line;

    if (!strstr(line, " - nsfs "))
        return 0;
    for (size_t i = 0; i < KITH_ARRAY_SIZE(fields); i++)
        fields[i] = strsep(&rest, " ");
    uint64_t inode = fields[4] ? map_link_number(fields[3], "net") : 0;
    if (inode == 0)
        return 0;
    unescape(fields[4]);
    const char *slash = strrchr(fields[4], '/');
    return map_found_namespace(map, inode, fields[4], slash ? slash + 1 : fields[4]);
}

static int find_mounts(struct map *map, int proc) {
    _cleanup_(freep) char *text = NULL;
    int r = kith_file_read(proc, "self/mountinfo", MOUNTS_MAX, &text, NULL);

    if (r < 0)
        return r == -ENOMEM ? r : 0;
    for (char *rest = text, *line; r == 0 && (line = strsep(&rest, "\n"));)
        r = take_mount(map, line);
    return r;
}

static int find_by_processes(struct map *map, int proc) {
    int copy = fcntl(proc, F_DUPFD_CLOEXEC, 0), r = 0;
    bool hidden = map_processes_are_hidden(proc);
    DIR *directory = copy < 0 ? NULL : fdopendir(copy);

    if (!directory) {
        kith_close(copy);
        return 0;
    }
    rewinddir(directory);
    for (struct dirent *entry; r == 0 && (entry = readdir(directory));) {
        char path[32], link[64], open_path[48];
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        snprintf(path, sizeof(path), "%.10s/ns/net", entry->d_name);
        ssize_t size = readlinkat(proc, path, link, sizeof(link) - 1);
        if (size <= 0) {
            hidden |= errno == EACCES || errno == EPERM;
            continue;
        }
        link[size] = '\0';
        snprintf(open_path, sizeof(open_path), "/proc/%s", path);
        uint64_t inode = map_link_number(link, "net");
        if (inode != 0)
            r = map_found_namespace(map, inode, open_path, NULL);
    }
    closedir(directory);
    if (r < 0 || !hidden)
        return r;
    return map_add_missing(map, "network namespaces of other users' processes",
                           "they may only be seen with CAP_SYS_PTRACE, and entered with CAP_SYS_ADMIN", map_remedy());
}

int map_find_namespaces(struct map *map, int proc, bool own_only) {
    struct stat own;
    int r = fstatat(proc, "self/ns/net", &own, 0) < 0 ? -errno : 0;

    /* Without /proc there is one, and it has no number. */
    r = map_add_netns(map, &(struct map_netns){.inode = r == 0 ? own.st_ino : 0, .owner = MAP_NONE, .own = true}, NULL);
    if (r < 0 || own_only)
        return r;
    r = find_mounts(map, proc);
    return r < 0 ? r : find_by_processes(map, proc);
}

static int read_one(struct map *map, uint32_t number, const struct map_wanted *wanted, struct kith_error *error) {
    map->netns[number].read = true;
    int r = map_read_names(map, number);
    if (r == 0)
        r = map_read_sockets(map, number, wanted);
    if (r < 0)
        return kith_error_set(error, r, "cannot read sockets: %s", kith_error_name(r));
    return wanted->visit ? wanted->visit(wanted->userdata, map, number, error) : 0;
}

static int say_unreachable(struct map *map, int error) {
    return map_add_missing(map, "sockets of other network namespaces",
                           error == EPERM || error == EACCES ? "they may only be entered with CAP_SYS_ADMIN (and CAP_SYS_PTRACE)"
                                                             : "one of them went while it was looked at",
                           error == EPERM || error == EACCES ? map_remedy() : NULL);
}

/* A descriptor, -ENOENT when something else is there: the process has ended, and its number is another's now; -errno. */
static int open_if_it_is(const char *path, uint64_t inode) {
    struct stat own;

    if (stat("/proc/thread-self/ns/net", &own) < 0) /* all namespaces are of its device */
        return -errno;
    _cleanup_(kith_closep) int pointed = map_point_at(AT_FDCWD, path, own.st_dev, inode);
    return pointed < 0 ? pointed : map_open_pointed(pointed);
}

/* The process that led to it may have ended since, while others live there still. */
static int open_namespace(const struct map_netns *netns) {
    int fd = open_if_it_is(netns->path, netns->inode);
    DIR *directory = fd == -ENOENT || fd == -ESRCH ? opendir("/proc") : NULL;

    for (struct dirent *entry; directory && (fd == -ENOENT || fd == -ESRCH) && (entry = readdir(directory));) {
        char path[48], link[64];
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        snprintf(path, sizeof(path), "/proc/%.10s/ns/net", entry->d_name);
        ssize_t size = readlink(path, link, sizeof(link) - 1);
        link[size > 0 ? size : 0] = '\0';
        if (map_link_number(link, "net") == netns->inode)
            fd = open_if_it_is(path, netns->inode);
    }
    if (directory)
        closedir(directory);
    return fd;
}

static int visit(struct map *map, uint32_t number, int home, const struct map_wanted *wanted, struct kith_error *error) {
    int opened = open_namespace(&map->netns[number]);
    _cleanup_(kith_closep) int fd = opened < 0 ? -1 : opened;

    if (fd < 0)
        return say_unreachable(map, -opened);
    if (setns(fd, CLONE_NEWNET) < 0)
        return say_unreachable(map, errno);
    int r = read_one(map, number, wanted, error);
    if (setns(home, CLONE_NEWNET) < 0)
        return kith_error_set(error, -EIO, "cannot come back into my network namespace: %s", kith_error_name(-errno));
    return r;
}

int map_read_namespaces(struct map *map, const struct map_wanted *wanted, struct kith_error *ret_error) {
    int r = map->netns[0].read ? 0 : read_one(map, 0, wanted, ret_error);
    _cleanup_(kith_closep) int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

    for (uint32_t i = 1; r == 0 && i < map->netns_count; i++)
        if (!map->netns[i].read)
            r = home < 0 ? say_unreachable(map, errno) : visit(map, i, home, wanted, ret_error);
    return r;
}

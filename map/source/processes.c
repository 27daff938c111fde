/*
 * map/source/processes.c: who holds a socket: /proc/PID/fd.
 *
 * A process that ends while it is looked at has no descriptors any more, and is left out. What it is called is asked only of those that
 * hold a socket. Threads with descriptors of their own (CLONE_FILES was not given) are not looked at.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "map/model/container.h"
#include "map/source/internal.h"
#include "origin/procfs.h"

#define FILE_MAX_ ((size_t)64 * 1024)
/* comm of proc_pid_comm(5), and room for what status escapes in it. */
#define COMM_MAX 64
/* gateway/announce.h; memfd_create(2) says how such a file is called. */
#define CLAIMS_LINK "/memfd:kith-sockets"
/* Lines of it: a gateway has a few sockets, and whoever says more shall not make us slow. */
#define CLAIMS_MAX 256

struct scan {
    struct map *map;
    int proc;
    bool own_namespace;
    bool hidden; /* there are processes whose descriptors we may not see */
};

/* Every pid namespace has a process of number 1. */
bool map_processes_are_hidden(int proc) {
    return faccessat(proc, "1", F_OK, 0) < 0 && errno == ENOENT;
}

static bool is_number(const char *name) {
    return isdigit((unsigned char)name[0]);
}

/* Directory `path` below `at`, as a stream; NULL with errno. */
static DIR *open_directory(int at, const char *path) {
    int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);

    if (fd >= 0 && !directory)
        kith_close(fd);
    return directory;
}

/* What the process is called ----------------------------------------------------------------------------------------- */

static void read_comm(const char *status, char comm[static COMM_MAX]) {
    static const char heading[] = "Name:\t";

    comm[0] = '\0';
    if (strncmp(status, heading, sizeof(heading) - 1) == 0)
        snprintf(comm, COMM_MAX, "%.*s", (int)strcspn(status + sizeof(heading) - 1, "\n"), status + sizeof(heading) - 1);
}

/* `directory` is /proc/PID: what is read through it is of one process, also when its number has become another one's. */
static int read_process(int directory, pid_t pid, struct map *map, uint32_t *ret_index) {
    char comm[COMM_MAX] = "", container[256] = "", link[64];
    _cleanup_(freep) char *status = NULL, *exe = NULL, *text = NULL, *cgroup = NULL, *unit = NULL;
    struct map_process process = {.pid = pid, .uid = (uid_t)-1, .netns = MAP_NONE};
    struct kith_text words = kith_text_init(container, sizeof(container));
    gid_t gid;

    if (kith_file_read(directory, "status", FILE_MAX_, &status, NULL) == 0) {
        read_comm(status, comm);
        kith_procfs_real_ids(status, &process.uid, &gid);
    }
    kith_link_read(directory, "exe", &exe);
    if (kith_file_read(directory, "cgroup", FILE_MAX_, &text, NULL) == 0 && kith_procfs_cgroup(text, &cgroup) == 0) {
        kith_procfs_unit(cgroup, &unit);
        map_container_of_cgroup(cgroup, &words);
    }
    ssize_t size = readlinkat(directory, "ns/net", link, sizeof(link) - 1);
    if (size > 0) {
        link[size] = '\0';
        process.netns = map_namespace_index(map, map_link_number(link, "net"));
    }
    process.comm = comm;
    process.exe = exe;
    process.cgroup = cgroup;
    process.unit = unit;
    process.container = container[0] ? container : NULL;
    return map_add_process(map, &process, ret_index);
}

/* The process that is being looked at. */
struct subject {
    struct scan *scan;
    pid_t pid;
    int directory, descriptors; /* /proc/PID, /proc/PID/fd */
    uint32_t process;           /* MAP_NONE: nothing of it is in the map yet */
};

static int name_subject(struct subject *subject) {
    return subject->process == MAP_NONE ? read_process(subject->directory, subject->pid, subject->scan->map, &subject->process) : 0;
}

/* What it says of its sockets ----------------------------------------------------------------------------------------- */

/* A file of memfd_create(2), opened to be read; anything else is not opened: anybody may call a file of his so. */
static int open_claims(const struct subject *subject, const char *name) {
    _cleanup_(kith_closep) int own = memfd_create("kith-map", MFD_CLOEXEC);
    struct stat memory;

    if (own < 0 || fstat(own, &memory) < 0)
        return -errno;
    _cleanup_(kith_closep) int pointed = map_point_at(subject->descriptors, name, memory.st_dev, 0);
    return pointed < 0 ? pointed : map_open_pointed(pointed);
}

static int read_claims(struct subject *subject, const char *name) {
    _cleanup_(freep) char *text = NULL;
    _cleanup_(kith_closep) int fd = open_claims(subject, name);
    size_t count = 0;

    if (fd < 0 || kith_fd_read(fd, FILE_MAX_, &text, NULL) < 0)
        return 0;
    int r = name_subject(subject);
    for (char *rest = text, *line; r == 0 && count < CLAIMS_MAX && (line = strsep(&rest, "\n")); count++)
        if (map_add_claim(subject->scan->map, subject->process, line) == -ENOMEM)
            r = -ENOMEM;
    return r;
}

/* Descriptors -------------------------------------------------------------------------------------------------------- */

static int take_descriptor(struct subject *subject, const char *name) {
    struct scan *scan = subject->scan;
    char link[64], path[64];

    ssize_t size = readlinkat(subject->descriptors, name, link, sizeof(link) - 1);
    if (size <= 0) {
        scan->hidden |= errno == EACCES || errno == EPERM; /* of a process with more privileges than root has here */
        return 0;
    }
    link[size] = '\0';
    uint64_t inode = map_link_number(link, "socket");
    if (inode != 0) {
        int r = name_subject(subject);
        return r < 0 ? r : map_add_holder(scan->map, inode, subject->process, atoi(name));
    }
    if (strncmp(link, CLAIMS_LINK, strlen(CLAIMS_LINK)) == 0)
        return read_claims(subject, name);
    inode = map_link_number(link, "net");
    if (inode == 0 || scan->own_namespace)
        return 0;
    snprintf(path, sizeof(path), "/proc/%d/fd/%.10s", subject->pid, name);
    return map_found_namespace(scan->map, inode, path, NULL);
}

static int scan_process(struct scan *scan, const char *name) {
    _cleanup_(kith_closep) int directory = openat(scan->proc, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *descriptors = directory < 0 ? NULL : open_directory(directory, "fd");
    int r = 0;

    if (!descriptors) {
        scan->hidden |= errno == EACCES || errno == EPERM;
        return errno == ENOMEM ? -ENOMEM : 0;
    }
    struct subject subject = {
        .scan = scan, .pid = atoi(name), .directory = directory, .descriptors = dirfd(descriptors), .process = MAP_NONE};
    for (struct dirent *entry; r == 0 && (entry = readdir(descriptors));)
        if (is_number(entry->d_name))
            r = take_descriptor(&subject, entry->d_name);
    closedir(descriptors);
    return r;
}

static void name_owners(struct map *map) {
    for (uint32_t i = 0; i < map->process_count; i++) {
        uint32_t number = map->processes[i].netns;
        if (number == MAP_NONE)
            continue;
        struct map_netns *netns = &map->netns[number];
        if (netns->owner == MAP_NONE || map->processes[netns->owner].pid > map->processes[i].pid)
            netns->owner = i;
    }
}

int map_read_processes(struct map *map, int proc, bool own_namespace) {
    struct scan scan = {.map = map, .proc = proc, .own_namespace = own_namespace, .hidden = map_processes_are_hidden(proc)};
    int r = 0;

    DIR *directory = open_directory(proc, ".");
    if (!directory)
        return map_add_missing(map, "processes", "/proc cannot be read", "mount it");
    for (struct dirent *entry; r == 0 && (entry = readdir(directory));)
        if (is_number(entry->d_name))
            r = scan_process(&scan, entry->d_name);
    closedir(directory);
    name_owners(map);
    if (r == 0 && scan.hidden)
        r = map_add_missing(map, "processes of other users",
                            "their descriptors may only be seen with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH", map_remedy());
    return r;
}

/* Sockets that only a descriptor tells of ---------------------------------------------------------------------------- */

/* Points at it, if it still is this socket. */
static int point_at_socket(const struct map_process *process, int fd, uint64_t inode) {
    _cleanup_(kith_closep) int own = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct stat any;
    char path[64];

    if (own < 0 || fstat(own, &any) < 0)
        return -errno;
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", process->pid, fd);
    return map_point_at(AT_FDCWD, path, any.st_dev, inode);
}

static int add_unlisted(uint64_t inode, uint32_t process, int fd, void *userdata) {
    struct map *map = userdata;
    char path[MAP_POINTED_MAX], name[64] = "";
    struct map_socket socket = {.kind = MAP_OTHER, .inode = inode, .state = MAP_CLOSE, .netns = map->processes[process].netns};

    if (socket.netns == MAP_NONE)
        return 0; /* in a namespace that was not to be read */
    int pointed = point_at_socket(&map->processes[process], fd, inode);
    if (pointed == -ENOENT)
        return 0; /* closed since, or the process has ended */
    /* The name of its protocol: sockfs has it as an attribute of its own (net/socket.c). */
    if (pointed >= 0 && getxattr(map_pointed_path(pointed, path), "system.sockprotoname", name, sizeof(name) - 1) < 0)
        name[0] = '\0';
    kith_close(pointed);
    socket.protocol_name = name[0] ? name : NULL;
    return map_add_socket(map, &socket, NULL);
}

int map_read_unlisted(struct map *map) {
    return map_unlisted(map, add_unlisted, map);
}

/* map/source/options.c: a descriptor of another process: what fdinfo says, and the options of its socket, a row each. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "map/source/internal.h"

#define FDINFO_MAX ((size_t)64 * 1024)

enum form { NUMBER, SWITCH, TEXT, TIME, LINGER };
enum {
    ON_TCP = 1 << 0,
    ON_IPV4 = 1 << 1,
    ON_IPV6 = 1 << 2,
    ON_UNIX = 1 << 3,
    ON_ALL = 1 << 4,
};

/* socket(7), tcp(7), ip(7), ipv6(7), unix(7). */
static const struct option {
    const char *name;
    int level, number;
    enum form form;
    unsigned on;
} table[] = {
    {"SO_REUSEADDR", SOL_SOCKET, SO_REUSEADDR, SWITCH, ON_IPV4 | ON_IPV6},
    {"SO_REUSEPORT", SOL_SOCKET, SO_REUSEPORT, SWITCH, ON_IPV4 | ON_IPV6},
    {"SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE, SWITCH, ON_TCP},
    {"SO_BROADCAST", SOL_SOCKET, SO_BROADCAST, SWITCH, ON_IPV4},
    {"SO_RCVBUF", SOL_SOCKET, SO_RCVBUF, NUMBER, ON_ALL},
    {"SO_SNDBUF", SOL_SOCKET, SO_SNDBUF, NUMBER, ON_ALL},
    {"SO_RCVLOWAT", SOL_SOCKET, SO_RCVLOWAT, NUMBER, ON_ALL},
    {"SO_RCVTIMEO ms", SOL_SOCKET, SO_RCVTIMEO, TIME, ON_ALL},
    {"SO_SNDTIMEO ms", SOL_SOCKET, SO_SNDTIMEO, TIME, ON_ALL},
    {"SO_LINGER s", SOL_SOCKET, SO_LINGER, LINGER, ON_TCP},
    {"SO_PRIORITY", SOL_SOCKET, SO_PRIORITY, NUMBER, ON_ALL},
    {"SO_BINDTODEVICE", SOL_SOCKET, SO_BINDTODEVICE, TEXT, ON_IPV4 | ON_IPV6},
    {"SO_PASSCRED", SOL_SOCKET, SO_PASSCRED, SWITCH, ON_UNIX},
    {"SO_PASSSEC", SOL_SOCKET, SO_PASSSEC, SWITCH, ON_UNIX},
    {"SO_TIMESTAMP", SOL_SOCKET, SO_TIMESTAMP, SWITCH, ON_ALL},
    {"SO_BUSY_POLL us", SOL_SOCKET, SO_BUSY_POLL, NUMBER, ON_IPV4 | ON_IPV6},
    {"SO_INCOMING_CPU", SOL_SOCKET, SO_INCOMING_CPU, NUMBER, ON_TCP},
    {"SO_ZEROCOPY", SOL_SOCKET, SO_ZEROCOPY, SWITCH, ON_TCP},
    {"TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY, SWITCH, ON_TCP},
    {"TCP_CORK", IPPROTO_TCP, TCP_CORK, SWITCH, ON_TCP},
    {"TCP_QUICKACK", IPPROTO_TCP, TCP_QUICKACK, SWITCH, ON_TCP},
    {"TCP_MAXSEG", IPPROTO_TCP, TCP_MAXSEG, NUMBER, ON_TCP},
    {"TCP_KEEPIDLE s", IPPROTO_TCP, TCP_KEEPIDLE, NUMBER, ON_TCP},
    {"TCP_KEEPINTVL s", IPPROTO_TCP, TCP_KEEPINTVL, NUMBER, ON_TCP},
    {"TCP_KEEPCNT", IPPROTO_TCP, TCP_KEEPCNT, NUMBER, ON_TCP},
    {"TCP_USER_TIMEOUT ms", IPPROTO_TCP, TCP_USER_TIMEOUT, NUMBER, ON_TCP},
    {"TCP_DEFER_ACCEPT s", IPPROTO_TCP, TCP_DEFER_ACCEPT, NUMBER, ON_TCP},
    {"TCP_FASTOPEN queue", IPPROTO_TCP, TCP_FASTOPEN, NUMBER, ON_TCP},
    {"TCP_SYNCNT", IPPROTO_TCP, TCP_SYNCNT, NUMBER, ON_TCP},
    {"TCP_LINGER2 s", IPPROTO_TCP, TCP_LINGER2, NUMBER, ON_TCP},
    {"TCP_NOTSENT_LOWAT", IPPROTO_TCP, TCP_NOTSENT_LOWAT, NUMBER, ON_TCP},
    {"TCP_CONGESTION", IPPROTO_TCP, TCP_CONGESTION, TEXT, ON_TCP},
    {"IP_TTL", IPPROTO_IP, IP_TTL, NUMBER, ON_IPV4},
    {"IP_MTU_DISCOVER", IPPROTO_IP, IP_MTU_DISCOVER, NUMBER, ON_IPV4},
    {"IP_MULTICAST_TTL", IPPROTO_IP, IP_MULTICAST_TTL, NUMBER, ON_IPV4},
    {"IP_PKTINFO", IPPROTO_IP, IP_PKTINFO, SWITCH, ON_IPV4},
    {"IPV6_UNICAST_HOPS", IPPROTO_IPV6, IPV6_UNICAST_HOPS, NUMBER, ON_IPV6},
    {"IPV6_MTU_DISCOVER", IPPROTO_IPV6, IPV6_MTU_DISCOVER, NUMBER, ON_IPV6},
    {"IPV6_RECVPKTINFO", IPPROTO_IPV6, IPV6_RECVPKTINFO, SWITCH, ON_IPV6},
};

static unsigned families_of(const struct map_socket *socket) {
    bool stream = socket->kind == MAP_TCP || socket->kind == MAP_MPTCP;
    return ON_ALL | (stream ? ON_TCP : 0) | (socket->family == AF_INET ? ON_IPV4 : 0) | (socket->family == AF_INET6 ? ON_IPV6 : 0) |
           (socket->family == AF_UNIX ? ON_UNIX : 0);
}

static int add_option(struct map *map, uint32_t number, const struct option *option, int copy) {
    union {
        int number;
        struct timeval time;
        struct linger linger;
        char text[256];
    } value = {.text = ""};
    socklen_t size = option->form == TEXT     ? sizeof(value.text) - 1
                     : option->form == TIME   ? sizeof(value.time)
                     : option->form == LINGER ? sizeof(value.linger)
                                              : sizeof(value.number);
    char text[32];

    if (getsockopt(copy, option->level, option->number, &value, &size) < 0)
        return 0; /* this socket has no such option, or this kernel */
    switch (option->form) {
    case TEXT:
        return map_add_fact(map, number, "options", option->name, value.text, false);
    case SWITCH:
        return map_add_fact(map, number, "options", option->name, value.number ? "on" : "off", false);
    case TIME:
        snprintf(text, sizeof(text), "%lld", (long long)value.time.tv_sec * 1000 + value.time.tv_usec / 1000);
        break;
    case LINGER:
        if (!value.linger.l_onoff)
            return map_add_fact(map, number, "options", option->name, "off", false);
        snprintf(text, sizeof(text), "%d", value.linger.l_linger);
        break;
    case NUMBER:
        snprintf(text, sizeof(text), "%d", value.number);
        break;
    }
    return map_add_fact(map, number, "options", option->name, text, true);
}

/* Its process may have put another in its place since. */
static bool is_socket(int copy, uint64_t inode) {
    struct stat found;
    int domain;
    socklen_t size = sizeof(domain);

    return getsockopt(copy, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && fstat(copy, &found) == 0 && found.st_ino == inode;
}

int map_read_options(struct map *map, uint32_t socket, pid_t pid, int fd) {
    _cleanup_(kith_closep) int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    _cleanup_(kith_closep) int copy = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
    unsigned on = families_of(&map->sockets[socket]);
    int r = 0;

    if (copy < 0)
        return map_add_missing(map, "the socket's options",
                               errno == EPERM ? "its process may not be looked into without CAP_SYS_PTRACE"
                                              : "its process has ended, or the kernel has no pidfd_getfd (5.6)",
                               errno == EPERM ? map_remedy() : NULL);
    if (!is_socket(copy, map->sockets[socket].inode))
        return map_add_missing(map, "the socket's options", "its descriptor is another file's now", NULL);
    for (size_t i = 0; r == 0 && i < KITH_ARRAY_SIZE(table); i++)
        if (table[i].on & on)
            r = add_option(map, socket, &table[i], copy);
    return r;
}

/* "pos:", "flags:" (octal), "mnt_id:", "ino:", "scm_fds:" (descriptors that wait in a unix socket's queue, Linux 5.18). */
static int take_line(struct map *map, uint32_t socket, const char *line) {
    unsigned long value;
    char text[64];

    if (sscanf(line, "flags: %lo", &value) == 1) {
        int r = map_add_fact(map, socket, "descriptor", "O_NONBLOCK", value & O_NONBLOCK ? "on" : "off", false);
        return r < 0 ? r : map_add_fact(map, socket, "descriptor", "O_CLOEXEC", value & O_CLOEXEC ? "on" : "off", false);
    }
    if (sscanf(line, "scm_fds: %lu", &value) != 1)
        return 0;
    snprintf(text, sizeof(text), "%lu", value);
    return map_add_fact(map, socket, "descriptor", "descriptors in its queue", text, true);
}

/* Linux before 5.14 does not say which file it is: then it is believed. */
static bool is_inode(const char *fdinfo, uint64_t inode) {
    const char *line = strstr(fdinfo, "\nino:\t");
    return !line || strtoull(line + strlen("\nino:\t"), NULL, 10) == inode;
}

int map_read_descriptor(struct map *map, uint32_t socket, pid_t pid, int fd) {
    _cleanup_(freep) char *text = NULL;
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", pid, fd);
    int r = kith_file_read(AT_FDCWD, path, FDINFO_MAX, &text, NULL);
    if (r < 0)
        return r == -ENOMEM ? r : 0;
    if (!is_inode(text, map->sockets[socket].inode))
        return 0;
    for (char *rest = text, *line; r == 0 && (line = strsep(&rest, "\n"));)
        r = take_line(map, socket, line);
    return r;
}

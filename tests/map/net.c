#include "map/net.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534

static socklen_t make_address(const char *address, uint16_t port, struct sockaddr_storage *out) {
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

    *out = (struct sockaddr_storage){.ss_family = strchr(address, ':') ? AF_INET6 : AF_INET};
    if (out->ss_family == AF_INET) {
        v4->sin_port = htons(port);
        assert_int_equal(inet_pton(AF_INET, address, &v4->sin_addr), 1);
        return sizeof(*v4);
    }
    v6->sin6_port = htons(port);
    assert_int_equal(inet_pton(AF_INET6, address, &v6->sin6_addr), 1);
    return sizeof(*v6);
}

static int make_bound(const char *address, uint16_t port, bool reuseport) {
    struct sockaddr_storage bound;
    socklen_t size = make_address(address, port, &bound);
    int fd = socket(bound.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;

    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)), 0);
    if (reuseport)
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes)), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&bound, size), 0);
    return fd;
}

int net_listen(const char *address, uint16_t port, bool reuseport) {
    int fd = make_bound(address, port, reuseport);

    assert_int_equal(listen(fd, NET_BACKLOG), 0);
    return fd;
}

int net_connect_from(const char *from, uint16_t from_port, const char *address, uint16_t port) {
    struct sockaddr_storage peer;
    socklen_t size = make_address(address, port, &peer);
    int fd = make_bound(from, from_port, false);

    assert_int_equal(connect(fd, (struct sockaddr *)&peer, size), 0);
    return fd;
}

int net_connect(const char *address, uint16_t port) {
    struct sockaddr_storage peer;
    socklen_t size = make_address(address, port, &peer);
    int fd = socket(peer.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&peer, size), 0);
    return fd;
}

int net_accept(int listener) {
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

struct pair net_pair(int listener, const char *address) {
    int client = net_connect(address, net_port(listener));

    return (struct pair){.client = client, .accepted = net_accept(listener)};
}

void net_reset(int fd) {
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    assert_int_equal(close(fd), 0);
}

void net_pair_close(struct pair pair) {
    net_reset(pair.client);
    assert_int_equal(close(pair.accepted), 0);
}

uint16_t net_port(int fd) {
    struct sockaddr_storage bound;
    socklen_t size = sizeof(bound);

    assert_int_equal(getsockname(fd, (struct sockaddr *)&bound, &size), 0);
    return ntohs(bound.ss_family == AF_INET ? ((struct sockaddr_in *)&bound)->sin_port : ((struct sockaddr_in6 *)&bound)->sin6_port);
}

uint64_t net_cookie(int fd) {
    uint64_t cookie = 0;
    socklen_t size = sizeof(cookie);

    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size), 0);
    assert_true(cookie != 0);
    return cookie;
}

uint64_t net_inode(int fd) {
    struct stat file;

    assert_int_equal(fstat(fd, &file), 0);
    return file.st_ino;
}

uint64_t net_namespace(void) {
    struct stat file;

    assert_int_equal(stat("/proc/thread-self/ns/net", &file), 0);
    return file.st_ino;
}

int net_enter_new(void) {
    int old = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    struct ifreq loopback = {.ifr_name = "lo", .ifr_flags = IFF_UP};

    assert_true(old >= 0);
    assert_int_equal(unshare(CLONE_NEWNET), 0);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &loopback), 0);
    close(fd);
    return old;
}

void net_leave(int old) {
    assert_int_equal(setns(old, CLONE_NEWNET), 0);
    close(old);
}

void net_set(const char *name, int value) {
    char path[128];

    snprintf(path, sizeof(path), "/proc/sys/net/ipv4/%s", name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fprintf(file, "%d\n", value) > 0);
    assert_int_equal(fclose(file), 0);
}

static int set_capabilities(uint64_t capabilities) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    uint32_t low = (uint32_t)capabilities, high = (uint32_t)(capabilities >> 32);
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {{low, low, 0}, {high, high, 0}};

    return (int)syscall(SYS_capset, &header, sets);
}

static int child_status(pid_t pid) {
    int status = 0;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256;
}

int net_with_capabilities(uint64_t capabilities, int (*fn)(void)) {
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        _exit(set_capabilities(capabilities) == 0 ? fn() : 99);
    return child_status(pid);
}

int net_as_nobody(int (*fn)(void)) {
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        _exit(setgroups(0, NULL) == 0 && setgid(NOBODY) == 0 && setuid(NOBODY) == 0 ? fn() : 99);
    return child_status(pid);
}

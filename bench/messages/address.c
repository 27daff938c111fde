/* See address.h. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "bench/messages/address.h"

#define BACKLOG 4096
#define PORTS_OF_ADDRESS 10000

union address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_un un;
};

static socklen_t parse(const struct setup *setup, union address *address) {
    *address = (union address){0};
    if (setup->tcp) {
        address->in = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        address->in.sin_port = htons((uint16_t)strtoul(strrchr(setup->endpoint, ':') + 1, NULL, 10));
        return sizeof(address->in);
    }
    address->un.sun_family = AF_UNIX;
    snprintf(address->un.sun_path, sizeof(address->un.sun_path), "%s", setup->endpoint + strlen("ipc://"));
    return sizeof(address->un);
}

static int socket_new(const struct setup *setup, bool creds) {
    _cleanup_(kith_closep) int fd = socket(setup->tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    if (fd < 0 || (setup->tcp && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0) ||
        (creds && setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0))
        return -errno;
    return KITH_STEAL_FD(fd);
}

static int connect_from(const struct setup *setup, bool creds, const union address *local) {
    union address address;
    socklen_t size = parse(setup, &address);
    _cleanup_(kith_closep) int fd = socket_new(setup, creds);
    if (fd < 0)
        return fd;
    if (local &&
        (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){1}, sizeof(int)) < 0 || bind(fd, &local->any, sizeof(local->in)) < 0))
        return -errno;
    if (connect(fd, &address.any, size) < 0)
        return -errno;
    return KITH_STEAL_FD(fd);
}

int address_connect(const struct setup *setup, bool creds) {
    return connect_from(setup, creds, NULL);
}

int address_connect_many(const struct setup *setup, unsigned serial) {
    const union address local = {
        .in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + serial / PORTS_OF_ADDRESS)},
    };
    return connect_from(setup, false, setup->tcp ? &local : NULL);
}

int address_listen(const struct setup *setup, bool creds) {
    union address address;
    socklen_t size = parse(setup, &address);
    _cleanup_(kith_closep) int fd = socket_new(setup, creds);
    if (fd < 0)
        return fd;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) < 0 || bind(fd, &address.any, size) < 0 || listen(fd, BACKLOG) < 0)
        return -errno;
    return KITH_STEAL_FD(fd);
}

int address_choose(struct setup *setup, const char *folder) {
    static unsigned number;
    if (!setup->tcp) {
        int length = snprintf(setup->endpoint, sizeof(setup->endpoint), "ipc://%s/%u", folder, number++);
        return (size_t)length < sizeof(setup->endpoint) ? 0 : -ENAMETOOLONG;
    }
    union address address;
    socklen_t size = sizeof(address);
    _cleanup_(kith_closep) int fd = -1;
    snprintf(setup->endpoint, sizeof(setup->endpoint), "tcp://127.0.0.1:0");
    fd = address_listen(setup, false);
    if (fd < 0 || getsockname(fd, &address.any, &size) < 0)
        return fd < 0 ? fd : -errno;
    snprintf(setup->endpoint, sizeof(setup->endpoint), "tcp://127.0.0.1:%u", ntohs(address.in.sin_port));
    return 0;
}

long address_receive_creds(int fd, void *data, size_t size) {
    union {
        struct cmsghdr align;
        char octets[CMSG_SPACE(sizeof(struct ucred))];
    } control;
    struct iovec octets = {.iov_base = data, .iov_len = size};
    struct msghdr header = {.msg_iov = &octets, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(fd, &header, MSG_CMSG_CLOEXEC);
    if (n > 0 && (!CMSG_FIRSTHDR(&header) || CMSG_FIRSTHDR(&header)->cmsg_type != SCM_CREDENTIALS))
        return -EPROTO;
    return n < 0 ? -errno : n;
}

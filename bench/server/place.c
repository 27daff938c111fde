/* See place.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "bench/server/place.h"

/* Connections from one source address: well below the 28,232 ephemeral ports of net.ipv4.ip_local_port_range. */
#define SOURCE_CONNECTIONS 10000

/* A server that does not listen after so long is broken. */
#define START_MS 10000

struct place place_tcp(void) {
    struct place place = {.size = sizeof(place.address.in)};
    place.address.in = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return place;
}

struct place place_unix(const char *path) {
    struct place place = {.size = sizeof(place.address.un)};
    place.address.un.sun_family = AF_UNIX;
    strncpy(place.address.un.sun_path, path, sizeof(place.address.un.sun_path) - 1);
    return place;
}

bool place_is_tcp(const struct place *place) {
    return place->address.any.sa_family == AF_INET;
}

static int set_nodelay(int fd) {
    return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) < 0 ? -errno : 0;
}

int place_listen(const struct place *place, bool creds) {
    _cleanup_(kith_closep) int fd = socket(place->address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || (creds && setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &(int){1}, sizeof(int)) < 0) ||
        (place_is_tcp(place) && set_nodelay(fd) < 0) || bind(fd, &place->address.any, place->size) < 0 || listen(fd, PLACE_BACKLOG) < 0)
        return -errno;
    return KITH_STEAL_FD(fd);
}

static int bind_source(int fd, unsigned long serial) {
    struct sockaddr_in source = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + (serial / SOURCE_CONNECTIONS) % 250)};
    if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){1}, sizeof(int)) < 0 ||
        bind(fd, (struct sockaddr *)&source, sizeof(source)) < 0)
        return -errno;
    return set_nodelay(fd);
}

int place_connect(const struct place *place, unsigned long serial) {
    _cleanup_(kith_closep) int fd = socket(place->address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int r = place_is_tcp(place) ? bind_source(fd, serial) : 0;
    if (r == 0 && connect(fd, &place->address.any, place->size) < 0)
        r = -errno;
    return r < 0 ? r : KITH_STEAL_FD(fd);
}

int place_announce_address(const struct place *place, int ready) {
    ssize_t n = write(ready, place, sizeof(*place));
    kith_close(ready);
    return n == (ssize_t)sizeof(*place) ? 0 : -EIO;
}

int place_announce(int listener, int ready) {
    struct place place = {.size = sizeof(place.address)};
    if (getsockname(listener, &place.address.any, &place.size) < 0)
        return -errno;
    return place_announce_address(&place, ready);
}

int place_await(int ready, struct place *ret_place) {
    struct pollfd word = {.fd = ready, .events = POLLIN};
    if (poll(&word, 1, START_MS) == 0)
        return -ETIMEDOUT;
    return read(ready, ret_place, sizeof(*ret_place)) == (ssize_t)sizeof(*ret_place) ? 0 : -EIO;
}

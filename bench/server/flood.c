/* See flood.h. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "bench/server/flood.h"

#define EVENTS 256
#define SENT_MAX ((size_t)4 * 1024 * 1024)
/* A server that has taken nothing from anybody for so long has stopped reading. */
#define STUCK_MS 250
/* The kernel's part of what waits: small, so that the server's own is seen. */
#define RECEIVE_BUFFER 4096

struct deaf {
    int fd;
    size_t sent;
};

struct flood {
    int epoll;
    unsigned count;
    struct deaf clients[];
};

struct flood *flood_free(struct flood *flood) {
    if (!flood)
        return NULL;
    for (unsigned i = 0; i < flood->count; i++)
        kith_close(flood->clients[i].fd);
    kith_close(flood->epoll);
    free(flood);
    return NULL;
}

KITH_DEFINE_CLEANUP(struct flood *, flood_free)

static int deaf_connect(struct flood *flood, const struct place *server, struct deaf *client) {
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = client};
    client->fd = place_connect(server, flood->count);
    if (client->fd < 0)
        return client->fd;
    if (setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &(int){RECEIVE_BUFFER}, sizeof(int)) < 0)
        return -errno;
    return epoll_ctl(flood->epoll, EPOLL_CTL_ADD, client->fd, &event) < 0 ? -errno : 0;
}

int flood_new(unsigned connections, const struct place *server, struct flood **ret_flood) {
    _cleanup_(flood_freep) struct flood *flood = calloc(1, sizeof(*flood) + connections * sizeof(flood->clients[0]));
    if (!flood)
        return -ENOMEM;
    flood->epoll = epoll_create1(EPOLL_CLOEXEC);
    int r = flood->epoll < 0 ? -errno : 0;
    for (; r == 0 && flood->count < connections; flood->count++)
        r = deaf_connect(flood, server, &flood->clients[flood->count]);
    if (r < 0)
        return r;
    *ret_flood = KITH_STEAL(flood);
    return 0;
}

static int send_more(struct flood *flood, struct deaf *client) {
    static const char data[16 * 1024];
    ssize_t n = send(client->fd, data, sizeof(data), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0)
        return errno == EAGAIN ? 0 : -errno;
    client->sent += (size_t)n;
    if (client->sent < SENT_MAX)
        return 0;
    return epoll_ctl(flood->epoll, EPOLL_CTL_DEL, client->fd, NULL) < 0 ? -errno : 0;
}

int flood_run(struct flood *flood) {
    struct epoll_event events[EVENTS];
    for (;;) {
        int r = 0, count = epoll_wait(flood->epoll, events, EVENTS, STUCK_MS);
        if (count <= 0)
            return count < 0 ? -errno : 0;
        for (int i = 0; i < count && r == 0; i++)
            r = send_more(flood, events[i].data.ptr);
        if (r < 0)
            return r;
    }
}

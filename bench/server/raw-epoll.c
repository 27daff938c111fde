/* bench/server/raw-epoll.c: what everybody would write by hand: level-triggered epoll. It is what all others are measured by. */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "bench/server/contestant.h"
#include "bench/server/echo.h"

#define EVENTS 256

struct conn {
    struct echo echo;
    enum echo_next watched;
};

struct server {
    int epoll, listener;
    int (*read)(struct echo *echo);
};

static int watch(const struct server *server, struct conn *conn, int operation, unsigned events) {
    struct epoll_event event = {.events = events, .data.ptr = conn};
    return epoll_ctl(server->epoll, operation, conn ? conn->echo.fd : server->listener, &event) < 0 ? -errno : 0;
}

static int accept_all(const struct server *server) {
    for (;;) {
        int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return errno == EAGAIN || errno == ECONNABORTED ? 0 : -errno;
        struct conn *conn = calloc(1, sizeof(*conn));
        if (!conn)
            return -ENOMEM;
        conn->echo.fd = fd;
        int r = watch(server, conn, EPOLL_CTL_ADD, EPOLLIN);
        if (r < 0)
            return r;
    }
}

static int handle(const struct server *server, struct conn *conn) {
    if (!conn)
        return accept_all(server);
    int next = conn->watched == ECHO_WRITABLE ? echo_write(&conn->echo) : server->read(&conn->echo);
    if (next < 0) {
        echo_deinit(&conn->echo);
        free(conn);
        return 0;
    }
    if (next == (int)conn->watched)
        return 0;
    conn->watched = (enum echo_next)next;
    return watch(server, conn, EPOLL_CTL_MOD, next == ECHO_WRITABLE ? EPOLLOUT : EPOLLIN);
}

static int serve(const struct place *place, int ready, bool creds, int (*read)(struct echo *echo)) {
    struct epoll_event events[EVENTS];
    struct server server = {.epoll = epoll_create1(EPOLL_CLOEXEC), .listener = place_listen(place, creds), .read = read};
    int r = server.listener < 0 ? server.listener : watch(&server, NULL, EPOLL_CTL_ADD, EPOLLIN);
    if (r == 0)
        r = place_announce(server.listener, ready);
    while (r == 0) {
        int count = epoll_wait(server.epoll, events, EVENTS, -1);
        for (int i = 0; i < count && r == 0; i++)
            r = handle(&server, events[i].data.ptr);
    }
    return r;
}

int serve_raw_epoll(const struct place *place, int ready) {
    return serve(place, ready, false, echo_read);
}

/* As echo_read(), with the writer's credentials. */
static int read_creds(struct echo *echo) {
    static char data[QUEUE_MAX];
    union {
        struct cmsghdr align;
        char octets[CMSG_SPACE(sizeof(struct ucred))];
    } control;
    struct iovec iov = {.iov_base = data, .iov_len = sizeof(data)};
    struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    ssize_t size = recvmsg(echo->fd, &header, MSG_CMSG_CLOEXEC);
    if (size <= 0)
        return size == 0 ? -EPIPE : errno == EAGAIN ? ECHO_READABLE : -errno;
    return echo_has_creds(CMSG_FIRSTHDR(&header)) ? echo_reply(echo, data, (size_t)size) : -EPROTO;
}

int serve_raw_epoll_creds(const struct place *place, int ready) {
    return serve(place, ready, true, read_creds);
}

/* bench/server/libev.c: libev with read and write: one watcher a connection. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <ev.h>

#include "bench/server/contestant.h"
#include "bench/server/echo.h"

struct conn {
    ev_io io; /* first: the watcher is the connection */
    struct echo echo;
};

static void on_ready(struct ev_loop *loop, ev_io *io, int events) {
    struct conn *conn = (struct conn *)io;
    int next = events & EV_WRITE ? echo_write(&conn->echo) : echo_read(&conn->echo);
    int wanted = next == ECHO_WRITABLE ? EV_WRITE : EV_READ;
    if (next >= 0 && (events & wanted))
        return;
    ev_io_stop(loop, io);
    if (next >= 0) {
        ev_io_set(io, conn->echo.fd, wanted);
        ev_io_start(loop, io);
        return;
    }
    echo_deinit(&conn->echo);
    free(conn);
}

static void on_accept(struct ev_loop *loop, ev_io *listener, int events) {
    int fd;
    while ((fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        struct conn *conn = calloc(1, sizeof(*conn));
        if (!conn)
            abort();
        conn->echo.fd = fd;
        ev_io_init(&conn->io, on_ready, fd, EV_READ);
        ev_io_start(loop, &conn->io);
    }
}

int serve_libev(const struct place *place, int ready) {
    struct ev_loop *loop = ev_default_loop(EVBACKEND_EPOLL);
    ev_io listener;
    int fd = place_listen(place, false);
    if (fd < 0 || !loop)
        return fd < 0 ? fd : -ENOMEM;
    ev_io_init(&listener, on_accept, fd, EV_READ);
    ev_io_start(loop, &listener);
    int r = place_announce(fd, ready);
    if (r == 0)
        ev_run(loop, 0);
    return r < 0 ? r : -EIO; /* it runs for ever */
}

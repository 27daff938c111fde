/* bench/server/libevent.c: libevent with read and write: an event a connection. */
#include <errno.h>
#include <stdlib.h>

#include <event2/event.h>
#include <event2/listener.h>

#include "bench/server/contestant.h"
#include "bench/server/echo.h"

struct conn {
    struct echo echo;
    struct event *readable, *writable; /* the second one exists once it was needed */
};

static void conn_free(struct conn *conn) {
    if (conn->readable)
        event_free(conn->readable);
    if (conn->writable)
        event_free(conn->writable);
    echo_deinit(&conn->echo);
    free(conn);
}

static void on_writable(evutil_socket_t fd, short events, void *userdata) {
    struct conn *conn = userdata;
    int next = echo_write(&conn->echo);
    if (next < 0 || (next == ECHO_READABLE && (event_del(conn->writable) < 0 || event_add(conn->readable, NULL) < 0)))
        conn_free(conn);
}

static int wait_for_room(struct conn *conn) {
    if (!conn->writable)
        conn->writable = event_new(event_get_base(conn->readable), conn->echo.fd, EV_WRITE | EV_PERSIST, on_writable, conn);
    return conn->writable && event_del(conn->readable) == 0 && event_add(conn->writable, NULL) == 0 ? 0 : -ENOMEM;
}

static void on_readable(evutil_socket_t fd, short events, void *userdata) {
    struct conn *conn = userdata;
    int next = echo_read(&conn->echo);
    if (next < 0 || (next == ECHO_WRITABLE && wait_for_room(conn) < 0))
        conn_free(conn);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *peer, int size, void *userdata) {
    struct conn *conn = calloc(1, sizeof(*conn));
    if (!conn) {
        evutil_closesocket(fd);
        return;
    }
    conn->echo.fd = fd;
    conn->readable = event_new(evconnlistener_get_base(listener), fd, EV_READ | EV_PERSIST, on_readable, conn);
    if (!conn->readable || event_add(conn->readable, NULL) < 0)
        conn_free(conn);
}

int serve_libevent(const struct place *place, int ready) {
    int fd = place_listen(place, false);
    struct event_base *base = fd < 0 ? NULL : event_base_new();
    if (!base)
        return fd < 0 ? fd : -ENOMEM;
    /* Backlog 0: it listens already. */
    if (!evconnlistener_new(base, on_accept, NULL, LEV_OPT_CLOSE_ON_EXEC, 0, fd))
        return -ENOMEM;
    int r = place_announce(fd, ready);
    return r < 0 ? r : event_base_dispatch(base);
}

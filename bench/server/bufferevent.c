/* bench/server/bufferevent.c: libevent's buffered connections: what arrives is moved to the output. */
#include <errno.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include "bench/server/contestant.h"

static void on_data(struct bufferevent *conn, void *userdata) {
    struct evbuffer *output = bufferevent_get_output(conn);
    if (bufferevent_write_buffer(conn, bufferevent_get_input(conn)) < 0)
        bufferevent_free(conn);
    else if (evbuffer_get_length(output) >= QUEUE_MAX)
        bufferevent_disable(conn, EV_READ);
}

/* The output is empty. */
static void on_sent(struct bufferevent *conn, void *userdata) {
    if (!(bufferevent_get_enabled(conn) & EV_READ))
        bufferevent_enable(conn, EV_READ);
}

static void on_event(struct bufferevent *conn, short events, void *userdata) {
    bufferevent_free(conn);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *peer, int size, void *userdata) {
    struct bufferevent *conn = bufferevent_socket_new(evconnlistener_get_base(listener), fd, BEV_OPT_CLOSE_ON_FREE);
    if (!conn) {
        evutil_closesocket(fd);
        return;
    }
    bufferevent_setcb(conn, on_data, on_sent, on_event, NULL);
    if (bufferevent_enable(conn, EV_READ | EV_WRITE) < 0)
        bufferevent_free(conn);
}

int serve_bufferevent(const struct place *place, int ready) {
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

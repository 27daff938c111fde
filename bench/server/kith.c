/*
 * bench/server/kith.c: the server as its manual would have it, nothing tuned. On AF_UNIX every batch comes with its writer's credentials,
 * by the kernel's word, and the server looks at them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <kith/loop.h>
#include <kith/stream.h>

#include "bench/server/contestant.h"

struct server {
    kith_loop *loop;
    bool identity;
};

/* Reading stops while a client lets its replies lie. */
static void on_data(kith_conn *conn, struct kith_batch *batch, void *userdata) {
    struct server *server = userdata;
    bool identified = !server->identity || (batch->sender.known && batch->sender.pid > 0);
    if (!identified || kith_conn_write(conn, batch->slice.data, batch->slice.size) < 0) {
        kith_conn_free(conn);
        return;
    }
    if (kith_conn_queued(conn) >= QUEUE_MAX)
        kith_conn_pause(conn);
}

static void on_writable(kith_conn *conn, void *userdata) {
    kith_conn_resume(conn);
}

static void on_closed(kith_conn *conn, int error, void *userdata) {
    kith_conn_free(conn);
}

static int on_accept(kith_listener *listener, int fd, void *userdata) {
    static const struct kith_conn_ops ops = {.data = on_data, .writable = on_writable, .closed = on_closed};
    struct server *server = userdata;
    const struct kith_conn_options options = {.identity = server->identity, .high_mark = QUEUE_MAX};
    kith_conn *conn;
    return kith_conn_new_accepted(listener, fd, &options, &ops, server, &conn);
}

int serve_kith(const struct place *place, int ready) {
    static const struct kith_listener_ops ops = {.accept = on_accept};
    struct server server = {.identity = !place_is_tcp(place)};
    const struct kith_listener_options options = {.identity = server.identity};
    struct kith_address address = {.size = place->size};
    kith_listener *listener;
    memcpy(&address.storage, &place->address, place->size);
    int r = kith_loop_new(&server.loop);
    if (r == 0)
        r = kith_listener_new(server.loop, &address, &options, &ops, &server, &listener, NULL);
    if (r == 0)
        r = kith_listener_address(listener, &address);
    if (r < 0)
        return r;
    struct place bound = {.size = address.size};
    memcpy(&bound.address, &address.storage, address.size);
    r = place_announce_address(&bound, ready);
    return r < 0 ? r : kith_loop_run(server.loop);
}

int serve_kith_epoll(const struct place *place, int ready) {
    return setenv("KITH_LOOP", "epoll", 1) < 0 ? -errno : serve_kith(place, ready);
}

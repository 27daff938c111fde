/*
 * echo.c: an echo server on any number of addresses, of TCP and AF_UNIX, in one thread.
 *
 *     echo tcp://127.0.0.1:7000 ipc:///run/user/1000/echo.sock
 *     systemd-socket-activate -l 7000 echo tcp://[::]:7000
 *
 * Of a client on AF_UNIX the kernel tells who connected, and for each batch of octets who wrote it. SIGINT and SIGTERM end it when what has
 * been received is sent back, at the latest after DRAIN_MS; a second one ends it at once.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <kith/inherit.h>
#include <kith/loop.h>
#include <kith/stream.h>

#define ADDRESSES_MAX 64
#define CONNECTIONS_MAX 20000 /* of one address; who comes beyond them is closed and counted */
#define PER_PEER_MAX 10000    /* of one user, or one address of the network */
#define HIGH_MARK 16384       /* octets on the way back to one client, above which no more of it is read */
#define IDLE_MS 600000
#define DRAIN_MS 5000

struct server {
    kith_loop *loop;
    kith_listener *listeners[ADDRESSES_MAX];
    unsigned count, serving; /* listeners that are not drained yet */
};

/* Octets of one writer. They lie in a buffer of the loop's and are lent; writing a slice shares the buffer when that is cheaper than a
 * copy. A client that does not read what it is sent is not read any more: so it is held up itself, and our memory is bounded. */
static void on_data(kith_conn *conn, struct kith_batch *batch, void *userdata) {
    pid_t writer = (pid_t)(intptr_t)userdata;
    if (batch->sender.known && batch->sender.pid != writer) {
        fprintf(stderr, "echo: pid %d uid %u writes on the connection of pid %d\n", batch->sender.pid, batch->sender.uid, writer);
        kith_conn_set_userdata(conn, (void *)(intptr_t)batch->sender.pid);
    }
    (void)kith_conn_write_slice(conn, batch->slice); /* -EPIPE: it is draining. A connection that has failed is told to `closed` */
    if (kith_conn_queued(conn) >= HIGH_MARK)
        kith_conn_pause(conn);
}

static void on_writable(kith_conn *conn, void *userdata) {
    kith_conn_resume(conn);
}

static void on_closed(kith_conn *conn, int error, void *userdata) {
    if (error < 0)
        fprintf(stderr, "echo: a connection is lost: %s\n", strerror(-error));
    kith_conn_free(conn);
}

static int on_accept(kith_listener *listener, int fd, void *userdata) {
    static const struct kith_conn_ops ops = {.data = on_data, .writable = on_writable, .closed = on_closed};
    static const struct kith_conn_options options = {.identity = true, .high_mark = HIGH_MARK, .idle_ms = IDLE_MS};
    struct kith_address address;
    struct kith_sender peer = {.pidfd = -1};
    char text[256];
    kith_conn *conn;
    int r = kith_conn_new_accepted(listener, fd, &options, &ops, NULL, &conn);
    if (r < 0)
        return r; /* fd is closed */
    if (kith_conn_peer(conn, &peer) >= 0) {
        fprintf(stderr, "echo: pid %d uid %u gid %u connected\n", peer.pid, peer.uid, peer.gid);
        kith_conn_set_userdata(conn, (void *)(intptr_t)peer.pid);
        if (peer.pidfd >= 0)
            close(peer.pidfd);
    } else if (kith_conn_peer_address(conn, &address) >= 0 && kith_address_format(&address, text, sizeof(text)) > 0) {
        fprintf(stderr, "echo: %s connected\n", text); /* TCP: an address, and no more than that */
    }
    return 0;
}

/* Out of descriptors or memory: the library goes on accepting by itself. */
static void on_error(kith_listener *listener, int error, void *userdata) {
    fprintf(stderr, "echo: accepting failed: %s\n", strerror(-error));
}

static void on_drained(kith_listener *listener, void *userdata) {
    struct server *server = userdata;
    if (--server->serving == 0)
        kith_loop_stop(server->loop);
}

static void on_signal(kith_signal *sig, int signo, void *userdata) {
    struct server *server = userdata;
    static int signals;
    for (unsigned i = 0; i < server->count; i++)
        kith_listener_drain(server->listeners[i], signals > 0 ? 0 : DRAIN_MS);
    signals++;
}

static int listen_at(struct server *server, const char *text, kith_inherited *inherited, struct kith_error *error) {
    static const struct kith_listener_ops ops = {.accept = on_accept, .error = on_error, .drained = on_drained};
    const struct kith_listener_options options = {
        .identity = true, .inherited = inherited, .max_connections = CONNECTIONS_MAX, .max_per_peer = PER_PEER_MAX};
    struct kith_address address;
    char bound[256];
    kith_listener *listener;
    int r = kith_address_parse(text, true, &address, error);
    if (r >= 0)
        r = kith_listener_new(server->loop, &address, &options, &ops, server, &listener, error);
    if (r < 0)
        return r;
    server->listeners[server->count++] = listener;
    server->serving++;
    if (kith_listener_address(listener, &address) >= 0 && kith_address_format(&address, bound, sizeof(bound)) > 0)
        fprintf(stderr, "echo: listening at %s\n", bound);
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 2 || argc > ADDRESSES_MAX + 1) {
        fprintf(stderr, "usage: echo ADDRESS...\nAddresses: tcp://HOST:PORT, ipc://PATH, ipc://@NAME\n");
        return 2;
    }
    struct server server = {0};
    struct kith_error error = KITH_ERROR_NONE;
    kith_inherited *inherited = NULL; /* what systemd listens at for us already; empty without it */
    kith_signal *signals[2] = {0};
    int r = kith_loop_new_with(NULL, &server.loop, &error);
    for (int i = 0; i < 2 && r >= 0; i++) /* before anybody can think that it runs */
        r = kith_signal_new(server.loop, i == 0 ? SIGINT : SIGTERM, on_signal, &server, &signals[i]);
    if (r >= 0)
        r = kith_inherited_new_systemd(true, &inherited, &error);
    for (int i = 1; i < argc && r >= 0; i++)
        r = listen_at(&server, argv[i], inherited, &error);
    kith_inherited_free(inherited);
    if (r >= 0)
        r = kith_loop_run(server.loop);
    if (r < 0)
        fprintf(stderr, "echo: %s\n", error.text[0] ? error.text : strerror(-r));
    for (unsigned i = 0; i < server.count; i++)
        kith_listener_free(server.listeners[i]); /* removes its path */
    for (int i = 0; i < 2; i++)
        kith_signal_free(signals[i]);
    kith_loop_free(server.loop);
    return r < 0 ? 1 : 0;
}

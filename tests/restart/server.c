/*
 * The server that is restarted, as a program would be written: public headers only.
 *
 * TCP connections move to the new process, with what is known of them; those of AF_UNIX stay and are served to their end, as are the TCP
 * ones that cannot move at that moment.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <kith/kith.h>

#include "base/list.h"
#include "restart/server.h"

#define PATIENCE_MS 20000
#define STATE_VERSION 1

struct server {
    kith_loop *loop;
    uint32_t generation;
    kith_takeover *takeover;
    kith_handover *handover;
    kith_listener *listeners[2]; /* path and port */
    kith_signal *terminate;
    struct kith_list visits;
    bool leaving; /* another process has taken over */
    int status;
};

/* What is known of a connection, and goes over with it. */
struct state {
    uint32_t count;
    uint32_t have; /* octets of an unfinished request */
    uint8_t octets[sizeof(struct request)];
};

struct visit {
    struct kith_list link;
    struct server *server;
    kith_conn *conn;
    struct state state;
};

static void leave_when_empty(struct server *server) {
    if (server->leaving && kith_list_empty(&server->visits))
        kith_loop_stop(server->loop);
}

static void visit_free(struct visit *visit) {
    kith_list_unlink(&visit->link);
    kith_conn_free(visit->conn);
    free(visit);
}

static void stop(struct server *server, const char *what, const char *why) {
    fprintf(stderr, "generation %u: %s: %s\n", server->generation, what, why);
    server->status = 1;
    kith_loop_stop(server->loop);
}

static void answer(struct visit *visit) {
    struct request request;
    memcpy(&request, visit->state.octets, sizeof(request));
    visit->state.have = 0;
    if (request.check != ~request.number)
        stop(visit->server, "request", "octets were lost or mixed up");
    const struct reply reply = {.number = request.number, .count = ++visit->state.count, .generation = visit->server->generation};
    int r = kith_conn_write(visit->conn, &reply, sizeof(reply));
    if (r < 0)
        stop(visit->server, "reply", strerror(-r));
}

static void feed(struct visit *visit, const uint8_t *octets, size_t size) {
    for (size_t i = 0; i < size; i++) {
        visit->state.octets[visit->state.have++] = octets[i];
        if (visit->state.have == sizeof(struct request))
            answer(visit);
    }
}

static void on_data(kith_conn *conn, struct kith_batch *batch, void *userdata) {
    feed(userdata, batch->slice.data, batch->slice.size);
}

static void on_closed(kith_conn *conn, int error, void *userdata) {
    struct visit *visit = userdata;
    struct server *server = visit->server;
    if (error < 0)
        stop(server, "connection", strerror(-error));
    visit_free(visit);
    leave_when_empty(server);
}

static int visit_new(struct server *server, int fd, const struct state *state, struct visit **ret_visit) {
    static const struct kith_conn_ops ops = {.data = on_data, .closed = on_closed};
    struct visit *visit = calloc(1, sizeof(*visit));
    if (!visit)
        return -ENOMEM;
    visit->server = server;
    if (state)
        visit->state = *state;
    int r = kith_conn_new_fd(server->loop, fd, NULL, &ops, visit, &visit->conn);
    if (r < 0) {
        free(visit);
        return r;
    }
    kith_list_push_back(&server->visits, &visit->link);
    *ret_visit = visit;
    return 0;
}

static int on_accept(kith_listener *listener, int fd, void *userdata) {
    struct visit *visit;
    int r = visit_new(userdata, fd, NULL, &visit);
    if (r < 0)
        stop(userdata, "accepted connection", strerror(-r));
    return r;
}

/* Hands over ------------------------------------------------------------------------------------------------------------- */

static bool is_tcp(const kith_conn *conn) {
    struct kith_address address;
    return kith_conn_peer_address(conn, &address) == 0 && address.storage.ss_family == AF_INET;
}

static void on_taken(kith_handover *handover, void *userdata) {
    struct server *server = userdata;
    kith_list_foreach_safe (&server->visits, node) {
        struct visit *visit = kith_list_entry(node, struct visit, link);
        if (!is_tcp(visit->conn))
            continue;
        int r = kith_handover_add_conn(handover, visit->conn, &visit->state, sizeof(visit->state));
        if (r == 0)
            visit_free(visit);
        else if (r != -EBUSY)
            stop(server, "add_conn", strerror(-r));
    }
}

static void on_completed(kith_handover *handover, int error, void *userdata) {
    struct server *server = userdata;
    if (error < 0)
        stop(server, "handover", strerror(-error));
    for (size_t i = 0; i < KITH_ARRAY_SIZE(server->listeners); i++)
        server->listeners[i] = kith_listener_free(server->listeners[i]);
    server->leaving = true;
    leave_when_empty(server);
}

static void on_failed(kith_handover *handover, const struct kith_sender *taker, const struct kith_error *error, void *userdata) {
    stop(userdata, "handover", error->text);
}

static int on_conn(const struct kith_taken_conn *conn, void *userdata) {
    struct visit *visit;
    if (conn->state_size != sizeof(struct state))
        return -EINVAL;
    int r = visit_new(userdata, conn->fd, conn->state, &visit);
    if (r == 0)
        feed(visit, conn->unread, conn->unread_size);
    return r;
}

/* Starts ------------------------------------------------------------------------------------------------------------------- */

static void on_terminate(kith_signal *sig, int signo, void *userdata) {
    kith_loop_stop(((struct server *)userdata)->loop);
}

static int listen_at(struct server *server, size_t index, const struct kith_address *address, struct kith_error *error) {
    static const struct kith_listener_ops ops = {.accept = on_accept};
    const struct kith_listener_options options = {.inherited = kith_takeover_inherited(server->takeover)};
    return kith_listener_new(server->loop, address, &options, &ops, server, &server->listeners[index], error);
}

static int offer(struct server *server, const struct kith_address *at, struct kith_error *error) {
    static const struct kith_handover_ops ops = {.taken = on_taken, .completed = on_completed, .failed = on_failed};
    static const char *const names[] = {"path", "port"};
    int r = kith_handover_new(server->loop, at, NULL, &ops, server, &server->handover, error);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(names) && r == 0; i++)
        r = kith_handover_add_listener(server->handover, names[i], server->listeners[i]);
    return r;
}

static int start(struct server *server, const char *folder, unsigned port, struct kith_error *error) {
    struct kith_address path, tcp, at;
    char text[108];
    snprintf(text, sizeof(text), "%s/handover.sock", folder);
    int r = kith_address_unix(text, &at);
    snprintf(text, sizeof(text), "%s/service.sock", folder);
    if (r < 0 || (r = kith_address_unix(text, &path)) < 0 || (r = kith_address_ip("127.0.0.1", port, &tcp)) < 0)
        return r;

    r = kith_takeover_new(&at, PATIENCE_MS, &server->takeover, error);
    if (r < 0 && (server->generation > 1 || r != -ENOENT))
        return r;
    r = listen_at(server, 0, &path, error);
    if (r == 0)
        r = listen_at(server, 1, &tcp, error);
    if (r == 0 && kith_inherited_count(kith_takeover_inherited(server->takeover)) > 0)
        r = -EEXIST;
    if (r == 0 && server->takeover)
        r = kith_takeover_ready(server->takeover, PATIENCE_MS, STATE_VERSION, on_conn, server, error);
    server->takeover = kith_takeover_free(server->takeover);
    return r < 0 ? r : offer(server, &at, error);
}

int server_run(const char *folder, unsigned port, uint32_t generation, int up) {
    struct server server = {.generation = generation};
    struct kith_error error = {0};
    kith_list_init(&server.visits);
    int r = kith_loop_new(&server.loop);
    if (r == 0)
        r = kith_signal_new(server.loop, SIGTERM, on_terminate, &server, &server.terminate);
    if (r == 0)
        r = start(&server, folder, port, &error);
    if (r < 0 || write(up, "u", 1) != 1) {
        fprintf(stderr, "generation %u does not start: %s %s\n", generation, strerror(-r), error.text);
        return 2;
    }
    if (server.status == 0 && kith_loop_run(server.loop) < 0)
        server.status = 3;

    while (!kith_list_empty(&server.visits))
        visit_free(kith_list_first(&server.visits, struct visit, link));
    kith_handover_free(server.handover);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(server.listeners); i++)
        kith_listener_free(server.listeners[i]);
    kith_signal_free(server.terminate);
    kith_loop_free(server.loop);
    return server.status;
}

/* gateway/output/testing-far.c: see testing-far.h; and the far ends that are sockets. */
#include "gateway/output/testing-far.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <kith/stream.h>

#include "base/cleanup.h"

void far_body(uint64_t id, char *body, size_t size) {
    int used = snprintf(body, size, "message %llu ", (unsigned long long)id);
    for (size_t i = (size_t)used; i < size; i++)
        body[i] = (char)('a' + (id + i) % 26);
}

void far_begin(struct far *far) {
    far->last = 0;
}

void far_line(struct far *far, const char *line, size_t size) {
    static char expected[65536];
    unsigned long long id = 0;
    int used = 0;
    if (far->count == far->room) {
        far->room = far->room ? 2 * far->room : 1024;
        far->ids = realloc(far->ids, far->room * sizeof(*far->ids));
        assert(far->ids);
    }
    char head[64] = "";
    snprintf(head, sizeof(head), "%.*s", (int)(size < 40 ? size : 40), line);
    bool good = sscanf(head, "%llu\t" FAR_SOURCE "\t" FAR_ORIGIN "\t%n", &id, &used) == 1 && used > 0 && size - (size_t)used >= 16 &&
                size - (size_t)used <= sizeof(expected);
    if (good) {
        far_body(id, expected, size - (size_t)used);
        good = memcmp(expected, line + used, size - (size_t)used) == 0;
    }
    if (!good || id <= far->last) {
        if (!far->quiet)
            fprintf(stderr, "%s: line of %zu octets is not good: %s (last was %llu)\n", far->type->name, size, head,
                    (unsigned long long)far->last);
        far->bad++;
    }
    far->last = id;
    far->ids[far->count++] = id;
}

size_t far_lines(struct far *far, const char *text, size_t size) {
    size_t used = 0;
    for (const char *end; used < size && (end = memchr(text + used, '\n', size - used)); used = (size_t)(end - text) + 1)
        far_line(far, text + used, (size_t)(end - text) - used);
    return used;
}

void far_init(struct far *far, const struct far_type *type, kith_loop *loop, struct output_options *options) {
    *far = (struct far){.type = type, .loop = loop, .options = options};
    options->origin = true;
    options->acks = type->acks;
}

void far_deinit(struct far *far) {
    far->type->deinit(far);
    free(far->ids);
}

/* Sockets ---------------------------------------------------------------------------------------------------------- */

struct server {
    kith_listener *listener;
    struct kith_address address;
    kith_conn *conn;
    char *text; /* an incomplete line */
    size_t size, room;
    bool paused, polite;
};

static void server_data(kith_conn *conn, struct kith_batch *batch, void *userdata) {
    struct far *far = userdata;
    struct server *server = far->extra;
    while (server->room < server->size + batch->slice.size) {
        server->room = server->room ? 2 * server->room : 65536;
        server->text = realloc(server->text, server->room);
        assert(server->text);
    }
    memcpy(server->text + server->size, batch->slice.data, batch->slice.size);
    server->size += batch->slice.size;
    size_t used = far_lines(far, server->text, server->size);
    memmove(server->text, server->text + used, server->size - used);
    server->size -= used;
    char ack[32];
    if (used > 0 && far->type->acks && !server->polite) {
        int size = snprintf(ack, sizeof(ack), "%llu\n", (unsigned long long)far->last);
        int r = kith_conn_write(conn, ack, (size_t)size);
        assert(r == 0);
    }
}

static void server_closed(kith_conn *conn, int error, void *userdata) {
    struct far *far = userdata;
    struct server *server = far->extra;
    kith_conn_free(conn);
    if (server->conn == conn)
        server->conn = NULL;
}

static const struct kith_conn_ops server_conn_ops = {.data = server_data, .closed = server_closed};

static int server_accept(kith_listener *listener, int fd, void *userdata) {
    struct far *far = userdata;
    struct server *server = far->extra;
    server->size = 0;
    server->polite = false;
    far_begin(far);
    kith_conn_free(server->conn);
    server->conn = NULL;
    int r = kith_conn_new_accepted(listener, fd, NULL, &server_conn_ops, far, &server->conn);
    if (r >= 0 && server->paused)
        kith_conn_pause(server->conn);
    return r;
}

static const struct kith_listener_ops server_ops = {.accept = server_accept};

static void server_start(struct far *far) {
    struct server *server = far->extra;
    int r = kith_listener_new(far->loop, &server->address, NULL, &server_ops, far, &server->listener, NULL);
    assert(r == 0);
    r = kith_listener_address(server->listener, &server->address);
    assert(r == 0);
}

static struct server *server_new(struct far *far) {
    struct server *server = far->extra ? far->extra : calloc(1, sizeof(*server));
    assert(server);
    far->extra = server;
    return server;
}

static void tcp_start(struct far *far) {
    bool again = far->extra;
    struct server *server = server_new(far);
    if (!again)
        kith_address_ip("127.0.0.1", 0, &server->address);
    server_start(far);
    char text[64];
    kith_address_format(&server->address, text, sizeof(text));
    snprintf(far->target, sizeof(far->target), "raw+tcp://%s", text);
}

static void ipc_start(struct far *far) {
    struct server *server = server_new(far);
    char name[64];
    snprintf(name, sizeof(name), "@kith-test-output-%d", (int)getpid());
    kith_address_unix(name, &server->address);
    server_start(far);
    snprintf(far->target, sizeof(far->target), "raw+ipc://%s", name);
}

/* A peer that is acknowledged by its kernel alone must read what that has taken: it says that it ends, and reads to our end. */
static void server_stop_politely(struct far *far) {
    struct server *server = far->extra;
    server->listener = kith_listener_free(server->listener);
    server->polite = true;
    if (server->conn)
        kith_conn_drain(server->conn, 5000);
}

static void server_stop(struct far *far) {
    struct server *server = far->extra;
    server->listener = kith_listener_free(server->listener);
    server->conn = kith_conn_free(server->conn);
}

static void server_pause(struct far *far) {
    struct server *server = far->extra;
    server->paused = true;
    if (server->conn)
        kith_conn_pause(server->conn);
}

static void server_resume(struct far *far) {
    struct server *server = far->extra;
    server->paused = false;
    if (server->conn)
        kith_conn_resume(server->conn);
}

static void server_collect(struct far *far) {
    (void)far; /* it writes down at once */
}

static void server_deinit(struct far *far) {
    struct server *server = far->extra;
    if (!server)
        return;
    server_stop(far);
    free(server->text);
    free(server);
}

const struct far_type far_tcp = {"raw+tcp",    false,         false,          tcp_start,    server_stop_politely,
                                 server_pause, server_resume, server_collect, server_deinit};
const struct far_type far_tcp_acks = {"raw+tcp with acks", true,          false,          tcp_start,    server_stop,
                                      server_pause,        server_resume, server_collect, server_deinit};
const struct far_type far_ipc = {"raw+ipc",    false,         false,          ipc_start,    server_stop,
                                 server_pause, server_resume, server_collect, server_deinit};

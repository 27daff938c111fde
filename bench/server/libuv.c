/* bench/server/libuv.c: libuv as its users use it: uv_try_write() first, and uv_write() for what it leaves. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "bench/server/contestant.h"

struct conn {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    };
    uv_write_t write;
    char *rest; /* what uv_write() is sending */
};

static void on_close(uv_handle_t *handle) {
    struct conn *conn = handle->data;
    free(conn->rest);
    free(conn);
}

static void conn_close(struct conn *conn) {
    if (!uv_is_closing(&conn->handle))
        uv_close(&conn->handle, on_close);
}

/* The loop reads one connection at a time and the echo keeps nothing: one block is enough for all. */
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
    static char data[QUEUE_MAX];
    *buffer = uv_buf_init(data, sizeof(data));
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer);

static void on_write(uv_write_t *write, int status) {
    struct conn *conn = write->handle->data;
    free(conn->rest);
    conn->rest = NULL;
    if (status < 0 || uv_read_start(&conn->stream, on_alloc, on_read) < 0)
        conn_close(conn);
}

static int write_rest(struct conn *conn, const char *data, size_t size) {
    conn->rest = malloc(size);
    if (!conn->rest)
        return -ENOMEM;
    memcpy(conn->rest, data, size);
    uv_buf_t rest = uv_buf_init(conn->rest, (unsigned)size);
    uv_read_stop(&conn->stream);
    return uv_write(&conn->write, &conn->stream, &rest, 1, on_write);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer) {
    struct conn *conn = stream->data;
    if (size == 0)
        return; /* EAGAIN */
    uv_buf_t all = uv_buf_init(buffer->base, size > 0 ? (unsigned)size : 0);
    int sent = size < 0 ? (int)size : uv_try_write(stream, &all, 1);
    if (sent == UV_EAGAIN)
        sent = 0;
    if (sent < 0 || (sent < size && write_rest(conn, buffer->base + sent, (size_t)(size - sent)) < 0))
        conn_close(conn);
}

static int conn_init(struct conn *conn, uv_loop_t *loop, bool tcp) {
    int r = tcp ? uv_tcp_init(loop, &conn->tcp) : uv_pipe_init(loop, &conn->pipe, 0);
    conn->handle.data = conn;
    return r;
}

static void on_connection(uv_stream_t *listener, int status) {
    struct conn *conn = status < 0 ? NULL : calloc(1, sizeof(*conn));
    if (!conn)
        return;
    if (conn_init(conn, listener->loop, listener->type == UV_TCP) < 0)
        free(conn);
    else if (uv_accept(listener, &conn->stream) < 0 || uv_read_start(&conn->stream, on_alloc, on_read) < 0)
        conn_close(conn);
}

int serve_libuv(const struct place *place, int ready) {
    uv_loop_t *loop = uv_default_loop();
    struct conn listener = {0};
    int fd = place_listen(place, false);
    if (fd < 0)
        return fd;
    int r = conn_init(&listener, loop, place_is_tcp(place));
    if (r == 0)
        r = place_is_tcp(place) ? uv_tcp_open(&listener.tcp, fd) : uv_pipe_open(&listener.pipe, fd);
    if (r == 0)
        r = uv_listen(&listener.stream, PLACE_BACKLOG, on_connection);
    if (r == 0)
        r = place_announce(fd, ready);
    return r < 0 ? r : uv_run(loop, UV_RUN_DEFAULT);
}

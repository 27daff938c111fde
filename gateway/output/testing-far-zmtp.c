/*
 * gateway/output/testing-far-zmtp.c: a PULL socket, behind a forwarder of octets.
 *
 * A PULL socket that is closed drops what its kernel had acknowledged. The forwarder is a peer that goes politely: it says that it ends,
 * hands on what it has been sent up to the output's end, and is gone. So nothing that was done is lost.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kith/socket.h>
#include <kith/stream.h>

#include "base/cleanup.h"
#include "base/list.h"
#include "gateway/output/testing-far.h"

/* What lies between the output and the socket: more than any test sends. */
#define FORWARD_MAX ((size_t)256 << 20)

struct pull {
    struct far *far;
    kith_socket *socket;
    struct kith_address inner, outer;
    kith_listener *listener;
    struct kith_list forwards;
    bool paused;
};

struct forward {
    struct kith_list link;
    struct pull *pull;
    kith_conn *front, *back;
};

static void forward_free(struct forward *forward) {
    kith_list_unlink(&forward->link);
    kith_conn_free(forward->front);
    kith_conn_free(forward->back);
    free(forward);
}

static void on_data(kith_conn *conn, struct kith_batch *batch, void *userdata) {
    struct forward *forward = userdata;
    kith_conn *other = conn == forward->front ? forward->back : forward->front;
    (void)kith_conn_write(other, batch->slice.data, batch->slice.size); /* -EPIPE: it is ending */
}

static void on_closed(kith_conn *conn, int error, void *userdata) {
    struct forward *forward = userdata;
    if (conn == forward->back)
        forward_free(forward);
    else
        kith_conn_drain(forward->back, 5000);
}

static const struct kith_conn_ops forward_ops = {.data = on_data, .closed = on_closed};
static const struct kith_conn_options forward_options = {.high_mark = FORWARD_MAX};

static int on_accept(kith_listener *listener, int fd, void *userdata) {
    struct pull *pull = userdata;
    struct forward *forward = calloc(1, sizeof(*forward));
    assert(forward);
    forward->pull = pull;
    kith_list_push_back(&pull->forwards, &forward->link);
    int r = kith_conn_new_connect(pull->far->loop, &pull->inner, &forward_options, &forward_ops, forward, &forward->back);
    assert(r == 0);
    r = kith_conn_new_accepted(listener, fd, &forward_options, &forward_ops, forward, &forward->front);
    assert(r == 0);
    if (pull->paused)
        kith_conn_pause(forward->front);
    far_begin(pull->far);
    return 0;
}

static const struct kith_listener_ops listener_ops = {.accept = on_accept};

static uint64_t read_id(const uint8_t *octets) {
    uint64_t id = 0;
    for (size_t i = 0; i < 8; i++)
        id = id << 8 | octets[i];
    return id;
}

/* As the line that another far end would have got. */
static void on_message(kith_socket *socket, kith_msg *msg, void *userdata) {
    struct pull *pull = userdata;
    static char line[70000];
    size_t id_size, origin_size, body_size;
    const uint8_t *id = kith_msg_frame(msg, 0, &id_size), *origin = kith_msg_frame(msg, 1, &origin_size);
    const uint8_t *body = kith_msg_frame(msg, 2, &body_size);
    assert(kith_msg_count(msg) == 3 && id_size == 8 && origin_size < 100 && body_size < sizeof(line) - 200);
    int used = snprintf(line, sizeof(line), "%llu\t" FAR_SOURCE "\t%.*s\t", (unsigned long long)read_id(id), (int)origin_size, origin);
    memcpy(line + used, body, body_size);
    far_line(pull->far, line, (size_t)used + body_size);
    kith_msg_free(msg);
}

static const struct kith_socket_handler pull_handler = {.message = on_message};

static struct pull *pull_new(struct far *far, const char *endpoint) {
    struct pull *pull = calloc(1, sizeof(*pull));
    struct kith_error error = KITH_ERROR_NONE;
    assert(pull);
    pull->far = far;
    kith_list_init(&pull->forwards);
    int r = kith_socket_new(far->loop, KITH_PULL, &pull->socket);
    assert(r == 0);
    kith_socket_set_handler(pull->socket, &pull_handler, pull);
    r = kith_socket_bind(pull->socket, endpoint, &error);
    assert(r == 0);
    r = kith_address_parse(kith_socket_last_endpoint(pull->socket), false, &pull->inner, &error);
    assert(r == 0);
    return pull;
}

/* What the last connection was sent comes before the next one begins: the socket would mix them. */
static void listen_outside(struct pull *pull) {
    while (!kith_list_empty(&pull->forwards))
        kith_loop_step(pull->far->loop, 100);
    int r = kith_listener_new(pull->far->loop, &pull->outer, NULL, &listener_ops, pull, &pull->listener, NULL);
    assert(r == 0);
    r = kith_listener_address(pull->listener, &pull->outer);
    assert(r == 0);
}

static void tcp_start(struct far *far) {
    struct pull *pull = far->extra;
    char text[64];
    if (!pull) {
        far->extra = pull = pull_new(far, "tcp://127.0.0.1:*");
        kith_address_ip("127.0.0.1", 0, &pull->outer);
    }
    listen_outside(pull);
    kith_address_format(&pull->outer, text, sizeof(text));
    snprintf(far->target, sizeof(far->target), "tcp://%s", text);
}

static void ipc_start(struct far *far) {
    struct pull *pull = far->extra;
    char name[64];
    snprintf(name, sizeof(name), "@kith-test-output-zmtp-%d", (int)getpid());
    if (!pull) {
        far->extra = pull = pull_new(far, "ipc://*");
        kith_address_unix(name, &pull->outer);
    }
    listen_outside(pull);
    snprintf(far->target, sizeof(far->target), "ipc://%s", name);
}

static void stop(struct far *far) {
    struct pull *pull = far->extra;
    pull->listener = kith_listener_free(pull->listener);
    kith_list_foreach_safe (&pull->forwards, node)
        kith_conn_drain(kith_list_entry(node, struct forward, link)->front, 5000);
}

static void set_reading(struct far *far, bool reading) {
    struct pull *pull = far->extra;
    pull->paused = !reading;
    kith_list_foreach (&pull->forwards, node) {
        struct forward *forward = kith_list_entry(node, struct forward, link);
        if (reading)
            kith_conn_resume(forward->front);
        else
            kith_conn_pause(forward->front);
    }
}

static void pause_reading(struct far *far) {
    set_reading(far, false);
}

static void resume_reading(struct far *far) {
    set_reading(far, true);
}

static void collect(struct far *far) {
    (void)far; /* it writes down at once */
}

static void deinit(struct far *far) {
    struct pull *pull = far->extra;
    if (!pull)
        return;
    kith_listener_free(pull->listener);
    kith_list_foreach_safe (&pull->forwards, node)
        forward_free(kith_list_entry(node, struct forward, link));
    kith_socket_free(pull->socket);
    free(pull);
}

const struct far_type far_zmtp_tcp = {"zmtp tcp", false, false, tcp_start, stop, pause_reading, resume_reading, collect, deinit};
const struct far_type far_zmtp_ipc = {"zmtp ipc", false, false, ipc_start, stop, pause_reading, resume_reading, collect, deinit};

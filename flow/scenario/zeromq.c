/*
 * flow/scenario/zeromq.c: a request and its reply, as ZeroMQ's REQ and REP have them, over TCP: kith on both ends.
 *
 * The loop waits with epoll: so each step is a system call of its process. What io_uring does for a process is no call of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kith/kith.h>

#include "flow/scenario/stage.h"

#define WAIT_MS 10000

static int check(const char *what, int result, const char *text) {
    if (result < 0) {
        fprintf(stderr, "kith-flow-scenario: %s: %s\n", what, text && *text ? text : strerror(-result));
        exit(1);
    }
    return result;
}

static void send_text(kith_socket *socket, const char *text) {
    kith_msg *message = NULL;

    check("message", kith_msg_new(&message), NULL);
    check("message", kith_msg_add(message, text, strlen(text)), NULL);
    check("send", kith_socket_send(socket, message, WAIT_MS), NULL);
}

static void receive(kith_socket *socket) {
    kith_msg *message = NULL;

    check("recv", kith_socket_recv(socket, &message, WAIT_MS), NULL);
    kith_msg_free(message);
}

static void serve(struct stage *stage, kith_socket *socket) {
    struct kith_error error = KITH_ERROR_NONE;

    check("bind", kith_socket_bind(socket, "tcp://127.0.0.1:0", &error), error.text);
    const char *port = strrchr(kith_socket_last_endpoint(socket), ':');
    stage_tell(stage, (uint16_t)atoi(port + 1));
    receive(socket);
    send_text(socket, "pong");
    stage_hear(stage); /* received */
}

static void ask(struct stage *stage, kith_socket *socket) {
    struct kith_error error = KITH_ERROR_NONE;
    char endpoint[32];

    snprintf(endpoint, sizeof(endpoint), "tcp://127.0.0.1:%u", stage_hear(stage));
    check("connect", kith_socket_connect(socket, endpoint, &error), error.text);
    send_text(socket, "ping");
    receive(socket);
    stage_tell(stage, 0);
}

void scenario_zeromq(struct stage *stage) {
    struct kith_loop_options options = {.backend = "epoll"};
    struct kith_error error = KITH_ERROR_NONE;
    kith_loop *loop = NULL;
    kith_socket *socket = NULL;

    check("loop", kith_loop_new_with(&options, &loop, &error), error.text);
    check("socket", kith_socket_new(loop, stage->is_server ? KITH_REP : KITH_REQ, &socket), NULL);
    if (stage->is_server)
        serve(stage, socket);
    else
        ask(stage, socket);
    kith_socket_free(socket);
    kith_loop_free(loop);
}

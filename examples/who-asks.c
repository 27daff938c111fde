/*
 * who-asks.c: a server that tells every caller who the kernel says it is.
 *
 *     who-asks ipc:///tmp/who.sock
 *
 * Any ZeroMQ REQ socket may ask it. The whole of it: a loop, a socket, a blocking receive, the message's origin, a reply.
 */
#include <stdio.h>
#include <string.h>

#include <kith/kith.h>

static int answer(kith_socket *socket, kith_msg *request) {
    char who[512];
    if (kith_origin_format(kith_msg_origin(request), who, sizeof(who)) < 0)
        return -1;
    printf("%s asks\n", who);
    fflush(stdout);

    kith_msg *reply;
    int r = kith_msg_new(&reply);
    if (r < 0)
        return r;
    r = kith_msg_add(reply, who, strlen(who));
    if (r >= 0)
        r = kith_socket_send(socket, reply, 1000);
    if (r < 0)
        kith_msg_free(reply);
    return r;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: who-asks ENDPOINT\n");
        return 2;
    }
    kith_loop *loop = NULL;
    kith_socket *socket = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    int r = kith_loop_new(&loop);
    if (r >= 0)
        r = kith_socket_new(loop, KITH_REP, &socket);
    if (r >= 0)
        r = kith_socket_bind(socket, argv[1], &error);

    while (r >= 0) {
        kith_msg *request;
        r = kith_socket_recv(socket, &request, -1);
        if (r < 0)
            break;
        /* A client that has gone meanwhile is not the server's trouble. */
        if (answer(socket, request) < 0)
            fprintf(stderr, "who-asks: a reply could not be sent\n");
        kith_msg_free(request);
    }
    fprintf(stderr, "who-asks: %s\n", error.text[0] ? error.text : strerror(-r));
    kith_socket_free(socket);
    kith_loop_free(loop);
    return 1;
}

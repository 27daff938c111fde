/* bench/libzmq.c: a libzmq REQ asks a libzmq REP. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zmq.h>

#include "bench/contestant.h"

struct client {
    void *context, *socket;
};

static int serve(const char *name, int ready) {
    char endpoint[128], data[QUESTION_SIZE];
    void *socket = zmq_socket(zmq_ctx_new(), ZMQ_REP);
    snprintf(endpoint, sizeof(endpoint), "ipc://@%s", name);
    if (!socket || zmq_bind(socket, endpoint) < 0)
        return -errno;
    announce(ready);
    while (zmq_recv(socket, data, sizeof(data), 0) == QUESTION_SIZE && zmq_send(socket, data, sizeof(data), 0) == QUESTION_SIZE)
        continue;
    return -errno;
}

static int connect_to(const char *name, void **ret_client) {
    char endpoint[128];
    struct client *client = calloc(1, sizeof(*client));
    if (!client)
        return -ENOMEM;
    *ret_client = client;
    snprintf(endpoint, sizeof(endpoint), "ipc://@%s", name);
    client->context = zmq_ctx_new();
    client->socket = zmq_socket(client->context, ZMQ_REQ);
    return !client->socket || zmq_connect(client->socket, endpoint) < 0 ? -errno : 0;
}

static int ask(void *userdata, unsigned long count) {
    struct client *client = userdata;
    char data[QUESTION_SIZE];
    memset(data, 'q', sizeof(data));
    for (unsigned long i = 0; i < count; i++)
        if (zmq_send(client->socket, data, sizeof(data), 0) != QUESTION_SIZE ||
            zmq_recv(client->socket, data, sizeof(data), 0) != QUESTION_SIZE)
            return -errno;
    return 0;
}

static void disconnect(void *userdata) {
    struct client *client = userdata;
    if (client->socket)
        zmq_close(client->socket);
    zmq_ctx_term(client->context);
    free(client);
}

const struct contestant contestant_libzmq = {
    .name = "libzmq",
    .title = "libzmq REQ to libzmq REP",
    .serve = serve,
    .connect = connect_to,
    .ask = ask,
    .disconnect = disconnect,
};

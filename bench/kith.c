/*
 * bench/kith.c: a kith REQ asks a kith REP, in the blocking style; every message has its origin, unless the contestant says otherwise.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kith/kith.h>

#include "bench/contestant.h"

struct client {
    kith_loop *loop;
    kith_socket *socket;
};

static int socket_on_loop(enum kith_socket_type type, bool identity, kith_loop **ret_loop, kith_socket **ret_socket) {
    int result = kith_loop_new(ret_loop);
    if (result == 0)
        result = kith_socket_new(*ret_loop, type, ret_socket);
    if (result == 0)
        result = kith_socket_set_number(*ret_socket, KITH_OPTION_IDENTITY, identity, NULL);
    return result;
}

static int serve(const char *name, int ready, bool identity) {
    kith_loop *loop = NULL;
    kith_socket *socket = NULL;
    char endpoint[128];
    snprintf(endpoint, sizeof(endpoint), "ipc://@%s", name);
    int result = socket_on_loop(KITH_REP, identity, &loop, &socket);
    if (result == 0)
        result = kith_socket_bind(socket, endpoint, NULL);
    if (result == 0)
        announce(ready);
    while (result == 0) {
        kith_msg *msg = NULL;
        result = kith_socket_recv(socket, &msg, -1);
        if (result == 0 && identity && kith_origin_pid(kith_msg_origin(msg), NULL) != KITH_WITNESS_KERNEL_MESSAGE)
            result = -EPROTO;
        if (result == 0)
            result = kith_socket_send(socket, msg, -1);
    }
    return result;
}

static int connect_to(const char *name, void **ret_client, bool identity) {
    char endpoint[128];
    struct client *client = calloc(1, sizeof(*client));
    if (!client)
        return -ENOMEM;
    *ret_client = client;
    snprintf(endpoint, sizeof(endpoint), "ipc://@%s", name);
    int result = socket_on_loop(KITH_REQ, identity, &client->loop, &client->socket);
    return result < 0 ? result : kith_socket_connect(client->socket, endpoint, NULL);
}

static int ask(void *userdata, unsigned long count) {
    struct client *client = userdata;
    char data[QUESTION_SIZE];
    memset(data, 'q', sizeof(data));
    int result = 0;
    for (unsigned long i = 0; i < count && result == 0; i++) {
        kith_msg *msg = NULL, *answer = NULL;
        result = kith_msg_new(&msg);
        if (result == 0)
            result = kith_msg_add(msg, data, sizeof(data));
        if (result == 0)
            result = kith_socket_send(client->socket, msg, -1);
        if (result < 0) {
            kith_msg_free(msg);
            return result;
        }
        result = kith_socket_recv(client->socket, &answer, -1);
        if (result == 0 && kith_msg_size(answer) != QUESTION_SIZE)
            result = -EIO;
        kith_msg_free(answer);
    }
    return result;
}

static void disconnect(void *userdata) {
    struct client *client = userdata;
    kith_socket_free(client->socket);
    kith_loop_free(client->loop);
    free(client);
}

#define KITH_CONTESTANT(id, word, text, identity)                                                                                          \
    static int serve_##id(const char *name, int ready) {                                                                                   \
        return serve(name, ready, identity);                                                                                               \
    }                                                                                                                                      \
    static int connect_##id(const char *name, void **ret_client) {                                                                         \
        return connect_to(name, ret_client, identity);                                                                                     \
    }                                                                                                                                      \
    const struct contestant contestant_##id = {                                                                                            \
        .name = word, .title = text, .serve = serve_##id, .connect = connect_##id, .ask = ask, .disconnect = disconnect}

KITH_CONTESTANT(kith, "kith", "kith REQ to kith REP, identity on", true);
KITH_CONTESTANT(kith_anonymous, "kith-anonymous", "the same, identity off", false);

/*
 * bench/messages/nanomsg.c: nanomsg with blocking calls and messages of its own, so that it copies no octet that it need not; TCP without
 * delay, as the others have it, and queues of QUEUE_OCTETS.
 */
#include <errno.h>
#include <stdlib.h>

#include <nanomsg/nn.h>
#include <nanomsg/pair.h>
#include <nanomsg/pipeline.h>
#include <nanomsg/reqrep.h>
#include <nanomsg/tcp.h>

#include "bench/messages/contestant.h"
#include "bench/messages/message.h"

struct end {
    struct setup setup;
    int socket;
};

static const int protocols[PATTERN_COUNT_][2] = {
    [PATTERN_REQREP] = {NN_REQ, NN_REP},
    [PATTERN_PAIR] = {NN_PAIR, NN_PAIR},
    [PATTERN_PUSHPULL] = {NN_PUSH, NN_PULL},
};

static int set(struct end *end, int level, int option, int value) {
    return nn_setsockopt(end->socket, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int end_open(const struct setup *setup, bool serving, struct end **ret_end) {
    struct end *end = calloc(1, sizeof(*end));
    if (!end)
        return -ENOMEM;
    end->setup = *setup;
    end->socket = nn_socket(AF_SP, protocols[setup->pattern][serving]);
    if (end->socket < 0)
        return -errno;
    *ret_end = end;
    int r = set(end, NN_SOL_SOCKET, NN_SNDBUF, (int)QUEUE_OCTETS);
    if (r == 0)
        r = set(end, NN_SOL_SOCKET, NN_RCVBUF, (int)QUEUE_OCTETS);
    if (r == 0 && setup->tcp)
        r = set(end, NN_TCP, NN_TCP_NODELAY, 1);
    if (r == 0 && (serving ? nn_bind(end->socket, setup->endpoint) : nn_connect(end->socket, setup->endpoint)) < 0)
        r = -errno;
    return r;
}

static int end_put(struct end *end, uint64_t number) {
    void *octets = nn_allocmsg(end->setup.size, 0);
    if (!octets)
        return -ENOMEM;
    message_write(&end->setup, octets, number);
    return nn_send(end->socket, &octets, NN_MSG, 0) < 0 ? -errno : 0;
}

static int end_take(struct end *end, uint64_t number) {
    void *octets;
    int size = nn_recv(end->socket, &octets, NN_MSG, 0);
    if (size < 0)
        return -errno;
    int r = message_check(&end->setup, octets, (size_t)size, number);
    nn_freemsg(octets);
    return r;
}

static int end_answer(struct end *end) {
    void *octets;
    for (;;)
        if (nn_recv(end->socket, &octets, NN_MSG, 0) < 0 || nn_send(end->socket, &octets, NN_MSG, 0) < 0)
            return -errno;
}

const struct contestant_ops contestant_nanomsg = {
    .open = end_open,
    .put = end_put,
    .take = end_take,
    .answer = end_answer,
};

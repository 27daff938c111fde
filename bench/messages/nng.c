/*
 * bench/messages/nng.c: nng with blocking calls and messages of its own, so that it copies no octet that it need not; queues of
 * QUEUE_OCTETS, or the most messages that it takes.
 */
#include <errno.h>
#include <stdlib.h>

#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>

#include "bench/messages/contestant.h"
#include "bench/messages/message.h"

#define QUEUE_MAX 8192

struct end {
    struct setup setup;
    nng_socket socket;
};

typedef int (*opener)(nng_socket *socket);

static const opener openers[PATTERN_COUNT_][2] = {
    [PATTERN_REQREP] = {nng_req0_open, nng_rep0_open},
    [PATTERN_PAIR] = {nng_pair0_open, nng_pair0_open},
    [PATTERN_PUSHPULL] = {nng_push0_open, nng_pull0_open},
};

/* Its errors are its own, or those of the system with a bit set. */
static int result(int error) {
    return error == 0 ? 0 : error & NNG_ESYSERR ? -(error & ~NNG_ESYSERR) : -EIO;
}

static int end_open(const struct setup *setup, bool serving, struct end **ret_end) {
    struct end *end = calloc(1, sizeof(*end));
    if (!end)
        return -ENOMEM;
    end->setup = *setup;
    int error = openers[setup->pattern][serving](&end->socket);
    /* Not every protocol has every queue. */
    size_t fit = 1 + QUEUE_OCTETS / setup->size;
    int queue = fit < QUEUE_MAX ? (int)fit : QUEUE_MAX;
    if (error == 0 && setup->pattern != PATTERN_REQREP) {
        (void)nng_socket_set_int(end->socket, NNG_OPT_SENDBUF, queue);
        (void)nng_socket_set_int(end->socket, NNG_OPT_RECVBUF, queue);
    }
    if (error == 0)
        error = serving ? nng_listen(end->socket, setup->endpoint, NULL, 0) : nng_dial(end->socket, setup->endpoint, NULL, 0);
    *ret_end = end;
    return result(error);
}

static int end_put(struct end *end, uint64_t number) {
    nng_msg *msg;
    int error = nng_msg_alloc(&msg, end->setup.size);
    if (error == 0) {
        message_write(&end->setup, nng_msg_body(msg), number);
        error = nng_sendmsg(end->socket, msg, 0);
        if (error != 0)
            nng_msg_free(msg);
    }
    return result(error);
}

static int end_take(struct end *end, uint64_t number) {
    nng_msg *msg;
    int error = nng_recvmsg(end->socket, &msg, 0);
    if (error != 0)
        return result(error);
    int r = message_check(&end->setup, nng_msg_body(msg), nng_msg_len(msg), number);
    nng_msg_free(msg);
    return r;
}

static int end_answer(struct end *end) {
    for (;;) {
        nng_msg *msg;
        int error = nng_recvmsg(end->socket, &msg, 0);
        if (error == 0)
            error = nng_sendmsg(end->socket, msg, 0);
        if (error != 0)
            return result(error);
    }
}

const struct contestant_ops contestant_nng = {
    .open = end_open,
    .put = end_put,
    .take = end_take,
    .answer = end_answer,
};

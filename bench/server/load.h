/*
 * bench/server/load.h: the clients: connections in a closed loop, each with one batch of requests under way; every reply is compared with
 * what was asked.
 */
#ifndef KITH_BENCH_SERVER_LOAD_H
#define KITH_BENCH_SERVER_LOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "bench/server/place.h"

struct load_plan {
    unsigned connections;
    unsigned busy;  /* of them have a batch under way at a time, chosen at random; 0: all have */
    unsigned depth; /* requests a batch */
    size_t size;    /* octets a request, at least 16, and its reply */
    bool churn;     /* a connection for each batch; the client closes it */
    bool resp;      /* PING and PONG, whatever `size` says */
};

struct load;

/* Connects. Errors: those of socket(2) and connect(2), -ENOMEM. */
int load_new(const struct load_plan *plan, const struct place *server, struct load **ret_load);
struct load *load_free(struct load *load);

/* Asks and waits for all replies: each connection once. Errors: -EBADMSG (not what was asked), -ECONNRESET (the server closed),
 * -ETIMEDOUT (silence for ten seconds), those of send(2), recv(2) and connect(2). */
int load_run_once(struct load *load);
/* The same with `requests` requests, rounded up to whole batches. */
int load_run(struct load *load, unsigned long requests);

#endif

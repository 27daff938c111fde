/*
 * tests/restart/load.h: clients that know what they were promised: each request is answered, on the connection on which it was made, with
 * the right count. Raw sockets and epoll: nothing of kith's stream.
 *
 * LOAD_CLIENTS clients, half of them on each address, each with one request under way at most, together LOAD_RATE requests a second. After
 * LOAD_REQUESTS requests a client closes and connects again. Every third sends its requests in two pieces.
 */
#ifndef KITH_TESTS_RESTART_LOAD_H
#define KITH_TESTS_RESTART_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kith/stream.h>

#include "restart/server.h"

#define LOAD_CLIENTS 200
#define LOAD_RATE 5000
#define LOAD_REQUESTS 20
#define LOAD_GENERATIONS 8

struct client {
    int fd;
    const struct kith_address *address;
    bool waiting;  /* for a reply */
    uint32_t done; /* requests on this connection */
    struct reply reply;
    size_t have;
    uint64_t sent_at;
};

struct load {
    int epoll, timer;
    struct client clients[LOAD_CLIENTS];
    size_t turn; /* of the next client */
    uint32_t number;
    /* What came of it. */
    uint64_t replies, connections;
    uint64_t refused; /* connections */
    uint64_t lost;    /* replies, or connections closed by the server */
    uint64_t wrong;   /* replies that are not the right ones */
    uint64_t by_generation[LOAD_GENERATIONS];
    uint64_t slowest_ns;
};

/* 0 or a negative errno. */
int load_start(struct load *load, const struct kith_address addresses[static 2]);
/* Runs until so many replies have come in all; false when nothing moves for long. */
bool load_run(struct load *load, uint64_t replies);
/* Waits for all replies that are under way, without new requests; false when one does not come. */
bool load_finish(struct load *load);
void load_stop(struct load *load);

#endif

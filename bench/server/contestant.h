/*
 * bench/server/contestant.h: one way to write an echo server: whatever arrives on a connection goes back, in one thread. A contestant is a
 * row (contestants.c), a function and a file; int results are 0 or a negative errno.
 *
 * All do the same: TCP_NODELAY, a backlog of 4096, and when a client does not take its replies nothing more is read from it until it does.
 */
#ifndef KITH_BENCH_SERVER_CONTESTANT_H
#define KITH_BENCH_SERVER_CONTESTANT_H

#include <stdbool.h>
#include <stddef.h>

#include "bench/server/place.h"

/* Octets that a client of another process may have got ahead with its requests before nothing more is read from it: for servers that have a
 * queue to bound. Of the size of the receive buffers of those that have none. */
#define QUEUE_MAX ((size_t)64 * 1024)

struct contestant {
    const char *name;  /* one word */
    const char *title; /* for the table */
    bool only_unix;    /* it asks for credentials */
    bool resp;         /* speaks Redis's protocol: PING is answered with PONG */
    /* In the server process: listens at the place, says so with place_announce(), answers until it is killed. */
    int (*serve)(const struct place *place, int ready);
};

extern const struct contestant contestants[];
extern const size_t contestant_count;

/* NULL: there is no such name. */
const struct contestant *contestant_find(const char *name);

int serve_raw_epoll(const struct place *place, int ready);
int serve_raw_epoll_creds(const struct place *place, int ready);
int serve_raw_uring(const struct place *place, int ready);
int serve_raw_uring_creds(const struct place *place, int ready);
int serve_kith(const struct place *place, int ready);
int serve_kith_epoll(const struct place *place, int ready);
int serve_libuv(const struct place *place, int ready);
int serve_libevent(const struct place *place, int ready);
int serve_bufferevent(const struct place *place, int ready);
int serve_libev(const struct place *place, int ready);
int serve_redis(const struct place *place, int ready);

#endif

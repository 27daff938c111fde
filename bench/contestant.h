/*
 * bench/contestant.h: one way to ask a question of 64 octets and get it back, over a fresh abstract AF_UNIX name. A contestant is a table
 * of functions and a file; int results are 0 or a negative errno.
 */
#ifndef KITH_BENCH_CONTESTANT_H
#define KITH_BENCH_CONTESTANT_H

#include <stdbool.h>
#include <unistd.h>

#define QUESTION_SIZE 64

struct contestant {
    const char *name;  /* one word */
    const char *title; /* for the table */
    /* In the server process: listens at the name, says so with announce(), answers every question with itself until it is killed. */
    int (*serve)(const char *name, int ready);
    /* In the client process. */
    int (*connect)(const char *name, void **ret_client);
    int (*ask)(void *client, unsigned long count);
    void (*disconnect)(void *client);
};

static inline void announce(int ready) {
    if (write(ready, "r", 1) < 0)
        _exit(3);
}

extern const struct contestant contestant_raw_epoll;
extern const struct contestant contestant_raw_epoll_creds;
extern const struct contestant contestant_raw_blocking;
extern const struct contestant contestant_raw_blocking_creds;
extern const struct contestant contestant_kith;
extern const struct contestant contestant_kith_anonymous;
extern const struct contestant contestant_libzmq;

#endif

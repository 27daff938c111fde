/* bench/server/server.h: a contestant in a process of its own, and what it uses up. */
#ifndef KITH_BENCH_SERVER_SERVER_H
#define KITH_BENCH_SERVER_SERVER_H

#include <sched.h>
#include <sys/types.h>

#include "bench/server/contestant.h"
#include "bench/server/place.h"

#define SERVERS_MAX 3 /* of one scenario */

struct server {
    const struct contestant *contestant;
    pid_t pid;
    clockid_t clock; /* its processor time, of all threads */
    struct place place;
};

/* Runs this program again as a server (server_main()), on one processor, until it is stopped or this process ends; returns when
 * it listens. `path` is where, NULL: TCP. Errors: -EIO (it ended; it has said why), those of fork(2). */
int server_start(const struct contestant *contestant, const char *path, const cpu_set_t *processor, struct server *ret_server);
void server_stop(struct server *server);

/* Counts its system calls from now on: a descriptor whose read(2) gives the number, as uint64_t. Errors: those of perf_event_open(2)
 * (-EACCES: not permitted). */
int server_count_calls(const struct server *server);
/* Octets of memory that are its own and no file's, once they have stopped changing. Errors: those of open(2), -EIO. */
int server_memory(const struct server *server, double *ret_octets);
/* The most octets that it has had in memory since the last call with `reset`. Errors: the same. */
int server_memory_peak(const struct server *server, bool reset, double *ret_octets);

/* What main() does when its arguments are those of a server. */
int server_main(int argc, char **argv);

#endif

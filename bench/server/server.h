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

/* What main() does when its arguments are those of a server. */
int server_main(int argc, char **argv);

#endif

/* bench/server/scenario.h: what is asked of the servers, a row each, and what is measured of them. */
#ifndef KITH_BENCH_SERVER_SCENARIO_H
#define KITH_BENCH_SERVER_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>

#include "bench/server/load.h"
#include "bench/server/server.h"

/* NAN: not measured. */
struct figures {
    double us;     /* a request, by the clock */
    double cpu_us; /* a request, the server's processor time */
    double calls;  /* a request, the server's system calls */
    double memory; /* octets a connection, the server's user memory */
    double alone;  /* slow readers: `us` without them */
};

struct scenario {
    const char *name, *title;
    bool tcp;
    bool echo_only; /* not for a server that knows but one question */
    struct load_plan plan;
    unsigned long requests;
    unsigned more_servers;    /* processes beside the first */
    unsigned slow;            /* clients that never read */
    unsigned repetitions_max; /* where each is long and they agree; 0: no limit */
    /* With running servers. */
    int (*measure)(const struct scenario *scenario, struct server *servers, struct figures *figures);
};

extern const struct scenario scenarios[];
extern const size_t scenario_count;

/* NULL: there is no such name. */
const struct scenario *scenario_find(const char *name);
bool scenario_takes(const struct scenario *scenario, const struct contestant *contestant);
/* Makes it measure `calls` and nothing else. False: it is not about requests. */
bool scenario_count_calls(struct scenario *scenario);
/* The same with so little to do that it only shows whether it works. */
struct scenario scenario_quick(const struct scenario *scenario);

#endif

/* bench/messages/scenario.h: what is asked of the contestants, a row each, and what is measured of them. */
#ifndef KITH_BENCH_MESSAGES_SCENARIO_H
#define KITH_BENCH_MESSAGES_SCENARIO_H

#include <stdbool.h>

#include "bench/messages/run.h"

/* NAN: not measured. */
struct figures {
    struct times times;
    double memory;     /* octets a client or subscription, of the server or publisher */
    double far_memory; /* octets a subscription, of the subscriber */
};

struct scenario;

/* One contestant in one repetition. */
struct trial {
    const struct contestant *contestant;
    const struct scenario *scenario;
    struct run run;
};

struct scenario {
    const char *name, *title;
    const char *kind; /* "latency", "throughput", "fanout", "topics", "memory" */
    struct setup setup;
    unsigned subscribers, clients;
    unsigned repetitions_max; /* where each is long and they agree; 0: no limit */
    int (*measure)(struct trial *trial, struct figures *figures);
};

extern const struct scenario scenarios[];
extern const size_t scenario_count;

/* NULL: there is no such name. */
const struct scenario *scenario_find(const char *name);
bool scenario_takes(const struct scenario *scenario, const struct contestant *contestant);
/* Starts the processes, measures, stops them. The run has its setup, processors and time. */
int scenario_run(struct trial *trial, struct figures *figures);

#endif

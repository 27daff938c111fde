/*
 * bench/measure.h: what every benchmark needs: names that were asked for, clocks, processors, an order that is drawn anew, children that
 * die with their parent.
 */
#ifndef KITH_BENCH_MEASURE_H
#define KITH_BENCH_MEASURE_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define MEASURE_NAMES_MAX 32

/* Names of what was asked for; none: all. */
struct measure_names {
    const char *names[MEASURE_NAMES_MAX];
    unsigned count;
};

/* False: there is no room. */
bool measure_want(struct measure_names *names, const char *name);
bool measure_wanted(const struct measure_names *names, const char *name);

/* The clock's time in seconds. */
double measure_seconds(clockid_t clock);

/* The first processor of `allowed`, or the second. Errors: -ENODEV (there is none). */
int measure_processor(const cpu_set_t *allowed, bool second, cpu_set_t *ret_one);

/* Pins this process to the first processor of `allowed`, or to the second. Errors: -ENODEV (there is none), those of sched_setaffinity(2).
 */
int measure_pin(const cpu_set_t *allowed, bool second);

/* Fills order[0..count) with the numbers below count, shuffled by random(3). */
void measure_shuffle(size_t *order, size_t count);

/* As fork(2), for a child that is killed when its parent ends. Errors: a negative errno. */
pid_t measure_fork(void);

/* Kills a child and reaps it. */
void measure_kill(pid_t child);

#endif

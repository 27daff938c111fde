/* bench/measure.h: what every benchmark needs: clocks, processors, an order that is drawn anew, children that die with their parent. */
#ifndef KITH_BENCH_MEASURE_H
#define KITH_BENCH_MEASURE_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

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

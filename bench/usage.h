/* bench/usage.h: what a process uses up. */
#ifndef KITH_BENCH_USAGE_H
#define KITH_BENCH_USAGE_H

#include <stdbool.h>
#include <sys/types.h>

/* Counts its system calls from now on: a descriptor whose read(2) gives the number, as uint64_t. Errors: those of perf_event_open(2)
 * (-EACCES: not permitted). */
int usage_count_calls(pid_t pid);
/* Octets of memory that are its own and no file's, once they have stopped changing. Errors: those of open(2), -EIO. */
int usage_memory(pid_t pid, double *ret_octets);
/* The most octets that it has had in memory since the last call with `reset`. Errors: the same. */
int usage_memory_peak(pid_t pid, bool reset, double *ret_octets);

#endif

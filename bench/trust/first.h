/* bench/trust/first.h: what is asked of a process that was never seen before, when its first message has come. */
#ifndef KITH_BENCH_TRUST_FIRST_H
#define KITH_BENCH_TRUST_FIRST_H

#include <kith/origin.h>

/* A new process, a program of its own, sends one message; the receiver asks for its program and its unit: microseconds until it knows both,
 * and until it knows both when it asks again. Errors: a negative errno, said on standard error. */
int first_measure(const char *folder, double *ret_us, double *ret_again_us);

/* A new process sends one message to a REP at the endpoint; `look` is called with its origin while it lives. Returns what look returned
 * when negative, and the errors of the exchange. */
int first_meet(const char *endpoint, int (*look)(kith_origin *origin, void *userdata), void *userdata);

/* What the new process runs: `bench-trust --one ENDPOINT`. Returns its exit status. */
int first_send(const char *endpoint);

#endif

/* bench/messages/crowd.h: many clients in a process of their own, written by hand, so that they are the same for every contestant. */
#ifndef KITH_BENCH_MESSAGES_CROWD_H
#define KITH_BENCH_MESSAGES_CROWD_H

#include <sys/types.h>

#include "bench/messages/contestant.h"

/* Connects so many, one after the other; each says HELLO as a DEALER of ZMTP (`octets`: none of it), sends one message and has its answer.
 * Returns the pid when all have; they stay connected until it is killed. Or a negative errno. */
pid_t crowd_start(const struct setup *setup, bool octets, unsigned clients);

#endif

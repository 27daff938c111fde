/* bench/messages/peer.h: one end of a contestant, in a process of its own that is told what to do. */
#ifndef KITH_BENCH_MESSAGES_PEER_H
#define KITH_BENCH_MESSAGES_PEER_H

#include <sched.h>
#include <sys/types.h>
#include <time.h>

#include "bench/messages/contestant.h"

enum job {
    JOB_ASK,
    JOB_ANSWER, /* never done */
    JOB_SEND,
    JOB_RECEIVE,
    JOB_SUBSCRIBE,
    JOB_AWAIT,
};

struct peer {
    pid_t pid;
    int fd;          /* of the conversation */
    clockid_t clock; /* its processor time, of all threads */
};

/* Forks a process on `processors` and opens an end in it; returns when that is done. It ends with this process. Errors: those of the
 * contestant, which it has said, and of fork(2). */
int peer_start(const struct contestant *contestant, const struct setup *setup, bool serving, const cpu_set_t *processors,
               struct peer *ret_peer);
void peer_stop(struct peer *peer);

/* Gives it a job and goes on. */
int peer_tell(const struct peer *peer, enum job job, uint64_t first, uint64_t count);
/* Waits until it is done. Errors: those of the contestant; -ETIMEDOUT: nothing came for so long that something was lost. */
int peer_await(const struct peer *peer);

#endif

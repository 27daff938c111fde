/*
 * loop/uring-batch.h: for how many completions a wait waits. Knows no clock and no ring.
 *
 * What counts is of how many sockets the completions are (struct kith_batch_tally): who streams to us alone brings several a wait, and to
 * wait for more of them gains nothing and costs a timer.
 *
 * A system call costs more than most requests, so it pays to hand over several at a time, if they come at nearly the same time anyway. A
 * wait can therefore ask for more than one, for KITH_BATCH_WAIT_US at most once there is one (min_wait_usec of io_uring_enter(2), Linux
 * 6.12). Whether that pays is found out by looking: of every KITH_BATCH_PERIOD waits the first KITH_BATCH_LOOKS ask for one.
 * - They bring one each: a client alone, who is never kept waiting for others.
 * - They bring many each, as when clients and server share a core: nothing is to be gained, and the timer is not free.
 * - In between, the others ask for as many as the one before brought: of clients that came together once, the last is waited for. Now and
 *   then they ask for twice as many, to see whether they would come; where they do not, that costs one time limit in KITH_BATCH_PAUSE.
 */
#ifndef KITH_LOOP_URING_BATCH_H
#define KITH_LOOP_URING_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#define KITH_BATCH_WAIT_US 20
#define KITH_BATCH_MAX 64
#define KITH_BATCH_PAUSE 64
#define KITH_BATCH_LOOKS 16
#define KITH_BATCH_PERIOD 512
/* What a wait brings by itself, on average, when waiting longer gains nothing. */
#define KITH_BATCH_ENOUGH 6

struct kith_batch_size {
    unsigned wanted; /* at least 1 */
    unsigned pause;  /* rounds until more are asked for again */
    unsigned round;  /* of the period */
    unsigned seen;   /* in the looks of this period */
};

/* Completions of one wait, counted. */
struct kith_batch_tally {
    unsigned sockets;
    uint64_t last; /* the word of the completion before */
};

/* `word` is the same for each receive of one socket; 0: another one each time, as clients that a listener accepts. */
static inline void kith_batch_tally_add(struct kith_batch_tally *tally, uint64_t word) {
    tally->sockets += word == 0 || word != tally->last;
    tally->last = word;
}

#define KITH_BATCH_SIZE_INIT ((struct kith_batch_size){.wanted = 1})

static inline unsigned kith_batch_next(struct kith_batch_size *batch, unsigned came) {
    if (came < batch->wanted) {
        batch->pause = KITH_BATCH_PAUSE;
        return came;
    }
    if (batch->pause > 0) {
        batch->pause--;
        return came;
    }
    return came > 1 ? 2 * came : 1;
}

/* A wait for `wanted` brought completions of `came` sockets, at least one. */
static inline void kith_batch_size_update(struct kith_batch_size *batch, unsigned came) {
    bool look = batch->round < KITH_BATCH_LOOKS;
    batch->seen += look ? came : 0;
    batch->round = (batch->round + 1) % KITH_BATCH_PERIOD;
    if (batch->round == 0)
        batch->seen = 0;
    bool gains = batch->seen > KITH_BATCH_LOOKS && batch->seen < KITH_BATCH_LOOKS * KITH_BATCH_ENOUGH;
    batch->wanted = batch->round < KITH_BATCH_LOOKS || !gains ? 1 : kith_batch_next(batch, came);
    if (batch->wanted > KITH_BATCH_MAX)
        batch->wanted = KITH_BATCH_MAX;
}

#endif

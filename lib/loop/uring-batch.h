/*
 * loop/uring-batch.h: for how many completions a wait waits. Knows no clock and no ring.
 *
 * A system call costs more than most requests, so it pays to hand over several at a time, if they come at nearly the same time anyway. A
 * wait therefore asks for as many as the last one brought, but for no longer than KITH_BATCH_WAIT_US when there is at least one
 * (min_wait_usec of io_uring_enter(2), Linux 6.12): of clients that have come together once, the last is waited for. Now and then it asks
 * for twice as many, to see whether they would come; where they do not, that costs one round in KITH_BATCH_PAUSE the time limit.
 *
 * So one client alone never waits for others, and what a lull costs is one time limit.
 */
#ifndef KITH_LOOP_URING_BATCH_H
#define KITH_LOOP_URING_BATCH_H

#define KITH_BATCH_WAIT_US 20
#define KITH_BATCH_MAX 64
#define KITH_BATCH_PAUSE 64

struct kith_batch_size {
    unsigned wanted; /* at least 1 */
    unsigned pause;  /* rounds until more are asked for again */
};

#define KITH_BATCH_SIZE_INIT ((struct kith_batch_size){.wanted = 1})

/* A wait for `wanted` brought `came`, at least one. */
static inline void kith_batch_size_update(struct kith_batch_size *batch, unsigned came) {
    if (came < batch->wanted) {
        batch->wanted = came;
        batch->pause = KITH_BATCH_PAUSE;
    } else if (batch->pause > 0) {
        batch->pause--;
        batch->wanted = came;
    } else if (came > 1) {
        batch->wanted = 2 * came;
    }
    if (batch->wanted > KITH_BATCH_MAX)
        batch->wanted = KITH_BATCH_MAX;
}

#endif

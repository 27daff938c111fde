/*
 * loop/internal.h: what other rooms of libkith use of the loop beyond kith/loop.h.
 */
#ifndef KITH_LOOP_INTERNAL_H
#define KITH_LOOP_INTERNAL_H

#include <kith/loop.h>

#include "base/list.h"
#include "pool/pool.h"

/* A piece of work that runs once, after the ready callbacks of this step and before the loop waits again (so: when the loop would go idle).
 * Embedded in its owner. */
struct kith_defer {
    struct kith_list link;
    void (*fn)(struct kith_defer *defer);
};

static inline void kith_defer_init(struct kith_defer *defer, void (*fn)(struct kith_defer *defer)) {
    kith_list_init(&defer->link);
    defer->fn = fn;
}

/* Queues it (the loop must be alive); a queued one stays where it is. Outside a step it runs at the beginning of the next (and makes
 * kith_loop_fd() readable). Deferred work that defers again runs in the same step, at most a bounded number of rounds. Each counts as a
 * callback. When the loop is freed first, it is cancelled; in a callback that has freed the loop nothing is queued. */
void kith_loop_defer(kith_loop *loop, struct kith_defer *defer);
static inline void kith_defer_cancel(struct kith_defer *defer) {
    kith_list_unlink(&defer->link);
}

/* True when the loop that the timer was made on has been freed: how an object finds out, without touching it. */
bool kith_timer_inert(const kith_timer *timer);

/* The loop's slab pool: made with the loop, lives as long. */
struct kith_pool *kith_loop_pool(kith_loop *loop);

/* True inside a callback of this loop. */
bool kith_loop_running(const kith_loop *loop);
/* -ECHILD after fork, else 0; costs no system call. */
int kith_loop_check_fork(const kith_loop *loop);

#endif

/*
 * loop/poller.h: memory that another process writes: looked at by the loop itself, as no descriptor tells of it.
 *
 * A poller is active or asleep. An active one is looked at in every pass; when one has something, its work comes with the deferred. Before
 * the loop waits in the kernel it looks again and again for a while (spins), then puts all to sleep: from then on whoever writes has to
 * wake the loop, by a descriptor, whose owner makes the poller active again (kith_loop_poll()). So one with nothing to do costs nothing,
 * and one that is busy costs no system call.
 *
 * - Spinning is bounded by what the pollers allow, ends with the first thing found, and is given up when it finds nothing SPINS_IN_VAIN
 * times in a row; then it is tried once in WAKES_A_SPIN times that a poller is woken. Meanwhile descriptors and timers wait.
 * - A busy poller keeps the loop from the kernel for KERNEL_NS at most: descriptors are asked in between.
 * - A loop with a thread does not spin, as it would with the lock; and whenever it is let go of, or a host may wait for it, all are asleep.
 */
#ifndef KITH_LOOP_POLLER_H
#define KITH_LOOP_POLLER_H

#include "loop/internal.h"

struct kith_pollers {
    struct kith_list active;
    uint64_t asked_at; /* ns: the kernel was, last */
    unsigned credit;   /* spins that may be in vain */
    unsigned wakes;    /* of pollers, while there was no credit */
};

void kith_pollers_init(struct kith_pollers *pollers);
/* Forgets all. */
void kith_pollers_deinit(struct kith_pollers *pollers);
/* Before a wait until `end` (ns; 0: none): looks, spins, puts to sleep. True: something was found, there is no waiting. */
bool kith_pollers_look(kith_loop *loop, uint64_t end);
/* Puts all to sleep; the work of those that have something after all is deferred. */
void kith_pollers_sleep(kith_loop *loop);
/* Having found something: has the kernel been left alone for long? */
bool kith_pollers_ask_kernel(kith_loop *loop);

#endif

/*
 * loop/timer.h: the armed timers of a loop, in order. Knows no clock: the time comes in with each call.
 *
 * Room in the heap is taken when a timer is made, so arming cannot fail. Equal deadlines fire in the order of arming.
 */
#ifndef KITH_LOOP_TIMER_H
#define KITH_LOOP_TIMER_H

#include <stddef.h>

#include <kith/loop.h>

#include "base/heap.h"
#include "base/list.h"

struct kith_timer {
    kith_loop *loop; /* NULL: the loop is gone */
    kith_timer_fn fn;
    void *userdata;
    uint64_t repeat_ns;
    struct kith_heap_node node; /* in the heap while armed: by deadline, then by the serial number of arming */
    struct kith_list link;
};

struct kith_timers {
    struct kith_heap armed; /* deadlines in ns; UINT64_MAX is later than any clock */
    size_t count;           /* timers made, armed or not */
    uint64_t serial;
    struct kith_list all;
};

void kith_timers_init(struct kith_timers *timers);
/* Disarms and forgets all; their `loop` becomes NULL. */
void kith_timers_deinit(struct kith_timers *timers);

/* Errors: -ENOMEM. */
int kith_timers_add(struct kith_timers *timers, kith_timer *timer);
void kith_timers_remove(struct kith_timers *timers, kith_timer *timer);
void kith_timers_arm(struct kith_timers *timers, kith_timer *timer, uint64_t now, uint64_t after_ms, uint64_t repeat_ms);
void kith_timers_disarm(struct kith_timers *timers, kith_timer *timer);

/* Deadline of the first, UINT64_MAX without any. */
uint64_t kith_timers_next(const struct kith_timers *timers);
/* Fires what is due at `now`, but nothing armed meanwhile. Returns how many. */
unsigned kith_timers_run(struct kith_timers *timers, uint64_t now);

#endif

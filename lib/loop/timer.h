/*
 * loop/timer.h: the armed timers of a loop, in order. Knows no clock: the time comes in with each call.
 *
 * A heap with four children a node (half the depth of a binary one, and siblings share a cache line or two). Room for every timer is taken
 * when it is made, so arming cannot fail. Equal deadlines fire in the order of arming.
 */
#ifndef KITH_LOOP_TIMER_H
#define KITH_LOOP_TIMER_H

#include <stddef.h>

#include <kith/loop.h>

#include "base/list.h"

#define KITH_TIMER_DISARMED SIZE_MAX

struct kith_timer {
    kith_loop *loop; /* NULL: the loop is gone */
    kith_timer_fn fn;
    void *userdata;
    uint64_t repeat_ns;
    size_t index; /* in the heap, or KITH_TIMER_DISARMED */
    struct kith_list link;
};

struct kith_timer_slot {
    uint64_t deadline; /* ns; UINT64_MAX is later than any clock */
    uint64_t serial;   /* of arming */
    kith_timer *timer;
};

struct kith_timers {
    struct kith_timer_slot *heap;
    size_t armed, room;
    size_t count; /* timers made, armed or not */
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

/* loop/timer.c: the armed timers, and kith_timer. Invariant: there is room in the heap for all `count` timers. */
#include <errno.h>
#include <stdlib.h>

#include "base/time.h"
#include "loop/private.h"

/* Times beyond the clock are never reached rather than long past. */
static uint64_t add_ns(uint64_t a, uint64_t b) {
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t ms_to_ns(uint64_t ms) {
    return ms > UINT64_MAX / KITH_NS_PER_MS ? UINT64_MAX : ms * KITH_NS_PER_MS;
}

void kith_timers_init(struct kith_timers *timers) {
    *timers = (struct kith_timers){0};
    kith_list_init(&timers->all);
}

void kith_timers_deinit(struct kith_timers *timers) {
    kith_timer *timer;

    while ((timer = kith_list_first(&timers->all, kith_timer, link))) {
        kith_timers_remove(timers, timer);
        timer->loop = NULL;
    }
    kith_heap_deinit(&timers->armed);
}

int kith_timers_add(struct kith_timers *timers, kith_timer *timer) {
    int r = kith_heap_reserve(&timers->armed, timers->count + 1);

    if (r < 0)
        return r;
    timers->count++;
    timer->node = KITH_HEAP_NODE_INIT;
    kith_list_push_back(&timers->all, &timer->link);
    return 0;
}

void kith_timers_remove(struct kith_timers *timers, kith_timer *timer) {
    kith_timers_disarm(timers, timer);
    kith_list_unlink(&timer->link);
    timers->count--;
}

static void set_deadline(struct kith_timers *timers, kith_timer *timer, uint64_t deadline) {
    kith_heap_set(&timers->armed, &timer->node, deadline, timers->serial++);
}

void kith_timers_arm(struct kith_timers *timers, kith_timer *timer, uint64_t now, uint64_t after_ms, uint64_t repeat_ms) {
    timer->repeat_ns = ms_to_ns(repeat_ms);
    set_deadline(timers, timer, add_ns(now, ms_to_ns(after_ms)));
}

void kith_timers_disarm(struct kith_timers *timers, kith_timer *timer) {
    kith_heap_remove(&timers->armed, &timer->node);
}

uint64_t kith_timers_next(const struct kith_timers *timers) {
    return kith_heap_first_key(&timers->armed);
}

unsigned kith_timers_run(struct kith_timers *timers, uint64_t now) {
    const uint64_t end = timers->serial;
    unsigned count = 0;

    while (timers->armed.count > 0 && timers->armed.slots[0].key <= now && timers->armed.slots[0].tie < end) {
        uint64_t deadline = timers->armed.slots[0].key;
        kith_timer *timer = KITH_CONTAINER_OF(timers->armed.slots[0].node, kith_timer, node);

        /* Armed again before the call, which may free, disarm or move it. In phase: the next multiple of the period from now on. */
        if (timer->repeat_ns)
            set_deadline(timers, timer, add_ns(deadline, add_ns((now - deadline) / timer->repeat_ns * timer->repeat_ns, timer->repeat_ns)));
        else
            kith_timers_disarm(timers, timer);
        timer->fn(timer, timer->userdata);
        count++;
    }
    return count;
}

int kith_timer_new(kith_loop *loop, kith_timer_fn fn, void *userdata, kith_timer **ret_timer) {
    if (!fn)
        return -EINVAL;
    KITH_LOOP_HOLD(loop);
    int r = loop->released ? -ESHUTDOWN : kith_loop_check_fork(loop);
    if (r < 0)
        return r;
    kith_timer *timer = calloc(1, sizeof(*timer));
    if (!timer)
        return -ENOMEM;
    r = kith_timers_add(&loop->timers, timer);
    if (r < 0) {
        free(timer);
        return r;
    }
    timer->loop = loop;
    timer->fn = fn;
    timer->userdata = userdata;
    *ret_timer = timer;
    return 0;
}

int kith_timer_arm(kith_timer *timer, uint64_t after_ms, uint64_t repeat_ms) {
    if (!timer->loop)
        return -ESHUTDOWN;
    KITH_LOOP_HOLD(timer->loop);
    /* The time of the step may be long ago, when a callback took its time: with it the timer would fire early. */
    kith_timers_arm(&timer->loop->timers, timer, kith_time_now(), after_ms, repeat_ms);
    kith_loop_changed(timer->loop);
    return 0;
}

void kith_timer_disarm(kith_timer *timer) {
    if (!timer->loop)
        return;
    KITH_LOOP_HOLD(timer->loop);
    kith_timers_disarm(&timer->loop->timers, timer);
    kith_loop_changed(timer->loop);
}

bool kith_timer_inert(const kith_timer *timer) {
    return !timer->loop;
}

bool kith_timer_armed(const kith_timer *timer) {
    KITH_LOOP_HOLD_IF(timer->loop, timer->loop);
    return timer->node.index != KITH_HEAP_OUT;
}

kith_timer *kith_timer_free(kith_timer *timer) {
    KITH_LOOP_HOLD_IF(timer && timer->loop, timer->loop);
    if (timer && timer->loop) {
        kith_timers_remove(&timer->loop->timers, timer);
        kith_loop_changed(timer->loop);
    }
    free(timer);
    return NULL;
}

/*
 * loop/timer.c: the heap of timers, and kith_timer.
 *
 * Invariants: heap[i] is not later than its children heap[4i + 1 .. 4i + 4]; heap[timer->index].timer == timer for every armed timer;
 * count <= room.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/time.h"
#include "loop/private.h"

#define CHILDREN 4
#define ROOM_MIN 16

static bool earlier(const struct kith_timer_slot *a, const struct kith_timer_slot *b) {
    return a->deadline != b->deadline ? a->deadline < b->deadline : a->serial < b->serial;
}

static void place(struct kith_timers *timers, size_t index, struct kith_timer_slot slot) {
    timers->heap[index] = slot;
    slot.timer->index = index;
}

/* Puts slot where it belongs, at the free place `index` or above it. */
static void sift_up(struct kith_timers *timers, size_t index, struct kith_timer_slot slot) {
    while (index > 0) {
        size_t parent = (index - 1) / CHILDREN;
        if (!earlier(&slot, &timers->heap[parent]))
            break;
        place(timers, index, timers->heap[parent]);
        index = parent;
    }
    place(timers, index, slot);
}

/* The same, at `index` or below it. */
static void sift_down(struct kith_timers *timers, size_t index, struct kith_timer_slot slot) {
    for (;;) {
        size_t first = index * CHILDREN + 1, least = first;
        if (first >= timers->armed)
            break;
        for (size_t child = first + 1; child < first + CHILDREN && child < timers->armed; child++)
            if (earlier(&timers->heap[child], &timers->heap[least]))
                least = child;
        if (!earlier(&timers->heap[least], &slot))
            break;
        place(timers, index, timers->heap[least]);
        index = least;
    }
    place(timers, index, slot);
}

static void put(struct kith_timers *timers, size_t index, struct kith_timer_slot slot) {
    if (index > 0 && earlier(&slot, &timers->heap[(index - 1) / CHILDREN]))
        sift_up(timers, index, slot);
    else
        sift_down(timers, index, slot);
}

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
    free(timers->heap);
    timers->heap = NULL;
    timers->room = 0;
}

int kith_timers_add(struct kith_timers *timers, kith_timer *timer) {
    if (timers->count == timers->room) {
        size_t room = timers->room ? timers->room * 2 : ROOM_MIN;
        struct kith_timer_slot *heap = reallocarray(timers->heap, room, sizeof(*heap));
        if (!heap)
            return -ENOMEM;
        timers->heap = heap;
        timers->room = room;
    }
    timers->count++;
    timer->index = KITH_TIMER_DISARMED;
    kith_list_push_back(&timers->all, &timer->link);
    return 0;
}

void kith_timers_remove(struct kith_timers *timers, kith_timer *timer) {
    kith_timers_disarm(timers, timer);
    kith_list_unlink(&timer->link);
    timers->count--;
}

static void set_deadline(struct kith_timers *timers, kith_timer *timer, uint64_t deadline) {
    struct kith_timer_slot slot = {.deadline = deadline, .serial = timers->serial++, .timer = timer};

    if (timer->index == KITH_TIMER_DISARMED)
        sift_up(timers, timers->armed++, slot);
    else
        put(timers, timer->index, slot);
}

void kith_timers_arm(struct kith_timers *timers, kith_timer *timer, uint64_t now, uint64_t after_ms, uint64_t repeat_ms) {
    timer->repeat_ns = ms_to_ns(repeat_ms);
    set_deadline(timers, timer, add_ns(now, ms_to_ns(after_ms)));
}

void kith_timers_disarm(struct kith_timers *timers, kith_timer *timer) {
    size_t index = timer->index;

    if (index == KITH_TIMER_DISARMED)
        return;
    timer->index = KITH_TIMER_DISARMED;
    struct kith_timer_slot last = timers->heap[--timers->armed];
    if (last.timer != timer)
        put(timers, index, last);
}

uint64_t kith_timers_next(const struct kith_timers *timers) {
    return timers->armed ? timers->heap[0].deadline : UINT64_MAX;
}

unsigned kith_timers_run(struct kith_timers *timers, uint64_t now) {
    const uint64_t end = timers->serial;
    unsigned count = 0;

    while (timers->armed && timers->heap[0].deadline <= now && timers->heap[0].serial < end) {
        uint64_t deadline = timers->heap[0].deadline;
        kith_timer *timer = timers->heap[0].timer;

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
    /* The time of the step may be long ago, when a callback took its time: with it the timer would fire early. */
    kith_timers_arm(&timer->loop->timers, timer, kith_time_now(), after_ms, repeat_ms);
    kith_loop_changed(timer->loop);
    return 0;
}

void kith_timer_disarm(kith_timer *timer) {
    if (!timer->loop)
        return;
    kith_timers_disarm(&timer->loop->timers, timer);
    kith_loop_changed(timer->loop);
}

bool kith_timer_inert(const kith_timer *timer) {
    return !timer->loop;
}

bool kith_timer_armed(const kith_timer *timer) {
    return timer->index != KITH_TIMER_DISARMED;
}

kith_timer *kith_timer_free(kith_timer *timer) {
    if (timer && timer->loop) {
        kith_timers_remove(&timer->loop->timers, timer);
        kith_loop_changed(timer->loop);
    }
    free(timer);
    return NULL;
}

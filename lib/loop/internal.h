/*
 * loop/internal.h: what other rooms of libkith use of the loop beyond kith/loop.h.
 */
#ifndef KITH_LOOP_INTERNAL_H
#define KITH_LOOP_INTERNAL_H

#include <kith/loop.h>

#include "base/list.h"
#include "loop/watch.h"
#include "pool/arena.h"

/* A piece of work that runs once, after the ready callbacks of this step and before the loop waits again (so: when the loop would go idle).
 * Embedded in its owner. */
struct kith_defer {
    struct kith_list link;
    unsigned (*fn)(struct kith_defer *defer); /* returns how many callbacks of the user it ran */
};

static inline void kith_defer_init(struct kith_defer *defer, unsigned (*fn)(struct kith_defer *defer)) {
    kith_list_init(&defer->link);
    defer->fn = fn;
}

/* Queues it (the loop must be alive); a queued one stays where it is. Outside a step it runs at the beginning of the next (and makes
 * kith_loop_fd() readable). Deferred work that defers again runs in the same step, at most a bounded number of rounds. When the loop is
 * freed first, it is cancelled; in a callback that has freed the loop nothing is queued. */
void kith_loop_defer(kith_loop *loop, struct kith_defer *defer);
static inline void kith_defer_cancel(struct kith_defer *defer) {
    kith_list_unlink(&defer->link);
}

/* Memory that another process writes, looked at by the loop itself (poller.h). Embedded in its owner. */
struct kith_poller;

struct kith_poller_ops {
    /* Is there something to do? Cheap: it is asked again and again. */
    bool (*look)(const struct kith_poller *poller);
    /* Nothing looks from here on: has whoever writes wake the loop. True: there is something to do after all, it stays active. */
    bool (*sleep)(struct kith_poller *poller);
    /* One turn, bounded. Returns how many callbacks of the user it ran; may free the poller. */
    unsigned (*work)(struct kith_poller *poller);
};

struct kith_poller {
    struct kith_list link; /* of the loop, while it is active */
    struct kith_defer defer;
    const struct kith_poller_ops *ops;
    uint64_t spin_ns; /* how long the loop may look for something before it waits */
};

void kith_poller_init(struct kith_poller *poller, const struct kith_poller_ops *ops);
/* Makes it active, and its work due; nothing when it is active already. */
void kith_loop_poll(kith_loop *loop, struct kith_poller *poller);
/* Neither active nor due. Its loop may be gone. */
void kith_poller_stop(struct kith_poller *poller);

/* An object that nobody but the loop holds any more: it frees itself when it is done, or when the loop is freed first. Unlinking `link`
 * ends that. */
struct kith_tenant {
    struct kith_list link;
    void (*evict)(struct kith_tenant *tenant); /* the loop is still whole */
};

void kith_loop_house(kith_loop *loop, struct kith_tenant *tenant);

/* True when the loop that the timer was made on has been freed: how an object finds out, without touching it. */
bool kith_timer_inert(const kith_timer *timer);

/* Watches a descriptor (watch.h). Errors: those of kith_io_new(). */
int kith_loop_watch(kith_loop *loop, struct kith_watch *watch, enum kith_watch_kind kind, int fd, unsigned events,
                    const struct kith_watch_ops *ops);
/* With close_fd the descriptor is closed too, inside a step together with what else the kernel is told at its end. */
void kith_loop_unwatch(kith_loop *loop, struct kith_watch *watch, bool close_fd);
void kith_loop_set_watched(kith_loop *loop, struct kith_watch *watch, unsigned events);
/* STREAM, LISTENER: see kith_watches_stop_reading(). */
void kith_loop_stop_reading(kith_loop *loop, struct kith_watch *watch);
/* STREAM: room for control messages in what is received from now on, at most KITH_CONTROL_MAX. */
#define KITH_CONTROL_MAX 4096
void kith_loop_set_control_room(kith_loop *loop, struct kith_watch *watch, size_t room);
/* STREAM: see kith_watches_set_placing(). */
void kith_loop_set_placing(kith_loop *loop, struct kith_watch *watch, bool placing);
/* STREAM: sends without waiting. See kith_loop_backend.send. `now`: whole or in part when it returns, never -EINPROGRESS; not while another
 * send is under way. */
int kith_loop_send(kith_loop *loop, struct kith_watch *watch, const void *data, size_t size, bool now);

/* Slabs with received octets in them that somebody keeps, for tests and statistics. */
size_t kith_loop_slabs_kept(const kith_loop *loop);
/* Where small octets that wait to be sent lie. */
struct kith_arena *kith_loop_arena(kith_loop *loop);
/* All octets that connections of this loop have still to send. */
struct kith_charge *kith_loop_unsent(kith_loop *loop);

/* True inside a callback of this loop, in the thread that runs it. */
bool kith_loop_running(const kith_loop *loop);

/* A loop with a thread of its own (thread.h) is entered before it or anything on it is touched, and left afterwards; the same thread may do
 * so again inside. Neither costs anything of a loop without thread (NULL), which may be gone when it is left. Any callback that frees the
 * loop leaves the rest to the outermost leave. */
struct kith_thread;
struct kith_thread *kith_loop_enter(kith_loop *loop);
void kith_loop_leave(struct kith_thread *thread);
KITH_DEFINE_CLEANUP(struct kith_thread *, kith_loop_leave)

/* Enters for the rest of the scope; the second only where the condition holds, as for an object whose loop may be gone. */
#define KITH_LOOP_HOLD(loop) KITH_LOOP_HOLD_IF(true, loop)
#define KITH_LOOP_HOLD_IF(condition, loop)                                                                                                 \
    _cleanup_(kith_loop_leavep) __attribute__((unused)) struct kith_thread *entered_ = (condition) ? kith_loop_enter(loop) : NULL

/* What somebody waits for, embedded in his own structure. */
struct kith_await {
    /* Tries: -EAGAIN as long as there is nothing, else the result of kith_loop_await(). It is called in whichever thread drives the loop,
     * under its lock. Without a thread a callback may have freed the loop: that is another result than -EAGAIN. */
    int (*attempt)(struct kith_await *await);
};

/* Waits at most timeout_ms (-1: without limit; 0: one step that does not wait) until the attempt succeeds or fails, driving the loop or
 * letting another thread do it. Once entered, not more often. Returns what the attempt said; -EAGAIN: timed out. Errors: -EBUSY (inside a
 * callback, or under kith_loop_lock(), when timeout_ms is not 0), -ECANCELED (kith_loop_stop()), -ECHILD, -ESHUTDOWN (the loop was freed).
 */
int kith_loop_await(kith_loop *loop, struct kith_await *await, int timeout_ms);

/* True when what is deferred runs without further ado: it is the application's thread that runs the loop, or some thread waits on it now.
 */
bool kith_loop_is_attended(const kith_loop *loop);

/* True for a loop with a thread of its own: what it hands out may be let go of in another thread. */
bool kith_loop_is_shared(const kith_loop *loop);
/* -ECHILD after fork, else 0; costs no system call. */
int kith_loop_check_fork(const kith_loop *loop);

#endif

/*
 * loop/thread.h: a loop with a thread of its own, which any thread may use.
 *
 * One lock guards the loop and all that is on it. Callbacks run under it; it is let go of in the kernel's wait and nowhere else. Whoever
 * waits drives: a thread that has to wait for something (kith_loop_await()) takes the loop's seat and runs its passes itself, so that what
 * it waits for costs no switch to another thread. Of several that wait one has the seat; it makes the attempts of all after each pass and
 * calls those that have got what they want. The loop's own thread, the keeper, has the seat while nobody waits.
 *
 * - The keeper is pushed out without being told: it sleeps on in its wait, and finds out when that ends. What it has found then is dropped
 *   (level-triggered: the kernel says it again), and it parks. It comes back when the loop was not driven for KITH_THREAD_GRACE_NS: a
 * thread that asks one question after the other wakes nobody. That is also the longest that anything is left lying.
 * - A thread that leaves the seat gives it to the one that has waited longest, unless those that left lately came back at once: then it
 *   stays empty, at most for a grace. One that has sat there for long gives it to one that comes again and again.
 * - Who only queues something, or arms a timer, ends the wait of whoever is in it, if that is needed. No callback runs in an unlock.
 *
 * Invariants: at most one thread that waits is in the kernel (`inside`), and beside it at most the keeper, displaced. Those that wait and
 * have not got the seat sleep on their condition variable. `turn` counts passes: a wait during which another pass has begun brings nothing.
 * `driver` is NULL only for a grace at most. Memory goes when the last visitor has left (kith_loop_free()).
 */
#ifndef KITH_LOOP_THREAD_H
#define KITH_LOOP_THREAD_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/time.h"
#include "loop/internal.h"

/* Waking a thread takes some 25 to 50 us; twenty times that is when sleeping on costs more than it saves. */
#define KITH_THREAD_GRACE_NS KITH_NS_PER_MS

struct kith_waiter {
    struct kith_list link;
    struct kith_await *await; /* NULL: the keeper */
    int result;               /* -EAGAIN while it waits */
    bool in_kernel;
    uint64_t since;   /* when it took the seat, about */
    uint64_t wake_at; /* in_kernel: when it comes back at the latest */
    pthread_cond_t called;
};

struct kith_thread {
    kith_loop *loop;
    pthread_t id;
    pthread_mutex_t mutex;
    _Atomic(pthread_t) owner; /* who has the mutex, 0: nobody */
    unsigned depth;           /* how often */
    unsigned visitors;        /* threads of the application between enter and leave, those that wait included */
    pthread_cond_t left;      /* one of them went, and the loop is being freed */
    pthread_t undertaker;     /* who frees it, once `released` */

    struct kith_list waiters; /* the one that came first is the first; the keeper is not among them */
    struct kith_waiter keeper;
    struct kith_waiter *driver; /* who has the seat */
    struct kith_waiter *inside; /* the waiter that is in the kernel */
    unsigned turn;
    uint64_t progress;  /* callbacks run so far */
    uint64_t driven_at; /* when a waiter last left the seat, about */
    uint64_t served_at; /* when one without the seat last got what it wanted, about */
    uint64_t seen;      /* driven_at when the keeper looked last */
    bool left_behind;   /* the seat was left while others waited, and nobody came since */
    unsigned habit;     /* how often those that left the seat were back at once */
    bool parked;        /* the keeper sleeps until it is called */
};

/* The passes of kith_loop_step(), kith_loop_run(). */
int kith_thread_step(struct kith_thread *thread, int timeout_ms);
int kith_thread_run(struct kith_thread *thread);
/* kith_loop_await(). */
int kith_thread_await(struct kith_thread *thread, struct kith_await *await, int timeout_ms);

/* True when the calling thread has the lock. */
bool kith_thread_is_held(const struct kith_thread *thread);

/* Around a wait of the backend. take: false when another pass has begun meanwhile; what was found is not to be told. */
unsigned kith_thread_let_go(struct kith_thread *thread);
bool kith_thread_take(struct kith_thread *thread, unsigned turn);

/* The loop is being freed, by the thread that calls this under the lock: all that wait are sent away. Its memory goes when this thread
 * leaves. */
void kith_thread_release(struct kith_thread *thread);

/* Sleeps without the lock until `called` is signalled, or until a time (ns of CLOCK_MONOTONIC, UINT64_MAX: never), or for no reason. */
void kith_thread_sleep(struct kith_thread *thread, pthread_cond_t *called, uint64_t until);

/* await.c, for the keeper. */

/* Gives the seat to `next` (NULL: to nobody) and calls it, if it sleeps. */
void kith_thread_appoint(struct kith_thread *thread, struct kith_waiter *next);
/* One pass, with a wait until `until` (ns; 0: none, UINT64_MAX: without limit) at most. Returns the callbacks run, or a negative errno. */
int kith_thread_pass(struct kith_thread *thread, struct kith_waiter *waiter, uint64_t until);
/* Makes the attempts of all that wait, and calls those that are done. */
void kith_thread_serve(struct kith_thread *thread);

#endif

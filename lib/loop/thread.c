/* loop/thread.c: the lock, the keeper, and the end. See thread.h. */
#include "loop/thread.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/pthread.h"
#include "loop/private.h"

/* The lock ---------------------------------------------------------------------------------------------------------------- */

static void acquire(struct kith_thread *thread) {
    pthread_mutex_lock(&thread->mutex);
    atomic_store_explicit(&thread->owner, pthread_self(), memory_order_relaxed);
    thread->depth = 1;
}

static void release(struct kith_thread *thread) {
    thread->depth = 0;
    atomic_store_explicit(&thread->owner, 0, memory_order_relaxed);
    pthread_mutex_unlock(&thread->mutex);
}

bool kith_thread_is_held(const struct kith_thread *thread) {
    return pthread_equal(atomic_load_explicit(&thread->owner, memory_order_relaxed), pthread_self());
}

unsigned kith_thread_let_go(struct kith_thread *thread) {
    unsigned turn = thread->turn;

    thread->loop->running = false;
    release(thread);
    return turn;
}

bool kith_thread_take(struct kith_thread *thread, unsigned turn) {
    acquire(thread);
    thread->loop->running = true;
    return thread->turn == turn;
}

void kith_thread_sleep(struct kith_thread *thread, pthread_cond_t *called, uint64_t until) {
    const struct timespec when = {.tv_sec = (time_t)(until / KITH_NS_PER_S), .tv_nsec = (long)(until % KITH_NS_PER_S)};

    thread->depth = 0;
    atomic_store_explicit(&thread->owner, 0, memory_order_relaxed);
    if (until == UINT64_MAX)
        pthread_cond_wait(called, &thread->mutex);
    else
        pthread_cond_clockwait(called, &thread->mutex, CLOCK_MONOTONIC, &when);
    atomic_store_explicit(&thread->owner, pthread_self(), memory_order_relaxed);
    thread->depth = 1;
}

/* In a child process there is nobody to be kept out, and the lock may be that of a thread that is not there. Apart, so that a loop without
 * thread pays for the test alone. */
static __attribute__((noinline)) struct kith_thread *enter(struct kith_thread *thread) {
    if (kith_loop_check_fork(thread->loop) < 0)
        return NULL;
    if (kith_thread_is_held(thread)) {
        thread->depth++;
        return thread;
    }
    acquire(thread);
    thread->visitors++;
    return thread;
}

struct kith_thread *kith_loop_enter(kith_loop *loop) {
    return loop->thread ? enter(loop->thread) : NULL;
}

void kith_loop_lock(kith_loop *loop) {
    if (loop)
        (void)kith_loop_enter(loop);
}

void kith_loop_unlock(kith_loop *loop) {
    if (loop && loop->thread && kith_thread_is_held(loop->thread))
        kith_loop_leave(loop->thread);
}

/* The end ------------------------------------------------------------------------------------------------------------------- */

/* Waits until nobody but `self_count` visitors is there. */
static void wait_for_visitors(struct kith_thread *thread, unsigned self_count) {
    while (thread->visitors > self_count)
        kith_thread_sleep(thread, &thread->left, UINT64_MAX);
}

static void bury(struct kith_thread *thread) {
    pthread_cond_destroy(&thread->keeper.called);
    pthread_cond_destroy(&thread->left);
    pthread_mutex_destroy(&thread->mutex);
    kith_loop_destroy(thread->loop);
}

void kith_thread_release(struct kith_thread *thread) {
    thread->loop->released = true;
    thread->undertaker = pthread_self();
    kith_thread_serve(thread);
    pthread_cond_signal(&thread->keeper.called);
    kith_eventfd_raise(thread->loop->wake_fd);
}

/* What others have to know before this thread goes: those that wait may have got what they wait for, and the wait that is under way knows
 * nothing of what was queued and armed. */
static void settle(struct kith_thread *thread) {
    const struct kith_waiter *driver = thread->driver;

    if (!kith_list_empty(&thread->waiters))
        kith_thread_serve(thread);
    if (!driver || !driver->in_kernel)
        return;
    kith_watches_apply(&thread->loop->watches);
    if (kith_loop_needs_step(thread->loop, driver->wake_at))
        kith_loop_wake(thread->loop);
}

void kith_loop_leave(struct kith_thread *thread) {
    if (!thread || kith_loop_check_fork(thread->loop) < 0)
        return;
    if (thread->depth > 1) {
        thread->depth--;
        return;
    }
    bool last = thread->loop->released && pthread_equal(thread->undertaker, pthread_self());
    if (last) {
        wait_for_visitors(thread, 1);
        release(thread);
        pthread_join(thread->id, NULL);
        bury(thread);
        return;
    }
    if (thread->loop->released)
        pthread_cond_signal(&thread->left);
    else
        settle(thread);
    thread->visitors--;
    release(thread);
}

/* The keeper ------------------------------------------------------------------------------------------------------------------ */

/* While others drive, it looks again after a grace; when it finds the same one in the seat twice, which may stay there for hours, it sleeps
 * until that one leaves. */
static void park(struct kith_thread *thread, uint64_t now) {
    thread->parked = thread->driver && thread->driven_at == thread->seen;
    thread->seen = thread->driven_at;
    uint64_t until = (thread->driver ? now : thread->driven_at) + KITH_THREAD_GRACE_NS;
    kith_thread_sleep(thread, &thread->keeper.called, thread->parked ? UINT64_MAX : until);
    thread->parked = false;
}

/* What the keeper does next: takes the seat, or gives it to one that waits. */
static void take_turn(struct kith_thread *thread) {
    struct kith_waiter *first = kith_list_first(&thread->waiters, struct kith_waiter, link);
    uint64_t now = kith_time_now();

    if (first && thread->driver == &thread->keeper)
        kith_thread_appoint(thread, first);
    if (!thread->driver && now - thread->driven_at >= KITH_THREAD_GRACE_NS)
        kith_thread_appoint(thread, first ? first : &thread->keeper);
    if (thread->driver == &thread->keeper)
        (void)kith_thread_pass(thread, &thread->keeper, UINT64_MAX);
    else
        park(thread, now);
}

static void *keep(void *userdata) {
    struct kith_thread *thread = userdata;
    const kith_loop *loop = thread->loop;

    acquire(thread);
    while (!loop->released && kith_loop_check_fork(loop) == 0)
        take_turn(thread);
    bool last = loop->released && pthread_equal(thread->undertaker, pthread_self());
    if (last)
        wait_for_visitors(thread, 0);
    release(thread);
    if (last) {
        pthread_detach(pthread_self());
        bury(thread);
    }
    return NULL;
}

/* Life -------------------------------------------------------------------------------------------------------------------------- */

static int start(struct kith_thread *thread) {
    acquire(thread); /* it must know its id */
    int r = kith_pthread_create(&thread->id, keep, thread);
    release(thread);
    return r;
}

static int refuse(int r, struct kith_error *ret_error) {
    if (r == -EALREADY)
        return kith_error_set(ret_error, r, "this loop has a thread already");
    if (r == -EBUSY)
        return kith_error_set(ret_error, r, "a loop gets its thread before anything is made on it: right after kith_loop_new()");
    if (r == -EINVAL)
        return kith_error_set(ret_error, r, "io_uring is for one thread: a loop with a thread of its own waits with epoll");
    if (r == -ECHILD)
        return kith_error_set(ret_error, r, "this loop was made in the parent process; make one after fork()");
    return kith_error_set(ret_error, r, "a loop gets no thread: %s; see ulimit -u and pids.max of the cgroup", kith_error_name(r));
}

int kith_loop_thread(kith_loop *loop, struct kith_error *ret_error) {
    if (!loop)
        return -EINVAL;
    int r = loop->thread ? -EALREADY : kith_loop_check_fork(loop);
    if (r >= 0)
        r = kith_loop_make_shareable(loop);
    if (r < 0)
        return refuse(r, ret_error);
    struct kith_thread *thread = calloc(1, sizeof(*thread));
    if (!thread)
        return refuse(-ENOMEM, ret_error);
    thread->loop = loop;
    pthread_mutex_init(&thread->mutex, NULL);
    pthread_cond_init(&thread->left, NULL);
    pthread_cond_init(&thread->keeper.called, NULL);
    kith_list_init(&thread->waiters);
    kith_list_init(&thread->keeper.link);
    loop->thread = loop->watches.thread = thread;
    r = start(thread);
    if (r < 0) {
        loop->thread = loop->watches.thread = NULL;
        free(thread);
        return refuse(r, ret_error);
    }
    return 0;
}

/*
 * loop/await.c: waiting for something on a loop: by driving it, or, when it has a thread, by sharing its seat (thread.h).
 */
#include <errno.h>

#include "loop/private.h"

/* Back in the seat within this time of leaving it: a thread that asks one question after the other, for which it is not worth waking one
 * that waits. Twice the time that waking takes. */
#define QUICK_NS (100 * KITH_NS_PER_MS / 1000)
/* One that was quick so often may be late now and then (the processor was another's): a late one counts as much as two quick ones. */
#define HABIT_MAX 8
#define HABIT_ENOUGH 4

uint64_t kith_loop_deadline(int timeout_ms) {
    if (timeout_ms <= 0)
        return timeout_ms < 0 ? UINT64_MAX : 0;
    return kith_time_now() + (uint64_t)timeout_ms * KITH_NS_PER_MS;
}

/* Without thread ---------------------------------------------------------------------------------------------------------- */

/* A step that ran nothing before its time was stopped. */
static int drive_alone(kith_loop *loop, struct kith_await *await, uint64_t until) {
    for (bool over = false;;) {
        int r = await->attempt(await);
        if (r != -EAGAIN || over)
            return r;
        r = kith_loop_step_until(loop, until);
        if (r < 0 && r != -EINTR)
            return r;
        over = until == 0 || (r == 0 && kith_time_now() >= until);
        if (r == 0 && !over)
            return -ECANCELED;
    }
}

int kith_loop_await(kith_loop *loop, struct kith_await *await, int timeout_ms) {
    if (loop->thread)
        return kith_thread_await(loop->thread, await, timeout_ms);
    if (!loop->running)
        return drive_alone(loop, await, kith_loop_deadline(timeout_ms));
    return timeout_ms == 0 ? await->attempt(await) : -EBUSY;
}

bool kith_loop_is_attended(const kith_loop *loop) {
    const struct kith_thread *thread = loop->thread;
    return !thread || loop->running || (thread->driver && thread->driver->in_kernel);
}

/* The seat ------------------------------------------------------------------------------------------------------------------ */

static void call(struct kith_thread *thread, struct kith_waiter *waiter) {
    if (waiter->in_kernel)
        kith_loop_wake(thread->loop);
    else
        pthread_cond_signal(&waiter->called);
}

void kith_thread_appoint(struct kith_thread *thread, struct kith_waiter *next) {
    thread->driver = next;
    if (!next)
        return;
    next->since = thread->loop->now;
    if (next->in_kernel ? kith_loop_needs_step(thread->loop, next->wake_at) : !thread->inside)
        call(thread, next);
}

/* One that has waited in the seat for long lets go of it for one that comes again and again. */
static bool gives_way(const struct kith_thread *thread, const struct kith_waiter *driver, uint64_t now) {
    return driver->in_kernel && now - thread->served_at < KITH_THREAD_GRACE_NS && now - driver->since > KITH_THREAD_GRACE_NS;
}

/* Somebody comes to wait, the first since the seat was left. */
static void note_return(struct kith_thread *thread, uint64_t now) {
    if (!thread->left_behind)
        return;
    thread->left_behind = false;
    if (now - thread->driven_at < QUICK_NS)
        thread->habit += thread->habit < HABIT_MAX;
    else
        thread->habit -= thread->habit < 2 ? thread->habit : 2;
}

static void take_seat(struct kith_thread *thread, struct kith_waiter *me) {
    struct kith_waiter *driver = thread->driver;
    bool alone = kith_list_empty(&thread->waiters);

    kith_list_push_back(&thread->waiters, &me->link);
    if (alone && (!driver || driver == &thread->keeper)) {
        thread->driver = me;
        me->since = thread->loop->now;
        return;
    }
    uint64_t now = kith_time_now();
    note_return(thread, now);
    if (driver && driver != &thread->keeper) {
        if (!gives_way(thread, driver, now))
            return;
        call(thread, driver);
    }
    thread->driver = me;
    me->since = now;
}

/* A keeper that has not noticed yet that it was displaced is there already, and costs nothing. */
static void leave_seat(struct kith_thread *thread) {
    struct kith_waiter *next = kith_list_first(&thread->waiters, struct kith_waiter, link);

    thread->driven_at = thread->loop->now;
    thread->left_behind = next;
    if (!next || thread->habit >= HABIT_ENOUGH)
        next = thread->keeper.in_kernel ? &thread->keeper : NULL;
    if (!next && thread->parked)
        pthread_cond_signal(&thread->keeper.called);
    kith_thread_appoint(thread, next);
}

static void serve(struct kith_thread *thread, bool stop) {
    const kith_loop *loop = thread->loop;

    kith_list_foreach (&thread->waiters, node) {
        struct kith_waiter *waiter = kith_list_entry(node, struct kith_waiter, link);
        if (waiter->result != -EAGAIN)
            continue;
        waiter->result = loop->released ? -ESHUTDOWN : waiter->await->attempt(waiter->await);
        if (waiter->result == -EAGAIN && stop)
            waiter->result = -ECANCELED;
        if (waiter->result == -EAGAIN)
            continue;
        if (waiter != thread->driver)
            thread->served_at = loop->now;
        call(thread, waiter);
    }
}

void kith_thread_serve(struct kith_thread *thread) {
    serve(thread, !kith_list_empty(&thread->waiters) && kith_loop_take_stop(thread->loop));
}

int kith_thread_pass(struct kith_thread *thread, struct kith_waiter *waiter, uint64_t until) {
    kith_loop *loop = thread->loop;

    waiter->in_kernel = true;
    if (waiter != &thread->keeper)
        thread->inside = waiter;
    loop->running = true;
    thread->turn++;
    int r = kith_loop_pass(loop, until, &waiter->wake_at);
    loop->running = false;
    waiter->in_kernel = false;
    if (waiter != &thread->keeper)
        thread->inside = NULL;
    if (r > 0)
        thread->progress += (unsigned)r;
    kith_thread_serve(thread);
    /* The seat was taken away meanwhile: its owner waits for the way to be free. */
    if (thread->driver && thread->driver != waiter && !thread->driver->in_kernel)
        call(thread, thread->driver);
    return r;
}

/* Waiting --------------------------------------------------------------------------------------------------------------------- */

/* A pass that does not wait may be made whoever has the seat. */
static int attempt_once(struct kith_thread *thread, struct kith_waiter *me) {
    struct kith_waiter *inside = thread->inside;

    int r = kith_thread_pass(thread, me, 0);
    thread->inside = inside;
    return r < 0 && r != -EINTR ? r : me->await->attempt(me->await);
}

static int wait_for_it(struct kith_thread *thread, struct kith_waiter *me, uint64_t until) {
    int r = 0;

    take_seat(thread, me);
    while (me->result == -EAGAIN && (r >= 0 || r == -EINTR)) {
        if (until != UINT64_MAX && kith_time_now() >= until)
            break;
        if (thread->driver == me && !thread->inside)
            r = kith_thread_pass(thread, me, until);
        else
            kith_thread_sleep(thread, &me->called, until);
    }
    kith_list_unlink(&me->link);
    if (thread->driver == me)
        leave_seat(thread);
    return me->result == -EAGAIN && r < 0 && r != -EINTR ? r : me->result;
}

int kith_thread_await(struct kith_thread *thread, struct kith_await *await, int timeout_ms) {
    kith_loop *loop = thread->loop;
    struct kith_waiter me = {.await = await, .result = -EAGAIN, .called = PTHREAD_COND_INITIALIZER};
    bool free_to_wait = thread->depth == 1 && !loop->running;

    int r = kith_loop_check_fork(loop);
    if (r < 0)
        return r;
    if (loop->released)
        return -ESHUTDOWN;
    if (!free_to_wait && timeout_ms != 0)
        return -EBUSY;
    r = await->attempt(await);
    if (r != -EAGAIN || !free_to_wait)
        return r;
    /* A stop is for all that wait, also when one that comes only now is the first to find it. */
    if (kith_loop_take_stop(loop)) {
        serve(thread, true);
        return timeout_ms == 0 ? -EAGAIN : -ECANCELED;
    }
    kith_list_init(&me.link);
    return timeout_ms == 0 ? attempt_once(thread, &me) : wait_for_it(thread, &me, kith_loop_deadline(timeout_ms));
}

/* Steps ------------------------------------------------------------------------------------------------------------------------ */

struct progress {
    struct kith_await await;
    const struct kith_thread *thread;
    uint64_t from;
};

static int progress_made(struct kith_await *await) {
    const struct progress *progress = KITH_CONTAINER_OF(await, struct progress, await);
    uint64_t count = progress->thread->progress - progress->from;

    return count == 0 ? -EAGAIN : count < INT32_MAX ? (int)count : INT32_MAX;
}

int kith_thread_step(struct kith_thread *thread, int timeout_ms) {
    KITH_LOOP_HOLD(thread->loop);
    struct progress progress = {.await.attempt = progress_made, .thread = thread, .from = thread->progress};

    if (thread->depth > 1 || thread->loop->running)
        return -EBUSY;
    int r = kith_thread_await(thread, &progress.await, timeout_ms);
    return r == -EAGAIN || r == -ECANCELED ? 0 : r;
}

static int never(struct kith_await *await) {
    return -EAGAIN;
}

int kith_thread_run(struct kith_thread *thread) {
    KITH_LOOP_HOLD(thread->loop);
    struct kith_await await = {.attempt = never};

    int r = kith_thread_await(thread, &await, -1);
    return r == -ECANCELED ? 0 : r;
}

/*
 * loop/loop.c: the loop's life and its step.
 *
 * A step: deferred work from outside -> one wait -> urgent descriptors, other descriptors, timers, deferred work. Descriptors come before
 * timers: what has arrived may move the timer that was to complain of silence. In the normal case the wait is the only system call: the
 * clock is read without one, and timers only set how long the wait is.
 *
 * Invariants: `running` is true exactly while control is inside kith_loop_step() or kith_loop_run(); outside, a hosted loop is settled
 * (host.c). A loop that a callback frees gives up its objects at once and its memory when the step ends.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/time.h"
#include "loop/private.h"

/* Deferred work may defer again so often before descriptors get their turn. */
#define DEFER_ROUNDS 8
/* 2 MiB of free slabs at most. */
#define SLABS_KEPT 32

KITH_DEFINE_CLEANUP(kith_loop *, kith_loop_free)

static unsigned woken(struct kith_watch *watch, unsigned events) {
    kith_loop *loop = KITH_CONTAINER_OF(watch, struct kith_loop, wake_watch);

    kith_eventfd_drain(watch->fd);
    loop->host.woken = false;
    return 0;
}

int kith_loop_new_with(const char *name, kith_loop **ret_loop) {
    _cleanup_(kith_loop_freep) kith_loop *loop = NULL;
    const struct kith_loop_backend *backend = NULL;
    void *state = NULL;

    loop = calloc(1, sizeof(*loop));
    if (!loop)
        return -ENOMEM;
    kith_watches_init(&loop->watches, NULL, NULL);
    kith_timers_init(&loop->timers);
    kith_list_init(&loop->deferred);
    kith_list_init(&loop->deferring);
    kith_signals_init(&loop->signals);
    kith_host_init(&loop->host);
    kith_fork_guard_init(&loop->fork_guard);
    loop->now = kith_time_now();
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (loop->wake_fd < 0)
        return -errno;
    int r = kith_pool_new(SLABS_KEPT, &loop->pool);
    if (r < 0)
        return r;
    r = kith_loop_backend_choose(name, &backend, &state);
    if (r < 0)
        return r;
    kith_watches_init(&loop->watches, backend, state);
    r = kith_loop_watch(loop, &loop->wake_watch, loop->wake_fd, KITH_IO_READ, woken);
    if (r < 0)
        return r;
    *ret_loop = KITH_STEAL(loop);
    return 0;
}

int kith_loop_new(kith_loop **ret_loop) {
    /* A privileged program does not let its caller choose. */
    const char *name = secure_getenv("KITH_LOOP");
    return kith_loop_new_with(name && *name ? name : NULL, ret_loop);
}

static void destroy(kith_loop *loop) {
    if (loop->watches.backend)
        loop->watches.backend->destroy(loop->watches.state);
    kith_close(loop->wake_fd);
    kith_pool_free(loop->pool);
    kith_fork_guard_deinit(&loop->fork_guard);
    free(loop);
}

kith_loop *kith_loop_free(kith_loop *loop) {
    struct kith_defer *defer;

    if (!loop || loop->released)
        return NULL;
    kith_signals_deinit(&loop->signals);
    kith_host_deinit(&loop->host);
    kith_watches_deinit(&loop->watches);
    kith_timers_deinit(&loop->timers);
    kith_list_splice(&loop->deferred, &loop->deferring);
    while ((defer = kith_list_first(&loop->deferred, struct kith_defer, link)))
        kith_defer_cancel(defer);
    if (loop->running)
        loop->released = true;
    else
        destroy(loop);
    return NULL;
}

const char *kith_loop_backend_name(const kith_loop *loop) {
    return loop->watches.backend->name;
}

struct kith_pool *kith_loop_pool(kith_loop *loop) {
    return loop->pool;
}

bool kith_loop_running(const kith_loop *loop) {
    return loop->running;
}

int kith_loop_check_fork(const kith_loop *loop) {
    return kith_fork_guard_crossed(&loop->fork_guard) ? -ECHILD : 0;
}

uint64_t kith_loop_now(kith_loop *loop) {
    if (!loop->running)
        loop->now = kith_time_now();
    return loop->now;
}

void kith_loop_changed(kith_loop *loop) {
    if (loop->host.timer_fd >= 0 && !loop->running && kith_loop_check_fork(loop) == 0)
        kith_host_settle(loop);
}

void kith_loop_defer(kith_loop *loop, struct kith_defer *defer) {
    if (!kith_list_empty(&defer->link) || loop->released)
        return;
    kith_list_push_back(&loop->deferred, &defer->link);
    kith_loop_changed(loop);
}

static unsigned run_deferred(kith_loop *loop) {
    unsigned count = 0;

    for (int round = 0; round < DEFER_ROUNDS && !kith_list_empty(&loop->deferred); round++) {
        struct kith_defer *defer;

        kith_list_splice(&loop->deferring, &loop->deferred);
        while ((defer = kith_list_first(&loop->deferring, struct kith_defer, link))) {
            kith_list_unlink(&defer->link);
            defer->fn(defer);
            count++;
        }
    }
    return count;
}

/* How long to wait, -1 for ever: until the caller's limit or the first timer, whichever is sooner. */
static int64_t time_to_wait(const kith_loop *loop, uint64_t until) {
    uint64_t next = kith_timers_next(&loop->timers);

    if (!kith_list_empty(&loop->deferred) || kith_watches_pending(&loop->watches) || until == 0)
        return 0;
    if (until < next)
        next = until;
    if (next == UINT64_MAX)
        return -1;
    uint64_t now = kith_time_now();
    if (next <= now)
        return 0;
    return next - now > INT64_MAX ? INT64_MAX : (int64_t)(next - now);
}

/* `until`: 0: does not wait, UINT64_MAX: without limit. */
static int step(kith_loop *loop, uint64_t until) {
    unsigned count = run_deferred(loop);

    do {
        kith_watches_apply(&loop->watches);
        int64_t timeout = count > 0 || atomic_load(&loop->stop) ? 0 : time_to_wait(loop, until);
        int r = loop->watches.backend->wait(loop->watches.state, timeout, &loop->watches);
        loop->now = kith_time_now();
        if (r < 0)
            return count > 0 ? (int)count : r;
        count += kith_watches_dispatch(&loop->watches);
        count += kith_timers_run(&loop->timers, loop->now);
        count += run_deferred(loop);
    } while (count == 0 && !atomic_load(&loop->stop) && loop->now < until);
    return (int)count;
}

static int enter(kith_loop *loop) {
    int r = kith_loop_check_fork(loop);
    if (r < 0)
        return r;
    if (loop->running)
        return -EBUSY;
    loop->running = true;
    return 0;
}

static void leave(kith_loop *loop) {
    loop->running = false;
    if (loop->released)
        destroy(loop);
    else
        kith_host_settle(loop);
}

static bool take_stop(kith_loop *loop) {
    return atomic_exchange(&loop->stop, false);
}

int kith_loop_step(kith_loop *loop, int timeout_ms) {
    uint64_t until = UINT64_MAX;

    int r = enter(loop);
    if (r < 0)
        return r;
    if (timeout_ms >= 0)
        until = timeout_ms == 0 ? 0 : kith_time_now() + (uint64_t)timeout_ms * KITH_NS_PER_MS;
    if (!take_stop(loop)) {
        r = step(loop, until);
        if (r == 0)
            take_stop(loop);
    }
    leave(loop);
    return r;
}

int kith_loop_run(kith_loop *loop) {
    int r = enter(loop);
    if (r < 0)
        return r;
    while (!take_stop(loop) && !loop->released) {
        r = step(loop, UINT64_MAX);
        if (r < 0 && r != -EINTR)
            break;
        r = 0;
    }
    leave(loop);
    return r < 0 ? r : 0;
}

void kith_loop_stop(kith_loop *loop) {
    atomic_store(&loop->stop, true);
    kith_eventfd_raise(loop->wake_fd);
}

int kith_loop_watch(kith_loop *loop, struct kith_watch *watch, int fd, unsigned events,
                    unsigned (*fn)(struct kith_watch *watch, unsigned events)) {
    int r = loop->released ? -ESHUTDOWN : kith_loop_check_fork(loop);
    return r < 0 ? r : kith_watches_add(&loop->watches, watch, fd, events, fn);
}

void kith_loop_unwatch(kith_loop *loop, struct kith_watch *watch) {
    kith_watches_remove(&loop->watches, watch, kith_loop_check_fork(loop) < 0);
}

void kith_eventfd_raise(int fd) {
    const uint64_t one = 1;
    int saved = errno;

    /* The only failure there is, a full counter, leaves it readable. */
    if (write(fd, &one, sizeof(one)) < 0)
        errno = saved;
}

void kith_eventfd_drain(int fd) {
    uint64_t count;

    /* Not readable: somebody drained it before, which is as well. */
    while (read(fd, &count, sizeof(count)) < 0 && errno == EINTR)
        continue;
}

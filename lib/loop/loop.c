/*
 * loop/loop.c: the loop's life and its step.
 *
 * A step: deferred work from outside -> one wait -> urgent descriptors, what the backend brought, other descriptors, timers, deferred work.
 * Descriptors come before timers: what has arrived may move the timer that was to complain of silence. In the normal case the wait is the
 * only system call: the clock is read without one, and timers only set how long the wait is.
 *
 * Invariants: `running` is true exactly while control is inside kith_loop_step() or kith_loop_run(); outside, a hosted loop is settled
 * (host.c). A loop that a callback frees gives up its objects at once and its memory when the step ends.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/time.h"
#include "loop/private.h"

/* Deferred work may defer again so often before descriptors get their turn. */
#define DEFER_ROUNDS 8
/* 2 MiB of free slabs at most. */
#define SLABS_KEPT 32
#define RECEIVE_MEMORY_DEFAULT ((size_t)64 * 1024 * 1024)
#define WRITE_MEMORY_DEFAULT ((size_t)256 * 1024 * 1024)

KITH_DEFINE_CLEANUP(kith_loop *, kith_loop_free)

static unsigned woken(struct kith_watch *watch, unsigned events) {
    kith_loop *loop = KITH_CONTAINER_OF(watch, struct kith_loop, wake_watch);

    kith_eventfd_drain(watch->fd);
    loop->woken = false;
    if (loop->thread && atomic_exchange(&loop->room, false))
        loop->watches.backend->refill(loop->watches.state);
    return 0;
}

static const struct kith_watch_ops wake_ops = {.ready = woken};

/* Somebody gave slabs back that reading waits for: with a thread, anybody, without the lock. */
static void on_room(void *userdata) {
    kith_loop *loop = userdata;

    if (loop->thread) {
        atomic_store(&loop->room, true);
        kith_eventfd_raise(loop->wake_fd);
        return;
    }
    if (loop->released)
        return;
    loop->watches.backend->refill(loop->watches.state);
    kith_loop_changed(loop);
}

/* A privileged program does not let its caller choose. */
static const char *name_in_environment(void) {
    const char *name = secure_getenv("KITH_LOOP");
    return name && *name ? name : NULL;
}

static int no_backend(int r, const char *name, struct kith_error *ret_error) {
    if (r == -EINVAL)
        return kith_error_set(ret_error, r, "\"%s\" is no way to wait; there are uring and epoll (KITH_LOOP)", name);
    if (r == -ENOSYS)
        return kith_error_set(ret_error, r, "io_uring is not to be had here; leave the choice to the loop, or take epoll (KITH_LOOP)");
    return kith_error_set(ret_error, r, "a loop cannot be made: %s", kith_error_name(r));
}

int kith_loop_new_with(const struct kith_loop_options *options, kith_loop **ret_loop, struct kith_error *ret_error) {
    static const struct kith_loop_options none = {0};
    _cleanup_(kith_loop_freep) kith_loop *loop = NULL;

    if (!options)
        options = &none;
    size_t receive = options->receive_memory > 0 ? options->receive_memory : RECEIVE_MEMORY_DEFAULT;
    loop = calloc(1, sizeof(*loop));
    if (!loop)
        return no_backend(-ENOMEM, NULL, ret_error);
    kith_watches_init(&loop->watches, NULL);
    kith_timers_init(&loop->timers);
    kith_list_init(&loop->tenants);
    kith_list_init(&loop->deferred);
    kith_list_init(&loop->deferring);
    kith_pollers_init(&loop->pollers);
    kith_signals_init(&loop->signals);
    kith_host_init(&loop->host);
    kith_fork_guard_init(&loop->fork_guard);
    loop->now = kith_time_now();
    kith_arena_init(&loop->arena);
    loop->unsent.limit = options->write_memory > 0 ? options->write_memory : WRITE_MEMORY_DEFAULT;
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (loop->wake_fd < 0)
        return no_backend(-errno, NULL, ret_error);
    int r = kith_pool_new(SLABS_KEPT, (receive + KITH_SLAB_SIZE - 1) / KITH_SLAB_SIZE, &loop->pool);
    if (r < 0)
        return no_backend(r, NULL, ret_error);
    kith_pool_on_room(loop->pool, on_room, loop);
    loop->watches.pool = loop->pool;
    const char *name = options->backend ? options->backend : name_in_environment();
    loop->told = options->backend;
    r = kith_loop_backend_choose(name, &loop->watches, &loop->reason);
    if (r >= 0)
        r = kith_loop_watch(loop, &loop->wake_watch, KITH_WATCH_READY, loop->wake_fd, KITH_IO_READ, &wake_ops);
    if (r < 0)
        return no_backend(r, name, ret_error);
    *ret_loop = KITH_STEAL(loop);
    return 0;
}

int kith_loop_new(kith_loop **ret_loop) {
    return kith_loop_new_with(NULL, ret_loop, NULL);
}

void kith_loop_house(kith_loop *loop, struct kith_tenant *tenant) {
    kith_list_push_back(&loop->tenants, &tenant->link);
}

/* Beside what the loop itself watches. */
static bool is_used(const kith_loop *loop) {
    size_t watched = 0;

    for (size_t fd = 0; fd < loop->watches.room; fd++)
        watched += loop->watches.by_fd[fd] != NULL;
    return watched > 1 || loop->timers.count > 0 || !kith_list_empty(&loop->deferred) || loop->running || loop->released;
}

static int change_to_epoll(kith_loop *loop) {
    const struct kith_loop_backend *before = loop->watches.backend;
    void *state = loop->watches.state;
    const char *reason = NULL;

    kith_loop_unwatch(loop, &loop->wake_watch, false);
    int r = kith_loop_backend_choose("epoll", &loop->watches, &reason);
    int again = kith_loop_watch(loop, &loop->wake_watch, KITH_WATCH_READY, loop->wake_fd, KITH_IO_READ, &wake_ops);
    if (r < 0 || again < 0)
        return r < 0 ? r : again;
    before->destroy(state, false);
    loop->reason = "it has a thread of its own, and io_uring is for one thread";
    return 0;
}

int kith_loop_make_shareable(kith_loop *loop) {
    if (is_used(loop))
        return -EBUSY;
    if (loop->watches.backend != &kith_loop_epoll) {
        if (loop->told)
            return -EINVAL;
        int r = change_to_epoll(loop);
        if (r < 0)
            return r;
    }
    return kith_pool_share(loop->pool);
}

void kith_loop_destroy(kith_loop *loop) {
    if (loop->watches.backend)
        loop->watches.backend->destroy(loop->watches.state, kith_loop_check_fork(loop) < 0);
    kith_close(loop->wake_fd);
    kith_arena_deinit(&loop->arena);
    kith_pool_free(loop->pool);
    kith_fork_guard_deinit(&loop->fork_guard);
    free(loop->thread);
    free(loop);
}

kith_loop *kith_loop_free(kith_loop *loop) {
    struct kith_defer *defer;

    if (!loop || loop->released)
        return NULL;
    _cleanup_(kith_loop_leavep) struct kith_thread *thread = kith_loop_enter(loop);
    while (!kith_list_empty(&loop->tenants)) {
        struct kith_tenant *tenant = kith_list_first(&loop->tenants, struct kith_tenant, link);
        kith_list_unlink(&tenant->link);
        tenant->evict(tenant);
    }
    kith_signals_deinit(&loop->signals);
    kith_host_deinit(&loop->host);
    kith_watches_deinit(&loop->watches);
    kith_timers_deinit(&loop->timers);
    kith_pollers_deinit(&loop->pollers);
    kith_list_splice(&loop->deferred, &loop->deferring);
    while ((defer = kith_list_first(&loop->deferred, struct kith_defer, link)))
        kith_defer_cancel(defer);
    if (thread)
        kith_thread_release(thread);
    else if (kith_loop_running(loop))
        loop->released = true;
    else
        kith_loop_destroy(loop);
    return NULL;
}

const char *kith_loop_backend_name(const kith_loop *loop) {
    return loop->watches.backend->name;
}

const char *kith_loop_backend_reason(const kith_loop *loop) {
    return loop->reason;
}

size_t kith_loop_slabs_kept(const kith_loop *loop) {
    const struct kith_loop_backend *backend = loop->watches.backend;
    return kith_pool_used(loop->pool) - (backend->slabs ? backend->slabs(loop->watches.state) : 0);
}

struct kith_arena *kith_loop_arena(kith_loop *loop) {
    return &loop->arena;
}

struct kith_charge *kith_loop_unsent(kith_loop *loop) {
    return &loop->unsent;
}

bool kith_loop_running(const kith_loop *loop) {
    return (!loop->thread || kith_thread_is_held(loop->thread)) && loop->running;
}

bool kith_loop_is_shared(const kith_loop *loop) {
    return loop->thread;
}

int kith_loop_check_fork(const kith_loop *loop) {
    return kith_fork_guard_crossed(&loop->fork_guard) ? -ECHILD : 0;
}

uint64_t kith_loop_now(kith_loop *loop) {
    return kith_loop_running(loop) ? loop->now : kith_time_now();
}

void kith_loop_wake(kith_loop *loop) {
    if (loop->woken)
        return;
    loop->woken = true;
    kith_eventfd_raise(loop->wake_fd);
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
            count += defer->fn(defer);
        }
    }
    return count;
}

bool kith_loop_needs_step(const kith_loop *loop, uint64_t wake_at) {
    return !kith_list_empty(&loop->deferred) || kith_watches_pending(&loop->watches) || kith_timers_next(&loop->timers) < wake_at;
}

/* How long to wait until a time, -1 for ever. */
static int64_t time_to_wait(uint64_t until) {
    if (until == UINT64_MAX)
        return -1;
    uint64_t now = until > 0 ? kith_time_now() : 0;
    if (until <= now)
        return 0;
    return until - now > INT64_MAX ? INT64_MAX : (int64_t)(until - now);
}

/* Until the caller's limit or the first timer, whichever is sooner; 0: not at all. */
static uint64_t end_of_wait(const kith_loop *loop, uint64_t until) {
    if (until == 0 || kith_loop_needs_step(loop, 0))
        return 0;
    uint64_t next = kith_timers_next(&loop->timers);
    return next < until ? next : until;
}

static void flush(kith_loop *loop) {
    if (loop->watches.backend->flush)
        loop->watches.backend->flush(loop->watches.state);
}

/* One wait and what it brought. While pollers have something, the kernel is asked only now and then. */
static int wait_and_handle(kith_loop *loop, uint64_t until) {
    bool found = kith_pollers_look(loop, until);
    int r = 0;
    if (!found || kith_pollers_ask_kernel(loop))
        r = loop->watches.backend->wait(loop->watches.state, found ? 0 : time_to_wait(until));
    else
        flush(loop);
    loop->now = kith_time_now();
    if (r < 0)
        return r;
    unsigned count = kith_watches_dispatch(&loop->watches);
    count += kith_timers_run(&loop->timers, loop->now);
    return (int)(count + run_deferred(loop));
}

int kith_loop_pass(kith_loop *loop, uint64_t until, uint64_t *ret_wake_at) {
    unsigned count = run_deferred(loop);
    kith_watches_apply(&loop->watches);
    *ret_wake_at = count > 0 ? 0 : end_of_wait(loop, until);
    int r = wait_and_handle(loop, *ret_wake_at);
    kith_pollers_sleep(loop);
    return r < 0 && count > 0 ? (int)count : r < 0 ? r : r + (int)count;
}

/* `until`: 0: does not wait, UINT64_MAX: without limit. */
static int step(kith_loop *loop, uint64_t until) {
    int count = (int)run_deferred(loop);

    do {
        kith_watches_apply(&loop->watches);
        bool waits = count == 0 && !atomic_load(&loop->stop);
        int r = wait_and_handle(loop, waits ? end_of_wait(loop, until) : 0);
        if (r < 0)
            return count > 0 ? count : r;
        count += r;
    } while (count == 0 && !atomic_load(&loop->stop) && loop->now < until);
    return count;
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

/* What was sent and closed in the last callbacks must not wait for the next step. */
static void leave(kith_loop *loop) {
    loop->running = false;
    if (loop->released) {
        kith_loop_destroy(loop);
        return;
    }
    if (loop->host.timer_fd >= 0)
        kith_host_settle(loop);
    else
        flush(loop);
}

bool kith_loop_take_stop(kith_loop *loop) {
    return atomic_load_explicit(&loop->stop, memory_order_relaxed) && atomic_exchange(&loop->stop, false);
}

int kith_loop_step_until(kith_loop *loop, uint64_t until) {
    int r = enter(loop);
    if (r < 0)
        return r;
    if (!kith_loop_take_stop(loop)) {
        r = step(loop, until);
        if (r == 0)
            kith_loop_take_stop(loop);
    }
    leave(loop);
    return r;
}

int kith_loop_step(kith_loop *loop, int timeout_ms) {
    if (loop->thread)
        return kith_thread_step(loop->thread, timeout_ms);
    return kith_loop_step_until(loop, kith_loop_deadline(timeout_ms));
}

int kith_loop_run(kith_loop *loop) {
    if (loop->thread)
        return kith_thread_run(loop->thread);
    int r = enter(loop);
    if (r < 0)
        return r;
    while (!kith_loop_take_stop(loop) && !loop->released) {
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

int kith_loop_watch(kith_loop *loop, struct kith_watch *watch, enum kith_watch_kind kind, int fd, unsigned events,
                    const struct kith_watch_ops *ops) {
    int r = loop->released ? -ESHUTDOWN : kith_loop_check_fork(loop);
    if (r >= 0)
        r = kith_watches_add(&loop->watches, watch, kind, fd, events, ops);
    if (r >= 0)
        kith_loop_changed(loop);
    return r;
}

void kith_loop_unwatch(kith_loop *loop, struct kith_watch *watch, bool close_fd) {
    bool in_child = kith_loop_check_fork(loop) < 0;
    /* A descriptor of the user's and an address are free again at once, a connection ends with the step. */
    bool at_once = !loop->running || watch->kind != KITH_WATCH_STREAM;

    kith_watches_remove(&loop->watches, watch, in_child, close_fd);
    if (at_once && !in_child)
        flush(loop);
}

void kith_loop_set_watched(kith_loop *loop, struct kith_watch *watch, unsigned events) {
    kith_watches_set_events(&loop->watches, watch, events);
    kith_loop_changed(loop);
}

void kith_loop_stop_reading(kith_loop *loop, struct kith_watch *watch) {
    kith_watches_stop_reading(&loop->watches, watch);
    kith_loop_changed(loop);
}

void kith_loop_set_control_room(kith_loop *loop, struct kith_watch *watch, size_t room) {
    kith_watches_set_control_room(&loop->watches, watch, room);
    kith_loop_changed(loop);
}

void kith_loop_set_placing(kith_loop *loop, struct kith_watch *watch, bool placing) {
    kith_watches_set_placing(&loop->watches, watch, placing);
    kith_loop_changed(loop);
}

int kith_loop_send(kith_loop *loop, struct kith_watch *watch, const void *data, size_t size, bool now) {
    return now ? kith_direct_send(watch->fd, data, size) : loop->watches.backend->send(loop->watches.state, watch, data, size);
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

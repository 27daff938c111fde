/*
 * workers/worker.c: one worker: its thread, its loop, and what other threads ask of it.
 *
 * Everything from outside comes through the inbox, in one order: so that what drains is told last is why no descriptor can arrive after it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/pthread.h"
#include "workers/cpus.h"
#include "workers/workers.h"

/* Taken from the inbox before the other descriptors have their turn. */
#define TAKE_MAX 64

/* From outside ------------------------------------------------------------------------------------------------------- */

int kith_worker_post(kith_worker *worker, struct kith_inbox_item *item) {
    int r = kith_inbox_post(&worker->inbox, item);
    if (r == 0)
        kith_wakeup_send(worker->wakeup);
    return r;
}

struct errand {
    struct kith_inbox_item item;
    int (*fn)(kith_worker *worker, void *userdata);
    void *userdata;
    int result;
    bool done; /* guarded by workers->mutex */
};

static void run_errand(kith_worker *worker, void *userdata) {
    struct errand *errand = userdata;
    errand->result = errand->fn(worker, errand->userdata);
    pthread_mutex_lock(&worker->workers->mutex);
    errand->done = true;
    pthread_cond_broadcast(&worker->workers->changed);
    pthread_mutex_unlock(&worker->workers->mutex);
}

int kith_worker_run(kith_worker *worker, int (*fn)(kith_worker *worker, void *userdata), void *userdata) {
    struct errand errand = {.item = {.kind = KITH_INBOX_ERRAND, .fn = run_errand}, .fn = fn, .userdata = userdata};
    errand.item.userdata = &errand;
    int r = kith_worker_post(worker, &errand.item);
    if (r < 0)
        return r;
    pthread_mutex_lock(&worker->workers->mutex);
    while (!errand.done)
        pthread_cond_wait(&worker->workers->changed, &worker->workers->mutex);
    pthread_mutex_unlock(&worker->workers->mutex);
    return errand.result;
}

static void begin_drain(kith_worker *worker, void *userdata) {
    const struct kith_workers_ops *ops = worker->workers->ops;
    if (worker->ending)
        return;
    worker->draining = true;
    if (ops->drain)
        ops->drain(worker, worker->drain_ms, worker->workers->userdata);
    if (worker->drain_ms == 0 || atomic_load(&worker->connections) == 0)
        kith_loop_stop(worker->loop);
    else if (worker->drain_ms > 0)
        (void)kith_timer_arm(worker->deadline, (uint64_t)worker->drain_ms, 0);
}

void kith_worker_drain(kith_worker *worker, int64_t deadline_ms) {
    worker->drain_ms = deadline_ms;
    worker->drain_item = (struct kith_inbox_item){.kind = KITH_INBOX_ERRAND, .fn = begin_drain};
    (void)kith_worker_post(worker, &worker->drain_item); /* one that has ended needs no telling */
}

/* In the thread ------------------------------------------------------------------------------------------------------- */

static void handle(kith_worker *worker, const struct kith_inbox_item *item) {
    if (item->kind != KITH_INBOX_FD)
        item->fn(worker, item->userdata);
    else if (worker->ending)
        kith_workers_refuse(worker, item->fd);
    else
        kith_workers_deliver(worker, item->listener, item->fd);
}

static void on_woken(kith_wakeup *wakeup, void *userdata) {
    kith_worker *worker = userdata;
    struct kith_inbox_item item;
    for (int i = 0; i < TAKE_MAX; i++) {
        if (!kith_inbox_take(&worker->inbox, &item))
            return;
        handle(worker, &item);
    }
    kith_wakeup_send(wakeup);
}

static void on_deadline(kith_timer *timer, void *userdata) {
    kith_worker *worker = userdata;
    kith_loop_stop(worker->loop);
}

static void set_name(const kith_worker *worker) {
    char number[12], name[KITH_THREAD_NAME_SIZE];
    int digits = snprintf(number, sizeof(number), "-%u", worker->index);
    snprintf(name, sizeof(name), "%.*s%s", (int)sizeof(name) - 1 - digits, worker->workers->name, number);
    pthread_setname_np(pthread_self(), name);
}

/* On failure *ret_failed says what was tried. */
static int begin(kith_worker *worker, const char **ret_failed) {
    const struct kith_workers_ops *ops = worker->workers->ops;
    set_name(worker);
    *ret_failed = "to bind it to its CPU";
    int r = worker->cpu >= 0 ? kith_cpus_pin((unsigned)worker->cpu) : 0;
    if (r < 0)
        return r;
    *ret_failed = "to make its loop";
    r = kith_loop_new(&worker->loop);
    if (r >= 0)
        r = kith_wakeup_new(worker->loop, on_woken, worker, &worker->wakeup);
    if (r >= 0)
        r = kith_timer_new(worker->loop, on_deadline, worker, &worker->deadline);
    if (r < 0)
        return r;
    *ret_failed = "its start callback";
    return ops->start ? ops->start(worker, worker->loop, worker->workers->userdata) : 0;
}

/* Reports to the owner and waits for the others. Returns true when all have started. */
static bool report(kith_worker *worker, int r, const char *failed) {
    kith_workers *workers = worker->workers;
    pthread_mutex_lock(&workers->mutex);
    worker->start_error = r < 0 ? r : 0;
    worker->failed = failed;
    worker->reported = true;
    pthread_cond_broadcast(&workers->changed);
    while (workers->state == KITH_WORKERS_STARTING)
        pthread_cond_wait(&workers->changed, &workers->mutex);
    bool run = !workers->failed;
    pthread_mutex_unlock(&workers->mutex);
    return run;
}

static void set_alive(kith_worker *worker, bool alive) {
    pthread_mutex_lock(&worker->workers->mutex);
    worker->alive = alive;
    worker->self = pthread_self();
    pthread_mutex_unlock(&worker->workers->mutex);
}

static void end(kith_worker *worker, bool started) {
    const struct kith_workers_ops *ops = worker->workers->ops;
    struct kith_inbox_item item;
    worker->ending = true;
    (void)kith_workers_close_places(worker, NULL);
    kith_inbox_close(&worker->inbox);
    while (kith_inbox_take(&worker->inbox, &item))
        handle(worker, &item);
    if (started && ops->stop)
        ops->stop(worker, worker->workers->userdata);
    worker->deadline = kith_timer_free(worker->deadline);
    worker->loop = kith_loop_free(worker->loop);
    atomic_store(&worker->ended, true);
}

static void *run_thread(void *userdata) {
    kith_worker *worker = userdata;
    const char *failed;
    set_alive(worker, true);
    int r = begin(worker, &failed);
    if (report(worker, r, failed))
        atomic_store(&worker->error, kith_loop_run(worker->loop));
    end(worker, r >= 0);
    set_alive(worker, false);
    return NULL;
}

static int create(kith_worker *worker) {
    int r = kith_pthread_create(&worker->thread, run_thread, worker);
    worker->spawned = r == 0;
    return r;
}

int kith_worker_spawn(kith_worker *worker, struct kith_error *ret_error) {
    kith_workers *workers = worker->workers;
    int r = create(worker);
    if (r < 0)
        return kith_error_set(ret_error, r, "worker %u of %u gets no thread: %s; see ulimit -u and pids.max of the cgroup", worker->index,
                              workers->count, kith_error_name(r));
    pthread_mutex_lock(&workers->mutex);
    while (!worker->reported)
        pthread_cond_wait(&workers->changed, &workers->mutex);
    r = worker->start_error;
    const char *failed = worker->failed;
    pthread_mutex_unlock(&workers->mutex);
    if (r < 0)
        return kith_error_set(ret_error, r, "worker %u of %u could not start: %s failed: %s", worker->index, workers->count, failed,
                              kith_error_name(r));
    return 0;
}

/* For the application ------------------------------------------------------------------------------------------------- */

void kith_worker_closed(kith_worker *worker) {
    if (!worker || atomic_load(&worker->connections) == 0)
        return;
    if (atomic_fetch_sub(&worker->connections, 1) == 1 && worker->draining && !worker->ending)
        kith_loop_stop(worker->loop);
}

kith_workers *kith_worker_workers(kith_worker *worker) {
    return worker ? worker->workers : NULL;
}

unsigned kith_worker_index(const kith_worker *worker) {
    return worker ? worker->index : 0;
}

kith_loop *kith_worker_loop(kith_worker *worker) {
    return worker ? worker->loop : NULL;
}

void kith_worker_set_userdata(kith_worker *worker, void *userdata) {
    if (worker)
        worker->userdata = userdata;
}

void *kith_worker_userdata(const kith_worker *worker) {
    return worker ? worker->userdata : NULL;
}

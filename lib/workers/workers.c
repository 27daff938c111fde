/*
 * workers/workers.c: the set: its beginning, its end, and what is asked of it.
 *
 * Stopping has two phases with a barrier between: first every worker closes its listeners, and only when all have is one told to drain.
 * What an acceptor gave away before is then ahead of that in the receiver's inbox, so nothing that was accepted is lost.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "workers/cpus.h"
#include "workers/workers.h"

#define COUNT_MAX 1024
#define WAITING_DEFAULT 1024

/* Checks -------------------------------------------------------------------------------------------------------------- */

static bool crossed(const kith_workers *workers) {
    return kith_fork_guard_crossed(&workers->fork_guard);
}

static bool in_worker(kith_workers *workers) {
    bool found = false;
    pthread_mutex_lock(&workers->mutex);
    for (unsigned i = 0; i < workers->count; i++)
        found = found || (workers->each[i].alive && pthread_equal(workers->each[i].self, pthread_self()));
    pthread_mutex_unlock(&workers->mutex);
    return found;
}

int kith_workers_check(kith_workers *workers) {
    if (crossed(workers))
        return -ECHILD;
    if (in_worker(workers))
        return -EDEADLK;
    return workers->state == KITH_WORKERS_STOPPED ? -ESHUTDOWN : 0;
}

/* Beginning and end --------------------------------------------------------------------------------------------------- */

static void set_state(kith_workers *workers, enum kith_workers_state state) {
    pthread_mutex_lock(&workers->mutex);
    workers->state = state;
    pthread_cond_broadcast(&workers->changed);
    pthread_mutex_unlock(&workers->mutex);
}

static void join(kith_workers *workers) {
    for (unsigned i = 0; i < workers->count; i++)
        if (workers->each[i].spawned) {
            pthread_join(workers->each[i].thread, NULL);
            workers->each[i].spawned = false;
        }
}

/* The threads are joined. */
static void destroy(kith_workers *workers) {
    for (unsigned i = 0; i < workers->count; i++) {
        kith_wakeup_free(workers->each[i].wakeup);
        kith_inbox_deinit(&workers->each[i].inbox);
    }
    kith_workers_free_listeners(workers);
    pthread_cond_destroy(&workers->changed);
    pthread_mutex_destroy(&workers->mutex);
    kith_fork_guard_deinit(&workers->fork_guard);
    free(workers);
}

static int start(kith_workers *workers, struct kith_error *ret_error) {
    int r = 0;
    for (unsigned i = 0; i < workers->count && r >= 0; i++)
        r = kith_worker_spawn(&workers->each[i], ret_error);
    workers->failed = r < 0;
    set_state(workers, r < 0 ? KITH_WORKERS_STOPPED : KITH_WORKERS_RUNNING);
    if (r < 0)
        join(workers);
    return r;
}

/* Without threads yet. When they are pinned, cpus are for them in turn. Errors: -ENOMEM. */
static int create(unsigned count, const struct kith_workers_options *options, const unsigned *cpus, unsigned cpu_count,
                  kith_workers **ret_workers) {
    kith_workers *workers = calloc(1, sizeof(*workers) + count * sizeof(workers->each[0]));
    int r = 0;
    if (!workers)
        return -ENOMEM;
    kith_fork_guard_init(&workers->fork_guard);
    pthread_mutex_init(&workers->mutex, NULL);
    pthread_cond_init(&workers->changed, NULL);
    kith_list_init(&workers->listeners);
    workers->count = count;
    snprintf(workers->name, sizeof(workers->name), "%s", options->name ? options->name : "kith");
    for (unsigned i = 0; i < count && r >= 0; i++) {
        kith_worker *worker = &workers->each[i];
        worker->workers = workers;
        worker->index = i;
        worker->cpu = options->pin ? (int)cpus[i % cpu_count] : -1;
        kith_list_init(&worker->places);
        r = kith_inbox_init(&worker->inbox, options->waiting_max > 0 ? options->waiting_max : WAITING_DEFAULT);
    }
    if (r < 0)
        destroy(workers);
    else
        *ret_workers = workers;
    return r;
}

int kith_workers_new(unsigned count, const struct kith_workers_options *options, const struct kith_workers_ops *ops, void *userdata,
                     kith_workers **ret_workers, struct kith_error *ret_error) {
    static const struct kith_workers_options no_options = {0};
    static const struct kith_workers_ops no_ops = {0};
    kith_workers *workers = NULL;
    unsigned *cpus = NULL;
    if (!ret_workers || count > COUNT_MAX)
        return kith_error_set(ret_error, -EINVAL, "%u workers: there can be 1 to %d, or 0 for one a CPU", count, COUNT_MAX);
    int cpu_count = kith_cpus_usable(&cpus);
    if (cpu_count < 0)
        return kith_error_set(ret_error, cpu_count, "the CPUs of this process cannot be told: %s", kith_error_name(cpu_count));
    if (count == 0)
        count = cpu_count > COUNT_MAX ? COUNT_MAX : (unsigned)cpu_count;
    int r = create(count, options ? options : &no_options, cpus, (unsigned)cpu_count, &workers);
    free(cpus);
    if (r < 0)
        return kith_error_set(ret_error, r, "%u workers cannot be made: %s", count, kith_error_name(r));

    workers->ops = ops ? ops : &no_ops;
    workers->userdata = userdata;
    r = start(workers, ret_error);
    if (r < 0)
        destroy(workers);
    else
        *ret_workers = workers;
    return r;
}

int kith_workers_stop(kith_workers *workers, int64_t deadline_ms) {
    if (!workers || deadline_ms < -1)
        return -EINVAL;
    int r = kith_workers_check(workers);
    if (r < 0 && r != -ESHUTDOWN)
        return r;
    if (r == 0) {
        set_state(workers, KITH_WORKERS_STOPPED);
        for (unsigned i = 0; i < workers->count; i++)
            (void)kith_worker_run(&workers->each[i], kith_workers_close_places, NULL);
        for (unsigned i = 0; i < workers->count; i++)
            kith_worker_drain(&workers->each[i], deadline_ms);
        join(workers);
    }
    for (unsigned i = 0; i < workers->count; i++)
        if (workers->each[i].error < 0)
            return workers->each[i].error;
    return 0;
}

kith_workers *kith_workers_free(kith_workers *workers) {
    if (!workers)
        return NULL;
    if (crossed(workers)) {
        kith_workers_abandon_listeners(workers);
        return NULL;
    }
    if (kith_workers_stop(workers, 0) == -EDEADLK)
        return workers;
    destroy(workers);
    return NULL;
}

/* What is asked of it -------------------------------------------------------------------------------------------------- */

unsigned kith_workers_count(const kith_workers *workers) {
    return workers ? workers->count : 0;
}

static struct kith_inbox_item *call_new(kith_worker_fn fn, void *userdata) {
    struct kith_inbox_item *item = calloc(1, sizeof(*item));
    if (item) {
        kith_list_init(&item->link);
        item->kind = KITH_INBOX_CALL;
        item->fn = fn;
        item->userdata = userdata;
    }
    return item;
}

static int check_call(const kith_workers *workers) {
    if (crossed(workers))
        return -ECHILD;
    return workers->state == KITH_WORKERS_STARTING ? -EAGAIN : 0;
}

int kith_workers_call(kith_workers *workers, unsigned index, kith_worker_fn fn, void *userdata) {
    if (!workers || !fn || index >= workers->count)
        return -EINVAL;
    int r = check_call(workers);
    if (r < 0)
        return r;
    struct kith_inbox_item *item = call_new(fn, userdata);
    if (!item)
        return -ENOMEM;
    r = kith_worker_post(&workers->each[index], item);
    if (r < 0)
        free(item);
    return r;
}

int kith_workers_each(kith_workers *workers, kith_worker_fn fn, void *userdata) {
    struct kith_list items = KITH_LIST_INIT(items);
    struct kith_inbox_item *item = NULL;
    int count = 0;
    if (!workers || !fn)
        return -EINVAL;
    int r = check_call(workers);
    for (unsigned i = 0; i < workers->count && r >= 0; i++) { /* all memory first: all or none */
        item = call_new(fn, userdata);
        if (item)
            kith_list_push_back(&items, &item->link);
        else
            r = -ENOMEM;
    }
    for (unsigned i = 0; (item = kith_list_first(&items, struct kith_inbox_item, link)); i++) {
        kith_list_unlink(&item->link);
        if (r >= 0 && kith_worker_post(&workers->each[i], item) == 0)
            count++;
        else
            free(item);
    }
    return r < 0 ? r : count;
}

int kith_workers_stats(const kith_workers *workers, unsigned index, struct kith_worker_stats *ret_stats) {
    if (!workers || !ret_stats || index >= workers->count)
        return -EINVAL;
    if (crossed(workers))
        return -ECHILD;
    const kith_worker *worker = &workers->each[index];
    *ret_stats = (struct kith_worker_stats){
        .connections = atomic_load(&worker->connections),
        .accepted = atomic_load(&worker->accepted),
        .handed_over = atomic_load(&worker->handed_over),
        .refused = atomic_load(&worker->refused),
        .ended = atomic_load(&worker->ended),
        .error = atomic_load(&worker->error),
    };
    return 0;
}

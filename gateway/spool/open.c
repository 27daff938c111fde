/* gateway/spool/open.c: opening and closing. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/pthread.h"
#include "gateway/spool/file.h"
#include "gateway/spool/internal.h"
#include "gateway/spool/salvage.h"

static int check_options(const char *path, const struct spool_options *options, struct kith_error *error) {
    unsigned count = 0;

    for (; options->targets && options->targets[count]; count++) {
        size_t size = strlen(options->targets[count]);
        if (size == 0 || size > SPOOL_NAME_MAX)
            return kith_error_set(error, -EINVAL, "%s: the name of a target has 1 to %d octets", path, SPOOL_NAME_MAX);
        for (unsigned i = 0; i < count; i++)
            if (strcmp(options->targets[i], options->targets[count]) == 0)
                return kith_error_set(error, -EINVAL, "%s: target %s is there twice: each has a cursor of its own", path,
                                      options->targets[i]);
    }
    if (count == 0 || count > SPOOL_TARGETS_MAX)
        return kith_error_set(error, -EINVAL, "%s: %u targets: a spool has 1 to %d", path, count, SPOOL_TARGETS_MAX);
    if (options->pending_bytes > SPOOL_PENDING_MAX)
        return kith_error_set(error, -EINVAL, "%s: %zu pending bytes: at most %llu", path, options->pending_bytes,
                              (unsigned long long)SPOOL_PENDING_MAX);
    return 0;
}

/* Everything that spool_free() copes with. */
static struct spool *new_spool(const struct spool_options *options, const struct spool_ops *ops, void *userdata) {
    pthread_condattr_t attributes;
    struct spool *spool = calloc(1, sizeof(*spool));

    if (!spool)
        return NULL;
    spool->owner = getpid();
    spool->options = *options;
    spool->options.targets = NULL;
    if (spool->options.pending_bytes == 0)
        spool->options.pending_bytes = SPOOL_PENDING_DEFAULT;
    if (spool->options.retry_ms == 0)
        spool->options.retry_ms = SPOOL_RETRY_DEFAULT_MS;
    spool->ops = *ops;
    spool->userdata = userdata;
    spool->event_fd = spool->lock_fd = -1;
    spool->oldest_ms = INT64_MAX;
    pthread_mutex_init(&spool->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&spool->work, &attributes);
    pthread_condattr_destroy(&attributes);
    return spool;
}

static void free_spool(struct spool *spool) {
    store_close(&spool->reader, true);
    store_close(&spool->store, false); /* the last one: nothing of the write-ahead log is left */
    batch_deinit(&spool->filling);
    batch_deinit(&spool->committing);
    for (unsigned i = 0; i < spool->target_count; i++)
        free((char *)spool->targets[i]);
    free(spool->targets);
    free(spool->notice);
    kith_close(spool->event_fd);
    kith_close(spool->lock_fd);
    pthread_cond_destroy(&spool->work);
    pthread_mutex_destroy(&spool->lock);
    free(spool->path);
    free(spool);
}

KITH_DEFINE_CLEANUP(struct spool *, free_spool)

static int copy_targets(struct spool *spool, const char *const *targets) {
    spool->targets = calloc(SPOOL_TARGETS_MAX, sizeof(*spool->targets));
    if (!spool->targets)
        return -ENOMEM;
    for (; targets[spool->target_count]; spool->target_count++) {
        spool->targets[spool->target_count] = strdup(targets[spool->target_count]);
        if (!spool->targets[spool->target_count])
            return -ENOMEM;
    }
    return 0;
}

/* -EUCLEAN: it is damaged. */
static int open_store(struct spool *spool, struct kith_error *error) {
    bool empty = false;
    int r = store_open(&spool->store, spool->path, error);

    if (r == 0)
        r = store_check(&spool->store, &empty, error);
    if (r == 0)
        r = store_use_log(&spool->store, error);
    if (r == 0)
        r = empty ? store_create(&spool->store, 0, error) : store_load_state(&spool->store, error);
    return r;
}

static int load_cursors(struct spool *spool, struct kith_error *error) {
    for (unsigned i = 0; i < spool->target_count; i++) {
        int r = store_load_cursor(&spool->store, spool->targets[i], &spool->cursors[i]);
        if (r < 0 && r != -ENOENT)
            return kith_error_set(error, r, "%s: cursors: %s", spool->path, kith_error_name(r));
        if (spool->cursors[i] > spool->store.state.last_id)
            spool->cursors[i] = spool->store.state.last_id;
    }
    return store_set_targets(&spool->store, spool->targets, spool->cursors, spool->target_count, error);
}

int spool_store_prepare(struct spool *spool, struct kith_error *error) {
    int r = spool_file_adopt(spool->path, error);
    struct kith_error damage = KITH_ERROR_NONE;

    if (r > 0 &&
        asprintf(&spool->notice, "%s: a damaged file was set aside before, and what was made in its place is used now", spool->path) < 0)
        spool->notice = NULL;
    if (r >= 0)
        r = spool_file_prepare(spool->path, error);
    if (r < 0)
        return r;
    r = open_store(spool, &damage);
    if (r == 0)
        r = load_cursors(spool, &damage);
    if (r == -EUCLEAN) {
        store_close(&spool->store, true);
        free(KITH_STEAL(spool->notice));
        r = spool_replace(spool->path, damage.text, NULL, &spool->notice, error);
        if (r < 0)
            return r;
        spool->set_aside++;
        r = open_store(spool, &damage);
        if (r == 0)
            r = load_cursors(spool, &damage);
    }
    return r < 0 ? kith_error_set(error, r, "%s", damage.text) : 0;
}

static int start(struct spool *spool, struct kith_error *error) {
    spool->state = spool->store.state;
    spool->told = spool->again_up_to = spool->state.last_id;
    spool->next_id = spool->state.last_id + 1;
    spool->more = spool->state.messages > 0; /* what may go is looked for at once, and the oldest one's time */
    spool->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (spool->event_fd < 0)
        return kith_error_set(error, -errno, "%s: eventfd: %s", spool->path, kith_error_name(-errno));
    if (spool->notice)
        spool_wake_loop(spool);
    int r = kith_pthread_create(&spool->thread, spool_writer_run, spool);
    return r < 0 ? kith_error_set(error, r, "%s: cannot start a thread: %s: look at ulimit -u", spool->path, kith_error_name(r)) : 0;
}

int spool_open(const char *path, const struct spool_options *options, const struct spool_ops *ops, void *userdata, struct spool **ret_spool,
               struct kith_error *error) {
    static const struct spool_ops none;
    int r = check_options(path, options, error);
    if (r < 0)
        return r;
    _cleanup_(free_spoolp) struct spool *spool = new_spool(options, ops ? ops : &none, userdata);

    if (!spool || copy_targets(spool, options->targets) < 0)
        return kith_error_set(error, -ENOMEM, "%s: out of memory", path);
    r = spool_file_resolve(path, &spool->path, error);
    if (r < 0)
        return r;
    spool->lock_fd = r = spool_file_lock(spool->path, error);
    if (r < 0)
        return r;
    r = spool_store_prepare(spool, error);
    if (r == 0)
        r = store_open(&spool->reader, spool->path, error);
    if (r == 0)
        r = start(spool, error);
    if (r == 0)
        *ret_spool = KITH_STEAL(spool);
    return r;
}

int spool_close(struct spool *spool, struct kith_error *error) {
    int r = 0;

    if (!spool)
        return 0;
    if (spool->owner != getpid())
        return kith_error_set(error, -ECHILD, "%s: the spool is pid %d's: a child of fork(2) cannot use it", spool->path, spool->owner);
    store_close(&spool->reader, true);
    pthread_mutex_lock(&spool->lock);
    spool->stopping = true;
    pthread_cond_signal(&spool->work);
    pthread_mutex_unlock(&spool->lock);
    pthread_join(spool->thread, NULL);
    uint64_t lost = spool->filling.count + spool->committing.count;
    if (lost > 0)
        r = kith_error_set(error, spool->failure.code, "%llu messages were not saved: %s", (unsigned long long)lost, spool->failure.text);
    free_spool(spool);
    return r;
}

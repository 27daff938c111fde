/* gateway/spool/writer.c: the thread that commits. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/time.h"
#include "gateway/spool/internal.h"
#include "gateway/spool/salvage.h"

#define NEVER UINT64_MAX

int64_t spool_now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void spool_wake_loop(struct spool *spool) {
    uint64_t one = 1;
    (void)!write(spool->event_fd, &one, sizeof(one)); /* full: it is readable already */
}

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* When the oldest message has come of age. */
static uint64_t expiry(const struct spool *spool, uint64_t now) {
    if (spool->options.max_age_ms == 0 || spool->oldest_ms == INT64_MAX)
        return NEVER;
    int64_t left = spool->oldest_ms + (int64_t)spool->options.max_age_ms - spool_now_ms();
    return left < 0 ? now : now + ((uint64_t)left + 1) * KITH_NS_PER_MS;
}

/* When there is something to do, by the monotonic clock. */
static uint64_t due(const struct spool *spool, uint64_t now) {
    bool batch = spool->committing.count > 0 || spool->filling.count > 0,
         soon = spool->damage_found || spool->needs_replacing || spool->more;

    if (spool->stopping)
        return batch || spool->cursors_dirty ? now : NEVER;
    if (spool->failure.code < 0)
        return spool->retry_ns;
    if (batch || soon)
        return now;
    uint64_t cursors = spool->cursors_dirty ? spool->cursors_dirty_ns + SPOOL_CURSOR_DELAY_MS * KITH_NS_PER_MS : NEVER;
    return least(cursors, expiry(spool, now));
}

static void wait_until(struct spool *spool, uint64_t when) {
    struct timespec until = {.tv_sec = (time_t)(when / KITH_NS_PER_S), .tv_nsec = (long)(when % KITH_NS_PER_S)};

    if (when == NEVER)
        pthread_cond_wait(&spool->work, &spool->lock);
    else
        pthread_cond_timedwait(&spool->work, &spool->lock, &until);
}

/* The file is damaged: another takes its place. */
static int replace(struct spool *spool, char **ret_notice, struct kith_error *error) {
    struct store_state state = spool->store.state;

    store_close(&spool->store, true);
    spool->store.state = state; /* for the next attempt, should this one fail */
    int r = spool_replace(spool->path, spool->why, &state, ret_notice, error);
    if (r == 0)
        r = store_open(&spool->store, spool->path, error);
    if (r == 0)
        r = store_use_log(&spool->store, error);
    if (r == 0)
        r = store_load_state(&spool->store, error);
    if (r < 0) {
        store_close(&spool->store, true);
        spool->store.state = state;
        return r;
    }
    spool->needs_replacing = false;
    spool->replaced = true;
    return 0;
}

static int commit(struct spool *spool, const struct store_work *work, struct store_result *ret, char **ret_notice,
                  struct kith_error *error) {
    int r = spool->needs_replacing ? replace(spool, ret_notice, error) : 0;

    if (r == 0)
        r = store_commit(&spool->store, work, ret, error);
    if (r != -EUCLEAN || spool->needs_replacing || spool->replaced)
        return r;
    spool->needs_replacing = true;
    snprintf(spool->why, sizeof(spool->why), "%s", error->text);
    r = replace(spool, ret_notice, error);
    return r == 0 ? store_commit(&spool->store, work, ret, error) : r;
}

/* Called with the lock. What came of it is for spool_dispatch(). */
static void publish(struct spool *spool, int r, const struct kith_error *error, char *notice) {
    if (notice) {
        free(spool->notice);
        spool->notice = notice;
    }
    if (spool->replaced) {
        spool->replaced = spool->damage_found = false;
        spool->generation++;
        spool->set_aside++;
        spool->cursors_dirty = true; /* the new file has those of the last commit */
    }
    if (r == 0) {
        spool->commits++;
        spool->state = spool->store.state;
        batch_clear(&spool->committing);
        spool->committing_count = spool->committing_charged = 0;
        spool->failure = KITH_ERROR_NONE;
        spool->failure_told = false;
    } else {
        spool->failures++;
        spool->retry_ns = kith_time_now() + spool->options.retry_ms * KITH_NS_PER_MS;
        spool->failure_told = spool->failure_told && spool->failure.code == error->code;
        spool->failure = *error;
    }
    spool_wake_loop(spool);
}

/* Called with the lock, which it gives away meanwhile. */
static int step(struct spool *spool) {
    struct kith_error error = KITH_ERROR_NONE;
    struct store_result result = {.oldest_ms = INT64_MAX};
    uint64_t cursors[SPOOL_TARGETS_MAX], max_age = spool->options.max_age_ms;
    char *notice = NULL;

    if (spool->committing.count == 0) {
        struct batch empty = spool->committing;
        spool->committing = spool->filling;
        spool->filling = empty;
        spool->committing_count = spool->committing.count;
        spool->committing_charged = spool->committing.charged;
    }
    struct store_work work = {.batch = &spool->committing,
                              .targets = spool->targets,
                              .cursors = cursors,
                              .target_count = spool->target_count,
                              .write_cursors = spool->cursors_dirty,
                              .damaged = spool->damaged_new,
                              .expire_before_ms = max_age > 0 ? spool_now_ms() - (int64_t)max_age : INT64_MIN,
                              .max_bytes = spool->options.overflow == SPOOL_DROP_OLDEST ? spool->options.max_bytes : 0};
    memcpy(cursors, spool->cursors, sizeof(cursors));
    spool->cursors_dirty = false;
    if (spool->damage_found) {
        spool->needs_replacing = true;
        snprintf(spool->why, sizeof(spool->why), "%s: is damaged", spool->path);
    }
    pthread_mutex_unlock(&spool->lock);
    int r = commit(spool, &work, &result, &notice, &error);
    pthread_mutex_lock(&spool->lock);
    spool->more = r == 0 && result.more;
    spool->oldest_ms = result.oldest_ms;
    spool->cursors_dirty = spool->cursors_dirty || (r < 0 && work.write_cursors);
    spool->damaged_new -= r == 0 ? work.damaged : 0; /* now in the state */
    publish(spool, r, &error, notice);
    return r;
}

void *spool_writer_run(void *userdata) {
    struct spool *spool = userdata;

    pthread_mutex_lock(&spool->lock);
    for (;;) {
        uint64_t now = kith_time_now(), when = due(spool, now);
        if (when > now && spool->stopping)
            break;
        if (when > now)
            wait_until(spool, when);
        else if (step(spool) < 0 && spool->stopping)
            break;
    }
    pthread_mutex_unlock(&spool->lock);
    return NULL;
}

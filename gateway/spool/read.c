/* gateway/spool/read.c: what the loop's thread reads from the file, by a connection of its own beside the writer's. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "gateway/spool/internal.h"

struct reading {
    struct spool *spool;
    spool_message_fn *fn;
    void *userdata;
    size_t left;
    int count;
};

static void count_damaged(struct spool *spool, uint64_t id) {
    if (id <= spool->damaged_up_to)
        return; /* another target has met it */
    spool->damaged_up_to = id;
    pthread_mutex_lock(&spool->lock);
    spool->damaged_new++;
    pthread_mutex_unlock(&spool->lock);
}

static int show(int code, const struct spool_message *message, void *userdata) {
    struct reading *reading = userdata;
    struct spool_message shown = *message;

    if (code < 0) {
        count_damaged(reading->spool, message->id);
        return 0;
    }
    if (reading->count > 0 && message->size > reading->left)
        return 1;
    reading->left -= message->size < reading->left ? message->size : reading->left;
    reading->count++;
    shown.again = message->id <= reading->spool->again_up_to;
    return reading->fn(&shown, reading->userdata) != 0 || reading->left == 0;
}

/* After another file has taken the place of a damaged one. */
static int follow(struct spool *spool, struct kith_error *error) {
    pthread_mutex_lock(&spool->lock);
    unsigned generation = spool->generation;
    bool damaged = spool->damage_found;
    pthread_mutex_unlock(&spool->lock);
    if (damaged)
        return kith_error_set(error, -EUCLEAN, "%s: is damaged and about to be set aside: read again after that", spool->path);
    if (generation == spool->reader_generation && spool->reader.db)
        return 0;
    store_close(&spool->reader, true);
    int r = store_open(&spool->reader, spool->path, error);
    if (r == 0)
        spool->reader_generation = generation;
    return r;
}

static void tell_damage(struct spool *spool) {
    store_close(&spool->reader, true);
    pthread_mutex_lock(&spool->lock);
    if (spool->generation == spool->reader_generation) {
        spool->damage_found = true;
        pthread_cond_signal(&spool->work);
    }
    pthread_mutex_unlock(&spool->lock);
}

int spool_read(struct spool *spool, uint64_t after, size_t max_bytes, spool_message_fn *fn, void *userdata, struct kith_error *error) {
    struct reading reading = {.spool = spool, .fn = fn, .userdata = userdata, .left = max_bytes};
    int r = follow(spool, error);

    if (r == 0)
        r = store_read(&spool->reader, after, spool->told, show, &reading, error);
    if (r == -EUCLEAN)
        tell_damage(spool);
    /* What was shown before it failed was shown: the next call says why it failed. */
    return reading.count > 0 ? reading.count : r;
}

/* When the oldest durable message was appended; false: there is none. */
static int take_time(int code, const struct spool_message *message, void *userdata) {
    *(int64_t *)userdata = message->time_ms;
    return code < 0 ? 0 : 1;
}

void spool_statistics(struct spool *spool, struct spool_statistics *ret) {
    int64_t oldest = -1, now = spool_now_ms();

    pthread_mutex_lock(&spool->lock);
    *ret = (struct spool_statistics){.messages = spool->state.messages,
                                     .bytes = spool->state.bytes,
                                     .pending = spool->filling.count + spool->committing_count,
                                     .pending_bytes = spool->filling.charged + spool->committing_charged,
                                     .appended = spool->appended,
                                     .commits = spool->commits,
                                     .failures = spool->failures,
                                     .last_id = spool->state.last_id,
                                     .dropped = spool->state.dropped,
                                     .expired = spool->state.expired,
                                     .damaged = spool->state.damaged + spool->damaged_new,
                                     .set_aside = spool->set_aside};
    pthread_mutex_unlock(&spool->lock);
    if (ret->messages > 0 && follow(spool, NULL) == 0)
        (void)store_read(&spool->reader, 0, ret->last_id, take_time, &oldest, NULL);
    ret->oldest_age_ms = oldest >= 0 && oldest < now ? (uint64_t)(now - oldest) : 0;
}

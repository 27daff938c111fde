/* See spool.h: what the loop's thread does; writer.c is the other. */
#include "gateway/spool/spool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/time.h"
#include "gateway/spool/internal.h"

int spool_fd(const struct spool *spool) {
    return spool->event_fd;
}

/* Called with the lock. */
static uint64_t pending(const struct spool *spool) {
    return spool->filling.charged + spool->committing_charged;
}

/* Called with the lock. Why a message that is charged so much cannot be taken now; 0: it can. */
static int refusal(const struct spool *spool, uint64_t charge) {
    const struct spool_options *options = &spool->options;

    if (options->max_bytes > 0 && options->overflow == SPOOL_REFUSE && spool->state.bytes + pending(spool) + charge > options->max_bytes)
        return -ENOSPC;
    return pending(spool) + charge > options->pending_bytes ? -EAGAIN : 0;
}

int spool_append(struct spool *spool, const char *source, uint64_t sequence, uint32_t flags, const void *data, size_t size,
                 uint64_t *ret_id) {
    const struct spool_options *options = &spool->options;
    size_t source_size = strlen(source);

    if (source_size == 0 || source_size > SPOOL_NAME_MAX)
        return -EINVAL;
    uint64_t charge = batch_charge(source_size, size);
    if (size > SPOOL_PENDING_MAX || charge > options->pending_bytes || (options->max_bytes > 0 && charge > options->max_bytes))
        return -EMSGSIZE;
    struct batch_record record = {.id = spool->next_id,
                                  .sequence = sequence,
                                  .time_ms = spool_now_ms(),
                                  .flags = flags,
                                  .source_size = (uint32_t)source_size,
                                  .data_size = (uint32_t)size};
    pthread_mutex_lock(&spool->lock);
    int r = refusal(spool, charge);
    bool first = spool->filling.count == 0;
    if (r == 0)
        r = batch_add(&spool->filling, &record, source, data);
    spool->appended += r == 0;
    if (r == 0 && first)
        pthread_cond_signal(&spool->work);
    pthread_mutex_unlock(&spool->lock);
    if (r < 0) {
        spool->refused = r == -ENOMEM ? 0 : charge;
        return r;
    }
    spool->next_id++;
    if (ret_id)
        *ret_id = record.id;
    return 0;
}

/* What is to be told, taken in one piece. */
struct news {
    char *notice;
    struct kith_error failure;
    bool failed, room;
    uint64_t durable;
};

static struct news take_news(struct spool *spool) {
    pthread_mutex_lock(&spool->lock);
    struct news news = {.notice = spool->notice,
                        .failure = spool->failure,
                        .failed = spool->failure.code < 0 && !spool->failure_told,
                        .room = spool->refused > 0 && refusal(spool, spool->refused) == 0,
                        .durable = spool->state.last_id};
    spool->notice = NULL;
    spool->failure_told = spool->failure.code < 0;
    pthread_mutex_unlock(&spool->lock);
    return news;
}

void spool_dispatch(struct spool *spool) {
    uint64_t count;

    if (read(spool->event_fd, &count, sizeof(count)) < 0)
        return; /* nothing new */
    struct news news = take_news(spool);
    if (news.notice && spool->ops.notice)
        spool->ops.notice(news.notice, spool->userdata);
    free(news.notice);
    if (news.failed && spool->ops.failed)
        spool->ops.failed(&news.failure, spool->userdata);
    if (news.durable > spool->told) {
        spool->told = news.durable;
        if (spool->ops.durable)
            spool->ops.durable(news.durable, spool->userdata);
    }
    if (news.room) {
        spool->refused = 0;
        if (spool->ops.room)
            spool->ops.room(spool->userdata);
    }
}

void spool_done(struct spool *spool, unsigned target, uint64_t id) {
    pthread_mutex_lock(&spool->lock);
    if (id > spool->state.last_id)
        id = spool->state.last_id;
    if (target < spool->target_count && id > spool->cursors[target]) {
        spool->cursors[target] = id;
        if (!spool->cursors_dirty) {
            spool->cursors_dirty = true;
            spool->cursors_dirty_ns = kith_time_now();
            pthread_cond_signal(&spool->work);
        }
    }
    pthread_mutex_unlock(&spool->lock);
}

uint64_t spool_cursor(const struct spool *spool, unsigned target) {
    return target < spool->target_count ? spool->cursors[target] : 0; /* only this thread changes it */
}

void spool_id(struct spool *spool, uint8_t ret_id[SPOOL_ID_SIZE]) {
    pthread_mutex_lock(&spool->lock);
    memcpy(ret_id, spool->state.spool_id, SPOOL_ID_SIZE);
    pthread_mutex_unlock(&spool->lock);
}

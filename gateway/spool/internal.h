/*
 * gateway/spool/internal.h: the spool itself, and which thread has what of it.
 *
 * Under `lock`: what both threads touch; it is never held across a call of SQLite's. The writer has `store` and `committing`, and nobody
 * else until it has ended. A batch that could not be committed stays in `committing`, with its ids, until it is.
 */
#ifndef KITH_GATEWAY_SPOOL_INTERNAL_H
#define KITH_GATEWAY_SPOOL_INTERNAL_H

#include <pthread.h>
#include <sys/types.h>

#include "gateway/spool/batch.h"
#include "gateway/spool/spool.h"
#include "gateway/spool/store.h"

#define SPOOL_PENDING_DEFAULT (UINT64_C(4) << 20)
#define SPOOL_PENDING_MAX (UINT64_C(256) << 20)
#define SPOOL_RETRY_DEFAULT_MS 1000
/* A cursor waits so long for a commit to go with. */
#define SPOOL_CURSOR_DELAY_MS 100

struct spool {
    /* Set once. */
    char *path;
    pid_t owner;
    struct spool_options options; /* without the targets */
    const char **targets;
    unsigned target_count;
    struct spool_ops ops;
    void *userdata;
    int event_fd, lock_fd;
    uint64_t again_up_to; /* the greatest id when it was opened */

    /* The thread of the loop. */
    struct store reader;
    unsigned reader_generation;
    uint64_t next_id, told, damaged_up_to;
    uint64_t refused; /* what the last message that was refused is charged; 0: none was */

    pthread_mutex_t lock;
    pthread_cond_t work; /* for the writer; CLOCK_MONOTONIC */
    struct batch filling;
    uint64_t committing_count, committing_charged;
    uint64_t cursors[SPOOL_TARGETS_MAX];
    bool cursors_dirty;
    uint64_t cursors_dirty_ns;
    bool stopping;
    bool damage_found;   /* by the reader; until another file has taken its place */
    unsigned generation; /* of the file: rises when another takes its place */
    struct store_state state;
    uint64_t appended, commits, failures, set_aside, damaged_new;
    struct kith_error failure; /* why the last commit failed; code 0: it did not */
    bool failure_told;
    char *notice;

    /* The writer. */
    pthread_t thread;
    struct store store;
    struct batch committing;
    bool needs_replacing, replaced, more; /* the file; messages that may go are there */
    char why[KITH_ERROR_TEXT_MAX];        /* it needs replacing */
    uint64_t retry_ns;
    int64_t oldest_ms;
};

/* The writer's thread. */
void *spool_writer_run(void *userdata);
/* Opens the file and looks at it; makes it, or replaces it, when it has to be. Fills the store, the cursors and the notice. */
int spool_store_prepare(struct spool *spool, struct kith_error *error);

int64_t spool_now_ms(void);
void spool_wake_loop(struct spool *spool);

#endif

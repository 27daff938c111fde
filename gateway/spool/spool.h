/*
 * gateway/spool/spool.h: messages on disk until their targets have them: one SQLite file a route.
 *
 * Model: messages are appended by one thread, the loop's, and committed by a thread of the spool's own, all that have gathered in one
 * transaction (group commit: write-ahead log, synchronous=FULL, one fdatasync(2) a commit). What the thread has to say is told by
 * spool_dispatch() when spool_fd() is readable. Targets read with cursors of their own; a message goes when all targets are done with it.
 *
 * Invariants:
 * - What the callback `durable` has named survives SIGKILL and, on a disk that does not lie, power loss. Nothing is named before.
 * - Ids rise without a gap from 1 in the order of appending and are never given twice: (spool id, id) names one message for ever. Ids that
 *   were never durable were never shown to a target, and are given again by the next process.
 * - Memory is bounded by pending_bytes: beyond it appending is refused, and `room` tells when to go on. Nothing is lost silently: what a
 *   bound drops, and what the disk has damaged, is counted.
 * - A cursor is written with the next commit or within a tenth of a second: delivery is at least once. Messages with `again` set may have
 *   been sent by an earlier process.
 *
 * The file: PATH, PATH-wal and PATH-shm (SQLite's), and PATH.lock, which stays and is locked while a process has the spool open. All are
 * created 0600. The last component of PATH must not be a symbolic link; a file that belongs to another user or that others may write is
 * refused. SQLite opens its own files without following symbolic links too. The file keeps the greatest size it has had; what is deleted in
 * it is used again.
 *
 * Threads: all calls belong to the thread that opened the spool; none is for another one. After fork(2) the child must not use it:
 * spool_close() there returns -ECHILD and leaves it alone. Descriptors are close-on-exec. A child that does not exec holds the lock.
 */
#ifndef KITH_GATEWAY_SPOOL_SPOOL_H
#define KITH_GATEWAY_SPOOL_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kith/error.h>

#include "base/cleanup.h"

#define SPOOL_ID_SIZE 16
#define SPOOL_NAME_MAX 255   /* octets of the name of a source or of a target */
#define SPOOL_TARGETS_MAX 64 /* of one spool */
/* What a message is charged beside its data and the name of its source: about what its row costs in the file. */
#define SPOOL_MESSAGE_OVERHEAD 64

/* What happens to a message for which max_bytes has no room. */
enum spool_overflow {
    SPOOL_REFUSE,      /* it is refused: -ENOSPC to the source */
    SPOOL_DROP_OLDEST, /* the oldest ones go, with the same commit, and are counted */
};

struct spool_options {
    const char *const *targets; /* names, ended by NULL: one at least. Cursors of others are forgotten; a new one begins with the oldest. */
    uint64_t max_bytes;         /* of all messages, as they are charged; 0: no bound */
    uint64_t max_age_ms;        /* older messages are dropped and counted; 0: no bound */
    enum spool_overflow overflow; /* of max_bytes */
    size_t pending_bytes;         /* appended and not durable yet, as charged; 0: 4 MiB */
    unsigned retry_ms;            /* how long after a failure the commit is tried again; 0: one second */
};

/* Called by spool_dispatch() only. Any may be NULL. They may call everything but spool_close() and spool_dispatch(). */
struct spool_ops {
    /* All messages up to this id are durable. */
    void (*durable)(uint64_t id, void *userdata);
    /* An append was refused with -EAGAIN or -ENOSPC, and there may be room now. */
    void (*room)(void *userdata);
    /* Committing failed; what was appended is kept and tried again. Told once for each new reason. */
    void (*failed)(const struct kith_error *error, void *userdata);
    /* Something happened that a person wants to know: a damaged file was set aside, it works again. */
    void (*notice)(const char *text, void *userdata);
};

struct spool_message {
    uint64_t id;
    int64_t time_ms; /* when it was appended, CLOCK_REALTIME */
    const char *source;
    uint64_t sequence; /* the source's own */
    uint32_t flags;    /* as appended */
    bool again;        /* it is older than this process: a target may have got it already */
    const void *data;
    size_t size;
};

struct spool_statistics {
    uint64_t messages, bytes; /* durable and still there; bytes as charged */
    uint64_t pending, pending_bytes;
    uint64_t oldest_age_ms; /* of the oldest durable message; 0: there is none */
    uint64_t appended, commits, failures;
    uint64_t last_id;                   /* the greatest durable id */
    uint64_t dropped, expired, damaged; /* by max_bytes, by max_age_ms, by the disk; since the file was made */
    uint64_t set_aside;                 /* damaged files, by this process */
};

struct spool;

/* Opens the spool in the file `path`, and makes it when there is none. A damaged file is set aside as PATH.corrupt-YYYYMMDDTHHMMSSZ (with
 * -wal and -shm), what can be read of it is carried over into a new one with a new spool id, and the callback `notice` names both.
 * Errors: -EBUSY (another process has it open), -EEXIST (the file is another program's), -EPERM (its owner or mode), -ELOOP (a symbolic
 * link), -EPROTO (made by a newer version), -EINVAL (options), those of open(2) and of the disk. */
int spool_open(const char *path, const struct spool_options *options, const struct spool_ops *ops, void *userdata, struct spool **ret_spool,
               struct kith_error *error);
/* Waits until all that was appended is durable, and closes. When that fails it closes all the same, and the error says how many messages
 * are lost and why. NULL: nothing. No callback is called. */
int spool_close(struct spool *spool, struct kith_error *error);

/* Readable (poll(2), level) when spool_dispatch() has something to tell. The spool's own: do not close it. */
int spool_fd(const struct spool *spool);
void spool_dispatch(struct spool *spool);

/* Copies the message and queues it for the next commit. Errors: -EAGAIN (pending_bytes are waiting), -ENOSPC (max_bytes, SPOOL_REFUSE),
 * -EMSGSIZE (it is larger than a bound), -EINVAL (name), -ENOMEM. */
int spool_append(struct spool *spool, const char *source, uint64_t sequence, uint32_t flags, const void *data, size_t size,
                 uint64_t *ret_id);

/* The callback of spool_read(): the message is valid until it returns. Not 0: stop after this one. */
typedef int spool_message_fn(const struct spool_message *message, void *userdata);
/* Calls for the durable messages after `after`, in order, until `max_bytes` of data were shown (one message at least). It reads the file,
 * so it may wait for the disk. Returns how many. Messages that the disk has damaged are left out and counted. Errors: -EUCLEAN (the file is
 * damaged: it is being set aside, `notice` tells when to read again), those of the disk. */
int spool_read(struct spool *spool, uint64_t after, size_t max_bytes, spool_message_fn *fn, void *userdata, struct kith_error *error);

/* The target (its place in options.targets) has everything up to `id`. Lower than before: nothing. */
void spool_done(struct spool *spool, unsigned target, uint64_t id);
uint64_t spool_cursor(const struct spool *spool, unsigned target);

/* 128 random bits, drawn when the file was made. Changes when a damaged file is set aside. */
void spool_id(struct spool *spool, uint8_t ret_id[SPOOL_ID_SIZE]);
/* Reads the oldest message, so it may wait for the disk. */
void spool_statistics(struct spool *spool, struct spool_statistics *ret);

static inline void spool_closep(struct spool **spool) {
    (void)spool_close(*spool, NULL);
}

#endif

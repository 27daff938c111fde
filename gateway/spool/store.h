/*
 * gateway/spool/store.h: one connection to the file of a spool, its tables and its statements. A store belongs to one thread at a time.
 *
 * Tables: messages (a row each; the id is the rowid, so that appending fills pages from left to right and a cursor is a walk along them),
 * targets (cursors), state (one row: who the spool is and what is in it, so that opening it counts nothing). `sum` is SipHash-1-3 with a
 * key of zeros over all that a row says: SQLite has no checksums of its own, so a flipped bit in a message would go out as the message. It
 * is against accidents, not against people.
 */
#ifndef KITH_GATEWAY_SPOOL_STORE_H
#define KITH_GATEWAY_SPOOL_STORE_H

#include <sqlite3.h>

#include "gateway/spool/batch.h"
#include "gateway/spool/spool.h"

enum store_statement {
    STORE_BEGIN,
    STORE_COMMIT,
    STORE_INSERT,
    STORE_OLDEST,
    STORE_DELETE,
    STORE_SET_STATE,
    STORE_SET_TARGET,
    STORE_READ,
    STORE_STATEMENT_COUNT,
};

/* The row of `state`. */
struct store_state {
    uint8_t spool_id[SPOOL_ID_SIZE];
    uint64_t last_id, messages, bytes, dropped, expired, damaged;
};

struct store {
    const char *path; /* the owner's */
    sqlite3 *db;
    sqlite3_stmt *statements[STORE_STATEMENT_COUNT];
    struct store_state state; /* the writer's: as committed */
};

/* What one transaction does. */
struct store_work {
    const struct batch *batch;
    const char *const *targets;
    const uint64_t *cursors; /* of each */
    unsigned target_count;
    bool write_cursors;
    uint64_t damaged; /* to be added */
    /* Messages that go: those that all are done with, those that came before `expire_before_ms`, and the oldest while there are more
     * bytes than `max_bytes` (0: no bound). */
    int64_t expire_before_ms;
    uint64_t max_bytes;
};

struct store_result {
    bool more;         /* messages that may go are still there: one transaction deletes a bounded number */
    int64_t oldest_ms; /* time of the oldest message that stays, when `more` is not set; INT64_MAX: none, or not looked at */
};

#define STORE_INIT ((struct store){0})

/* Opens an existing file; the statements are made with their first use. */
int store_open(struct store *store, const char *path, struct kith_error *error);
/* With keep_log the write-ahead log is left as it is, and no file is removed. */
void store_close(struct store *store, bool keep_log);
/* Every commit is in the write-ahead log first, and on the disk when it returns. */
int store_use_log(struct store *store, struct kith_error *error);
/* Makes the tables of a new, empty file; its ids begin after `last_id`. */
int store_create(struct store *store, uint64_t last_id, struct kith_error *error);
/* Looks whether the file is a spool and whole: all of it when it is small, else the beginning of it. ret_empty: it has no tables at all.
 * Errors: -EUCLEAN, -EEXIST (another program's), -EPROTO. */
int store_check(struct store *store, bool *ret_empty, struct kith_error *error);
int store_load_state(struct store *store, struct kith_error *error);
/* -ENOENT: there is no such target. */
int store_load_cursor(struct store *store, const char *target, uint64_t *ret_id);
/* Makes these the targets, and no others, each with its cursor. */
int store_set_targets(struct store *store, const char *const *targets, const uint64_t *cursors, unsigned count, struct kith_error *error);
/* Copies the write-ahead log into the file, all of it. */
int store_checkpoint(struct store *store, struct kith_error *error);

/* One transaction: all of it is durable when this returns 0, and none of it else. */
int store_commit(struct store *store, const struct store_work *work, struct store_result *result, struct kith_error *error);

/* Messages for store_read(): -EBADMSG from a row that is not as it was written. Else as spool_read(). */
typedef int store_row_fn(int code, const struct spool_message *message, void *userdata);
int store_read(struct store *store, uint64_t after, uint64_t up_to, store_row_fn *fn, void *userdata, struct kith_error *error);

/* Parts of the above, for what carries over. */
int store_begin(struct store *store);
int store_insert(struct store *store, const struct batch_record *record, const char *source, const void *data);
int store_set_cursor(struct store *store, const char *target, uint64_t id);
/* Writes the state and commits; the store has it as its own then. */
int store_end(struct store *store, const struct store_state *state);
void store_rollback(struct store *store);
int store_simple(struct store *store, const char *sql);

/* The negative errno of a result of SQLite's, and the text with the file and the remedy. */
int store_code(int result);
int store_error(const struct store *store, int result, const char *what, struct kith_error *error);

static inline void store_deinit(struct store *store) {
    store_close(store, true);
}

#endif

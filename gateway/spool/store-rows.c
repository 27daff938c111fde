/* gateway/spool/store-rows.c: messages into the file, out of it, and away. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/siphash.h"
#include "gateway/spool/store-internal.h"

/* Messages that one transaction deletes, or twice as many as it inserts: the time of a commit is bounded, and deleting keeps up. Those that
 * max_bytes has no room for go at once. */
#define DELETE_MAX 4096

/* Of all that a row says. */
static int64_t sum_of(const struct batch_record *record, const char *source, const void *data) {
    static const uint64_t key[2] = {0, 0};
    const uint64_t words[] = {
        record->id,
        record->sequence,
        (uint64_t)record->time_ms,
        (uint64_t)record->flags << 32 | record->source_size,
        kith_siphash13(key, source, record->source_size),
        kith_siphash13(key, data, record->data_size),
    };
    return (int64_t)kith_siphash13(key, words, sizeof(words));
}

int store_insert(struct store *store, const struct batch_record *record, const char *source, const void *data) {
    sqlite3_stmt *statement;
    int result = store_statement(store, STORE_INSERT, &statement);

    if (result != SQLITE_OK)
        return result;
    const int64_t numbers[] = {
        (int64_t)record->id,          record->time_ms,           (int64_t)batch_charge(record->source_size, record->data_size),
        sum_of(record, source, data), (int64_t)record->sequence, record->flags,
    };
    for (size_t i = 0; i < KITH_ARRAY_SIZE(numbers); i++)
        sqlite3_bind_int64(statement, (int)i + 1, numbers[i]);
    sqlite3_bind_text(statement, 7, source, (int)record->source_size, SQLITE_STATIC);
    result = sqlite3_bind_blob(statement, 8, record->data_size > 0 ? data : "", (int)record->data_size, SQLITE_STATIC);
    if (result == SQLITE_OK)
        result = sqlite3_step(statement);
    sqlite3_reset(statement);
    return result == SQLITE_DONE ? SQLITE_OK : result;
}

static uint64_t all_are_done_with(const struct store_work *work) {
    uint64_t least = UINT64_MAX;

    for (unsigned i = 0; i < work->target_count; i++)
        if (work->cursors[i] < least)
            least = work->cursors[i];
    return least;
}

struct trim {
    uint64_t done, limit, count, last;
};

/* Does the oldest message go? It is taken off the state then. */
static bool goes(struct trim *trim, const struct store_work *work, struct store_state *state, sqlite3_stmt *oldest) {
    uint64_t id = (uint64_t)sqlite3_column_int64(oldest, 0), size = (uint64_t)sqlite3_column_int64(oldest, 2);

    if (work->max_bytes > 0 && state->bytes > work->max_bytes)
        state->dropped += id > trim->done;
    else if (trim->count >= trim->limit)
        return false;
    else if (sqlite3_column_int64(oldest, 1) < work->expire_before_ms)
        state->expired += id > trim->done;
    else if (id > trim->done)
        return false;
    state->bytes -= size < state->bytes ? size : state->bytes;
    state->messages -= state->messages > 0;
    trim->count++;
    trim->last = id;
    return true;
}

static int delete_up_to(struct store *store, uint64_t id) {
    sqlite3_stmt *statement;
    int result = store_statement(store, STORE_DELETE, &statement);

    if (result != SQLITE_OK)
        return result;
    sqlite3_bind_int64(statement, 1, (int64_t)id);
    result = sqlite3_step(statement);
    sqlite3_reset(statement);
    return result == SQLITE_DONE ? SQLITE_OK : result;
}

static int trim_oldest(struct store *store, const struct store_work *work, struct store_state *state, struct store_result *ret) {
    struct trim trim = {.done = all_are_done_with(work), .limit = 2 * work->batch->count};
    sqlite3_stmt *oldest;
    int result = store_statement(store, STORE_OLDEST, &oldest);

    if (result != SQLITE_OK)
        return result;
    if (trim.limit < DELETE_MAX)
        trim.limit = DELETE_MAX;
    ret->oldest_ms = INT64_MAX;
    while ((result = sqlite3_step(oldest)) == SQLITE_ROW && goes(&trim, work, state, oldest))
        continue;
    if (result == SQLITE_ROW) {
        ret->more = trim.count >= trim.limit;
        ret->oldest_ms = sqlite3_column_int64(oldest, 1);
    } else if (result == SQLITE_DONE) {
        state->messages = state->bytes = 0;
    }
    sqlite3_reset(oldest);
    if (result != SQLITE_ROW && result != SQLITE_DONE)
        return result;
    return trim.count > 0 ? delete_up_to(store, trim.last) : SQLITE_OK;
}

static int write_all(struct store *store, const struct store_work *work, struct store_state *state, struct store_result *ret) {
    int result = store_begin(store);

    for (const struct batch_record *record = batch_next(work->batch, NULL); record && result == SQLITE_OK;
         record = batch_next(work->batch, record)) {
        result = store_insert(store, record, batch_source(record), batch_data(record));
        state->last_id = record->id;
    }
    for (unsigned i = 0; i < work->target_count && work->write_cursors && result == SQLITE_OK; i++)
        result = store_set_cursor(store, work->targets[i], work->cursors[i]);
    state->messages += work->batch->count;
    state->bytes += work->batch->charged;
    state->damaged += work->damaged;
    if (result == SQLITE_OK)
        result = trim_oldest(store, work, state, ret);
    return result == SQLITE_OK ? store_end(store, state) : result;
}

int store_commit(struct store *store, const struct store_work *work, struct store_result *ret, struct kith_error *error) {
    struct store_state state = store->state;
    int moved = 0;

    /* Who deletes the file takes what is in it away: nothing more goes there. */
    if (sqlite3_file_control(store->db, NULL, SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved)
        return kith_error_set(error, -ESTALE, "%s: was moved or deleted while it was in use: put it back, or start again", store->path);
    *ret = (struct store_result){.oldest_ms = INT64_MAX};
    int result = write_all(store, work, &state, ret);

    if (result == SQLITE_OK)
        return 0;
    int r = store_error(store, result, "commit", error);
    store_rollback(store);
    return r;
}

/* The row as a message; false: it is not as it was written. */
static bool take_row(sqlite3_stmt *row, struct spool_message *message) {
    struct batch_record record = {.id = (uint64_t)sqlite3_column_int64(row, 0),
                                  .time_ms = sqlite3_column_int64(row, 1),
                                  .sequence = (uint64_t)sqlite3_column_int64(row, 4),
                                  .flags = (uint32_t)sqlite3_column_int64(row, 5)};
    const void *data = sqlite3_column_blob(row, 7);
    const char *source = (const char *)sqlite3_column_text(row, 6);

    record.source_size = (uint32_t)sqlite3_column_bytes(row, 6);
    record.data_size = (uint32_t)sqlite3_column_bytes(row, 7);
    *message = (struct spool_message){.id = record.id,
                                      .time_ms = record.time_ms,
                                      .source = source,
                                      .sequence = record.sequence,
                                      .flags = record.flags,
                                      .data = data ? data : "",
                                      .size = record.data_size};
    return source && sum_of(&record, source, message->data) == sqlite3_column_int64(row, 3);
}

int store_read(struct store *store, uint64_t after, uint64_t up_to, store_row_fn *fn, void *userdata, struct kith_error *error) {
    sqlite3_stmt *statement;
    int result = store_statement(store, STORE_READ, &statement);

    if (result != SQLITE_OK)
        return store_error(store, result, "read", error);
    sqlite3_bind_int64(statement, 1, (int64_t)after);
    sqlite3_bind_int64(statement, 2, (int64_t)up_to);
    while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
        struct spool_message message;
        int code = take_row(statement, &message) ? 0 : -EBADMSG;
        if (code < 0 && sqlite3_errcode(store->db) == SQLITE_NOMEM) {
            result = SQLITE_NOMEM;
            break;
        }
        if (fn(code, &message, userdata) != 0) {
            result = SQLITE_DONE;
            break;
        }
    }
    int r = result == SQLITE_DONE ? 0 : store_error(store, result, "read", error);
    sqlite3_reset(statement);
    return r;
}

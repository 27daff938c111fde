/* See store.h. */
#include "gateway/spool/store-internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/error.h"

#define APPLICATION_ID 0x6b537031 /* "kSp1" */
#define FORMAT 1

/* Pages of the write-ahead log (4 KiB each) after which it is copied into the file. From 1,000 (SQLite's own) to 16,000 the figures of
 * bench-spool did not differ by more than they do from run to run; 16 MiB are four of the largest batches by default. */
#define CHECKPOINT_PAGES 4000

/* A file of up to 64 MiB is read as a whole when it is opened, so that opening takes a bounded time; in a larger one what is damaged is
 * noticed when it is met. */
#define CHECK_WHOLE_PAGES 16384

static const char schema[] =
    "CREATE TABLE messages (id INTEGER PRIMARY KEY, time INTEGER NOT NULL, size INTEGER NOT NULL, sum INTEGER NOT "
    "NULL, sequence INTEGER NOT NULL, flags INTEGER NOT NULL, source TEXT NOT NULL, data BLOB NOT NULL);"
    "CREATE TABLE targets (name TEXT PRIMARY KEY, done INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE state (one INTEGER PRIMARY KEY, format INTEGER NOT NULL, spool_id BLOB NOT NULL, last_id INTEGER "
    "NOT NULL, messages INTEGER NOT NULL, bytes INTEGER NOT NULL, dropped INTEGER NOT NULL, expired INTEGER NOT "
    "NULL, damaged INTEGER NOT NULL);";

static const char *const statement_texts[STORE_STATEMENT_COUNT] = {
    [STORE_BEGIN] = "BEGIN IMMEDIATE",
    [STORE_COMMIT] = "COMMIT",
    [STORE_INSERT] = "INSERT INTO messages (id, time, size, sum, sequence, flags, source, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [STORE_OLDEST] = "SELECT id, time, size FROM messages ORDER BY id",
    [STORE_DELETE] = "DELETE FROM messages WHERE id <= ?1",
    [STORE_SET_STATE] = "UPDATE state SET last_id = ?1, messages = ?2, bytes = ?3, dropped = ?4, expired = ?5, damaged = ?6 WHERE one = 1",
    [STORE_SET_TARGET] = "INSERT OR REPLACE INTO targets (name, done) VALUES (?1, ?2)",
    [STORE_READ] = "SELECT id, time, size, sum, sequence, flags, source, data FROM messages WHERE id > ?1 AND id <= ?2 ORDER BY id",
};

int store_statement(struct store *store, enum store_statement which, sqlite3_stmt **ret) {
    if (!store->statements[which]) {
        int result = sqlite3_prepare_v3(store->db, statement_texts[which], -1, SQLITE_PREPARE_PERSISTENT, &store->statements[which], NULL);
        if (result != SQLITE_OK)
            return result;
    }
    *ret = store->statements[which];
    return SQLITE_OK;
}

/* Runs a statement that gives no rows. */
static int run(sqlite3_stmt *statement) {
    int result = sqlite3_step(statement);
    sqlite3_reset(statement);
    return result == SQLITE_DONE ? SQLITE_OK : result;
}

static int run_one(struct store *store, enum store_statement which) {
    sqlite3_stmt *statement;
    int result = store_statement(store, which, &statement);
    return result == SQLITE_OK ? run(statement) : result;
}

int store_simple(struct store *store, const char *sql) {
    return sqlite3_exec(store->db, sql, NULL, NULL, NULL);
}

int store_open(struct store *store, const char *path, struct kith_error *error) {
    *store = (struct store){.path = path};
    int result = sqlite3_open_v2(path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, NULL);

    if (result == SQLITE_OK)
        result = sqlite3_extended_result_codes(store->db, 1);
    if (result == SQLITE_OK) /* a page that makes no sense is an error before it is used */
        result = sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (result == SQLITE_OK)
        result = store_simple(store, "PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF; PRAGMA synchronous = FULL;");
    if (result == SQLITE_OK)
        result = sqlite3_wal_autocheckpoint(store->db, CHECKPOINT_PAGES);
    if (result == SQLITE_OK)
        return 0;
    int r = store_error(store, result, "open", error);
    store_close(store, true);
    return r;
}

void store_close(struct store *store, bool keep_log) {
    for (size_t i = 0; i < STORE_STATEMENT_COUNT; i++)
        sqlite3_finalize(store->statements[i]);
    if (store->db)
        sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep_log, NULL);
    sqlite3_close(store->db);
    *store = STORE_INIT;
}

/* The first column of the first row, as a number. */
static int number_of(struct store *store, const char *sql, int64_t *ret) {
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);

    if (result == SQLITE_OK)
        result = sqlite3_step(statement);
    if (result == SQLITE_ROW) {
        *ret = sqlite3_column_int64(statement, 0);
        result = SQLITE_OK;
    } else if (result == SQLITE_DONE) {
        result = SQLITE_CORRUPT;
    }
    sqlite3_finalize(statement);
    return result;
}

int store_create(struct store *store, uint64_t last_id, struct kith_error *error) {
    sqlite3_stmt *statement = NULL;
    uint8_t id[SPOOL_ID_SIZE];
    char text[128];

    if (getrandom(id, sizeof(id), 0) != (ssize_t)sizeof(id))
        return kith_error_set(error, -EIO, "%s: getrandom: %s", store->path, kith_error_name(-errno));
    snprintf(text, sizeof(text), "PRAGMA application_id = %d; PRAGMA user_version = %d;", APPLICATION_ID, FORMAT);
    int result = store_simple(store, "BEGIN IMMEDIATE");
    if (result == SQLITE_OK)
        result = store_simple(store, text);
    if (result == SQLITE_OK)
        result = store_simple(store, schema);
    if (result == SQLITE_OK)
        result = sqlite3_prepare_v2(store->db, "INSERT INTO state VALUES (1, ?1, ?2, ?3, 0, 0, 0, 0, 0)", -1, &statement, NULL);
    if (result == SQLITE_OK) {
        sqlite3_bind_int64(statement, 1, FORMAT);
        sqlite3_bind_blob(statement, 2, id, sizeof(id), SQLITE_STATIC);
        sqlite3_bind_int64(statement, 3, (int64_t)last_id);
        result = run(statement);
    }
    sqlite3_finalize(statement);
    if (result == SQLITE_OK)
        result = store_simple(store, "COMMIT");
    if (result == SQLITE_OK)
        return store_load_state(store, error);
    int r = store_error(store, result, "create", error);
    store_rollback(store);
    return r;
}

/* Runs a pragma that answers with this word, or else. */
static int pragma(struct store *store, const char *sql, const char *answer, int otherwise) {
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);

    if (result == SQLITE_OK)
        result = sqlite3_step(statement);
    if (result == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(statement, 0);
        result = text && strcmp(text, answer) == 0 ? SQLITE_OK : otherwise;
    }
    sqlite3_finalize(statement);
    return result == SQLITE_DONE ? otherwise : result;
}

int store_use_log(struct store *store, struct kith_error *error) {
    int result = pragma(store, "PRAGMA journal_mode = WAL", "wal", SQLITE_CANTOPEN);
    return result == SQLITE_OK ? 0 : store_error(store, result, "write-ahead log", error);
}

int store_checkpoint(struct store *store, struct kith_error *error) {
    int result = sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    return result == SQLITE_OK ? 0 : store_error(store, result, "checkpoint", error);
}

int store_check(struct store *store, bool *ret_empty, struct kith_error *error) {
    int64_t application = 0, version = 0, tables = 0, ours = 0, format = 0, pages = 0, missing = 0;

    int result = number_of(store, "SELECT count(*) FROM sqlite_schema", &tables);
    if (result == SQLITE_OK)
        result = number_of(store, "PRAGMA application_id", &application);
    if (result == SQLITE_OK)
        result = number_of(store, "PRAGMA user_version", &version);
    if (result == SQLITE_OK)
        result = number_of(store, "PRAGMA page_count", &pages);
    if (result == SQLITE_OK)
        result = number_of(store, "SELECT count(*) FROM sqlite_schema WHERE name IN ('messages', 'targets', 'state')", &ours);
    *ret_empty = result == SQLITE_OK && tables == 0 && application == 0;
    if (result != SQLITE_OK || *ret_empty)
        return result == SQLITE_OK ? 0 : store_error(store, result, "open", error);
    if (application != APPLICATION_ID && ours == 0)
        return kith_error_set(error, -EEXIST, "%s: is a database of another program: name another file for the spool", store->path);
    if (application != APPLICATION_ID || ours != 3)
        return kith_error_set(error, -EUCLEAN, "%s: is damaged: its header or its tables", store->path);
    result = number_of(store, "SELECT format FROM state", &format);
    if (result == SQLITE_OK && format == version && format > FORMAT)
        return kith_error_set(error, -EPROTO, "%s: was made by a newer version of kith (format %lld, this one knows %d): use that one",
                              store->path, (long long)format, FORMAT);
    if (result == SQLITE_OK && (format != FORMAT || version != FORMAT))
        result = SQLITE_CORRUPT;
    if (result == SQLITE_OK && pages <= CHECK_WHOLE_PAGES)
        result = pragma(store, "PRAGMA quick_check(1)", "ok", SQLITE_CORRUPT);
    /* Rows can be missing from pages that are right by themselves. */
    if (result == SQLITE_OK && pages <= CHECK_WHOLE_PAGES)
        result = number_of(store, "SELECT (SELECT count(*) FROM messages) - messages FROM state", &missing);
    if (missing != 0)
        result = SQLITE_CORRUPT;
    return result == SQLITE_OK ? 0 : store_error(store, result, "check", error);
}

int store_load_state(struct store *store, struct kith_error *error) {
    struct store_state *state = &store->state;
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(
        store->db, "SELECT spool_id, last_id, messages, bytes, dropped, expired, damaged FROM state WHERE one = 1", -1, &statement, NULL);
    int64_t greatest = 0;

    if (result == SQLITE_OK)
        result = sqlite3_step(statement);
    if (result == SQLITE_ROW && sqlite3_column_bytes(statement, 0) == SPOOL_ID_SIZE) {
        memcpy(state->spool_id, sqlite3_column_blob(statement, 0), SPOOL_ID_SIZE);
        uint64_t *const numbers[] = {&state->last_id, &state->messages, &state->bytes, &state->dropped, &state->expired, &state->damaged};
        for (size_t i = 0; i < KITH_ARRAY_SIZE(numbers); i++)
            *numbers[i] = (uint64_t)sqlite3_column_int64(statement, (int)i + 1);
        result = SQLITE_OK;
    } else if (result == SQLITE_ROW || result == SQLITE_DONE) {
        result = SQLITE_CORRUPT;
    }
    sqlite3_finalize(statement);
    if (result == SQLITE_OK)
        result = number_of(store, "SELECT ifnull(max(id), 0) FROM messages", &greatest);
    if (result == SQLITE_OK && ((uint64_t)greatest > state->last_id || state->last_id >= INT64_MAX / 2))
        result = SQLITE_CORRUPT; /* they are written together */
    return result == SQLITE_OK ? 0 : store_error(store, result, "read", error);
}

int store_load_cursor(struct store *store, const char *target, uint64_t *ret_id) {
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(store->db, "SELECT done FROM targets WHERE name = ?1", -1, &statement, NULL);

    if (result == SQLITE_OK)
        result = sqlite3_bind_text(statement, 1, target, -1, SQLITE_STATIC);
    if (result == SQLITE_OK)
        result = sqlite3_step(statement);
    if (result == SQLITE_ROW)
        *ret_id = (uint64_t)sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return result == SQLITE_ROW ? 0 : result == SQLITE_DONE ? -ENOENT : store_code(result);
}

int store_set_targets(struct store *store, const char *const *targets, const uint64_t *cursors, unsigned count, struct kith_error *error) {
    int result = store_begin(store);

    if (result == SQLITE_OK)
        result = store_simple(store, "DELETE FROM targets");
    for (unsigned i = 0; i < count && result == SQLITE_OK; i++)
        result = store_set_cursor(store, targets[i], cursors[i]);
    if (result == SQLITE_OK)
        result = store_end(store, &store->state);
    if (result == SQLITE_OK)
        return 0;
    int r = store_error(store, result, "write targets", error);
    store_rollback(store);
    return r;
}

int store_begin(struct store *store) {
    return run_one(store, STORE_BEGIN);
}

int store_set_cursor(struct store *store, const char *target, uint64_t id) {
    sqlite3_stmt *statement;
    int result = store_statement(store, STORE_SET_TARGET, &statement);

    if (result != SQLITE_OK)
        return result;
    sqlite3_bind_text(statement, 1, target, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, (int64_t)id);
    return run(statement);
}

int store_end(struct store *store, const struct store_state *state) {
    sqlite3_stmt *statement;
    int result = store_statement(store, STORE_SET_STATE, &statement);

    if (result != SQLITE_OK)
        return result;
    const uint64_t numbers[] = {state->last_id, state->messages, state->bytes, state->dropped, state->expired, state->damaged};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(numbers); i++)
        sqlite3_bind_int64(statement, (int)i + 1, (int64_t)numbers[i]);
    result = run(statement);
    if (result == SQLITE_OK && sqlite3_changes(store->db) != 1)
        result = SQLITE_CORRUPT;
    if (result == SQLITE_OK)
        result = run_one(store, STORE_COMMIT);
    if (result == SQLITE_OK)
        store->state = *state;
    return result;
}

void store_rollback(struct store *store) {
    if (!sqlite3_get_autocommit(store->db))
        (void)store_simple(store, "ROLLBACK");
}

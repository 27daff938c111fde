/* See salvage.h. */
#include "gateway/spool/salvage.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "gateway/spool/file.h"

#define ROWS_PER_COMMIT 8192

/* Behind a page that cannot be read: first in steps of few messages, so that no readable page is left out, then in doubling ones. */
#define SKIP 4
#define SKIPS_BEFORE_DOUBLING 1024

struct salvage {
    struct store *into;
    struct store_state state;
    uint64_t last; /* looked at up to here */
    uint64_t carried;
    unsigned rows; /* in this transaction */
    int result;    /* of writing */
};

static int copy_row(int code, const struct spool_message *message, void *userdata) {
    struct salvage *salvage = userdata;
    struct batch_record record = {.id = message->id, .sequence = message->sequence, .time_ms = message->time_ms, .flags = message->flags};

    salvage->last = message->id;
    if (code < 0)
        return 0;
    record.source_size = (uint32_t)strlen(message->source);
    record.data_size = (uint32_t)message->size;
    salvage->result = store_insert(salvage->into, &record, message->source, message->data);
    if (salvage->result != SQLITE_OK)
        return 1;
    salvage->carried++;
    salvage->state.messages++;
    salvage->state.bytes += batch_charge(record.source_size, record.data_size);
    if (record.id > salvage->state.last_id)
        salvage->state.last_id = record.id;
    return ++salvage->rows == ROWS_PER_COMMIT;
}

static int copy_rows(struct salvage *salvage, struct store *from, uint64_t up_to) {
    uint64_t skip = SKIP, at = 0;
    unsigned skips = 0;

    while (at < up_to) {
        uint64_t carried = salvage->carried;
        salvage->rows = 0;
        salvage->last = at;
        salvage->result = store_begin(salvage->into);
        if (salvage->result != SQLITE_OK)
            return salvage->result;
        int r = store_read(from, at, up_to, copy_row, salvage, NULL);
        if (salvage->result == SQLITE_OK)
            salvage->result = store_end(salvage->into, &salvage->state);
        if (salvage->result != SQLITE_OK)
            return salvage->result;
        if (r == 0 && salvage->rows < ROWS_PER_COMMIT)
            break; /* the end */
        if (salvage->carried > carried)
            skip = SKIP;
        else if (++skips > SKIPS_BEFORE_DOUBLING)
            skip *= 2;
        at = salvage->last;
        if (r < 0)
            at = skip > up_to - at ? up_to : at + skip;
    }
    return SQLITE_OK;
}

static int copy_targets(struct store *from, struct store *into) {
    sqlite3_stmt *statement = NULL;
    int result = store_begin(into);

    if (result == SQLITE_OK && sqlite3_prepare_v2(from->db, "SELECT name, done FROM targets", -1, &statement, NULL) == SQLITE_OK)
        while (result == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW) {
            const char *name = (const char *)sqlite3_column_text(statement, 0);
            if (name && sqlite3_column_int64(statement, 1) >= 0)
                result = store_set_cursor(into, name, (uint64_t)sqlite3_column_int64(statement, 1));
        }
    sqlite3_finalize(statement);
    return result == SQLITE_OK ? store_end(into, &into->state) : result;
}

int spool_salvage(const char *damaged, const struct store_state *known, struct store *into, struct salvage_result *ret,
                  struct kith_error *error) {
    struct salvage salvage = {.into = into, .state = into->state};
    struct store_state had = {0};
    _cleanup_(store_deinit) struct store from = STORE_INIT;

    *ret = (struct salvage_result){.lost_is_known = known};
    int readable = store_open(&from, damaged, NULL);
    if (known) {
        had = *known;
    } else if (readable == 0 && store_load_state(&from, NULL) == 0) {
        had = from.state;
        ret->lost_is_known = true;
    }
    salvage.state.dropped = had.dropped;
    salvage.state.expired = had.expired;
    if (had.last_id > salvage.state.last_id)
        salvage.state.last_id = had.last_id;
    int result = readable == 0 ? copy_rows(&salvage, &from, known ? known->last_id : INT64_MAX / 4) : SQLITE_OK;
    if (result == SQLITE_OK && readable == 0)
        result = copy_targets(&from, into);
    ret->carried = salvage.carried;
    ret->lost = had.messages > salvage.carried ? had.messages - salvage.carried : 0;
    salvage.state.damaged = had.damaged + ret->lost;
    if (result == SQLITE_OK)
        result = store_begin(into);
    if (result == SQLITE_OK)
        result = store_end(into, &salvage.state);
    return result == SQLITE_OK ? 0 : store_error(into, result, "carry over", error);
}

static int make_new(const char *path, const char *name, const struct store_state *known, struct salvage_result *ret,
                    struct kith_error *error) {
    _cleanup_(store_deinit) struct store fresh = STORE_INIT;

    spool_file_forget_new(name);
    int r = spool_file_prepare(name, error);
    if (r == 0)
        r = store_open(&fresh, name, error);
    if (r == 0)
        r = store_use_log(&fresh, error);
    if (r == 0)
        r = store_create(&fresh, known ? known->last_id : 0, error);
    if (r == 0) /* should it not get to its end, it is made again */
        r = store_code(store_simple(&fresh, "PRAGMA synchronous = OFF"));
    if (r == 0)
        r = spool_salvage(path, known, &fresh, ret, error);
    if (r == 0)
        r = store_checkpoint(&fresh, error);
    if (r < 0)
        return r;
    store_close(&fresh, false);
    return spool_file_sync(name, error);
}

int spool_replace(const char *path, const char *why, const struct store_state *known, char **ret_text, struct kith_error *error) {
    _cleanup_(freep) char *name = spool_file_new_name(path), *aside = NULL;
    struct salvage_result salvage;
    char lost[64] = "how many are lost is not known";

    if (!name)
        return kith_error_set(error, -ENOMEM, "%s: out of memory", path);
    int r = spool_file_adopt(path, error);
    if (r > 0) { /* the last attempt came as far */
        if (asprintf(ret_text, "%s; it was set aside, and a new file is in its place", why) < 0)
            *ret_text = NULL;
        return 0;
    }
    if (r < 0)
        return r;
    r = make_new(path, name, known, &salvage, error);
    if (r == 0)
        r = spool_file_set_aside(path, &aside, error);
    if (r == 0)
        r = spool_file_adopt(path, error);
    if (r < 0)
        return r;
    if (salvage.lost_is_known)
        snprintf(lost, sizeof(lost), "%llu are lost", (unsigned long long)salvage.lost);
    if (asprintf(ret_text, "%s; set aside as %s; %llu messages were carried over into a new file, %s", why, aside,
                 (unsigned long long)salvage.carried, lost) < 0)
        *ret_text = NULL;
    return 0;
}

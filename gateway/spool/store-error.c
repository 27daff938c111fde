/* gateway/spool/store-error.c: what SQLite says, as an errno and as a text with the remedy. */
#include <errno.h>

#include "base/error.h"
#include "gateway/spool/store.h"

int store_code(int result) {
    switch (result & 0xff) {
    case SQLITE_OK:
        return 0;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_READONLY:
        return -EROFS;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CONSTRAINT: /* of tables that nobody else writes: an id that is there already, a value that is not what was written */
    case SQLITE_ERROR:      /* of statements that are right: a table or a column is not there */
    case SQLITE_SCHEMA:
    case SQLITE_MISMATCH:
        return -EUCLEAN;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return -EACCES;
    case SQLITE_TOOBIG:
        return -EMSGSIZE;
    default:
        return -EIO;
    }
}

static const char *remedy(int code) {
    switch (code) {
    case -ENOSPC:
    case -EDQUOT:
        return "the disk is full: make room, or move the spool to another one";
    case -EROFS:
        return "it cannot be written: look at its mode, and whether the file system is mounted read-only";
    case -EUCLEAN:
        return "it is damaged";
    case -EBUSY:
        return "another program has it open: end that one";
    case -ENOMEM:
        return "out of memory";
    case -EACCES:
        return "this user may not use it: look at its owner and mode";
    default:
        return "look at the disk and at the kernel's log";
    }
}

int store_error(const struct store *store, int result, const char *what, struct kith_error *error) {
    int code = store_code(result);
    int system = store->db && (code == -EIO || (result & 0xff) == SQLITE_CANTOPEN) ? sqlite3_system_errno(store->db) : 0;

    if (system > 0)
        code = -system;
    return kith_error_set(error, code, "%s: %s: %s%s%s: %s", store->path, what, sqlite3_errstr(result), system > 0 ? ": " : "",
                          system > 0 ? kith_error_name(-system) : "", remedy(code));
}

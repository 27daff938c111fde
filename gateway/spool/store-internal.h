/* gateway/spool/store-internal.h: what the files of the store share. */
#ifndef KITH_GATEWAY_SPOOL_STORE_INTERNAL_H
#define KITH_GATEWAY_SPOOL_STORE_INTERNAL_H

#include "gateway/spool/store.h"

/* Prepared with its first use. A result of SQLite's. */
int store_statement(struct store *store, enum store_statement which, sqlite3_stmt **ret);

#endif

/*
 * gateway/spool/file.h: the files of a spool, as files: whose they are, who has them open, and where a damaged one goes.
 */
#ifndef KITH_GATEWAY_SPOOL_FILE_H
#define KITH_GATEWAY_SPOOL_FILE_H

#include <kith/error.h>

/* PATH with its folder's real path, so that no part but the last can be a symbolic link: to free(). */
int spool_file_resolve(const char *path, char **ret_path, struct kith_error *error);
/* Opens and locks PATH.lock. Returns the descriptor. Errors: -EBUSY, those of open(2). */
int spool_file_lock(const char *path, struct kith_error *error);
/* Creates the file 0600 when there is none, and looks at whose it is. To be called with the lock held and while nothing has the file open:
 * closing a descriptor takes SQLite's own locks away. Errors: -ELOOP, -EPERM, those of open(2). */
int spool_file_prepare(const char *path, struct kith_error *error);
/* A damaged file is replaced by one that is made beside it: PATH.new, whole and with no write-ahead log before the old one is moved.
 * Its name, to free(); NULL: no memory. */
char *spool_file_new_name(const char *path);
/* fsync(2) of a file that nobody has open. */
int spool_file_sync(const char *path, struct kith_error *error);
/* What is left of one that was not finished. */
void spool_file_forget_new(const char *new_name);
/* There is no PATH and PATH.new is there (the process died between two renames): it becomes PATH. Returns 1 then, else 0. */
int spool_file_adopt(const char *path, struct kith_error *error);
/* Moves the file, its -wal and its -shm to PATH.corrupt-YYYYMMDDTHHMMSSZ, whose name is to free(). Whenever the process dies meanwhile,
 * each of them is still there under one name or the other. */
int spool_file_set_aside(const char *path, char **ret_aside, struct kith_error *error);

#endif

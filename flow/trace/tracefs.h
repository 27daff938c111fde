/* flow/trace/tracefs.h: the files that control ftrace. Names are relative to the directory. */
#ifndef KITH_FLOW_TRACEFS_H
#define KITH_FLOW_TRACEFS_H

#include <stdbool.h>
#include <stddef.h>

#include <kith/error.h>

#define FLOW_TRACEFS_FILE_MAX ((size_t)64 * 1024 * 1024)

/* Opens the directory: `path`, or where it is usually mounted. It can be controlled then. Errors, with a text that says why: -ENOENT,
 * -EACCES (who may), -EPERM (the kernel is locked down). */
int flow_tracefs_open(const char *path, int *ret_fd, struct kith_error *ret_error);

/* Writes all of it; the kernel takes some files a word at a time. `empty`: what was in a list goes first. Errors: those of write(2). */
int flow_tracefs_write(int directory, const char *name, const char *text, bool empty);
int flow_tracefs_write_number(int directory, const char *name, unsigned long number);
/* To free(). Errors: those of kith_file_read(). */
int flow_tracefs_read(int directory, const char *name, char **ret_text, size_t *ret_size);

#endif

/*
 * cli/output.h: standard output and standard error of the kith command.
 *
 * Standard output is line-buffered, so that a reader of a pipe sees each line when it is written. A reader that has gone (EPIPE) is no
 * error: the command ends quietly. Output that cannot be written (ENOSPC) is: it is said once, and the exit status tells.
 */
#ifndef KITH_CLI_OUTPUT_H
#define KITH_CLI_OUTPUT_H

#include <stddef.h>

#include <kith/error.h>

/* Before anything is written. SIGPIPE is ignored from then on. */
void cli_output_init(void);
/* Each returns 0, or -errno when standard output can no longer be written; what comes after is then ignored. */
int cli_output(const void *data, size_t size);
int cli_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
int cli_flush(void);
/* At the end: writes what is buffered. Returns `status`, or CLI_ERROR after it has said why output is incomplete. */
int cli_output_finish(int status);

/* "kith: ..." on standard error. */
void cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Always CLI_ERROR. */
int cli_fail(const struct kith_error *error);

#endif

/*
 * cli/exec.h: a command for each request: kith rep --exec.
 *
 * /bin/sh -c COMMAND gets the request's frames on standard input, one newline between frames, and who sent it in its environment
 * (KITH_PID, KITH_UID, KITH_GID, KITH_EXE, KITH_ORIGIN as JSON, KITH_FRAMES; what is not known is not set). What it prints is the reply. It
 * is the leader of a process group of its own, which is killed as a whole when the time is up or the output too long.
 *
 * At most `jobs` commands run at a time; further requests wait. Here is said when enough of them do: who adds them then stops reading, so
 * that what waits is bounded and nothing is dropped. Nothing here blocks: pipes, child and time are events of the loop.
 */
#ifndef KITH_CLI_EXEC_H
#define KITH_CLI_EXEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kith/loop.h>
#include <kith/msg.h>

#include "base/cleanup.h"

/* Requests, and octets as max-message counts them. */
#define CLI_EXEC_WAITING_MAX 1000
#define CLI_EXEC_WAITING_OCTETS ((size_t)64 << 20)

struct cli_exec;

struct cli_exec_options {
    const char *command;
    size_t jobs;
    uint64_t timeout_ms; /* 0: none */
    size_t output_max;   /* octets */
};

struct cli_exec_result {
    const char *failure; /* NULL: the command ended with status 0; else in words: "exit status 3", "killed by SIGSEGV" */
    const void *output;
    size_t output_size;
};

/* A command has ended. The request belongs to the callback; the result is lent. */
typedef void (*cli_exec_fn)(kith_msg *request, size_t first_frame, const struct cli_exec_result *result, void *userdata);

/* Errors: -ENOMEM. */
int cli_exec_new(kith_loop *loop, const struct cli_exec_options *options, cli_exec_fn fn, void *userdata, struct cli_exec **ret_exec);
/* Kills what runs, frees what waits; no callback follows. NULL is allowed. Always NULL. */
struct cli_exec *cli_exec_free(struct cli_exec *exec);

/* Runs the command for a request whose body begins with frame `first_frame` (consumed when 0 is returned), now or when its turn comes. A
 * command that cannot be started is a failure told to the callback. Full or not: what was received is taken. Errors: -ENOMEM. */
int cli_exec_add(struct cli_exec *exec, kith_msg *request, size_t first_frame);
/* Do as many requests (or octets of them) wait as may? Shall reading go on, as half of them are gone? */
bool cli_exec_full(const struct cli_exec *exec);
bool cli_exec_low(const struct cli_exec *exec);
/* Requests whose command runs or is yet to run. */
size_t cli_exec_pending(const struct cli_exec *exec);

KITH_DEFINE_CLEANUP(struct cli_exec *, cli_exec_free)

#endif

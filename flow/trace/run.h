/* flow/trace/run.h: a program is run, or running ones are watched, and recorded from its first instruction to its end. */
#ifndef KITH_FLOW_RUN_H
#define KITH_FLOW_RUN_H

#include "flow/trace/trace.h"

struct flow_run {
    struct flow_trace_options trace;
    const char *scenario; /* a scenario's name: `command` is the program for scenarios, and says who plays which role */
    char *const *command; /* NULL: `pid` is watched until it ends, or until SIGINT or SIGTERM */
    pid_t pid;
};

/* Writes the recording to fd. SIGINT and SIGTERM end it, and it is whole all the same; their handlers are put back. *ret_status: the
 * command's, as waitpid(2) gives it. Errors, with text: those of flow_trace_new(), -ESRCH (no such process), -ENOEXEC... (the command
 * cannot be started). */
int flow_run(const struct flow_run *run, int fd, int *ret_status, struct kith_error *ret_error);

#endif

/*
 * flow/trace/trace.h: ftrace of the running kernel, set up, read along and set back: what makes a recording.
 *
 * Owns the top instance of tracefs between flow_trace_new() and flow_trace_free() (function_graph works in no other before Linux 6.2). The
 * state file (state.h) undoes a recorder that did not come to its free.
 */
#ifndef KITH_FLOW_TRACE_H
#define KITH_FLOW_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <kith/error.h>

#include "base/cleanup.h"
#include "flow/recording/recording.h"

struct flow_trace_options {
    const char *tracefs;    /* NULL: where it is mounted */
    const char *state_file; /* NULL: FLOW_STATE_FILE */
    bool probes_only;       /* events of sockets and packets, no functions */
    bool every_task;        /* else only `pids` and their children */
    bool is_disposable;     /* a machine that is switched off afterwards: nothing is saved and set back */
    const char *note;       /* that META shall show, or NULL */
    unsigned buffer_kb;     /* a processor's; 0: enough between two readings */
};

/* What META says besides the kernel. All may be NULL. */
struct flow_trace_subject {
    const char *scenario;
    char *const *command; /* ended by NULL */
    struct flow_trace_role {
        pid_t pid;
        const char *role; /* "client" or "server" */
    } const *roles;
    size_t role_count;
    const pid_t *pids;
    size_t pid_count;
};

/* Can this host be recorded by this process? Nothing is changed. Errors, with text: those of flow_tracefs_open(). */
int flow_trace_check(const char *tracefs, struct kith_error *ret_error);

struct flow_trace;

/* Saves the host's settings and sets ours; nothing is recorded yet. Errors, with text: those of flow_tracefs_open() and flow_state_save(),
 * -EBUSY (another tracer is in use), those of setting. */
int flow_trace_new(const struct flow_trace_options *options, struct flow_trace **ret_trace, struct kith_error *ret_error);
/* Says what is recorded, and records from now on. */
int flow_trace_begin(struct flow_trace *trace, const struct flow_trace_subject *subject, struct flow_writer *writer,
                     struct kith_error *ret_error);
/* Takes what the buffers hold into the recording; to be called often enough that they do not overflow. Returns the number of pages. */
int flow_trace_drain(struct flow_trace *trace, struct flow_writer *writer, struct kith_error *ret_error);
/* Records no more, and writes the rest of the recording up to its end. */
int flow_trace_end(struct flow_trace *trace, struct flow_writer *writer, struct kith_error *ret_error);
/* Sets everything back. The error of that, if one was met, comes from flow_trace_restore(), which can be called again. */
struct flow_trace *flow_trace_free(struct flow_trace *trace);
KITH_DEFINE_CLEANUP(struct flow_trace *, flow_trace_free)

/* Undoes a recorder that was killed. NULL: the usual places. Errors, with text: -ENOENT (nothing to restore), those of tracefs. */
int flow_trace_restore(const char *tracefs, const char *state_file, struct kith_error *ret_error);

#endif

/* flow/trace/internal.h: what the files of this room share. */
#ifndef KITH_FLOW_TRACE_INTERNAL_H
#define KITH_FLOW_TRACE_INTERNAL_H

#include "flow/btf/btf.h"
#include "flow/trace/functions.h"
#include "flow/trace/seen.h"
#include "flow/trace/trace.h"

struct flow_trace_cpu {
    unsigned number;
    int fd; /* trace_pipe_raw */
};

struct flow_trace {
    int directory;
    char *state_file;
    bool probes_only, every_task, saved;
    struct flow_btf *btf; /* NULL: the kernel has none */
    struct flow_functions *functions;
    struct flow_trace_cpu *cpus;
    size_t cpu_count;
    struct flow_seen seen;
    char *notes; /* lines that META has to show */
    char *page;
    size_t page_size;
};

/* setup.c: everything before recording. Somebody else's tracing shall not be disturbed: -EBUSY. */
int flow_trace_check_unused(const struct flow_trace *trace, struct kith_error *error);
int flow_trace_set_up(struct flow_trace *trace, const struct flow_trace_options *options, struct kith_error *error);
int flow_trace_set_pids(struct flow_trace *trace, const struct flow_trace_subject *subject, struct kith_error *error);
int flow_trace_note(struct flow_trace *trace, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* sections.c: everything but pages. */
int flow_trace_write_head(struct flow_trace *trace, const struct flow_trace_subject *subject, struct flow_writer *writer);
int flow_trace_write_tail(struct flow_trace *trace, struct flow_writer *writer);

#endif

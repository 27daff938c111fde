/* flow/trace/trace.c: see trace.h. */
#include "flow/trace/trace.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "flow/trace/internal.h"
#include "flow/trace/state.h"
#include "flow/trace/tracefs.h"

int flow_trace_check(const char *tracefs, struct kith_error *ret_error) {
    _cleanup_(kith_closep) int directory = -1;

    return flow_tracefs_open(tracefs, &directory, ret_error);
}

static int trace_new(const struct flow_trace_options *options, struct flow_trace **ret_trace) {
    struct flow_trace *trace = calloc(1, sizeof(*trace));
    if (!trace)
        return -ENOMEM;
    *trace = (struct flow_trace){.directory = -1, .probes_only = options->probes_only, .every_task = options->every_task};
    trace->state_file = strdup(options->state_file ? options->state_file : FLOW_STATE_FILE);
    *ret_trace = trace;
    return trace->state_file ? 0 : -ENOMEM;
}

int flow_trace_new(const struct flow_trace_options *options, struct flow_trace **ret_trace, struct kith_error *ret_error) {
    _cleanup_(flow_trace_freep) struct flow_trace *trace = NULL;
    int r = trace_new(options, &trace);
    if (r < 0)
        return kith_error_set(ret_error, r, "no memory");
    r = flow_tracefs_open(options->tracefs, &trace->directory, ret_error);
    if (r == 0 && !options->is_disposable)
        r = flow_state_save(trace->directory, trace->state_file, ret_error);
    if (r < 0)
        return r;
    /* Behind the state file, which tells what a killed recorder has set from what somebody else has: nothing was changed yet, and nothing
     * is to be set back. */
    r = flow_trace_check_unused(trace, ret_error);
    if (r < 0) {
        if (!options->is_disposable)
            unlink(trace->state_file);
        return r;
    }
    trace->saved = !options->is_disposable;
    if (options->note && flow_trace_note(trace, "%s", options->note) < 0)
        return kith_error_set(ret_error, -ENOMEM, "no memory");
    r = flow_trace_set_up(trace, options, ret_error);
    if (r < 0)
        return r;
    *ret_trace = KITH_STEAL(trace);
    return 0;
}

int flow_trace_begin(struct flow_trace *trace, const struct flow_trace_subject *subject, struct flow_writer *writer,
                     struct kith_error *ret_error) {
    int r = flow_trace_set_pids(trace, subject, ret_error);
    if (r < 0)
        return r;
    r = flow_trace_write_head(trace, subject, writer);
    if (r == 0)
        r = flow_tracefs_write(trace->directory, "trace", "", true); /* what others left in the buffers */
    if (r == 0)
        r = flow_tracefs_write(trace->directory, "tracing_on", "1", false);
    return r < 0 ? kith_error_set(ret_error, r, "the recording cannot begin: %s", kith_error_name(r)) : 0;
}

static int drain_cpu(struct flow_trace *trace, const struct flow_trace_cpu *cpu, struct flow_writer *writer) {
    uint32_t number = htole32(cpu->number);
    int pages = 0;

    for (;; pages++) {
        ssize_t n = read(cpu->fd, trace->page, trace->page_size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0 || (n < 0 && errno == EAGAIN))
            return pages;
        if (n < 0)
            return -errno;
        struct flow_piece pieces[] = {{&number, sizeof(number)}, {trace->page, (size_t)n}};
        int r = flow_writer_add(writer, FLOW_PAGE, pieces, 2);
        if (r == 0)
            r = flow_seen_add_page(&trace->seen, trace->page, (size_t)n);
        if (r < 0)
            return r;
    }
}

int flow_trace_drain(struct flow_trace *trace, struct flow_writer *writer, struct kith_error *ret_error) {
    int pages = 0;

    for (size_t i = 0; i < trace->cpu_count; i++) {
        int r = drain_cpu(trace, &trace->cpus[i], writer);
        if (r < 0)
            return kith_error_set(ret_error, r, "the recording cannot go on: %s", kith_error_name(r));
        pages += r;
    }
    return pages;
}

int flow_trace_end(struct flow_trace *trace, struct flow_writer *writer, struct kith_error *ret_error) {
    int r = flow_tracefs_write(trace->directory, "tracing_on", "0", false);
    if (r < 0)
        return kith_error_set(ret_error, r, "ftrace cannot be stopped: %s", kith_error_name(r));
    r = flow_trace_drain(trace, writer, ret_error);
    if (r < 0)
        return r;
    r = flow_trace_write_tail(trace, writer);
    return r < 0 ? kith_error_set(ret_error, r, "the recording cannot be completed: %s", kith_error_name(r)) : 0;
}

struct flow_trace *flow_trace_free(struct flow_trace *trace) {
    if (!trace)
        return NULL;
    for (size_t i = 0; i < trace->cpu_count; i++)
        kith_close(trace->cpus[i].fd);
    if (trace->saved)
        flow_state_restore(trace->directory, trace->state_file, NULL);
    kith_close(trace->directory);
    flow_functions_free(trace->functions);
    flow_btf_free(trace->btf);
    flow_seen_deinit(&trace->seen);
    free(trace->cpus);
    free(trace->page);
    free(trace->notes);
    free(trace->state_file);
    free(trace);
    return NULL;
}

int flow_trace_restore(const char *tracefs, const char *state_file, struct kith_error *ret_error) {
    _cleanup_(kith_closep) int directory = -1;

    int r = flow_tracefs_open(tracefs, &directory, ret_error);
    return r < 0 ? r : flow_state_restore(directory, state_file ? state_file : FLOW_STATE_FILE, ret_error);
}

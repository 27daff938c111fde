/* flow/trace/setup.c: ftrace is set to record what the network does, and nothing else. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "flow/trace/internal.h"
#include "flow/trace/probes.h"
#include "flow/trace/tracefs.h"

/* Much more than a traced processor writes between two readings (run.c). */
#define BUFFER_KB 4096

static const struct {
    const char *name, *value;
    bool functions; /* an option of function_graph */
} options_set[] = {
    {"options/overwrite", "0", false},     {"options/record-cmd", "1", false},        {"options/event-fork", "1", false},
    {"options/function-fork", "1", false}, {"options/funcgraph-abstime", "1", true},  {"options/funcgraph-proc", "1", true},
    {"options/funcgraph-tail", "1", true}, {"options/funcgraph-overhead", "0", true}, {"options/funcgraph-irqs", "0", true},
    {"max_graph_depth", "0", false},
};
/* Lists in which another user's entries would hide something. */
static const char *const lists_emptied[] = {"set_ftrace_filter",      "set_ftrace_notrace", "set_graph_function",    "set_graph_notrace",
                                            "set_ftrace_notrace_pid", "set_ftrace_pid",     "set_event_notrace_pid", "set_event_pid"};

int flow_trace_note(struct flow_trace *trace, const char *format, ...) {
    char *line = NULL, *all = NULL;
    va_list args;
    va_start(args, format);
    int r = vasprintf(&line, format, args);
    va_end(args);
    if (r >= 0)
        r = asprintf(&all, "%s%s\n", trace->notes ? trace->notes : "", line);
    if (r >= 0) {
        free(trace->notes);
        trace->notes = all;
    }
    if (line)
        free(line);
    return r < 0 ? -ENOMEM : 0;
}

/* Settings --------------------------------------------------------------------------------------------------------------- */

static int set(struct flow_trace *trace, const char *name, const char *value, struct kith_error *error) {
    int r = flow_tracefs_write(trace->directory, name, value, false);

    return r < 0 ? kith_error_set(error, r, "ftrace: '%s' cannot be written to %s: %s", value, name, kith_error_name(r)) : 0;
}

static int set_options(struct flow_trace *trace, unsigned buffer_kb, struct kith_error *error) {
    char size[32];
    int r = 0;

    for (size_t i = 0; i < KITH_ARRAY_SIZE(lists_emptied); i++)
        flow_tracefs_write(trace->directory, lists_emptied[i], "", true); /* not every kernel has them all */
    /* One time for all processors, so that their events can be put in order. */
    r = set(trace, "trace_clock", "mono", error);
    for (size_t i = 0; r == 0 && i < KITH_ARRAY_SIZE(options_set); i++)
        if (!options_set[i].functions || !trace->probes_only) {
            r = flow_tracefs_write(trace->directory, options_set[i].name, options_set[i].value, false);
            r = r == -ENOENT ? 0 : r;
        }
    snprintf(size, sizeof(size), "%u", buffer_kb ? buffer_kb : BUFFER_KB);
    return r < 0 ? r : set(trace, "buffer_size_kb", size, error);
}

int flow_trace_check_unused(const struct flow_trace *trace, struct kith_error *error) {
    _cleanup_(freep) char *tracer = NULL, *events = NULL;
    int r = flow_tracefs_read(trace->directory, "current_tracer", &tracer, NULL);

    if (r == 0)
        r = flow_tracefs_read(trace->directory, "set_event", &events, NULL);
    if (r < 0)
        return kith_error_set(error, r, "ftrace: its settings cannot be read: %s", kith_error_name(r));
    tracer[strcspn(tracer, "\n")] = '\0';
    if (strcmp(tracer, "nop") != 0)
        return kith_error_set(error, -EBUSY, "ftrace is in use: somebody has set the tracer '%s' (current_tracer)", tracer);
    events[strcspn(events, "\n")] = '\0';
    if (*events)
        return kith_error_set(error, -EBUSY, "ftrace is in use: somebody has enabled the event %s (set_event)", events);
    return 0;
}

/* Functions -------------------------------------------------------------------------------------------------------------- */

static int read_functions(struct flow_trace *trace, struct kith_error *error) {
    char *available = NULL, *symbols = NULL;
    int r = flow_tracefs_read(trace->directory, "available_filter_functions", &available, NULL);

    if (r == 0)
        r = kith_file_read(AT_FDCWD, "/proc/kallsyms", FLOW_TRACEFS_FILE_MAX, &symbols, NULL);
    if (r < 0) {
        free(available);
        return kith_error_set(error, r, "the kernel's functions cannot be listed%s: %s",
                              r == -ENOENT ? " (it has no dynamic function tracer)" : "", kith_error_name(r));
    }
    r = flow_functions_new(available, symbols, trace->btf, &trace->functions);
    return r < 0 ? kith_error_set(error, r, "the kernel's functions cannot be listed: %s", kith_error_name(r)) : 0;
}

/* By number: the kernel then need not compare every name with every other. */
static int set_filter(struct flow_trace *trace, struct kith_error *error) {
    const struct flow_functions *functions = trace->functions;
    size_t room = functions->selected * 12 + 1;
    _cleanup_(freep) char *numbers = malloc(room);
    struct kith_text text = kith_text_init(numbers, numbers ? room : 0);

    for (size_t i = 0; i < functions->count; i++)
        if (functions->entries[i].selected)
            kith_text_printf(&text, "%zu\n", i + 1);
    if (!numbers)
        return kith_error_set(error, -ENOMEM, "no memory for the filter");
    int r = flow_tracefs_write(trace->directory, "set_ftrace_filter", numbers, true);
    return r < 0 ? kith_error_set(error, r, "ftrace: the filter of %zu functions is refused: %s", functions->selected, kith_error_name(r))
                 : 0;
}

/* Probes ----------------------------------------------------------------------------------------------------------------- */

/* One that this kernel cannot have is missed, and said; without the others there is still something to see. */
static int add_probe(struct flow_trace *trace, const struct flow_probe *probe) {
    char line[FLOW_PROBE_TEXT_MAX];
    struct kith_text text = kith_text_init(line, sizeof(line));
    int r = 0;

    if (probe->of_calls && trace->probes_only)
        return 0;
    if (probe->type == 't') {
        kith_text_printf(&text, "events/%s/enable", probe->target);
        r = flow_tracefs_write(trace->directory, line, "1", false);
    } else {
        r = flow_probe_write(probe, trace->btf, &text);
        if (r == 0)
            r = flow_tracefs_write(trace->directory, "dynamic_events", line, false);
    }
    return r < 0 ? flow_trace_note(trace, "no event '%s' from %s on this kernel: %s", probe->event, probe->target, kith_error_name(r)) : 0;
}

static int add_probes(struct flow_trace *trace, struct kith_error *error) {
    int r = 0;

    if (!trace->btf)
        return flow_trace_note(trace, "the kernel has no BTF: no sockets, packets and prototypes");
    for (size_t i = 0; r == 0 && i < flow_probe_count; i++)
        r = add_probe(trace, &flow_probes[i]);
    if (r < 0)
        return kith_error_set(error, r, "no memory");
    r = flow_tracefs_write(trace->directory, "events/kith/enable", "1", false);
    if (r == -ENOENT)
        return flow_trace_note(trace, "the kernel has no dynamic events: no sockets and packets");
    return r < 0 ? kith_error_set(error, r, "ftrace: the events cannot be enabled: %s", kith_error_name(r)) : 0;
}

/* Buffers ---------------------------------------------------------------------------------------------------------------- */

/* A page of the buffer; its size can be set on newer kernels, and is that of memory on others. */
static int prepare_page(struct flow_trace *trace) {
    _cleanup_(freep) char *text = NULL;

    trace->page_size = (size_t)sysconf(_SC_PAGESIZE);
    if (flow_tracefs_read(trace->directory, "buffer_subbuf_size_kb", &text, NULL) == 0 && atol(text) > 0)
        trace->page_size = (size_t)atol(text) * 1024;
    trace->page = malloc(trace->page_size);
    return trace->page ? 0 : -ENOMEM;
}

static int open_cpu(struct flow_trace *trace, unsigned number) {
    char name[64];
    struct flow_trace_cpu *cpus = reallocarray(trace->cpus, trace->cpu_count + 1, sizeof(*cpus));

    if (!cpus)
        return -ENOMEM;
    trace->cpus = cpus;
    snprintf(name, sizeof(name), "per_cpu/cpu%u/trace_pipe_raw", number);
    int fd = openat(trace->directory, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno == ENODEV || errno == ENXIO ? 0 : -errno; /* a processor that is not there */
    trace->cpus[trace->cpu_count++] = (struct flow_trace_cpu){number, fd};
    return 0;
}

static int open_cpus(struct flow_trace *trace) {
    int fd = openat(trace->directory, "per_cpu", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    unsigned number;

    if (!directory) {
        r = -errno;
        kith_close(fd);
        return r;
    }
    for (struct dirent *entry; r == 0 && (entry = readdir(directory));)
        if (sscanf(entry->d_name, "cpu%u", &number) == 1)
            r = open_cpu(trace, number);
    closedir(directory);
    return r;
}

static int prepare_seen(struct flow_trace *trace) {
    _cleanup_(freep) char *format = NULL, *header = NULL;
    int r = flow_tracefs_read(trace->directory, "events/ftrace/funcgraph_entry/format", &format, NULL);

    if (r == 0)
        r = flow_tracefs_read(trace->directory, "events/header_page", &header, NULL);
    if (r == 0)
        flow_seen_init(&trace->seen, format, header);
    return r;
}

static int open_buffers(struct flow_trace *trace, struct kith_error *error) {
    int r = prepare_page(trace);

    if (r == 0)
        r = prepare_seen(trace);
    if (r == 0)
        r = open_cpus(trace);
    return r < 0 ? kith_error_set(error, r, "ftrace: its buffers cannot be read: %s", kith_error_name(r)) : 0;
}

/* Tasks ------------------------------------------------------------------------------------------------------------------ */

static void put_pids_named(struct kith_text *text, const char *prefix) {
    DIR *proc = opendir("/proc");

    for (struct dirent *entry; proc && (entry = readdir(proc));) {
        char path[300];
        _cleanup_(freep) char *name = NULL;
        if (*entry->d_name < '0' || *entry->d_name > '9')
            continue;
        snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
        if (kith_file_read(AT_FDCWD, path, 256, &name, NULL) == 0 && strncmp(name, prefix, strlen(prefix)) == 0)
            kith_text_printf(text, "%s\n", entry->d_name);
    }
    if (proc)
        closedir(proc);
}

/* Softirqs run in the task that they interrupt, in ksoftirqd, and when nothing else runs (pid 0). Another task's are not recorded: whose
 * packets they are is not known. */
int flow_trace_set_pids(struct flow_trace *trace, const struct flow_trace_subject *subject, struct kith_error *error) {
    char list[16384];
    struct kith_text text = kith_text_init(list, sizeof(list));

    if (trace->every_task)
        return 0;
    for (size_t i = 0; i < subject->pid_count; i++)
        kith_text_printf(&text, "%d\n", (int)subject->pids[i]);
    put_pids_named(&text, "ksoftirqd/");
    kith_text_puts(&text, "0\n");
    if (text.length >= text.size)
        return kith_error_set(error, -E2BIG, "%zu processes are too many", subject->pid_count);
    if (flow_trace_note(trace, "softirqs that ran in other tasks than those recorded are missing") < 0)
        return kith_error_set(error, -ENOMEM, "no memory");
    int r = trace->probes_only ? 0 : flow_tracefs_write(trace->directory, "set_ftrace_pid", list, true);
    if (r == 0)
        r = flow_tracefs_write(trace->directory, "set_event_pid", list, true);
    return r < 0 ? kith_error_set(error, r, "ftrace: it cannot be told what to record: %s", kith_error_name(r)) : 0;
}

int flow_trace_set_up(struct flow_trace *trace, const struct flow_trace_options *options, struct kith_error *error) {
    int r = set(trace, "tracing_on", "0", error);
    if (r == 0 && flow_btf_open(FLOW_BTF_RUNNING, &trace->btf, NULL) < 0)
        trace->btf = NULL;
    if (r == 0)
        r = set_options(trace, options->buffer_kb, error);
    if (r == 0)
        r = read_functions(trace, error);
    if (r == 0 && !trace->probes_only)
        r = set_filter(trace, error);
    if (r == 0 && !trace->probes_only)
        r = set(trace, "current_tracer", "function_graph", error);
    if (r == 0)
        r = add_probes(trace, error);
    if (r == 0)
        r = open_buffers(trace, error);
    return r;
}

/* flow/trace/sections.c: what makes pages understandable: the formats of events, symbols, prototypes, tasks, losses. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <zlib.h>

#include "base/fd.h"
#include "flow/trace/internal.h"
#include "flow/trace/probes.h"
#include "flow/trace/tracefs.h"

#define CONFIG_MAX ((size_t)4 * 1024 * 1024)

static void json_freep(json_t **json) {
    json_decref(*json);
}

static int add_text(struct flow_writer *writer, enum flow_section_type type, const char *text, size_t size) {
    return flow_writer_add(writer, type, &(struct flow_piece){text, size}, 1);
}

/* META ----------------------------------------------------------------------------------------------------------------- */

static void put_kernel(const struct flow_trace *trace, json_t *meta) {
    struct utsname name;
    time_t now = time(NULL);
    struct tm utc;
    char at[32] = "";

    uname(&name);
    if (gmtime_r(&now, &utc))
        strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%SZ", &utc);
    json_object_set_new(meta, "kernel", json_string(name.release));
    json_object_set_new(meta, "build", json_string(name.version));
    json_object_set_new(meta, "machine", json_string(name.machine));
    json_object_set_new(meta, "recorded_at", json_string(at));
    json_object_set_new(meta, "page_size", json_integer((json_int_t)trace->page_size));
    json_object_set_new(meta, "cpus", json_integer((json_int_t)trace->cpu_count));
    json_object_set_new(meta, "probes_only", json_boolean(trace->probes_only));
}

/* Where net/ is said to be: whoever draws needs it, too. */
static void put_filter(const struct flow_trace *trace, json_t *meta) {
    const struct flow_functions *functions = trace->functions;
    json_t *filter = json_object();

    json_object_set_new(filter, "functions", json_integer((json_int_t)functions->selected));
    json_object_set_new(filter, "of", json_integer((json_int_t)functions->count));
    if (functions->net_end > functions->net_begin) {
        char text[2][32];
        snprintf(text[0], sizeof(text[0]), "%llx", (unsigned long long)functions->entries[functions->net_begin].address);
        snprintf(text[1], sizeof(text[1]), "%llx", (unsigned long long)functions->entries[functions->net_end - 1].address);
        json_object_set_new(filter, "net_first", json_string(text[0]));
        json_object_set_new(filter, "net_last", json_string(text[1]));
    }
    json_object_set_new(meta, "filter", filter);
}

static void put_subject(const struct flow_trace *trace, const struct flow_trace_subject *subject, json_t *meta) {
    json_t *roles = json_object(), *pids = json_array(), *command = json_array();
    char pid[16];

    for (size_t i = 0; i < subject->role_count; i++) {
        snprintf(pid, sizeof(pid), "%d", (int)subject->roles[i].pid);
        json_object_set_new(roles, pid, json_string(subject->roles[i].role));
    }
    for (size_t i = 0; i < subject->pid_count; i++)
        json_array_append_new(pids, json_integer(subject->pids[i]));
    for (char *const *word = subject->command; word && *word; word++) {
        json_t *text = json_string(*word);
        json_array_append_new(command, text ? text : json_string("?")); /* not UTF-8 */
    }
    json_object_set_new(meta, "roles", roles);
    if (!trace->every_task)
        json_object_set(meta, "pids", pids);
    if (subject->command)
        json_object_set(meta, "command", command);
    if (subject->scenario)
        json_object_set_new(meta, "scenario", json_string(subject->scenario));
    json_decref(pids);
    json_decref(command);
}

static int write_meta(const struct flow_trace *trace, const struct flow_trace_subject *subject, struct flow_writer *writer) {
    _cleanup_(json_freep) json_t *meta = json_object();
    json_t *notes = json_array();

    put_kernel(trace, meta);
    put_filter(trace, meta);
    put_subject(trace, subject, meta);
    for (const char *line = trace->notes; line && *line; line += strcspn(line, "\n") + 1)
        json_array_append_new(notes, json_stringn(line, strcspn(line, "\n")));
    json_object_set_new(meta, "notes", notes);
    _cleanup_(freep) char *text = json_dumps(meta, JSON_COMPACT);
    return text ? add_text(writer, FLOW_META, text, strlen(text)) : -ENOMEM;
}

/* Formats -------------------------------------------------------------------------------------------------------------- */

static int write_file(const struct flow_trace *trace, const char *name, enum flow_section_type type, struct flow_writer *writer) {
    _cleanup_(freep) char *text = NULL;
    size_t size;
    int r = flow_tracefs_read(trace->directory, name, &text, &size);

    return r < 0 ? r : add_text(writer, type, text, size);
}

static int write_formats(const struct flow_trace *trace, struct flow_writer *writer) {
    static const char *const functions[] = {"events/ftrace/funcgraph_entry/format", "events/ftrace/funcgraph_exit/format"};
    const char *last = "";
    int r = 0;

    for (size_t i = 0; r == 0 && i < KITH_ARRAY_SIZE(functions); i++)
        r = write_file(trace, functions[i], FLOW_EVENT, writer);
    for (size_t i = 0; r == 0 && i < flow_probe_count; i++) {
        char name[128];
        if (strcmp(flow_probes[i].event, last) == 0)
            continue;
        last = flow_probes[i].event;
        if (flow_probes[i].type == 't')
            snprintf(name, sizeof(name), "events/%s/format", flow_probes[i].target);
        else
            snprintf(name, sizeof(name), "events/kith/%s/format", last);
        r = write_file(trace, name, FLOW_EVENT, writer);
        r = r == -ENOENT ? 0 : r; /* said in a note */
    }
    return r;
}

int flow_trace_write_head(struct flow_trace *trace, const struct flow_trace_subject *subject, struct flow_writer *writer) {
    int r = write_meta(trace, subject, writer);
    if (r == 0)
        r = write_file(trace, "events/header_page", FLOW_HEADER_PAGE, writer);
    if (r == 0)
        r = write_formats(trace, writer);
    return r;
}

/* Tables --------------------------------------------------------------------------------------------------------------- */

static int write_symbols(const struct flow_trace *trace, struct flow_writer *writer) {
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);

    if (!file)
        return -ENOMEM;
    for (size_t i = 0; i < trace->functions->count; i++) {
        const struct flow_function_entry *entry = &trace->functions->entries[i];
        if (entry->selected && entry->address)
            fprintf(file, "%llx %s%s%s\n", (unsigned long long)entry->address, entry->name, entry->module ? " " : "",
                    entry->module ? entry->module : "");
    }
    int r = fclose(file) == 0 ? add_text(writer, FLOW_SYMBOLS, text, size) : -ENOMEM;
    free(text);
    return r;
}

/* Of the functions that occur. */
static int write_prototypes(const struct flow_trace *trace, struct flow_writer *writer) {
    char *text = NULL, line[1024];
    size_t size = 0;
    FILE *file = trace->btf ? open_memstream(&text, &size) : NULL;

    if (!file)
        return trace->btf ? -ENOMEM : 0;
    for (size_t i = 0; i < trace->functions->count; i++) {
        const struct flow_function_entry *entry = &trace->functions->entries[i];
        struct kith_text prototype = kith_text_init(line, sizeof(line));
        if (flow_seen_has(&trace->seen, entry->address) && flow_btf_prototype(trace->btf, entry->name, 0, &prototype) &&
            prototype.length < sizeof(line))
            fprintf(file, "%s\t%s\n", entry->name, line);
    }
    int r = fclose(file) == 0 ? add_text(writer, FLOW_PROTOTYPES, text, size) : -ENOMEM;
    free(text);
    return r;
}

/* "PID NAME", a line each. */
static int write_tasks(const struct flow_trace *trace, struct flow_writer *writer) {
    _cleanup_(freep) char *text = NULL;
    size_t size;
    int r = flow_tracefs_read(trace->directory, "saved_cmdlines", &text, &size);

    if (r < 0)
        return r;
    for (char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        size_t digits = strcspn(line, " \n");
        if (line[digits] == ' ')
            line[digits] = '\t';
    }
    return add_text(writer, FLOW_TASKS, text, size);
}

/* Every way in which the kernel counts an event that it could not keep. */
static unsigned long long lost_of(const struct flow_trace *trace, unsigned cpu) {
    static const char *const counters[] = {"\noverrun: ", "\ncommit overrun: ", "\ndropped events: "};
    _cleanup_(freep) char *text = NULL;
    unsigned long long lost = 0;
    char name[64];

    snprintf(name, sizeof(name), "per_cpu/cpu%u/stats", cpu);
    if (flow_tracefs_read(trace->directory, name, &text, NULL) < 0)
        return 0;
    for (size_t i = 0; i < KITH_ARRAY_SIZE(counters); i++) {
        const char *found = strstr(text, counters[i]);
        lost += found ? strtoull(found + strlen(counters[i]), NULL, 10) : 0;
    }
    return lost;
}

static int write_losses(const struct flow_trace *trace, struct flow_writer *writer) {
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);

    if (!file)
        return -ENOMEM;
    for (size_t i = 0; i < trace->cpu_count; i++)
        fprintf(file, "%u\t%llu\n", trace->cpus[i].number, lost_of(trace, trace->cpus[i].number));
    int r = fclose(file) == 0 ? add_text(writer, FLOW_LOST, text, size) : -ENOMEM;
    free(text);
    return r;
}

/* From the kernel itself, or from where distributions put it. None is no error. */
static int write_config(struct flow_writer *writer) {
    struct utsname name;
    char path[128];
    _cleanup_(freep) char *text = malloc(CONFIG_MAX);
    if (!text)
        return -ENOMEM;
    uname(&name);
    snprintf(path, sizeof(path), "/boot/config-%s", name.release);
    gzFile file = gzopen("/proc/config.gz", "re");
    if (!file)
        file = gzopen(path, "re"); /* reads plain text, too */
    if (!file)
        return 0;
    int size = gzread(file, text, CONFIG_MAX);
    gzclose(file);
    return size > 0 ? add_text(writer, FLOW_CONFIG, text, (size_t)size) : 0;
}

int flow_trace_write_tail(struct flow_trace *trace, struct flow_writer *writer) {
    int r = write_symbols(trace, writer);
    if (r == 0)
        r = write_prototypes(trace, writer);
    if (r == 0)
        r = write_tasks(trace, writer);
    if (r == 0)
        r = write_losses(trace, writer);
    if (r == 0)
        r = write_config(writer);
    return r == 0 ? flow_writer_finish(writer) : r;
}

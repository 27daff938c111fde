/*
 * flow/trace/state.c: see state.h.
 *
 * The file: a first line, then "NAME<TAB>VALUE" a setting, in the order in which they are restored; in values "\n" is a line's end and "\\"
 * a backslash.
 */
#include "flow/trace/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "flow/trace/probes.h"
#include "flow/trace/tracefs.h"

#define FIRST_LINE "kith-flow-state 1\n"

enum form {
    WORD,   /* as it is */
    LIST,   /* lines; what begins with "#" or "no pid" stands for an empty one */
    CHOSEN, /* the word in [brackets] */
    SIZE,   /* "7 (expanded: 1408)": the larger one */
};

/* The tracer first: much of the rest can be changed only without one. Whether anything is recorded at all, last. */
static const struct setting {
    const char *name;
    enum form form;
} settings[] = {
    {"current_tracer", WORD},
    {"set_ftrace_filter", LIST},
    {"set_ftrace_notrace", LIST},
    {"set_graph_function", LIST},
    {"set_graph_notrace", LIST},
    {"set_ftrace_pid", LIST},
    {"set_ftrace_notrace_pid", LIST},
    {"set_event_pid", LIST},
    {"set_event_notrace_pid", LIST},
    {"max_graph_depth", WORD},
    {"trace_clock", CHOSEN},
    {"buffer_size_kb", SIZE},
    {"options/funcgraph-abstime", WORD},
    {"options/funcgraph-proc", WORD},
    {"options/funcgraph-tail", WORD},
    {"options/funcgraph-overhead", WORD},
    {"options/funcgraph-irqs", WORD},
    {"options/function-fork", WORD},
    {"options/event-fork", WORD},
    {"options/overwrite", WORD},
    {"options/record-cmd", WORD},
    {"tracing_on", WORD},
};

static void fclosep(FILE **file) {
    if (*file)
        fclose(*file);
}

/* Values --------------------------------------------------------------------------------------------------------------- */

/* Drops lines that are no entries: comments, "no pid", and commands ("name:traceoff:unlimited"), which stay when a list is emptied. */
static void keep_entries(char *text) {
    char *out = text;

    for (char *line = text, *next; *line; line = next) {
        size_t size = strcspn(line, "\n");
        next = line + size + (line[size] == '\n');
        if (*line == '#' || strncmp(line, "no pid", 6) == 0 || memchr(line, ':', size))
            continue;
        memmove(out, line, (size_t)(next - line));
        out += next - line;
    }
    *out = '\0';
}

/* In place: what is to be written to get this setting again. */
static void normalise(char *text, enum form form) {
    char *begin = text, *end = text + strcspn(text, "\n");

    if (form == LIST) {
        keep_entries(text);
        return;
    }
    if (form == CHOSEN && strchr(text, '[')) {
        begin = strchr(text, '[') + 1;
        end = begin + strcspn(begin, "]");
    } else if (form == SIZE && strstr(text, "expanded: ")) {
        begin = strstr(text, "expanded: ") + strlen("expanded: ");
        end = begin + strspn(begin, "0123456789");
    }
    memmove(text, begin, (size_t)(end - begin));
    text[end - begin] = '\0';
}

static void put_escaped(FILE *file, const char *text) {
    for (; *text; text++)
        if (*text == '\n')
            fputs("\\n", file);
        else if (*text == '\\')
            fputs("\\\\", file);
        else
            fputc(*text, file);
}

/* In place. */
static void unescape(char *text) {
    char *out = text;

    for (; *text; text++)
        *out++ = (char)(*text != '\\' || !text[1] ? *text : *++text == 'n' ? '\n' : *text);
    *out = '\0';
}

/* Saving --------------------------------------------------------------------------------------------------------------- */

/* Settings that this kernel does not have are left out. Sizes that differ between processors ("X") are not changed either. */
static int save_setting(int directory, const struct setting *setting, FILE *file) {
    _cleanup_(freep) char *text = NULL;
    int r = flow_tracefs_read(directory, setting->name, &text, NULL);

    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return r;
    normalise(text, setting->form);
    if (setting->form == SIZE && text[0] == 'X')
        return 0;
    fprintf(file, "%s\t", setting->name);
    put_escaped(file, text);
    fputc('\n', file);
    return 0;
}

int flow_state_save(int directory, const char *path, struct kith_error *ret_error) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return kith_error_set(ret_error, -EEXIST,
                              "%s: another recorder is at work, or was killed: `kith flow restore` undoes what it has set", path);
    if (fd < 0)
        return kith_error_set(ret_error, -errno, "%s: %s", path, kith_error_name(-errno));
    _cleanup_(fclosep) FILE *file = fdopen(fd, "w");
    int r = file ? 0 : -ENOMEM;
    if (file)
        fputs(FIRST_LINE, file);
    for (size_t i = 0; r == 0 && i < KITH_ARRAY_SIZE(settings); i++)
        r = save_setting(directory, &settings[i], file);
    if (r == 0 && (fflush(file) != 0 || fsync(fd) < 0) && errno != EINVAL)
        r = -errno;
    if (r < 0) {
        unlink(path);
        return kith_error_set(ret_error, r, "%s: the settings of ftrace cannot be saved: %s", path, kith_error_name(r));
    }
    return 0;
}

/* Restoring ------------------------------------------------------------------------------------------------------------ */

static const struct setting *find_setting(const char *name) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(settings); i++)
        if (strcmp(settings[i].name, name) == 0)
            return &settings[i];
    return NULL;
}

/* Only settings of the table: a file from elsewhere shall not say what root writes where. */
static int restore_line(int directory, char *line) {
    char *value = strchr(line, '\t');
    if (!value)
        return -EBADMSG;
    *value++ = '\0';
    const struct setting *setting = find_setting(line);
    if (!setting)
        return -EBADMSG;
    unescape(value);
    return flow_tracefs_write(directory, setting->name, value, setting->form == LIST);
}

/* The kernel's own that we use: nobody had enabled one when we began. */
static void disable_events(int directory) {
    char name[128];

    for (size_t i = 0; i < flow_probe_count; i++) {
        snprintf(name, sizeof(name), "events/%s/enable", flow_probes[i].target);
        if (flow_probes[i].type == 't')
            flow_tracefs_write(directory, name, "0", false);
    }
}

/* Dynamic events of ours; others' stay. */
static int remove_events(int directory) {
    _cleanup_(freep) char *text = NULL;
    int first = 0;

    flow_tracefs_write(directory, "events/kith/enable", "0", false); /* absent when there are none */
    disable_events(directory);
    int r = flow_tracefs_read(directory, "dynamic_events", &text, NULL);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
        char *name = strchr(line, ':'), command[128];
        if (!name || strncmp(name, ":kith/", 6) != 0)
            continue;
        snprintf(command, sizeof(command), "-%.*s\n", (int)strcspn(name, " "), name);
        r = flow_tracefs_write(directory, "dynamic_events", command, false);
        if (r < 0 && r != -ENOENT && first == 0) /* one removal takes all probes of an event */
            first = r;
    }
    return first;
}

static int restore_all(int directory, char *text, struct kith_error *error) {
    int first = 0;

    flow_tracefs_write(directory, "tracing_on", "0", false);
    flow_tracefs_write(directory, "current_tracer", "nop", false);
    int r = remove_events(directory);
    if (r < 0)
        first = kith_error_set(error, r, "dynamic events of ftrace cannot be removed: %s", kith_error_name(r));
    for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
        if (!*line)
            continue;
        r = restore_line(directory, line);
        if (r < 0 && first == 0)
            first = kith_error_set(error, r, "%s: this setting of ftrace cannot be restored: %s", line, kith_error_name(r));
    }
    return first;
}

int flow_state_restore(int directory, const char *path, struct kith_error *ret_error) {
    _cleanup_(freep) char *text = NULL;
    int r = kith_file_read(AT_FDCWD, path, FLOW_TRACEFS_FILE_MAX, &text, NULL);

    if (r == -ENOENT)
        return kith_error_set(ret_error, r, "%s: there is nothing to restore", path);
    if (r < 0)
        return kith_error_set(ret_error, r, "%s: %s", path, kith_error_name(r));
    if (strncmp(text, FIRST_LINE, strlen(FIRST_LINE)) != 0)
        return kith_error_set(ret_error, -EBADMSG, "%s: this is no file of saved settings", path);
    r = restore_all(directory, text + strlen(FIRST_LINE), ret_error);
    if (r == 0 && unlink(path) < 0)
        r = kith_error_set(ret_error, -errno, "%s: %s", path, kith_error_name(-errno));
    return r;
}

/* cli/flow-info.c: kith flow info: what a recording is of, and how much of it there is. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "cli/flow.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/output.h"

struct info {
    json_t *meta;
    size_t events, pages, page_octets, symbols, prototypes, tasks;
    unsigned long long lost;
    bool whole, has_config;
};

static void info_deinit(struct info *info) {
    json_decref(info->meta);
}

static size_t count_lines(const struct flow_section *section) {
    size_t count = 0;

    for (size_t i = 0; i < section->size; i++)
        count += section->data[i] == '\n';
    return count;
}

/* "CPU<TAB>EVENTS" lines, of a file that may be anybody's. */
static unsigned long long count_lost(const struct flow_section *section) {
    unsigned long long lost = 0;
    char *text = strndup((const char *)section->data, section->size);

    for (char *rest = text, *line; text && (line = strsep(&rest, "\n"));) {
        const char *tab = strchr(line, '\t');
        lost += tab ? strtoull(tab, NULL, 10) : 0;
    }
    free(text);
    return lost;
}

static void add_section(struct info *info, const struct flow_section *section) {
    switch (section->type) {
    case FLOW_META:
        if (!info->meta)
            info->meta = json_loadb((const char *)section->data, section->size, JSON_REJECT_DUPLICATES, NULL);
        break;
    case FLOW_EVENT:
        info->events++;
        break;
    case FLOW_PAGE:
        info->pages++;
        info->page_octets += section->size;
        break;
    case FLOW_SYMBOLS:
        info->symbols += count_lines(section);
        break;
    case FLOW_PROTOTYPES:
        info->prototypes += count_lines(section);
        break;
    case FLOW_TASKS:
        info->tasks += count_lines(section);
        break;
    case FLOW_LOST:
        info->lost += count_lost(section);
        break;
    case FLOW_CONFIG:
        info->has_config = true;
        break;
    default:
        break;
    }
}

static int read_info(const char *path, struct info *info, struct kith_error *error) {
    _cleanup_(flow_recording_freep) struct flow_recording *recording = NULL;
    int r = cli_flow_read(path, &recording, error);

    if (r < 0)
        return r;
    info->whole = recording->whole;
    for (size_t i = 0; i < recording->count; i++)
        add_section(info, &recording->sections[i]);
    if (!json_is_object(info->meta))
        return kith_error_set(error, -EBADMSG, "%s: the recording does not say what it is of", path);
    return 0;
}

static int print_json(const struct info *info) {
    json_auto_t *object = json_pack("{s:O, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "meta", info->meta, "whole", (int)info->whole,
                                    "lost", (json_int_t)info->lost, "events", (json_int_t)info->events, "pages", (json_int_t)info->pages,
                                    "page_octets", (json_int_t)info->page_octets, "symbols", (json_int_t)info->symbols, "prototypes",
                                    (json_int_t)info->prototypes, "tasks", (json_int_t)info->tasks, "config", (int)info->has_config);
    int r = object ? cli_json_print(object) : -ENOMEM;

    if (r == -ENOMEM)
        cli_error("out of memory");
    return r == -ENOMEM ? CLI_ERROR : CLI_OK;
}

/* Texts of the file, fit for a terminal. */
static void print_text(const char *label, const char *text) {
    char shown[1024];
    struct kith_text line = kith_text_init(shown, sizeof(shown));

    if (!text)
        return;
    kith_text_put_printable(&line, text, strlen(text));
    cli_print("%-14s%s\n", label, shown);
}

static void print_words(const char *label, const json_t *words) {
    char shown[1024];
    struct kith_text line = kith_text_init(shown, sizeof(shown));
    size_t i;
    json_t *word;

    if (json_array_size(words) == 0)
        return;
    json_array_foreach(words, i, word) {
        kith_text_puts(&line, i ? " " : "");
        kith_text_puts(&line, json_is_string(word) ? json_string_value(word) : "?");
    }
    print_text(label, shown);
}

static void print_subject(const json_t *meta) {
    const char *role;
    json_t *value;

    print_text("kernel", json_string_value(json_object_get(meta, "kernel")));
    print_text("build", json_string_value(json_object_get(meta, "build")));
    print_text("machine", json_string_value(json_object_get(meta, "machine")));
    print_text("recorded at", json_string_value(json_object_get(meta, "recorded_at")));
    print_text("scenario", json_string_value(json_object_get(meta, "scenario")));
    print_words("command", json_object_get(meta, "command"));
    json_object_foreach(json_object_get(meta, "roles"), role, value) {
        const char *name = json_string_value(value);
        print_text(name && strcmp(name, "client") == 0 ? "client" : "server", role);
    }
    json_int_t functions = json_integer_value(json_object_get(json_object_get(meta, "filter"), "functions"));
    if (json_is_true(json_object_get(meta, "probes_only")))
        print_text("functions", "none: sockets and packets only");
    else
        cli_print("%-14s%lld\n", "functions", (long long)functions);
}

/* What was lost comes first: whoever reads on shall know it. */
static void print_info(const struct info *info) {
    size_t i;
    json_t *note;

    if (info->lost > 0)
        cli_print("%llu events were lost: the recording has holes\n", info->lost);
    if (!info->whole)
        cli_print("the recording ends early: the recorder was killed, or the file was cut\n");
    print_subject(info->meta);
    cli_print("%-14s%zu, %zu octets\n", "pages", info->pages, info->page_octets);
    cli_print("%-14s%zu, %zu with a prototype\n", "symbols", info->symbols, info->prototypes);
    json_array_foreach(json_object_get(info->meta, "notes"), i, note) print_text("note", json_string_value(note));
}

static int take_option(void *state, int key, const char *value) {
    *(bool *)state = true;
    return 0;
}

static int run(const struct cli_verb *verb, int argc, char **argv) {
    _cleanup_(info_deinit) struct info info = {0};
    struct kith_error error = KITH_ERROR_NONE;
    bool json = false;
    char **words;
    int count, status = cli_options_parse(verb, argc, argv, take_option, &json, &words, &count);
    if (status != CLI_GO_ON)
        return status;
    if (count != 1)
        return cli_usage(verb, "which recording?");
    if (read_info(words[0], &info, &error) < 0)
        return cli_fail(&error);
    if (json)
        return print_json(&info);
    print_info(&info);
    return CLI_OK;
}

static const struct cli_option options[] = {{0, "json", 0, NULL, "print a JSON object"}, {0}};

const struct cli_verb cli_flow_info = {
    .name = "flow info",
    .summary = "say what a recording is of",
    .usage = "FILE [--json]",
    .details = "Says what was recorded, on which kernel, how much of it there is and what was lost.",
    .options = options,
    .run = run,
};

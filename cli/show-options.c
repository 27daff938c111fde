/* cli/show-options.c: kith options: the options of message sockets, from their own table; the manual page too. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <kith/option.h>

#include "base/cleanup.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/output.h"

enum { KEY_JSON, KEY_MAN };

static const struct cli_option options[] = {
    {KEY_JSON, "json", 0, NULL, "print a JSON object an option"},
    {KEY_MAN, "man", 0, NULL, "print the manual page kith-options(7)"},
    {0},
};

struct show {
    bool json, man;
};

static int take_option(void *state, int key, const char *value) {
    struct show *show = state;
    show->json |= key == KEY_JSON;
    show->man |= key == KEY_MAN;
    return 0;
}

static bool is_number(const struct kith_option_info *info) {
    return info->type == KITH_OPTION_TYPE_NUMBER || info->type == KITH_OPTION_TYPE_FLAG;
}

/* "1 to 255 ms, at first 30"; permission bits in base 8. */
static void describe(const struct kith_option_info *info, char *text, size_t size) {
    if (info->type == KITH_OPTION_TYPE_FLAG)
        snprintf(text, size, "flag, at first %s", info->default_value ? "yes" : "no");
    else if (info->type == KITH_OPTION_TYPE_KEY)
        snprintf(text, size, "key: 32 octets, or 40 characters of Z85");
    else if (!is_number(info))
        snprintf(text, size, "%s, %" PRId64 " to %" PRId64 " octets", kith_option_type_name(info->type), info->min, info->max);
    else if (strcmp(info->unit, "mode") == 0)
        snprintf(text, size, "mode, 0 to 0%" PRIo64 ", at first %" PRIo64, info->max, info->default_value);
    else
        snprintf(text, size, "%" PRId64 " to %" PRId64 "%s%s, at first %" PRId64, info->min, info->max, *info->unit ? " " : "", info->unit,
                 info->default_value);
}

static const char *when(const struct kith_option_info *info) {
    switch (info->change) {
    case KITH_OPTION_CHANGE_NOW:
        return "at once";
    case KITH_OPTION_CHANGE_CONNECTION:
        return "for later connections";
    case KITH_OPTION_CHANGE_ENDPOINT:
        return "for endpoints bound or connected later";
    }
    return "";
}

static int print_text(const struct kith_option_info *info) {
    char what[160];
    describe(info, what, sizeof(what));
    return cli_print("%s\n    %s%s%s\n    %s; changes hold %s\n", info->name, *info->sockets ? info->sockets : "",
                     *info->sockets ? ": " : "", info->summary, what, when(info));
}

static int print_json(const struct kith_option_info *info) {
    json_t *line = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:s}", "name", info->name, "type", kith_option_type_name(info->type),
                             "change", kith_option_change_name(info->change), "unit", info->unit, "min", (json_int_t)info->min, "max",
                             (json_int_t)info->max, "sockets", info->sockets, "summary", info->summary);
    if (!line)
        return -ENOMEM;
    if (is_number(info) && json_object_set_new(line, "default", json_integer(info->default_value)) < 0) {
        json_decref(line);
        return -ENOMEM;
    }
    int r = cli_json_print(line);
    json_decref(line);
    return r;
}

/* A line of prose in mdoc(7): nothing of it may look like a request. */
static int print_man(const struct kith_option_info *info) {
    char what[160];
    describe(info, what, sizeof(what));
    int r = cli_print(".It Cm %s\n", info->name);
    if (r >= 0 && *info->sockets)
        r = cli_print("%s:\n", info->sockets);
    return r < 0 ? r : cli_print("%s.\n%s; a change holds %s.\n", info->summary, what, when(info));
}

static const char man_begin[] =
    ".\\\" Made by `kith options --man` from the table in lib/socket/option-table.c: change that.\n"
    ".Dd November 28, 2026\n.Dt KITH-OPTIONS 7\n.Os kith\n.Sh NAME\n.Nm kith-options\n.Nd options of kith's message sockets\n.Sh "
    "DESCRIPTION\n"
    "Set by\n.Fl -option Ar name Ns = Ns Ar value\nof the verbs of\n.Xr kith 1 ,\nby lines of\n.Xr kith.conf 5\n"
    "(with _ in place of -), and by\n.Fn kith_socket_set_option ,\n.Fn kith_socket_set_number\nand\n.Fn kith_socket_set_octets\nof\n"
    ".Xr libkith 7 .\nFlags are\n.Li yes\nand\n.Li no ,\nor 1 and 0; numbers are written in base 10, permission bits in base 8, keys in "
    "Z85.\n"
    ".Bl -tag -width Ds\n";
static const char man_end[] = ".El\n.Sh SEE ALSO\n.Xr kith 1 ,\n.Xr kith.conf 5 ,\n.Xr libkith 7\n";

static int print_all(const struct show *show, char **names, int count) {
    size_t option_count;
    const struct kith_option_info *table = kith_socket_options(&option_count);
    int r = show->man ? cli_print("%s", man_begin) : 0;
    for (size_t i = 0; r >= 0 && i < option_count; i++) {
        bool wanted = count == 0;
        for (int k = 0; k < count; k++)
            wanted |= strcmp(names[k], table[i].name) == 0;
        if (wanted)
            r = show->man ? print_man(&table[i]) : show->json ? print_json(&table[i]) : print_text(&table[i]);
    }
    return r >= 0 && show->man ? cli_print("%s", man_end) : r;
}

static int run(const struct cli_verb *verb, int argc, char **argv) {
    struct show show = {0};
    char **names;
    int count, status = cli_options_parse(verb, argc, argv, take_option, &show, &names, &count);
    if (status != CLI_GO_ON)
        return status;
    for (int i = 0; i < count; i++) {
        if (kith_option_find(names[i]))
            continue;
        cli_error("%s: there is no such option; `kith options` lists them", names[i]);
        return CLI_USAGE;
    }
    if (show.man && (count > 0 || show.json))
        return cli_usage(verb, "--man is the whole page, and no JSON");
    if (print_all(&show, names, count) == -ENOMEM) {
        cli_error("out of memory");
        return CLI_ERROR;
    }
    return CLI_OK; /* an output error is told at the end, by cli_output_finish() */
}

const struct cli_verb cli_options = {
    .name = "options",
    .summary = "list the options of message sockets",
    .usage = "[NAME...] [OPTION...]",
    .details = "Tells type, range, first value and meaning of each option that --option of other verbs, kith.conf and libkith set.",
    .options = options,
    .run = run,
};

/* cli/help.c: kith help [VERB]. */
#include "cli/help.h"

#include <stdio.h>
#include <string.h>

#include "cli/options.h"
#include "cli/output.h"

int cli_help_all(void) {
    cli_print("kith: messages whose senders the kernel vouches for.\n\nusage: kith VERB [ARGUMENT...]\n\n");
    for (size_t i = 0; i < cli_verb_count; i++)
        cli_print("  %-12s%s\n", cli_verbs[i]->name, cli_verbs[i]->summary);
    cli_print("\nkith help VERB tells more; kith --version names this version. The manual begins with kith(1).\n");
    return CLI_OK;
}

static void print_option(const struct cli_option *option) {
    char left[64], letter[8] = "    ";
    if (option->letter)
        snprintf(letter, sizeof(letter), "-%c, ", option->letter);
    snprintf(left, sizeof(left), "%s--%s%s%s", letter, option->name, option->argument ? " " : "", option->argument ? option->argument : "");
    cli_print("  %-26s %s\n", left, option->summary ? option->summary : "the same");
}

int cli_help_verb(const struct cli_verb *verb) {
    cli_print("usage: kith %s %s\n\n%s\n", verb->name, verb->usage, verb->details);
    if ((verb->options && verb->options->name) || verb->own)
        cli_print("\n");
    for (const struct cli_verb *const *own = verb->own; own && *own; own++)
        cli_print("  kith %-20s %s\n", (*own)->name, (*own)->summary);
    for (const struct cli_option *option = verb->options; option && option->name; option++)
        print_option(option);
    return CLI_OK;
}

int cli_help_unknown(const char *name) {
    const struct cli_verb *near = cli_verb_suggest(name);
    if (near)
        cli_error("%s: no such verb: did you mean '%s'? kith help lists all", name, near->name);
    else
        cli_error("%s: no such verb: kith help lists all", name);
    return CLI_USAGE;
}

static int no_option(void *state, int key, const char *value) {
    return 0;
}

int cli_help_run_own(const struct cli_verb *verb, int argc, char **argv) {
    if (argc < 2)
        return cli_usage(verb, "what shall be done?");
    if (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0)
        return cli_help_verb(verb);
    if (argv[1][0] == '-')
        return cli_usage(verb, "%s: no such option", argv[1]);
    const struct cli_verb *found = cli_verb_find_own(verb, argv[1]);
    if (!found)
        return cli_usage(verb, "%s: kith %s has no such verb", argv[1], verb->name);
    return found->run(found, argc - 1, argv + 1);
}

static int run(const struct cli_verb *verb, int argc, char **argv) {
    char **words;
    int count, status = cli_options_parse(verb, argc, argv, no_option, NULL, &words, &count);
    if (status != CLI_GO_ON)
        return status;
    if (count == 0)
        return cli_help_all();
    const struct cli_verb *asked = cli_verb_find(words[0]);
    if (count > (asked && asked->own ? 2 : 1))
        return cli_usage(verb, "one verb at a time");
    if (count == 2)
        asked = cli_verb_find_own(asked, words[1]);
    return asked ? cli_help_verb(asked) : cli_help_unknown(words[count - 1]);
}

const struct cli_verb cli_help = {
    .name = "help",
    .summary = "tell how a verb is used",
    .usage = "[VERB]",
    .details = "Lists the verbs, or tells how one is used.",
    .run = run,
};

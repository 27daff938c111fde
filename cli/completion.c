/* cli/completion.c: kith completion: words for the shell's Tab key, made from the table of verbs. */
#include <stdbool.h>
#include <string.h>

#include "cli/help.h"
#include "cli/options.h"
#include "cli/output.h"

static int no_option(void *state, int key, const char *value) {
    return 0;
}

static void print_verbs(void) {
    for (size_t i = 0; i < cli_verb_count; i++)
        cli_print("%s%s", i ? " " : "", cli_verbs[i]->name);
}

/* One branch of the script's case: the verb's options, or the verbs to ask help for. */
static void print_branch(const struct cli_verb *verb) {
    cli_print("        %s) words='--help", verb->name);
    for (const struct cli_option *option = verb->options; option && option->name; option++)
        cli_print(" --%s", option->name);
    for (const struct cli_verb *const *own = verb->own; own && *own; own++)
        cli_print(" %s", cli_verb_own_name(verb, *own));
    if (strcmp(verb->name, cli_help.name) == 0) {
        cli_print(" ");
        print_verbs();
    }
    cli_print("' ;;\n");
}

static int run(const struct cli_verb *verb, int argc, char **argv) {
    char **words;
    int count, status = cli_options_parse(verb, argc, argv, no_option, NULL, &words, &count);
    if (status != CLI_GO_ON)
        return status;
    if (count != 1 || strcmp(words[0], "bash") != 0)
        return cli_usage(verb, "which shell?");
    cli_print("# bash completion for kith: source <(kith completion bash)\n"
              "_kith() {\n"
              "    local word=${COMP_WORDS[COMP_CWORD]} words=\n"
              "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
              "        words='");
    print_verbs();
    cli_print(" --help --version'\n"
              "    else case ${COMP_WORDS[1]} in\n");
    for (size_t i = 0; i < cli_verb_count; i++)
        print_branch(cli_verbs[i]);
    cli_print("    esac; fi\n"
              "    case $word in\n"
              "        -*) ;;\n"
              "        *) [ \"$COMP_CWORD\" -gt 1 ] && [ \"${COMP_WORDS[1]}\" != help ] && [ \"${COMP_WORDS[1]}\" != flow ] && words= ;;\n"
              "    esac\n"
              "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
              "}\n"
              "complete -o default -o bashdefault -F _kith kith\n");
    return CLI_OK;
}

const struct cli_verb cli_completion = {
    .name = "completion",
    .summary = "print a script that completes kith's words in a shell",
    .usage = "bash",
    .details = "Prints a completion script. In ~/.bashrc: source <(kith completion bash)",
    .run = run,
};

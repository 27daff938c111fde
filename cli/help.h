/* cli/help.h: help texts, made from the table of verbs. */
#ifndef KITH_CLI_HELP_H
#define KITH_CLI_HELP_H

#include "cli/verbs.h"

/* Print to standard output. Both return CLI_OK. */
int cli_help_all(void);
int cli_help_verb(const struct cli_verb *verb);
/* Says that there is no such verb, with the nearest one. Always CLI_USAGE. */
int cli_help_unknown(const char *name);
/* run() of a verb that has but verbs of its own: runs the one that is named, or says which there are. */
int cli_help_run_own(const struct cli_verb *verb, int argc, char **argv);

#endif

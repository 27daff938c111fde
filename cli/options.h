/* cli/options.h: options by a verb's own table, and values in them. */
#ifndef KITH_CLI_OPTIONS_H
#define KITH_CLI_OPTIONS_H

#include <stdint.h>

#include "cli/verbs.h"

/* Takes one option; `value` is NULL for a flag. Returns 0, or an exit status after it has said what is wrong. */
typedef int (*cli_option_fn)(void *state, int key, const char *value);

/* cli_options_parse() says this when the verb shall go on. */
#define CLI_GO_ON (-1)

/* Parses argv (argv[0] is the verb) by the verb's table, wherever options stand before "--", and hands each to fn. What is no option is
 * left in order: *ret_words, *ret_count. Returns CLI_GO_ON, or the exit status: --help was printed, or an error was. */
int cli_options_parse(const struct cli_verb *verb, int argc, char **argv, cli_option_fn fn, void *state, char ***ret_words, int *ret_count);

/* Reads a whole number between min and max (0x and 0 in front mean base 16 and 8). Returns 0, or CLI_USAGE after it has said what is wrong
 * with `what`. */
int cli_number(const char *what, const char *text, int64_t min, int64_t max, int64_t *ret_number);

/* Says that the verb was used wrongly, and how it is used. Always CLI_USAGE. */
int cli_usage(const struct cli_verb *verb, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif

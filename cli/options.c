/* cli/options.c: see options.h. getopt_long(3) does the work; its tables are made from the verb's. */
#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/help.h"
#include "cli/output.h"

#define OPTIONS_MAX 64

/* getopt's `val` of table entry i; above any letter. */
#define VAL(i) (256 + (int)(i))
#define VAL_HELP VAL(OPTIONS_MAX)

static const struct cli_option *find_option(const struct cli_verb *verb, int val) {
    if (val >= VAL(0))
        return &verb->options[val - VAL(0)];
    for (const struct cli_option *option = verb->options; option && option->name; option++)
        if (option->letter == val)
            return option;
    return NULL;
}

static void make_tables(const struct cli_verb *verb, struct option *longs, char *shorts) {
    size_t n = 0;
    *shorts++ = ':'; /* a missing argument is told apart from an unknown option */
    for (const struct cli_option *option = verb->options; option && option->name && n < OPTIONS_MAX; option++, n++) {
        longs[n] = (struct option){option->name, option->argument ? required_argument : no_argument, NULL, VAL(n)};
        if (!option->letter)
            continue;
        *shorts++ = option->letter;
        if (option->argument)
            *shorts++ = ':';
    }
    longs[n++] = (struct option){"help", no_argument, NULL, VAL_HELP};
    longs[n] = (struct option){0};
    *shorts++ = 'h';
    *shorts = '\0';
}

static int bad_option(const struct cli_verb *verb, int result, char **argv) {
    const char *word = argv[optind - 1];
    if (result == ':')
        return cli_usage(verb, "%s: a value must follow", word);
    if (optopt >= VAL(0)) /* --flag=value */
        return cli_usage(verb, "%s: this option takes no value", word);
    if (optopt)
        return cli_usage(verb, "-%c: no such option", optopt);
    return cli_usage(verb, "%s: no such option", word);
}

int cli_options_parse(const struct cli_verb *verb, int argc, char **argv, cli_option_fn fn, void *state, char ***ret_words,
                      int *ret_count) {
    struct option longs[OPTIONS_MAX + 2];
    char shorts[2 * OPTIONS_MAX + 3];
    int result;
    make_tables(verb, longs, shorts);
    opterr = 0;
    optind = 0;
    while ((result = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        if (result == 'h' || result == VAL_HELP)
            return cli_help_verb(verb);
        if (result == '?' || result == ':')
            return bad_option(verb, result, argv);
        const struct cli_option *option = find_option(verb, result);
        int status = fn(state, option->key, option->argument ? optarg : NULL);
        if (status != 0)
            return status;
    }
    *ret_words = argv + optind;
    *ret_count = argc - optind;
    return CLI_GO_ON;
}

int cli_number(const char *what, const char *text, int64_t min, int64_t max, int64_t *ret_number) {
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 0);
    if (end == text || *end || errno || number < min || number > max) {
        cli_error("%s: '%s' is not a number from %lld to %lld", what, text, (long long)min, (long long)max);
        return CLI_USAGE;
    }
    *ret_number = number;
    return 0;
}

int cli_usage(const struct cli_verb *verb, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    cli_error("%s", text);
    fprintf(stderr, "usage: kith %s %s\nMore: kith help %s\n", verb->name, verb->usage, verb->name);
    return CLI_USAGE;
}

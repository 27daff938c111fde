/*
 * cli/verbs.h: the one table of the kith command. Dispatch, option parsing, `kith help` and shell completion are made from it; a new verb
 * is a row here and a file of its own.
 */
#ifndef KITH_CLI_VERBS_H
#define KITH_CLI_VERBS_H

#include <stddef.h>

/* Exit statuses; the man pages list them. */
enum cli_exit {
    CLI_OK = 0,
    CLI_ERROR = 1,
    CLI_USAGE = 2,
    CLI_TIMEOUT = 3,
    CLI_REFUSED = 4,
};

struct cli_option {
    int key;              /* the verb's own; given to its option function */
    const char *name;     /* "timeout", for --timeout */
    char letter;          /* 0: none */
    const char *argument; /* "MS"; NULL: a flag */
    const char *summary;
};

struct cli_verb {
    const char *name;
    const char *summary;              /* one line, for the list of verbs */
    const char *usage;                /* what follows "kith NAME" */
    const char *details;              /* a paragraph, lines broken by hand */
    const struct cli_option *options; /* ended by one without name; NULL: none */
    int (*run)(const struct cli_verb *verb, int argc, char **argv);
    /* Verbs of its own, ended by NULL, whose names begin with its name: "flow record". run() finds them. NULL: none. */
    const struct cli_verb *const *own;
};

extern const struct cli_verb cli_push, cli_pull, cli_pub, cli_sub, cli_xpub, cli_xsub, cli_pair, cli_dealer, cli_router, cli_client,
    cli_server, cli_radio, cli_dish, cli_scatter, cli_gather, cli_channel, cli_stream;
extern const struct cli_verb cli_rep, cli_req, cli_serve, cli_who, cli_status, cli_peers, cli_monitor, cli_kick, cli_options, cli_policy,
    cli_keygen, cli_wiretest, cli_bench, cli_flow, cli_map, cli_socket, cli_cmsg, cli_help, cli_completion;

/* All verbs, in the order in which help lists them. */
extern const struct cli_verb *const cli_verbs[];
extern const size_t cli_verb_count;

/* NULL: no such verb. */
const struct cli_verb *cli_verb_find(const char *name);
/* One of a verb's own, by what follows the verb's name; NULL: no such verb. */
const struct cli_verb *cli_verb_find_own(const struct cli_verb *verb, const char *name);
/* What is left of an own verb's name behind that of its verb. */
const char *cli_verb_own_name(const struct cli_verb *verb, const struct cli_verb *own);
/* The verb whose name is nearest to a mistyped one, or NULL when none is near. */
const struct cli_verb *cli_verb_suggest(const char *name);

#endif

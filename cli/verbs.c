/* cli/verbs.c: see verbs.h. */
#include "cli/verbs.h"

#include <string.h>

#include "base/cleanup.h"

const struct cli_verb *const cli_verbs[] = {
    &cli_req,    &cli_rep,      &cli_push,   &cli_pull,   &cli_pub,   &cli_sub,     &cli_xpub,    &cli_xsub,    &cli_pair,
    &cli_dealer, &cli_router,   &cli_client, &cli_server, &cli_radio, &cli_dish,    &cli_scatter, &cli_gather,  &cli_channel,
    &cli_stream, &cli_serve,    &cli_who,    &cli_status, &cli_peers, &cli_monitor, &cli_kick,    &cli_options, &cli_policy,
    &cli_keygen, &cli_wiretest, &cli_bench,  &cli_flow,   &cli_map,   &cli_socket,  &cli_cmsg,    &cli_help,    &cli_completion,
};
const size_t cli_verb_count = KITH_ARRAY_SIZE(cli_verbs);

/* Names are short; a longer word is no mistyped verb. */
#define WORD_MAX 24

const struct cli_verb *cli_verb_find(const char *name) {
    for (size_t i = 0; i < cli_verb_count; i++)
        if (strcmp(cli_verbs[i]->name, name) == 0)
            return cli_verbs[i];
    return NULL;
}

const char *cli_verb_own_name(const struct cli_verb *verb, const struct cli_verb *own) {
    return own->name + strlen(verb->name) + 1;
}

const struct cli_verb *cli_verb_find_own(const struct cli_verb *verb, const char *name) {
    for (const struct cli_verb *const *own = verb->own; own && *own; own++)
        if (strcmp(cli_verb_own_name(verb, *own), name) == 0)
            return *own;
    return NULL;
}

/* Levenshtein's distance: letters to insert, remove or replace. */
static size_t distance(const char *a, const char *b) {
    size_t row[WORD_MAX + 1], a_size = strlen(a), b_size = strlen(b);
    for (size_t j = 0; j <= b_size; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            size_t replace = diagonal + (a[i - 1] != b[j - 1]);
            size_t least = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            diagonal = row[j];
            row[j] = replace < least ? replace : least;
        }
    }
    return row[b_size];
}

const struct cli_verb *cli_verb_suggest(const char *name) {
    const struct cli_verb *best = NULL;
    size_t best_distance = 3; /* two slips are a mistyped word, three another word */
    if (strlen(name) > WORD_MAX)
        return NULL;
    for (size_t i = 0; i < cli_verb_count; i++) {
        size_t d = distance(name, cli_verbs[i]->name);
        if (d < best_distance && d < strlen(cli_verbs[i]->name)) {
            best = cli_verbs[i];
            best_distance = d;
        }
    }
    return best;
}

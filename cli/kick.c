/* cli/kick.c: kith kick: ends a connection of a running gateway. */
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "cli/control.h"
#include "cli/options.h"
#include "cli/output.h"
#include "gateway/cleanup.h"

enum { KEY_CONTROL, KEY_REASON };

static const struct cli_option options[] = {
    {KEY_CONTROL, "control", 0, "ENDPOINT", "the gateway's control socket (control.sock in /run/kith or $XDG_RUNTIME_DIR/kith)"},
    {KEY_REASON, "reason", 0, "TEXT", "what the peer and the log are told"},
    {0},
};

struct kick {
    const char *control, *reason;
};

static int take_option(void *state, int key, const char *value) {
    struct kick *kick = state;
    *(key == KEY_CONTROL ? &kick->control : &kick->reason) = value;
    return 0;
}

/* NULL: no memory, or a text that is no UTF-8. */
static char *make_request(const char *peer, const char *reason) {
    json_auto_t *json = json_pack("{s:s, s:s, s:s*}", "op", "kick", "peer", peer, "reason", reason);
    return json ? json_dumps(json, JSON_COMPACT) : NULL;
}

static int run(const struct cli_verb *verb, int argc, char **argv) {
    struct kick kick = {.reason = NULL};
    char **words, text[CLI_CONTROL_ENDPOINT_MAX];
    int count, status = cli_options_parse(verb, argc, argv, take_option, &kick, &words, &count);
    if (status != CLI_GO_ON)
        return status;
    if (count != 1)
        return cli_usage(verb, "%s", count == 0 ? "whom? kith peers lists them, such as service/echo#12" : "one peer at a time");
    struct kith_error error = KITH_ERROR_NONE;
    const char *endpoint = cli_control_endpoint(kick.control, text, &error);
    if (!endpoint)
        return cli_control_fail(&error);
    _cleanup_(freep) char *request = make_request(words[0], kick.reason);
    if (!request)
        return cli_usage(verb, "peer and reason have to be UTF-8");
    json_auto_t *answer = NULL;
    return cli_control_ask(endpoint, request, &answer, &error) < 0 ? cli_control_fail(&error) : CLI_OK;
}

const struct cli_verb cli_kick = {
    .name = "kick",
    .summary = "end a peer's connection to a running gateway",
    .usage = "PEER [--reason TEXT] [--control ENDPOINT]",
    .details =
        "PEER is as kith peers lists it. It is told why, as far as it understands an ERROR, and may come again: a policy is what keeps\n"
        "somebody out.",
    .options = options,
    .run = run,
};

/* cli/peers.c: kith peers: who is connected to a running gateway. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/control.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/output.h"

enum { KEY_CONTROL, KEY_JSON };

static const struct cli_option options[] = {
    {KEY_CONTROL, "control", 0, "ENDPOINT", "the gateway's control socket (control.sock in /run/kith or $XDG_RUNTIME_DIR/kith)"},
    {KEY_JSON, "json", 0, NULL, "print an object a line"},
    {0},
};

#define NAME_HEADING "PEER"

struct peers {
    const char *control;
    bool json;
};

static int take_option(void *state, int key, const char *value) {
    struct peers *peers = state;
    if (key == KEY_CONTROL)
        peers->control = value;
    else
        peers->json = true;
    return 0;
}

/* Who it is, by what is known: the program and its unit, else the address. */
static void print_origin(const json_t *origin) {
    const char *exe = cli_control_word(origin, "exe"), *unit = cli_control_word(origin, "unit"),
               *address = cli_control_word(origin, "address");
    if (json_object_get(origin, "pid"))
        cli_print(" pid %lld", cli_control_number(origin, "pid"));
    if (json_object_get(origin, "uid"))
        cli_print(" uid %lld", cli_control_number(origin, "uid"));
    cli_print("%s%s%s%s%s%s\n", *exe ? " " : "", exe, *unit ? " " : "", unit, *address ? " " : "", address);
}

/* At least that of the heading. */
static int name_width(const json_t *peers) {
    size_t i, width = strlen(NAME_HEADING);
    json_t *peer;
    json_array_foreach(peers, i, peer) {
        size_t length = strlen(cli_control_word(peer, "peer"));
        width = length > width ? length : width;
    }
    return (int)width;
}

static void print_peer(const json_t *peer, int width) {
    const json_t *counters = json_object_get(peer, "counters");
    cli_print("%-*s %-10s %-7s %9lld %9lld %7lld %7lld %8.1f ", width, cli_control_word(peer, "peer"), cli_control_word(peer, "state"),
              cli_control_word(peer, "type"), cli_control_number(counters, "messages_in"), cli_control_number(counters, "messages_out"),
              cli_control_number(counters, "dropped") + cli_control_number(counters, "denied"),
              cli_control_number(counters, "queued") + cli_control_number(counters, "waiting"),
              (double)cli_control_number(peer, "age_ms") / 1000);
    print_origin(json_object_get(peer, "origin"));
}

static void print_all(const struct peers *peers, const json_t *answer) {
    int width = name_width(json_object_get(answer, "peers"));
    size_t i;
    json_t *peer;
    if (!peers->json)
        cli_print("%-*s %-10s %-7s %9s %9s %7s %7s %8s  %s\n", width, NAME_HEADING, "STATE", "TYPE", "IN", "OUT", "LOST", "WAIT", "AGE",
                  "WHO");
    json_array_foreach(json_object_get(answer, "peers"), i, peer) {
        if (peers->json)
            (void)cli_json_print(peer);
        else
            print_peer(peer, width);
    }
    if (cli_control_number(answer, "omitted") > 0)
        cli_error("%lld more peers are not listed", cli_control_number(answer, "omitted"));
}

static int run(const struct cli_verb *verb, int argc, char **argv) {
    struct peers peers = {.json = false};
    char **words, text[CLI_CONTROL_ENDPOINT_MAX];
    int count, status = cli_options_parse(verb, argc, argv, take_option, &peers, &words, &count);
    if (status != CLI_GO_ON)
        return status;
    if (count > 0)
        return cli_usage(verb, "%s: all peers are listed", words[0]);
    struct kith_error error = KITH_ERROR_NONE;
    const char *endpoint = cli_control_endpoint(peers.control, text, &error);
    json_auto_t *answer = NULL;
    if (!endpoint || cli_control_ask(endpoint, "{\"op\":\"peers\"}", &answer, &error) < 0)
        return cli_control_fail(&error);
    print_all(&peers, answer);
    return CLI_OK;
}

const struct cli_verb cli_peers = {
    .name = "peers",
    .summary = "list who is connected to a running gateway, and what has passed",
    .usage = "[--control ENDPOINT] [--json]",
    .details = "A line a connection: its name (for kith kick), state, socket type, messages in and out, messages dropped or denied, "
               "messages that\n"
               "wait, its age in seconds, and who it is by the kernel's word.",
    .options = options,
    .run = run,
};

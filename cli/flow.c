/* cli/flow.c: kith flow: its verbs, and which of them is meant. */
#include "cli/flow.h"

#include <string.h>

#include "cli/help.h"
#include "cli/options.h"
#include "cli/output.h"

/* In the order in which help lists them. */
static const struct cli_verb *const own[] = {
    &cli_flow_record, &cli_flow_restore, &cli_flow_info, &cli_flow_draw, &cli_flow_diff, &cli_flow_gallery, NULL};

static int run(const struct cli_verb *verb, int argc, char **argv) {
    if (argc < 2)
        return cli_usage(verb, "what shall be done?");
    if (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0)
        return cli_help_verb(verb);
    if (argv[1][0] == '-')
        return cli_usage(verb, "%s: no such option", argv[1]);
    const struct cli_verb *found = cli_verb_find_own(verb, argv[1]);
    if (!found)
        return cli_usage(verb, "%s: kith flow has no such verb", argv[1]);
    return found->run(found, argc - 1, argv + 1);
}

const struct cli_verb cli_flow = {
    .name = "flow",
    .summary = "record and draw a program's way through the kernel's network code",
    .usage = "VERB [ARGUMENT...]",
    .details =
        "Records what the kernel does for a program's sockets: functions, packets, states of sockets. kith help flow VERB tells more.",
    .run = run,
    .own = own,
};

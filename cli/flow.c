/* cli/flow.c: kith flow: its verbs, and which of them is meant. */
#include "cli/flow.h"

#include "cli/help.h"

/* In the order in which help lists them. */
static const struct cli_verb *const own[] = {
    &cli_flow_record, &cli_flow_restore, &cli_flow_info, &cli_flow_draw, &cli_flow_diff, &cli_flow_gallery, NULL};

const struct cli_verb cli_flow = {
    .name = "flow",
    .summary = "record and draw a program's way through the kernel's network code",
    .usage = "VERB [ARGUMENT...]",
    .details =
        "Records what the kernel does for a program's sockets: functions, packets, states of sockets. kith help flow VERB tells more.",
    .run = cli_help_run_own,
    .own = own,
};

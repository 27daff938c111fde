/* cli/cmsg.c: kith cmsg: the table of control messages, and ancillary data received and sent by hand. */
#include <string.h>

#include "cli/cmsg.h"
#include "cli/help.h"
#include "cli/options.h"

static const struct cli_verb *const own[] = {&cli_cmsg_list, &cli_cmsg_show, &cli_cmsg_listen, &cli_cmsg_send, NULL};

static int run(const struct cli_verb *verb, int argc, char **argv) {
    if (argc < 2)
        return cli_usage(verb, "what shall be done?");
    if (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0)
        return cli_help_verb(verb);
    if (argv[1][0] == '-')
        return cli_usage(verb, "%s: no such option", argv[1]);
    const struct cli_verb *found = cli_verb_find_own(verb, argv[1]);
    if (!found)
        return cli_usage(verb, "%s: kith cmsg has no such verb", argv[1]);
    return found->run(found, argc - 1, argv + 1);
}

const struct cli_verb cli_cmsg = {
    .name = "cmsg",
    .summary = "list, show, receive and send ancillary data of sockets",
    .usage = "VERB [ARGUMENT...]",
    .details = "Ancillary data are what sendmsg() and recvmsg() carry beside the octets. kith help cmsg VERB tells more.",
    .run = run,
    .own = own,
};

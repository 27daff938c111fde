/* cli/cmsg.c: kith cmsg: the table of control messages, and ancillary data received and sent by hand. */
#include "cli/cmsg.h"
#include "cli/help.h"

static const struct cli_verb *const own[] = {&cli_cmsg_list, &cli_cmsg_show, &cli_cmsg_listen, &cli_cmsg_send, NULL};

const struct cli_verb cli_cmsg = {
    .name = "cmsg",
    .summary = "list, show, receive and send ancillary data of sockets",
    .usage = "VERB [ARGUMENT...]",
    .details = "Ancillary data are what sendmsg() and recvmsg() carry beside the octets. kith help cmsg VERB tells more.",
    .run = cli_help_run_own,
    .own = own,
};

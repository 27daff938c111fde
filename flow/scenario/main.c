/* kith-flow-scenario NAME: does one thing with sockets, for `kith flow record --scenario`. Without a name: says what there is. "rounds N"
 * measures.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "flow/scenario/stage.h"

const struct scenario scenarios[] = {
    {"tcp", AF_INET, false, scenario_tcp},
    {"tcp6", AF_INET6, false, scenario_tcp},
    {"tcp-refused", AF_INET, true, scenario_tcp_refused},
    {"tcp-timeout", AF_INET, true, scenario_tcp_timeout},
    {"tcp-reset", AF_INET, false, scenario_tcp_reset},
    {"tcp-backlog-full", AF_INET, false, scenario_tcp_backlog_full},
    {"udp", AF_INET, false, scenario_udp},
    {"udp6", AF_INET6, false, scenario_udp},
    {"udp-ancillary", AF_INET, false, scenario_udp_ancillary},
    {"udp6-ancillary", AF_INET6, false, scenario_udp_ancillary},
    {"unix", AF_UNIX, false, scenario_unix},
    {"unix-stream", AF_UNIX, false, scenario_unix_stream},
    {"unix-dgram", AF_UNIX, false, scenario_unix_dgram},
    {"unix-seqpacket", AF_UNIX, false, scenario_unix_seqpacket},
    {"netlink", AF_NETLINK, true, scenario_netlink},
    {"zeromq", AF_INET, false, scenario_zeromq},
};
const size_t scenario_count = KITH_ARRAY_SIZE(scenarios);

/* What is measured, and is no scenario. */
static const struct {
    const char *name;
    int (*play)(unsigned times);
} measured[] = {{"rounds", stage_play_rounds}, {"runs", stage_play_runs}};

int main(int argc, char **argv) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(measured); i++)
        if (argc == 3 && strcmp(argv[1], measured[i].name) == 0 && atoi(argv[2]) > 0)
            return measured[i].play((unsigned)atoi(argv[2]));
    for (size_t i = 0; i < scenario_count; i++) {
        if (argc == 1)
            puts(scenarios[i].name);
        else if (argc == 2 && strcmp(argv[1], scenarios[i].name) == 0)
            return stage_play(&scenarios[i]);
    }
    if (argc == 1)
        return 0;
    fprintf(stderr, "kith-flow-scenario: %s: there is no such scenario; without arguments they are listed\n", argv[1]);
    return 2;
}

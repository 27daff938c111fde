/* cli/pager.h: long output on a terminal goes through a pager. */
#ifndef KITH_CLI_PAGER_H
#define KITH_CLI_PAGER_H

#include <sys/types.h>

#include "base/cleanup.h"

struct cli_pager {
    pid_t pid; /* 0: none */
    int fd;    /* to write to; -1: none */
};

#define CLI_PAGER_NONE ((struct cli_pager){.pid = 0, .fd = -1})

/* Starts $PAGER, or less, when standard output is a terminal; otherwise, and when none can be started, there is none. */
void cli_pager_start(struct cli_pager *pager);
/* Waits until the reader has had enough. */
void cli_pager_end(struct cli_pager *pager);

#endif

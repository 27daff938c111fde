/* cli/flow.h: the verbs of kith flow, and what they share. */
#ifndef KITH_CLI_FLOW_H
#define KITH_CLI_FLOW_H

#include <kith/error.h>

#include "cli/verbs.h"

extern const struct cli_verb cli_flow_record, cli_flow_restore, cli_flow_info;

/* Where the static programs lie that a recording needs: in $KITH_FLOW_PROGRAMS, in the build that this program is of, or where they are
 * installed. To free(). Errors, with text: -ENOENT, -ENOMEM. */
enum cli_flow_program { CLI_FLOW_GUEST, CLI_FLOW_SCENARIO };
int cli_flow_find_program(enum cli_flow_program program, char **ret_path, struct kith_error *ret_error);

#endif

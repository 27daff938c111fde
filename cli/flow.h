/* cli/flow.h: the verbs of kith flow, and what they share. */
#ifndef KITH_CLI_FLOW_H
#define KITH_CLI_FLOW_H

#include <kith/error.h>

#include "cli/verbs.h"
#include "flow/decode/model.h"
#include "flow/recording/recording.h"
#include "flow/view/select.h"

extern const struct cli_verb cli_flow_record, cli_flow_restore, cli_flow_info, cli_flow_draw, cli_flow_diff, cli_flow_gallery;

/* Where the static programs lie that a recording needs: in $KITH_FLOW_PROGRAMS, in the build that this program is of, or where they are
 * installed. To free(). Errors, with text: -ENOENT, -ENOMEM. */
enum cli_flow_program { CLI_FLOW_GUEST, CLI_FLOW_SCENARIO };
int cli_flow_find_program(enum cli_flow_program program, char **ret_path, struct kith_error *ret_error);

/* A line each; to free(). Errors, with text: -ENOENT (there is no such program), those of starting and reading it. */
int cli_flow_list_scenarios(char **ret_text, struct kith_error *ret_error);

/* A recording's file. Errors, with text that names it: those of reading it and of flow_recording_read(). */
int cli_flow_read(const char *path, struct flow_recording **ret_recording, struct kith_error *ret_error);
/* The same, decoded. Errors, with text that names the file: those of reading it and of flow_model_new(). */
int cli_flow_load(const char *path, struct flow_model **ret_model, struct kith_error *ret_error);

/* Options that narrow a view, for the tables of verbs that have views. Keys from CLI_FLOW_NARROW on are theirs. */
enum {
    CLI_FLOW_NARROW = 0x1000,
    CLI_FLOW_CALL = CLI_FLOW_NARROW,
    CLI_FLOW_LANE,
    CLI_FLOW_FROM,
    CLI_FLOW_TO,
    CLI_FLOW_DEPTH,
    CLI_FLOW_SOCKET,
};
#define CLI_FLOW_NARROW_OPTIONS                                                                                                            \
    {CLI_FLOW_CALL, "call", 0, "NAME[:N]", "only what this call (or function) did: connect; send:2: the second one"},                      \
        {CLI_FLOW_LANE, "lane", 0, "LANE", "only client, softirq, server or other"},                                                       \
        {CLI_FLOW_FROM, "from", 0, "FUNCTION", "only below this function"},                                                                \
        {CLI_FLOW_TO, "to", 0, "FUNCTION", "only ways that lead to this function"},                                                        \
        {CLI_FLOW_DEPTH, "depth", 0, "LEVELS", "at most so many levels"}, {                                                                \
        CLI_FLOW_SOCKET, "socket", 0, "ADDRESS", "only trees that worked on this socket or its children, as a view prints it"              \
    }
/* Takes one of them. Returns 0, or an exit status after it has said what is wrong. */
int cli_flow_narrow(struct flow_select *select, int key, const char *value);

#endif

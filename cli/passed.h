/* cli/passed.h: descriptors of messages on the command line: what --fd names, and what came. */
#ifndef KITH_CLI_PASSED_H
#define KITH_CLI_PASSED_H

#include <jansson.h>

#include <kith/msg.h>

/* What --fd named, in that order. All zero: none. */
struct cli_passed {
    int fds[KITH_MSG_FDS_MAX];
    size_t count;
};

/* Adds a descriptor: a number is one that the command was started with, else the file of that name is opened for reading. Returns 0, or the
 * exit status after an error was told. */
int cli_passed_add(struct cli_passed *passed, const char *word);
void cli_passed_deinit(struct cli_passed *passed);
/* Gives a message duplicates of them all. Errors: -EMFILE, -ENFILE, -ENOMEM, -E2BIG. */
int cli_passed_attach(const struct cli_passed *passed, kith_msg *msg);

/* Prints a line for each descriptor of a message: "fd 0: file /etc/passwd". Errors: those of cli_output(). */
int cli_passed_print(const kith_msg *msg);
/* Adds "fds": [{"kind": ..., "target": ...}], when there are any. Errors: -ENOMEM. */
int cli_passed_add_json(json_t *object, const kith_msg *msg);

#endif

/* cli/frames.h: frames of messages on standard output. */
#ifndef KITH_CLI_FRAMES_H
#define KITH_CLI_FRAMES_H

#include <stdbool.h>

#include <kith/msg.h>

enum cli_frames_form {
    CLI_FRAMES_RAW,     /* the octets and nothing else */
    CLI_FRAMES_LINES,   /* a line each */
    CLI_FRAMES_VISIBLE, /* the same for a terminal, which gets nothing that could command it */
};

/* What standard output is fit for. */
enum cli_frames_form cli_frames_form(bool raw);
/* Prints all frames. Errors: -ENOMEM, those of cli_output(). */
int cli_frames_print(const kith_msg *msg, enum cli_frames_form form);

#endif

/*
 * session/commands.h: commands that wait for room in a connection, as a message of the session's queue.
 *
 * Those that follow one another lie in a row in one message: a SUB with a hundred thousand topics says them all at once to each publisher,
 * and a message for each would take twenty times its topic. A row is sent from its front, command by command.
 */
#ifndef KITH_SESSION_COMMANDS_H
#define KITH_SESSION_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "msg/internal.h"
#include "session/link.h"

/* kith_msg.command of such a message: none of enum kith_session_command. */
#define KITH_COMMANDS_ROW 32

struct kith_command {
    enum kith_session_command command;
    const uint8_t *octets;
    size_t size;
};

/* A row with its first command. Errors: -ENOMEM. */
int kith_commands_new(const struct kith_command *command, kith_msg **ret_msg);
/* Puts it at the end. False: this is another message, or it is full. */
bool kith_commands_add(kith_msg *msg, const struct kith_command *command);
/* The first one, whose octets lie in the message. False: there is none any more. */
bool kith_commands_first(const kith_msg *msg, struct kith_command *ret_command);
void kith_commands_drop_first(kith_msg *msg);

#endif

/*
 * cli/talk.h: kith push, pull, pub, sub, ...: one verb a socket type, all of them the same program.
 *
 * talk-types.c has the table of types and their verbs, talk-source.c where messages to be sent come from, talk.c the rest.
 */
#ifndef KITH_CLI_TALK_H
#define KITH_CLI_TALK_H

#include <stdbool.h>
#include <stdint.h>

#include <kith/socket.h>

#include "cli/passed.h"
#include "cli/verbs.h"

struct cli_talk_type {
    const struct cli_verb *verb;
    enum kith_socket_type type; /* of the socket that does it */
    bool sends, receives;
    bool topics; /* --topic is what it subscribes to */
    bool groups; /* --group is what it joins */
};

/* The row of a verb. */
const struct cli_talk_type *cli_talk_type(const struct cli_verb *verb);
int cli_talk_run(const struct cli_verb *verb, int argc, char **argv);
extern const struct cli_option cli_talk_options[];

/* Where messages come from ------------------------------------------------------------------------------------------- */

struct cli_source;

struct cli_source_options {
    char **frames;      /* of the one message that is sent again and again, ended by NULL; NULL or empty: the files, or standard input */
    const char **files; /* each is a message; ended by NULL */
    bool json;          /* lines of standard input are JSON, as --json prints messages */
    const struct cli_passed *passed; /* go with each message */
    const char *topic;               /* goes in front of each message as a frame; NULL: none */
    const char *group;               /* of each message; NULL: none */
};

/* Errors: with text. */
int cli_source_new(kith_loop *loop, const struct cli_source_options *options, void (*ready)(void *userdata), void *userdata,
                   struct cli_source **ret_source, struct kith_error *ret_error);
struct cli_source *cli_source_free(struct cli_source *source);
/* The next message. 1: *ret_msg; 0: none now, ready() will be called; -ENODATA: that was the last. Other errors: with text. */
int cli_source_next(struct cli_source *source, kith_msg **ret_msg, struct kith_error *ret_error);

#endif

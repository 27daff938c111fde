/* cli/control.h: asking a running gateway at its control socket (gateway/control.h). What it answers is somebody else's word: nothing in it
 * is taken for granted. */
#ifndef KITH_CLI_CONTROL_H
#define KITH_CLI_CONTROL_H

#include <jansson.h>

#include <kith/error.h>

#define CLI_CONTROL_ENDPOINT_MAX 300

/* Where to ask: `given`, or, when that is NULL, where a gateway has its control socket without a configuration. NULL: there is no such
 * place, with text. */
const char *cli_control_endpoint(const char *given, char text[static CLI_CONTROL_ENDPOINT_MAX], struct kith_error *ret_error);
/* What it means that connecting there failed, in words: nobody is there, or the path's mode keeps us out. */
const char *cli_control_unreached(int error);
/* One request, and its answer. Errors: -EACCES (refused), -EAGAIN (no answer), -EBADMSG (no JSON object), what the gateway says, ...; with
 * text. */
int cli_control_ask(const char *endpoint, const char *request, json_t **ret_object, struct kith_error *ret_error);
/* Says what is wrong; returns the exit status that fits. */
int cli_control_fail(const struct kith_error *error);

/* A member as a terminal may show it, "" when it is not there: in one of a few buffers, for a line's worth of them. */
const char *cli_control_word(const json_t *object, const char *name);
/* A member that is a number; 0 when it is not there. */
long long cli_control_number(const json_t *object, const char *name);

#endif

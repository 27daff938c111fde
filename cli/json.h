/*
 * cli/json.h: the JSON form of messages, one object a line.
 *
 * Frames are "frames": [...], strings, when all of them are UTF-8; otherwise "frames_b64": [...], all of them in base64 (RFC 4648). Never
 * both, so that a reader needs to look in one place only. A NUL or control character in a string is escaped as JSON wants it.
 */
#ifndef KITH_CLI_JSON_H
#define KITH_CLI_JSON_H

#include <jansson.h>

#include <kith/msg.h>

/* Adds "origin". Errors: -ENOMEM. */
int cli_json_add_origin(json_t *object, kith_origin *origin);
/* Adds the frames from `first` on. Errors: -ENOMEM. */
int cli_json_add_frames(json_t *object, const kith_msg *msg, size_t first);
/* "sequence", "time" and "again", as far as the source says them. Errors: -ENOMEM. */
int cli_json_add_source(json_t *object, const kith_msg *msg);
/* Adds "routing_id" and "group" where the message has them. Errors: -ENOMEM. */
int cli_json_add_address(json_t *object, const kith_msg *msg);
/* Reads one line of that form into the message: its frames are appended, routing_id and group set; other members are ignored. Errors:
 * -EINVAL, -ENOMEM, with text. */
int cli_json_read(const char *line, size_t size, kith_msg *msg, struct kith_error *ret_error);
/* Prints the object as one line. Errors: -ENOMEM, those of cli_output(). */
int cli_json_print(const json_t *object);

#endif

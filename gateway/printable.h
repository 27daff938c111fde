/*
 * gateway/printable.h: octets from peers, made fit for a terminal or a log line.
 *
 * A peer chooses what is in a frame. Written raw it could move the cursor, forge a second log line or reverse the reading order of a
 * line; so everything that is not plainly visible is escaped, and what is too long is cut.
 */
#ifndef KITH_GATEWAY_PRINTABLE_H
#define KITH_GATEWAY_PRINTABLE_H

#include <stddef.h>

#include <kith/msg.h>

#include "base/text.h"

/* Puts at most `max` octets of data: visible UTF-8 as it is, `\` and the character `quote` (0: none) with a `\` before them, tab and
 * newline as \t and \n, everything else (control characters, octets that are no UTF-8, characters that direct the reading order) as \xNN.
 */
void gateway_put_printable(struct kith_text *text, const void *data, size_t size, size_t max, char quote);

/* Puts text of several lines for a terminal: newlines, tabs and `\` as they are, the rest as above. */
void gateway_put_lines(struct kith_text *text, const void *data, size_t size);

/* Puts the frames of a message from frame `first` on: "hello" "a long on"... (70000 octets) and 3 more frames. */
void gateway_put_frames(struct kith_text *text, const kith_msg *msg, size_t first);

#endif

/* origin/json.h: JSON values (RFC 8259) written into a text. Any octets become valid JSON. */
#ifndef KITH_ORIGIN_JSON_H
#define KITH_ORIGIN_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

/* A string. What is not UTF-8 becomes U+FFFD, one for each octet that begins no character. */
void kith_json_string(struct kith_text *text, const void *data, size_t size);

/* A string of base64 (RFC 4648, section 4, padded). */
void kith_json_base64(struct kith_text *text, const void *data, size_t size);

/* A member's name and colon, with a comma in front unless it is the first; *first becomes false. */
void kith_json_key(struct kith_text *text, bool *first, const char *name);

#endif

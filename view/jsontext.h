/* view/jsontext.h: what the JSON views share. */
#ifndef KITH_VIEW_JSONTEXT_H
#define KITH_VIEW_JSONTEXT_H

#include <stdbool.h>

#include <jansson.h>

#include "view/out.h"

/* A text out of a file: what is no UTF-8 becomes \xHH. JSON null for NULL; NULL: no memory. */
json_t *view_json_text(const char *text);
/* Writes a value and drops it, with a comma in front of all but the first. `value` may be NULL: -ENOMEM. */
int view_json_put(struct view_out *out, json_t *value, bool *first);
/* The same as a line of its own. */
int view_json_line(struct view_out *out, json_t *value);

#endif

/* view/jsontext.c: values are made one by one, so that a large recording needs no large document in memory. */
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "view/jsontext.h"

#define TEXT_MAX 4096

json_t *view_json_text(const char *text) {
    char printable[TEXT_MAX];
    struct kith_text words = kith_text_init(printable, sizeof(printable));

    if (!text)
        return json_null();
    kith_text_put_printable(&words, text, strnlen(text, sizeof(printable) / 4 - 1));
    return json_string(printable);
}

static int put_octets(const char *data, size_t size, void *userdata) {
    view_out_put(userdata, data, size);
    return 0;
}

static int put_value(struct view_out *out, json_t *value) {
    int r = json_dump_callback(value, put_octets, out, JSON_COMPACT | JSON_ENCODE_ANY);
    json_decref(value);
    return r < 0 ? -ENOMEM : out->error;
}

int view_json_put(struct view_out *out, json_t *value, bool *first) {
    if (!value)
        return -ENOMEM;
    view_out_puts(out, *first ? "\n" : ",\n");
    *first = false;
    return put_value(out, value);
}

int view_json_line(struct view_out *out, json_t *value) {
    if (!value)
        return -ENOMEM;
    int r = put_value(out, value);
    view_out_puts(out, "\n");
    return r;
}

/* cli/json.c: see json.h. */
#include "cli/json.h"

#include <errno.h>
#include <string.h>

#include "base/utf8.h"
#include "cli/output.h"
#include "gateway/cleanup.h"
#include "gateway/origin-json.h"

int cli_json_add_origin(json_t *object, kith_origin *origin) {
    _cleanup_(freep) char *text = NULL;
    int r = gateway_origin_json(origin, &text);
    if (r < 0)
        return r;
    json_t *value = json_loads(text, JSON_ALLOW_NUL, NULL);
    return value && json_object_set_new(object, "origin", value) == 0 ? 0 : -ENOMEM;
}

static json_t *base64(const uint8_t *data, size_t size) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t length = (size + 2) / 3 * 4;
    _cleanup_(freep) char *text = malloc(length + 1);
    if (!text)
        return NULL;
    char *out = text;
    for (size_t i = 0; i < size; i += 3) {
        uint32_t three = (uint32_t)data[i] << 16;
        if (i + 1 < size)
            three |= (uint32_t)data[i + 1] << 8;
        if (i + 2 < size)
            three |= data[i + 2];
        *out++ = digits[three >> 18];
        *out++ = digits[three >> 12 & 63];
        *out++ = i + 1 < size ? digits[three >> 6 & 63] : '=';
        *out++ = i + 2 < size ? digits[three & 63] : '=';
    }
    return json_stringn(text, length);
}

static int all_utf8(const kith_msg *msg, size_t first) {
    for (size_t i = first; i < kith_msg_count(msg); i++) {
        size_t size;
        const uint8_t *frame = kith_msg_frame(msg, i, &size);
        if (!kith_utf8_valid(frame, size))
            return 0;
    }
    return 1;
}

int cli_json_add_frames(json_t *object, const kith_msg *msg, size_t first) {
    int text = all_utf8(msg, first);
    json_auto_t *frames = json_array();
    for (size_t i = first; frames && i < kith_msg_count(msg); i++) {
        size_t size;
        const uint8_t *frame = kith_msg_frame(msg, i, &size);
        json_t *value = text ? json_stringn((const char *)frame, size) : base64(frame, size);
        if (!value || json_array_append_new(frames, value) < 0)
            return -ENOMEM;
    }
    return frames && json_object_set(object, text ? "frames" : "frames_b64", frames) == 0 ? 0 : -ENOMEM;
}

/* Microseconds with three places behind the point, up to a day; more digits would show the binary fraction. */
#define REAL_DIGITS 14

static int print_piece(const char *buffer, size_t size, void *userdata) {
    return cli_output(buffer, size) < 0 ? -1 : 0;
}

int cli_json_print(const json_t *object) {
    if (json_dump_callback(object, print_piece, NULL, JSON_COMPACT | JSON_REAL_PRECISION(REAL_DIGITS)) < 0) {
        int r = cli_flush();
        return r < 0 ? r : -ENOMEM;
    }
    return cli_output("\n", 1);
}

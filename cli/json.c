/* cli/json.c: see json.h. */
#include "cli/json.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
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

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static json_t *base64(const uint8_t *data, size_t size) {
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

int cli_json_add_source(json_t *object, const kith_msg *msg) {
    if (kith_msg_sequence(msg) == 0)
        return 0;
    return json_object_set_new(object, "sequence", json_integer((json_int_t)kith_msg_sequence(msg))) == 0 &&
                   json_object_set_new(object, "time", json_integer((json_int_t)kith_msg_time(msg))) == 0 &&
                   json_object_set_new(object, "again", json_boolean(kith_msg_again(msg))) == 0
               ? 0
               : -ENOMEM;
}

int cli_json_add_address(json_t *object, const kith_msg *msg) {
    uint32_t id = kith_msg_routing_id(msg);
    const char *group = kith_msg_group(msg);
    if (id != 0 && json_object_set_new(object, "routing_id", json_integer(id)) < 0)
        return -ENOMEM;
    return *group && json_object_set_new(object, "group", json_string(group)) < 0 ? -ENOMEM : 0;
}

static int digit(char c) {
    const char *place = c ? strchr(digits, c) : NULL;
    return place ? (int)(place - digits) : -1;
}

/* Errors: -EINVAL, -ENOMEM. */
static int add_base64(kith_msg *msg, const char *text, size_t length) {
    if (length % 4 != 0)
        return -EINVAL;
    _cleanup_(freep) uint8_t *octets = malloc(length / 4 * 3 + 1);
    if (!octets)
        return -ENOMEM;
    size_t padding = length > 0 ? (size_t)(text[length - 1] == '=') + (text[length - 2] == '=') : 0, size = 0;
    for (size_t i = 0; i < length; i += 4) {
        uint32_t four = 0;
        for (size_t k = 0; k < 4; k++) {
            bool pad = i + k >= length - padding;
            int value = pad ? 0 : digit(text[i + k]);
            if (value < 0)
                return -EINVAL;
            four = four << 6 | (uint32_t)value;
        }
        for (int shift = 16; shift >= 0; shift -= 8)
            octets[size++] = (uint8_t)(four >> shift);
    }
    return kith_msg_add(msg, octets, size - padding);
}

static int read_frame(const json_t *value, bool text, kith_msg *msg) {
    if (!json_is_string(value))
        return -EINVAL;
    return text ? kith_msg_add(msg, json_string_value(value), json_string_length(value))
                : add_base64(msg, json_string_value(value), json_string_length(value));
}

static int read_address(const json_t *object, kith_msg *msg) {
    const json_t *id = json_object_get(object, "routing_id"), *group = json_object_get(object, "group");
    if (id && (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) > UINT32_MAX))
        return -EINVAL;
    if (id)
        kith_msg_set_routing_id(msg, (uint32_t)json_integer_value(id));
    if (!group)
        return 0;
    return json_is_string(group) ? kith_msg_set_group(msg, json_string_value(group)) : -EINVAL;
}

int cli_json_read(const char *line, size_t size, kith_msg *msg, struct kith_error *ret_error) {
    json_error_t error;
    json_auto_t *object = json_loadb(line, size, JSON_ALLOW_NUL, &error);
    if (!object)
        return kith_error_set(ret_error, -EINVAL, "a line is no JSON: %s", error.text);
    const json_t *frames = json_object_get(object, "frames");
    bool text = frames != NULL;
    if (!text)
        frames = json_object_get(object, "frames_b64");
    int r = json_array_size(frames) > 0 ? read_address(object, msg) : -EINVAL;
    for (size_t i = 0; r >= 0 && i < json_array_size(frames); i++)
        r = read_frame(json_array_get(frames, i), text, msg);
    if (r == -EINVAL)
        return kith_error_set(ret_error, r, "a line of JSON is no message: it needs \"frames\" or \"frames_b64\", arrays of strings");
    return r < 0 ? kith_error_set(ret_error, r, "out of memory") : 0;
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

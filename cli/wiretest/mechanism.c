/* cli/wiretest/mechanism.c: the client's handshakes: NULL (RFC 37), PLAIN (RFC 24), CURVE (RFC 26). See suite.h. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/wiretest/suite.h"

KITH_DEFINE_CLEANUP(struct wire_curve *, wire_curve_free)

/* The next command has to be this one. */
static int await(struct wire *wire, const char *name, struct wire_frame *frame, char *why) {
    const uint8_t *data;
    size_t size;
    int r = wire_recv(wire, frame, wire->timeout);
    if (r < 0 || wire_is_command(frame, name, NULL, NULL))
        return r;
    if (!wire_is_command(frame, "ERROR", &data, &size))
        return -EPROTO;
    if (size > 0 && size - 1 >= data[0]) {
        for (size_t i = 0; i < data[0]; i++)
            why[i] = data[1 + i] >= ' ' && data[1 + i] < 0x7f ? (char)data[1 + i] : '?';
        why[data[0]] = '\0';
    }
    return -EACCES;
}

/* Leaves READY's metadata as the frame's body. */
static int await_ready(struct wire *wire, struct wire_frame *frame, char *why) {
    int r = await(wire, "READY", frame, why);
    if (r < 0)
        return r;
    const size_t name = sizeof("READY");
    frame->size -= name;
    memmove(frame->body, frame->body + name, frame->size);
    return 0;
}

static int null_handshake(const struct suite_config *config, struct wire *wire, const struct wire_metadata *metadata,
                          struct wire_frame *ready, char *why) {
    int r = wire_send_command(wire, "READY", metadata->data, metadata->size);
    /* It may have closed because of ours and have told its own before. */
    return r < 0 && r != -ECONNRESET ? r : await_ready(wire, ready, why);
}

size_t suite_plain_hello(uint8_t data[static 512], const char *username, const char *password) {
    const size_t name_size = strnlen(username, UINT8_MAX), word_size = strnlen(password, UINT8_MAX);
    data[0] = (uint8_t)name_size;
    memcpy(data + 1, username, name_size);
    data[1 + name_size] = (uint8_t)word_size;
    memcpy(data + 2 + name_size, password, word_size);
    return 2 + name_size + word_size;
}

static int plain_handshake(const struct suite_config *config, struct wire *wire, const struct wire_metadata *metadata,
                           struct wire_frame *ready, char *why) {
    uint8_t hello[512];
    if (!config->username || !config->password)
        return -ENOKEY;
    int r = wire_send_command(wire, "HELLO", hello, suite_plain_hello(hello, config->username, config->password));
    if (r == 0)
        r = await(wire, "WELCOME", ready, why);
    if (r == 0)
        r = wire_send_command(wire, "INITIATE", metadata->data, metadata->size);
    return r < 0 ? r : await_ready(wire, ready, why);
}

static int await_welcome(const struct suite_config *config, struct wire *wire, struct wire_frame *frame, struct wire_curve **ret_curve,
                         char *why) {
    uint8_t hello[CURVE_HELLO];
    if (!config->has_server_key)
        return -ENOKEY;
    _cleanup_(wire_curve_freep) struct wire_curve *curve = NULL;
    int r = wire_curve_new(config->server_key, config->has_secret_key ? config->secret_key : NULL, &curve);
    if (r < 0)
        return r;
    wire_curve_hello(curve, hello);
    r = wire_send(wire, WIRE_COMMAND, hello, sizeof(hello));
    if (r == 0)
        r = await(wire, "WELCOME", frame, why);
    if (r == 0)
        r = wire_curve_welcome(curve, frame->body, frame->size);
    if (r == 0)
        *ret_curve = KITH_STEAL(curve);
    return r;
}

int suite_curve_begin(const struct suite_config *config, struct wire *wire, struct wire_frame *frame, struct wire_curve **ret_curve) {
    char why[SUITE_TEXT];
    return await_welcome(config, wire, frame, ret_curve, why);
}

static int curve_handshake(const struct suite_config *config, struct wire *wire, const struct wire_metadata *metadata,
                           struct wire_frame *ready, char *why) {
    _cleanup_(wire_curve_freep) struct wire_curve *curve = NULL;
    int r = await_welcome(config, wire, ready, &curve, why);
    if (r < 0)
        return r;
    uint8_t initiate[CURVE_INITIATE_LEAST + sizeof(metadata->data)];
    r = wire_send(wire, WIRE_COMMAND, initiate, wire_curve_initiate(curve, metadata, initiate));
    if (r == 0)
        r = await(wire, "READY", ready, why);
    const uint8_t *told;
    size_t size;
    if (r == 0)
        r = wire_curve_ready(curve, ready->body, ready->size, &told, &size);
    if (r < 0)
        return r;
    memmove(ready->body, told, size);
    ready->size = size;
    wire->curve = KITH_STEAL(curve);
    return 0;
}

int suite_handshake(const struct suite_config *config, const char *mechanism, struct wire *wire, const struct wire_metadata *metadata,
                    struct wire_frame *ready, char why[static SUITE_TEXT]) {
    static const struct {
        const char *name;
        int (*run)(const struct suite_config *, struct wire *, const struct wire_metadata *, struct wire_frame *, char *);
    } mechanisms[] = {
        {"NULL", null_handshake},
        {"PLAIN", plain_handshake},
        {"CURVE", curve_handshake},
    };
    why[0] = '\0';
    for (size_t i = 0; i < KITH_ARRAY_SIZE(mechanisms); i++)
        if (strcmp(mechanisms[i].name, mechanism) == 0)
            return mechanisms[i].run(config, wire, metadata, ready, why);
    return -EPROTONOSUPPORT;
}

/*
 * zmtp/zmtp.c: the engine's life and its decisions: new, accept or refuse, traffic, dead.
 *
 * The state only moves forward. What the peer sends is judged in the part that reads it; that part ends the engine through
 * kith_zmtp_fail(), the only way to KITH_ZMTP_FAILED.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zmtp/engine.h"

KITH_DEFINE_CLEANUP(struct kith_zmtp *, kith_zmtp_free)

static int queue_greeting(struct kith_zmtp *engine) {
    uint8_t *greeting = kith_zmtp_output_extend(&engine->output, KITH_ZMTP_GREETING_SIZE);
    if (!greeting)
        return -ENOMEM;
    kith_zmtp_greeting_write(engine, greeting);
    return 0;
}

int kith_zmtp_new(const struct kith_zmtp_options *options, struct kith_zmtp **ret_engine) {
    const char *type = options->socket_type ? kith_zmtp_socket_type_find(options->socket_type, strlen(options->socket_type)) : NULL;
    if (!type)
        return -EINVAL;
    size_t metadata_size;
    int r = kith_zmtp_metadata_size(options, &metadata_size);
    if (r < 0)
        return r;

    _cleanup_(kith_zmtp_freep) struct kith_zmtp *engine = calloc(1, sizeof(*engine));
    if (!engine)
        return -ENOMEM;
    engine->options = *options;
    engine->options.socket_type = type;
    engine->max_frame = options->max_frame;
    engine->mechanism = &kith_zmtp_mechanism_null;
    engine->state = KITH_ZMTP_STATE_GREETING;
    engine->step = KITH_ZMTP_STEP_HEADER;
    /* The handshake is our own size: it never takes room from the answers to a quick peer. */
    engine->output.limit = KITH_ZMTP_OUTPUT_MAX + KITH_ZMTP_GREETING_SIZE + metadata_size;
    r = queue_greeting(engine);
    if (r < 0)
        return r;
    *ret_engine = KITH_STEAL(engine);
    return 0;
}

struct kith_zmtp *kith_zmtp_free(struct kith_zmtp *engine) {
    if (!engine)
        return NULL;
    free(engine->command);
    free(engine->output.data);
    free(engine->text);
    kith_zmtp_metadata_deinit(&engine->peer);
    free(engine);
    return NULL;
}

char *kith_zmtp_text(struct kith_zmtp *engine) {
    if (!engine->text)
        engine->text = malloc(KITH_ZMTP_TEXT_MAX);
    return engine->text;
}

void kith_zmtp_fail(struct kith_zmtp *engine, struct kith_zmtp_event *event, int error, const char *format, ...) {
    char *text = kith_zmtp_text(engine);
    if (text) {
        va_list args;
        va_start(args, format);
        vsnprintf(text, KITH_ZMTP_TEXT_MAX, format, args);
        va_end(args);
    }
    engine->state = KITH_ZMTP_STATE_DEAD;
    engine->fast = false;
    event->type = KITH_ZMTP_FAILED;
    event->failed.error = error;
    event->failed.reason = text ? text : "out of memory";
}

/* RFC 37: "it SHOULD handle errors by returning an ERROR command, and then disconnecting the peer". Without memory it hears nothing. */
static void refuse_type(struct kith_zmtp *engine, struct kith_zmtp_event *event, const struct kith_zmtp_property *type) {
    char name[64] = "(none)";
    if (type)
        kith_zmtp_printable(name, sizeof(name), type->value, type->size);
    kith_zmtp_fail(engine, event, -EPROTOTYPE, "socket type %s of the peer cannot talk to %s", name, engine->options.socket_type);
    kith_zmtp_command_queue_error(engine, "the socket types cannot talk to each other");
}

void kith_zmtp_enter_traffic(struct kith_zmtp *engine, struct kith_zmtp_event *event) {
    const struct kith_zmtp_property *property = kith_zmtp_metadata_find(&engine->peer, "Socket-Type");
    const char *type = property ? kith_zmtp_socket_type_find(property->value, property->size) : NULL;
    if (!type || !kith_zmtp_compatible(engine->options.socket_type, type)) {
        refuse_type(engine, event, property);
        return;
    }
    const struct kith_zmtp_property *id =
        kith_zmtp_socket_type_has_identity(type) ? kith_zmtp_metadata_find(&engine->peer, "Identity") : NULL;
    engine->state = KITH_ZMTP_STATE_TRAFFIC;
    event->type = KITH_ZMTP_READY;
    event->ready.socket_type = type;
    event->ready.routing_id = id && id->size > 0 ? id->value : NULL;
    event->ready.routing_id_size = id ? id->size : 0;
    event->ready.property_count = engine->peer.count;
}

static size_t receive_slowly(struct kith_zmtp *engine, const uint8_t *data, size_t size, struct kith_zmtp_event *event) {
    event->type = KITH_ZMTP_NONE;
    switch (engine->state) {
    case KITH_ZMTP_STATE_GREETING:
        return kith_zmtp_greeting_receive(engine, data, size, event);
    case KITH_ZMTP_STATE_DECISION:
        return 0;
    case KITH_ZMTP_STATE_HANDSHAKE:
    case KITH_ZMTP_STATE_TRAFFIC:
        return kith_zmtp_frames_receive(engine, data, size, event);
    case KITH_ZMTP_STATE_REFUSED:
    case KITH_ZMTP_STATE_DEAD:
        break;
    }
    return size;
}

/* A message frame that is short and whole is told from here with a few comparisons; everything else, also everything wrong, is left to
 * receive_slowly(). */
size_t kith_zmtp_receive(struct kith_zmtp *engine, const uint8_t *data, size_t size, struct kith_zmtp_event *ret_event) {
    if (!engine->fast || size < 2 || data[0] > KITH_ZMTP_FLAG_MORE || size - 2 < data[1] || data[1] > engine->max_frame)
        return receive_slowly(engine, data, size, ret_event);
    engine->message_open = data[0] == KITH_ZMTP_FLAG_MORE;
    ret_event->type = KITH_ZMTP_FRAME;
    ret_event->frame.data = data + 2;
    ret_event->frame.size = data[1];
    ret_event->frame.frame_size = data[1];
    ret_event->frame.offset = 0;
    ret_event->frame.last = true;
    ret_event->frame.more = engine->message_open;
    return 2 + (size_t)data[1];
}

int kith_zmtp_accept(struct kith_zmtp *engine) {
    if (engine->state != KITH_ZMTP_STATE_DECISION)
        return -EINVAL;
    int r = engine->mechanism->start(engine);
    if (r < 0)
        return r;
    engine->state = KITH_ZMTP_STATE_HANDSHAKE;
    return 0;
}

int kith_zmtp_refuse(struct kith_zmtp *engine, const char *reason) {
    if (engine->state != KITH_ZMTP_STATE_DECISION)
        return -EINVAL;
    int r = kith_zmtp_command_queue_error(engine, reason);
    if (r < 0)
        return r;
    engine->state = KITH_ZMTP_STATE_REFUSED;
    return 0;
}

enum kith_zmtp_state kith_zmtp_state(const struct kith_zmtp *engine) {
    return engine->state;
}

bool kith_zmtp_mid_message(const struct kith_zmtp *engine) {
    if (engine->state != KITH_ZMTP_STATE_HANDSHAKE && engine->state != KITH_ZMTP_STATE_TRAFFIC)
        return false;
    return engine->message_open || engine->header_size > 0 || engine->replay_begin < engine->replay_end ||
           engine->step == KITH_ZMTP_STEP_BODY || engine->step == KITH_ZMTP_STEP_COMMAND;
}

int kith_zmtp_peer_property(const struct kith_zmtp *engine, size_t index, struct kith_zmtp_property *ret_property) {
    if (index >= engine->peer.count)
        return 0;
    *ret_property = engine->peer.properties[index];
    return 1;
}

/*
 * zmtp/zmtp.c: the engine's life and its decisions: new, accept or refuse, let in or not, traffic, dead.
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

static const struct kith_zmtp_mechanism *const mechanisms[] = {
    [KITH_ZMTP_SECURITY_NULL] = &kith_zmtp_mechanism_null,
    [KITH_ZMTP_SECURITY_PLAIN] = &kith_zmtp_mechanism_plain,
    [KITH_ZMTP_SECURITY_CURVE] = &kith_zmtp_mechanism_curve,
};

static int queue_greeting(struct kith_zmtp *engine) {
    uint8_t *greeting = kith_zmtp_output_extend(&engine->output, KITH_ZMTP_GREETING_SIZE);
    if (!greeting)
        return -ENOMEM;
    kith_zmtp_greeting_write(engine, greeting);
    return 0;
}

static struct kith_zmtp_handshake *free_handshake(struct kith_zmtp_handshake *handshake) {
    if (!handshake)
        return NULL;
    if (handshake->mechanism->deinit)
        handshake->mechanism->deinit(handshake);
    kith_zmtp_metadata_deinit(&handshake->peer);
    free(handshake);
    return NULL;
}

static int begin(struct kith_zmtp *engine, const struct kith_zmtp_options *options, const char *type) {
    struct kith_zmtp_handshake *handshake = engine->handshake;
    handshake->options = *options;
    handshake->options.socket_type = type;
    handshake->mechanism = mechanisms[options->security];
    engine->max_frame = options->max_frame;
    int r = kith_zmtp_metadata_check(&handshake->options, handshake->mechanism->overhead);
    if (r < 0)
        return r;
    /* The handshake is our own size: it never takes room from the answers to a quick peer. */
    engine->output.limit = (uint32_t)(KITH_ZMTP_OUTPUT_MAX + KITH_ZMTP_GREETING_SIZE + handshake->mechanism->overhead +
                                      kith_zmtp_metadata_size(&handshake->options));
    if (handshake->mechanism->init)
        r = handshake->mechanism->init(engine);
    return r < 0 ? r : queue_greeting(engine);
}

int kith_zmtp_new(const struct kith_zmtp_options *options, struct kith_zmtp **ret_engine) {
    const char *type = options->socket_type ? kith_zmtp_socket_type_find(options->socket_type, strlen(options->socket_type)) : NULL;
    if (!type || (unsigned)options->security >= KITH_ARRAY_SIZE(mechanisms))
        return -EINVAL;

    _cleanup_(kith_zmtp_freep) struct kith_zmtp *engine = calloc(1, sizeof(*engine));
    if (!engine)
        return -ENOMEM;
    engine->state = KITH_ZMTP_STATE_GREETING;
    engine->step = KITH_ZMTP_STEP_HEADER;
    engine->handshake = calloc(1, sizeof(*engine->handshake));
    if (!engine->handshake)
        return -ENOMEM;
    engine->handshake->mechanism = &kith_zmtp_mechanism_null; /* safe to free */
    int r = begin(engine, options, type);
    if (r < 0)
        return r;
    *ret_engine = KITH_STEAL(engine);
    return 0;
}

struct kith_zmtp *kith_zmtp_free(struct kith_zmtp *engine) {
    if (!engine)
        return NULL;
    free(engine->gathered);
    free(engine->output.data);
    free(engine->text);
    free_handshake(engine->handshake);
    kith_zmtp_seal_free(engine->seal);
    free(engine);
    return NULL;
}

/* What may be said of the peer, or has to be -------------------------------------------------------------------------------- */

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
    kith_zmtp_fail(engine, event, -EPROTOTYPE, "socket type %s of the peer cannot talk to %s", name,
                   engine->handshake->options.socket_type);
    kith_zmtp_command_queue_error(engine, "the socket types cannot talk to each other");
}

bool kith_zmtp_take_metadata(struct kith_zmtp *engine, const char *name, const uint8_t *data, size_t size, struct kith_zmtp_event *event) {
    struct kith_zmtp_handshake *handshake = engine->handshake;
    const char *reason = "out of memory";
    int r = kith_zmtp_metadata_parse(data, size, &handshake->peer, &reason);
    if (r < 0) {
        kith_zmtp_fail(engine, event, r, "%s: %s", name, reason);
        return false;
    }
    const struct kith_zmtp_property *property = kith_zmtp_metadata_find(&handshake->peer, "Socket-Type");
    const char *type = property ? kith_zmtp_socket_type_find(property->value, property->size) : NULL;
    if (!type || !kith_zmtp_compatible(handshake->options.socket_type, type)) {
        refuse_type(engine, event, property);
        return false;
    }
    handshake->peer_type = type;
    return true;
}

void kith_zmtp_enter_traffic(struct kith_zmtp *engine, struct kith_zmtp_event *event) {
    const struct kith_zmtp_handshake *handshake = engine->handshake;
    const struct kith_zmtp_property *id =
        kith_zmtp_socket_type_has_identity(handshake->peer_type) ? kith_zmtp_metadata_find(&handshake->peer, "Identity") : NULL;
    engine->state = KITH_ZMTP_STATE_TRAFFIC;
    event->type = KITH_ZMTP_READY;
    event->ready.socket_type = handshake->peer_type;
    event->ready.routing_id = id && id->size > 0 ? id->value : NULL;
    event->ready.routing_id_size = id ? id->size : 0;
    event->ready.property_count = handshake->peer.count;
}

void kith_zmtp_ask(struct kith_zmtp *engine, struct kith_zmtp_event *event) {
    engine->state = KITH_ZMTP_STATE_CREDENTIALS;
    event->type = KITH_ZMTP_CREDENTIALS;
    memset(&event->credentials, 0, sizeof(event->credentials));
    event->credentials.mechanism = engine->handshake->mechanism->name;
}

/* Receiving ------------------------------------------------------------------------------------------------------------------ */

static size_t receive_handshake(struct kith_zmtp *engine, uint8_t *data, size_t size, struct kith_zmtp_event *event) {
    const enum kith_zmtp_event_type pending = engine->handshake->pending;
    engine->handshake->pending = KITH_ZMTP_NONE;
    if (pending == KITH_ZMTP_READY)
        kith_zmtp_enter_traffic(engine, event);
    else if (pending == KITH_ZMTP_CREDENTIALS)
        kith_zmtp_ask(engine, event);
    else
        return kith_zmtp_frames_receive(engine, data, size, event);
    return 0;
}

static size_t receive_slowly(struct kith_zmtp *engine, uint8_t *data, size_t size, struct kith_zmtp_event *event) {
    event->type = KITH_ZMTP_NONE;
    switch (engine->state) {
    case KITH_ZMTP_STATE_GREETING:
        return kith_zmtp_greeting_receive(engine, data, size, event);
    case KITH_ZMTP_STATE_DECISION:
    case KITH_ZMTP_STATE_CREDENTIALS:
        return 0;
    case KITH_ZMTP_STATE_HANDSHAKE:
        return receive_handshake(engine, data, size, event);
    case KITH_ZMTP_STATE_TRAFFIC:
        engine->handshake = free_handshake(engine->handshake);
        return kith_zmtp_frames_receive(engine, data, size, event);
    case KITH_ZMTP_STATE_REFUSED:
    case KITH_ZMTP_STATE_DEAD:
        break;
    }
    return size;
}

/* A message frame that lies whole in the input is told from here with a few comparisons; everything else, also everything wrong, is left to
 * receive_slowly(). */
size_t kith_zmtp_receive(struct kith_zmtp *engine, uint8_t *data, size_t size, struct kith_zmtp_event *ret_event) {
    size_t header_size = KITH_ZMTP_SHORT_HEADER;
    uint64_t frame_size;
    if (!engine->fast || size < KITH_ZMTP_SHORT_HEADER)
        return receive_slowly(engine, data, size, ret_event);
    if (data[0] <= KITH_ZMTP_FLAG_MORE) {
        frame_size = data[1];
    } else if (data[0] <= (KITH_ZMTP_FLAG_MORE | KITH_ZMTP_FLAG_LONG) && size >= KITH_ZMTP_HEADER_MAX) {
        frame_size = kith_zmtp_read_be64(data + 1);
        header_size = KITH_ZMTP_HEADER_MAX;
    } else {
        return receive_slowly(engine, data, size, ret_event);
    }
    if (frame_size > size - header_size || frame_size > engine->max_frame)
        return receive_slowly(engine, data, size, ret_event);
    kith_zmtp_tell_whole(engine, data + header_size, (size_t)frame_size, data[0] & KITH_ZMTP_FLAG_MORE, ret_event);
    return header_size + (size_t)frame_size;
}

size_t kith_zmtp_take_message(const struct kith_zmtp *engine, const uint8_t *data, size_t size, const uint8_t **ret_body,
                              size_t *ret_size) {
    if (size < KITH_ZMTP_SHORT_HEADER || data[0] != 0 || data[1] > size - KITH_ZMTP_SHORT_HEADER)
        return 0;
    if (!engine->fast || engine->message_open || data[1] > engine->max_frame)
        return 0;
    *ret_body = data + KITH_ZMTP_SHORT_HEADER;
    *ret_size = data[1];
    return KITH_ZMTP_SHORT_HEADER + *ret_size;
}

/* Decisions ------------------------------------------------------------------------------------------------------------------ */

int kith_zmtp_accept(struct kith_zmtp *engine) {
    if (engine->state != KITH_ZMTP_STATE_DECISION)
        return -EINVAL;
    int r = engine->handshake->mechanism->start(engine);
    if (r < 0)
        return r;
    engine->state = KITH_ZMTP_STATE_HANDSHAKE;
    return 0;
}

int kith_zmtp_refuse(struct kith_zmtp *engine, const char *reason) {
    if (engine->state != KITH_ZMTP_STATE_DECISION && engine->state != KITH_ZMTP_STATE_CREDENTIALS)
        return -EINVAL;
    int r = kith_zmtp_command_queue_error(engine, reason);
    if (r < 0)
        return r;
    engine->state = KITH_ZMTP_STATE_REFUSED;
    return 0;
}

int kith_zmtp_authenticate(struct kith_zmtp *engine, unsigned status) {
    if (engine->state != KITH_ZMTP_STATE_CREDENTIALS)
        return -EINVAL;
    int r;
    switch (status) {
    case 200:
        r = engine->handshake->mechanism->admit(engine);
        engine->state = r >= 0 ? KITH_ZMTP_STATE_HANDSHAKE : KITH_ZMTP_STATE_DEAD;
        return r;
    case 300:
        engine->state = KITH_ZMTP_STATE_DEAD;
        return 0;
    case 400:
    case 500:
        r = kith_zmtp_command_queue_error(engine, status == 400 ? "400" : "500");
        if (r >= 0)
            engine->state = KITH_ZMTP_STATE_REFUSED;
        return r;
    default:
        return -EINVAL;
    }
}

enum kith_zmtp_state kith_zmtp_state(const struct kith_zmtp *engine) {
    return engine->state;
}

bool kith_zmtp_peer_is_libzmq(const struct kith_zmtp *engine) {
    return engine->peer_is_libzmq;
}

uint64_t kith_zmtp_body_left(const struct kith_zmtp *engine) {
    bool begun = engine->state == KITH_ZMTP_STATE_TRAFFIC && engine->step == KITH_ZMTP_STEP_BODY && engine->frame_offset > 0;
    return begun ? engine->frame_size - engine->frame_offset : 0;
}

bool kith_zmtp_mid_message(const struct kith_zmtp *engine) {
    if (engine->state != KITH_ZMTP_STATE_HANDSHAKE && engine->state != KITH_ZMTP_STATE_TRAFFIC)
        return false;
    return engine->message_open || engine->header_size > 0 || engine->replay_begin < engine->replay_end ||
           engine->step == KITH_ZMTP_STEP_BODY || engine->step == KITH_ZMTP_STEP_WHOLE;
}

int kith_zmtp_peer_property(const struct kith_zmtp *engine, size_t index, struct kith_zmtp_property *ret_property) {
    if (!engine->handshake || index >= engine->handshake->peer.count)
        return 0;
    *ret_property = engine->handshake->peer.properties[index];
    return 1;
}

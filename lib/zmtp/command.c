/*
 * zmtp/command.c: commands: taking them apart, what they mean in traffic, and queueing ours.
 *
 * In traffic nothing in a command's body ends the connection: what is not known or does not fit is told as KITH_ZMTP_COMMAND and
 * forgotten. The exception are the commands that take part in messages (FDS, MEMFD): with one of them forgotten the two sides would no
 * longer agree on what a message is. No answer holds an octet that did not come. A peer's words reach a person as printable ASCII only.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "zmtp/engine.h"

/* RFC 37: TTL in tenths of a second, 2 octets. */
#define TTL_SIZE 2
#define TTL_UNIT_MS 100
/* Deployed receivers keep the TTL as 16 bits of milliseconds (libzmq up to 4.3.4): more overflows there. */
#define TTL_MAX 655
/* Of MEMORY, kith's own command: one octet, 1 when memory for rings comes with it, or has come and is mapped (session/rings.h). */
#define MEMORY_SIZE 1

size_t kith_zmtp_printable(char *text, size_t room, const uint8_t *octets, size_t size) {
    if (size > room - 1)
        size = room - 1;
    for (size_t i = 0; i < size; i++)
        text[i] = octets[i] >= 0x20 && octets[i] < 0x7f ? (char)octets[i] : '?';
    text[size] = 0;
    return size;
}

bool kith_zmtp_command_parse(uint8_t *body, size_t size, struct kith_zmtp_command *ret_command) {
    if (size == 0 || body[0] == 0 || body[0] > size - 1)
        return false;
    ret_command->name = body + 1;
    ret_command->name_size = body[0];
    ret_command->data = body + 1 + body[0];
    ret_command->size = size - 1 - body[0];
    return true;
}

bool kith_zmtp_command_is(const struct kith_zmtp_command *command, const char *name) {
    return command->name_size == strlen(name) && memcmp(command->name, name, command->name_size) == 0;
}

/* Queueing ---------------------------------------------------------------------------------------------------------- */

uint8_t *kith_zmtp_command_queue(struct kith_zmtp *engine, const char *name, size_t size) {
    uint8_t header[KITH_ZMTP_HEADER_MAX];
    const size_t name_size = strlen(name);
    const size_t header_size = kith_zmtp_header_write(header, 1 + name_size + size, KITH_ZMTP_FLAG_COMMAND);
    uint8_t *place = kith_zmtp_output_extend(&engine->output, header_size + 1 + name_size + size);
    if (!place)
        return NULL;
    memcpy(place, header, header_size);
    place[header_size] = (uint8_t)name_size;
    memcpy(place + header_size + 1, name, name_size);
    return place + header_size + 1 + name_size;
}

int kith_zmtp_command_queue_metadata(struct kith_zmtp *engine, const char *name) {
    const struct kith_zmtp_options *options = &engine->handshake->options;
    uint8_t *place = kith_zmtp_command_queue(engine, name, kith_zmtp_metadata_size(options));
    if (!place)
        return -ENOMEM;
    kith_zmtp_metadata_write(options, place);
    return 0;
}

static size_t reason_size(const char *reason) {
    return reason ? strnlen(reason, KITH_ZMTP_REASON_MAX) : 0;
}

int kith_zmtp_command_queue_error(struct kith_zmtp *engine, const char *reason) {
    const size_t size = reason_size(reason);
    char text[KITH_ZMTP_REASON_MAX + 1];
    kith_zmtp_printable(text, sizeof(text), (const uint8_t *)(reason ? reason : ""), size);
    uint8_t *place = kith_zmtp_command_queue(engine, "ERROR", 1 + size);
    if (!place)
        return -ENOMEM;
    place[0] = (uint8_t)size;
    memcpy(place + 1, text, size);
    return 0;
}

static bool traffic_has_room(const struct kith_zmtp *engine, size_t name_size, size_t size) {
    return kith_zmtp_output_has_room(&engine->output, 1 + name_size + size);
}

int kith_zmtp_tell_error(struct kith_zmtp *engine, const char *reason) {
    if (engine->state != KITH_ZMTP_STATE_TRAFFIC)
        return -EINVAL;
    if (!traffic_has_room(engine, strlen("ERROR"), 1 + reason_size(reason)))
        return -ENOBUFS;
    return kith_zmtp_command_queue_error(engine, reason);
}

int kith_zmtp_ping(struct kith_zmtp *engine, unsigned ttl_ms, const void *context, size_t size) {
    if (engine->state != KITH_ZMTP_STATE_TRAFFIC || size > KITH_ZMTP_CONTEXT_MAX)
        return -EINVAL;
    if (engine->peer_major == 3 && engine->peer_minor == 0)
        return -EOPNOTSUPP;
    if (!traffic_has_room(engine, strlen("PING"), TTL_SIZE + size))
        return -ENOBUFS;
    uint8_t *place = kith_zmtp_command_queue(engine, "PING", TTL_SIZE + size);
    if (!place)
        return -ENOMEM;
    unsigned ttl = ttl_ms / TTL_UNIT_MS + (ttl_ms % TTL_UNIT_MS != 0);
    if (ttl > TTL_MAX)
        ttl = TTL_MAX;
    place[0] = (uint8_t)(ttl >> 8);
    place[1] = (uint8_t)ttl;
    if (size > 0)
        memcpy(place + TTL_SIZE, context, size);
    return 0;
}

/* Traffic ----------------------------------------------------------------------------------------------------------- */

static void tell_other(struct kith_zmtp *engine, const struct kith_zmtp_command *command, bool malformed, struct kith_zmtp_event *event) {
    char *text = command ? kith_zmtp_text(engine) : NULL;
    if (text)
        kith_zmtp_printable(text, KITH_ZMTP_TEXT_MAX, command->name, command->name_size);
    event->type = KITH_ZMTP_COMMAND;
    event->command.name = text ? text : "";
    event->command.malformed = malformed;
}

void kith_zmtp_command_refused(struct kith_zmtp *engine, const struct kith_zmtp_command *command, bool handshake,
                               struct kith_zmtp_event *event) {
    char *text = kith_zmtp_text(engine);
    if (text) {
        size_t size = command->size > 0 ? command->data[0] : 0;
        if (size > 0 && size > command->size - 1)
            size = command->size - 1;
        kith_zmtp_printable(text, KITH_ZMTP_REASON_MAX + 1, command->data + (size > 0), size);
    }
    if (handshake)
        engine->state = KITH_ZMTP_STATE_DEAD;
    event->type = KITH_ZMTP_REFUSED;
    event->refused.reason = text ? text : "";
    event->refused.handshake = handshake;
}

/* The TTL is there: the caller has looked. A longer context than the RFC allows is echoed as far as it allows, as libzmq does. */
static void receive_ping(struct kith_zmtp *engine, const struct kith_zmtp_command *command, struct kith_zmtp_event *event) {
    size_t size = command->size - TTL_SIZE;
    if (size > KITH_ZMTP_CONTEXT_MAX)
        size = KITH_ZMTP_CONTEXT_MAX;
    uint8_t *place = traffic_has_room(engine, strlen("PONG"), size) ? kith_zmtp_command_queue(engine, "PONG", size) : NULL;
    if (place)
        memcpy(place, command->data + TTL_SIZE, size);
    event->type = KITH_ZMTP_PINGED;
    event->ping.ttl_ms = ((unsigned)command->data[0] << 8 | command->data[1]) * TTL_UNIT_MS;
    event->ping.answered = place != NULL;
}

static void tell_topic(enum kith_zmtp_event_type type, const struct kith_zmtp_command *command, struct kith_zmtp_event *event) {
    event->type = type;
    event->subscription.topic = command->data;
    event->subscription.size = command->size;
}

/* The commands that are about a topic or a group. RFC 48: a group has at most 255 octets. */
static const struct {
    const char *name;
    enum kith_zmtp_event_type type;
    size_t limit;
} topic_commands[] = {
    {"SUBSCRIBE", KITH_ZMTP_SUBSCRIBE, SIZE_MAX},
    {"CANCEL", KITH_ZMTP_CANCEL, SIZE_MAX},
    {"JOIN", KITH_ZMTP_JOIN, KITH_ZMTP_GROUP_MAX},
    {"LEAVE", KITH_ZMTP_LEAVE, KITH_ZMTP_GROUP_MAX},
};

static bool receive_topic(const struct kith_zmtp_command *command, struct kith_zmtp_event *event) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(topic_commands); i++) {
        if (!kith_zmtp_command_is(command, topic_commands[i].name) || command->size > topic_commands[i].limit)
            continue;
        tell_topic(topic_commands[i].type, command, event);
        return true;
    }
    return false;
}

/* Commands that take part in messages ------------------------------------------------------------------------------------- */

static void receive_fds(struct kith_zmtp *engine, const struct kith_zmtp_command *command, struct kith_zmtp_event *event) {
    if (command->size != KITH_ZMTP_FDS_SIZE || command->data[0] == 0) {
        kith_zmtp_fail(engine, event, -EPROTO, "FDS of %zu octets announces no descriptors", command->size);
    } else if (engine->message_open) {
        kith_zmtp_fail(engine, event, -EPROTO, "FDS came between the frames of a message");
    } else {
        event->type = KITH_ZMTP_FDS;
        event->fds.count = command->data[0];
    }
}

static void receive_memfd(struct kith_zmtp *engine, const struct kith_zmtp_command *command, struct kith_zmtp_event *event) {
    if (command->size != KITH_ZMTP_MEMFD_SIZE || (command->data[0] & ~KITH_ZMTP_FLAG_MORE)) {
        kith_zmtp_fail(engine, event, -EPROTO, "MEMFD of %zu octets does not say what frame it is", command->size);
        return;
    }
    const uint64_t size = kith_zmtp_read_be64(command->data + 1);
    if (size > engine->max_frame) {
        kith_zmtp_fail(engine, event, -EMSGSIZE, "frame of %" PRIu64 " octets in a descriptor exceeds the limit of %" PRIu64, size,
                       engine->max_frame);
        return;
    }
    event->type = KITH_ZMTP_MEMFD;
    event->memfd.size = size;
    event->memfd.more = command->data[0] & KITH_ZMTP_FLAG_MORE;
    engine->message_open = event->memfd.more;
}

static void receive_taken(const struct kith_zmtp_command *command, struct kith_zmtp_event *event) {
    event->type = KITH_ZMTP_TAKEN;
    event->taken.octets = kith_zmtp_read_be64(command->data);
}

int kith_zmtp_tell_taken(struct kith_zmtp *engine, uint64_t octets) {
    if (engine->state != KITH_ZMTP_STATE_TRAFFIC)
        return -EINVAL;
    if (!traffic_has_room(engine, strlen("TAKEN"), sizeof(octets)))
        return -ENOBUFS;
    uint8_t *place = kith_zmtp_command_queue(engine, "TAKEN", sizeof(octets));
    if (!place)
        return -ENOMEM;
    kith_zmtp_write_be64(place, octets);
    return 0;
}

/* ------------------------------------------------------------------------------------------------------------------------- */

static bool is_known(const struct kith_zmtp_command *command) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(topic_commands); i++)
        if (kith_zmtp_command_is(command, topic_commands[i].name))
            return true;
    return kith_zmtp_command_is(command, "PING") || kith_zmtp_command_is(command, "PONG") || kith_zmtp_command_is(command, "TAKEN") ||
           kith_zmtp_command_is(command, "MEMORY");
}

void kith_zmtp_command_receive(struct kith_zmtp *engine, uint8_t *body, size_t size, struct kith_zmtp_event *event) {
    struct kith_zmtp_command command;
    if (!kith_zmtp_command_parse(body, size, &command)) {
        tell_other(engine, NULL, true, event);
    } else if (receive_topic(&command, event)) {
        return;
    } else if (kith_zmtp_command_is(&command, "PING") && command.size >= TTL_SIZE) {
        receive_ping(engine, &command, event);
    } else if (kith_zmtp_command_is(&command, "MEMORY") && command.size == MEMORY_SIZE) {
        event->type = KITH_ZMTP_MEMORY;
        event->memory.offered = command.data[0] == 1;
    } else if (kith_zmtp_command_is(&command, "PONG") && command.size <= KITH_ZMTP_CONTEXT_MAX) {
        event->type = KITH_ZMTP_PONG;
        event->pong.context = command.data;
        event->pong.size = command.size;
    } else if (kith_zmtp_command_is(&command, "FDS")) {
        receive_fds(engine, &command, event);
    } else if (kith_zmtp_command_is(&command, "MEMFD")) {
        receive_memfd(engine, &command, event);
    } else if (kith_zmtp_command_is(&command, "TAKEN") && command.size == sizeof(uint64_t)) {
        receive_taken(&command, event);
    } else if (kith_zmtp_command_is(&command, "ERROR")) {
        kith_zmtp_command_refused(engine, &command, false, event);
    } else {
        tell_other(engine, &command, is_known(&command), event);
    }
}

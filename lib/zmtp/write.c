/*
 * zmtp/write.c: what the owner says, messages and words about topics, groups and descriptors, put in form straight into the owner's memory.
 *
 * A body is put together of two parts, so that a word and its topic, or 01 and a topic, need no copy of their own. With a seal one copy is
 * made all the same: the octets are sealed where they will be sent from.
 */
#include <string.h>

#include "zmtp/engine.h"

size_t kith_zmtp_header_write(uint8_t *to, uint64_t size, uint8_t flags) {
    if (size <= UINT8_MAX) {
        to[0] = flags;
        to[1] = (uint8_t)size;
        return 2;
    }
    to[0] = flags | KITH_ZMTP_FLAG_LONG;
    kith_zmtp_write_be64(to + 1, size);
    return KITH_ZMTP_HEADER_MAX;
}

size_t kith_zmtp_frame_header(uint64_t size, bool more, uint8_t header[static KITH_ZMTP_HEADER_MAX]) {
    return kith_zmtp_header_write(header, size, more ? KITH_ZMTP_FLAG_MORE : 0);
}

bool kith_zmtp_seals(const struct kith_zmtp *engine) {
    return engine->seal != NULL;
}

size_t kith_zmtp_wire_size(const struct kith_zmtp *engine, size_t size) {
    if (engine->seal)
        size += KITH_ZMTP_SEAL_SIZE;
    return (size <= UINT8_MAX ? 2 : KITH_ZMTP_HEADER_MAX) + size;
}

size_t kith_zmtp_body_wire_size(const struct kith_zmtp *engine, const struct kith_zmtp_body *body) {
    return kith_zmtp_wire_size(engine, body->head_size + body->size);
}

static uint8_t *append(uint8_t *to, const void *data, size_t size) {
    if (size > 0)
        memcpy(to, data, size);
    return to + size;
}

static uint8_t *write_sealed(struct kith_zmtp_seal *seal, const struct kith_zmtp_body *body, uint8_t *out) {
    const size_t size = body->head_size + body->size;
    uint8_t *room = out + kith_zmtp_header_write(out, KITH_ZMTP_SEAL_SIZE + size, 0);
    uint8_t *end = append(room + KITH_ZMTP_SEAL_SIZE, body->head, body->head_size);
    end = append(end, body->data, body->size);
    kith_zmtp_seal_close(seal, room, body->flags, size);
    return end;
}

uint8_t *kith_zmtp_body_write(struct kith_zmtp *engine, const struct kith_zmtp_body *body, uint8_t *out) {
    if (engine->seal)
        return write_sealed(engine->seal, body, out);
    out += kith_zmtp_header_write(out, body->head_size + body->size, body->flags);
    out = append(out, body->head, body->head_size);
    return append(out, body->data, body->size);
}

void kith_zmtp_write(struct kith_zmtp *engine, const void *data, size_t size, bool more, uint8_t *out) {
    const struct kith_zmtp_body body = {.flags = more ? KITH_ZMTP_FLAG_MORE : 0, .data = data, .size = size};
    if (engine->seal)
        write_sealed(engine->seal, &body, out);
    else
        append(out + kith_zmtp_header_write(out, size, body.flags), data, size);
}

/* Words --------------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;    /* of the command, with its length in front */
    const char *message; /* what a 3.0 peer gets instead (RFC 23); NULL: the command too */
} words[] = {
    [KITH_ZMTP_WORD_SUBSCRIBE] = {"\x09SUBSCRIBE", "\x01"},
    [KITH_ZMTP_WORD_CANCEL] = {"\x06"
                               "CANCEL",
                               "\x00"},
    [KITH_ZMTP_WORD_JOIN] = {"\x04JOIN", NULL},
    [KITH_ZMTP_WORD_LEAVE] = {"\x05LEAVE", NULL},
    [KITH_ZMTP_WORD_FDS] = {"\x03"
                            "FDS",
                            NULL},
    [KITH_ZMTP_WORD_MEMFD] = {"\x05MEMFD", NULL},
    [KITH_ZMTP_WORD_MEMORY] = {"\x06MEMORY", NULL},
};

static struct kith_zmtp_body word_body(const struct kith_zmtp *engine, enum kith_zmtp_word word, const void *octets, size_t size) {
    const bool is_old = engine->peer_major == 3 && engine->peer_minor == 0;
    if (is_old && words[word].message)
        return (struct kith_zmtp_body){.head = words[word].message, .head_size = 1, .data = octets, .size = size};
    return (struct kith_zmtp_body){
        .flags = KITH_ZMTP_FLAG_COMMAND, .head = words[word].name, .head_size = strlen(words[word].name), .data = octets, .size = size};
}

size_t kith_zmtp_word_wire_size(const struct kith_zmtp *engine, enum kith_zmtp_word word, size_t size) {
    const struct kith_zmtp_body body = word_body(engine, word, NULL, size);
    return kith_zmtp_body_wire_size(engine, &body);
}

void kith_zmtp_word_write(struct kith_zmtp *engine, enum kith_zmtp_word word, const void *octets, size_t size, uint8_t *out) {
    const struct kith_zmtp_body body = word_body(engine, word, octets, size);
    kith_zmtp_body_write(engine, &body, out);
}

void kith_zmtp_fds_body(unsigned count, uint8_t body[static KITH_ZMTP_FDS_SIZE]) {
    body[0] = (uint8_t)count;
}

void kith_zmtp_memfd_body(uint64_t size, bool more, uint8_t body[static KITH_ZMTP_MEMFD_SIZE]) {
    body[0] = more ? KITH_ZMTP_FLAG_MORE : 0;
    kith_zmtp_write_be64(body + 1, size);
}

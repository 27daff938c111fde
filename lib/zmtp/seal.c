/*
 * zmtp/seal.c: the sealed traffic of CURVE (RFC 26): one MESSAGE a frame, both ways.
 *
 *     "\x07MESSAGE"  short nonce (8)  authenticator (16)  [ flags (1)  octets ]
 *
 * What is in brackets is encrypted where it lies (box.h), with keys that were computed once from both transient keys. The short nonce of a
 * direction rises with every frame: one that does not is a replay, and ends the connection. Nothing of a frame is looked at before its
 * authenticator has been found right. No allocation a frame.
 */
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "zmtp/box.h"
#include "zmtp/curve.h"
#include "zmtp/engine.h"

enum {
    NAME_SIZE = 8,
    AT_NONCE = NAME_SIZE,
    AT_MAC = AT_NONCE + KITH_ZMTP_SHORT_NONCE_SIZE,
    AT_FLAGS = AT_MAC + crypto_box_MACBYTES,
};

static const char name[NAME_SIZE + 1] = "\x07MESSAGE";
static const uint8_t from_client[] = "CurveZMQMESSAGEC", from_server[] = "CurveZMQMESSAGES";

_Static_assert(KITH_ZMTP_SEAL_SIZE == AT_FLAGS + 1, "what a seal adds");
_Static_assert(KITH_ZMTP_WIRE_MAX == KITH_ZMTP_HEADER_MAX + KITH_ZMTP_SEAL_SIZE, "what a frame adds at most");
_Static_assert(KITH_ZMTP_KEY_SIZE == crypto_box_BEFORENMBYTES && KITH_ZMTP_KEY_SIZE == crypto_box_PUBLICKEYBYTES &&
                   KITH_ZMTP_KEY_SIZE == crypto_box_SECRETKEYBYTES,
               "all keys have one size");

/* RFC 26: the flags inside of the seal. */
enum {
    SEALED_MORE = 1,
    SEALED_COMMAND = 2,
};

int kith_zmtp_seal_start(struct kith_zmtp *engine, const uint8_t key[static KITH_ZMTP_KEY_SIZE], bool server, uint64_t sent,
                         uint64_t received) {
    struct kith_zmtp_seal *seal = malloc(sizeof(*seal));
    if (!seal)
        return -ENOMEM;
    *seal = (struct kith_zmtp_seal){.sent = sent, .received = received};
    kith_zmtp_box_key(seal->sent_key, key, server ? from_server : from_client);
    kith_zmtp_box_key(seal->received_key, key, server ? from_client : from_server);
    engine->seal = seal;
    engine->output.open = engine->output.size;
    return 0;
}

struct kith_zmtp_seal *kith_zmtp_seal_free(struct kith_zmtp_seal *seal) {
    if (!seal)
        return NULL;
    sodium_memzero(seal, sizeof(*seal));
    free(seal);
    return NULL;
}

void kith_zmtp_seal_close(struct kith_zmtp_seal *seal, uint8_t *room, uint8_t flags, size_t size) {
    memcpy(room, name, NAME_SIZE);
    kith_zmtp_short_nonce_write(++seal->sent, room + AT_NONCE); /* 2^64 frames are never reached */
    room[AT_FLAGS] = (flags & KITH_ZMTP_FLAG_MORE ? SEALED_MORE : 0) | (flags & KITH_ZMTP_FLAG_COMMAND ? SEALED_COMMAND : 0);
    kith_zmtp_box_close(seal->sent_key, room + AT_NONCE, room + AT_FLAGS, 1 + size, room + AT_MAC);
}

/* Opens it where it lies. False: the engine is dead. */
static bool open_body(struct kith_zmtp *engine, uint8_t *body, size_t size, struct kith_zmtp_event *event) {
    struct kith_zmtp_seal *seal = engine->seal;
    if (size < KITH_ZMTP_SEAL_SIZE || memcmp(body, name, NAME_SIZE) != 0) {
        kith_zmtp_fail(engine, event, -EPROTO, "a frame of %zu octets that is not sealed came in sealed traffic", size);
        return false;
    }
    const uint64_t number = kith_zmtp_short_nonce_read(body + AT_NONCE);
    if (number <= seal->received) {
        kith_zmtp_fail(engine, event, -EBADMSG, "a sealed frame was replayed: number %" PRIu64 " came after %" PRIu64, number,
                       seal->received);
        return false;
    }
    if (!kith_zmtp_box_open(seal->received_key, body + AT_NONCE, body + AT_FLAGS, size - AT_FLAGS, body + AT_MAC)) {
        kith_zmtp_fail(engine, event, -EBADMSG, "a sealed frame does not open: it was changed, or is not of this connection");
        return false;
    }
    seal->received = number;
    return true;
}

void kith_zmtp_seal_receive(struct kith_zmtp *engine, uint8_t *body, size_t size, struct kith_zmtp_event *event) {
    if (!open_body(engine, body, size, event))
        return;
    const uint8_t flags = body[AT_FLAGS];
    const bool is_command = flags & SEALED_COMMAND;
    uint8_t *data = body + KITH_ZMTP_SEAL_SIZE;
    const uint64_t limit = is_command ? KITH_ZMTP_COMMAND_MAX : engine->max_frame;
    size -= KITH_ZMTP_SEAL_SIZE;
    if (flags & ~(SEALED_MORE | SEALED_COMMAND))
        kith_zmtp_fail(engine, event, -EPROTO, "sealed flags %02x use reserved bits", flags);
    else if (flags == (SEALED_MORE | SEALED_COMMAND))
        kith_zmtp_fail(engine, event, -EPROTO, "sealed flags %02x: a command that says more frames follow", flags);
    else if (size > limit)
        kith_zmtp_fail(engine, event, -EMSGSIZE, "sealed %s of %zu octets exceeds the limit of %" PRIu64, is_command ? "command" : "frame",
                       size, limit);
    else if (is_command)
        kith_zmtp_command_receive(engine, data, size, event);
    else
        kith_zmtp_tell_whole(engine, data, size, flags & SEALED_MORE, event);
}

/*
 * zmtp/greeting.c: the 64 octets that open a connection.
 *
 * Ours goes out whole and unasked (RFC 37: a peer that needs no older protocol sends its full greeting at once), which also serves peers
 * that send 10 octets and wait for as many. The peer's is judged octet by octet, so that a ZMTP 1 or 2 peer, or a browser, is told from
 * its first wrong octet and never waited for.
 *
 *     0: FF   1-8: padding   9: 7F   10: major   11: minor   12-31: mechanism   32: as-server   33-63: filler
 */
#include <errno.h>
#include <string.h>

#include "zmtp/engine.h"

enum {
    OFFSET_SIGNATURE_END = 9,
    OFFSET_MAJOR = 10,
    OFFSET_MINOR = 11,
    OFFSET_MECHANISM = 12,
    OFFSET_AS_SERVER = 32,
};

#define OUR_MAJOR 3
#define OUR_MINOR 1

void kith_zmtp_greeting_write(const struct kith_zmtp *engine, uint8_t greeting[static KITH_ZMTP_GREETING_SIZE]) {
    memset(greeting, 0, KITH_ZMTP_GREETING_SIZE);
    greeting[0] = 0xff;
    greeting[OFFSET_SIGNATURE_END] = 0x7f;
    greeting[OFFSET_MAJOR] = OUR_MAJOR;
    greeting[OFFSET_MINOR] = OUR_MINOR;
    const struct kith_zmtp_mechanism *mechanism = engine->handshake->mechanism;
    memcpy(greeting + OFFSET_MECHANISM, mechanism->name, strlen(mechanism->name));
    greeting[OFFSET_AS_SERVER] = mechanism->roles && engine->handshake->options.as_server;
}

/* Judges what has come so far when greeting[at] is the newest octet. False: the engine is dead. */
static bool check_version(struct kith_zmtp *engine, size_t at, struct kith_zmtp_event *event) {
    const uint8_t octet = engine->handshake->greeting[at];
    if (at == 0 && octet != 0xff)
        kith_zmtp_fail(engine, event, -EPROTONOSUPPORT, "its first octet is %02x, not ff: ZMTP 1 or another protocol; ZMTP 3 is needed",
                       octet);
    else if (at == OFFSET_SIGNATURE_END && octet != 0x7f)
        kith_zmtp_fail(engine, event, -EPROTONOSUPPORT,
                       "octet 9 of its greeting is %02x, not 7f: ZMTP 1 or another protocol; ZMTP 3 is needed", octet);
    else if (at == OFFSET_MAJOR && octet < OUR_MAJOR)
        kith_zmtp_fail(engine, event, -EPROTONOSUPPORT, "it speaks an older protocol (greeting version %u, ZMTP 1 or 2); ZMTP 3 is needed",
                       octet);
    else
        return true;
    return false;
}

/* RFC 37: "If the mechanism that the peer received does not exactly match the mechanism it sent, it MUST close the connection." */
static bool check_mechanism(struct kith_zmtp *engine, struct kith_zmtp_event *event) {
    uint8_t ours[KITH_ZMTP_GREETING_SIZE];
    const uint8_t *theirs = engine->handshake->greeting + OFFSET_MECHANISM;
    kith_zmtp_greeting_write(engine, ours);
    if (memcmp(ours + OFFSET_MECHANISM, theirs, KITH_ZMTP_MECHANISM_SIZE) == 0)
        return true;

    char name[KITH_ZMTP_MECHANISM_SIZE + 1];
    size_t size = KITH_ZMTP_MECHANISM_SIZE;
    while (size > 0 && theirs[size - 1] == 0)
        size--;
    kith_zmtp_printable(name, sizeof(name), theirs, size);
    kith_zmtp_fail(engine, event, -EPROTONOSUPPORT, "its security mechanism is \"%s\", ours is \"%s\"", name,
                   engine->handshake->mechanism->name);
    return false;
}

size_t kith_zmtp_greeting_receive(struct kith_zmtp *engine, const uint8_t *data, size_t size, struct kith_zmtp_event *event) {
    struct kith_zmtp_handshake *handshake = engine->handshake;
    size_t eaten = 0;
    while (handshake->greeting_size < KITH_ZMTP_GREETING_SIZE) {
        if (eaten == size)
            return eaten;
        const size_t at = handshake->greeting_size++;
        handshake->greeting[at] = data[eaten++];
        if (!check_version(engine, at, event))
            return eaten;
    }
    if (!check_mechanism(engine, event))
        return eaten;

    engine->peer_is_libzmq = handshake->greeting[OFFSET_SIGNATURE_END - 1] != 0;
    engine->peer_major = handshake->greeting[OFFSET_MAJOR];
    engine->peer_minor = handshake->greeting[OFFSET_MINOR];
    engine->state = KITH_ZMTP_STATE_DECISION;
    event->type = KITH_ZMTP_GREETED;
    event->greeted.major = engine->peer_major;
    event->greeted.minor = engine->peer_minor;
    event->greeted.mechanism = handshake->mechanism->name;
    event->greeted.as_server = handshake->greeting[OFFSET_AS_SERVER] & 1;
    return eaten;
}

/*
 * zmtp/test-transcript.h: an engine under test, and what it told as lines of text. For unit tests and the fuzz target.
 *
 * A subject is fed octets in any pieces; its transcript must not depend on them: pieces of a frame are put together, and one line stands
 * for each event. On the way every call is checked against the contract of zmtp.h; a breach aborts, so that it is a crash for the fuzzer.
 */
#ifndef KITH_ZMTP_TEST_TRANSCRIPT_H
#define KITH_ZMTP_TEST_TRANSCRIPT_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "zmtp/zmtp.h"

#define CHECK(condition)                                                                                                                   \
    do {                                                                                                                                   \
        if (!(condition)) {                                                                                                                \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);                                                      \
            abort();                                                                                                                       \
        }                                                                                                                                  \
    } while (0)

struct octets {
    uint8_t *data;
    size_t size, capacity;
};

enum decision {
    DECISION_ACCEPT,
    DECISION_REFUSE,
    DECISION_WAIT,
};

struct subject {
    struct kith_zmtp *engine;
    enum decision decision;
    unsigned status;    /* of the decision on credentials; 0: it is left open */
    struct octets text; /* the transcript, not terminated: subject_text() */
    bool unread;        /* output is left where it is */
    struct octets sent; /* all output, fetched after each event */
    struct octets body; /* of the frame in progress */
    bool in_frame;
    bool dead;
};

static inline void octets_add(struct octets *octets, const void *data, size_t size) {
    if (octets->capacity - octets->size < size) {
        octets->capacity = 2 * octets->capacity + size + 64;
        octets->data = realloc(octets->data, octets->capacity);
        CHECK(octets->data);
    }
    if (size > 0)
        memcpy(octets->data + octets->size, data, size);
    octets->size += size;
}

static inline struct octets octets_clear(struct octets *octets) {
    free(octets->data);
    return *octets = (struct octets){0};
}

/* Adds hexadecimal digits; blanks do not count. */
static inline void octets_add_hex(struct octets *octets, const char *hex) {
    while (*hex) {
        unsigned value;
        if (*hex == ' ') {
            hex++;
            continue;
        }
        CHECK(sscanf(hex, "%2x", &value) == 1);
        octets_add(octets, &(uint8_t){(uint8_t)value}, 1);
        hex += 2;
    }
}

__attribute__((format(printf, 2, 3))) static inline void say(struct subject *subject, const char *format, ...) {
    char line[1024];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    CHECK(size >= 0 && (size_t)size < sizeof(line));
    octets_add(&subject->text, line, (size_t)size);
}

/* Printable octets as they are in quotes, others as hexadecimal; long ones by size and a checksum (FNV-1a). */
static inline void say_octets(struct subject *subject, const uint8_t *data, size_t size) {
    bool printable = true;
    uint64_t sum = 0xcbf29ce484222325;
    for (size_t i = 0; i < size; i++) {
        printable = printable && data[i] > 0x20 && data[i] < 0x7f && data[i] != '"';
        sum = (sum ^ data[i]) * 0x100000001b3;
    }
    if (size > 64)
        say(subject, " %zu:%016" PRIx64, size, sum);
    else if (printable)
        say(subject, " \"%.*s\"", (int)size, size ? (const char *)data : "");
    else
        for (size_t i = 0; i < size; i++)
            say(subject, "%s%02x", i == 0 ? " " : "", data[i]);
}

static inline void say_frame(struct subject *subject, const struct kith_zmtp_event *event) {
    CHECK(event->frame.data);
    CHECK(!event->frame.gathered || kith_zmtp_seals(subject->engine));
    CHECK(event->frame.offset == subject->body.size);
    CHECK(event->frame.size <= event->frame.frame_size - event->frame.offset);
    CHECK(event->frame.last == (event->frame.offset + event->frame.size == event->frame.frame_size));
    CHECK(event->frame.size > 0 || event->frame.frame_size == 0);
    CHECK((event->frame.last && !event->frame.more) || kith_zmtp_mid_message(subject->engine));
    octets_add(&subject->body, event->frame.data, event->frame.size);
    subject->in_frame = !event->frame.last;
    if (!event->frame.last)
        return;
    say(subject, "FRAME");
    say_octets(subject, subject->body.data, subject->body.size);
    say(subject, "%s\n", event->frame.more ? " more" : "");
    subject->body.size = 0;
}

static inline void say_ready(struct subject *subject, const struct kith_zmtp_event *event) {
    say(subject, "READY %s", event->ready.socket_type);
    CHECK((event->ready.routing_id != NULL) == (event->ready.routing_id_size > 0));
    if (event->ready.routing_id)
        say_octets(subject, event->ready.routing_id, event->ready.routing_id_size);
    say(subject, "\n");
    struct kith_zmtp_property property;
    for (size_t i = 0; i < event->ready.property_count; i++) {
        CHECK(kith_zmtp_peer_property(subject->engine, i, &property) == 1);
        say(subject, "  %s", property.name);
        say_octets(subject, property.value, property.size);
        say(subject, "\n");
    }
    CHECK(kith_zmtp_peer_property(subject->engine, event->ready.property_count, &property) == 0);
}

static inline void decide(struct subject *subject) {
    CHECK(kith_zmtp_state(subject->engine) == KITH_ZMTP_STATE_DECISION);
    if (subject->decision == DECISION_ACCEPT)
        CHECK(kith_zmtp_accept(subject->engine) == 0);
    else if (subject->decision == DECISION_REFUSE)
        CHECK(kith_zmtp_refuse(subject->engine, "not today") == 0);
}

static inline void say_credentials(struct subject *subject, const struct kith_zmtp_event *event) {
    CHECK(kith_zmtp_state(subject->engine) == KITH_ZMTP_STATE_CREDENTIALS);
    say(subject, "CREDENTIALS %s", event->credentials.mechanism);
    if (strcmp(event->credentials.mechanism, "PLAIN") == 0) {
        say_octets(subject, event->credentials.username, event->credentials.username_size);
        say_octets(subject, event->credentials.password, event->credentials.password_size);
    }
    if (event->credentials.public_key)
        say_octets(subject, event->credentials.public_key, KITH_ZMTP_KEY_SIZE);
    say(subject, "\n");
    if (subject->status != 0)
        CHECK(kith_zmtp_authenticate(subject->engine, subject->status) == 0);
}

static inline void say_event(struct subject *subject, const struct kith_zmtp_event *event) {
    switch (event->type) {
    case KITH_ZMTP_NONE:
        return;
    case KITH_ZMTP_GREETED:
        say(subject, "GREETED %d.%d %s%s\n", event->greeted.major, event->greeted.minor, event->greeted.mechanism,
            event->greeted.as_server ? " server" : "");
        decide(subject);
        return;
    case KITH_ZMTP_CREDENTIALS:
        say_credentials(subject, event);
        return;
    case KITH_ZMTP_READY:
        say_ready(subject, event);
        return;
    case KITH_ZMTP_FRAME:
        say_frame(subject, event);
        return;
    case KITH_ZMTP_PONG:
        say(subject, "PONG");
        say_octets(subject, event->pong.context, event->pong.size);
        break;
    case KITH_ZMTP_PINGED:
        say(subject, "PINGED %u%s", event->ping.ttl_ms, event->ping.answered ? "" : " not answered");
        break;
    case KITH_ZMTP_REFUSED:
        CHECK(strlen(event->refused.reason) <= 255);
        say(subject, "REFUSED \"%s\"%s", event->refused.reason, event->refused.handshake ? " handshake" : "");
        break;
    case KITH_ZMTP_SUBSCRIBE:
    case KITH_ZMTP_CANCEL:
    case KITH_ZMTP_JOIN:
    case KITH_ZMTP_LEAVE:
        say(subject, "%s",
            event->type == KITH_ZMTP_SUBSCRIBE ? "SUBSCRIBE"
            : event->type == KITH_ZMTP_CANCEL  ? "CANCEL"
            : event->type == KITH_ZMTP_JOIN    ? "JOIN"
                                               : "LEAVE");
        say_octets(subject, event->subscription.topic, event->subscription.size);
        break;
    case KITH_ZMTP_FDS:
        CHECK(event->fds.count >= 1 && event->fds.count <= 255);
        say(subject, "FDS %u", event->fds.count);
        break;
    case KITH_ZMTP_MEMFD:
        CHECK(!event->memfd.more || kith_zmtp_mid_message(subject->engine));
        say(subject, "MEMFD %llu%s", (unsigned long long)event->memfd.size, event->memfd.more ? " more" : "");
        break;
    case KITH_ZMTP_TAKEN:
        say(subject, "TAKEN %llu", (unsigned long long)event->taken.octets);
        break;
    case KITH_ZMTP_MEMORY:
        say(subject, "MEMORY %d", event->memory.offered);
        break;
    case KITH_ZMTP_COMMAND:
        say(subject, "COMMAND \"%s\"%s", event->command.name, event->command.malformed ? " malformed" : "");
        break;
    case KITH_ZMTP_FAILED:
        CHECK(kith_zmtp_state(subject->engine) == KITH_ZMTP_STATE_DEAD);
        say(subject, "FAILED %s: %s", strerrorname_np(-event->failed.error), event->failed.reason);
        break;
    }
    say(subject, "\n");
}

/* More than greeting, handshake and the bound of commands in traffic, of which sealing makes the double; tests with larger metadata fetch.
 */
#define OUTPUT_BOUND 16384

static inline void subject_fetch(struct subject *subject) {
    size_t size = kith_zmtp_output_size(subject->engine);
    if (subject->unread) {
        CHECK(size <= OUTPUT_BOUND);
        return;
    }
    uint8_t *taken = malloc(size + 1);
    CHECK(taken);
    kith_zmtp_output_take(subject->engine, taken);
    octets_add(&subject->sent, taken, size);
    free(taken);
    CHECK(kith_zmtp_output_size(subject->engine) == 0);
}

/* What it writes for its owner goes the same way. */
static inline void subject_write(struct subject *subject, const void *data, size_t size, bool more) {
    subject_fetch(subject);
    size_t wire_size = kith_zmtp_wire_size(subject->engine, size);
    CHECK(wire_size <= size + KITH_ZMTP_WIRE_MAX);
    uint8_t *out = malloc(wire_size);
    CHECK(out);
    kith_zmtp_write(subject->engine, data, size, more, out);
    octets_add(&subject->sent, out, wire_size);
    free(out);
}

static inline void subject_say(struct subject *subject, enum kith_zmtp_word word, const void *octets, size_t size) {
    subject_fetch(subject);
    size_t wire_size = kith_zmtp_word_wire_size(subject->engine, word, size);
    uint8_t *out = malloc(wire_size);
    CHECK(out);
    kith_zmtp_word_write(subject->engine, word, octets, size, out);
    octets_add(&subject->sent, out, wire_size);
    free(out);
}

static inline bool subject_waits(const struct subject *subject) {
    enum kith_zmtp_state state = kith_zmtp_state(subject->engine);
    return state == KITH_ZMTP_STATE_DECISION || state == KITH_ZMTP_STATE_CREDENTIALS;
}

/* The shorter way must have told the same. */
static inline void check_short_way(const uint8_t *body, size_t body_size, size_t took, size_t eaten, const struct kith_zmtp_event *event) {
    CHECK(took == eaten);
    CHECK(event->type == KITH_ZMTP_FRAME && event->frame.last && !event->frame.more && !event->frame.gathered && event->frame.offset == 0);
    CHECK(event->frame.data == body && event->frame.size == body_size && event->frame.frame_size == body_size);
}

/* Feeds one piece of input until all is eaten (or, waiting for the decision, nothing more is). The piece is a block of its own, so that
 * reading beyond it is seen. Returns the octets eaten. */
static inline size_t subject_feed(struct subject *subject, const void *data, size_t size) {
    uint8_t *copy = size ? malloc(size) : NULL;
    CHECK(copy || size == 0);
    if (size > 0)
        memcpy(copy, data, size);
    size_t eaten = 0;
    for (;;) {
        struct kith_zmtp_event event;
        memset(&event, 0xa5, sizeof(event));
        const uint8_t *body = NULL;
        size_t body_size = 0, took = copy ? kith_zmtp_take_message(subject->engine, copy + eaten, size - eaten, &body, &body_size) : 0;
        size_t n = kith_zmtp_receive(subject->engine, copy ? copy + eaten : NULL, size - eaten, &event);
        CHECK(n <= size - eaten);
        if (took > 0)
            check_short_way(body, body_size, took, n, &event);
        CHECK(!subject->dead || event.type == KITH_ZMTP_NONE);
        eaten += n;
        subject->dead = kith_zmtp_state(subject->engine) == KITH_ZMTP_STATE_DEAD;
        say_event(subject, &event);
        subject_fetch(subject);
        if (event.type == KITH_ZMTP_NONE && (eaten == size || subject_waits(subject)))
            break;
    }
    free(copy);
    return eaten;
}

static inline void subject_init(struct subject *subject, const struct kith_zmtp_options *options, enum decision decision) {
    *subject = (struct subject){.decision = decision, .status = 200};
    CHECK(kith_zmtp_new(options, &subject->engine) == 0);
}

static inline void subject_deinit(struct subject *subject) {
    subject->engine = kith_zmtp_free(subject->engine);
    octets_clear(&subject->text);
    octets_clear(&subject->sent);
    octets_clear(&subject->body);
}

/* The transcript so far, terminated. */
static inline const char *subject_text(struct subject *subject) {
    octets_add(&subject->text, "", 1);
    subject->text.size--;
    return (const char *)subject->text.data;
}

/* Carries what each has sent to the other, in pieces, until both are silent. */
static inline void carry(struct subject *a, struct subject *b, size_t piece) {
    struct subject *from = a, *to = b;
    size_t carried[2] = {0, 0};
    subject_fetch(a);
    subject_fetch(b);
    for (int side = 0, silent = 0; silent < 2; side = !side) {
        size_t left = from->sent.size - carried[side];
        silent = left == 0 ? silent + 1 : 0;
        size_t size = left < piece ? left : piece;
        subject_feed(to, from->sent.data + carried[side], size);
        carried[side] += size;
        struct subject *other = to;
        to = from;
        from = other;
    }
    a->sent.size = b->sent.size = 0;
}

/* The greeting of a peer, and READY, as hexadecimal. */
#define GREETING_WITH(version, mechanism)                                                                                                  \
    "ff0000000000000000 7f" version mechanism "00 00000000000000000000000000000000000000000000000000000000000000"
#define MECHANISM_NULL "4e554c4c 00000000000000000000000000000000"
#define MECHANISM_PLAIN "504c41494e 000000000000000000000000000000"
#define MECHANISM_CURVE "4355525645 000000000000000000000000000000"
#define GREETING GREETING_WITH("0301", MECHANISM_NULL)
#define GREETING_30 GREETING_WITH("0300", MECHANISM_NULL)
#define READY_REQ "04 19 05 5245414459 0b 536f636b65742d54797065 00000003 524551"
#define READY_REP "04 19 05 5245414459 0b 536f636b65742d54797065 00000003 524550"
#define READY_SUB "04 19 05 5245414459 0b 536f636b65742d54797065 00000003 535542"

#endif

/* cli/wiretest/message.c: whole messages. See suite.h. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "cli/wiretest/suite.h"

void suite_send_message(struct suite *suite, struct wire *wire, const char *const *frames) {
    for (; *frames; frames++)
        suite_send(suite, wire, frames[1] ? WIRE_MORE : 0, *frames, strlen(*frames));
}

/* A heartbeat of the peer is answered: a connection that goes stale is no case of ours. */
static void answer_ping(struct wire *wire, const struct wire_frame *frame) {
    const uint8_t *data;
    size_t size;
    if (wire_is_command(frame, "PING", &data, &size) && size >= 2)
        wire_send_command(wire, "PONG", data + 2, size - 2);
}

/* 1: a message frame; 0: nothing in time. */
static int next_frame(struct suite *suite, struct wire *wire, uint64_t deadline) {
    for (;;) {
        const uint64_t now = kith_time_now();
        int r = now < deadline ? wire_recv(wire, &suite->frame, deadline - now) : -ETIMEDOUT;
        if (r < 0)
            return r == -ETIMEDOUT ? 0 : r;
        if (!(suite->frame.flags & WIRE_COMMAND))
            return 1;
        answer_ping(wire, &suite->frame);
    }
}

static bool keep(struct suite_message *message, const struct wire_frame *frame) {
    if (message->count == SUITE_FRAMES || frame->size > sizeof(message->octets) - message->used)
        return false;
    uint8_t *place = message->octets + message->used;
    memcpy(place, frame->body, frame->size);
    message->frame[message->count] = place;
    message->size[message->count++] = frame->size;
    message->used += frame->size;
    return true;
}

bool suite_receive(struct suite *suite, struct wire *wire, struct suite_message *message, uint64_t patience) {
    uint64_t deadline = kith_time_now() + patience;
    message->count = 0;
    message->used = 0;
    if (suite->decided || wire->fd < 0)
        return false;
    for (;;) {
        int r = next_frame(suite, wire, deadline);
        if (r == 0 && message->count == 0)
            return false;
        if (r <= 0) {
            suite_not_ok(suite, wire, "%s", r == 0 ? "a message began and did not end" : kith_error_name(r));
            return false;
        }
        if (!keep(message, &suite->frame)) {
            suite_skip(suite, "the peer's messages are larger than this suite looks at");
            return false;
        }
        if (!(suite->frame.flags & WIRE_MORE))
            return true;
        deadline = kith_time_now() + suite->config->timeout; /* a message that has begun has to end */
    }
}

bool suite_goes_quiet(struct suite *suite, struct wire *wire) {
    const uint64_t deadline = kith_time_now() + suite->config->timeout;
    struct suite_message message;
    while (kith_time_now() < deadline)
        if (!suite_receive(suite, wire, &message, suite->config->quiet))
            return true;
    return false;
}

bool suite_frame_is(const struct suite_message *message, size_t index, const char *text) {
    return index < message->count && message->size[index] == strlen(text) && memcmp(message->frame[index], text, strlen(text)) == 0;
}

/*
 * inproc/testing.h: what the tests of pipes share: an end that counts what it is told and checks the order of what it receives, and a
 * listener that hands out prepared ends.
 */
#ifndef KITH_INPROC_TESTING_H
#define KITH_INPROC_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "base/testing.h"
#include "base/time.h"
#include "inproc/listener.h"

/* Longer than anything here takes, even under valgrind on a busy machine. */
#define PATIENCE_NS (20 * KITH_NS_PER_S)

#define MESSAGES_MAX 1000

struct end {
    struct kith_pipe *pipe;
    unsigned opened, writable, closed;
    int error;
    size_t count;  /* messages received */
    uint64_t next; /* the number that the next one has */
    bool disorder; /* it had another */
    bool hold;     /* keeps what it receives, and says so */
    kith_msg *kept[MESSAGES_MAX];
    size_t kept_count, kept_octets;
    void (*on_message)(struct end *end, kith_msg *msg); /* instead of counting; takes the message */
    void (*on_writable)(struct end *end);
    void (*on_closed)(struct end *end);
    void *extra;
};

/* A message that is number `number` and has `size` octets at least. */
static inline kith_msg *numbered(uint64_t number, size_t size) {
    kith_msg *msg = NULL;
    if (kith_msg_new(&msg) < 0 || kith_msg_add(msg, &number, sizeof(number)) < 0)
        abort();
    if (size > sizeof(number)) {
        uint8_t *octets = malloc(size - sizeof(number));
        if (!octets)
            abort();
        memset(octets, (int)(number & 0xff), size - sizeof(number));
        if (kith_msg_add(msg, octets, size - sizeof(number)) < 0)
            abort();
        free(octets);
    }
    return msg;
}

/* False: it is damaged. */
static inline bool numbered_check(const kith_msg *msg, uint64_t number) {
    size_t size;
    const uint8_t *octets = kith_msg_frame(msg, 0, &size);
    if (size != sizeof(number) || memcmp(octets, &number, size) != 0)
        return false;
    octets = kith_msg_frame(msg, 1, &size);
    for (size_t i = 0; i < size; i++)
        if (octets[i] != (number & 0xff))
            return false;
    return true;
}

static inline void end_opened(struct kith_pipe *pipe, void *userdata) {
    struct end *end = userdata;
    (void)pipe;
    end->opened++;
}

static inline void end_message(struct kith_pipe *pipe, kith_msg *msg, void *userdata) {
    struct end *end = userdata;
    (void)pipe;
    end->count++;
    if (end->on_message) {
        end->on_message(end, msg);
        return;
    }
    end->disorder = end->disorder || !numbered_check(msg, end->next) || msg->origin || msg->account;
    end->next++;
    if (end->hold) {
        end->kept_octets += kith_msg_cost(msg);
        end->kept[end->kept_count++] = msg;
    } else {
        kith_msg_free(msg);
    }
}

static inline void end_held(const struct kith_pipe *pipe, size_t *ret_messages, size_t *ret_octets, void *userdata) {
    const struct end *end = userdata;
    (void)pipe;
    *ret_messages = end->kept_count;
    *ret_octets = end->kept_octets;
}

static inline void end_writable(struct kith_pipe *pipe, void *userdata) {
    struct end *end = userdata;
    (void)pipe;
    end->writable++;
    if (end->on_writable)
        end->on_writable(end);
}

static inline void end_closed(struct kith_pipe *pipe, int error, void *userdata) {
    struct end *end = userdata;
    (void)pipe;
    end->closed++;
    end->error = error;
    if (end->on_closed)
        end->on_closed(end);
}

static const struct kith_pipe_ops end_ops = {
    .opened = end_opened, .message = end_message, .held = end_held, .writable = end_writable, .closed = end_closed};

static const struct kith_pipe_limits wide = {.messages = 1000, .octets = 16 * 1024 * 1024};

static inline void end_release(struct end *end) {
    while (end->kept_count > 0)
        kith_msg_free(end->kept[--end->kept_count]);
    end->kept_octets = 0;
}

static inline void end_deinit(struct end *end) {
    end->pipe = kith_pipe_free(end->pipe);
    end_release(end);
}

/* Writes messages from..to; false: one was not taken. */
static inline bool end_write(struct end *end, uint64_t from, uint64_t to, size_t size) {
    for (uint64_t i = from; i < to; i++) {
        kith_msg *msg = numbered(i, size);
        if (kith_pipe_write(end->pipe, msg) == 0)
            continue;
        kith_msg_free(msg);
        return false;
    }
    return true;
}

/* Hands out `ends`, one after the other; then refuses. */
struct reception {
    struct kith_inproc_listener *listener;
    struct end **ends;
    size_t count, used;
    const struct kith_pipe_limits *limits;
};

static inline int reception_accept(struct kith_inproc_listener *listener, struct kith_pipe *pipe, void *userdata) {
    struct reception *reception = userdata;
    (void)listener;
    if (reception->used == reception->count)
        return -EUSERS;
    struct end *end = reception->ends[reception->used++];
    end->pipe = pipe;
    kith_pipe_open(pipe, reception->limits ? reception->limits : &wide, &end_ops, end);
    return 0;
}

static const struct kith_inproc_listener_ops reception_ops = {.accept = reception_accept};

#endif

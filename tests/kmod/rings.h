/* rings.h: what the tests of kith.ko's rings share: joining with one, and taking messages from it. */
#ifndef KITH_TESTS_KMOD_RINGS_H
#define KITH_TESTS_KMOD_RINGS_H

#include <poll.h>

#include "kmod/testing.h"
#include "ring/ring.h"

#define RING 65536u

static uint64_t released; /* by the last call of take() */

static inline struct kith_ring *ring_join(struct client *client, const char *channel, uint32_t octets) {
    struct channel_info info = {.fd = -1};
    struct kith_ring *ring = NULL;
    int error = client_join_ring(client, channel, octets, &info);
    if (error < 0)
        fail_msg("%s: %s", channel, client->text);
    assert_true(info.ring >= octets && info.fd >= 0);
    assert_int_equal(fcntl(info.fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(kith_ring_open(info.fd, info.ring, &ring), 0);
    return ring;
}

static inline bool ring_ready(const struct kith_ring *ring, int timeout_ms) {
    struct pollfd ready = {.fd = kith_ring_descriptor(ring), .events = POLLIN};
    return poll(&ready, 1, timeout_ms) == 1 && ready.revents == POLLIN;
}

/* The next message within 5 seconds: its number, header and where it ends. */
static inline uint32_t take(struct kith_ring *ring, struct kith_message_header *ret_header) {
    const uint8_t *data = NULL;
    size_t size = 0;
    uint32_t number;
    int r;
    while ((r = kith_ring_next(ring, &data, &size, &released)) == 0)
        assert_true(ring_ready(ring, 5 * SECOND));
    assert_int_equal(r, 1);
    memcpy(ret_header, data, sizeof(*ret_header));
    assert_int_equal(size, sizeof(*ret_header) + ret_header->size);
    memcpy(&number, data + sizeof(*ret_header), sizeof(number));
    return number;
}

static inline bool is_empty(struct kith_ring *ring) {
    const uint8_t *data;
    size_t size;
    uint64_t position;
    int r = kith_ring_next(ring, &data, &size, &position);
    assert_true(r >= 0);
    return r == 0;
}

/* Takes and releases; numbers and sequences follow each other. */
static inline void take_in_order(struct kith_ring *ring, uint32_t first, unsigned count, uint32_t flags) {
    struct kith_message_header header;
    uint64_t sequence = 0;
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(take(ring, &header), first + i);
        assert_int_equal(header.flags, flags);
        assert_true(sequence == 0 || header.sequence == sequence + 1);
        sequence = header.sequence;
        kith_ring_release(ring, released);
    }
}

#endif

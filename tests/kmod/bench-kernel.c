/*
 * bench-kernel.c: what a message from a kernel module to a process costs: kith.ko's channel, by datagrams and by a ring, beside a netlink
 * datagram for each message, which is what a module does by itself. One process, one processor: `kith_bench.ko` sends, this receives (and
 * acknowledges, on the channel). Run by `make bench-kernel`.
 */
#include <poll.h>

#include "kmod/measuring.h"
#include "ring/ring.h"

static struct messages got;

static uint64_t by_channel(struct client *driver, unsigned size) {
    struct client *client = client_new();
    char line[64];
    unsigned seen = 0, count = count_of(size);
    assert_int_equal(client_join(client, "bench", 0), 0);
    snprintf(line, sizeof(line), "channel %u %u", count, size);
    uint64_t begin = now();
    tell(driver, line);
    while (seen < count) {
        assert_true(client_receive(client, &got, 10000));
        seen += got.count;
        client_done(client, "bench", got.list[got.count - 1].header.sequence);
    }
    uint64_t end = now();
    client_free(client);
    return end - begin;
}

/* It sleeps when there is nothing, and acknowledges what it has got before that. */
static void drain(struct kith_ring *ring, unsigned count) {
    struct pollfd ready = {.fd = kith_ring_descriptor(ring), .events = POLLIN};
    const uint8_t *data;
    uint64_t position = 0;
    size_t size;
    for (unsigned seen = 0; seen < count;) {
        if (kith_ring_next(ring, &data, &size, &position) == 1) {
            seen++;
            continue;
        }
        kith_ring_release(ring, position);
        assert_int_equal(poll(&ready, 1, 10000), 1);
    }
    kith_ring_release(ring, position);
}

static uint64_t by_ring(struct client *driver, unsigned size) {
    struct client *client = client_new();
    struct channel_info info;
    struct kith_ring *ring = NULL;
    char line[64];
    assert_int_equal(client_join_ring(client, "bench", 2 * OCTETS_MOST, &info), 0);
    assert_int_equal(kith_ring_open(info.fd, info.ring, &ring), 0);
    snprintf(line, sizeof(line), "channel %u %u", count_of(size), size);
    uint64_t begin = now();
    tell(driver, line);
    drain(ring, count_of(size));
    uint64_t end = now();
    kith_ring_free(ring);
    client_free(client);
    return end - begin;
}

static void measure(void **state) {
    static const struct way ways[] = {{"unicast", by_unicast, 0}, {"channel", by_channel, 0}, {"ring", by_ring, 0}};
    (void)state;
    load("kith");
    load("kith_bench");
    struct client *driver = client_new();
    measure_ways(driver, ways, sizeof(ways) / sizeof(ways[0]));
    client_free(driver);
    unload("kith_bench");
    unload("kith");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(measure)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

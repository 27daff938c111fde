/*
 * bench-kernel.c: what a message from a kernel module to a process costs: kith.ko's channel, by datagrams and by a ring, beside a netlink
 * datagram for each message, which is what a module does by itself. One process, one processor: `kith_bench.ko` sends, this receives (and
 * acknowledges, on the channel). Prints lines "SIZE WAY NANOSECONDS-A-MESSAGE", the fastest of ROUNDS. Run by `make bench-kernel`, in a
 * guest, where time counts instructions.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <libmnl/libmnl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "kmod/client.h"
#include "ring/ring.h"

/* So many that a whole run fits into the channel's backlog, and a run is more than its beginning. */
#define COUNT_MOST 4000
#define OCTETS_MOST (16 * 1024 * 1024)
#define ROUNDS 3
#define BUFFER (256 * 1024 * 1024)

static struct messages got;

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static unsigned count_of(unsigned size) {
    return OCTETS_MOST / size < COUNT_MOST ? OCTETS_MOST / size : COUNT_MOST;
}

static void tell(struct client *client, const char *line) {
    if (client_send(client, "bench.control", line, strlen(line)) < 0)
        fail_msg("%s: %s", line, client->text);
}

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

static uint64_t by_unicast(struct client *driver, unsigned size) {
    static char octets[65536];
    struct mnl_socket *socket = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
    char line[64];
    assert_non_null(socket);
    assert_int_equal(mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID), 0);
    assert_int_equal(setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVBUFFORCE, &(int){BUFFER}, sizeof(int)), 0);
    snprintf(line, sizeof(line), "unicast %u %u %u", count_of(size), size, mnl_socket_get_portid(socket));
    uint64_t begin = now();
    tell(driver, line);
    for (unsigned seen = 0; seen < count_of(size); seen++)
        assert_true(mnl_socket_recvfrom(socket, octets, sizeof(octets)) > (ssize_t)size);
    uint64_t end = now();
    mnl_socket_close(socket);
    return end - begin;
}

static void measure(void **state) {
    static const unsigned sizes[] = {64, 256, 1024, 8192};
    static const struct {
        const char *name;
        uint64_t (*run)(struct client *driver, unsigned size);
    } ways[] = {{"unicast", by_unicast}, {"channel", by_channel}, {"ring", by_ring}};
    (void)state;
    load("kith");
    load("kith_bench");
    struct client *driver = client_new();
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        for (unsigned way = 0; way < 3; way++) {
            uint64_t best = UINT64_MAX;
            for (unsigned round = 0; round < ROUNDS; round++) {
                uint64_t spent = ways[way].run(driver, sizes[i]);
                best = spent < best ? spent : best;
            }
            printf("%u %s %.0f\n", sizes[i], ways[way].name, (double)best / count_of(sizes[i]));
        }
    client_free(driver);
    unload("kith_bench");
    unload("kith");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(measure)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

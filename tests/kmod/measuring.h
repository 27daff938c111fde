/*
 * measuring.h: what the benchmarks of kith.ko share: kith_bench.ko is told to send, a way is timed from then to its last message, and the
 * fastest of some rounds is printed, nanoseconds a message. In a guest, where time counts instructions.
 */
#ifndef KITH_TESTS_KMOD_MEASURING_H
#define KITH_TESTS_KMOD_MEASURING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <cmocka.h>
#include <libmnl/libmnl.h>

#include "kmod/client.h"

/* So many that a whole run fits into the channel's backlog, and a run is more than its beginning. */
#define COUNT_MOST 4000
#define OCTETS_MOST (16 * 1024 * 1024)
#define ROUNDS 3
#define BUFFER (256 * 1024 * 1024)

struct way {
    const char *name;
    uint64_t (*run)(struct client *driver, unsigned size); /* nanoseconds, for count_of(size) messages */
    unsigned size_most;                                    /* 0: none */
};

static inline uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static inline unsigned count_of(unsigned size) {
    return OCTETS_MOST / size < COUNT_MOST ? OCTETS_MOST / size : COUNT_MOST;
}

static inline void tell(struct client *client, const char *line) {
    if (client_send(client, "bench.control", line, strlen(line)) < 0)
        fail_msg("%s: %s", line, client->text);
}

/* A datagram of netlink for each message. */
static inline uint64_t by_unicast(struct client *driver, unsigned size) {
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

/* Prints "SIZE WAY NANOSECONDS RATIO": of the rates, to the first way's. */
static inline void measure_ways(struct client *driver, const struct way *ways, unsigned count) {
    static const unsigned sizes[] = {64, 256, 1024, 8192};
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint64_t first = 0;
        for (unsigned way = 0; way < count; way++) {
            uint64_t best = UINT64_MAX;
            if (ways[way].size_most > 0 && sizes[i] > ways[way].size_most)
                continue;
            for (unsigned round = 0; round < ROUNDS; round++) {
                uint64_t spent = ways[way].run(driver, sizes[i]);
                best = spent < best ? spent : best;
            }
            first = way == 0 ? best : first;
            printf("%u %s %.0f %.2f\n", sizes[i], ways[way].name, (double)best / count_of(sizes[i]), (double)first / (double)best);
        }
    }
}

#endif

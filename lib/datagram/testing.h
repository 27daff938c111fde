/* datagram/testing.h: what the tests of UDP sockets share: a receiver and a sender that record what they are told. */
#ifndef KITH_DATAGRAM_TESTING_H
#define KITH_DATAGRAM_TESTING_H

#include "stream/testing.h"

#include "datagram/datagram.h"

#define RECORDED_MAX 2048

struct node {
    kith_datagram *datagram;
    unsigned received, writable, failed, lost, dropped;
    int error;                 /* the last one told */
    size_t octets;             /* of all datagrams */
    uint8_t first[4096];       /* the beginning of the last one */
    struct kith_packet packet; /* of the last one; its data are `first` */
    char interface_name[16];
    uint32_t numbers[RECORDED_MAX]; /* the first four octets of each, where it has so many */
    kith_origin *origin;            /* of the last one */
    bool pause_at_once, free_at_once;
};

static inline void node_received(kith_datagram *datagram, const struct kith_packet *packet, void *userdata) {
    struct node *node = userdata;
    assert_ptr_equal(datagram, node->datagram);
    if (packet->size >= 4 && node->received < RECORDED_MAX)
        memcpy(&node->numbers[node->received], packet->data, 4);
    node->received++;
    node->octets += packet->size;
    node->packet = *packet;
    memcpy(node->first, packet->data, packet->size < sizeof(node->first) ? packet->size : sizeof(node->first));
    node->packet.data = node->first;
    (void)snprintf(node->interface_name, sizeof(node->interface_name), "%s", packet->interface_name);
    node->packet.interface_name = node->interface_name;
    node->packet.sender_text = node->packet.destination_text = NULL;
    kith_origin_unref(node->origin);
    assert_int_equal(kith_packet_origin(packet, &node->origin), 0);
    if (node->pause_at_once)
        kith_datagram_pause(datagram);
    if (node->free_at_once)
        node->datagram = kith_datagram_free(datagram);
}

static inline void node_writable(kith_datagram *datagram, void *userdata) {
    struct node *node = userdata;
    assert_ptr_equal(datagram, node->datagram);
    node->writable++;
}

static inline void node_failed(kith_datagram *datagram, int error, unsigned lost, void *userdata) {
    struct node *node = userdata;
    node->failed++;
    node->lost += lost;
    node->error = error;
    if (node->free_at_once)
        node->datagram = kith_datagram_free(datagram);
}

static inline void node_dropped(kith_datagram *datagram, uint32_t count, void *userdata) {
    struct node *node = userdata;
    assert_ptr_equal(datagram, node->datagram);
    node->dropped += count;
}

static const struct kith_datagram_ops node_ops = {
    .received = node_received, .writable = node_writable, .failed = node_failed, .dropped = node_dropped};

static inline struct kith_datagram_endpoint parse(const char *text, bool listening) {
    struct kith_datagram_endpoint endpoint;
    struct kith_error error = KITH_ERROR_NONE;
    if (kith_datagram_endpoint_parse(text, listening, &endpoint, &error) < 0)
        fail_msg("%s", error.text);
    return endpoint;
}

/* Returns the result; the end is to be closed with node_close() all the same. */
static inline int node_try_bind(struct world *world, struct node *node, const char *text, const struct kith_datagram_options *options,
                                struct kith_error *error) {
    struct kith_datagram_endpoint endpoint = parse(text, true);
    memset(node, 0, sizeof(*node));
    return kith_datagram_new_bound(world->loop, &endpoint, options, &node_ops, node, &node->datagram, error);
}

static inline void node_bind(struct world *world, struct node *node, const char *text, const struct kith_datagram_options *options) {
    struct kith_error error = KITH_ERROR_NONE;
    if (node_try_bind(world, node, text, options, &error) < 0)
        fail_msg("%s", error.text);
}

/* `format` has one %u for the port of `to`. */
static inline void node_connect(struct world *world, struct node *node, const char *format, const struct node *to,
                                const struct kith_datagram_options *options) {
    struct kith_error error = KITH_ERROR_NONE;
    struct kith_address address;
    char text[128];
    assert_int_equal(kith_datagram_address(to->datagram, &address), 0);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(text, sizeof(text), format, (unsigned)ntohs(((struct sockaddr_in *)&address.storage)->sin_port));
#pragma GCC diagnostic pop
    struct kith_datagram_endpoint endpoint = parse(text, false);
    memset(node, 0, sizeof(*node));
    if (kith_datagram_new_connected(world->loop, &endpoint, options, &node_ops, node, &node->datagram, &error) < 0)
        fail_msg("%s", error.text);
}

static inline int node_send(struct node *node, const void *data, size_t size) {
    struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
    return kith_datagram_send(node->datagram, &part, 1);
}

static inline void node_close(struct node *node) {
    node->datagram = kith_datagram_free(node->datagram);
    node->origin = kith_origin_unref(node->origin);
}

static inline const char *text_fact(kith_origin *origin, enum kith_fact fact) {
    const char *text = NULL;
    assert_int_equal(kith_origin_text(origin, fact, &text), KITH_WITNESS_KERNEL_MESSAGE);
    return text;
}

static inline uint64_t number_fact(kith_origin *origin, enum kith_fact fact) {
    uint64_t number = 0;
    assert_int_equal(kith_origin_number(origin, fact, &number), KITH_WITNESS_KERNEL_MESSAGE);
    return number;
}

/* Skips the test on a host without IPv6. */
static inline void need_ipv6(void) {
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    bool has = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    kith_close(fd);
    if (!has) {
        print_message("this host has no IPv6\n");
        skip();
    }
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

#endif

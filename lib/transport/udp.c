/* udp://[INTERFACE;]HOST:PORT. Nobody connects: of who sends the kernel knows what it says of each datagram. */
#include <string.h>

#include "transport/transport.h"

static int udp_parse(const char *text, bool listening, struct kith_endpoint *ret_endpoint, struct kith_error *ret_error) {
    struct kith_datagram_endpoint endpoint;
    int r = kith_datagram_endpoint_parse(text, listening, &endpoint, ret_error);
    if (r < 0)
        return r;
    ret_endpoint->address = endpoint.address;
    memcpy(ret_endpoint->name, endpoint.interface, sizeof(endpoint.interface));
    return 0;
}

static int udp_format(const struct kith_endpoint *endpoint, char *text, size_t size) {
    struct kith_datagram_endpoint datagram = {.address = endpoint->address};
    memcpy(datagram.interface, endpoint->name, sizeof(datagram.interface));
    return kith_datagram_endpoint_format(&datagram, text, size);
}

const struct kith_transport kith_transport_udp = {
    .scheme = "udp",
    .identity = false,
    .datagrams = true,
    .parse = udp_parse,
    .format = udp_format,
};

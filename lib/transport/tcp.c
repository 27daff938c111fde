/* tcp://HOST:PORT. Of the peer the kernel knows an address, no process. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>

#include "transport/transport.h"

static int tcp_format(const struct kith_endpoint *endpoint, char *text, size_t size) {
    char name[KITH_ENDPOINT_MAX];
    int r = kith_address_format(&endpoint->address, name, sizeof(name));
    return r < 0 ? r : snprintf(text, size, "tcp://%s", name);
}

/* Messages are written whole, so waiting for more to fill a segment (Nagle) only adds delay. */
static void tcp_tune(int fd) {
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
}

static int tcp_peer(kith_conn *conn, struct kith_process **ret_process, kith_origin **ret_origin) {
    char text[KITH_ENDPOINT_MAX];
    struct kith_address address;
    int r = kith_conn_peer_address(conn, &address);
    if (r >= 0)
        r = kith_address_format(&address, text, sizeof(text));
    if (r < 0)
        return r;

    kith_origin *origin;
    r = kith_origin_new(&origin);
    if (r < 0)
        return r;
    r = kith_origin_set_text(origin, KITH_FACT_ADDRESS, text, KITH_WITNESS_KERNEL_CONNECT);
    if (r < 0) {
        kith_origin_unref(origin);
        return r;
    }
    *ret_process = NULL;
    *ret_origin = origin;
    return 0;
}

const struct kith_transport kith_transport_tcp = {
    .scheme = "tcp",
    .identity = false,
    .parse = kith_endpoint_parse_address,
    .format = tcp_format,
    .tune = tcp_tune,
    .peer = tcp_peer,
};

/*
 * tcp://HOST:PORT, with IPv6 in brackets: tcp://[::1]:5555. Of the peer the kernel knows an address, no process.
 *
 * Names are not resolved: a resolver blocks, and a server should say which address it means. "localhost" alone is taken for 127.0.0.1,
 * because people write it and mean that.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "transport/transport.h"

/* An IPv6 address, "%", an interface. */
#define HOST_MAX 64

/* Splits "HOST:PORT" and "[HOST]:PORT". */
static int split(const char *endpoint, const char *rest, char host[HOST_MAX], const char **ret_port, struct kith_error *ret_error) {
    bool bracket = rest[0] == '[';
    const char *begin = bracket ? rest + 1 : rest;
    const char *end = bracket ? strchr(begin, ']') : strrchr(begin, ':');
    if (!end || (bracket && end[1] != ':'))
        return kith_error_set(ret_error, -EINVAL, "%s: the port is missing; write tcp://HOST:PORT or tcp://[IPV6]:PORT", endpoint);
    if (!bracket && memchr(begin, ':', (size_t)(end - begin)))
        return kith_error_set(ret_error, -EINVAL, "%s: an IPv6 address stands in brackets: tcp://[::1]:5555", endpoint);

    size_t size = (size_t)(end - begin);
    if (size == 0 || size >= HOST_MAX)
        return kith_error_set(ret_error, -EINVAL, "%s: the host is %s; write a numeric address", endpoint,
                              size == 0 ? "missing" : "too long");
    memcpy(host, begin, size);
    host[size] = '\0';
    *ret_port = bracket ? end + 2 : end + 1;
    return 0;
}

static int parse_port(const char *endpoint, const char *text, bool listening, unsigned *ret_port, struct kith_error *ret_error) {
    unsigned port = 0;
    if (strcmp(text, "*") != 0) {
        size_t digits = strspn(text, "0123456789");
        if (digits == 0 || digits > 5 || text[digits] != '\0' || (port = (unsigned)strtoul(text, NULL, 10)) > UINT16_MAX)
            return kith_error_set(ret_error, -EINVAL, "%s: \"%s\" is not a port; write a number from 1 to 65535%s", endpoint, text,
                                  listening ? ", or * for any free one" : "");
    }
    if (port == 0 && !listening)
        return kith_error_set(ret_error, -EINVAL, "%s: which port to connect to? write a number from 1 to 65535", endpoint);
    *ret_port = port;
    return 0;
}

static int tcp_parse(const char *endpoint, const char *rest, bool listening, struct kith_address *ret_address,
                     struct kith_error *ret_error) {
    char host[HOST_MAX];
    const char *port_text = NULL;
    unsigned port = 0;
    int r = split(endpoint, rest, host, &port_text, ret_error);
    if (r < 0)
        return r;
    r = parse_port(endpoint, port_text, listening, &port, ret_error);
    if (r < 0)
        return r;

    if (strcmp(host, "*") == 0 && !listening)
        return kith_error_set(ret_error, -EINVAL, "%s: which host to connect to? * is for listening; write its numeric address", endpoint);
    r = kith_address_ip(strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, port, ret_address);
    if (r < 0)
        return kith_error_set(
            ret_error, r,
            "%s: \"%s\" is not a numeric address; neither host names nor interface names are looked up here: give its number "
            "(getent ahosts, ip addr)",
            endpoint, host);
    return 0;
}

static int tcp_format(const struct kith_address *address, char *text, size_t size) {
    char name[KITH_ENDPOINT_MAX];
    int r = kith_address_format(address, name, sizeof(name));
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
    .parse = tcp_parse,
    .format = tcp_format,
    .tune = tcp_tune,
    .peer = tcp_peer,
};

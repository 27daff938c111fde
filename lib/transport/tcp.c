/*
 * tcp://HOST:PORT. Of the peer the kernel knows an address, and no process; when the other end is in this network namespace, whose socket
 * it is.
 *
 * A host to connect to that is no number is a name, looked up anew with each try to connect; one to listen at is an interface, looked up
 * when it is bound.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "stream/endpoint.h"
#include "stream/interface.h"
#include "transport/tcp-facts.h"
#include "transport/transport.h"

_Static_assert(KITH_HOST_SIZE <= KITH_ENDPOINT_NAME_MAX + 1, "a host fits an endpoint");

/* What is in DNS and hosts files: letters, digits, hyphens, dots, and the underscore that people use all the same; not another address. */
static bool name_valid(const char *host) {
    size_t size = strlen(host);
    return strspn(host, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") == size && host[0] != '.' && host[0] != '-' &&
           strspn(host, "0123456789.") != size;
}

static int tcp_parse(const char *text, bool listening, struct kith_endpoint *ret_endpoint, struct kith_error *ret_error) {
    struct kith_host_port place;
    struct kith_endpoint endpoint = {0};
    int r = kith_host_port_parse(text, listening, &place, ret_error);
    if (r < 0)
        return r;
    const char *host = listening && strcmp(place.host, "localhost") == 0 ? "127.0.0.1" : place.host;
    if (kith_address_ip(host, place.port, &endpoint.address) >= 0) {
        *ret_endpoint = endpoint;
        return 0;
    }
    if (!(listening ? kith_interface_name_valid : name_valid)(host))
        return kith_error_set(ret_error, -EINVAL, "%s: \"%s\" is neither a numeric address nor %s", text, host,
                              listening ? "the name of an interface" : "a host name");
    memcpy(endpoint.name, place.host, sizeof(place.host));
    endpoint.port = place.port;
    *ret_endpoint = endpoint;
    return 0;
}

static int tcp_format(const struct kith_endpoint *endpoint, char *text, size_t size) {
    char name[KITH_ENDPOINT_MAX];
    if (endpoint->name[0] != '\0')
        return snprintf(text, size, "tcp://%s:%u", endpoint->name, endpoint->port);
    int r = kith_address_format(&endpoint->address, name, sizeof(name));
    return r < 0 ? r : snprintf(text, size, "tcp://%s", name);
}

static int tcp_locate(struct kith_endpoint *endpoint, struct kith_error *ret_error) {
    char text[KITH_ENDPOINT_MAX];
    (void)tcp_format(endpoint, text, sizeof(text));
    int r = kith_interface_listen_address(text, endpoint->name, endpoint->port, &endpoint->address, ret_error);
    if (r >= 0)
        endpoint->name[0] = '\0';
    return r;
}

/* Messages are written whole, so waiting for more to fill a segment (Nagle) only adds delay. */
static void tcp_tune(int fd) {
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
}

/* What our end of the connection is known by; see struct kith_tcp_connection. */
static void tcp_own(int fd, struct kith_tcp_connection *connection) {
    socklen_t size = sizeof(connection->own), cookie_size = sizeof(connection->cookie), bound_size = sizeof(connection->bound);
    if (getsockname(fd, (struct sockaddr *)&connection->own, &size) < 0)
        connection->own.ss_family = AF_UNSPEC;
    if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &connection->cookie, &cookie_size) < 0)
        connection->cookie = 0;
    if (getsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &connection->bound, &bound_size) < 0)
        connection->bound = 0;
}

/* The address, and what can be looked up by it: see origin/tcp-peer.h. */
static int tcp_peer(kith_conn *conn, struct kith_process **ret_process, kith_origin **ret_origin) {
    struct kith_tcp_connection connection = {.ttl = -1, .tos = -1};
    struct kith_address address;
    struct kith_tcp_peer *peer;
    kith_origin *origin;
    int fd = kith_conn_fd(conn);

    int r = kith_endpoint_peer_address(conn, &origin, &address);
    if (r < 0)
        return r;
    connection.peer = address.storage;
    tcp_own(fd, &connection);
    kith_tcp_facts(fd, &connection);
    r = kith_tcp_peer_new(&connection, &peer);
    if (r < 0) {
        kith_origin_unref(origin);
        return r;
    }
    kith_origin_set_tcp_peer(origin, peer);
    *ret_origin = origin;
    *ret_process = NULL;
    return 0;
}

const struct kith_transport kith_transport_tcp = {
    .scheme = "tcp",
    .identity = false,
    .parse = tcp_parse,
    .format = tcp_format,
    .locate = tcp_locate,
    .tune = tcp_tune,
    .peer = tcp_peer,
};

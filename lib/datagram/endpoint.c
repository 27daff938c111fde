/*
 * datagram/endpoint.c: udp://[INTERFACE;]HOST:PORT, from text and back. No name is looked up: an interface is kept as it was written until
 * the socket is opened, when it may have come to be.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "datagram/datagram.h"
#include "stream/interface.h"

#define FORMS "write udp://HOST:PORT, udp://GROUP:PORT or udp://INTERFACE;GROUP:PORT"

struct parts {
    char interface[KITH_DATAGRAM_INTERFACE_MAX];
    char host[KITH_DATAGRAM_INTERFACE_MAX];
    const char *port;
};

bool kith_address_is_multicast(const struct kith_address *address) {
    if (address->storage.ss_family == AF_INET)
        return IN_MULTICAST(ntohl(((const struct sockaddr_in *)&address->storage)->sin_addr.s_addr));
    return address->storage.ss_family == AF_INET6 && IN6_IS_ADDR_MULTICAST(&((const struct sockaddr_in6 *)&address->storage)->sin6_addr);
}

static int copy_part(const char *text, const char *what, const char *begin, size_t size, char part[KITH_DATAGRAM_INTERFACE_MAX],
                     struct kith_error *ret_error) {
    if (size == 0 || size >= KITH_DATAGRAM_INTERFACE_MAX)
        return kith_error_set(ret_error, -EINVAL, "%s: the %s is %s; " FORMS, text, what, size == 0 ? "missing" : "too long");
    memcpy(part, begin, size);
    part[size] = '\0';
    return 0;
}

static int split(const char *text, const char *rest, struct parts *parts, struct kith_error *ret_error) {
    const char *semicolon = strchr(rest, ';');
    const char *begin = semicolon ? semicolon + 1 : rest;
    bool bracket = begin[0] == '[';
    const char *end = bracket ? strchr(begin, ']') : strrchr(begin, ':');
    parts->interface[0] = '\0';
    if (semicolon) {
        int r = copy_part(text, "interface", rest, (size_t)(semicolon - rest), parts->interface, ret_error);
        if (r < 0)
            return r;
    }
    if (!end || (bracket && end[1] != ':'))
        return kith_error_set(ret_error, -EINVAL, "%s: the port is missing; " FORMS, text);
    begin += bracket;
    if (!bracket && memchr(begin, ':', (size_t)(end - begin)))
        return kith_error_set(ret_error, -EINVAL, "%s: an IPv6 address stands in brackets: udp://[::1]:5555", text);
    parts->port = bracket ? end + 2 : end + 1;
    return copy_part(text, "host", begin, (size_t)(end - begin), parts->host, ret_error);
}

static int parse_port(const char *text, const char *digits, bool listening, unsigned *ret_port, struct kith_error *ret_error) {
    unsigned port = 0;
    if (!listening || strcmp(digits, "*") != 0) {
        size_t count = strspn(digits, "0123456789");
        if (count == 0 || count > 5 || digits[count] != '\0' || (port = (unsigned)strtoul(digits, NULL, 10)) > UINT16_MAX ||
            (port == 0 && !listening))
            return kith_error_set(ret_error, -EINVAL, "%s: \"%s\" is not a port; write a number from 1 to 65535%s", text, digits,
                                  listening ? ", or * for any free one" : "");
    }
    *ret_port = port;
    return 0;
}

/* A host that is no address: when binding the name of an interface. */
static int take_name(const char *text, bool listening, const struct parts *parts, unsigned port, struct kith_datagram_endpoint *endpoint,
                     struct kith_error *ret_error) {
    if (!listening || parts->interface[0] || !kith_interface_name_valid(parts->host))
        return kith_error_set(ret_error, -EINVAL,
                              "%s: \"%s\" is not a numeric address; host names are not looked up here: give its number "
                              "(getent ahosts)",
                              text, parts->host);
    (void)snprintf(endpoint->interface, sizeof(endpoint->interface), "%s", parts->host);
    return kith_address_ip("*", port, &endpoint->address);
}

int kith_datagram_endpoint_parse(const char *text, bool listening, struct kith_datagram_endpoint *ret_endpoint,
                                 struct kith_error *ret_error) {
    struct kith_datagram_endpoint endpoint = {.interface = ""};
    struct parts parts;
    unsigned port = 0;
    if (!text || strncmp(text, "udp://", 6) != 0)
        return kith_error_set(ret_error, -EINVAL, "%s: not a UDP endpoint; " FORMS, text ? text : "nothing");
    int r = split(text, text + 6, &parts, ret_error);
    if (r >= 0)
        r = parse_port(text, parts.port, listening, &port, ret_error);
    if (r < 0)
        return r;
    if (strcmp(parts.host, "*") == 0 && !listening)
        return kith_error_set(ret_error, -EINVAL, "%s: which host to send to? * is for binding; write its numeric address", text);
    r = kith_address_ip(strcmp(parts.host, "localhost") == 0 ? "127.0.0.1" : parts.host, port, &endpoint.address);
    if (r < 0) {
        r = take_name(text, listening, &parts, port, &endpoint, ret_error);
    } else if (parts.interface[0] && !kith_address_is_multicast(&endpoint.address)) {
        r = kith_error_set(ret_error, -EINVAL, "%s: an interface goes with a multicast group (224.0.0.0/4, ff00::/8), which %s is not",
                           text, parts.host);
    } else {
        memcpy(endpoint.interface, parts.interface, sizeof(endpoint.interface));
    }
    if (r >= 0)
        *ret_endpoint = endpoint;
    return r;
}

int kith_datagram_endpoint_format(const struct kith_datagram_endpoint *endpoint, char *text, size_t size) {
    char address[96];
    int r = kith_address_format(&endpoint->address, address, sizeof(address));
    if (r < 0)
        return r;
    if (!endpoint->interface[0])
        return snprintf(text, size, "udp://%s", address);
    if (kith_address_is_multicast(&endpoint->address))
        return snprintf(text, size, "udp://%s;%s", endpoint->interface, address);
    const char *port = strrchr(address, ':');
    return snprintf(text, size, "udp://%s%s", endpoint->interface, port ? port : "");
}

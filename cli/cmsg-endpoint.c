/* cli/cmsg-endpoint.c: the endpoints of `kith cmsg`: plain sockets, without any protocol of kith's. */
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netdb.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/cmsg.h"
#include "cli/output.h"
#include "gateway/printable.h"

static const struct scheme {
    const char *prefix;
    int family, type;
} schemes[] = {
    {"udp://", AF_UNSPEC, SOCK_DGRAM}, {"tcp://", AF_UNSPEC, SOCK_STREAM},   {"unix-dgram://", AF_UNIX, SOCK_DGRAM},
    {"unix://", AF_UNIX, SOCK_STREAM}, {"netlink://", AF_NETLINK, SOCK_RAW},
};

static int parse_unix(const char *path, struct cmsg_endpoint *endpoint) {
    size_t size = strlen(path);

    if (size == 0 || size >= sizeof(endpoint->address.un.sun_path)) {
        cli_error("%s: a unix socket is a path or @NAME of 1 to %zu octets", endpoint->text, sizeof(endpoint->address.un.sun_path) - 1);
        return CLI_USAGE;
    }
    endpoint->address.un.sun_family = AF_UNIX;
    memcpy(endpoint->address.un.sun_path, path, size);
    endpoint->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + 1);
    if (path[0] == '@') {
        endpoint->address.un.sun_path[0] = '\0';
        endpoint->size--; /* an abstract name has no NUL at its end */
    }
    return CLI_OK;
}

static int parse_internet(const char *place, struct cmsg_endpoint *endpoint) {
    struct addrinfo hints = {.ai_socktype = endpoint->type}, *found;
    const char *colon = strrchr(place, ':');
    char host[256];
    size_t size = colon ? (size_t)(colon - place) : 0;

    if (!colon || size == 0 || size >= sizeof(host)) {
        cli_error("%s: HOST:PORT is missing, as in udp://127.0.0.1:9000 or udp://[::1]:9000", endpoint->text);
        return CLI_USAGE;
    }
    if (place[0] == '[' && colon[-1] == ']') {
        place++;
        size -= 2;
    }
    memcpy(host, place, size);
    host[size] = '\0';
    if (strcmp(host, "*") == 0)
        hints.ai_flags = AI_PASSIVE;
    int r = getaddrinfo(strcmp(host, "*") == 0 ? NULL : host, colon + 1, &hints, &found);
    if (r != 0) {
        cli_error("%s: %s", endpoint->text, gai_strerror(r));
        return CLI_ERROR;
    }
    memcpy(&endpoint->address, found->ai_addr, found->ai_addrlen);
    endpoint->size = found->ai_addrlen;
    freeaddrinfo(found);
    return CLI_OK;
}

/* The groups of rtnetlink(7) about links, addresses and routes. */
static int parse_netlink(const char *name, struct cmsg_endpoint *endpoint) {
    struct sockaddr_nl address = {.nl_family = AF_NETLINK,
                                  .nl_groups =
                                      RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE};

    if (strcmp(name, "route") != 0) {
        cli_error("%s: there is netlink://route alone", endpoint->text);
        return CLI_USAGE;
    }
    memcpy(&endpoint->address, &address, sizeof(address));
    endpoint->size = sizeof(address);
    return CLI_OK;
}

int cmsg_endpoint_parse(const char *text, struct cmsg_endpoint *ret_endpoint) {
    memset(ret_endpoint, 0, sizeof(*ret_endpoint));
    ret_endpoint->text = text;
    for (size_t i = 0; i < KITH_ARRAY_SIZE(schemes); i++) {
        size_t size = strlen(schemes[i].prefix);

        if (strncmp(text, schemes[i].prefix, size) != 0)
            continue;
        ret_endpoint->type = schemes[i].type;
        return schemes[i].family == AF_UNIX      ? parse_unix(text + size, ret_endpoint)
               : schemes[i].family == AF_NETLINK ? parse_netlink(text + size, ret_endpoint)
                                                 : parse_internet(text + size, ret_endpoint);
    }
    cli_error("%s: an endpoint is udp://HOST:PORT, tcp://HOST:PORT, unix-dgram://PATH, unix://PATH or netlink://route", text);
    return CLI_USAGE;
}

static void format_unix(int type, const struct sockaddr_un *un, socklen_t size, struct kith_text *text) {
    size_t length = size - offsetof(struct sockaddr_un, sun_path);
    bool abstract = un->sun_path[0] == '\0';

    kith_text_puts(text, type == SOCK_DGRAM ? "unix-dgram://" : "unix://");
    kith_text_puts(text, abstract ? "@" : "");
    gateway_put_printable(text, un->sun_path + abstract, abstract ? length - 1 : strnlen(un->sun_path, length), length, 0);
}

void cmsg_endpoint_format(int type, const void *address, socklen_t size, struct kith_text *text) {
    const struct sockaddr *any = address;
    char host[NI_MAXHOST], port[NI_MAXSERV];

    if (size > offsetof(struct sockaddr_un, sun_path) && any->sa_family == AF_UNIX) {
        format_unix(type, address, size, text);
    } else if (size >= sizeof(struct sockaddr_in) && (any->sa_family == AF_INET || any->sa_family == AF_INET6) &&
               getnameinfo(any, size, host, sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) == 0) {
        kith_text_puts(text, type == SOCK_DGRAM ? "udp://" : "tcp://");
        kith_text_puts(text, any->sa_family == AF_INET6 ? "[" : "");
        kith_text_puts(text, host);
        kith_text_puts(text, any->sa_family == AF_INET6 ? "]:" : ":");
        kith_text_puts(text, port);
    } else if (size >= sizeof(struct sockaddr_nl) && any->sa_family == AF_NETLINK) {
        kith_text_puts(text, "netlink://route");
    } else {
        kith_text_puts(text, "-");
    }
}

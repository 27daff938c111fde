/*
 * Addresses as people write them: ipc://PATH, ipc://@NAME, tcp://HOST:PORT, with IPv6 in brackets: tcp://[::1]:5555.
 *
 * Names are not resolved: a resolver blocks, and a server should say which address it means. "localhost" alone is taken for 127.0.0.1,
 * because people write it and mean that.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <kith/stream.h>

#include "base/error.h"

/* An IPv6 address, "%", an interface. */
#define HOST_MAX 64

static int parse_unix(const char *endpoint, const char *rest, struct kith_address *ret_address, struct kith_error *ret_error) {
    if (strcmp(rest, "*") == 0)
        return kith_error_set(ret_error, -EINVAL, "%s: no path is made up here; write ipc://PATH or ipc://@NAME", endpoint);
    int r = kith_address_unix(rest, ret_address);
    if (r == -ENAMETOOLONG)
        return kith_error_set(ret_error, r, "%s: %zu octets are too long for a socket's path, which has at most 107; use a shorter one",
                              endpoint, strlen(rest));
    if (r < 0)
        return kith_error_set(ret_error, r, "%s: the path is missing; write ipc://PATH or ipc://@NAME", endpoint);
    return 0;
}

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

static int parse_tcp(const char *endpoint, const char *rest, bool listening, struct kith_address *ret_address,
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

int kith_address_parse(const char *text, bool listening, struct kith_address *ret_address, struct kith_error *ret_error) {
    if (!text || !ret_address)
        return kith_error_set(ret_error, -EINVAL, "no address given; write ipc://PATH, ipc://@NAME or tcp://HOST:PORT");
    const char *colon = strstr(text, "://");
    if (!colon || colon == text)
        return kith_error_set(ret_error, -EINVAL, "%s: not an address; write ipc://PATH, ipc://@NAME or tcp://HOST:PORT", text);

    const char *rest = colon + strlen("://");
    if (strncmp(text, "ipc://", (size_t)(rest - text)) == 0)
        return parse_unix(text, rest, ret_address, ret_error);
    if (strncmp(text, "tcp://", (size_t)(rest - text)) == 0)
        return parse_tcp(text, rest, listening, ret_address, ret_error);
    return kith_error_set(ret_error, -EPROTONOSUPPORT, "%s: \"%.*s\" is no stream socket; there are: ipc, tcp", text, (int)(colon - text),
                          text);
}

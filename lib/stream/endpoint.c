/*
 * Addresses as people write them: a scheme, "://", and what the scheme makes of the rest; one row a scheme.
 *
 * Host names are not resolved here: that takes a loop and time (kith/resolve.h). "localhost" alone is taken for 127.0.0.1, because people
 * write it and mean that. The port is what stands behind the last colon, so an IPv6 address needs no brackets, though it had better have
 * them.
 */
#include "stream/endpoint.h"

#include <errno.h>
#include <limits.h>
#include <linux/vm_sockets.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "stream/interface.h"

#define FORMS "write ipc://PATH, ipc://@NAME, tcp://HOST:PORT or vsock://CID:PORT"

/* ipc -------------------------------------------------------------------------------------------------------------------- */

/* An address of the family alone: bind(2) makes up an abstract name for it (unix(7), autobind), that nobody has; and nothing is left behind
 * when the socket is gone. */
static void unnamed(struct kith_address *ret_address) {
    *ret_address = (struct kith_address){.size = sizeof(sa_family_t)};
    ret_address->storage.ss_family = AF_UNIX;
}

static int parse_ipc(const char *endpoint, const char *rest, bool listening, struct kith_address *ret_address,
                     struct kith_error *ret_error) {
    if (strcmp(rest, "*") == 0 && !listening)
        return kith_error_set(ret_error, -EINVAL, "%s: which name to connect to? * is for listening; write ipc://PATH or ipc://@NAME",
                              endpoint);
    if (strcmp(rest, "*") == 0) {
        unnamed(ret_address);
        return 0;
    }
    int r = kith_address_unix(rest, ret_address);
    if (r == -ENAMETOOLONG)
        return kith_error_set(ret_error, r, "%s: %zu octets are too long for a socket's path, which has at most 107; use a shorter one",
                              endpoint, strlen(rest));
    if (r < 0)
        return kith_error_set(ret_error, r, "%s: the path is missing; write ipc://PATH or ipc://@NAME", endpoint);
    return 0;
}

/* tcp -------------------------------------------------------------------------------------------------------------------- */

static bool is_number(const char *host) {
    struct kith_address address;
    return strcmp(host, "*") != 0 && kith_address_ip(host, 0, &address) >= 0;
}

/* Splits "HOST:PORT" and "[HOST]:PORT". */
static int split(const char *endpoint, const char *rest, char host[static KITH_HOST_SIZE], const char **ret_port,
                 struct kith_error *ret_error) {
    bool bracket = rest[0] == '[';
    const char *begin = bracket ? rest + 1 : rest;
    const char *end = bracket ? strchr(begin, ']') : strrchr(begin, ':');
    if (!end || (bracket && end[1] != ':'))
        return kith_error_set(ret_error, -EINVAL, "%s: the port is missing; write tcp://HOST:PORT or tcp://[IPV6]:PORT", endpoint);

    size_t size = (size_t)(end - begin);
    if (size == 0 || size >= KITH_HOST_SIZE)
        return kith_error_set(ret_error, -EINVAL, "%s: the host is %s", endpoint, size == 0 ? "missing" : "longer than a name can be");
    memcpy(host, begin, size);
    host[size] = '\0';
    if (strchr(host, ':') && !is_number(host))
        return kith_error_set(ret_error, -EINVAL, "%s: \"%s\" is no IPv6 address; write one in brackets: tcp://[::1]:5555", endpoint, host);
    *ret_port = bracket ? end + 2 : end + 1;
    return 0;
}

/* A number up to `max`, or * for any when listening. *ret_any: any. */
static int parse_port(const char *endpoint, const char *text, bool listening, uint32_t max, uint32_t *ret_port, bool *ret_any,
                      struct kith_error *ret_error) {
    unsigned long port = 0;
    if (strcmp(text, "*") != 0) {
        size_t digits = strspn(text, "0123456789");
        if (digits == 0 || digits > 10 || text[digits] != '\0' || (port = strtoul(text, NULL, 10)) > max)
            return kith_error_set(ret_error, -EINVAL, "%s: \"%s\" is not a port; write a number from 1 to %u%s", endpoint, text, max,
                                  listening ? ", or * for any free one" : "");
    }
    if (port == 0 && !listening)
        return kith_error_set(ret_error, -EINVAL, "%s: which port to connect to? write a number from 1 to %u", endpoint, max);
    *ret_port = (uint32_t)port;
    *ret_any = port == 0;
    return 0;
}

int kith_host_port_parse(const char *endpoint, bool listening, struct kith_host_port *ret_place, struct kith_error *ret_error) {
    struct kith_host_port place = {0};
    const char *port = NULL;
    bool any = false;
    int r = split(endpoint, endpoint + strlen("tcp://"), place.host, &port, ret_error);
    if (r >= 0)
        r = parse_port(endpoint, port, listening, UINT16_MAX, &place.port, &any, ret_error);
    if (r < 0)
        return r;
    if (strcmp(place.host, "*") == 0 && !listening)
        return kith_error_set(ret_error, -EINVAL, "%s: which host to connect to? * is for listening; write its name or its address",
                              endpoint);
    *ret_place = place;
    return 0;
}

static int parse_tcp(const char *endpoint, const char *rest, bool listening, struct kith_address *ret_address,
                     struct kith_error *ret_error) {
    (void)rest;
    struct kith_host_port place;
    int r = kith_host_port_parse(endpoint, listening, &place, ret_error);
    if (r < 0)
        return r;
    const char *host = strcmp(place.host, "localhost") == 0 ? "127.0.0.1" : place.host;
    if (kith_address_ip(host, place.port, ret_address) >= 0)
        return 0;
    if (listening && kith_interface_name_valid(host))
        return kith_interface_listen_address(endpoint, host, place.port, ret_address, ret_error);
    return kith_error_set(ret_error, -EINVAL,
                          "%s: \"%s\" is not a numeric address, and host names are not looked up here; getent ahosts shows its numbers",
                          endpoint, host);
}

/* vsock ------------------------------------------------------------------------------------------------------------------ */

static int parse_cid(const char *endpoint, const char *text, size_t size, bool listening, uint32_t *ret_cid, struct kith_error *ret_error) {
    *ret_cid = VMADDR_CID_ANY;
    if (size == 1 && text[0] == '*' && listening)
        return 0;
    size_t digits = strspn(text, "0123456789");
    unsigned long cid = digits > 0 && digits <= 10 ? strtoul(text, NULL, 10) : ULONG_MAX;
    if (digits != size || cid >= VMADDR_CID_ANY)
        return kith_error_set(ret_error, -EINVAL,
                              "%s: \"%.*s\" is not a context id; write 2 for the host, 1 for this machine, a guest's own number%s",
                              endpoint, (int)size, text, listening ? ", or * for any of ours" : "");
    *ret_cid = (uint32_t)cid;
    return 0;
}

static int parse_vsock(const char *endpoint, const char *rest, bool listening, struct kith_address *ret_address,
                       struct kith_error *ret_error) {
    uint32_t cid = 0, port = 0;
    bool any = false;
    const char *colon = strchr(rest, ':');
    if (!colon)
        return kith_error_set(ret_error, -EINVAL, "%s: the port is missing; write vsock://CID:PORT", endpoint);
    int r = parse_cid(endpoint, rest, (size_t)(colon - rest), listening, &cid, ret_error);
    if (r >= 0)
        r = parse_port(endpoint, colon + 1, listening, VMADDR_PORT_ANY - 1, &port, &any, ret_error);
    return r < 0 ? r : kith_address_vsock(cid, any ? VMADDR_PORT_ANY : port, ret_address);
}

/* ------------------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *scheme; /* with "://" */
    int (*parse)(const char *endpoint, const char *rest, bool listening, struct kith_address *ret_address, struct kith_error *ret_error);
} schemes[] = {{"ipc://", parse_ipc}, {"tcp://", parse_tcp}, {"vsock://", parse_vsock}};

int kith_address_parse(const char *text, bool listening, struct kith_address *ret_address, struct kith_error *ret_error) {
    if (!text || !ret_address)
        return kith_error_set(ret_error, -EINVAL, "no address given; " FORMS);
    const char *colon = strstr(text, "://");
    if (!colon || colon == text)
        return kith_error_set(ret_error, -EINVAL, "%s: not an address; " FORMS, text);

    for (size_t i = 0; i < KITH_ARRAY_SIZE(schemes); i++) {
        size_t size = strlen(schemes[i].scheme);
        if (strncmp(text, schemes[i].scheme, size) == 0)
            return schemes[i].parse(text, text + size, listening, ret_address, ret_error);
    }
    return kith_error_set(ret_error, -EPROTONOSUPPORT, "%s: \"%.*s\" is no stream socket; there are: ipc, tcp, vsock", text,
                          (int)(colon - text), text);
}

/*
 * Endpoints: "scheme://rest" -> a transport and an address. The table of transports is here and nowhere else.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "transport/transport.h"

static const struct kith_transport *const transports[] = {
    &kith_transport_unix, &kith_transport_tcp, &kith_transport_inproc, &kith_transport_vsock, &kith_transport_udp, &kith_transport_kernel,
};

static int unknown_scheme(const char *text, size_t size, struct kith_error *ret_error) {
    char known[128] = "";
    size_t used = 0;
    for (size_t i = 0; i < KITH_ARRAY_SIZE(transports) && used < sizeof(known); i++)
        used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s", i > 0 ? ", " : "", transports[i]->scheme);
    return kith_error_set(ret_error, -EPROTONOSUPPORT, "%s: there is no transport \"%.*s\"; there are: %s", text, (int)size, text, known);
}

int kith_endpoint_parse(const char *text, bool listening, struct kith_endpoint *ret_endpoint, struct kith_error *ret_error) {
    if (!text || !ret_endpoint)
        return kith_error_set(ret_error, -EINVAL,
                              "no endpoint given; write ipc://PATH, ipc://@NAME, tcp://HOST:PORT, udp://HOST:PORT, vsock://CID:PORT, "
                              "inproc://NAME or kernel://CHANNEL");
    if (strnlen(text, KITH_ENDPOINT_MAX) == KITH_ENDPOINT_MAX)
        return kith_error_set(ret_error, -ENAMETOOLONG, "%.40s...: an endpoint has fewer than %d octets", text, KITH_ENDPOINT_MAX);
    const char *colon = strstr(text, "://");
    if (!colon || colon == text)
        return kith_error_set(ret_error, -EINVAL,
                              "%s: not an endpoint; write ipc://PATH, ipc://@NAME, tcp://HOST:PORT, udp://HOST:PORT, vsock://CID:PORT, "
                              "inproc://NAME or kernel://CHANNEL",
                              text);

    size_t size = (size_t)(colon - text);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(transports); i++) {
        const struct kith_transport *transport = transports[i];
        if (strlen(transport->scheme) != size || memcmp(transport->scheme, text, size) != 0)
            continue;
        struct kith_endpoint endpoint = {.transport = transport};
        int r = transport->parse(text, listening, &endpoint, ret_error);
        if (r < 0)
            return r;
        endpoint.transport = transport;
        *ret_endpoint = endpoint;
        return 0;
    }
    return unknown_scheme(text, size, ret_error);
}

int kith_endpoint_locate(struct kith_endpoint *endpoint, struct kith_error *ret_error) {
    return endpoint->name[0] != '\0' && endpoint->transport->locate ? endpoint->transport->locate(endpoint, ret_error) : 0;
}

int kith_endpoint_parse_address(const char *text, bool listening, struct kith_endpoint *ret_endpoint, struct kith_error *ret_error) {
    struct kith_endpoint endpoint = {0};
    int r = kith_address_parse(text, listening, &endpoint.address, ret_error);
    if (r >= 0)
        *ret_endpoint = endpoint;
    return r;
}

int kith_endpoint_peer_address(kith_conn *conn, kith_origin **ret_origin, struct kith_address *ret_address) {
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
    *ret_origin = origin;
    if (ret_address)
        *ret_address = address;
    return 0;
}
